//! What the gate is asked.

use super::visible;

/// What a plugin is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question<'a> {
    /// Run a program.
    Exec {
        /// As the plugin names it.
        program: &'a str,
        /// The arguments.
        arguments: &'a [String],
        /// Relative to the project.
        directory: &'a str,
        /// The variables it sets.
        variables: &'a [String],
    },
    /// Send a request.
    Http {
        /// `https` or `http`.
        scheme: &'a str,
        /// Name or address, as in the request.
        host: &'a str,
        /// The port.
        port: u16,
        /// In upper case.
        method: &'a str,
        /// Without the query.
        path: &'a str,
    },
    /// Probe a port.
    TcpProbe {
        /// Name or address.
        host: &'a str,
        /// The port.
        port: u16,
    },
    /// Open a database.
    Database {
        /// The connection's name.
        name: &'a str,
    },
    /// Send a secret in a header to an origin.
    SecretHeader {
        /// The secret.
        name: &'a str,
        /// For example `https://slack.com`.
        origin: &'a str,
    },
    /// Send a request to a URL that is a secret.
    SecretUrl {
        /// The secret.
        name: &'a str,
        /// In upper case.
        method: &'a str,
    },
    /// Get a stand-in for a secret, for whatever it was granted for.
    SecretPlaceholder {
        /// The secret.
        name: &'a str,
    },
}

impl std::fmt::Display for Question<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut line = String::new();
        self.write(&mut line)?;
        formatter.write_str(&visible(&line))
    }
}

impl Question<'_> {
    fn write(&self, formatter: &mut impl std::fmt::Write) -> std::fmt::Result {
        match self {
            Self::Exec { program, arguments, directory, variables } => {
                let mut line = (*program).to_owned();
                for argument in *arguments {
                    line.push(' ');
                    line.push_str(argument);
                }
                write!(formatter, "run `{line}`")?;
                if !same_directory(directory, ".") {
                    write!(formatter, " in `{directory}`")?;
                }
                if !variables.is_empty() {
                    write!(formatter, " with {}", variables.join(", "))?;
                }
                Ok(())
            }
            Self::Http { scheme, host, port, method, path } => {
                let host = if host.contains(':') { format!("[{host}]") } else { (*host).to_owned() };
                match (*scheme, *port) {
                    ("https", 443) | ("http", 80) => write!(formatter, "{method} `{scheme}://{host}{path}`"),
                    _ => write!(formatter, "{method} `{scheme}://{host}:{port}{path}`"),
                }
            }
            Self::TcpProbe { host, port } => write!(formatter, "probe `{host}:{port}`"),
            Self::Database { name } => write!(formatter, "open the database `{name}`"),
            Self::SecretHeader { name, origin } => {
                write!(formatter, "send the secret `{name}` in a header to `{origin}`")
            }
            Self::SecretUrl { name, method } => write!(formatter, "{method} to the URL in the secret `{name}`"),
            Self::SecretPlaceholder { name } => write!(formatter, "get a stand-in for the secret `{name}`"),
        }
    }
}

/// The same directory, whatever dots and slashes it is written with. An absolute one is never that of a grant, which is
/// relative to the project.
pub(super) fn same_directory(one: &str, other: &str) -> bool {
    if one.starts_with('/') || other.starts_with('/') {
        return false;
    }
    let parts = |path: &str| -> Vec<String> {
        path.split('/').filter(|part| !matches!(*part, "" | ".")).map(Into::into).collect()
    };
    parts(one) == parts(other)
}
