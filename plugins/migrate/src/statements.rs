//! Reading SQL just closely enough to know where a statement begins and ends and with which words it starts.
//!
//! It must not understand more than that: what a statement means is the database's business. It knows the quotes and
//! comments of PostgreSQL and SQLite; files for MySQL and MariaDB are never split.

use windlass_plugin::database::Engine;

/// One statement as it stands in a file, without the semicolon that ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Its text, comments before it included.
    pub text: &'a str,
    /// The line on which its text begins, from 1.
    pub line: usize,
    /// Its first words in upper case, at most four.
    pub words: Vec<String>,
}

/// The statements of a text, in order; what holds only comments is none.
///
/// A stretch between `-- +goose StatementBegin` and `-- +goose StatementEnd` is one statement, whatever is in it.
#[must_use]
pub fn split(sql: &str, engine: Engine) -> Vec<Statement<'_>> {
    Reader { sql, engine, at: 0, begin: 0, content: false, words: vec![], block: false, found: vec![] }.read()
}

/// Whether there is anything in a text that a database would run.
#[must_use]
pub fn has_statement(sql: &str) -> bool {
    !split(sql, Engine::Postgresql).is_empty()
}

/// The first statement that begins or ends a transaction by itself.
#[must_use]
pub fn transaction_control<'a>(statements: &'a [Statement<'a>]) -> Option<&'a Statement<'a>> {
    statements.iter().find(|statement| {
        let words: Vec<&str> = statement.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["ROLLBACK", "TO", ..] | ["ROLLBACK", "WORK" | "TRANSACTION", "TO", ..] => false,
            ["BEGIN" | "COMMIT" | "ROLLBACK" | "ABORT", ..]
            | ["START", "TRANSACTION", ..]
            | ["PREPARE", "TRANSACTION", ..] => true,
            _ => false,
        }
    })
}

struct Reader<'a> {
    sql: &'a str,
    engine: Engine,
    at: usize,
    begin: usize,
    content: bool,
    words: Vec<String>,
    block: bool,
    found: Vec<Statement<'a>>,
}

