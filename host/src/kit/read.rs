//! A case file: text in, cases or all mistakes out, each with its place.

use super::cases::{Called, Case, Document, ExpectCall};
use crate::config::Written;
use crate::policy::Capability;
use crate::problem::{Code, Problem};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A case file that is right in itself.
#[derive(Debug)]
pub struct CaseFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its cases, in order. Never empty.
    pub cases: Vec<Case>,
    pub(super) written: Written,
}

fn unread(path: &Path) -> Problem {
    Problem::new(Code::CasesInvalid, format!("the cases in `{}` cannot be read", path.display()))
        .with_note("nothing was run")
}

impl CaseFile {
    /// Reads a case file.
    ///
    /// # Errors
    /// [`Code::CasesInvalid`] with everything that is wrong.
    pub fn load(path: &Path) -> Result<Self, Vec<Problem>> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let hint = if missing { "write one, or name another with `--cases FILE`" } else { "save it as UTF-8" };
            vec![unread(path).because(error).with_hint(hint)]
        })?;
        Self::parse(path, &text)
    }

    /// Reads the text of one.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, Vec<Problem>> {
        let written = Written::new(&path.display().to_string(), text, Code::CasesInvalid)?;
        let Document { cases } = written.shaped()?;
        let mut check = Check { written: &written, problems: vec![] };
        if cases.is_empty() {
            check.add("/case", "there is no case", "add `[[case]]` with a `name`");
        }
        check.cases(&cases);
        if check.problems.is_empty() {
            return Ok(Self { path: path.to_owned(), text: text.to_owned(), cases, written });
        }
        Err(check.problems)
    }

    /// The line of a part of it.
    pub(super) fn line(&self, pointer: &str) -> usize {
        self.written.place(pointer).line_and_column().0
    }
}

/// Lines of `deploy.lock`, as capabilities.
pub(super) fn capabilities(lines: &[Map<String, Value>]) -> Vec<Capability> {
    let capability = |line: &Map<String, Value>| serde_json::from_value(Value::Object(line.clone())).ok();
    lines.iter().filter_map(capability).collect()
}

