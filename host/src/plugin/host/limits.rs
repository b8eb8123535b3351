//! How much of the host one call may take up. What is over a limit ends the call and says which one it was, or is refused
//! and written down as a denial.

use super::State;
use wasmtime::{ResourceLimiter, Store};

/// Requests, timers, streams and the like that a guest may hold at once. Each costs the host some memory.
pub(super) const RESOURCES: usize = 2_000;
/// The largest that the headers which a guest makes may be, in bytes. They stay in the host's memory.
pub(super) const HEADERS: usize = 64 << 10;
/// Files and directories that a guest may have open at once: few systems give a process less than 1,024, and the host and
/// its children need some.
pub(super) const FILES: usize = 256;
/// The most random bytes that a guest gets at once.
pub(super) const RANDOM: u64 = 1 << 20;
/// The most that one call of the host may take out of the guest's memory, in bytes: what the host copies.
const COPIED: usize = 16 << 20;
/// What one entry of a table takes up, in bytes.
const ENTRY: usize = size_of::<usize>();
/// Instances, tables and memories that a component may be made of. Large ones have some tens, of runtimes in other
/// languages.
const PARTS: usize = 500;

/// The guest wanted more than it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) enum Exceeded {
    /// Memory and tables together, in bytes.
    Memory(usize),
    /// What one call of the host may take over, in bytes.
    Copied(usize),
    /// What a component may be made of.
    Parts(usize),
}

impl std::fmt::Display for Exceeded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory(bytes) => write!(formatter, "more than {} MiB of memory", bytes >> 20),
            Self::Copied(bytes) => write!(formatter, "to hand the host more than {} MiB at once", bytes >> 20),
            Self::Parts(parts) => {
                write!(formatter, "to be made of more than {parts} instances, or tables, or memories")
            }
        }
    }
}

impl std::error::Error for Exceeded {}

impl Exceeded {
    /// Whether it is this that ended a call.
    pub(in crate::plugin) fn of(error: &wasmtime::Error) -> Option<Self> {
        error.downcast_ref().copied().or_else(|| match error.root_cause().to_string() {
            // The engine has no types for these.
            text if text.starts_with("too much data is being copied") => Some(Self::Copied(COPIED)),
            text if text.starts_with("resource limit exceeded: ") => Some(Self::Parts(PARTS)),
            _ => None,
        })
    }
}

/// Counts what a guest's memories and tables take up.
pub(super) struct Limiter {
    limit: usize,
    used: usize,
}

impl Limiter {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, used: 0 }
    }

    fn grow(&mut self, bytes: usize) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(bytes);
        if used > self.limit {
            // A trap, and not a refusal: a guest that is refused aborts without a word.
            return Err(wasmtime::Error::new(Exceeded::Memory(self.limit)));
        }
        self.used = used;
        Ok(true)
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current).saturating_mul(ENTRY))
    }

    fn instances(&self) -> usize {
        PARTS
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        PARTS
    }
}

/// Holds everything that runs in a store to these limits.
pub(in crate::plugin) fn hold(store: &mut Store<State>) {
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(COPIED);
}

#[cfg(test)]
mod tests {
    use super::{ENTRY, Exceeded, Limiter};
    use wasmtime::ResourceLimiter;

    #[test]
    fn memories_and_tables_are_counted_together() {
        let mut limiter = Limiter::new(1 << 20);
        assert!(limiter.memory_growing(0, 1 << 19, None).expect("room"));
        assert!(limiter.table_growing(0, (1 << 19) / ENTRY, None).expect("room"));
        let error = limiter.table_growing(0, 1, None).expect_err("no room");
        assert_eq!(Exceeded::of(&error), Some(Exceeded::Memory(1 << 20)));
        assert_eq!(error.to_string(), "more than 1 MiB of memory");
        assert!(limiter.memory_growing(0, usize::MAX, None).is_err(), "no overflow");
    }
}
