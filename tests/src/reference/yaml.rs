//! The inputs and outputs of the action and the template: what their own files say. Not YAML, but what these two have of it.

use super::{one_line, table};
use crate::workspace;
use std::collections::BTreeMap;

pub(super) fn blocks() -> BTreeMap<String, String> {
    let inputs = |entries: Vec<Entry>| {
        let rows = entries.iter().map(|entry| vec![format!("`{}`", entry.name), entry.default(), entry.meaning()]);
        table(&["input", "default", "meaning"], rows.collect::<Vec<_>>())
    };
    let outputs = read("action.yml", "outputs:");
    let outputs = outputs.iter().map(|entry| vec![format!("`{}`", entry.name), entry.meaning()]);
    BTreeMap::from([
        ("action inputs".to_owned(), inputs(read("action.yml", "inputs:"))),
        ("action outputs".to_owned(), table(&["output", "is"], outputs)),
        ("template inputs".to_owned(), inputs(read(".gitlab-ci-template.yml", "  inputs:"))),
    ])
}

/// An input or an output, with what is said of it.
struct Entry {
    name: String,
    says: BTreeMap<String, String>,
}

impl Entry {
    fn default(&self) -> String {
        match self.says.get("default").map(|text| text.trim_matches('"')) {
            None => "required".into(),
            Some("") => String::new(),
            Some(text) => format!("`{text}`"),
        }
    }

    fn meaning(&self) -> String {
        let options = self.says.get("options").map(|list| list.trim_matches(['[', ']']).replace(", ", "`, `"));
        let options = options.map(|options| format!(" One of `{options}`.")).unwrap_or_default();
        one_line(&self.says["description"]) + &options
    }
}

/// The mapping under a line: names, and below each its own keys, whose texts may go on in deeper lines.
fn read(file: &str, under: &str) -> Vec<Entry> {
    let text = std::fs::read_to_string(workspace().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let deep = |line: &str| line.len() - line.trim_start().len();
    let base = deep(under) + 2;
    let mut entries: Vec<Entry> = vec![];
    let mut key = String::new();
    let lines = text.lines().skip_while(|line| *line != under).skip(1).filter(|line| !line.trim().is_empty());
    for line in lines.take_while(|line| deep(line) >= base) {
        let pair = line.trim().split_once(':').map(|(name, rest)| (name.to_owned(), rest.trim().to_owned()));
        match (deep(line) - base, pair, entries.last_mut()) {
            (0, Some((name, _)), _) => entries.push(Entry { name, says: BTreeMap::new() }),
            (2, Some((name, rest)), Some(entry)) => {
                key.clone_from(&name);
                entry.says.insert(name, if rest == ">-" { String::new() } else { rest });
            }
            (_, _, Some(entry)) => {
                let text = entry.says.entry(key.clone()).or_default();
                text.push(' ');
                text.push_str(line.trim());
            }
            _ => panic!("{file}: `{line}` is not understood"),
        }
    }
    assert!(!entries.is_empty(), "{file} has nothing under `{under}`");
    entries
}
