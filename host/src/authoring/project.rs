//! `windlass-plugin.toml`: what a plugin's project says of itself.

use super::Language;
use crate::config::nearest;
use crate::problem::{Code, Place, Problem};
use serde::Deserialize;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;

/// The file's name, in the directory that is the project.
pub const FILE: &str = "windlass-plugin.toml";

const KEYS: &[&str] = &["build", "component", "language", "name"];

/// A plugin's project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Where it is.
    pub directory: PathBuf,
    /// The plugin's name.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// Where its component is once it is built, relative to the directory.
    pub component: String,
    /// What builds it, where it is not built as its language's projects are.
    pub build: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    plugin: Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: Spanned<String>,
    language: Spanned<String>,
    component: Spanned<String>,
    build: Option<Spanned<Vec<String>>>,
}

/// Why this cannot be a plugin's name, where it cannot.
pub(super) fn unfit(name: &str) -> Option<&'static str> {
    let words = name
        .split('-')
        .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    if words && begins && name.len() <= 64 {
        return None;
    }
    Some("a name is lower case letters and digits with single hyphens between them, and begins with a letter")
}

/// A path below the project, with nothing that leads out of it.
fn is_below(path: &str) -> bool {
    // A drive of Windows, which is one wherever the file is read: `C:a.wasm` is relative to a directory of its own.
    if path.as_bytes().get(1) == Some(&b':') {
        return false;
    }
    let mut parts = Path::new(path).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// What `[plugin]` has and does not know.
fn unknown_keys(text: &str) -> Vec<String> {
    let table: toml::Table = toml::from_str(text).unwrap_or_default();
    let plugin = table.get("plugin").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
    plugin.filter(|key| !KEYS.contains(&key.as_str())).cloned().collect()
}

impl Project {
    /// The project in a directory.
    ///
    /// # Errors
    /// [`Code::PluginProject`] where there is none, or its file is not as it must be, with the line.
    pub fn read(directory: &Path) -> Result<Self, Problem> {
        let path = directory.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let problem = Problem::new(Code::PluginProject, format!("`{}` cannot be read", path.display()));
            if error.kind() == std::io::ErrorKind::NotFound {
                problem.because("there is no such file, so this is not the directory of a plugin's project").with_hint(
                    "`windlass plugin new NAME --lang rust` writes a project; `windlass plugin build DIRECTORY` builds the one that is there",
                )
            } else {
                problem.because(error)
            }
        })?;
        Self::parse(directory, &path.to_string_lossy(), &text)
    }

    fn parse(directory: &Path, file: &str, text: &str) -> Result<Self, Problem> {
        let wrong = |span: std::ops::Range<usize>, why: String| {
            let (end, text) = (text.len(), Arc::from(text));
            let span = span.start.min(end)..span.end.min(end);
            Problem::new(Code::PluginProject, format!("`{FILE}` is not as it must be")).because(why).at(Place {
                file: file.to_owned(),
                text,
                span,
            })
        };
        let read: File = toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let key = text.get(span.clone()).unwrap_or_default();
            let mut problem = wrong(span, error.message().to_owned());
            let is_unknown = error.message().starts_with("unknown field");
            let mut meant: Vec<&str> = nearest(key, KEYS.iter().copied()).filter(|_| is_unknown).into_iter().collect();
            // The first is in what was just said; all of them are said at once.
            for other in unknown_keys(text).iter().filter(|other| is_unknown && *other != key) {
                problem = problem.because(format!("unknown field `{other}`"));
                meant.extend(nearest(other, KEYS.iter().copied()));
            }
            match (!meant.is_empty()).then(|| crate::config::listing(meant.iter().copied(), "and")) {
                Some(near) => problem.with_hint(format!("did you mean {near}?")),
                None => problem.with_hint(
                    "the keys of `[plugin]` are `name`, `language`, `component`, and `build` where another command builds it",
                ),
            }
        })?;
        let Table { name, language, component, build } = read.plugin;
        if let Some(why) = unfit(name.get_ref()) {
            return Err(wrong(name.span(), why.to_owned()));
        }
        let Some(known) = Language::of_word(language.get_ref()) else {
            let words = Language::ALL.iter().map(|language| language.word());
            let problem = wrong(language.span(), format!("there is no language `{}`", language.get_ref()));
            return Err(problem.with_hint(format!("it is one of {}", crate::config::listing(words, "or"))));
        };
        if !is_below(component.get_ref()) {
            let why = format!("`{}` does not lead to a file in the project", component.get_ref());
            return Err(wrong(component.span(), why).with_hint("name it relative to this file, without `..`"));
        }
        if let Some(empty) = build.as_ref().filter(|command| command.get_ref().is_empty()) {
            let why = "a command has at least the program's name".to_owned();
            return Err(wrong(empty.span(), why).with_hint(
                "leave `build` out for the usual build of the language, or write `[\"program\", \"argument\"]`",
            ));
        }
        Ok(Self {
            directory: directory.to_owned(),
            name: name.into_inner(),
            language: known,
            component: component.into_inner(),
            build: build.map(Spanned::into_inner),
        })
    }

    /// Where its component is once it is built.
    #[must_use]
    pub fn component_path(&self) -> PathBuf {
        self.directory.join(&self.component)
    }

    /// Its component, which has to be there.
    ///
    /// # Errors
    /// [`Code::PluginNotFound`] where it was not built yet.
    pub fn built(&self) -> Result<PathBuf, Problem> {
        let path = self.component_path();
        if path.is_file() {
            return Ok(path);
        }
        Err(Problem::new(Code::PluginNotFound, format!("the plugin `{}` is not built", self.name))
            .because(format!("there is no `{}`", path.display()))
            .with_note("nothing was run")
            .with_hint("run `windlass plugin build`"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Project, is_below, unfit};
    use crate::authoring::Language;
    use std::path::Path;

    fn read(text: &str) -> Result<Project, crate::problem::Problem> {
        Project::parse(Path::new("greet"), "windlass-plugin.toml", text)
    }

    #[test]
    fn a_project_says_what_it_is() {
        let project =
            read("[plugin]\nname = \"greet-it\"\nlanguage = \"c\"\ncomponent = \"build/greet.wasm\"\n").expect("fine");
        assert_eq!((project.name.as_str(), project.language, project.build), ("greet-it", Language::C, None));
        assert_eq!(project.directory.join("build/greet.wasm"), Path::new("greet/build/greet.wasm"));
    }

    #[test]
    fn each_mistake_has_its_line_and_what_helps() {
        const REST: &str = "language = \"c\"\ncomponent = \"a.wasm\"\n";
        for (text, line, cause, hint) in [
            (format!("[plugin]\nnmae = \"greet\"\n{REST}"), 2, "unknown field `nmae`", "did you mean `name`?"),
            (
                format!("[plugin]\nname = \"greet\"\nbulid = []\n{REST}compnent = 1\n"),
                3,
                "unknown field `bulid`",
                "did you mean `build` and `component`?",
            ),
            (
                "[plugin]\nname = \"greet\"\ncomponent = \"a.wasm\"\n".into(),
                1,
                "missing field `language`",
                "the keys of `[plugin]` are",
            ),
            (
                "[plugin]\nname = \"greet\"\nlanguage = \"java\"\ncomponent = \"a.wasm\"\n".into(),
                3,
                "there is no language `java`",
                "it is one of `rust`, `js`, `python` or `c`",
            ),
            (
                "[plugin]\nname = \"greet\"\nlanguage = \"c\"\ncomponent = \"../a.wasm\"\n".into(),
                4,
                "`../a.wasm` does not lead to a file in the project",
                "without `..`",
            ),
            (
                format!("[plugin]\nname = \"greet\"\n{REST}build = []\n"),
                5,
                "a command has at least",
                "leave `build` out",
            ),
        ] {
            let problem = read(&text).expect_err(&text);
            let place = problem.place.as_ref().expect("a place");
            assert_eq!(place.line_and_column().0, line, "{problem:?}");
            assert!(problem.causes[0].starts_with(cause), "{problem:?}");
            assert!(problem.hint.as_ref().expect("a hint").contains(hint), "{problem:?}");
        }
    }

    #[test]
    fn a_component_is_a_file_below_the_project() {
        for path in ["a.wasm", "./a.wasm", "build/a.wasm", "build/a:b.wasm"] {
            assert!(is_below(path), "{path}");
        }
        // Also what leads elsewhere only where there are drives.
        for path in ["", "/a.wasm", "../a.wasm", "build/../../a.wasm", "C:a.wasm", "c:/a.wasm", "C:"] {
            assert!(!is_below(path), "{path}");
        }
    }

    #[test]
    fn names_are_in_kebab_case() {
        for name in ["a", "size-budget", "a1-2b"] {
            assert_eq!(unfit(name), None, "{name}");
        }
        for name in ["", "-a", "a-", "a--b", "A", "a_b", "1a", "ä", "a/b", "..", &"a".repeat(65)] {
            assert!(unfit(name).is_some(), "{name}");
        }
    }
}
