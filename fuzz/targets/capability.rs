//! What is accepted and asked for is compared as a reviewer would: an oracle of a few lines, made without the gate's code, holds
//! whatever the gate lets through.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use windlass::policy::{Access, Capability, Gate, Phase, Question};

/// The second line of an input; the first is a capability as `deploy.lock` has it, but in JSON.
#[derive(Debug, Deserialize)]
struct Asking {
    phase: Phase,
    #[serde(flatten)]
    asked: Asked,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
enum Asked {
    Exec {
        program: String,
        arguments: Vec<String>,
        directory: String,
        variables: Vec<String>,
    },
    Http {
        scheme: String,
        host: String,
        port: u16,
        method: Method,
        path: String,
    },
    TcpProbe {
        host: String,
        port: u16,
    },
    Database {
        name: String,
        #[serde(default)]
        changes: bool,
    },
    SecretHeader {
        name: String,
        origin: String,
    },
    SecretUrl {
        name: String,
        method: Method,
    },
    /// What the capability itself says, so that something is allowed.
    Itself {
        word: String,
    },
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
    Get,
    Head,
    Post,
    Delete,
}

impl Method {
    const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

fuzz_target!(|text: &str| {
    let (first, second) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(capability) = serde_json::from_str::<Capability>(first) else { return };
    // What is shown to a reviewer hides nothing, also of what is refused.
    let line = capability.to_string();
    assert!(line.chars().all(|character| !character.is_control()), "{line:?}");
    if let Err(problem) = capability.check() {
        assert!(!problem.to_string().is_empty());
        return;
    }
    let Ok(Asking { phase, asked }) = serde_json::from_str(second) else { return };
    let mut gate = Gate::new(std::slice::from_ref(&capability), phase);
    let asked = match asked {
        Asked::Itself { word } => itself(&capability, &word),
        asked => Some(asked),
    };
    let Some(asked) = asked else { return };
    let allowed = match &asked {
        Asked::Exec { program, arguments, directory, variables } => {
            gate.ask(&Question::Exec { program, arguments, directory, variables }).is_ok()
        }
        Asked::Http { scheme, host, port, method, path } => {
            gate.ask(&Question::Http { scheme, host, port: *port, method: method.word(), path }).is_ok()
        }
        Asked::TcpProbe { host, port } => gate.ask(&Question::TcpProbe { host, port: *port }).is_ok(),
        Asked::Database { name, changes } => {
            let access = if *changes { Access::Write } else { Access::Read };
            gate.ask(&Question::Database { name, access }).is_ok()
        }
        Asked::SecretHeader { name, origin } => gate.ask(&Question::SecretHeader { name, origin }).is_ok(),
        Asked::SecretUrl { name, method } => gate.ask(&Question::SecretUrl { name, method: method.word() }).is_ok(),
        Asked::Itself { .. } => return,
    };
    assert_eq!(gate.usages().len(), 1, "every answer is remembered");
    if allowed {
        assert!(capability.phases().contains(&phase), "in a phase that it is not good for: {capability:?}");
        assert!(may(&capability, &asked, phase), "{capability:?} let through {asked:?} during {phase:?}");
    }
});

/// A question near what is granted.
fn itself(capability: &Capability, word: &str) -> Option<Asked> {
    Some(match capability {
        Capability::Exec(exec) => Asked::Exec {
            program: exec.program.clone(),
            arguments: exec.arguments.iter().map(|it| if it == "*" { word.to_owned() } else { it.clone() }).collect(),
            directory: exec.directory.clone(),
            variables: exec.variables.clone(),
        },
        Capability::Http(http) => Asked::Http {
            scheme: http.scheme.clone(),
            host: http.host.clone(),
            port: http.port,
            method: Method::Get,
            path: format!("{}{word}", http.path),
        },
        Capability::TcpProbe(probe) => Asked::TcpProbe { host: probe.host.clone(), port: probe.port },
        Capability::Database(database) => Asked::Database { name: database.name.clone(), changes: !word.is_empty() },
        _ => return None,
    })
}

/// What a reviewer means by it, in other words than the gate's.
fn may(capability: &Capability, asked: &Asked, phase: Phase) -> bool {
    let looks = |method: &Method| phase != Phase::Plan || matches!(method, Method::Get | Method::Head);
    match (capability, asked) {
        (Capability::Exec(exec), Asked::Exec { program, arguments, variables, .. }) => {
            let open = exec.arguments.last().is_some_and(|last| last == "**");
            let fixed = exec.arguments.len() - usize::from(open);
            *program == exec.program
                && variables.iter().all(|name| exec.variables.contains(name))
                && if open { arguments.len() >= fixed } else { arguments.len() == fixed }
                && (0..fixed).all(|place| exec.arguments[place] == "*" || exec.arguments[place] == arguments[place])
        }
        (Capability::Http(http), Asked::Http { scheme, host, port, method, path }) => {
            *scheme == http.scheme
                && host.to_lowercase() == http.host.to_lowercase()
                && *port == http.port
                && http.methods.iter().any(|granted| granted == method.word())
                && looks(method)
                && (*path == http.path || (http.path.ends_with('/') && path.starts_with(&http.path)))
                && (*path == http.path || !climbs_out(path, &http.path))
        }
        (Capability::TcpProbe(probe), Asked::TcpProbe { host, port }) => {
            host.to_lowercase() == probe.host.to_lowercase() && *port == probe.port
        }
        (Capability::Database(database), Asked::Database { name, changes }) => {
            *name == database.name && (!changes || (database.access == Access::Write && phase != Phase::Plan))
        }
        (Capability::Secret(secret), Asked::SecretHeader { name, .. }) => *name == secret.name,
        (Capability::Secret(secret), Asked::SecretUrl { name, method }) => *name == secret.name && looks(method),
        _ => false,
    }
}

/// Whether a server that decodes as often as it can, and takes a backslash for a slash, would look outside of the prefix.
fn climbs_out(path: &str, prefix: &str) -> bool {
    let mut decoded = path.as_bytes().to_vec();
    loop {
        let mut next = Vec::new();
        let mut rest = decoded.as_slice();
        while let [first, tail @ ..] = rest {
            let byte = match (first, tail) {
                (b'%', [high, low, ..]) => std::str::from_utf8(&[*high, *low])
                    .ok()
                    .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
                _ => None,
            };
            next.push(byte.unwrap_or(*first));
            rest = if byte.is_some() { &tail[2..] } else { tail };
        }
        if next == decoded {
            break;
        }
        decoded = next;
    }
    let text = String::from_utf8_lossy(&decoded).replace('\\', "/");
    let depth = prefix.matches('/').count();
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/').skip(1) {
        match part {
            ".." => {
                parts.pop();
                if parts.len() + 1 < depth {
                    return true;
                }
            }
            part => parts.push(part),
        }
    }
    false
}
