//! The rules of matching: which question a capability answers with yes.

use super::question::same_directory;
use super::{Access, Capability, Database, Directory, Phase, Question, SecretUse, TcpProbe};

/// Whether a question is about what a capability is about.
pub(super) fn same_kind(capability: &Capability, question: &Question<'_>) -> bool {
    matches!(
        (capability, question),
        (Capability::Exec(_), Question::Exec { .. })
            | (Capability::Http(_), Question::Http { .. })
            | (Capability::TcpProbe(_), Question::TcpProbe { .. })
            | (Capability::Database(_), Question::Database { .. })
            | (Capability::Directory(_), Question::Directory { .. } | Question::File { .. })
            | (Capability::Environment(_), Question::Environment { .. })
            | (
                Capability::Secret(_),
                Question::SecretHeader { .. }
                    | Question::SecretUrl { .. }
                    | Question::SecretPlaceholder { .. }
                    | Question::SecretDatabase { .. }
                    | Question::SecretVariable { .. }
            )
    )
}

/// Whether a capability lets a question through in a phase.
pub(super) fn allows(capability: &Capability, question: &Question<'_>, phase: Phase) -> bool {
    if !capability.phases().contains(&phase) {
        return false;
    }
    match (capability, *question) {
        (Capability::Exec(exec), Question::Exec { program, arguments, directory, variables }) => {
            exec.program == program
                && same_directory(&exec.directory, directory)
                && variables.iter().all(|name| exec.variables.contains(name))
                && arguments_match(&exec.arguments, arguments)
        }
        (Capability::Http(http), Question::Http { scheme, host, port, method, path }) => {
            http.scheme == scheme
                && http.host.eq_ignore_ascii_case(host)
                && http.port == port
                && http.methods.iter().any(|granted| granted == method)
                && (phase != Phase::Plan || matches!(method, "GET" | "HEAD"))
                && path_matches(&http.path, path)
        }
        (
            Capability::TcpProbe(TcpProbe { host: granted, port: granted_port, .. }),
            Question::TcpProbe { host, port },
        ) => granted.eq_ignore_ascii_case(host) && *granted_port == port,
        (Capability::Database(Database { name: granted, access: most, .. }), Question::Database { name, access }) => {
            granted == name && covers(*most, access, phase)
        }
        (
            Capability::Directory(Directory { path: granted, access: most, .. }),
            Question::Directory { path, access },
        ) => granted == path && covers(*most, access, phase),
        (Capability::Environment(granted), Question::Environment { name }) => granted.name == name,
        (Capability::Secret(secret), question) => match (&secret.usage, question) {
            (SecretUse::Header { origin: granted }, Question::SecretHeader { name, origin }) => {
                secret.name == name && granted.eq_ignore_ascii_case(origin)
            }
            (SecretUse::Url { methods, .. }, Question::SecretUrl { name, method }) => {
                secret.name == name
                    && methods.iter().any(|granted| granted == method)
                    && (phase != Phase::Plan || matches!(method, "GET" | "HEAD"))
            }
            (SecretUse::Header { .. } | SecretUse::Url { .. }, Question::SecretPlaceholder { name })
            | (SecretUse::Database, Question::SecretDatabase { name }) => secret.name == name,
            (
                SecretUse::ChildVariable { variable: granted, program: whose },
                Question::SecretVariable { name, variable, program },
            ) => secret.name == name && granted == variable && whose.as_deref().is_none_or(|whose| whose == program),
            _ => false,
        },
        _ => false,
    }
}

/// Whether an access is enough for another one. Nothing is changed while planning.
fn covers(most: Access, wanted: Access, phase: Phase) -> bool {
    wanted == Access::Read || (most == Access::Write && phase != Phase::Plan)
}

/// Literals match themselves, `*` any one argument, and a last `**` any number more.
fn arguments_match(patterns: &[String], arguments: &[String]) -> bool {
    let (patterns, open) = match patterns.split_last() {
        Some((last, rest)) if last == "**" => (rest, true),
        _ => (patterns, false),
    };
    (arguments.len() == patterns.len() || (open && arguments.len() > patterns.len()))
        && patterns.iter().zip(arguments).all(|(pattern, argument)| pattern == "*" || pattern == argument)
}

/// A path that ends in `/` is a prefix; any other is the whole path. What a server might read as a way up never matches a
/// prefix.
fn path_matches(granted: &str, path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let climbs = path.contains("/..")
        || path.contains('\\')
        || lower.contains("%2e")
        || lower.contains("%2f")
        || lower.contains("%5c")
        // Decoded twice, it may be any of these.
        || lower.contains("%25");
    granted == path || (granted.ends_with('/') && path.starts_with(granted) && (granted == "/" || !climbs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.into()).collect()
    }

    #[test]
    fn arguments_match_by_place() {
        for (patterns, arguments, expected) in [
            (&["a"][..], &["a"][..], true),
            (&["a"], &["b"], false),
            (&["a"], &["a", "b"], false),
            (&["a"], &[], false),
            (&["a", "*"], &["a", "anything at all"], true),
            (&["a", "*"], &["a"], false),
            (&["a", "**"], &["a"], true),
            (&["a", "**"], &["a", "b", "c"], true),
            (&["a", "**"], &["b"], false),
            (&["**", "a"], &["x", "a"], false),
            (&[], &[], true),
        ] {
            assert_eq!(arguments_match(&words(patterns), &words(arguments)), expected, "{patterns:?} {arguments:?}");
        }
    }

    #[test]
    fn directories_are_the_same_only_below_the_project() {
        for (one, other, expected) in [
            (".", ".", true),
            (".", "./", true),
            ("deep", "./deep/", true),
            ("deep", "deep/../deep", false),
            ("deep", "/deep", false),
            (".", "/", false),
            (".", "..", false),
        ] {
            assert_eq!(same_directory(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn paths_match_whole_or_below_a_slash() {
        for (granted, path, expected) in [
            ("/health", "/health", true),
            ("/health", "/healthy", false),
            ("/health", "/health/", false),
            ("/api/", "/api/chat", true),
            ("/api/", "/api", false),
            ("/api/", "/api/../admin", false),
            ("/api/", "/api/%2e%2e/admin", false),
            ("/api/", "/api/..%2Fadmin", false),
            ("/api/", "/api/%252e%252e/admin", false),
            ("/api/", "/api/..;/admin", false),
            ("/api/", "/api/a;v=1", true),
            ("/", "/anything", true),
        ] {
            assert_eq!(path_matches(granted, path), expected, "{granted} {path}");
        }
    }
}
