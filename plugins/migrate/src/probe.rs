//! What became of an apply that was cut off.

use crate::database::Database;
use crate::history::{Row, State};
use crate::lock;
use crate::record::{Record, Reference};
use crate::session::Session;
use crate::surroundings::Surroundings;
use std::collections::BTreeSet;
use windlass_plugin::{Failure, Verdict};

impl<D: Database, S: Surroundings> Session<'_, D, S> {
    /// What the history says about all that the records meant to do.
    ///
    /// # Errors
    /// The database's.
    pub fn probe(&self, records: &[Record]) -> Result<Verdict, Failure> {
        // A server goes on with the statement that it has when the client is gone, and holds the lock so long.
        if lock::is_held(self.database, &self.place)? {
            self.surroundings.warn("the lock on the migrations is held: a statement may still be running");
            return Ok(Verdict::Unknown);
        }
        let verdict = judge(records, &self.rows()?);
        match verdict {
            Verdict::Partly => self
                .surroundings
                .info("some of the migrations are applied; an apply goes on where the one that was cut off ended"),
            Verdict::Unknown => self
                .surroundings
                .warn("a migration broke off halfway, or is there otherwise than it was meant: the history says which"),
            Verdict::Done | Verdict::NotDone => {}
        }
        Ok(verdict)
    }
}

/// Done where all of what was meant is there, not done where none of it is, and partly where the rest can simply be
/// applied: an apply takes from the history what is there, and each migration is there wholly or not at all. Of one that
/// broke off nobody knows how much is there, and where there is any, no apply does anything before a person has looked.
fn judge(records: &[Record], rows: &[Row]) -> Verdict {
    let mut meant: BTreeSet<&Reference> = BTreeSet::new();
    for record in records {
        if let Record::Start { pending, adopted } = record {
            meant.extend(pending.iter().chain(adopted));
        }
    }
    // A reservation counts as not applied: nothing of it is committed.
    let row_of = |reference: &Reference| {
        rows.iter().find(|row| row.version == reference.version && row.state != State::Reserved)
    };
    let is_there =
        |reference: &Reference| row_of(reference).filter(|row| row.checksum == reference.checksum).map(|row| row.state);
    if meant.iter().all(|reference| is_there(reference).is_none()) {
        Verdict::NotDone
    } else if meant.iter().all(|reference| is_there(reference).is_some_and(State::is_applied)) {
        Verdict::Done
    } else if rows.iter().any(|row| row.state.is_dirty())
        || meant.iter().any(|reference| row_of(reference).is_some_and(|row| row.checksum != reference.checksum))
    {
        Verdict::Unknown
    } else {
        Verdict::Partly
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::history::{Row, State};
    use crate::record::{Record, Reference};
    use windlass_plugin::Verdict;

    fn row(version: i64, checksum: &str, state: State) -> Row {
        Row { version, name: "a".into(), checksum: checksum.into(), run: "r".into(), state, position: version }
    }

    /// A run that meant to take 1 as applied and to apply 2 and 3.
    fn records() -> Vec<Record> {
        let reference = |version| Reference { version, checksum: "c".into() };
        vec![
            Record::Start { pending: vec![reference(2), reference(3)], adopted: vec![reference(1)] },
            // A second attempt means the rest of the first.
            Record::Start { pending: vec![reference(3)], adopted: vec![] },
        ]
    }

    #[test]
    fn all_is_done_none_is_not_done_and_some_is_partly() {
        let judge = |rows: &[Row]| judge(&records(), rows);
        let (one, two, three) = (row(1, "c", State::Adopted), row(2, "c", State::Done), row(3, "c", State::Done));
        assert_eq!(judge(&[one.clone(), two.clone(), three.clone()]), Verdict::Done);
        assert_eq!(judge(&[]), Verdict::NotDone);
        assert_eq!(judge(&[row(9, "c", State::Done), row(2, "other", State::Done)]), Verdict::NotDone);
        assert_eq!(judge(&[row(2, "c", State::Reserved)]), Verdict::NotDone);
        assert_eq!(judge(std::slice::from_ref(&one)), Verdict::Partly);
        assert_eq!(judge(&[one.clone(), two.clone()]), Verdict::Partly);
        assert_eq!(judge(&[one, two, row(3, "c", State::Reserved)]), Verdict::Partly);
        assert_eq!(super::judge(&[], &[three]), Verdict::NotDone);
    }

    #[test]
    fn what_an_apply_would_stop_at_is_unknown() {
        let judge = |rows: &[Row]| judge(&records(), rows);
        let (one, two, three) = (row(1, "c", State::Adopted), row(2, "c", State::Done), row(3, "c", State::Done));
        for dirty in [State::DirtyUp, State::DirtyDown] {
            assert_eq!(judge(&[row(2, "c", dirty)]), Verdict::Unknown);
            assert_eq!(judge(&[one.clone(), two.clone(), row(3, "c", dirty)]), Verdict::Unknown);
            // Another run's: no apply begins beside it, and what is wholly there is there all the same.
            assert_eq!(judge(&[one.clone(), two.clone(), row(9, "d", dirty)]), Verdict::Unknown);
            assert_eq!(judge(&[one.clone(), two.clone(), three.clone(), row(9, "d", dirty)]), Verdict::Done);
        }
        assert_eq!(judge(&[one, two, row(3, "other", State::Done)]), Verdict::Unknown);
    }
}
