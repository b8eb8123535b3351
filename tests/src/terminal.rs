//! A real terminal of a test's own: tmux, without a person in front of it.

use crate::Project;
use crate::steps::until;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// One terminal, which is gone with this.
#[derive(Debug)]
pub struct Terminal {
    socket: String,
    directory: PathBuf,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux().arg("kill-server").output();
    }
}

impl Terminal {
    /// A terminal of 80 columns and 24 rows, in which a shell with the project's environment runs, and these variables besides.
    ///
    /// # Panics
    /// Where there is no tmux.
    #[must_use]
    pub fn of(project: &Project, variables: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let socket = format!("windlass-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let terminal = Self { socket, directory: project.path() };
        let windlass = project.command::<&str>([]);
        let mut words =
            vec!["env".to_owned(), "-i".to_owned(), "TERM=xterm-256color".to_owned(), "LANG=C.UTF-8".to_owned()];
        for (name, value) in windlass.get_envs() {
            let value = value.unwrap_or_default().to_string_lossy();
            words.push(format!("{}={value}", name.to_string_lossy()));
        }
        words.extend(variables.iter().map(|(name, value)| format!("{name}={value}")));
        words.push(format!("windlass={}", windlass.get_program().to_string_lossy()));
        words.extend(["PS1=$ ", "bash", "--norc", "--noprofile", "-i"].map(str::to_owned));
        let output = terminal
            .tmux()
            .current_dir(&terminal.directory)
            .args(["-f", "/dev/null", "-u", "new-session", "-d", "-x", "80", "-y", "24", "--"])
            .args(words)
            .output()
            .expect("tmux runs: `apt-get install tmux`");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        until("a prompt", || terminal.screen().starts_with('$'));
        terminal
    }

    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        command.env_remove("TMUX").args(["-L", &self.socket]);
        command
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let output = self.tmux().args(arguments).output().expect("tmux runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types a command. `$windlass` is the binary.
    pub fn types(&self, line: &str) {
        self.ask(&["send-keys", "-l", "--", line]);
        self.ask(&["send-keys", "Enter"]);
    }

    /// Presses a key, in tmux's words: `C-c`.
    pub fn presses(&self, key: &str) {
        self.ask(&["send-keys", key]);
    }

    /// What is seen, and what has scrolled away above it.
    #[must_use]
    pub fn screen(&self) -> String {
        let text = self.ask(&["capture-pane", "-p", "-J", "-S", "-"]);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.join("\n").trim_end().to_owned()
    }

    /// The same with its colours.
    #[must_use]
    pub fn coloured(&self) -> String {
        self.ask(&["capture-pane", "-p", "-e", "-J", "-S", "-"])
    }

    /// Makes it larger or smaller.
    pub fn resize(&self, columns: u32, rows: u32) {
        self.ask(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// Keeps all that is written to it from now on in a file.
    pub fn keeps(&self, file: &str) {
        self.ask(&["pipe-pane", &format!("cat >> '{}'", self.directory.join(file).display())]);
    }

    /// The column that the cursor is in, and whether it can be seen.
    #[must_use]
    pub fn cursor(&self) -> (u32, bool) {
        let text = self.ask(&["display-message", "-p", "#{cursor_x} #{cursor_flag}"]);
        let (column, flag) = text.trim().split_once(' ').expect("a cursor");
        (column.parse().expect("a column"), flag == "1")
    }

    /// Waits until what is seen is so.
    #[track_caller]
    pub fn shows(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let mut seen = String::new();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let screen = self.screen();
            if holds(&screen) {
                return screen;
            }
            if std::time::Instant::now() > deadline {
                panic!("{what} is not shown within a minute:\n{seen}");
            }
            seen = screen;
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Waits until a text is seen.
    #[track_caller]
    pub fn shows_text(&self, text: &str) -> String {
        self.shows(&format!("`{text}`"), |screen| screen.contains(text))
    }

    /// Waits until the shell has its prompt again, after this many commands.
    #[track_caller]
    pub fn is_back(&self, commands: usize) -> String {
        let prompts = |screen: &str| screen.lines().filter(|line| line.starts_with('$')).count();
        self.shows("a prompt", |screen| prompts(screen) == commands + 1 && screen.lines().last() == Some("$"))
    }
}
