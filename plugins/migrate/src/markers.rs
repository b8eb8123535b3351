//! What a migration file says about itself in comments: which part goes up and which down, and whether a transaction is
//! wanted. Our own markers, and those of dbmate, goose and sqlx.

use crate::statements::has_statement;
use serde::{Deserialize, Serialize};
use windlass_plugin::Failure;

/// Whether statements run in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transaction {
    /// All in one, together with the row in the history.
    One,
    /// In none, because the file says so.
    None,
}

/// Statements that lead from one schema to the next, or back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The statements, with line feeds at the line ends.
    pub sql: String,
    /// Whether in a transaction.
    pub transaction: Transaction,
    /// The line of the file on which the statements begin, from 1.
    pub line: usize,
}

impl Part {
    fn new(file: &str, range: std::ops::Range<usize>, transaction: Transaction) -> Self {
        let lines = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count();
        let text = &file[range.clone()];
        let sql = text.trim_start_matches('\n');
        let line = 1 + lines(&file[..range.start]) + text.len() - sql.len();
        Self { sql: sql.trim_end_matches('\n').into(), transaction, line }
    }

    /// The statements behind so many empty lines that a place in them is the same place in the file.
    #[must_use]
    pub fn placed(&self, statements: &str, line: usize) -> String {
        format!("{}{statements}", "\n".repeat(self.line + line - 2))
    }
}

/// Which of the two files of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the newer schema.
    Up,
    /// Back to the older one.
    Down,
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    Part(Direction),
    PartWithoutTransaction(Direction),
    NoTransaction,
}

/// Read a file that is wholly one direction, as those of a pair are.
///
/// # Errors
/// `misconfigured` where a marker in it is unknown, stands in the wrong place, or says the other direction, and where
/// there is no statement.
pub fn read_whole(file: &str, text: &str, direction: Direction) -> Result<Part, Failure> {
    let mut transaction = Transaction::One;
    for (number, line) in lines(text) {
        match marker(file, number, line)? {
            None => {}
            Some(Marker::NoTransaction) => {
                leading(file, number, text)?;
                transaction = Transaction::None;
            }
            Some(Marker::PartWithoutTransaction(said)) if said == direction => transaction = Transaction::None,
            Some(Marker::Part(said)) if said == direction => {}
            Some(Marker::Part(said) | Marker::PartWithoutTransaction(said)) => {
                return Err(wrong(file, number, line)
                    .because(format!(
                        "the file's name says that all of it is the `{}` part, and this line begins a `{}` part",
                        direction.word(),
                        said.word()
                    ))
                    .with_hint(format!(
                        "take the line out of `{file}`, or put both parts into one file without `.{}`",
                        direction.word()
                    )));
            }
        }
    }
    if !has_statement(text) {
        let hint = match direction {
            Direction::Up => format!("write the migration into `{file}`, or delete it"),
            Direction::Down => format!(
                "delete `{file}` if the migration cannot be taken back, or write `SELECT 1;` if nothing has to be"
            ),
        };
        return Err(empty(file).with_hint(hint));
    }
    Ok(Part::new(text, 0..text.len(), transaction))
}

