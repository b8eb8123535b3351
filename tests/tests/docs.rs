//! The documentation, held against the program: its examples are read by it, and nothing that exists is missing.

use e2e::{Project, workspace};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// All pages: the README and its neighbours, and everything in `docs`.
fn pages() -> Vec<PathBuf> {
    fn walk(directory: &Path, pages: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, pages);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    let mut pages = vec![workspace().join("README.md"), workspace().join("CONTRIBUTING.md")];
    walk(&workspace().join("docs"), &mut pages);
    pages.sort();
    pages
}

fn page(name: &str) -> String {
    std::fs::read_to_string(workspace().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A fenced block: where it begins, what it says it is, and its text.
struct Block {
    place: String,
    kind: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let mut blocks = vec![];
    for path in pages() {
        let name = path.strip_prefix(workspace()).expect("below the workspace").display().to_string();
        let mut open: Option<Block> = None;
        for (index, line) in std::fs::read_to_string(&path).expect("text").lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(kind)) => {
                    open = Some(Block {
                        place: format!("{name}:{}", index + 1),
                        kind: kind.trim().into(),
                        text: String::new(),
                    });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{name} has a block without an end");
    }
    blocks
}

/// What steps stand in, where an example is only of these.
const AROUND_STEPS: &str =
    "schema = 1\napp = \"shop\"\n[environments.staging]\nurl = \"https://staging.shop.example\"\n";

#[test]
fn every_deploy_toml_in_the_documentation_is_right() {
    let mut found = 0;
    for block in blocks() {
        let text = match block.kind.as_str() {
            "toml deploy.toml" => block.text.clone(),
            "toml step" => format!("{AROUND_STEPS}{}", block.text),
            "toml" => {
                panic!("{}: say what it is: `toml deploy.toml`, `toml step`, `toml deploy.lock` or `text`", block.place)
            }
            _ => continue,
        };
        found += 1;
        // `lock` reads the file, holds each `with` against its plugin's schema, and asks the plugin what it needs.
        let output = Project::with(&text).windlass("lock");
        assert_eq!(output.code, Some(0), "{}\n{}", block.place, output.stderr);
    }
    assert!(found > 10, "only {found} examples were found");
}

#[test]
fn every_deploy_lock_in_the_documentation_can_be_read() {
    let mut found = 0;
    for block in blocks().into_iter().filter(|block| block.kind == "toml deploy.lock") {
        found += 1;
        let config = format!("{AROUND_STEPS}[[step]]\nid = \"a\"\nplugin = \"command\"\nwith.run = [\"true\"]\n");
        let output = Project::with(&config).file("deploy.lock", &block.text).windlass("lock --check").exits(22);
        assert!(output.stderr.contains("is not what `deploy.toml` asks for now"), "{}\n{}", block.place, output.stderr);
    }
    assert!(found > 0);
}

/// All property names of a JSON Schema, wherever they are.
fn keys(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                found.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| keys(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

fn keys_of(words: &str) -> BTreeSet<String> {
    let output = Project::new().windlass(words).exits(0);
    let mut found = BTreeSet::new();
    keys(&serde_json::from_str(&output.raw_stdout).expect("JSON"), &mut found);
    assert!(!found.is_empty());
    found
}

/// Those of some words that a page does not have between backticks.
fn missing(page: &str, words: impl IntoIterator<Item = String>) -> Vec<String> {
    words.into_iter().filter(|word| !page.contains(&format!("`{word}`"))).collect()
}

#[test]
fn every_key_of_deploy_toml_is_described() {
    assert_eq!(missing(&page("docs/reference/config.md"), keys_of("schema")), Vec::<String>::new());
}

#[test]
fn every_plugin_has_a_page_with_every_option() {
    let mut plugins = 0;
    for entry in std::fs::read_dir(workspace().join("plugins")).expect("the plugins") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if !workspace().join("plugins").join(&name).join("Cargo.toml").is_file() {
            continue;
        }
        plugins += 1;
        let text = page(&format!("docs/reference/plugins/{name}.md"));
        assert_eq!(missing(&text, keys_of(&format!("schema {name}"))), Vec::<String>::new(), "{name}");
        assert!(
            page("README.md").contains(&format!("docs/reference/plugins/{name}.md")),
            "{name} is not in the README"
        );
    }
    assert!(plugins >= 6);
}

/// The words that stand before `(` in a variant of the contract, such as `exec(exec)`.
fn variant(name: &str) -> Vec<String> {
    let contract = page("wit/v0.1.0/step.wit");
    let (_, rest) = contract.split_once(&format!("variant {name} {{")).expect("the variant");
    let (body, _) = rest.split_once('}').expect("its end");
    let words: Vec<String> = body
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("///"))
        .map(|line| line.split(['(', ',']).next().unwrap_or_default().to_owned())
        .collect();
    assert!(words.len() > 3, "{words:?}");
    words
}

#[test]
fn every_kind_of_capability_and_every_use_of_a_secret_is_described() {
    let text = page("docs/reference/capabilities.md");
    assert_eq!(missing(&text, variant("grant")), Vec::<String>::new());
    assert_eq!(missing(&text, variant("secret-use")), Vec::<String>::new());
}

#[test]
fn every_code_and_exit_is_described_and_explained() {
    let project = Project::new();
    let all = project.windlass("explain").exits(0).stdout;
    let codes: Vec<(String, String)> = all
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| {
            let (word, rest) = line.split_once(" (exit ")?;
            Some((word.to_owned(), rest.strip_suffix(')')?.to_owned()))
        })
        .collect();
    assert!(codes.len() > 20, "{all}");
    let text = page("docs/reference/commands.md");
    for (word, exit) in &codes {
        let explained = project.windlass(&format!("explain {word}")).exits(0).stdout;
        assert!(explained.starts_with(&format!("{word} (exit {exit})")), "{explained}");
        assert!(
            text.contains(&format!("| `{word}` | {exit} |")),
            "docs/reference/commands.md lacks | `{word}` | {exit} |"
        );
    }
    let exits: BTreeSet<&String> = codes.iter().map(|(_, exit)| exit).collect();
    for exit in exits.into_iter().map(String::as_str).chain(["0", "10"]) {
        let _ = project.windlass(&format!("explain {exit}")).exits(0);
        assert!(text.contains(&format!("| {exit} | ")), "docs/reference/commands.md lacks exit {exit}");
    }
}

#[test]
fn every_command_and_option_is_described() {
    let project = Project::new();
    let text = page("docs/reference/commands.md");
    let help = project.windlass("--help").exits(0).stdout;
    let (_, list) = help.split_once("Commands:\n").expect("commands");
    let (list, _) = list.split_once("\n\n").expect("an end");
    // What is wrapped stands further to the right.
    let names = list.lines().filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    let commands: Vec<&str> = names.filter(|word| *word != "help").collect();
    assert!(commands.len() > 8, "{help}");
    for command in commands {
        assert!(text.contains(&format!("## `windlass {command}")), "docs/reference/commands.md lacks `{command}`");
        let help = project.windlass(&format!("{command} --help")).exits(0).stdout;
        let long = help.lines().filter_map(|line| {
            let line = line.trim_start();
            let line = line.split_once(", ").filter(|(short, _)| short.len() == 2).map_or(line, |(_, long)| long);
            let name = line.strip_prefix("--")?;
            Some(format!("--{}", name.split([' ', '=']).next().unwrap_or_default()))
        });
        for option in long {
            assert!(text.contains(&option), "docs/reference/commands.md lacks `{option}` of `{command}`");
        }
    }
}

#[test]
fn every_event_of_the_journal_is_described() {
    let source = page("host/src/event.rs");
    let (_, rest) = source.split_once("pub enum Event {").expect("the events");
    let (body, _) = rest.split_once("\n}").expect("an end");
    let kebab = |name: &str| {
        let mut word = String::new();
        for character in name.chars() {
            if character.is_ascii_uppercase() && !word.is_empty() {
                word.push('-');
            }
            word.push(character.to_ascii_lowercase());
        }
        word
    };
    let events: Vec<String> = body
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.strip_suffix(" {"))
        .filter(|name| name.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(kebab)
        .collect();
    assert!(events.len() > 10, "{events:?}");
    assert_eq!(missing(&page("docs/reference/journal.md"), events), Vec::<String>::new());
}

#[test]
fn links_lead_somewhere() {
    let mut found = 0;
    for path in pages() {
        let text = std::fs::read_to_string(&path).expect("text");
        for part in text.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            if target.contains("://") || target.starts_with('#') {
                continue;
            }
            found += 1;
            let file = path.parent().expect("a parent").join(target.split('#').next().unwrap_or_default());
            assert!(file.exists(), "{} links to `{target}`, which is not there", path.display());
        }
    }
    assert!(found > 20, "only {found} links were found");
}

