//! What the probe asks for, in the words of `deploy.lock`.

use schemars::JsonSchema;
use serde::Deserialize;
use windlass_plugin::{Access, Capability, Phases, Ports, SecretUse};

/// One capability.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Asked {
    Exec {
        program: String,
        #[serde(default)]
        arguments: Vec<String>,
        directory: Option<String>,
        #[serde(default)]
        variables: Vec<String>,
        #[serde(default)]
        background: bool,
        /// Everything where nothing is said: most tests are about something else.
        writes: Option<Vec<String>>,
        /// Likewise any port.
        connects: Option<Vec<u16>>,
        phases: Vec<When>,
    },
    Http {
        /// `http` where nothing is said.
        scheme: Option<String>,
        host: String,
        port: u16,
        methods: Vec<String>,
        path: String,
        #[serde(default)]
        addresses: Vec<String>,
        phases: Vec<When>,
    },
    TcpProbe {
        host: String,
        port: u16,
        #[serde(default)]
        addresses: Vec<String>,
        phases: Vec<When>,
    },
    Directory {
        path: String,
        #[serde(default)]
        write: bool,
        phases: Vec<When>,
    },
    Environment {
        name: String,
        phases: Vec<When>,
    },
    Database {
        name: String,
        url: Option<String>,
        #[serde(default)]
        write: bool,
        phases: Vec<When>,
    },
    SecretHeader {
        name: String,
        origin: String,
        phases: Vec<When>,
    },
    SecretUrl {
        name: String,
        methods: Vec<String>,
        #[serde(default)]
        addresses: Vec<String>,
        phases: Vec<When>,
    },
    SecretVariable {
        name: String,
        variable: String,
        program: Option<String>,
        phases: Vec<When>,
    },
    SecretDatabase {
        name: String,
        phases: Vec<When>,
    },
}

/// A phase.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum When {
    Plan,
    Apply,
    Revert,
}

fn phases(list: &[When]) -> Phases {
    list.iter().fold(Phases::empty(), |all, one| {
        all | match one {
            When::Plan => Phases::PLAN,
            When::Apply => Phases::APPLY,
            When::Revert => Phases::REVERT,
        }
    })
}

fn access(write: bool) -> Access {
    if write { Access::Write } else { Access::Read }
}

impl Asked {
    pub(crate) fn capability(&self) -> Capability {
        match self {
            Self::Exec { program, arguments, directory, variables, background, writes, connects, phases: when } => {
                Capability::exec(program)
                    .arguments(arguments)
                    .directory(directory.as_deref().unwrap_or("."))
                    .variables(variables)
                    .background(*background)
                    .writes(writes.clone().unwrap_or_else(|| vec!["/".into()]))
                    .connects(connects.clone().map_or(Ports::Any, Ports::These))
                    .during(phases(when))
            }
            Self::Http { scheme, host, port, methods, path, addresses, phases: when } => {
                Capability::http(scheme.as_deref().unwrap_or("http"), host, *port)
                    .methods(methods)
                    .path(path)
                    .addresses(addresses)
                    .during(phases(when))
            }
            Self::TcpProbe { host, port, addresses, phases: when } => {
                Capability::tcp_probe(host, *port, addresses, phases(when))
            }
            Self::Directory { path, write, phases: when } => Capability::directory(path, access(*write), phases(when)),
            Self::Environment { name, phases: when } => Capability::environment(name, phases(when)),
            Self::Database { name, url: Some(url), write, phases: when } => {
                Capability::database(name, url, access(*write), phases(when))
            }
            Self::Database { name, url: None, write, phases: when } => {
                Capability::secret_database(name, access(*write), phases(when))
            }
            Self::SecretHeader { name, origin, phases: when } => {
                Capability::secret(name, SecretUse::Header(origin.clone()), phases(when))
            }
            Self::SecretUrl { name, methods, addresses, phases: when } => {
                Capability::secret_url(name, methods, addresses, phases(when))
            }
            Self::SecretVariable { name, variable, program, phases: when } => {
                Capability::secret_variable(name, variable, program.clone(), phases(when))
            }
            Self::SecretDatabase { name, phases: when } => Capability::secret(name, SecretUse::Database, phases(when)),
        }
    }
}
