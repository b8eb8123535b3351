//! One run at a time for each app, environment and component: who may deploy there now.
//!
//! A lease is a [`Record`] in a [`Store`]: a fencing number that grows with every taking, and whoever holds it. All that
//! is decided (taking, waiting, renewing, breaking) is decided here, on nothing but the store's compare-and-swap; a store
//! only keeps. [`LocalStore`] keeps files in `.windlass/leases`, [`ForgeStore`] what all machines see, with the forge.
//!
//! A lease must not outlive its owner, and a living owner must not lose it to a wrong clock. So where a store can observe
//! its owners, their being alive is all that counts, and the expiry is only shown. Where it cannot, the expiry decides, by
//! the store's clock, and whoever cannot renew it in time takes it as lost.
//!
//! This room must not know what a run does with its lease: it says whether the lease is still held, and the run stops.

mod ask;
mod forge;
mod held;
mod local;
mod record;
mod store;
mod take;

pub use crate::event::{Job, Place};
pub use ask::{Standing, release_by_force, release_dead, standing};
pub use forge::ForgeStore;
pub use held::Lease;
pub use local::LocalStore;
pub use record::{By, Holder, Record, Released, SCHEMA};
pub use store::{Attendance, Mark, Pace, Store, Stored, Version};
pub use take::{Request, take};

#[cfg(test)]
mod tests;
