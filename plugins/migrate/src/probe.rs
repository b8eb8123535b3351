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
        if verdict == Verdict::Unknown {
            self.surroundings.warn(
                "some of the migrations were applied and some were not; the history has each of them, and an apply goes on where this one ended",
            );
        }
        Ok(verdict)
    }
}

/// Done where all of what was meant is there, not done where none of it is, else unknown.
fn judge(records: &[Record], rows: &[Row]) -> Verdict {
    let mut meant: BTreeSet<&Reference> = BTreeSet::new();
    for record in records {
        if let Record::Start { pending, adopted } = record {
            meant.extend(pending.iter().chain(adopted));
        }
    }
    let of = |reference: &Reference| {
        rows.iter().find(|row| row.version == reference.version && row.checksum == reference.checksum)
    };
    let states: Vec<Option<State>> = meant.into_iter().map(|reference| of(reference).map(|row| row.state)).collect();
    if states.iter().all(|state| matches!(state, None | Some(State::Reserved))) {
        Verdict::NotDone
    } else if states.iter().all(|state| state.is_some_and(State::is_applied)) {
        Verdict::Done
    } else {
        Verdict::Unknown
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

    #[test]
    fn all_is_done_none_is_not_done_and_some_is_unknown() {
        let reference = |version| Reference { version, checksum: "c".into() };
        let records = [
            Record::Start { pending: vec![reference(2), reference(3)], adopted: vec![reference(1)] },
            // A second attempt means the rest of the first.
            Record::Start { pending: vec![reference(3)], adopted: vec![] },
        ];
        let judge = |rows: &[Row]| judge(&records, rows);
        let (one, two, three) = (row(1, "c", State::Adopted), row(2, "c", State::Done), row(3, "c", State::Done));
        assert_eq!(judge(&[one.clone(), two.clone(), three.clone()]), Verdict::Done);
        assert_eq!(judge(&[]), Verdict::NotDone);
        assert_eq!(judge(&[row(9, "c", State::Done), row(2, "other", State::Done)]), Verdict::NotDone);
        assert_eq!(judge(&[row(2, "c", State::Reserved)]), Verdict::NotDone);
        assert_eq!(judge(&[one.clone(), two.clone()]), Verdict::Unknown);
        assert_eq!(judge(&[one, two, row(3, "c", State::DirtyUp)]), Verdict::Unknown);
        assert_eq!(super::judge(&[], &[three]), Verdict::NotDone);
    }
}
