//! The one way to standard output and standard error: words, what children write, and the commands that fold a forge's log. It
//! knows who reads: a forge's log, a person at a terminal, or anybody. What comes from outside commands none of them.

mod fold;
mod live;
mod tame;

use super::Style;
use crate::ci::{Kind, Page};
use crate::event::Severity;
use crate::secret::Redactor;
use fold::{GitHub, GitLab};
use live::Live;
use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError, TryLockError};
use tame::{Reader, Tame};

/// Something that a forge shows where it is seen at once.
#[derive(Debug, Clone, Copy)]
pub struct Annotation<'a> {
    /// How much it matters.
    pub severity: Severity,
    /// The file, as the forge knows it.
    pub file: Option<&'a str>,
    /// The line in it, counted from 1.
    pub line: Option<usize>,
    /// What it is about, in a few words.
    pub title: &'a str,
    /// What there is to say.
    pub message: &'a str,
    /// Whether it says why the command ends as it does. There is room for it whatever was seen before.
    pub is_reason: bool,
}

/// Who reads.
#[derive(Debug)]
enum Surface {
    Plain,
    GitHub(GitHub),
    GitLab(GitLab),
    Live(Live),
}

#[derive(Debug)]
struct Screen {
    page: Option<Page>,
    surface: Surface,
    tame: Tame,
    /// Whether what was written last has no end of a line.
    is_middle: bool,
}

static SCREEN: Mutex<Screen> =
    Mutex::new(Screen { page: None, surface: Surface::Plain, tame: Tame::new(Reader::Nobody), is_middle: false });

fn screen<T>(work: impl FnOnce(&mut Screen) -> T) -> T {
    work(&mut SCREEN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// What is said is made of many texts by many hands, libraries' traces and a bug's last words among them. Here is where a secret
/// that slipped into one is taken out all the same.
static SECRETS: OnceLock<Redactor> = OnceLock::new();

/// From now on these are in nothing that is said, printed for people, or shown by the forge. What a child writes, and data for
/// programs, is without them before it comes here.
pub fn hide(secrets: Redactor) {
    let _ = SECRETS.set(secrets);
}

fn clean(text: &str) -> Cow<'_, str> {
    SECRETS.get().map_or(Cow::Borrowed(text), |secrets| secrets.redact(text))
}

/// From now on what is said is shown as this job's page, or this terminal, shows it.
pub fn open(page: Page) {
    let dumb = std::env::var_os(crate::variable::TERM).is_none_or(|terminal| terminal.is_empty() || terminal == "dumb");
    let surface = match page.kind {
        // A runner swallows what it is told to keep out of its log; a file would keep it.
        Kind::GitHub => Surface::GitHub(GitHub::new(page.outputs.is_some() && !is_file())),
        Kind::GitLab => Surface::GitLab(GitLab::default()),
        Kind::None if std::io::stderr().is_terminal() && !(dumb && cfg!(unix)) && understands() => {
            Surface::Live(Live::new(Style::of_stderr()))
        }
        Kind::None | Kind::Other => Surface::Plain,
    };
    let reader = reader(page.kind);
    screen(|screen| *screen = Screen { page: Some(page), surface, tame: Tame::new(reader), is_middle: false });
}

/// A path as the page knows it; none where there is no page, or it knows no such path.
#[must_use]
pub fn path(path: &Path) -> Option<String> {
    screen(|screen| screen.page.as_ref()?.path(path))
}

const fn reader(kind: Kind) -> Reader {
    match kind {
        Kind::GitHub => Reader::GitHub,
        Kind::GitLab => Reader::GitLab,
        Kind::Other | Kind::None => Reader::Nobody,
    }
}

/// Whether standard error is a file, or may be one.
fn is_file() -> bool {
    #[cfg(unix)]
    let own = std::os::fd::AsFd::as_fd(&std::io::stderr()).try_clone_to_owned();
    #[cfg(windows)]
    let own = std::os::windows::io::AsHandle::as_handle(&std::io::stderr()).try_clone_to_owned();
    own.map(std::fs::File::from).and_then(|file| file.metadata()).is_ok_and(|it| it.is_file())
}

/// Whether the terminal takes what moves its cursor.
fn understands() -> bool {
    #[cfg(windows)]
    return anstyle_query::windows::enable_ansi_colors() == Some(true);
    #[cfg(not(windows))]
    true
}

/// Say something, in whole lines.
pub fn say(text: &str) {
    let text = clean(text);
    screen(|screen| screen.say(&text));
}

/// What a step's child writes, as it comes.
pub fn write(bytes: &[u8]) {
    screen(|screen| screen.write(bytes));
}

/// A step begins something, which `title` says; `line` says it to whoever reads line by line. What is said until its end belongs
/// to it.
pub fn begin(step: &str, title: &str, line: &str) {
    screen(|screen| match &mut screen.surface {
        Surface::Plain => screen.say(line),
        Surface::GitHub(_) | Surface::GitLab(_) => screen.fold(Some(title)),
        Surface::Live(live) => live.begin(step, title),
    });
}

/// What began last is over.
pub fn end() {
    screen(|screen| match &mut screen.surface {
        Surface::Plain => {}
        Surface::GitHub(_) | Surface::GitLab(_) => screen.fold(None),
        Surface::Live(live) => live.end(),
    });
}

/// How far what began last is. Whether that is shown: otherwise it can be said.
#[must_use]
pub fn progress(text: &str) -> bool {
    screen(|screen| match &mut screen.surface {
        Surface::Live(live) => live.progress(text),
        _ => false,
    })
}

/// These steps come next, in this order, and whether each does whatever happens before it.
pub fn expect(steps: Vec<(String, bool)>) {
    on_terminal(|live| live.expect(steps));
}

/// This step, and those before it, do not come any more.
pub fn pass(step: &str) {
    on_terminal(|live| live.pass(step));
}

/// No step comes any more but those that do whatever happens.
pub fn turn() {
    on_terminal(Live::turn);
}

/// Nothing more comes.
pub fn finish() {
    screen(Screen::finish);
}

fn on_terminal(work: impl FnOnce(&mut Live)) {
    screen(|screen| {
        if let Surface::Live(live) = &mut screen.surface {
            work(live);
        }
    });
}

/// Have the forge show something, and say it by that. Whether it does: otherwise it can be said.
#[must_use]
pub fn annotate(annotation: &Annotation<'_>) -> bool {
    let (title, message) = (clean(annotation.title), clean(annotation.message));
    let annotation = Annotation { title: &title, message: &message, ..*annotation };
    screen(|screen| {
        let Surface::GitHub(github) = &mut screen.surface else { return false };
        let Some(command) = github.annotation(&annotation) else { return false };
        screen.command(&command);
        true
    })
}

/// Have the runner keep these out of its log, whoever writes them there.
pub fn mask<'a>(texts: impl IntoIterator<Item = &'a str>) {
    screen(|screen| {
        if let Surface::GitHub(github) = &screen.surface
            && let Some(commands) = github.masks(texts)
        {
            screen.command(&commands);
        }
    });
}