/// The keys of a mapping in one of our YAML files, which stands under `parent` and is indented by `indent`.
fn yaml_keys(name: &str, parent: &str, indent: usize) -> BTreeSet<String> {
    let text = page(name);
    let lines = text.lines().skip_while(|line| *line != parent).skip(1);
    let deep = |line: &str| line.len() - line.trim_start().len();
    let found: BTreeSet<String> = lines
        .take_while(|line| line.trim().is_empty() || deep(line) >= indent)
        .filter(|line| deep(line) == indent && !line.trim_start().starts_with('#'))
        .filter_map(|line| line.trim().split_once(':').map(|(key, _)| key.to_owned()))
        .collect();
    assert!(!found.is_empty(), "{name} has nothing under `{parent}`");
    found
}

/// What the first column of the tables under a heading names.
fn table_keys(name: &str, heading: &str) -> BTreeSet<String> {
    let text = page(name);
    let section = text.split(&format!("\n{heading}\n")).nth(1).unwrap_or_else(|| panic!("{name} has no {heading}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(key, _)| key.to_owned())
        .collect()
}

#[test]
fn the_pages_of_the_action_and_the_template_have_each_input_and_output_and_no_other() {
    for (source, parent, indent, described, heading) in [
        ("action.yml", "inputs:", 2, "docs/reference/action.md", "## Inputs"),
        ("action.yml", "outputs:", 2, "docs/reference/action.md", "## Outputs"),
        (".gitlab-ci-template.yml", "  inputs:", 4, "docs/reference/template.md", "## Inputs"),
    ] {
        assert_eq!(yaml_keys(source, parent, indent), table_keys(described, heading), "{described}, {heading}");
    }
}
