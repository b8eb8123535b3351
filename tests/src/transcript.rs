//! A page of the documentation, done as it says: its files are written, its commands are typed, and what they print is what it
//! shows.
//!
//! - A block of `console` is typed, a command for each line that begins with `$ `; what stands below is what it prints. A line
//!   that is only `…` stands for any number of lines, and `…` within one for anything. A command that fails is followed by
//!   `$ echo $?`.
//! - A block below `<!-- file: PATH -->` is written there.
//! - A block below `<!-- added: PATH -->` is written at its end.
//! - A block below `<!-- changed: PATH -->` is a change of that file, as `diff` shows one, without its head.
//! - A block below `<!-- shown: PATH -->` is a part of that file as it is.
//!
//! A block that is none of these is an error, so that nothing on the page is there unproven.

use crate::Project;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What a page says is done.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// A file is written.
    File(String, String),
    /// Something is written at a file's end.
    Added(String, String),
    /// A file is changed.
    Changed(String, String),
    /// A part of a file is shown.
    Shown(String, String),
    /// A command is typed, and prints this.
    Typed(String, Vec<String>),
}

/// What stands for anything.
const ANYTHING: &str = "…";

/// The parts of a page, each with its line, from 1.
fn read(page: &str) -> Vec<(usize, Part)> {
    let mut parts = Vec::new();
    let mut about: Option<String> = None;
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(comment) = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")) {
            about = Some(comment.to_owned());
        } else if let Some(language) = line.strip_prefix("```") {
            let block: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| !line.starts_with("```")).collect();
            let text: String = block.iter().map(|(_, line)| format!("{line}\n")).collect();
            match (about.take(), language) {
                (None, "console") => typed(&block, &mut parts),
                (Some(about), _) => {
                    let part = match about.split_once(": ") {
                        Some(("file", path)) => Part::File(path.to_owned(), text),
                        Some(("added", path)) => Part::Added(path.to_owned(), text),
                        Some(("changed", path)) => Part::Changed(path.to_owned(), text),
                        Some(("shown", path)) => Part::Shown(path.to_owned(), text),
                        _ => panic!("line {}: `{about}` is said of a block", number + 1),
                    };
                    parts.push((number + 1, part));
                }
                (None, _) => panic!("line {}: nobody says what this block is", number + 1),
            }
        } else if !line.is_empty() {
            about = None;
        }
    }
    parts
}

fn typed(block: &[(usize, &str)], parts: &mut Vec<(usize, Part)>) {
    for (number, line) in block {
        match (line.strip_prefix("$ "), parts.last_mut()) {
            (Some(command), _) => parts.push((number + 1, Part::Typed(command.to_owned(), Vec::new()))),
            (None, Some((_, Part::Typed(_, printed)))) => printed.push((*line).to_owned()),
            (None, _) => panic!("line {}: printed by nothing", number + 1),
        }
    }
}

/// Whether some lines are as a page shows them.
fn fits(shown: &[String], printed: &[&str]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first.trim() == ANYTHING => {
            (0..=printed.len()).any(|skipped| fits(rest, &printed[skipped..]))
        }
        Some((first, rest)) => {
            printed.split_first().is_some_and(|(line, others)| line_fits(first, line) && fits(rest, others))
        }
    }
}

fn line_fits(shown: &str, printed: &str) -> bool {
    let mut pieces = shown.split(ANYTHING);
    let Some(mut rest) = pieces.next().and_then(|first| printed.strip_prefix(first)) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.trim_end().is_empty() };
    for piece in pieces {
        let Some(place) = rest.find(piece) else { return false };
        rest = &rest[place + piece.len()..];
    }
    rest.trim_end().ends_with(last)
}

/// A shell that is typed into.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What is printed behind each command.
const END: &str = "--- that was all, and it ended with";

impl Shell {
    fn new(project: &Project) -> Self {
        let like = project.command([""]);
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc"]).current_dir(project.path()).env_clear();
        for (name, value) in like.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let directory = crate::binary().parent().expect("a directory").to_path_buf();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(directory).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(path).expect("a path"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash");
        let mut input = child.stdin.take().expect("a pipe");
        writeln!(input, "exec 2>&1").expect("a shell that reads");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, input, output }
    }

    /// What a command prints, to either stream, and how it ends.
    fn types(&mut self, command: &str) -> (Vec<String>, i32) {
        writeln!(
            self.input,
            "{{ {command}\n}} </dev/null; ended=$?; printf '\\n%s %s\\n' '{END}' $ended; (exit $ended)"
        )
        .expect("a shell that reads");
        let mut printed = Vec::new();
        loop {
            let mut line = String::new();
            let length = self.output.read_line(&mut line).expect("output");
            assert!(length > 0, "`{command}` ended the shell");
            if let Some(code) = line.strip_prefix(END) {
                while printed.last().is_some_and(String::is_empty) {
                    printed.pop();
                }
                return (printed, code.trim().parse().expect("an exit code"));
            }
            printed.push(line.trim_end_matches('\n').to_owned());
        }
    }

