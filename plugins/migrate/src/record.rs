//! What `apply` leaves in the journal for `probe` and `revert`.

use crate::files::Migration;
use crate::markers::Part;
use serde::{Deserialize, Serialize};

/// One migration, wherever its file may be by now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// What it is ordered by.
    pub version: i64,
    /// The sha256 of its file, in hex.
    pub checksum: String,
}

impl From<&Migration> for Reference {
    fn from(migration: &Migration) -> Self {
        Self { version: migration.version, checksum: migration.checksum.clone() }
    }
}

/// A line in the journal, appended before what it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// An apply begins, and this is all that it means to do.
    Start {
        /// What is to be applied, in order.
        pending: Vec<Reference>,
        /// What is to be taken as applied, without being run.
        adopted: Vec<Reference>,
    },
    /// These are taken as applied next.
    Adopt {
        /// The run that does it.
        run: String,
        /// Which.
        migrations: Vec<Reference>,
    },
    /// This is applied next.
    Migration {
        /// The run that does it.
        run: String,
        /// What it is ordered by.
        version: i64,
        /// The version as its file's name spells it.
        label: String,
        /// The name of its file.
        file: String,
        /// The sha256 of its file, in hex.
        checksum: String,
        /// The way back as it is now: the file may be another when it is needed.
        down: Option<Part>,
    },
}

#[cfg(test)]
mod tests {
    use super::Record;
    use crate::markers::{Part, Transaction};

    #[test]
    fn a_record_in_a_journal_stays_readable() {
        let record = Record::Migration {
            run: "r".into(),
            version: 7,
            label: "0007".into(),
            file: "0007_a.sql".into(),
            checksum: "ab".into(),
            down: Some(Part { sql: "drop table a;".into(), transaction: Transaction::One, line: 4 }),
        };
        let json = r#"{"record":"migration","run":"r","version":7,"label":"0007","file":"0007_a.sql","checksum":"ab","down":{"sql":"drop table a;","transaction":"one","line":4}}"#;
        assert_eq!(serde_json::to_string(&record).unwrap(), json);
        assert_eq!(serde_json::from_str::<Record>(json).unwrap(), record);
    }
}
