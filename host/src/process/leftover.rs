//! What is still at work for a run whose host was killed: found by the marks in its environment, and ended.
//!
//! A process that was started with an environment of its own making (`env -i`, another user's after `sudo`, a container's)
//! has no mark and is not found. Only Linux is looked at. On Windows there is nothing to find: a job object ends with its
//! owner. On macOS the system does not show the environment of its own programs, a shell among them, so that a search would
//! say that nothing is there where something is; it is not made.

/// A process that is at work for a run, though nobody waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Its id.
    pub process: u32,
    /// What the system calls it: its program's name or its script's, at most 15 bytes of it.
    pub program: String,
}

#[cfg(target_os = "linux")]
pub(super) use self::linux::Status;
#[cfg(target_os = "linux")]
pub use self::linux::{end_leftovers, leftovers};

/// The processes that are at work for a run. Always none on this system; see the words above.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn leftovers(_: &str, _: impl Fn(&str) -> bool) -> Vec<Leftover> {
    Vec::new()
}

/// Ends what is at work for a run. Always nothing on this system; see the words above.
#[cfg(not(target_os = "linux"))]
pub async fn end_leftovers(_: &str, _: impl Fn(&str) -> bool) -> Vec<Leftover> {
    Vec::new()
}

/// Ask another process of this program to end, as a forge's runner does. Whether it was asked: a number may be another program's by
/// now, and on Windows there is no such question.
#[must_use]
pub fn ask_to_end(process: u32) -> bool {
    #[cfg(target_os = "linux")]
    {
        // Not by its file, which another user's process, and one that lets nobody look into it, does not show.
        let name = |process: u32| Some(Status::of(i32::try_from(process).ok()?)?.name);
        let theirs = name(process);
        if theirs.is_none() || theirs != name(std::process::id()) {
            return false;
        }
    }
    #[cfg(unix)]
    {
        use nix::sys::signal::{Signal, kill};
        i32::try_from(process).is_ok_and(|process| kill(nix::unistd::Pid::from_raw(process), Signal::SIGTERM).is_ok())
    }
    #[cfg(not(unix))]
    {
        let _ = process;
        false
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::Leftover;
    use crate::process::{GRACE, Mark};
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use std::collections::BTreeSet;
    use std::fs::File;
    use std::io::Read;
    use std::time::Duration;
    use tokio::time::Instant;

    /// How often is looked again for what was started meanwhile.
    const ROUNDS: usize = 5;

    /// The most that is read of an environment, in bytes: what the system gives a program's arguments and variables together,
    /// unless it is told otherwise.
    const ENVIRONMENT: usize = 2 << 20;

    /// How often a process is looked at whose environment is empty or not ours to see: while it becomes another program, that
    /// is so for a moment, and for much of the time where one does so again and again on a busy machine.
    const LOOKS: usize = 20;

    /// How long that moment may be, a look at a time.
    const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

    /// How long what was killed may take to be gone. Only what hangs within the system takes longer.
    const DEATH: Duration = Duration::from_secs(1);

    /// The processes of this user that are at work for a run, but for those that may stay, ourselves and those that we were
    /// started by, as far as `of` says of their step that it counts. What cannot be looked at is none of them. Takes up to
    /// 40 ms where something has no environment.
    #[must_use]
    pub fn leftovers(run: &str, of: impl Fn(&str) -> bool) -> Vec<Leftover> {
        find(run, &of).into_iter().map(Found::into_leftover).collect()
    }

    /// Ends what is at work for a run: asks it to end (SIGTERM), kills after [`GRACE`] what is left, and looks again for what
    /// was started meanwhile. Returns what has ended, each process once; what could not be ended is still among
    /// [`leftovers`].
    pub async fn end_leftovers(run: &str, of: impl Fn(&str) -> bool) -> Vec<Leftover> {
        let mut ended: Vec<Leftover> = Vec::new();
        for _ in 0..ROUNDS {
            let found = find(run, &of);
            if found.is_empty() {
                break;
            }
            for process in &found {
                process.signal(Signal::SIGTERM);
                // A stopped process hears nothing before it goes on.
                process.signal(Signal::SIGCONT);
            }
            if !are_gone(&found, GRACE).await {
                found.iter().for_each(|process| process.signal(Signal::SIGKILL));
                are_gone(&found, DEATH).await;
            }
            ended.extend(found.into_iter().filter(|process| !process.is_alive()).map(Found::into_leftover));
        }
        ended
    }

    /// Whether all of them are gone within `patience`.
    async fn are_gone(processes: &[Found], patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_millis(1);
        while processes.iter().any(Found::is_alive) {
            if Instant::now() >= deadline {
                return false;
            }
            // There is nothing to wait on: these are other people's children.
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        true
    }

    /// A process that was found. Its id may be another's later; together with its beginning it is its own.
    struct Found {
        process: i32,
        status: Status,
    }

    impl Found {
        fn is_alive(&self) -> bool {
            Status::of(self.process).is_some_and(|now| now.is_alive && now.began == self.status.began)
        }

        fn signal(&self, signal: Signal) {
            if self.is_alive() {
                let _ = kill(Pid::from_raw(self.process), signal);
            }
        }

        fn into_leftover(self) -> Leftover {
            Leftover { process: self.process.unsigned_abs(), program: self.status.name }
        }
    }

    /// What `/proc/PID/stat` says.
    pub(in crate::process) struct Status {
        /// The program's name, or its script's, at most 15 bytes of it.
        pub(in crate::process) name: String,
        /// Whether it does anything: one that has ended waits for its parent to notice.
        pub(in crate::process) is_alive: bool,
        /// Its parent.
        pub(in crate::process) parent: i32,
        /// When it began, in clock ticks since the system did.
        began: u64,
    }

    impl Status {
        pub(in crate::process) fn of(process: i32) -> Option<Self> {
            Self::parse(&String::from_utf8_lossy(&std::fs::read(format!("/proc/{process}/stat")).ok()?))
        }

        fn parse(text: &str) -> Option<Self> {
            // The name is in parentheses and may hold anything, also parentheses.
            let (begin, end) = (text.find('(')?, text.rfind(')')?);
            let mut fields = text.get(end + 1..)?.split_whitespace();
            let state = fields.next()?;
            let parent = fields.next()?.parse().ok()?;
            let began = fields.nth(17)?.parse().ok()?;
            let name = text.get(begin + 1..end)?.to_owned();
            Some(Self { name, is_alive: !matches!(state, "Z" | "X"), parent, began })
        }
    }

    fn find(run: &str, of: &impl Fn(&str) -> bool) -> Vec<Found> {
        // Without an id there is no run, and everybody whose mark is empty would be found.
        if run.is_empty() {
            return Vec::new();
        }
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let user = rustix::process::getuid().as_raw();
        let ours = ourselves();
        let candidates = entries.flatten().filter_map(|entry| {
            let process: i32 = entry.file_name().to_str()?.parse().ok()?;
            (!ours.contains(&process) && user_of(process)? == user).then_some(process)
        });
        let mut candidates: Vec<i32> = candidates.collect();
        let mut buffer = vec![0; ENVIRONMENT];
        let mut found = Vec::new();
        for look in 0..LOOKS {
            if look > 0 && !candidates.is_empty() {
                std::thread::sleep(BETWEEN_LOOKS);
            }
            candidates.retain(|&process| {
                // Its beginning is read first, so that it is not that of a later one with its id.
                let Some(status) = Status::of(process).filter(|status| status.is_alive) else { return false };
                // In one piece: between two it may become another program.
                let read = File::open(format!("/proc/{process}/environ")).and_then(|mut file| file.read(&mut buffer));
                match read {
                    Ok(bytes) => {
                        if is_at_work(&buffer[..bytes], run, of) {
                            found.push(Found { process, status });
                        }
                        bytes == 0
                    }
                    Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
                }
            });
        }
        found
    }

    /// Who started a process. Not who owns its files in `/proc`, which is another one while it becomes another program.
    fn user_of(process: i32) -> Option<u32> {
        let text = std::fs::read(format!("/proc/{process}/status")).ok()?;
        let text = String::from_utf8_lossy(&text);
        text.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?.parse().ok()
    }

    /// Whether an environment, as the system shows it, is that of a process at work for a run that may not stay.
    fn is_at_work(environment: &[u8], run: &str, of: &impl Fn(&str) -> bool) -> bool {
        let value = |mark: Mark| {
            let name = mark.variable().as_bytes();
            environment.split(|&byte| byte == 0).find_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="))
        };
        let step = value(Mark::Step).and_then(|step| std::str::from_utf8(step).ok()).unwrap_or_default();
        value(Mark::Run) == Some(run.as_bytes()) && value(Mark::Background).is_none() && of(step)
    }

    /// This process, and those that it was started by.
    fn ourselves() -> BTreeSet<i32> {
        let mut ours = BTreeSet::new();
        let mut next = i32::try_from(std::process::id()).ok();
        while let Some(process) = next.filter(|&process| process > 0 && ours.insert(process)) {
            next = Status::of(process).map(|status| status.parent);
        }
        ours
    }

    #[cfg(test)]
    mod tests {
        use super::{Status, find, is_at_work};

        #[test]
        fn a_process_is_known_by_whole_variables() {
            for (environment, expected) in [
                ("A=1\0WINDLASS_RUN=one\0B=2\0", true),
                ("WINDLASS_RUN=one", true),
                ("WINDLASS_RUN=one\0WINDLASS_BACKGROUND=1\0", false),
                ("WINDLASS_RUN=one\0NOT_WINDLASS_BACKGROUND=1\0", true),
                ("WINDLASS_RUN=one-more\0", false),
                ("WINDLASS_RUN=\0", false),
                ("NOT_WINDLASS_RUN=one\0", false),
                ("A=WINDLASS_RUN=one\0", false),
                ("WINDLASS_RUNS=one\0", false),
                ("", false),
            ] {
                assert_eq!(is_at_work(environment.as_bytes(), "one", &|_| true), expected, "{environment:?}");
            }
            let environment = b"WINDLASS_STEP=a\0WINDLASS_RUN=one\0";
            assert!(is_at_work(environment, "one", &|step| step == "a"));
            assert!(!is_at_work(environment, "one", &|step| step == "b"), "it is of a step that does not count");
            assert!(find("", &|_| true).is_empty());
        }

        #[test]
        fn a_status_is_read_whatever_the_program_is_called() {
            let rest = "S 7 12 12 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 2 3";
            for name in ["sh", "two words", "a) Z 1 (b"] {
                let status = Status::parse(&format!("12 ({name}) {rest}")).expect("a status");
                assert_eq!((status.name.as_str(), status.is_alive, status.parent, status.began), (name, true, 7, 4711));
            }
            assert!(
                Status::parse("12 (sh) Z 7 12 12 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711").is_some_and(|it| !it.is_alive)
            );
            for text in ["", "12 (sh", "12 (sh)", "12 (sh) S 7"] {
                assert!(Status::parse(text).is_none(), "{text}");
            }
        }
    }
}
