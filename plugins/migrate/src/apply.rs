//! Applying what is pending.

use crate::database::Database;
use crate::files::Migration;
use crate::history::{self, State};
use crate::record::{Record, Reference};
use crate::session::{Left, Manner, Session, explain};
use crate::standing::{Adoption, compare, list, look};
use crate::surroundings::Surroundings;
use std::time::Instant;
use windlass_plugin::{Failure, Outcome};

/// From so many milliseconds on it is told how long a migration took.
const WORTH_TELLING: i64 = 1_000;

/// Whether a migration's turn came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Applied {
        milliseconds: i64,
    },
    /// Another run has applied it in the meantime (SQLite only; elsewhere the lock is held all the time).
    Overtaken,
}

/// A migration that failed, and what is left of it.
struct Broken {
    failure: Failure,
    left: Left,
}

impl<D: Database, S: Surroundings> Session<'_, D, S> {
    /// Apply what is pending, each migration by itself and in order.
    ///
    /// # Errors
    /// The first that there is. What was applied before it stays until it is taken back.
    pub fn apply(&self, files: &[Migration]) -> Result<Outcome, Failure> {
        self.alone(|| self.apply_all(files))
    }

    fn apply_all(&self, files: &[Migration]) -> Result<Outcome, Failure> {
        let standing = self.settled(|| look(self.database, &self.place, self.config, files))?;
        let run = self.surroundings.run();
        let adopted = standing.adoption.as_ref().map_or(&[][..], |adoption| &adoption.migrations);
        if !standing.pending.is_empty() || !adopted.is_empty() {
            let references = |migrations: &[&Migration]| migrations.iter().map(|file| Reference::from(*file)).collect();
            self.surroundings
                .record(&Record::Start { pending: references(&standing.pending), adopted: references(adopted) })?;
            self.atomically(|| history::create(self.database, &self.place))?;
        }
        if let Some(adoption) = &standing.adoption {
            self.adopt(adoption, &run)?;
        }
        let mut applied: Vec<&Migration> = vec![];
        let mut results: Vec<(&str, &str)> =
            adopted.iter().map(|migration| (migration.file.as_str(), "taken as applied")).collect();
        let total = u64::try_from(standing.pending.len()).unwrap_or(u64::MAX);
        for (index, migration) in standing.pending.iter().enumerate() {
            let done = u64::try_from(index).unwrap_or(u64::MAX);
            self.surroundings.progress(&format!("applying {}", migration.file), done, total);
            match self.apply_one(migration, files, &run) {
                Ok(Turn::Applied { milliseconds }) => {
                    if milliseconds >= WORTH_TELLING {
                        self.surroundings.info(&format!("applied `{}` in {milliseconds} ms", migration.file));
                    }
                    applied.push(migration);
                    results.push((&migration.file, "applied"));
                }
                Ok(Turn::Overtaken) => {
                    self.surroundings.info(&format!("`{}` was applied by another run in the meantime", migration.file));
                    results.push((&migration.file, "applied by another run"));
                }
                Err(broken) => {
                    let rest = &standing.pending[index + 1..];
                    results.push((
                        &migration.file,
                        match broken.left {
                            Left::Nothing => "failed, and nothing of it remains",
                            Left::Pieces => "failed, and a part of it remains",
                            Left::Unclear => "not known",
                        },
                    ));
                    results.extend(rest.iter().map(|migration| (migration.file.as_str(), "not run")));
                    self.surroundings.tell(&results);
                    return Err(self.describe(broken, migration, &applied, rest));
                }
            }
        }
        self.surroundings.tell(&results);
        self.outcome(files, applied.len())
    }

    fn outcome(&self, files: &[Migration], applied: usize) -> Result<Outcome, Failure> {
        let newest = self.newest(files)?;
        let summary = match applied {
            0 => format!("nothing to apply, the schema is at {newest}"),
            1 => format!("applied 1 migration, the schema is at {newest}"),
            _ => format!("applied {applied} migrations, the schema is at {newest}"),
        };
        Ok(Outcome::new(summary).with_output("schema", newest).with_output("applied", applied.to_string()))
    }

    /// The newest version that is applied, as its file's name spells it; `0` where none is.
    pub(crate) fn newest(&self, files: &[Migration]) -> Result<String, Failure> {
        let rows = self.settled(|| self.rows())?;
        let newest = rows.iter().filter(|row| row.state.is_applied()).max_by_key(|row| row.version);
        Ok(newest.map_or_else(
            || "0".into(),
            |row| {
                let label = files.iter().find(|file| file.version == row.version).map(|file| file.label.clone());
                label.unwrap_or_else(|| {
                    row.name.trim_start_matches('V').chars().take_while(char::is_ascii_digit).collect()
                })
            },
        ))
    }

    fn adopt(&self, adoption: &Adoption<'_>, run: &str) -> Result<(), Failure> {
        let migrations = adoption.migrations.iter().map(|file| Reference::from(*file)).collect();
        self.surroundings.record(&Record::Adopt { run: run.into(), migrations })?;
        self.atomically(|| {
            if !history::read(self.database, &self.place)?.is_empty() {
                return Ok(());
            }
            for migration in &adoption.migrations {
                history::insert(self.database, &self.place, migration, run, State::Adopted, 0)?;
            }
            Ok(())
        })?;
        let count = adoption.migrations.len();
        self.surroundings.info(&format!("took {count} migrations as applied, as {} says", adoption.source));
        Ok(())
    }

    fn apply_one(&self, migration: &Migration, files: &[Migration], run: &str) -> Result<Turn, Broken> {
        let untouched = |failure| Broken { failure, left: Left::Nothing };
        let record = || {
            self.surroundings.record(&Record::Migration {
                run: run.into(),
                version: migration.version,
                label: migration.label.clone(),
                file: migration.file.clone(),
                checksum: migration.checksum.clone(),
                down: migration.down.clone(),
            })
        };
        let insert =
            |state, milliseconds| history::insert(self.database, &self.place, migration, run, state, milliseconds);
        let manner = self.manner(&migration.up);
        // Its turn: it is looked up once more where nobody can come in between, recorded, and only then begun.
        self.begin().map_err(untouched)?;
        let claimed = (|| {
            let rows = history::read(self.database, &self.place)?;
            if !compare(files, &rows, self.config, &self.place)?.iter().any(|file| file.version == migration.version) {
                return Ok(false);
            }
            record()?;
            if rows.iter().any(|row| row.version == migration.version) {
                history::delete(self.database, &self.place, migration.version)?;
            }
            match manner {
                Manner::Atomic => Ok(()),
                Manner::Canary => insert(State::Reserved, 0),
                Manner::Separate => insert(State::DirtyUp, 0),
            }?;
            if manner != Manner::Atomic {
                self.commit()?;
            }
            Ok(true)
        })();
        match claimed {
            Ok(true) => {}
            Ok(false) => {
                self.roll_back();
                return Ok(Turn::Overtaken);
            }
            Err(failure) => {
                self.roll_back();
                return Err(untouched(failure));
            }
        }
        let begun = Instant::now();
        let elapsed = || i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        let mut last = false;
        let version = migration.version;
        let work: Result<i64, Failure> = (|| {
            if manner == Manner::Canary {
                self.begin()?;
                history::set_state(self.database, &self.place, version, State::DirtyUp)?;
            }
            self.statements(&migration.up)?;
            let milliseconds = elapsed();
            if manner == Manner::Separate {
                self.begin()?;
            }
            match manner {
                Manner::Atomic => insert(State::Done, milliseconds),
                Manner::Canary | Manner::Separate => history::finish(self.database, &self.place, version, milliseconds),
            }?;
            last = true;
            self.commit()?;
            Ok(milliseconds)
        })();
        match work {
            Ok(milliseconds) => Ok(Turn::Applied { milliseconds }),
            Err(failure) => {
                self.roll_back();
                let lost = last && failure.kind == windlass_plugin::FailureKind::Unavailable;
                let left = if lost { Left::Unclear } else { self.left(manner, version, State::Reserved) };
                if manner == Manner::Canary && left == Left::Nothing {
                    // Only tidy: a reservation counts as not applied.
                    let _ = history::delete(self.database, &self.place, version);
                }
                Err(Broken { failure, left })
            }
        }
    }

    fn describe(&self, broken: Broken, migration: &Migration, applied: &[&Migration], rest: &[&Migration]) -> Failure {
        let names = |migrations: &[&Migration]| list(migrations.iter().map(|file| format!("`{}`", file.file)));
        let mut note = match broken.left {
            Left::Nothing => format!("nothing of `{}` remains", migration.file),
            Left::Pieces => format!(
                "what `{}` did before the failing statement remains, and its history says `dirty`",
                migration.file
            ),
            Left::Unclear => format!(
                "whether `{}` was applied is not known; the history says so once the database answers",
                migration.file
            ),
        };
        note.push_str(&match applied {
            [] => "; no migration was applied before it".into(),
            _ => format!("; this run applied {} before it", names(applied)),
        });
        if !rest.is_empty() {
            note.push_str(&format!("; not run: {}", names(rest)));
        }
        let failure = if broken.failure.code.starts_with("migration-") || broken.failure.code == "connection-pooler" {
            broken.failure
        } else {
            explain(broken.failure, "migration-failed", &format!("migration `{}` failed", migration.file))
        };
        let hint = failure.hint.clone().unwrap_or_else(|| match broken.left {
            Left::Pieces => format!(
                "finish or undo it by hand, then set its `state` in {} to `done` or delete its row (version {})",
                self.place.quoted(),
                migration.version
            ),
            Left::Nothing | Left::Unclear => format!("correct `{}` and deploy again", migration.file),
        });
        failure.with_note(note).with_hint(hint)
    }
}