struct Check<'a> {
    written: &'a Written,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn add(&mut self, pointer: &str, what: impl Into<String>, hint: impl Into<String>) {
        let problem = Problem::new(Code::CasesInvalid, what).with_note("nothing was run").with_hint(hint);
        self.problems.push(problem.at(self.written.place(pointer)));
    }

    fn cases(&mut self, cases: &[Case]) {
        let mut names = BTreeSet::new();
        for (index, case) in cases.iter().enumerate() {
            let pointer = format!("/case/{index}");
            let name = case.name.trim();
            if name.is_empty() || name.contains('\n') {
                self.add(&format!("{pointer}/name"), "a case's name is one line", "say in one line what it shows");
            } else if !names.insert(name) {
                self.add(&format!("{pointer}/name"), format!("there are two cases `{name}`"), "give one another name");
            }
            self.case(case, &pointer);
        }
    }

    fn case(&mut self, case: &Case, pointer: &str) {
        for (place, called) in case.call.iter().flatten().enumerate() {
            if case.call.iter().flatten().take(place).any(|before| before == called) {
                let name = called.name();
                self.add(&format!("{pointer}/call/{place}"), format!("`{name}` is called twice"), "write another case");
            }
        }
        self.lines(case.granted.as_deref(), &format!("{pointer}/granted"));
        let requires = case.expect.requires.as_ref();
        let expected = requires.and_then(|requires| requires.capabilities.as_deref());
        self.lines(expected, &format!("{pointer}/expect/requires/capabilities"));
        for path in case.files.keys().chain(case.expect.files.keys()) {
            self.path(path, pointer);
        }
        for path in case.database.iter().map(|it| &it.path).chain(case.expect.database.iter().map(|it| &it.path)) {
            self.path(path, pointer);
        }
        for (index, canned) in case.http.iter().enumerate() {
            let at = format!("{pointer}/http/{index}");
            let parsed = canned.url.parse::<http::Uri>().ok();
            if parsed.is_none_or(|url| crate::network::Route::of(&url).is_err()) {
                let what = format!("`{}` is no URL that can be asked for", canned.url);
                self.add(&format!("{at}/url"), what, "write a whole one, for example `https://example.com/path`");
            }
            if canned.method.parse::<http::Method>().is_err() || canned.method != canned.method.to_uppercase() {
                self.add(&format!("{at}/method"), "a method is in upper case", "write for example `POST`");
            }
            let bodies = [
                (&canned.body, &canned.json, at.clone()),
                (&canned.answer.body, &canned.answer.json, format!("{at}/answer")),
            ];
            for (_, _, at) in bodies.into_iter().filter(|(body, json, _)| body.is_some() && json.is_some()) {
                self.add(&format!("{at}/json"), "there are both `body` and `json`", "keep one of the two");
            }
            let headers = canned.answer.headers.iter();
            for (name, _) in headers.filter(|(name, value)| {
                name.parse::<http::HeaderName>().is_err() || value.parse::<http::HeaderValue>().is_err()
            }) {
                self.add(&format!("{at}/answer/headers/{name}"), format!("`{name}` is no header"), "mend it");
            }
            let status = canned.answer.status.unwrap_or(200);
            if http::StatusCode::from_u16(status).is_err() || status < 200 {
                self.add(
                    &format!("{at}/answer/status"),
                    format!("`{status}` is no final status"),
                    "write `200` to `599`",
                );
            }
        }
        for called in Called::ALL {
            if let Some(expected) = case.expect.of(called) {
                self.expected(case, called, expected, &format!("{pointer}/expect/{}", called.name()));
            }
        }
    }

    /// A path within the project.
    fn path(&mut self, path: &str, pointer: &str) {
        let inside = !path.is_empty()
            && !path.starts_with('/')
            // A drive of Windows has a directory of its own that such a path is relative to.
            && path.as_bytes().get(1) != Some(&b':')
            && path.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains('\\'));
        if !inside {
            self.add(
                pointer,
                format!("`{path}` is no file of the project"),
                "write a path without `..` and `.`, relative to the project",
            );
        }
    }

    fn lines(&mut self, lines: Option<&[Map<String, Value>]>, pointer: &str) {
        for (index, line) in lines.unwrap_or_default().iter().enumerate() {
            let read = serde_json::from_value::<Capability>(Value::Object(line.clone()));
            let wrong = match read {
                Ok(capability) => capability.check().err().map(|problem| problem.what),
                Err(error) => Some(error.to_string()),
            };
            if let Some(wrong) = wrong {
                let problem = Problem::new(Code::CasesInvalid, "this is no line that `deploy.lock` could have")
                    .because(wrong)
                    .with_note("nothing was run")
                    .with_hint("leave `granted` out for all that the plugin asks for, and take lines of that");
                self.problems.push(problem.at(self.written.place(&format!("{pointer}/{index}"))));
            }
        }
    }

    fn expected(&mut self, case: &Case, called: Called, expected: &ExpectCall, pointer: &str) {
        let name = called.name();
        let called_at_all =
            case.call.as_ref().map_or(matches!(called, Called::Plan | Called::Apply), |calls| calls.contains(&called));
        if !called_at_all {
            self.add(pointer, format!("`{name}` is not called in this case"), format!("add `\"{name}\"` to `call`"));
        }
        let answers = matches!(called, Called::Apply | Called::Revert);
        for (key, said, fits) in [
            ("intents", expected.intents.is_some(), called == Called::Plan),
            ("outcome", expected.outcome.is_some(), answers),
            ("outputs", expected.outputs.is_some(), answers),
            ("findings", expected.findings.is_some(), answers),
            ("verdict", expected.verdict.is_some(), called == Called::Probe),
        ] {
            if said && !fits {
                self.add(&format!("{pointer}/{key}"), format!("`{name}` has no `{key}`"), "remove it");
            }
        }
        let ends = [expected.failure.is_some(), expected.trap.is_some(), expected.timed_out];
        if ends.iter().filter(|end| **end).count() > 1 {
            self.add(pointer, format!("`{name}` ends in two ways"), "keep one of `failure`, `trap` and `timed-out`");
        }
    }
}
