//! What came of a case, put into its file: comments stay, and so does the order.

use super::read::CaseFile;
use crate::problem::{Code, Problem};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is to be written into a case.
#[derive(Debug, Default)]
pub(super) struct Insert {
    /// Canned answers, beside those that are there.
    pub(super) canned: Vec<String>,
    /// What is expected, in place of what was; left as it is where there is nothing.
    pub(super) expected: Option<String>,
}

/// A table's header in the text, and what it is the header of.
#[derive(Debug)]
struct Header {
    start: usize,
    case: Option<usize>,
    is_expectation: bool,
}

/// How a file is laid out.
#[derive(Debug, Default)]
struct Layout {
    /// Its headers, in order.
    headers: Vec<Header>,
    /// Where its texts and keys are: what looks like a comment in one of them is none.
    texts: Vec<Range<usize>>,
}

impl Layout {
    fn of(source: &str) -> Self {
        let mut layout = Self::default();
        let (table, _) = DeTable::parse_recoverable(source);
        for (key, value) in table.get_ref() {
            layout.texts.push(key.span());
            layout.walk(source, value, &mut vec![key.get_ref().to_string()]);
        }
        layout.headers.sort_by_key(|header| header.start);
        layout.headers.dedup_by_key(|header| header.start);
        layout
    }

    fn walk(&mut self, source: &str, value: &Spanned<DeValue<'_>>, path: &mut Vec<String>) {
        let start = value.span().start;
        let starts_line = source[..start].rsplit('\n').next().unwrap_or_default().trim().is_empty();
        match value.get_ref() {
            DeValue::Table(table) => {
                if source[start..].starts_with('[') && starts_line {
                    let case = path.get(1).and_then(|index| index.parse().ok());
                    let is_expectation = path.get(2).is_some_and(|key| key == "expect");
                    self.headers.push(Header { start, case, is_expectation });
                }
                for (key, value) in table {
                    self.texts.push(key.span());
                    path.push(key.get_ref().to_string());
                    self.walk(source, value, path);
                    path.pop();
                }
            }
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    self.walk(source, item, path);
                    path.pop();
                }
            }
            DeValue::String(_) => self.texts.push(value.span()),
            _ => {}
        }
    }

    /// The comment in the line that begins there.
    fn comment<'a>(&self, line: &'a str, start: usize) -> Option<&'a str> {
        let is_text = |place: &usize| self.texts.iter().any(|text| text.contains(&(start + place)));
        let place = line.match_indices('#').map(|(place, _)| place).find(|place| !is_text(place))?;
        Some(line[place..].trim_end())
    }

    /// Whether the line that begins there is a comment.
    fn is_comment(&self, line: &str, start: usize) -> bool {
        self.comment(line, start).is_some_and(|comment| comment.len() == line.trim().len())
    }

    /// The comments of a part of the source, each in a line of its own: also those behind something.
    fn comments(&self, source: &str, range: Range<usize>) -> String {
        let mut start = range.start;
        let mut comments = String::new();
        for line in source[range].split_inclusive('\n') {
            if let Some(comment) = self.comment(line, start) {
                comments.push_str(&format!("{comment}\n"));
            }
            start += line.len();
        }
        comments
    }

    /// Where what belongs to the table before ends: the comments right above a header are the header's.
    fn end_before(&self, source: &str, header: usize) -> usize {
        let mut end = header;
        for line in source[..header].split_inclusive('\n').rev() {
            if !self.is_comment(line, end - line.len()) {
                break;
            }
            end -= line.len();
        }
        end
    }
}

/// That a case can be written into: what comes of it, and where it is played in the world what that answers.
///
/// # Errors
/// Where what is expected, or a list of canned answers, is not in tables of its own.
pub(super) fn rehearse(file: &CaseFile, index: usize, is_in_world: bool) -> Result<(), Problem> {
    let may_be = |what: Insert| insert(file, &BTreeMap::from([(index, what)])).is_ok();
    let cannot = |what: &str, key: &str, hint: &str| {
        let problem = Problem::new(Code::CasesInvalid, format!("{what} cannot be written anew where it stands"))
            .with_note("the file is as it was, and nothing was run")
            .with_hint(hint);
        Err(problem.at(file.written.place(&format!("/case/{index}/{key}"))))
    };
    // The table that whatever is left of other ways to say it would be in, too.
    if !may_be(Insert { canned: vec![], expected: Some("[case.expect]\n".to_owned()) }) {
        let hint = "write it in tables of its own: `[case.expect.plan]`, `[case.expect.apply]`";
        return cannot("what is expected", "expect", hint);
    }
    let answers = [
        ("http", "[[case.http]]\nurl = \"https://example.com/\"\n"),
        ("command", "[[case.command]]\nprogram = \"true\"\n"),
        ("tcp-probe", "[[case.tcp-probe]]\nhost = \"localhost\"\nport = 1\nanswer = \"open\"\n"),
    ];
    for (key, block) in answers.into_iter().filter(|_| is_in_world) {
        if !may_be(Insert { canned: vec![block.to_owned()], expected: None }) {
            return cannot(&format!("the empty `{key}`"), key, "take it out of the case");
        }
    }
    Ok(())
}

