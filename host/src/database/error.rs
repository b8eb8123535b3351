//! What can go wrong with a database, told so that it can be passed on: whose fault, a stable word, one line, the
//! causes with the server's own words, and what helps. No error here holds a URL or a password.

use super::Engine;

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The configuration or a script is wrong. Trying again does not help.
    Misconfigured,
    /// The database did not answer or was busy. Trying again may help.
    Unavailable,
    /// It is not allowed.
    Denied,
    /// The caller, a plugin, broke the contract.
    Bug,
}

/// A place in a script, counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column; MySQL and MariaDB name only the line.
    pub column: Option<usize>,
}

impl Position {
    /// The place of a byte in a text.
    #[must_use]
    pub fn of_byte(text: &str, byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let last = before.rsplit('\n').next().unwrap_or_default();
        Self { line: before.matches('\n').count() + 1, column: Some(last.chars().count() + 1) }
    }

    /// The place of a character in a text, counted from 1 as PostgreSQL does.
    #[must_use]
    pub fn of_character(text: &str, number: usize) -> Self {
        let byte = text.char_indices().nth(number.saturating_sub(1)).map_or(text.len(), |(byte, _)| byte);
        Self::of_byte(text, byte)
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "line {}", self.line)?;
        self.column.map_or(Ok(()), |column| write!(formatter, ", column {column}"))
    }
}

/// What the database itself said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Its message, verbatim.
    pub message: String,
    /// The SQLSTATE; SQLite has none.
    pub state: Option<String>,
    /// MySQL's and MariaDB's error number, or SQLite's extended result code.
    pub number: Option<i32>,
    /// More on the message; PostgreSQL only.
    pub detail: Option<String>,
    /// What the database thinks may help; PostgreSQL only.
    pub hint: Option<String>,
    /// Where inside of functions it happened; PostgreSQL only.
    pub context: Option<String>,
    /// The place in the text that was sent: of the mistake where the database names it, otherwise of the statement.
    pub position: Option<Position>,
}

impl Report {
    /// A message and nothing else.
    #[must_use]
    pub fn of(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    fn at(&self) -> String {
        self.position.map_or_else(String::new, |position| format!(" at {position}"))
    }

    fn causes(&self) -> Vec<String> {
        let code = match (self.number, &self.state) {
            (Some(number), Some(state)) => format!(" (error {number}, SQLSTATE {state})"),
            (Some(number), None) => format!(" (error {number})"),
            (None, Some(state)) => format!(" (SQLSTATE {state})"),
            (None, None) => String::new(),
        };
        let mut causes = vec![format!("{}{code}", self.message)];
        causes.extend(self.detail.as_ref().map(|detail| format!("detail: {detail}")));
        causes.extend(self.context.as_ref().map(|context| format!("context: {context}")));
        causes
    }
}

/// Why a database could not be used. The text is one line; [`Error::causes`] has the words of others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The URL is not one. What it says is never repeated, because it may be a piece of a password.
    #[error("the database's URL cannot be used: {reason}")]
    InvalidUrl {
        /// Why, without any part of the URL.
        reason: String,
    },
    /// Nothing answered, or not in time, or it has no room for one more connection.
    #[error("cannot reach {engine} at `{place}`")]
    Unreachable {
        /// What was expected there.
        engine: Engine,
        /// `host:port/database`, or the file.
        place: String,
        /// The system's or the server's words.
        cause: String,
    },
    /// It answered and said no: a wrong password, an unknown user or database.
    #[error("{engine} at `{place}` refused the connection of the user `{user}`")]
    Refused {
        /// What it is.
        engine: Engine,
        /// `host:port/database`.
        place: String,
        /// As whom.
        user: String,
        /// What it said.
        report: Box<Report>,
    },
    /// A SQLite file's directory does not exist.
    #[error("the directory `{directory}` of the database does not exist")]
    NoDirectory {
        /// The directory.
        directory: String,
    },
    /// The connection ended, or was given up after a call that was cut off, and with it what was open.
    #[error("the connection to the database is lost")]
    Lost {
        /// Why.
        cause: String,
    },
    /// A change was tried where only reading is allowed.
    #[error("the database may only be read here")]
    ReadOnly {
        /// What was tried, or the database's words.
        cause: String,
    },
    /// Something was tried that no plugin may do.
    #[error("the database refused to leave its file")]
    Confined {
        /// What was tried.
        cause: String,
    },
    /// The database refused a statement.
    #[error("the database refused a statement{}", .0.at())]
    Statement(Box<Report>),
    /// A lock was not free in time.
    #[error("a statement waited too long for a lock{}", .0.at())]
    LockTimeout(Box<Report>),
    /// Two transactions waited for each other, and this one was chosen to end.
    #[error("a statement was ended to resolve a deadlock{}", .0.at())]
    Deadlock(Box<Report>),
    /// Something a client does rather than the server, which is not done here.
    #[error("the script uses `{what}`, which is a command of a client and not of the server{}", position.map(|position| format!(", at {position}")).unwrap_or_default())]
    ClientCommand {
        /// The command.
        what: String,
        /// Where it is.
        position: Option<Position>,
        /// What to do instead.
        instead: String,
    },
    /// A column has a type that there is no value for.
    #[error("the column `{column}` has the type `{type_name}`, which cannot be passed on")]
    UnsupportedType {
        /// The column's name.
        column: String,
        /// The type, as the database calls it.
        type_name: String,
    },
    /// The answer is too large.
    #[error("the answer of the query is larger than {} MiB", limit / (1024 * 1024))]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The parameters do not fit the statement, or there is no single statement.
    #[error("the statement cannot be run as it was passed")]
    Misuse {
        /// Why.
        cause: String,
    },
}

