//! What a child has started and let go of, in whichever group or session: Windlass is the parent of its orphans, so all of
//! that becomes a child of this process, and can be told from what was there before. On Linux, in the program itself only:
//! whoever uses the library has children of its own.

#[cfg(target_os = "linux")]
pub(super) use linux::Strays;
#[cfg(target_os = "linux")]
pub use linux::adopt_orphans;

/// Nothing, on this system.
#[cfg(not(target_os = "linux"))]
pub fn adopt_orphans() {}

#[cfg(target_os = "linux")]
mod linux {
    use crate::process::Mark;
    use crate::process::leftover::Status;
    use nix::errno::Errno;
    use nix::sys::signal::{Signal, kill};
    use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
    use nix::unistd::Pid;
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;
    use tokio::time::Instant;

    /// Whether orphans come to us.
    static ADOPTS: AtomicBool = AtomicBool::new(false);

    /// Whether something that we started may stay. Until then no child can say that it may.
    static LEFT: AtomicBool = AtomicBool::new(false);

    /// How long what was killed may take to be gone, and with it what it goes on starting.
    const DEATH: Duration = Duration::from_secs(1);

    /// Make this process the parent of what its children leave.
    pub fn adopt_orphans() {
        let adopts = rustix::process::set_child_subreaper(Some(rustix::process::getpid())).is_ok();
        ADOPTS.store(adopts, Ordering::Relaxed);
    }

    /// What a child may leave: every child of ours that was not there before it.
    #[derive(Debug)]
    pub(in crate::process) struct Strays {
        before: BTreeSet<i32>,
        /// The child itself, which somebody waits for.
        child: Option<Pid>,
    }

    impl Strays {
        /// Before a child is started.
        pub(in crate::process) fn before() -> Self {
            Self { before: children().collect(), child: None }
        }

        /// Of this child.
        pub(in crate::process) fn of(self, child: Pid) -> Self {
            Self { child: Some(child), ..self }
        }

        /// They may stay, and whatever says that it is of them.
        pub(in crate::process) fn leave() {
            LEFT.store(true, Ordering::Relaxed);
        }

        /// Those that are at work. What has ended is let go.
        fn find(&self) -> Vec<Pid> {
            let mut found = Vec::new();
            for process in children().filter(|process| !self.before.contains(process)) {
                let pid = Pid::from_raw(process);
                if Status::of(process).is_some_and(|status| status.is_alive) {
                    if !(LEFT.load(Ordering::Relaxed) && may_stay(process)) {
                        found.push(pid);
                    }
                } else if self.child != Some(pid) {
                    let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
                }
            }
            found
        }

        /// Ends them, at the latest at `deadline`, and says whether there were any. Asks each of them to end, unless they were
        /// `asked` already. Immediate where there are none. Can be dropped and begun again.
        pub(in crate::process) async fn end(&self, deadline: Instant, mut asked: bool) -> bool {
            let mut found = self.find();
            let any = !found.is_empty();
            let mut told = BTreeSet::new();
            let mut pause = Duration::from_millis(1);
            while !found.is_empty() && Instant::now() < deadline {
                for process in found.iter().filter(|process| told.insert(process.as_raw()) && !asked) {
                    let _ = kill(*process, Signal::SIGTERM);
                    // A stopped process hears nothing before it goes on.
                    let _ = kill(*process, Signal::SIGCONT);
                }
                // Whoever comes to us later has not been asked with its group.
                asked = false;
                // There is nothing to wait on: these are other people's children.
                tokio::time::sleep_until(deadline.min(Instant::now() + pause)).await;
                pause = (pause * 2).min(Duration::from_millis(50));
                found = self.find();
            }
            if !found.is_empty() {
                self.kill();
            }
            any
        }

        /// Kills them, and what they leave in turn.
        pub(in crate::process) fn kill(&self) {
            let end = std::time::Instant::now() + DEATH;
            loop {
                let found = self.find();
                if found.is_empty() || std::time::Instant::now() > end {
                    return;
                }
                for process in found {
                    let _ = kill(process, Signal::SIGKILL);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Our children; none where orphans do not come to us.
    fn children() -> impl Iterator<Item = i32> {
        let ours = i32::try_from(std::process::id()).unwrap_or_default();
        let any = ADOPTS.load(Ordering::Relaxed)
            && waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT)
                != Err(Errno::ECHILD);
        let entries = any.then(|| std::fs::read_dir("/proc").ok()).flatten();
        entries.into_iter().flatten().flatten().filter_map(move |entry| {
            let process: i32 = entry.file_name().to_str()?.parse().ok()?;
            (Status::of(process)?.parent == ours).then_some(process)
        })
    }

    /// Whether a process has the mark of what may stay.
    fn may_stay(process: i32) -> bool {
        let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        let name = Mark::Background.variable().as_bytes();
        environment.split(|&byte| byte == 0).any(|pair| pair.strip_prefix(name) == Some(b"=1"))
    }
}