    /// Where it is.
    fn directory(&mut self) -> PathBuf {
        self.types("pwd").0.concat().into()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file that a page names.
struct File {
    path: PathBuf,
    number: usize,
}

impl File {
    fn at(shell: &mut Shell, path: &str, number: usize) -> Self {
        Self { path: shell.directory().join(path), number }
    }

    fn read(&self) -> String {
        std::fs::read_to_string(&self.path)
            .unwrap_or_else(|error| panic!("line {}: {}: {error}", self.number, self.path.display()))
    }

    fn write(&self, text: &str) {
        std::fs::create_dir_all(self.path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&self.path, text)
            .unwrap_or_else(|error| panic!("line {}: {}: {error}", self.number, self.path.display()));
    }
}

/// A text with a change in it. Each piece of the change, which an `…` alone on a line parts, is in the text once.
fn changed(text: &str, change: &str) -> Result<String, String> {
    let mut text = text.to_owned();
    for piece in change.split(&format!("{ANYTHING}\n")) {
        let (mut before, mut after) = (String::new(), String::new());
        for line in piece.lines() {
            let (sign, line) = line.split_at_checked(1).unwrap_or((" ", ""));
            if matches!(sign, " " | "-") {
                before.push_str(&format!("{line}\n"));
            }
            if matches!(sign, " " | "+") {
                after.push_str(&format!("{line}\n"));
            }
        }
        match text.matches(&before).count() {
            1 => text = text.replacen(&before, &after, 1),
            count => return Err(format!("this is there {count} times:\n{before}in\n{text}")),
        }
    }
    Ok(text)
}

/// Does what a page says, from its beginning to its end, in an empty project.
///
/// # Panics
/// Where something is not as the page says, with its line.
#[expect(clippy::print_stdout, reason = "how far it got is shown where a test fails, and nowhere else")]
pub fn follow(page: &str, project: &Project) {
    let mut shell = Shell::new(project);
    let parts = read(page);
    assert!(!parts.is_empty(), "the page says nothing that could be done");
    for (place, (number, part)) in parts.iter().enumerate() {
        match part {
            Part::File(path, text) => File::at(&mut shell, path, *number).write(text),
            Part::Added(path, text) => {
                let file = File::at(&mut shell, path, *number);
                file.write(&(file.read() + text));
            }
            Part::Changed(path, change) => {
                let file = File::at(&mut shell, path, *number);
                file.write(
                    &changed(&file.read(), change).unwrap_or_else(|said| panic!("line {number}: {path}: {said}")),
                );
            }
            Part::Shown(path, text) => {
                let file = File::at(&mut shell, path, *number).read();
                assert!(file.contains(text.as_str()), "line {number}: `{path}` has no such part:\n{file}");
            }
            Part::Typed(command, shown) => {
                let (printed, code) = shell.types(command);
                let all = printed.join("\n");
                println!("$ {command}\n{all}");
                let printed: Vec<&str> = printed.iter().map(String::as_str).collect();
                let mut shown = shown.clone();
                while shown.last().is_some_and(String::is_empty) {
                    shown.pop();
                }
                assert!(
                    fits(&shown, &printed),
                    "line {number}: `{command}` ended with {code} and printed\n{all}\nand not\n{}",
                    shown.join("\n")
                );
                let told = matches!(parts.get(place + 1), Some((_, Part::Typed(next, _))) if next == "echo $?");
                assert!(code == 0 || told, "line {number}: `{command}` ended with {code}, and printed\n{all}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn anything_is_anything_and_all_else_is_as_it_stands() {
        for (shown, printed, expected) in [
            ("a\nb", "a\nb", true),
            ("a\nb", "a\nc", false),
            ("a", "a\nb", false),
            ("a\n…", "a\nb\nc", true),
            ("…\nc", "a\nb\nc", true),
            ("…\nc", "a\nb", false),
            ("took … ms", "took 12 ms", true),
            ("took … ms", "took 12 s", false),
            ("… of … MB", "1 of 2 MB", true),
            ("", "", true),
        ] {
            let printed: Vec<&str> = printed.lines().collect();
            assert_eq!(fits(&lines(shown), &printed), expected, "{shown} and {printed:?}");
        }
    }

    #[test]
    fn a_change_fits_once_or_not_at_all() {
        let text = "a\n\nb\nc\nd\nc\n";
        assert_eq!(changed(text, " a\n \n-b\n+x\n…\n d\n+e\n"), Ok("a\n\nx\nc\nd\ne\nc\n".into()));
        for change in ["-c\n", "-z\n"] {
            assert!(changed(text, change).is_err(), "{change}");
        }
    }

    #[test]
    fn a_page_is_done_and_what_is_not_as_it_says_is_found() {
        const WRITTEN: &str = "<!-- file: a/b.txt -->\n\n```text\none\ntwo\n```\n";
        const TYPED: &str = "```console\n$ cd a && cat b.txt\none\n…\n$ false\n$ echo $?\n1\n```\n";
        const SHOWN: &str = "<!-- shown: b.txt -->\n```text\ntwo\n```\n";
        const CHANGED: &str =
            "<!-- added: b.txt -->\n```text\nthree\n```\n<!-- changed: b.txt -->\n```diff\n three\n+four\n```\n";
        let page = format!("Text.\n\n{WRITTEN}{TYPED}{SHOWN}{CHANGED}```console\n$ tail -n 1 b.txt\nfour\n```\n");
        follow(&page, &Project::new());
        for (from, to, said) in [
            ("```text\ntwo\n", "```text\nthree\n", "no such part"),
            ("$ echo $?\n1\n", "", "ended with 1"),
            ("one\n…", "two\n…", "and not"),
            ("```console", "```toml", "nobody says"),
        ] {
            let wrong = page.replace(from, to);
            let failed = std::panic::catch_unwind(|| follow(&wrong, &Project::new())).expect_err("a failure");
            let words = failed.downcast_ref::<String>().cloned().unwrap_or_default();
            assert!(words.contains(said), "{said}: {words}");
        }
    }
}
