//! How a forge's log is told to fold what belongs to a step, and what to show outside of it.

use super::Annotation;
use crate::event::Severity;
use std::time::{SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// How long a message may be: the runner cuts the rest off.
const MESSAGE: usize = 4096;

/// How many annotations of a kind the runner takes from a step.
const ANNOTATIONS: usize = 10;

/// How many of them what was seen on the way may take, so that there is room for why the run ended.
const SEEN: usize = 8;

/// GitHub's log.
#[derive(Debug)]
pub(super) struct GitHub {
    is_runner: bool,
    is_open: bool,
    /// How many annotations of each kind there are.
    annotations: [usize; 3],
}

impl GitHub {
    /// `is_runner` is whether a runner reads, as far as can be told.
    pub(super) const fn new(is_runner: bool) -> Self {
        Self { is_runner, is_open: false, annotations: [0; 3] }
    }

    /// What ends the group that is open, if one is, and begins another one, if it has a name.
    pub(super) fn fold(&mut self, name: Option<&str>) -> String {
        let end = if std::mem::replace(&mut self.is_open, name.is_some()) { "::endgroup::\n" } else { "" };
        let begin = name.map(|name| format!("::group::{}\n", data(name))).unwrap_or_default();
        format!("{end}{begin}")
    }

    /// The command that shows something; none where the runner takes no more of them.
    pub(super) fn annotation(&mut self, annotation: &Annotation<'_>) -> Option<String> {
        let Annotation { severity, file, line, title, message, is_reason } = annotation;
        let (word, count) = match severity {
            Severity::Notice => ("notice", &mut self.annotations[0]),
            Severity::Warning => ("warning", &mut self.annotations[1]),
            Severity::Error => ("error", &mut self.annotations[2]),
        };
        if *count >= if *is_reason { ANNOTATIONS } else { SEEN } {
            return None;
        }
        *count += 1;
        let mut properties = String::new();
        if let Some(file) = file {
            properties = format!("file={},", property(file));
            if let Some(line) = line {
                properties.push_str(&format!("line={line},"));
            }
        }
        let message = match message.char_indices().nth(MESSAGE) {
            None => (*message).to_owned(),
            Some(_) => message.chars().take(MESSAGE - 1).chain(['…']).collect(),
        };
        Some(format!("::{word} {properties}title={}::{}\n", property(title), data(&message)))
    }

    /// The commands that keep texts out of the log; none where somebody else than a runner may see them.
    pub(super) fn masks<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Option<Zeroizing<String>> {
        if !self.is_runner {
            return None;
        }
        let mut commands = Zeroizing::new(String::new());
        for line in texts.into_iter().flat_map(|text| text.split(['\n', '\r'])).filter(|line| !line.trim().is_empty()) {
            commands.push_str("::add-mask::");
            commands.push_str(&Zeroizing::new(data(line)));
            commands.push('\n');
        }
        Some(commands)
    }
}

/// What a command is about. The runner decodes exactly these.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// GitLab's log.
#[derive(Debug, Default)]
pub(super) struct GitLab {
    /// The section that is open.
    open: Option<String>,
    count: u32,
}

impl GitLab {
    /// What ends the section that is open, if one is, and begins another one, if it has a name.
    pub(super) fn fold(&mut self, name: Option<&str>) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut commands = String::new();
        if let Some(open) = self.open.take() {
            commands = format!("\u{1b}[0Ksection_end:{now}:{open}\r\u{1b}[0K\n");
        }
        if let Some(name) = name {
            // Each name is there once in a job: a step can begin more than once.
            self.count += 1;
            let word: String = name.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '_' }).collect();
            let section = format!("windlass_{}_{word}", self.count);
            commands.push_str(&format!("\u{1b}[0Ksection_start:{now}:{section}[collapsed=true]\r\u{1b}[0K{name}\n"));
            self.open = Some(section);
        }
        commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error<'a>(title: &'a str, message: &'a str) -> Annotation<'a> {
        Annotation { severity: Severity::Error, file: None, line: None, title, message, is_reason: false }
    }

    #[test]
    fn one_group_ends_before_another_one_begins() {
        let mut github = GitHub::new(false);
        assert_eq!(github.fold(None), "");
        assert_eq!(github.fold(Some("a\nb")), "::group::a%0Ab\n");
        assert_eq!(github.fold(Some("c")), "::endgroup::\n::group::c\n");
        assert_eq!(github.fold(None), "::endgroup::\n");
        assert_eq!(github.fold(None), "");
    }

    #[test]
    fn an_annotation_is_one_command_whatever_is_in_it() {
        let annotation = Annotation {
            file: Some("a,b:c%.sql"),
            line: Some(7),
            ..error("one: 50%,\ntwo", "first\r\n::stop-commands::x\n100%0A")
        };
        assert_eq!(
            GitHub::new(false).annotation(&annotation).unwrap(),
            "::error file=a%2Cb%3Ac%25.sql,line=7,title=one%3A 50%25%2C%0Atwo::first%0D%0A::stop-commands::x%0A100%250A\n"
        );
    }

    #[test]
    fn a_message_is_no_longer_than_the_runner_takes() {
        let exact = "é".repeat(MESSAGE);
        let text = GitHub::new(false).annotation(&error("t", &exact)).unwrap();
        assert!(text.ends_with(&format!("::{exact}\n")));
        let text = GitHub::new(false).annotation(&error("t", &format!("{exact}é"))).unwrap();
        assert!(text.ends_with(&format!("::{}…\n", "é".repeat(MESSAGE - 1))));
    }

    #[test]
    fn there_is_always_room_for_why_it_ended() {
        let mut github = GitHub::new(false);
        let shown = (0..20).filter(|_| github.annotation(&error("a", "b")).is_some()).count();
        assert_eq!(shown, SEEN);
        let reason = Annotation { is_reason: true, ..error("a", "b") };
        let shown = (0..20).filter(|_| github.annotation(&reason).is_some()).count();
        assert_eq!(shown, ANNOTATIONS - SEEN);
        let warning = Annotation { severity: Severity::Warning, ..error("a", "b") };
        assert!(github.annotation(&warning).is_some(), "each kind has its own");
    }

    #[test]
    fn only_a_runner_is_told_what_to_keep_out_and_line_by_line() {
        assert!(GitHub::new(false).masks(["abc"]).is_none());
        let commands = GitHub::new(true).masks(["a%c", "one\r\n\n  \ntwo"]);
        assert_eq!(commands.unwrap().as_str(), "::add-mask::a%25c\n::add-mask::one\n::add-mask::two\n");
    }

    #[test]
    fn sections_have_names_of_their_own_that_are_names() {
        let mut gitlab = GitLab::default();
        let first = gitlab.fold(Some("a b:c"));
        assert!(first.starts_with("\u{1b}[0Ksection_start:"), "{first:?}");
        assert!(first.ends_with(":windlass_1_a_b_c[collapsed=true]\r\u{1b}[0Ka b:c\n"), "{first:?}");
        let second = gitlab.fold(Some("d"));
        assert!(second.contains(":windlass_1_a_b_c\r\u{1b}[0K\n\u{1b}[0Ksection_start:"), "{second:?}");
        let last = gitlab.fold(None);
        assert!(last.starts_with("\u{1b}[0Ksection_end:") && last.ends_with(":windlass_2_d\r\u{1b}[0K\n"), "{last:?}");
        assert_eq!(gitlab.fold(None), "");
    }
}
