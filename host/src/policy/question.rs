//! What the gate is asked.

use super::{Access, visible};

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
        /// What for.
        access: Access,
    },
    /// Open a database by a URL that is a secret.
    SecretDatabase {
        /// The secret, and the connection's name.
        name: &'a str,
    },
    /// Read or change what is in a tree.
    Directory {
        /// The tree, as it was granted.
        path: &'a str,
        /// What for.
        access: Access,
    },
    /// Read or change a file that is no part of a tree, or a tree in a way that it is not granted for.
    File {
        /// The tree that it was asked for in.
        tree: &'a str,
        /// Below it, or as if it were.
        path: &'a str,
        /// What for.
        access: Access,
    },
    /// Read a variable.
    Environment {
        /// Its name.
        name: &'a str,
    },
    /// Give a secret to a child in a variable.
    SecretVariable {
        /// The secret.
        name: &'a str,
        /// The variable.
        variable: &'a str,
        /// The program.
        program: &'a str,
    },
    /// Append a record; in no phase but `apply`, where nobody asks.
    Record,
    /// Change state, where nothing may be changed.
    State,
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
            Self::Database { name, access } => {
                let what = if *access == Access::Write { " for changes" } else { "" };
                write!(formatter, "open the database `{name}`{what}")
            }
            Self::SecretDatabase { name } => write!(formatter, "open the database in the secret `{name}`"),
            Self::Directory { path, access } => write!(formatter, "{} the directory `{path}`", verb(*access)),
            Self::File { tree, path, access } => {
                write!(formatter, "{} `{path}` in the directory `{tree}`", verb(*access))
            }
            Self::Environment { name } => write!(formatter, "read the variable `{name}`"),
            Self::SecretVariable { name, variable, program } => {
                write!(formatter, "give the secret `{name}` to `{program}` in the variable `{variable}`")
            }
            Self::Record => formatter.write_str("append a record"),
            Self::State => formatter.write_str("change state"),
            Self::SecretHeader { name, origin } => {
                write!(formatter, "send the secret `{name}` in a header to `{origin}`")
            }
            Self::SecretUrl { name, method } => write!(formatter, "{method} to the URL in the secret `{name}`"),
            Self::SecretPlaceholder { name } => write!(formatter, "get a stand-in for the secret `{name}`"),
        }
    }
}

const fn verb(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "change",
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
