//! A job's log as the forges read it: GitHub's runner by the rules of its `ActionCommand.TryParseV2` and `TryParse`, GitLab's log
//! by its `build_trace_section_regex`.

use std::collections::BTreeMap;

/// A command that GitHub's runner obeys.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) name: String,
    pub(super) properties: BTreeMap<String, String>,
    pub(super) data: String,
}

/// Every command that the runner knows.
const KNOWN: [&str; 17] = [
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "internal-set-repo-path",
    "notice",
    "remove-matcher",
    "save-state",
    "set-env",
    "set-output",
    "stop-commands",
    "warning",
    "set-timeout",
];

fn is_known(name: &str) -> bool {
    KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn unescaped(text: &str, also: &[(&str, &str)]) -> String {
    let pairs = [("%0D", "\r"), ("%0A", "\n")].iter().chain(also).chain(&[("%25", "%")]);
    pairs.fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// `::name key=value,key=value::data`, where a line begins.
fn second(line: &str) -> Option<Command> {
    let (head, data) = line.trim_start().strip_prefix("::")?.split_once("::")?;
    let (name, list) = head.split_once(' ').unwrap_or((head, ""));
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        Some((key.to_owned(), unescaped(value, &[("%3A", ":"), ("%2C", ",")])))
    };
    let properties = list.trim().split(',').filter_map(pair).collect();
    is_known(name).then(|| Command { name: name.to_owned(), properties, data: unescaped(data, &[]) })
}

/// `##[name key=value;key=value]data`, anywhere.
fn first(line: &str) -> Option<Command> {
    let (_, rest) = line.split_once("##[")?;
    let (head, data) = rest.split_once(']')?;
    let name = head.split(' ').next()?;
    is_known(name).then(|| Command { name: name.to_owned(), properties: BTreeMap::new(), data: data.to_owned() })
}

/// The lines as .NET reads them: a return ends one, too.
fn lines(log: &str) -> impl Iterator<Item = &str> {
    log.split(['\n', '\r'])
}

pub(super) fn commands(log: &str) -> Vec<Command> {
    lines(log).filter_map(|line| second(line).or_else(|| first(line))).collect()
}

/// What is in the log in the end: everything but what the runner swallows.
pub(super) fn what_is_shown(log: &str) -> String {
    let is_shown = |line: &&str| second(line).is_none_or(|command| command.name != "add-mask");
    lines(log).filter(is_shown).collect::<Vec<_>>().join("\n")
}

/// The outputs of a step, from the file.
pub(super) fn outputs(file: &str) -> BTreeMap<String, String> {
    let mut lines = file.lines();
    let mut outputs = BTreeMap::new();
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.split_once("<<").unwrap_or_else(|| panic!("no output: {line}"));
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        outputs.insert(name.to_owned(), value.join("\n"));
    }
    outputs
}

/// A section of GitLab's log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) header: String,
    pub(super) collapsed: bool,
}

/// A border of a section: whether it begins, its name, whether it is collapsed, and what follows.
fn border(text: &str) -> Option<(bool, &str, bool, &str)> {
    let begins = text.starts_with("section_start:");
    let rest = text.strip_prefix("section_start:").or_else(|| text.strip_prefix("section_end:"))?;
    let (time, rest) = rest.split_once(':')?;
    let end = rest.find(|it: char| !(it.is_ascii_alphanumeric() || "_.-".contains(it)))?;
    let (name, rest) = rest.split_at(end);
    let (options, rest) = rest.split_once("\r\u{1b}[0K")?;
    let is_border = !time.is_empty() && time.bytes().all(|digit| digit.is_ascii_digit()) && !name.is_empty();
    (is_border && ["", "[collapsed=true]"].contains(&options)).then_some((begins, name, !options.is_empty(), rest))
}

/// The sections, in order. One ends before another one begins, and each is there once.
pub(super) fn sections(log: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = vec![];
    let mut open: Option<String> = None;
    for (place, _) in log.match_indices("section_") {
        let Some((begins, name, collapsed, rest)) = border(&log[place..]) else { continue };
        if begins {
            assert_eq!(open.replace(name.to_owned()), None, "a section within a section");
            assert!(sections.iter().all(|section| section.name != name), "{name} is there twice");
            let header = rest.lines().next().unwrap_or_default().to_owned();
            sections.push(Section { name: name.to_owned(), header, collapsed });
        } else {
            assert_eq!(open.take().as_deref(), Some(name), "another section ends than the one that is open");
        }
    }
    assert_eq!(open, None, "a section is left open");
    sections
}
