//! The signals that ask a run to stop.

use tokio::sync::watch;

/// Counts the signals that ask the run to stop. They are listened for from the moment that this returns: a signal while
/// the forge is asked must not kill a process that has created a deployment.
pub(super) fn signals() -> watch::Receiver<u32> {
    let (sender, receiver) = watch::channel(0);
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

#[cfg(unix)]
struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
fn stop_signals() -> std::io::Result<StopSignals> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok(StopSignals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
}

#[cfg(unix)]
impl StopSignals {
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
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
