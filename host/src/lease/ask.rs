//! How a lease stands, and breaking it: what anybody may ask and do who does not hold it.

use super::record::{By, Holder, Record, Released, coarse};
use super::store::{Store, Stored};
use crate::event::Place;
use crate::problem::Problem;

/// How a lease stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nobody holds it.
    Free {
        /// With what number it was held last; 0 where it never was.
        number: u64,
        /// How it was broken the last time, where it ever was.
        released: Option<Released>,
    },
    /// Somebody holds it.
    Held {
        /// Who.
        holder: Holder,
        /// With what number.
        number: u64,
        /// Whether the owner lives. Where false, the lease is anybody's to take: the owner is dead, or the lease has
        /// expired in a store that cannot observe its owners. None in such a store until then.
        alive: Option<bool>,
    },
}

/// How the lease of a place stands. Changes nothing.
///
/// # Errors
/// [`crate::problem::Code::LeaseInvalid`] where the record is damaged; what the store says where it does not answer.
pub async fn standing(store: &dyn Store, place: &Place) -> Result<Standing, Problem> {
    loop {
        let (stored, seen) = store.read(place).await?;
        let record = stored.record()?;
        let Some(holder) = record.holder.clone() else {
            return Ok(Standing::Free { number: record.number, released: record.released });
        };
        let alive = match ground(store, &record).await? {
            Some(_) => Some(false),
            None => store.is_alive(&record).await?,
        };
        // An owner that gave the lease back and ended after the record was read was never a dead one.
        if alive == Some(false) && store.read(place).await?.1 != seen {
            continue;
        }
        return Ok(Standing::Held { holder, number: record.number, alive });
    }
}

/// Break a lease whose owner is dead, and say whose it was. Nothing happens to a free one or to a living owner's, so this
/// is safe at any time and for many at once.
///
/// # Errors
/// [`crate::problem::Code::LeaseInvalid`] where the record is damaged; what the store says where it does not answer or
/// cannot be written.
pub async fn release_dead(store: &dyn Store, place: &Place) -> Result<Option<Holder>, Problem> {
    loop {
        let (stored, seen) = store.read(place).await?;
        let record = stored.record()?;
        let Some(by) = ground(store, &record).await? else { return Ok(None) };
        let free = Record { released: broken(store, &record, by, None), ..Record::free(place.clone(), record.number) };
        if store.swap(place, &seen, &free).await? {
            return Ok(record.holder);
        }
    }
}

/// Break a lease because `actor` says so, whether its owner lives or not, and say whose it was; none where nobody held it
/// or nobody can tell. Who did it is written down. A record that is damaged is replaced.
///
/// The owner, if it lives, finds out before its next effect.
///
/// # Errors
/// What the store says where it does not answer or cannot be written.
pub async fn release_by_force(store: &dyn Store, place: &Place, actor: &str) -> Result<Option<Holder>, Problem> {
    loop {
        let (stored, seen) = store.read(place).await?;
        let (record, known) = match stored {
            Stored::Record(record) => (record, true),
            Stored::Damaged { number, .. } => (Record::free(place.clone(), number), false),
        };
        if known && record.holder.is_none() {
            return Ok(None);
        }
        let released = broken(store, &record, By::Force, Some(actor.to_owned()));
        let free = Record { released, ..Record::free(place.clone(), record.number) };
        if store.swap(place, &seen, &free).await? {
            return Ok(record.holder);
        }
    }
}

/// On what ground the lease is anybody's to take, though somebody holds it; none where nobody does or its owner has to be
/// waited for.
pub(super) async fn ground(store: &dyn Store, record: &Record) -> Result<Option<By>, Problem> {
    let Some(holder) = &record.holder else { return Ok(None) };
    Ok(match store.is_alive(record).await? {
        Some(true) => None,
        Some(false) => Some(By::Dead),
        None => (store.now() >= holder.expires).then_some(By::Expired),
    })
}

/// What is written down of a lease that is broken now.
pub(super) fn broken(store: &dyn Store, record: &Record, by: By, actor: Option<String>) -> Option<Released> {
    let run = record.holder.as_ref().map(|holder| holder.run.clone());
    Some(Released { run, number: record.number, by, actor, at: coarse(store.now()) })
}
