//! What a plugin imports, and why that alone gives it nothing.

use std::collections::BTreeMap;

/// Interfaces that have something in common, and why importing them is harmless.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Imports {
    /// Each once, with all versions of it that are imported: `wasi:io/streams@0.2.3`, or `wasi:io/streams@0.2.3,0.2.6`.
    pub interfaces: Vec<String>,
    /// Why.
    pub harmless: &'static str,
}

/// The groups: what the names of interfaces begin with, longest first where one is in another.
const GROUPS: &[(&[&str], &str)] = &[
    (&["windlass:plugin/types"], "only names the kinds of values that are passed: there is nothing in it to call"),
    (
        &["windlass:plugin/record"],
        "writes what is needed to take an effect back into the run's own journal, during `apply` only and never with a secret",
    ),
    (
        &["windlass:plugin/deployment", "windlass:plugin/outputs"],
        "reads what the run shows every step: app, environment, commit, and what earlier steps put out, none of it secret",
    ),
    (
        &["windlass:plugin/log", "windlass:plugin/progress", "windlass:plugin/report"],
        "says something to whoever watches: secrets are taken out, and there is a limit to how much",
    ),
    (
        &["windlass:plugin/process"],
        "runs only programs whose names and arguments `deploy.lock` accepts; any other is refused and written down",
    ),
    (
        &["windlass:plugin/database"],
        "opens only databases that `deploy.lock` accepts, and never sees their URLs or passwords",
    ),
    (
        &["windlass:plugin/network"],
        "learns whether a port accepts connections, where `deploy.lock` accepts that port; it can say nothing there",
    ),
    (
        &["windlass:plugin/secrets"],
        "is given a stand-in, never the secret: the host puts that in at the one place that `deploy.lock` accepts",
    ),
    (
        &["windlass:plugin/state"],
        "keeps values of its own for the time of the run, never with a secret, and not during `plan`",
    ),
    (
        &["wasi:filesystem/"],
        "sees no file but those below the directories that `deploy.lock` accepts, read-only while planning",
    ),
    (
        &["wasi:http/"],
        "sends only requests whose host, method, path and addresses `deploy.lock` accepts; any other is refused and written down",
    ),
    (&["wasi:sockets/"], "is refused whatever is asked: there are no sockets for plugins"),
    (&["wasi:cli/environment"], "has no arguments, and no variables but those that `deploy.lock` accepts"),
    (
        &["wasi:cli/"],
        "standard input is empty, the other streams are the step's log, there is no terminal, and exiting ends the call alone",
    ),
    (&["wasi:clocks/"], "tells the time; to wait is part of the step's `timeout`"),
    (&["wasi:random/"], "gives random numbers"),
    (&["wasi:io/"], "moves bytes of what is open already, and opens nothing itself"),
];

/// What these names come to, in groups: ours first.
pub(super) fn explain<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Imports> {
    let mut groups: BTreeMap<usize, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for name in names {
        let (interface, version) = name.split_once('@').unwrap_or((name, ""));
        let found = GROUPS.iter().position(|(begins, _)| begins.iter().any(|begin| interface.starts_with(begin)));
        let versions = groups.entry(found.unwrap_or(GROUPS.len())).or_default().entry(interface).or_default();
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    let line = |(interface, mut versions): (&str, Vec<&str>)| {
        versions.sort_unstable();
        format!("{interface}@{}", versions.join(","))
    };
    groups
        .into_iter()
        .map(|(group, interfaces)| Imports {
            interfaces: interfaces.into_iter().map(line).collect(),
            // Nothing else is linked, so a plugin with more does not get as far as this.
            harmless: GROUPS.get(group).map_or("is nothing that this Windlass links, so it cannot be used", |it| it.1),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{GROUPS, explain};
    use crate::plugin::inspect::WASI;

    #[test]
    fn all_that_is_linked_has_its_sentence() {
        for name in WASI {
            assert!(GROUPS.iter().any(|(begins, _)| begins.iter().any(|begin| begin.starts_with(name))), "{name}");
        }
        let contract = std::fs::read_to_string("../wit/v0.1.0/step.wit").expect("the contract");
        for line in contract.lines().filter_map(|line| line.strip_prefix("interface ")) {
            let name = line.trim_end_matches(" {").trim_start_matches('%');
            let name = format!("windlass:plugin/{name}");
            let exported = name.ends_with("/lifecycle");
            assert!(exported || GROUPS.iter().any(|(begins, _)| begins.contains(&name.as_str())), "{name}");
        }
    }

    #[test]
    fn an_interface_in_two_versions_is_one() {
        let names = ["wasi:io/poll@0.2.6", "windlass:plugin/log@0.1.0", "wasi:io/streams@0.2.3", "wasi:io/poll@0.2.3"];
        let lists: Vec<_> = explain(names).into_iter().map(|group| group.interfaces.join(" ")).collect();
        assert_eq!(lists, ["windlass:plugin/log@0.1.0", "wasi:io/poll@0.2.3,0.2.6 wasi:io/streams@0.2.3"]);
    }
}