/// The file with these inserted, by the places of its cases.
///
/// # Errors
/// Where it would not be the same cases any more, which [`rehearse`] says in better words.
pub(super) fn insert(file: &CaseFile, inserts: &BTreeMap<usize, Insert>) -> Result<CaseFile, Problem> {
    let source = &file.text;
    let layout = Layout::of(source);
    let headers = &layout.headers;
    let mut edits: Vec<(Range<usize>, String)> = vec![];
    for (index, insert) in inserts {
        let of_case: Vec<usize> = (0..headers.len()).filter(|at| headers[*at].case == Some(*index)).collect();
        let end_of = |at: usize| headers.get(at + 1).map_or(source.len(), |next| layout.end_before(source, next.start));
        let expected: Vec<usize> = of_case.iter().copied().filter(|at| headers[*at].is_expectation).collect();
        let end = of_case.last().map_or(source.len(), |last| end_of(*last));
        let expected_at = expected.first().map_or(end, |first| headers[*first].start);
        // What is said above the first expectation is said of that.
        let canned_at = expected.first().map_or(end, |first| layout.end_before(source, headers[*first].start));
        if !insert.canned.is_empty() {
            edits.push((canned_at..canned_at, format!("\n{}\n", insert.canned.join("\n"))));
        }
        if let Some(expectation) = &insert.expected {
            let mut comments = String::new();
            let mut removed = vec![];
            for (place, at) in expected.iter().enumerate() {
                // What is said above the first stays where it is; above the others it is within what is replaced.
                let header = headers[*at].start;
                let start = if place == 0 { header } else { layout.end_before(source, header) };
                let range = start..end_of(*at);
                comments.push_str(&layout.comments(source, range.clone()));
                removed.push((range, String::new()));
            }
            let gap = if expected.is_empty() { "\n" } else { "" };
            edits.push((expected_at..expected_at, format!("{gap}{comments}{expectation}\n")));
            edits.extend(removed);
        }
    }
    // What is put in comes before what is taken out at the same place.
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let (mut text, mut at) = (String::new(), 0);
    for (range, new) in edits {
        text.push_str(&source[at..range.start]);
        if new.starts_with('\n') {
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text.push_str(&new);
        at = range.end;
    }
    text.push_str(&source[at..]);
    let text = format!("{}\n", text.trim_end());
    // Its lines end as they did.
    let returns = source.matches("\r\n").count();
    let text = if returns > 0 && returns == source.matches('\n').count() {
        text.replace("\r\n", "\n").replace('\n', "\r\n")
    } else {
        text
    };
    same_cases(file, &text)
}

/// The new text as a file, where it still gives its cases what the old one gave them.
fn same_cases(file: &CaseFile, text: &str) -> Result<CaseFile, Problem> {
    let given = |written: &crate::config::Written| {
        let mut cases = written.value()["case"].clone();
        for case in cases.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            for key in ["expect", "http", "command", "tcp-probe"] {
                case.remove(key);
            }
        }
        cases
    };
    let wrong = match CaseFile::parse(&file.path, text) {
        Ok(new) if given(&new.written) == given(&file.written) => return Ok(new),
        Ok(_) => vec!["it would say something else of what is given".to_owned()],
        Err(problems) => problems.into_iter().map(|problem| problem.what).collect(),
    };
    let problem = Problem::new(Code::Bug, "what was recorded cannot be written into the case file");
    Err(wrong
        .into_iter()
        .fold(problem, Problem::because)
        .with_note("the file is as it was")
        .with_hint("please report it with the file"))
}

#[cfg(test)]
mod tests {
    use super::{Insert, insert};
    use crate::kit::CaseFile;
    use std::path::Path;

    const FILE: &str = r##"# what this is about

[[case]] # one
name = "one"
files = { a = """
[case.expect]
# not a comment
""" }

# above
[case.expect.plan] # of the plan
# why
intents = [
    # none
] # not one
log = [ "# no comment", # a line
]

[case.expect.apply]
outcome = "x"
outputs = { "#a" = "#b" }

# two
[[case]]
name = "two"
"##;

    #[test]
    fn comments_and_order_stay() {
        let file = CaseFile::parse(Path::new("cases.toml"), FILE).expect("cases");
        let new = |expected: &str| Insert { canned: vec![], expected: Some(expected.into()) };
        let canned = "[[case.http]]\nurl = \"https://a/\"\n".to_owned();
        let inserts = [
            (0, new("[case.expect.plan]\nlog = []\n")),
            (1, Insert { canned: vec![canned], ..new("[case.expect.plan]\nlog = [\"b\"]\n") }),
        ];
        let text = insert(&file, &inserts.into()).expect("a file").text;
        assert_eq!(
            text,
            r#"# what this is about

[[case]] # one
name = "one"
files = { a = """
[case.expect]
# not a comment
""" }

# above
# of the plan
# why
# none
# not one
# a line
[case.expect.plan]
log = []

# two
[[case]]
name = "two"

[[case.http]]
url = "https://a/"

[case.expect.plan]
log = ["b"]
"#
        );
        let again = CaseFile::parse(Path::new("cases.toml"), &text).expect("cases");
        let inserts = [(0, new("[case.expect.plan]\nlog = []\n"))];
        assert_eq!(insert(&again, &inserts.into()).expect("a file").text, text, "twice is as once");
    }
}
