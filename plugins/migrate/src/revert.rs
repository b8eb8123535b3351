//! Taking back what a run applied, from its records and not from the files.

use crate::database::Database;
use crate::history::{self, Row, State};
use crate::markers::Part;
use crate::record::{Record, Reference};
use crate::session::{Left, Manner, Session, explain};
use crate::standing::list;
use crate::surroundings::Surroundings;
use windlass_plugin::{Failure, FailureKind, Outcome};

/// A migration of ours that is to be taken back.
struct Target {
    row: Row,
    label: String,
    down: Option<Part>,
}

impl<D: Database, S: Surroundings> Session<'_, D, S> {
    /// Take back what the records say and the history confirms, newest first.
    ///
    /// All of it is looked at first: where one migration cannot be taken back, none is, because the schema would end up
    /// somewhere where nobody meant it to be.
    ///
    /// # Errors
    /// Where something cannot be taken back; the note says what was.
    pub fn revert(&self, records: &[Record]) -> Result<Outcome, Failure> {
        if records.is_empty() {
            return Ok(Outcome::new("nothing to take back"));
        }
        self.alone(|| self.revert_all(records))
    }

    fn revert_all(&self, records: &[Record]) -> Result<Outcome, Failure> {
        let rows = self.settled(|| self.rows())?;
        let targets = targets(records, &rows);
        let adopted = adopted(records, &rows);
        if targets.is_empty() && adopted.is_empty() {
            return Ok(Outcome::new("nothing to take back"));
        }
        self.check(&targets, &adopted, &rows)?;
        let mut reverted: Vec<String> = vec![];
        for target in &targets {
            self.surroundings.progress(
                &format!("taking back {}", target.row.name),
                u64::try_from(reverted.len()).unwrap_or(u64::MAX),
                u64::try_from(targets.len()).unwrap_or(u64::MAX),
            );
            if let Err((failure, left)) = self.revert_one(target) {
                let mut results: Vec<(&str, &str)> =
                    targets[..reverted.len()].iter().map(|target| (target.row.name.as_str(), "taken back")).collect();
                let what = match left {
                    Left::Nothing => "not taken back",
                    Left::Pieces => "taken back in part",
                    Left::Unclear => "not known",
                };
                results.push((&target.row.name, what));
                let rest = targets.iter().skip(results.len());
                results.extend(rest.map(|target| (target.row.name.as_str(), "still applied")));
                self.surroundings.tell(&results);
                return Err(self.describe_revert(failure, left, target, &reverted));
            }
            reverted.push(format!("`{}`", target.row.name));
        }
        let names = targets.iter().map(|target| &target.row.name);
        let names = names.chain(adopted.iter().map(|row| &row.name));
        let results: Vec<(&str, &str)> = names.map(|name| (name.as_str(), "taken back")).collect();
        if !adopted.is_empty() {
            self.atomically(|| {
                adopted.iter().try_for_each(|row| history::delete(self.database, &self.place, row.version))
            })?;
        }
        self.surroundings.tell(&results);
        let newest = self.newest(&[])?;
        let count = targets.len();
        let noun = if count == 1 { "migration" } else { "migrations" };
        Ok(Outcome::new(format!("took back {count} {noun}, the schema is at {newest}")).with_output("schema", newest))
    }

    /// Whether all of it can be taken back.
    fn check(&self, targets: &[Target], adopted: &[&Row], rows: &[Row]) -> Result<(), Failure> {
        let untouched = "nothing was taken back: all that this run applied is still there";
        if let Some(target) = targets.iter().find(|target| target.row.state.is_dirty()) {
            return Err(history::dirty(&target.row, &self.place).with_note(untouched));
        }
        let ours = |row: &Row| {
            targets.iter().any(|target| target.row.version == row.version)
                || adopted.iter().any(|adopted| adopted.version == row.version)
        };
        let oldest = targets.iter().map(|target| target.row.position).min().unwrap_or(i64::MAX);
        let later: Vec<&Row> = rows.iter().filter(|row| row.position > oldest && !ours(row)).collect();
        if let Some(row) = later.first() {
            return Err(Failure::check_failed(
                "migration-newer",
                format!("migration `{}` was applied on top of this run's", row.name),
            )
            .because(format!("run `{}` applied {}", row.run, list(later.iter().map(|row| format!("`{}`", row.name)))))
            .with_note(untouched)
            .with_hint("roll that run back first"));
        }
        let stuck: Vec<&Target> =
            targets.iter().filter(|target| target.down.is_none() && target.row.state == State::Done).collect();
        if let Some(target) = stuck.first() {
            return Err(Failure::check_failed(
                "migration-irreversible",
                format!("migration `{}` cannot be taken back", target.row.name),
            )
            .because(format!(
                "there was no down part when it was applied: {}",
                list(stuck.iter().map(|target| format!("`{}`", target.row.name)))
            ))
            .with_note(untouched)
            .with_hint("deploy a version that works with this schema, or write a migration that leads on from it"));
        }
        Ok(())
    }

    fn revert_one(&self, target: &Target) -> Result<(), (Failure, Left)> {
        let version = target.row.version;
        let untouched = |failure| (failure, Left::Nothing);
        let delete = || history::delete(self.database, &self.place, version);
        let Some(down) = target.down.as_ref().filter(|_| target.row.state == State::Done) else {
            // A reservation: nothing of it was ever committed.
            return self.atomically(delete).map_err(untouched);
        };
        let manner = self.manner(down);
        if manner == Manner::Separate {
            self.atomically(|| history::set_state(self.database, &self.place, version, State::DirtyDown))
                .map_err(untouched)?;
        }
        let mut last = false;
        let work = (|| {
            if manner != Manner::Separate {
                self.begin()?;
            }
            if manner == Manner::Canary {
                history::set_state(self.database, &self.place, version, State::DirtyDown)?;
            }
            self.statements(down)?;
            if manner == Manner::Separate {
                self.begin()?;
            }
            delete()?;
            last = true;
            self.commit()
        })();
        work.map_err(|failure: Failure| {
            self.roll_back();
            let lost = last && failure.kind == FailureKind::Unavailable;
            let left = if lost { Left::Unclear } else { self.left(manner, version, State::Done) };
            (failure, left)
        })
    }

    fn describe_revert(&self, failure: Failure, left: Left, target: &Target, reverted: &[String]) -> Failure {
        let name = &target.row.name;
        let mut note = match left {
            Left::Nothing => format!("`{name}` is still applied as it was"),
            Left::Pieces => format!("`{name}` is partly taken back, and its history says `dirty`"),
            Left::Unclear => {
                format!("whether `{name}` was taken back is not known; the history says so once the database answers")
            }
        };
        note.push_str(&match reverted {
            [] => "; nothing was taken back before it".into(),
            _ => format!("; taken back before it: {}", list(reverted.iter().cloned())),
        });
        let failure = if failure.code.starts_with("migration-") || failure.code == "connection-pooler" {
            failure
        } else {
            explain(failure, "revert-failed", &format!("migration `{name}` could not be taken back"))
        };
        let hint = failure.hint.clone().unwrap_or_else(|| {
            format!(
                "take {} back by hand, then delete its row (version {}) from {}",
                target.label,
                target.row.version,
                self.place.quoted()
            )
        });
        failure.with_note(note).with_hint(hint)
    }
}

/// The migrations of these records that the history knows as that run's, the last applied first.
fn targets(records: &[Record], rows: &[Row]) -> Vec<Target> {
    let mut targets: Vec<Target> = vec![];
    for record in records.iter().rev() {
        let Record::Migration { run, version, label, checksum, down, .. } = record else { continue };
        let row = rows.iter().find(|row| {
            row.version == *version && row.checksum == *checksum && row.run == *run && row.state != State::Adopted
        });
        if let Some(row) = row
            && !targets.iter().any(|target| target.row.version == row.version)
        {
            targets.push(Target { row: row.clone(), label: label.clone(), down: down.clone() });
        }
    }
    targets.sort_by_key(|target| std::cmp::Reverse(target.row.position));
    targets
}

/// What these records took as applied and the history still has so.
fn adopted<'a>(records: &[Record], rows: &'a [Row]) -> Vec<&'a Row> {
    let taken = |row: &Row| {
        records.iter().any(|record| match record {
            Record::Adopt { run, migrations } => {
                *run == row.run
                    && migrations.contains(&Reference { version: row.version, checksum: row.checksum.clone() })
            }
            _ => false,
        })
    };
    rows.iter().filter(|row| row.state == State::Adopted && taken(row)).collect()
}
