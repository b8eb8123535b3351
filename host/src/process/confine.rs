//! Holding a child back: which files it may change, and to which TCP ports it may connect. On Linux, with Landlock.
//!
//! A domain binds the thread that enters it and everything that is started from there, for ever. So a child is started
//! from a thread of its own, which ends with that, and nothing of this process is held back itself. Who is within a domain
//! also sees nothing of the processes outside (their memory, `/proc/PID/environ`), gets no rights by a setuid program, and,
//! where the kernel knows that (Linux 6.12), reaches neither their signals nor their abstract sockets.
//!
//! What is not held back: reading, UDP, sockets that are files, and what is open already.

use std::path::PathBuf;

/// What a child is held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confines {
    /// The files and trees that it may change; none for all that its user may. What is not there cannot be named.
    pub writes: Option<Vec<PathBuf>>,
    /// The TCP ports that it may connect to; none for all.
    pub connects: Option<Vec<u16>>,
}

/// What this system can hold a child to, from nothing to everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Means {
    /// Only Linux can.
    OtherSystem,
    /// The kernel has no Landlock, or has it turned off. Before Linux 5.19 it is of no use: whoever is held to files there can
    /// move none to another directory, also in the trees that it may change, and installers fail.
    NoLandlock,
    /// Before Linux 6.2: a file can be cut short, and ports are open.
    SomeFiles,
    /// Before Linux 6.7: ports are open.
    Files,
    /// Nothing is missing.
    FilesAndPorts,
}

impl Means {
    /// Those of the system that this runs on.
    #[must_use]
    pub fn here() -> Self {
        static HERE: std::sync::OnceLock<Means> = std::sync::OnceLock::new();
        *HERE.get_or_init(system::means)
    }

    /// What a child can do here that it was not granted, with the reason; none where there is nothing. `ports` says whether
    /// it is held to ports at all.
    #[must_use]
    pub const fn lacks(self, ports: bool) -> Option<&'static str> {
        match self {
            Self::OtherSystem => Some(
                "programs can change any file and connect anywhere: only on Linux are they held to what was accepted",
            ),
            Self::NoLandlock => Some(
                "programs can change any file and connect anywhere: this kernel has no Landlock, or one older than that of Linux 5.19, or it is turned off",
            ),
            Self::SomeFiles if ports => Some(
                "programs can cut any file short and connect anywhere: this kernel's Landlock is older than that of Linux 6.2",
            ),
            Self::SomeFiles => {
                Some("programs can cut any file short: this kernel's Landlock is older than that of Linux 6.2")
            }
            Self::Files if ports => {
                Some("programs can connect anywhere: this kernel's Landlock is older than that of Linux 6.7")
            }
            Self::Files | Self::FilesAndPorts => None,
        }
    }
}

pub(crate) use system::within;

