//! What the gate is asked.

use super::{
    Access, Capability, Database, Directory, Environment, Exec, Http, Phase, Phases, Ports, Secret, SecretUse,
    TcpProbe, visible,
};

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
    /// The line of `deploy.lock` that would let exactly this through in this phase; none where no line can.
    pub(super) fn line(&self, phase: Phase) -> Option<Capability> {
        let phases: Phases = [phase].into();
        let looks = |method: &str| phase != Phase::Plan || matches!(method, "GET" | "HEAD");
        let may = |access: Access| phase != Phase::Plan || access == Access::Read;
        let secret = |name: &str, usage: SecretUse| {
            Capability::Secret(Secret { name: name.to_owned(), usage, phases: [phase].into() })
        };
        Some(match *self {
            Self::Exec { program, arguments, directory, variables } => {
                // As a line, these would be more than was asked for.
                if arguments.iter().any(|argument| matches!(argument.as_str(), "*" | "**")) {
                    return None;
                }
                Capability::Exec(Exec {
                    program: program.to_owned(),
                    arguments: arguments.to_vec(),
                    directory: if same_directory(directory, ".") { ".".into() } else { directory.to_owned() },
                    variables: variables.to_vec(),
                    toolchains: vec![],
                    background: false,
                    writes: vec![],
                    connects: Ports::default(),
                    phases,
                })
            }
            Self::Http { scheme, host, port, method, path } if looks(method) => Capability::Http(Http {
                scheme: scheme.to_owned(),
                host: host.to_owned(),
                port,
                methods: vec![method.to_owned()],
                path: path.to_owned(),
                addresses: vec![],
                phases,
            }),
            Self::TcpProbe { host, port } => {
                Capability::TcpProbe(TcpProbe { host: host.to_owned(), port, addresses: vec![], phases })
            }
            Self::Database { name, access } if may(access) => {
                Capability::Database(Database { name: name.to_owned(), url: None, access, phases })
            }
            Self::SecretDatabase { name } => secret(name, SecretUse::Database),
            Self::SecretHeader { name, origin } => secret(name, SecretUse::Header { origin: origin.to_owned() }),
            Self::SecretUrl { name, method } if looks(method) => {
                secret(name, SecretUse::Url { methods: vec![method.to_owned()], addresses: vec![] })
            }
            Self::Directory { path, access } if may(access) => {
                Capability::Directory(Directory { path: path.to_owned(), access, phases })
            }
            // A tree that may be read may be changed by another line; what is outside of all trees no line can reach from here.
            Self::File { tree, path, access: Access::Write } if may(Access::Write) && is_below(path) => {
                Capability::Directory(Directory { path: tree.to_owned(), access: Access::Write, phases })
            }
            Self::Environment { name } => Capability::Environment(Environment { name: name.to_owned(), phases }),
            _ => return None,
        })
    }

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

/// Whether a path, as it is written, stays below where it begins.
fn is_below(path: &str) -> bool {
    !path.starts_with('/') && !path.split('/').any(|part| part == "..")
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
