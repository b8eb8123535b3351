//! A child and everything it starts: a process group, or a job object on Windows.

use super::Spawn;
use super::confine::within;
use super::pipe::Pipe;
#[cfg(target_os = "linux")]
use super::strays::Strays;
use crate::fault;
use process_wrap::tokio::{ChildWrapper, CommandWrap};
use std::future::Future;
use std::io;
use std::process::ExitStatus;
use tokio::process::{ChildStdin, Command};

/// A child and what it started. Killed when dropped before its end.
#[derive(Debug)]
pub(super) struct Group {
    child: Box<dyn ChildWrapper>,
    /// The group's id, which is that of its first process.
    #[cfg(unix)]
    id: nix::unistd::Pid,
    /// What left the group.
    #[cfg(target_os = "linux")]
    strays: Strays,
    /// Whether nothing is left to kill, or it may stay.
    over: bool,
}

impl Group {
    /// Starts it within its confines, and gives the other ends of its standard output and error; where these are to be one, only
    /// the first.
    pub(super) fn start(mut command: Command, spawn: &Spawn) -> io::Result<(Self, Pipe, Option<Pipe>)> {
        #[cfg(unix)]
        let (out, error) = {
            let (out, theirs) = Pipe::pair()?;
            let (error, second) = if spawn.together {
                (None, theirs.try_clone()?)
            } else {
                let (error, second) = Pipe::pair()?;
                (Some(error), second)
            };
            command.stdout(theirs).stderr(second);
            (out, error)
        };
        #[cfg(not(unix))]
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut command = CommandWrap::from(command);
        #[cfg(unix)]
        if spawn.without_terminal {
            // Whoever leads a session leads its group, too.
            command.wrap(process_wrap::tokio::ProcessSession);
        } else {
            command.wrap(process_wrap::tokio::ProcessGroup::leader());
        }
        #[cfg(windows)]
        command.wrap(process_wrap::tokio::JobObject);
        #[cfg(target_os = "linux")]
        let strays = Strays::before();
        fault::point();
        let child = match &spawn.confines {
            Some(confines) => within(confines, || command.spawn())?,
            None => command.spawn()?,
        };
        fault::point();
        #[cfg(not(unix))]
        let (mut child, missing) = (child, || io::Error::other("the child has no output"));
        #[cfg(not(unix))]
        let (out, error) = (
            Pipe::of(child.stdout().take().ok_or_else(missing)?),
            Some(Pipe::of(child.stderr().take().ok_or_else(missing)?)),
        );
        #[cfg(unix)]
        let id = child.id().and_then(|id| i32::try_from(id).ok()).map(nix::unistd::Pid::from_raw);
        #[cfg(unix)]
        let id = id.ok_or_else(|| io::Error::other("the child has no id"))?;
        let group = Self {
            child,
            #[cfg(unix)]
            id,
            #[cfg(target_os = "linux")]
            strays: strays.of(id),
            over: false,
        };
        Ok((group, out, error))
    }

    /// Where the child reads, where that is a pipe.
    pub(super) fn input(&mut self) -> Option<ChildStdin> {
        self.child.stdin().take()
    }

    /// Waits for the child itself, not for what it started: the wrapper's own way of waiting would wait for that too,
    /// wherever we are the parent of orphans.
    pub(super) fn ended(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + '_ {
        self.child.inner_mut().wait()
    }

    /// Kills all of it and waits for the child itself.
    pub(super) async fn kill(&mut self) -> io::Result<ExitStatus> {
        // Where it is gone already there is nothing to kill.
        let _ = self.child.start_kill();
        self.ended().await
    }

    /// Lets what is still running be.
    pub(super) fn leave(&mut self) {
        #[cfg(target_os = "linux")]
        Strays::leave();
        self.over = true;
    }
}

#[cfg(unix)]
impl Group {
    /// Asks all of it to end; whether that can be done.
    pub(super) fn ask_to_end(&self) -> bool {
        self.ask();
        true
    }

    /// Whether there is anybody to ask.
    fn ask(&self) -> bool {
        use nix::sys::signal::{Signal, killpg};
        // A stopped process hears nothing before it goes on.
        killpg(self.id, Signal::SIGTERM).is_ok() && killpg(self.id, Signal::SIGCONT).is_ok()
    }

    fn is_alive(&self) -> bool {
        self.reap();
        nix::sys::signal::killpg(self.id, None).is_ok() && !self.only_zombies()
    }

    /// Ends what the child left, in its group and out of it, at the latest at `deadline`, and says whether it left anything. Asks it to
    /// end, unless it was `asked` already. Immediate where it left nothing. The child itself has been waited for, so its id
    /// names nothing but the group. Can be dropped and begun again.
    pub(super) async fn end_rest(&mut self, deadline: tokio::time::Instant, asked: bool) -> bool {
        use nix::sys::signal::{Signal, killpg};
        use std::time::Duration;
        self.reap();
        let mut alive = if asked { self.is_alive() } else { self.ask() };
        let left = alive;
        let mut pause = Duration::from_millis(1);
        while alive && tokio::time::Instant::now() < deadline {
            // There is nothing to wait on: these are other people's children.
            tokio::time::sleep_until(deadline.min(tokio::time::Instant::now() + pause)).await;
            pause = (pause * 2).min(Duration::from_millis(50));
            alive = self.is_alive();
        }
        if alive {
            let _ = killpg(self.id, Signal::SIGKILL);
            self.reap();
        }
        // Only now: until it ended, what is left may have left something itself.
        #[cfg(target_os = "linux")]
        let left = self.strays.end(deadline, asked).await || left;
        self.over = true;
        left
    }

    /// Whether all that is left of the group has ended, and only waits for a first process that is slow to notice, as in
    /// many containers.
    #[cfg(target_os = "linux")]
    fn only_zombies(&self) -> bool {
        let Ok(processes) = std::fs::read_dir("/proc") else { return false };
        let group = self.id.to_string();
        let ours_and_alive = |entry: std::fs::DirEntry| {
            let status = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // After the name, which may hold anything, in parentheses: state, parent, group.
            let mut fields = status.rsplit(')').next().unwrap_or_default().split_whitespace();
            let state = fields.next().unwrap_or("Z");
            fields.nth(1) == Some(group.as_str()) && !matches!(state, "Z" | "X")
        };
        !processes.flatten().any(ours_and_alive)
    }

    #[cfg(not(target_os = "linux"))]
    fn only_zombies(&self) -> bool {
        false
    }

    /// Where we are the first process of a container, orphans become our children.
    fn reap(&self) {
        use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
        let everyone = nix::unistd::Pid::from_raw(-self.id.as_raw());
        while matches!(waitpid(everyone, Some(WaitPidFlag::WNOHANG)), Ok(status) if status != WaitStatus::StillAlive) {}
    }
}

#[cfg(not(unix))]
impl Group {
    /// Asks all of it to end; whether that can be done.
    pub(super) fn ask_to_end(&self) -> bool {
        false
    }

    /// Ends what the child left in its job. Whether it left anything is not known here.
    pub(super) async fn end_rest(&mut self, _: tokio::time::Instant, _: bool) -> bool {
        let _ = self.child.start_kill();
        self.over = true;
        false
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.over {
            let _ = self.child.start_kill();
            #[cfg(target_os = "linux")]
            self.strays.kill();
        }
    }
}
