//! The signals that ask a run to stop.

use super::Failed;
use crate::problem::{Code, Problem};
#[cfg(unix)]
use crate::report::screen;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// Whether a run listens by itself: from then on it decides what becomes of what it has begun.
static IS_HEARD: AtomicBool = AtomicBool::new(false);

/// Some work, unless it is told to stop before it listens for that itself: then it is given up where it is, at once. Nothing that
/// stays was begun until then.
///
/// # Errors
/// [`Code::Cancelled`] where it was told to stop, and those of the work.
pub(super) async fn unless_stopped<T>(work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    let said = || Problem::new(Code::Cancelled, "told to stop before anything was begun").with_note("nothing was run");
    unless_stopped_with(said, work).await
}

/// The same of work that may have done something by then; `said` is what is true of it.
///
/// # Errors
/// As those of [`unless_stopped`].
pub(super) async fn unless_stopped_with<T>(
    said: impl Fn() -> Problem,
    work: impl Future<Output = Result<T, Failed>>,
) -> Result<T, Failed> {
    let Ok(mut stop) = stop_signals() else { return work.await };
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            // What the work makes of a signal itself comes first.
            biased;
            result = &mut work => return result,
            () = stop.recv() => {
                if !IS_HEARD.load(Ordering::Relaxed) {
                    return Err(said().into());
                }
            }
        }
    }
}

/// The signals to some work that ends in good order when it is told to stop, for as long as this is there.
pub(super) struct Listener(Option<StopSignals>);

impl Listener {
    /// Listens from now on.
    pub(super) fn begin() -> Self {
        let signals = stop_signals().ok();
        // Those that cannot be listened for end the process, as without us.
        IS_HEARD.store(signals.is_some(), Ordering::Relaxed);
        Self(signals)
    }

    /// Waits for one.
    pub(super) async fn told(&mut self) {
        match &mut self.0 {
            Some(signals) => signals.recv().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        IS_HEARD.store(false, Ordering::Relaxed);
    }
}

/// Counts the signals that ask the run to stop. They are listened for from the moment that this returns: a signal while
/// the forge is asked must not kill a process that has created a deployment.
pub(super) fn signals() -> watch::Receiver<u32> {
    let (sender, receiver) = watch::channel(0);
    IS_HEARD.store(true, Ordering::Relaxed);
    #[cfg(unix)]
    if screen::is_live() {
        give_terminal_back();
    }
    match stop_signals() {
        Ok(mut next) => drop(tokio::spawn(async move {
            loop {
                next.recv().await;
                sender.send_modify(|times| *times += 1);
            }
        })),
        // Signals cannot be listened for: they end the process, as without us.
        Err(error) => tracing::warn!("signals cannot be listened for: {error}"),
    }
    receiver
}

/// While the process is stopped by Ctrl-Z, the terminal is as if it had never drawn there.
#[cfg(unix)]
fn give_terminal_back() {
    use nix::sys::signal::{Signal, raise};
    use tokio::signal::unix::{SignalKind, signal};
    let (stop, go_on) =
        (signal(SignalKind::from_raw(Signal::SIGTSTP as i32)), signal(SignalKind::from_raw(Signal::SIGCONT as i32)));
    let (Ok(mut stop), Ok(mut go_on)) = (stop, go_on) else { return };
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = stop.recv() => {
                    screen::pause();
                    let _ = raise(Signal::SIGSTOP);
                    screen::go_on();
                }
                // Somebody else may have stopped it.
                _ = go_on.recv() => screen::go_on(),
            }
        }
    });
}

#[cfg(unix)]
struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// The terminal is gone; none where whoever started this said that it does not matter, as `nohup` does.
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
fn stop_signals() -> std::io::Result<StopSignals> {
    use tokio::signal::unix::{SignalKind, signal};
    let hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
    Ok(StopSignals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, hangup })
}

#[cfg(unix)]
impl StopSignals {
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = async {
                match &mut self.hangup {
                    Some(hangup) => drop(hangup.recv().await),
                    None => std::future::pending().await,
                }
            } => {}
        }
    }
}

/// Whether this process was started to outlive its terminal. Where that cannot be seen, it was not.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The lowest bit is that of signal 1.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Windows asks with Ctrl-C and Ctrl-Break, when the console is closed, when the user leaves and when the machine goes down.
#[cfg(windows)]
struct StopSignals {
    interrupt: tokio::signal::windows::CtrlC,
    pause: tokio::signal::windows::CtrlBreak,
    close: tokio::signal::windows::CtrlClose,
    logoff: tokio::signal::windows::CtrlLogoff,
    shutdown: tokio::signal::windows::CtrlShutdown,
}

#[cfg(windows)]
fn stop_signals() -> std::io::Result<StopSignals> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
    Ok(StopSignals {
        interrupt: ctrl_c()?,
        pause: ctrl_break()?,
        close: ctrl_close()?,
        logoff: ctrl_logoff()?,
        shutdown: ctrl_shutdown()?,
    })
}

#[cfg(windows)]
impl StopSignals {
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.pause.recv() => {}
            _ = self.close.recv() => {}
            _ = self.logoff.recv() => {}
            _ = self.shutdown.recv() => {}
        }
    }
}
