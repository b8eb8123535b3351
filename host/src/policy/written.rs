//! Capabilities as whoever reviews them reads them: one line each, in which nothing can hide.

use super::capability::is_project;
use super::{Access, Capability, Directory, Exec, Phase, Ports, SecretUse, visible};
use std::borrow::Cow;

/// One line, as `plan` and denials show it. Phases are left to the caller.
impl std::fmt::Display for Capability {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut line = String::new();
        self.write(&mut line)?;
        formatter.write_str(&visible(&line))
    }
}

impl Capability {
    fn write(&self, formatter: &mut impl std::fmt::Write) -> std::fmt::Result {
        let at = |addresses: &[String]| {
            if addresses.is_empty() { String::new() } else { format!(" at {} addresses", addresses.join(", ")) }
        };
        match self {
            Self::Exec(exec) => {
                write!(formatter, "run `{}", exec.program)?;
                for argument in &exec.arguments {
                    write!(formatter, " {}", word(argument))?;
                }
                formatter.write_str("`")?;
                if !is_project(&exec.directory) {
                    write!(formatter, " in `{}`", exec.directory)?;
                }
                if !exec.variables.is_empty() {
                    write!(formatter, " with {}", exec.variables.join(", "))?;
                }
                if !exec.toolchains.is_empty() {
                    write!(formatter, " with the caches of {}", exec.toolchains.join(", "))?;
                }
                if exec.background {
                    formatter.write_str(" and leave it running")?;
                }
                confinement(exec, formatter)?;
                Ok(())
            }
            Self::Http(http) => {
                let (scheme, host, port, path) = (&http.scheme, &http.host, http.port, &http.path);
                let methods = http.methods.join(", ");
                let more = if path.ends_with('/') { "…" } else { "" };
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                let port = match (scheme.as_str(), port) {
                    ("https", 443) | ("http", 80) => String::new(),
                    _ => format!(":{port}"),
                };
                write!(formatter, "{methods} `{scheme}://{host}{port}{path}{more}`{}", at(&http.addresses))
            }
            Self::TcpProbe(probe) => {
                write!(formatter, "probe `{}:{}`{}", probe.host, probe.port, at(&probe.addresses))
            }
            Self::Directory(Directory { path, access: Access::Read, .. }) => {
                write!(formatter, "read files in `{path}`")
            }
            Self::Directory(Directory { path, .. }) => write!(formatter, "change files in `{path}`"),
            Self::Environment(environment) => write!(formatter, "read the variable `{}`", environment.name),
            Self::Database(database) => {
                let verb = if database.access == Access::Read { "read" } else { "change" };
                match &database.url {
                    Some(url) => write!(formatter, "{verb} the database `{url}`"),
                    None => write!(formatter, "{verb} the database in the secret `{}`", database.name),
                }
            }
            Self::Secret(secret) => {
                write!(formatter, "use the secret `{}` ", secret.name)?;
                match &secret.usage {
                    SecretUse::Header { origin } => write!(formatter, "in a header to `{origin}`"),
                    SecretUse::Url { methods, addresses } => {
                        write!(formatter, "as the URL of a {} request{}", methods.join(" or "), at(addresses))
                    }
                    SecretUse::Database => formatter.write_str("to connect to its database"),
                    SecretUse::ChildVariable { variable, program: None } => {
                        write!(formatter, "as the variable `{variable}` of a program")
                    }
                    SecretUse::ChildVariable { variable, program: Some(program) } => {
                        write!(formatter, "as the variable `{variable}` of `{program}`")
                    }
                }
            }
        }
    }
}

/// What a program may do besides running; nothing where it may do nothing.
fn confinement(exec: &Exec, formatter: &mut impl std::fmt::Write) -> std::fmt::Result {
    if exec.is_unconfined() {
        return formatter.write_str(", unconfined");
    }
    [exec.changing(), exec.connecting()].into_iter().flatten().try_for_each(|what| write!(formatter, ", {what}"))
}

impl Exec {
    fn changing(&self) -> Option<String> {
        let trees: Vec<String> = self.writes.iter().map(|tree| format!("`{}`", visible(tree))).collect();
        (!trees.is_empty()).then(|| format!("changing files in {}", trees.join(", ")))
    }

    fn connecting(&self) -> Option<String> {
        match &self.connects {
            Ports::Any(_) => Some("connecting anywhere".into()),
            Ports::These(ports) if ports.is_empty() => None,
            Ports::These(ports) => {
                let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
                Some(format!("connecting to port {}", ports.join(", ")))
            }
        }
    }

    /// What the program is held to in a phase, in words.
    #[must_use]
    pub fn held_to(&self, phase: Phase) -> String {
        let changing = self.changing().filter(|_| phase != Phase::Plan);
        let (changing, connecting) = (changing.as_deref(), self.connecting());
        format!(
            "{} and {}",
            changing.unwrap_or("changing nothing"),
            connecting.as_deref().unwrap_or("connecting nowhere")
        )
    }
}

/// An argument as a shell would want it, so that it is clear where each begins and ends.
fn word(argument: &str) -> Cow<'_, str> {
    let plain = |character: char| character.is_alphanumeric() || "-_./:=@%+,${}*~^#".contains(character);
    if !argument.is_empty() && argument.chars().all(plain) {
        return Cow::Borrowed(argument);
    }
    Cow::Owned(format!("'{}'", argument.replace('\'', "'\\''")))
}