/// Read a file that holds an up part and perhaps a down part. Without any marker all of it is the up part.
///
/// # Errors
/// `misconfigured` where a marker is unknown, doubled or in the wrong place, and where there is no up part.
pub fn read_both(file: &str, text: &str) -> Result<(Part, Option<Part>), Failure> {
    let mut up: Option<(usize, Transaction)> = None;
    let mut down: Option<(usize, Transaction)> = None;
    let mut both = Transaction::One;
    let mut ends = text.len();
    let mut at = 0;
    let mut section: Option<(usize, Direction)> = None;
    for (number, line) in lines(text) {
        let begin = at;
        at += line.len();
        let (direction, transaction) = match marker(file, number, line)? {
            None => continue,
            Some(Marker::NoTransaction) => {
                let from = section.map_or(0, |(from, _)| from);
                if has_statement(&text[from..begin]) {
                    return Err(misplaced(file, number));
                }
                match section {
                    Some((_, Direction::Up)) if !goose(line) => up = up.map(|(from, _)| (from, Transaction::None)),
                    Some((_, Direction::Down)) if !goose(line) => {
                        down = down.map(|(from, _)| (from, Transaction::None))
                    }
                    _ => both = Transaction::None,
                }
                continue;
            }
            Some(Marker::Part(direction)) => (direction, Transaction::One),
            Some(Marker::PartWithoutTransaction(direction)) => (direction, Transaction::None),
        };
        if section.is_none() && has_statement(&text[..begin]) {
            return Err(wrong(file, number, line)
                .because("there are statements before the first marker, so it is not known to which part they belong")
                .with_hint(format!("put the `up` marker at the top of `{file}`")));
        }
        match direction {
            Direction::Up if up.is_none() && down.is_none() => up = Some((at, transaction)),
            Direction::Down if up.is_some() && down.is_none() => {
                ends = begin;
                down = Some((at, transaction));
            }
            Direction::Up | Direction::Down => {
                return Err(wrong(file, number, line)
                    .because("a file has one `up` part, and after it at most one `down` part")
                    .with_hint("make a file of its own for each migration"));
            }
        }
        section = Some((at, direction));
    }
    let either = |own: Transaction| if both == Transaction::None { both } else { own };
    let (from, transaction) = up.unwrap_or((0, Transaction::One));
    let up = Part::new(text, from..ends, either(transaction));
    if !has_statement(&up.sql) {
        return Err(empty(file).with_hint(format!("write the migration into `{file}`, or delete it")));
    }
    // The templates of dbmate and goose leave an empty down part behind; it takes nothing back.
    let down = down
        .map(|(from, transaction)| Part::new(text, from..text.len(), either(transaction)))
        .filter(|part| has_statement(&part.sql));
    Ok((up, down))
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').enumerate().map(|(index, line)| (index + 1, line))
}

fn goose(line: &str) -> bool {
    line.trim_start_matches(['-', ' ', '\t']).starts_with("+goose")
}

/// What a line says, if it is a marker.
fn marker(file: &str, number: usize, line: &str) -> Result<Option<Marker>, Failure> {
    let Some(comment) = line.trim().strip_prefix("--").map(str::trim) else { return Ok(None) };
    let lower = comment.to_ascii_lowercase();
    let unknown = || {
        Err(wrong(file, number, line)
            .because("known are `-- migrate:up`, `-- migrate:down`, `-- migrate: no-transaction`, and goose's `Up`, `Down`, `NO TRANSACTION`, `StatementBegin` and `StatementEnd`")
            .with_hint("correct the line, or take it out"))
    };
    if lower == "no-transaction" {
        return Ok(Some(Marker::NoTransaction));
    }
    if let Some(rest) = lower.strip_prefix("+goose") {
        return match rest.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["up"] => Ok(Some(Marker::Part(Direction::Up))),
            ["down"] => Ok(Some(Marker::Part(Direction::Down))),
            ["no", "transaction"] => Ok(Some(Marker::NoTransaction)),
            ["statementbegin" | "statementend"] => Ok(None),
            _ => unknown(),
        };
    }
    let Some(rest) = lower.strip_prefix("migrate:") else { return Ok(None) };
    match rest.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["up"] | ["up", "transaction:true"] => Ok(Some(Marker::Part(Direction::Up))),
        ["down"] | ["down", "transaction:true"] => Ok(Some(Marker::Part(Direction::Down))),
        ["up", "transaction:false"] => Ok(Some(Marker::PartWithoutTransaction(Direction::Up))),
        ["down", "transaction:false"] => Ok(Some(Marker::PartWithoutTransaction(Direction::Down))),
        ["no-transaction"] => Ok(Some(Marker::NoTransaction)),
        // `-- migrate: the old rows` is talk; `-- migrate:dwon` is a slip.
        _ if rest.starts_with([' ', '\t']) => Ok(None),
        _ => unknown(),
    }
}

fn leading(file: &str, number: usize, text: &str) -> Result<(), Failure> {
    let before: usize = lines(text).take(number - 1).map(|(_, line)| line.len()).sum();
    if has_statement(&text[..before]) { Err(misplaced(file, number)) } else { Ok(()) }
}

fn misplaced(file: &str, number: usize) -> Failure {
    Failure::misconfigured("migration-marker", format!("line {number} of `{file}` asks for no transaction too late"))
        .because("there are statements before it")
        .with_hint("move the line to the top")
}

fn wrong(file: &str, number: usize, line: &str) -> Failure {
    Failure::misconfigured(
        "migration-marker",
        format!("`{}` in line {number} of `{file}` cannot be followed", line.trim()),
    )
}

fn empty(file: &str) -> Failure {
    Failure::misconfigured("migration-empty", format!("migration `{file}` has no statement"))
}

#[cfg(test)]
mod tests {
    use super::{Direction, Transaction, read_both, read_whole};