#[cfg(target_os = "linux")]
mod system {
    use super::{Confines, Means};
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr,
        RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
    };
    use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
    use std::io;
    use std::thread;

    /// The newest that was tried. What an older kernel does not know of it is left out.
    const NEWEST: ABI = ABI::V7;

    /// Starting a program needs little, and each one costs a thread.
    const STACK: usize = 128 << 10;

    pub(super) fn means() -> Means {
        let knows = |access: &dyn Fn(Ruleset) -> Result<Ruleset, RulesetError>| {
            access(Ruleset::default().set_compatibility(CompatLevel::HardRequirement)).and_then(Ruleset::create).is_ok()
        };
        means_of(
            |access| knows(&|rules| rules.handle_access(access)),
            || knows(&|rules| rules.handle_access(AccessNet::ConnectTcp)),
        )
    }

    /// Those of a kernel that knows these.
    pub(super) fn means_of(files: impl Fn(AccessFs) -> bool, ports: impl FnOnce() -> bool) -> Means {
        if ports() {
            Means::FilesAndPorts
        } else if files(AccessFs::Truncate) {
            Means::Files
        } else if files(AccessFs::Refer) {
            Means::SomeFiles
        } else {
            Means::NoLandlock
        }
    }

    fn rules(confines: &Confines) -> Result<RulesetCreated, RulesetError> {
        let mut rules = Ruleset::default().scope(Scope::from_all(NEWEST))?;
        if confines.writes.is_some() {
            // A kernel that does not know this refuses it to everybody who is held, so there nobody is.
            rules = rules.set_compatibility(CompatLevel::SoftRequirement).handle_access(AccessFs::Refer)?;
            rules = rules.set_compatibility(CompatLevel::BestEffort).handle_access(AccessFs::from_write(NEWEST))?;
        }
        if confines.connects.is_some() {
            rules = rules.handle_access(AccessNet::ConnectTcp)?;
        }
        let mut rules = rules.create()?;
        for path in confines.writes.iter().flatten() {
            let access = AccessFs::from_write(NEWEST);
            let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
            // What is gone by now is granted to nobody.
            if let Ok(file) = PathFd::new(path) {
                rules = rules.add_rule(PathBeneath::new(file, access))?;
            }
        }
        for port in confines.connects.iter().flatten() {
            rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
        Ok(rules)
    }

    /// Gives up what lets root look into processes that Landlock keeps it out of: from Linux 6.16 on these are enough to read
    /// another one's environment. With no new rights to be had, a program does not get them back.
    fn see_no_others() -> io::Result<()> {
        let others = CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_PTRACE | CapabilitySet::PERFMON;
        let CapabilitySets { mut effective, mut permitted, mut inheritable } = capabilities(None)?;
        if permitted.intersects(others) {
            [&mut effective, &mut permitted, &mut inheritable].into_iter().for_each(|set| set.remove(others));
            set_capabilities(None, CapabilitySets { effective, permitted, inheritable })?;
        }
        Ok(())
    }

    /// Does something that starts a child, so that the child is held to this. Within a runtime.
    pub(crate) fn within<T: Send>(confines: &Confines, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let rules = rules(confines).map_err(io::Error::other)?;
        let runtime = tokio::runtime::Handle::current();
        thread::scope(|scope| {
            let child = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || {
                let _runtime = runtime.enter();
                see_no_others()?;
                rules.restrict_self().map_err(io::Error::other)?;
                work()
            })?;
            child.join().unwrap_or_else(|_| Err(io::Error::other("the thread that was to start it panicked")))
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Confines, Means};

    pub(super) fn means() -> Means {
        Means::OtherSystem
    }

    pub(crate) fn within<T>(_: &Confines, work: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
        work()
    }
}

#[cfg(test)]
mod tests {
    use super::Means;

    #[test]
    fn a_system_says_what_it_lacks_and_only_that() {
        for (means, ports, expected) in [
            (Means::OtherSystem, false, Some("only on Linux")),
            (Means::NoLandlock, false, Some("this kernel has no Landlock")),
            (Means::SomeFiles, false, Some("cut any file short: this kernel's")),
            (Means::SomeFiles, true, Some("cut any file short and connect anywhere")),
            (Means::Files, false, None),
            (Means::Files, true, Some("connect anywhere: this kernel's")),
            (Means::FilesAndPorts, true, None),
        ] {
            let lacks = means.lacks(ports);
            assert_eq!(lacks.is_some(), expected.is_some(), "{means:?} {ports}");
            assert!(expected.is_none_or(|words| lacks.is_some_and(|lacks| lacks.contains(words))), "{lacks:?}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_kernel_that_lets_nobody_move_files_holds_nobody() {
        use landlock::{ABI, Access, AccessFs, AccessNet};
        for (kernel, means) in [
            (ABI::Unsupported, Means::NoLandlock),
            (ABI::V1, Means::NoLandlock),
            (ABI::V2, Means::SomeFiles),
            (ABI::V3, Means::Files),
            (ABI::V4, Means::FilesAndPorts),
        ] {
            let ports = AccessNet::from_all(kernel).contains(AccessNet::ConnectTcp);
            let found = super::system::means_of(|access| AccessFs::from_all(kernel).contains(access), || ports);
            assert_eq!(found, means, "{kernel:?}");
        }
    }

    #[test]
    fn what_can_more_lacks_less() {
        let all = [Means::OtherSystem, Means::NoLandlock, Means::SomeFiles, Means::Files, Means::FilesAndPorts];
        assert!(all.is_sorted() && all.contains(&Means::here()));
    }
}