/// Data for people, for standard output. A reader that has gone away is no error.
pub fn print(text: &str) {
    let text = clean(text);
    screen(|screen| {
        let clean = screen.tame.whole(&text);
        screen.print(&clean);
    });
}

/// Data for programs, for standard output: JSON, in one line.
pub fn print_json(json: &impl std::fmt::Display) {
    // It begins with no command; and within it, as it can only be in a text, another word for the same character is none.
    let text = json.to_string().replace("##[", "#\\u0023[");
    screen(|screen| screen.print(&format!("{text}\n")));
}

/// Before the process stops for a while, as for Ctrl-Z: the terminal is somebody else's.
pub fn pause() {
    on_terminal(Live::pause);
}

/// After that.
pub fn go_on() {
    on_terminal(Live::go_on);
}

/// Whatever writes lines of its own.
#[derive(Debug)]
pub struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        say(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether there is something to pause.
#[must_use]
pub fn is_live() -> bool {
    screen(|screen| matches!(screen.surface, Surface::Live(_)))
}

/// The last words of a process that has a bug, which may be here.
pub fn say_at_last(text: &str) {
    let text = &*clean(text);
    match SCREEN.try_lock() {
        Ok(mut screen) => screen.last(text),
        Err(TryLockError::Poisoned(screen)) => screen.into_inner().last(text),
        Err(TryLockError::WouldBlock) => put(text.as_bytes()),
    }
}

/// Talk that cannot be written is left out: it never changes an outcome.
fn put(bytes: &[u8]) {
    let _ = std::io::stderr().lock().write_all(bytes);
}

impl Screen {
    fn say(&mut self, text: &str) {
        if let Surface::Live(live) = &mut self.surface {
            live.say(text);
            return;
        }
        self.end_line();
        // In one piece: standard error has no buffer, and each part would be a call of its own to the system.
        let clean = self.tame.whole(text);
        put(clean.as_bytes());
        self.is_middle = !text.is_empty() && !text.ends_with('\n');
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Surface::Live(live) = &mut self.surface {
            live.write(bytes);
            return;
        }
        // As it is, but for commands: a build tool's own colours are welcome.
        self.tame.push(bytes, &mut put);
        if let Some(last) = bytes.last() {
            self.is_middle = *last != b'\n';
        }
    }

    /// Close what is folded, and begin to fold again.
    fn fold(&mut self, name: Option<&str>) {
        let commands = match &mut self.surface {
            Surface::GitHub(github) => github.fold(name),
            Surface::GitLab(gitlab) => gitlab.fold(name),
            Surface::Plain | Surface::Live(_) => return,
        };
        self.command(&commands);
    }

    fn command(&mut self, command: &str) {
        self.end_line();
        put(command.as_bytes());
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.is_middle) {
            put(b"\n");
        }
        self.tame.restart();
    }

    fn print(&mut self, text: &str) {
        if let Surface::Live(live) = &mut self.surface {
            live.clear();
        }
        let mut output = std::io::stdout().lock();
        let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    }

    fn finish(&mut self) {
        self.fold(None);
        if let Surface::Live(live) = &mut self.surface {
            live.finish();
        }
    }

    fn last(&mut self, text: &str) {
        self.finish();
        self.say(text);
        self.finish();
    }
}