    #[test]
    fn both_parts_are_read_with_each_tools_markers() {
        for (up, down) in [
            ("-- migrate:up", "-- migrate:down"),
            ("--migrate:up transaction:true", "-- MIGRATE: down"),
            ("-- +goose Up", "-- +goose down"),
        ] {
            let (up, down) =
                read_both("1_a.sql", &format!("-- a note\n{up}\ncreate table a (b);\n{down}\ndrop table a;\n"))
                    .unwrap();
            let down = down.unwrap();
            assert_eq!((up.sql.as_str(), up.line), ("create table a (b);", 3));
            assert_eq!((down.sql.as_str(), down.line), ("drop table a;", 5));
            assert_eq!(up.transaction, Transaction::One);
        }
    }

    #[test]
    fn without_a_marker_or_with_an_empty_down_part_there_is_no_way_back() {
        let (up, down) = read_both("1_a.sql", "create table a (b);\n").unwrap();
        assert_eq!((up.sql.as_str(), down), ("create table a (b);", None));
        let (up, down) = read_both("1_a.sql", "-- migrate:up\ncreate table a (b);\n-- migrate:down\n\n").unwrap();
        assert_eq!((up.sql.as_str(), down), ("create table a (b);", None));
    }

    #[test]
    fn the_transaction_is_declined_for_one_part_or_for_both() {
        let read = |text: &str| {
            let (up, down) = read_both("1_a.sql", text).unwrap();
            (up.transaction, down.unwrap().transaction)
        };
        use Transaction::{None, One};
        assert_eq!(read("-- migrate: no-transaction\n-- migrate:up\na;\n-- migrate:down\nb;"), (None, None));
        assert_eq!(read("-- +goose NO TRANSACTION\n-- +goose Up\na;\n-- +goose Down\nb;"), (None, None));
        assert_eq!(read("-- +goose Up\n-- +goose NO TRANSACTION\na;\n-- +goose Down\nb;"), (None, None));
        assert_eq!(read("-- migrate:up transaction:false\na;\n-- migrate:down\nb;"), (None, One));
        assert_eq!(read("-- migrate:up\na;\n-- migrate:down\n-- migrate: no-transaction\nb;"), (One, None));
        let whole = |text| read_whole("1_a.up.sql", text, Direction::Up).unwrap().transaction;
        assert_eq!(whole("-- no-transaction\na;"), None);
        assert_eq!(whole("-- migrate:up transaction:false\na;"), None);
        assert_eq!(whole("-- migrate: the old rows\na;"), One);
    }

    #[test]
    fn markers_that_cannot_be_followed_are_refused() {
        for (text, says) in [
            ("-- migrate:dwon\na;", "`-- migrate:dwon` in line 1 of `1_a.sql` cannot be followed"),
            ("-- +goose ENVSUB ON\na;", "`-- +goose ENVSUB ON` in line 1 of `1_a.sql` cannot be followed"),
            ("a;\n-- migrate:up\nb;", "`-- migrate:up` in line 2 of `1_a.sql` cannot be followed"),
            ("-- migrate:up\na;\n-- migrate:up\nb;", "`-- migrate:up` in line 3 of `1_a.sql` cannot be followed"),
            ("-- migrate:down\na;", "`-- migrate:down` in line 1 of `1_a.sql` cannot be followed"),
            ("a;\n-- migrate: no-transaction", "line 2 of `1_a.sql` asks for no transaction too late"),
        ] {
            let failure = read_both("1_a.sql", text).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.message.as_str()), ("migration-marker", says));
            assert!(!failure.causes.is_empty() && failure.hint.is_some());
        }
        for text in ["-- migrate:up\n-- nothing\n-- migrate:down\na;", "-- nothing", ""] {
            assert_eq!(read_both("1_a.sql", text).unwrap_err().code, "migration-empty", "{text}");
        }
    }

    #[test]
    fn a_pairs_file_holds_one_direction() {
        let failure = read_whole("1_a.up.sql", "-- migrate:up\na;\n-- migrate:down\nb;", Direction::Up).unwrap_err();
        assert_eq!(failure.message, "`-- migrate:down` in line 3 of `1_a.up.sql` cannot be followed");
        assert_eq!(read_whole("1_a.down.sql", "-- nothing", Direction::Down).unwrap_err().code, "migration-empty");
        assert_eq!(
            read_whole("1_a.up.sql", "a;\n-- migrate: no-transaction", Direction::Up).unwrap_err().code,
            "migration-marker"
        );
    }
}