impl<'a> Reader<'a> {
    fn read(mut self) -> Vec<Statement<'a>> {
        let postgresql = self.engine == Engine::Postgresql;
        while let Some(byte) = self.byte(0) {
            match byte {
                b'-' if self.byte(1) == Some(b'-') => self.line_comment(),
                b'/' if self.byte(1) == Some(b'*') => self.block_comment(postgresql),
                b'\'' => self.quoted(b'\'', self.escape_string()),
                b'"' => self.quoted(b'"', false),
                b'`' if !postgresql => self.quoted(b'`', false),
                b'[' if self.engine == Engine::Sqlite => self.quoted(b']', false),
                b'$' if postgresql => self.dollar(),
                b';' => {
                    if !self.block {
                        self.end();
                    }
                    self.at += 1;
                    if !self.block {
                        self.begin = self.at;
                    }
                }
                _ if byte.is_ascii_whitespace() => self.at += 1,
                _ if is_word(byte) => self.word(),
                _ => {
                    self.content();
                    self.at += 1;
                }
            }
        }
        self.end();
        self.found
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.sql.as_bytes().get(self.at + ahead).copied()
    }

    /// What is here belongs to a statement.
    fn content(&mut self) {
        self.content = true;
    }

    fn end(&mut self) {
        let end = self.at.min(self.sql.len());
        if std::mem::take(&mut self.content) {
            let text = self.sql[self.begin..end].trim();
            let before = self.begin + self.sql[self.begin..end].find(text).unwrap_or_default();
            let line = 1 + self.sql.as_bytes()[..before].iter().filter(|byte| **byte == b'\n').count();
            self.found.push(Statement { text, line, words: std::mem::take(&mut self.words) });
        }
        self.words.clear();
        self.begin = end;
    }

    fn line_comment(&mut self) {
        let rest = &self.sql[self.at..];
        let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let marker = rest[..length].trim_start_matches('-').trim().to_ascii_lowercase();
        self.at += length;
        match marker.strip_prefix("+goose").map(str::trim) {
            Some("statementbegin") => self.block = true,
            Some("statementend") => {
                self.block = false;
                self.end();
            }
            _ => {}
        }
    }

    fn block_comment(&mut self, nested: bool) {
        let mut depth = 0_usize;
        while let Some(byte) = self.byte(0) {
            match (byte, self.byte(1)) {
                (b'/', Some(b'*')) if nested || depth == 0 => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                }
                _ => self.at += 1,
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Whether the quote here opens a PostgreSQL string with backslash escapes, `E'…'`.
    fn escape_string(&self) -> bool {
        let bytes = self.sql.as_bytes();
        self.engine == Engine::Postgresql
            && self.at > 0
            && bytes[self.at - 1].eq_ignore_ascii_case(&b'e')
            && (self.at < 2 || !is_word(bytes[self.at - 2]))
    }

    fn quoted(&mut self, close: u8, backslash: bool) {
        self.content();
        self.at += 1;
        while let Some(byte) = self.byte(0) {
            self.at += if byte == b'\\' && backslash { 2 } else { 1 };
            if byte == close {
                return;
            }
        }
    }

    fn dollar(&mut self) {
        self.content();
        let rest = &self.sql[self.at..];
        let tag = rest[1..].find('$').map(|end| &rest[..end + 2]).filter(|tag| {
            let name = &tag.as_bytes()[1..tag.len() - 1];
            name.iter().all(|byte| is_word(*byte)) && !name.first().is_some_and(u8::is_ascii_digit)
        });
        self.at += match tag {
            Some(tag) => rest[tag.len()..].find(tag).map_or(rest.len(), |end| end + 2 * tag.len()),
            None => 1,
        };
    }

    fn word(&mut self) {
        self.content();
        let start = self.at;
        // A dollar inside a word is part of it and opens no string.
        while self.byte(0).is_some_and(|byte| is_word(byte) || byte == b'$') {
            self.at += 1;
        }
        if self.words.len() < 4 {
            self.words.push(self.sql[start..self.at].to_uppercase());
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::{has_statement, split, transaction_control};
    use windlass_plugin::database::Engine;

    fn texts(sql: &str, engine: Engine) -> Vec<&str> {
        split(sql, engine).into_iter().map(|statement| statement.text).collect()
    }

    #[test]
    fn semicolons_in_strings_names_and_comments_end_nothing() {
        let sql = "select ';', \"a;b\" -- ; no\n; /* ; */ select 2;;\n-- done;\n";
        assert_eq!(texts(sql, Engine::Sqlite), ["select ';', \"a;b\" -- ; no", "/* ; */ select 2"]);
        assert_eq!(split(sql, Engine::Sqlite)[1].line, 2);
    }

    #[test]
    fn postgresql_quotes_with_dollars_nests_comments_and_escapes_in_e_strings() {
        let sql = "create function f() as $body$ a; $$ b; $$ $body$; select 'it\\'; select E'it\\'; s';\n\
                   /* a /* ; */ ; */ select $1, a$b;";
        assert_eq!(
            texts(sql, Engine::Postgresql),
            [
                "create function f() as $body$ a; $$ b; $$ $body$",
                "select 'it\\'",
                "select E'it\\'; s'",
                "/* a /* ; */ ; */ select $1, a$b"
            ]
        );
    }

    #[test]
    fn sqlite_quotes_names_with_brackets() {
        assert_eq!(texts("select [a;b]; select 1", Engine::Sqlite), ["select [a;b]", "select 1"]);
    }

    #[test]
    fn goose_keeps_statements_together() {
        let sql = "select 1;\n-- +goose StatementBegin\ncreate x begin a; b; end;\n-- +goose StatementEnd\nselect 2;";
        let found = texts(sql, Engine::Postgresql);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[1].contains("create x begin a; b; end;"), "{found:?}");
        assert_eq!(found[2], "select 2");
    }

    #[test]
    fn comments_alone_are_no_statement() {
        for nothing in ["", " \n", "-- hello", "/* a */ ; ;\n", "/* open"] {
            assert!(!has_statement(nothing), "{nothing}");
        }
        assert!(has_statement("-- hello\nselect 1"));
    }

    #[test]
    fn transaction_control_is_found_and_a_trigger_is_none() {
        let control = |sql| {
            transaction_control(&split(sql, Engine::Sqlite))
                .map(|statement| (statement.line, statement.words[0].clone()))
        };
        assert_eq!(control("select 1;\n\nbegin immediate; select 2; commit"), Some((3, "BEGIN".into())));
        assert_eq!(control("select 1; Commit;"), Some((1, "COMMIT".into())));
        assert_eq!(control("start transaction"), Some((1, "START".into())));
        assert_eq!(control("rollback"), Some((1, "ROLLBACK".into())));
        assert_eq!(control("savepoint a; rollback to a; rollback transaction to a"), None);
        assert_eq!(control("create trigger t after insert on a begin update b set c = 1; select 2; end;"), None);
    }

    #[test]
    fn what_is_left_open_runs_to_the_end() {
        for open in ["select 'a;", "select $$ a;", "select \"a;", "select 1 /* a;", "select $a"] {
            assert_eq!(texts(open, Engine::Postgresql).len(), 1, "{open}");
        }
    }
}
