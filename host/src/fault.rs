//! Points at which a test ends the process as `kill -9` would. Only in builds with debug assertions: what is shipped has none.
//!
//! `WINDLASS_FAULT=N` ends it at the Nth point that it passes. The points stand around everything that lasts: each write of
//! the journal and of a lease, each child, each statement of a database.

/// One of the points.
#[cfg(not(debug_assertions))]
pub(crate) const fn point() {}

/// One of the points.
#[cfg(debug_assertions)]
pub(crate) fn point() {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static LAST: OnceLock<Option<u64>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let last = *LAST.get_or_init(|| std::env::var("WINDLASS_FAULT").ok()?.parse().ok());
    if last == Some(PASSED.fetch_add(1, Ordering::SeqCst) + 1) {
        end();
    }
}

#[cfg(all(debug_assertions, unix))]
fn end() {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
}

#[cfg(all(debug_assertions, not(unix)))]
fn end() {
    std::process::abort();
}
