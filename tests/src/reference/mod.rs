//! What the pages in `docs/reference` have from the program: its commands, options, exit codes, reasons, variables, outputs,
//! the keys of `deploy.toml` and of each plugin, the journal's events, and the inputs of the action and the template.
//!
//! A page says where such a thing stands, between `<!-- generated: NAME -->` and `<!-- end -->`; everything else in it is
//! written by hand. [`pages`] gives each page as it has to be, and `scripts/reference` writes them so.

mod program;
mod schema;
mod source;
mod yaml;

use crate::{Project, workspace};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

// Each at the beginning of a line.
const BEGIN: &str = "\n<!-- generated: ";
const END: &str = "\n<!-- end -->";

/// What the program says about itself.
#[must_use]
pub fn facts() -> Value {
    json_of("__reference")
}

fn json_of(words: &str) -> Value {
    let output = Project::new().windlass(words).exits(0);
    serde_json::from_str(&output.raw_stdout).expect("JSON")
}

/// All pages: the README and its neighbours, and everything in `docs`.
#[must_use]
pub fn files() -> Vec<PathBuf> {
    let mut files = vec![workspace().join("README.md"), workspace().join("CONTRIBUTING.md")];
    walk(&workspace().join("docs"), "md", &mut files);
    files.sort();
    files
}

/// The files below a directory whose names end so.
pub fn walk(directory: &Path, ending: &str, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, ending, files);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            files.push(path);
        }
    }
}

/// A page.
#[derive(Debug)]
pub struct Page {
    /// Its file.
    pub path: PathBuf,
    /// As it is.
    pub found: String,
    /// As it has to be.
    pub written: String,
}

/// The pages that have something from the program in them, each as it is and as it has to be.
///
/// # Panics
/// Where a page asks for something that there is not, or no page asks for something that there is.
#[must_use]
pub fn pages() -> Vec<Page> {
    let mut pages = vec![];
    let facts = facts();
    let schemas = schema::all();
    let mut wanted = BTreeSet::new();
    for path in files() {
        let found = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if found.contains(BEGIN) {
            let mut blocks = program::blocks(&facts);
            blocks.extend(schema::blocks(&schemas, &places(&found)));
            blocks.extend(source::blocks());
            blocks.extend(yaml::blocks());
            wanted.extend(blocks.keys().cloned());
            let written = fill(&found, &blocks).unwrap_or_else(|mistake| panic!("{}: {mistake}", path.display()));
            pages.push(Page { path, found, written });
        }
    }
    for page in &pages {
        wanted.retain(|name| !page.found.contains(&format!("{BEGIN}{name} -->")));
    }
    assert!(wanted.is_empty(), "no page has the blocks {wanted:?}: write{BEGIN}NAME -->{END}\ninto one");
    pages
}

/// A page with its blocks in it.
fn fill(page: &str, blocks: &BTreeMap<String, String>) -> Result<String, String> {
    let mut written = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(" -->").ok_or("a block whose name does not end")?;
        let (_, after) =
            after.split_once(END).ok_or_else(|| format!("the block `{name}` has no `{}`", END.trim_start()))?;
        let block = blocks.get(name).ok_or_else(|| {
            let names: Vec<_> = blocks.keys().map(String::as_str).collect();
            format!("there is no block `{name}`, but {}", names.join(", "))
        })?;
        written.push_str(&format!("{before}{BEGIN}{name} -->\n{}{END}", block.trim_end()));
        rest = after;
    }
    written.push_str(rest);
    Ok(written)
}

/// Below which heading, as a link goes to it, each block of a page stands.
fn places(page: &str) -> BTreeMap<String, String> {
    let mut places = BTreeMap::new();
    let mut below = String::new();
    for line in page.lines() {
        if let Some(heading) = heading(line) {
            below = slug(heading);
        } else if let Some(name) = line.strip_prefix(BEGIN.trim_start()).and_then(|rest| rest.strip_suffix(" -->")) {
            places.insert(name.to_owned(), format!("#{below}"));
        }
    }
    places
}

/// The text of a heading.
#[must_use]
pub fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    (text.len() < line.len()).then(|| text.strip_prefix(' ')).flatten()
}

/// What GitHub and GitLab make of a heading, for a link to go to.
#[must_use]
pub fn slug(heading: &str) -> String {
    let kept = |character: &char| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_');
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(kept)
        .map(|character| if character == ' ' { '-' } else { character })
        .collect()
}

/// A table; none where there are no rows.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | ")).replace("|  |", "| |");
    let rows: Vec<String> = rows
        .into_iter()
        .map(|row| row.iter().map(|cell| squeezed(cell).replace('|', "\\|")).collect::<Vec<_>>())
        .map(|row| line(&row))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rule: Vec<String> = head.iter().map(|_| "---".to_owned()).collect();
    line(&head) + &line(&rule) + &rows.concat()
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text of the code, as it reads in a page: without line breaks, and without links that only rustdoc knows.
fn one_line(text: &str) -> String {
    squeezed(text).replace("[`", "`").replace("`]", "`")
}

/// The same, with the full stop that clap takes away.
fn sentence(text: &str) -> String {
    let text = one_line(text);
    if text.is_empty() || text.ends_with(['.', ':']) { text } else { format!("{text}.") }
}

/// A text of the code that has paragraphs.
fn paragraphs(text: &str) -> String {
    text.split("\n\n").map(sentence).collect::<Vec<_>>().join("\n\n")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}
