//! The documentation, held against the program: its examples are read by it, and nothing that exists is missing.

use e2e::reference::{self, files, heading, slug};
use e2e::{Project, workspace};
use std::collections::BTreeSet;
use std::path::Path;

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
    for path in files() {
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

/// Those of some words that a page does not have between backticks.
fn missing(page: &str, words: impl IntoIterator<Item = String>) -> Vec<String> {
    words.into_iter().filter(|word| !page.contains(&format!("`{word}`"))).collect()
}

#[test]
fn every_plugin_has_a_page_that_the_readme_names() {
    let mut plugins = 0;
    for entry in std::fs::read_dir(workspace().join("plugins")).expect("the plugins") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if !workspace().join("plugins").join(&name).join("Cargo.toml").is_file() {
            continue;
        }
        plugins += 1;
        let path = format!("docs/reference/plugins/{name}.md");
        assert!(page(&path).contains(&format!("# `{name}`")) && page("README.md").contains(&path), "{path}");
        assert_eq!(missing(&page(&path), failures(&name)), Vec::<String>::new(), "{path}");
    }
    assert!(plugins >= 6);
}

/// The words with which a plugin says what failed.
fn failures(plugin: &str) -> BTreeSet<String> {
    let mut sources = vec![];
    reference::walk(&workspace().join("plugins").join(plugin).join("src"), "rs", &mut sources);
    let mut words = BTreeSet::new();
    let is_test = |path: &Path| path.ends_with("tests.rs") || path.ends_with("testing.rs");
    for path in sources.iter().filter(|path| !is_test(path)) {
        let text = std::fs::read_to_string(path).expect("text");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for call in ["Failure::misconfigured(", "Failure::check_failed(", "Failure::unavailable("] {
            let first =
                code.split(call).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
            words.extend(first.map(str::to_owned));
        }
    }
    words
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
fn links_lead_somewhere() {
    let mut found = 0;
    for path in files() {
        let text = std::fs::read_to_string(&path).expect("text");
        for part in text.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            if target.contains("://") {
                continue;
            }
            found += 1;
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().expect("a parent").join(file) };
            assert!(file.exists(), "{} links to `{target}`, which is not there", path.display());
            if !place.is_empty() {
                let there = std::fs::read_to_string(&file).expect("text");
                let is_there = there.lines().filter_map(heading).any(|heading| slug(heading) == place);
                assert!(is_there, "{} links to `{target}`, which no heading is", path.display());
            }
        }
    }
    assert!(found > 20, "only {found} links were found");
}

/// `scripts/reference` writes the pages; otherwise they are only looked at.
#[test]
fn what_the_pages_have_from_the_program_is_as_the_program_says_it() {
    let writes = std::env::var_os("WRITE_REFERENCE").is_some();
    let mut stale = vec![];
    for page in reference::pages().into_iter().filter(|page| page.found != page.written) {
        if writes {
            std::fs::write(&page.path, &page.written).expect("a page that can be written");
        } else {
            let mut lines = page.found.lines().zip(page.written.lines());
            let (found, written) = lines.find(|(found, written)| found != written).unwrap_or_default();
            let name = page.path.strip_prefix(workspace()).expect("below the workspace").display().to_string();
            stale.push(format!("{name}\n  has   {found}\n  wants {written}"));
        }
    }
    assert!(stale.is_empty(), "run scripts/reference: what the program says is not in\n{}", stale.join("\n"));
}

/// The host knows no variable by a name that [`reference`] does not have.
#[test]
fn no_variable_is_read_by_a_name_that_is_not_listed() {
    let host = workspace().join("host/src");
    let mut sources = vec![];
    reference::walk(&host, "rs", &mut sources);
    assert!(sources.len() > 100);
    // What ends the process in tests is no part of what is shipped.
    let is_test = |path: &Path| path.ends_with("tests.rs") || path.iter().any(|part| part == "tests");
    for path in sources.iter().filter(|path| !path.ends_with("fault.rs") && !is_test(path)) {
        let text = std::fs::read_to_string(path).expect("text");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for call in ["get(\"", "var(\"", "var_os(\"", "env = \""] {
            let named =
                code.split(call).skip(1).find(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()));
            let name = named.map(|rest| rest.split('"').next());
            assert_eq!(name, None, "{}: list it in host/src/variable.rs", path.display());
        }
    }
}