impl Error {
    /// A misuse.
    pub(super) fn misuse(cause: impl Into<String>) -> Self {
        Self::Misuse { cause: cause.into() }
    }

    /// A stable word for programs, in kebab case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidUrl { .. } => "database-url-invalid",
            Self::Unreachable { .. } => "database-unreachable",
            Self::Refused { .. } => "database-refused",
            Self::NoDirectory { .. } => "database-directory-missing",
            Self::Lost { .. } => "database-connection-lost",
            Self::ReadOnly { .. } => "database-read-only",
            Self::Confined { .. } => "database-confined",
            Self::Statement(_) => "statement-failed",
            Self::LockTimeout(_) => "lock-timeout",
            Self::Deadlock(_) => "deadlock",
            Self::ClientCommand { .. } => "client-command",
            Self::UnsupportedType { .. } => "column-type-unsupported",
            Self::TooLarge { .. } => "result-too-large",
            Self::Misuse { .. } => "statement-misused",
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            // A file that cannot be opened stays so.
            Self::Unreachable { engine: Engine::Sqlite, .. } => Fault::Misconfigured,
            Self::Unreachable { .. } | Self::Lost { .. } | Self::LockTimeout(_) | Self::Deadlock(_) => {
                Fault::Unavailable
            }
            Self::ReadOnly { .. } | Self::Confined { .. } => Fault::Denied,
            Self::Misuse { .. } => Fault::Bug,
            Self::InvalidUrl { .. }
            | Self::Refused { .. }
            | Self::NoDirectory { .. }
            | Self::Statement(_)
            | Self::ClientCommand { .. }
            | Self::UnsupportedType { .. }
            | Self::TooLarge { .. } => Fault::Misconfigured,
        }
    }

    /// The immediate reasons, nearest first, the database's words verbatim.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        match self {
            Self::Unreachable { cause, .. }
            | Self::Lost { cause }
            | Self::ReadOnly { cause }
            | Self::Confined { cause }
            | Self::Misuse { cause } => vec![cause.clone()],
            Self::Refused { report, .. }
            | Self::Statement(report)
            | Self::LockTimeout(report)
            | Self::Deadlock(report) => report.causes(),
            Self::InvalidUrl { .. }
            | Self::NoDirectory { .. }
            | Self::ClientCommand { .. }
            | Self::UnsupportedType { .. }
            | Self::TooLarge { .. } => vec![],
        }
    }

    /// One thing that helps.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::InvalidUrl { .. } => Some(
                "write `sqlite:PATH`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE` or `mysql://…`, with every `/`, `?`, `#`, `@` and `%` of the password percent-encoded".into(),
            ),
            Self::NoDirectory { directory } => Some(format!("create it with `mkdir -p {directory}`")),
            Self::Refused { report, .. }
            | Self::Statement(report)
            | Self::LockTimeout(report)
            | Self::Deadlock(report) => report.hint.clone(),
            Self::ClientCommand { instead, .. } => Some(instead.clone()),
            Self::UnsupportedType { column, .. } => {
                Some(format!("cast it to text in the query, for example `CAST({column} AS …)`"))
            }
            Self::TooLarge { .. } => Some("ask for fewer rows or columns".into()),
            _ => None,
        }
    }

    /// What the database said, where it said something.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Refused { report, .. }
            | Self::Statement(report)
            | Self::LockTimeout(report)
            | Self::Deadlock(report) => Some(report),
            _ => None,
        }
    }

    /// The same error at a place, where the database has not named one itself.
    pub(super) fn at(mut self, place: impl FnOnce() -> Option<Position>) -> Self {
        if let Self::Statement(report) | Self::LockTimeout(report) | Self::Deadlock(report) = &mut self
            && report.position.is_none()
        {
            report.position = place();
        }
        self
    }

    /// Whether the connection cannot be used any more: what it would answer next is not known.
    pub(super) const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Lost { .. } | Self::TooLarge { .. } | Self::ClientCommand { .. } | Self::Unreachable { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Position, Report};

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let text = "a;\nä = b";
        assert_eq!(Position::of_byte(text, 0), Position { line: 1, column: Some(1) });
        assert_eq!(Position::of_byte(text, 6), Position { line: 2, column: Some(3) });
        assert_eq!(Position::of_character(text, 5), Position { line: 2, column: Some(2) });
        assert_eq!(Position::of_character(text, 99), Position { line: 2, column: Some(6) });
    }

    #[test]
    fn the_databases_words_stay_as_they_are() {
        let error = Error::Statement(Box::new(Report {
            state: Some("42P01".into()),
            detail: Some("more".into()),
            hint: Some("Try harder.".into()),
            position: Some(Position { line: 3, column: Some(8) }),
            ..Report::of("relation \"x\" does not exist")
        }));
        assert_eq!(error.to_string(), "the database refused a statement at line 3, column 8");
        assert_eq!(error.causes(), ["relation \"x\" does not exist (SQLSTATE 42P01)", "detail: more"]);
        assert_eq!(error.hint().as_deref(), Some("Try harder."));
    }
}
