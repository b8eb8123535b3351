//! Just enough of a lexer to find statements in a script, for places in errors and for what reading may not begin with.
//! Nothing is rewritten here.
//!
//! Where only reading is allowed, two lines hold. Changes of rows, also those that hide in functions and in `WITH`, are
//! stopped by the server's read-only transaction. But such a transaction lets more through than its name says: MariaDB
//! 10.11 drops tables in it, PostgreSQL copies into files and runs programs, and both let it be ended. All of these are
//! statements of their own, and one statement at a time is all that is sent: its first word decides.

use std::ops::Range;

use super::Position;

/// Whose lexical rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgresql,
    Mysql,
}

/// What is left of SQL without space, comments, strings and quoted names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(Range<usize>),
    /// A string, a quoted name or a mark.
    Other(usize),
    Semicolon,
}

/// One statement of a script.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Statement<'a> {
    /// The byte at which its first token begins.
    pub(super) start: usize,
    /// Its first word, if it begins with one.
    pub(super) first: &'a str,
}

/// Words that a statement which only looks can begin with. What they do beyond looking, for example in a function or in
/// `EXPLAIN ANALYZE`, the read-only transaction stops.
const READING: [&str; 8] = ["SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC"];

struct Lexer<'a> {
    text: &'a str,
    dialect: Dialect,
    at: usize,
}

impl<'a> Lexer<'a> {
    const fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { text, dialect, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Past the next `end`, or to the end of the text.
    fn skip_past(&mut self, end: &str) {
        self.at = self.rest().find(end).map_or(self.text.len(), |found| self.at + found + end.len());
    }

    fn skip_comment(&mut self) -> bool {
        let rest = self.rest();
        let dashes = rest.starts_with("--")
            && (self.dialect != Dialect::Mysql
                || rest[2..].chars().next().is_none_or(|after| after.is_whitespace() || after.is_control()));
        if dashes || (self.dialect == Dialect::Mysql && rest.starts_with('#')) {
            self.skip_past("\n");
        } else if rest.starts_with("/*") {
            if self.dialect == Dialect::Mysql && (rest.starts_with("/*!") || rest.starts_with("/*M!")) {
                // The server runs what is inside.
                self.at += rest.find('!').unwrap_or_default() + 1;
                let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
                self.at += digits;
            } else if self.dialect == Dialect::Postgresql {
                self.skip_nested_comment();
            } else {
                self.at += 2;
                self.skip_past("*/");
            }
        } else if self.dialect == Dialect::Mysql && rest.starts_with("*/") {
            self.at += 2;
        } else {
            return false;
        }
        true
    }

    fn skip_nested_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
            } else if let Some(character) = rest.chars().next() {
                self.at += character.len_utf8();
            }
            if depth == 0 || self.at >= self.text.len() {
                return;
            }
        }
    }

    /// Past a quoted thing. A doubled quote looks like two quoted things in a row, which is the same here.
    fn skip_quoted(&mut self, quote: char, backslashes: bool) {
        self.at += quote.len_utf8();
        let mut escaped = false;
        for (offset, character) in self.rest().char_indices() {
            if escaped {
                escaped = false;
            } else if backslashes && character == '\\' {
                escaped = true;
            } else if character == quote {
                self.at += offset + quote.len_utf8();
                return;
            }
        }
        self.at = self.text.len();
    }

    /// The `$tag$` that stands here.
    fn dollar_tag(&self) -> Option<&'a str> {
        let rest = self.rest();
        let end = rest.get(1..)?.find('$')? + 1;
        let name = &rest[1..end];
        let fits = name.chars().all(is_word) && !name.starts_with(|first: char| first.is_ascii_digit());
        fits.then(|| &rest[..=end])
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let first = self.rest().chars().next()?;
            if first.is_whitespace() {
                self.at += first.len_utf8();
            } else if !self.skip_comment() {
                break;
            }
        }
        let start = self.at;
        let first = self.rest().chars().next()?;
        match first {
            ';' => {
                self.at += 1;
                return Some(Token::Semicolon);
            }
            '\'' => self.skip_quoted('\'', self.dialect == Dialect::Mysql),
            '"' => self.skip_quoted('"', self.dialect == Dialect::Mysql),
            '`' if self.dialect != Dialect::Postgresql => self.skip_quoted('`', false),
            '[' if self.dialect == Dialect::Sqlite => self.skip_quoted(']', false),
            '$' if self.dialect == Dialect::Postgresql => match self.dollar_tag() {
                Some(tag) => {
                    self.at += tag.len();
                    self.skip_past(tag);
                }
                None => self.at += 1,
            },
            _ if is_word(first) => {
                let rest = self.rest();
                let length = rest.find(|character| !is_word(character) && character != '$').unwrap_or(rest.len());
                self.at += length;
                let escapes = self.dialect == Dialect::Postgresql && matches!(&rest[..length], "e" | "E");
                if escapes && self.rest().starts_with('\'') {
                    self.skip_quoted('\'', true);
                    return Some(Token::Other(start));
                }
                return Some(Token::Word(start..self.at));
            }
            _ => self.at += first.len_utf8(),
        }
        Some(Token::Other(start))
    }
}

/// The statements of a script, the bodies of triggers and functions counted in.
pub(super) fn statements(text: &str, dialect: Dialect) -> Vec<Statement<'_>> {
    let mut found: Vec<Statement<'_>> = vec![];
    let mut open = false; // within a statement
    let mut body = false; // the statement may hold a body with semicolons
    let mut depth = 0_usize; // of BEGIN and CASE within such a body
    let mut ended = false; // the word before was END
    for token in Lexer::new(text, dialect) {
        let (start, word) = match &token {
            Token::Semicolon if depth == 0 => {
                open = false;
                continue;
            }
            Token::Semicolon => {
                ended = false;
                continue;
            }
            Token::Word(range) => (range.start, &text[range.clone()]),
            Token::Other(start) => (*start, ""),
        };
        let is = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        if !open {
            (open, body, depth, ended) = (true, false, 0, false);
            found.push(Statement { start, first: word });
        } else if found.last().is_some_and(|statement| {
            statement.first.eq_ignore_ascii_case("CREATE")
                || (dialect == Dialect::Mysql && statement.first.eq_ignore_ascii_case("BEGIN") && is(&["NOT"]))
        }) && is(&["TRIGGER", "FUNCTION", "PROCEDURE", "EVENT", "PACKAGE", "NOT"])
        {
            if is(&["NOT"]) && !body && depth == 0 {
                // BEGIN NOT ATOMIC: the first word opened a block.
                if found.last().is_some_and(|statement| statement.first.eq_ignore_ascii_case("BEGIN")) {
                    (body, depth) = (true, 1);
                }
            } else {
                body = true;
            }
        }
        if body {
            if ended && is(&["CASE", "IF", "LOOP", "WHILE", "REPEAT", "FOR"]) {
                // END CASE closes a CASE; the others close what was not counted.
                depth += usize::from(!is(&["CASE"]));
                ended = false;
            } else if is(&["BEGIN", "CASE"]) {
                depth += 1;
                ended = false;
            } else if is(&["END"]) && depth > 0 {
                depth -= 1;
                ended = true;
            } else {
                ended = false;
            }
        }
    }
    found
}

/// Why this text must not be run where only reading is allowed; none where the server may decide.
pub(super) fn not_reading(text: &str, dialect: Dialect) -> Option<String> {
    let first = Lexer::new(text, dialect).find_map(|token| match token {
        Token::Word(range) => Some(Some(&text[range])),
        Token::Other(start) if text[start..].starts_with('(') => None,
        Token::Other(_) | Token::Semicolon => Some(None),
    });
    let Some(Some(first)) = first else { return Some("the text does not begin with a statement".into()) };
    if !READING.iter().any(|word| first.eq_ignore_ascii_case(word)) {
        return Some(format!("`{}` is not a statement that only reads", first.to_uppercase()));
    }
    // It runs what it explains, and PostgreSQL 15 lets that make a table even where only reading is allowed.
    let runs = |token| match token {
        Token::Word(range) => matches!(&*text[range].to_ascii_uppercase(), "ANALYZE" | "ANALYSE"),
        _ => false,
    };
    if ["EXPLAIN", "DESCRIBE", "DESC"].iter().any(|word| first.eq_ignore_ascii_case(word))
        && Lexer::new(text, dialect).any(runs)
    {
        return Some("`EXPLAIN ANALYZE` runs what it explains".into());
    }
    if dialect == Dialect::Mysql {
        let upper = text.to_ascii_uppercase();
        if upper.contains("/*!") || upper.contains("/*M!") {
            return Some("a comment that the server runs (`/*! … */`) hides what is done".into());
        }
        // They write files on the server, which no transaction stops.
        for word in ["OUTFILE", "DUMPFILE"] {
            if upper.contains(word) {
                return Some(format!("`{word}` writes a file"));
            }
        }
    }
    None
}

/// The `DELIMITER` command of the mysql client, where a script has one.
pub(super) fn delimiter_command(text: &str) -> Option<Position> {
    if !text.as_bytes().windows(9).any(|window| window.eq_ignore_ascii_case(b"DELIMITER")) {
        return None;
    }
    let statement = |range: &Range<usize>| {
        let line = text[..range.start].rsplit('\n').next().unwrap_or_default();
        line.trim().is_empty() && text[range.clone()].eq_ignore_ascii_case("DELIMITER")
    };
    Lexer::new(text, Dialect::Mysql).find_map(|token| match token {
        Token::Word(range) if statement(&range) => Some(Position::of_byte(text, range.start)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Dialect, delimiter_command, not_reading, statements};

    fn firsts(text: &str, dialect: Dialect) -> Vec<&str> {
        statements(text, dialect).into_iter().map(|statement| statement.first).collect()
    }

    #[test]
    fn quotes_and_comments_hide_semicolons() {
        let text = "-- a;\ninsert into t values ('x;''y', \"q;\"); /* ; /* ; */ ; */ update t;;";
        assert_eq!(firsts(text, Dialect::Postgresql), ["insert", "update"]);
        assert_eq!(statements(text, Dialect::Postgresql)[0].start, 6);
        assert_eq!(firsts("select E'\\';'; drop", Dialect::Postgresql), ["select", "drop"]);
        assert_eq!(firsts("select $a$ ; $$ ; $a$; do $$ ; $$", Dialect::Postgresql), ["select", "do"]);
        assert_eq!(firsts("select $1; select 2", Dialect::Postgresql), ["select", "select"]);
        assert_eq!(firsts("select '\\';' # ;\n; insert `;`", Dialect::Mysql), ["select", "insert"]);
        assert_eq!(firsts("select 1--2; select [;]", Dialect::Sqlite), ["select"]);
        assert_eq!(firsts("select [;]; drop", Dialect::Sqlite), ["select", "drop"]);
        assert_eq!(firsts("/*!40101 SET x=1 */; select 1", Dialect::Mysql), ["SET", "select"]);
    }

    #[test]
    fn bodies_belong_to_their_statement() {
        let trigger = "create trigger a after insert on t begin update t set b = case when 1 then 2 end; delete from t; end; select 1";
        assert_eq!(firsts(trigger, Dialect::Sqlite), ["create", "select"]);
        let procedure = "create procedure p() begin if 1 then set @a = 1; end if; case 1 when 1 then set @b = 2; end case; while 0 do set @c = 1; end while; end; call p()";
        assert_eq!(firsts(procedure, Dialect::Mysql), ["create", "call"]);
        assert_eq!(firsts("begin; update t; commit", Dialect::Postgresql), ["begin", "update", "commit"]);
        assert_eq!(
            firsts("begin not atomic set @a = 1; set @b = 2; end; select 1", Dialect::Mysql),
            ["begin", "select"]
        );
        assert_eq!(firsts("create table t (a int not null); select 1", Dialect::Postgresql), ["create", "select"]);
    }

    #[test]
    fn reading_begins_with_a_word_that_reads() {
        for text in ["select 1", "(select 1)", "-- c\n/* d */ WITH a AS (select 1) select * from a", "show tables"] {
            assert_eq!(not_reading(text, Dialect::Mysql), None, "{text}");
        }
        for text in [
            "commit",
            "",
            "-- select",
            "call p()",
            "do $$ $$",
            "set x = 1",
            "; select 1",
            "copy t to stdout",
            "explain (costs, analyze) select 1",
        ] {
            assert!(not_reading(text, Dialect::Postgresql).is_some(), "{text}");
        }
        for text in ["/*!50000 drop table t */", "select /*M! 1 */ 1", "select 1 into outfile '/tmp/x'"] {
            assert!(not_reading(text, Dialect::Mysql).is_some(), "{text}");
        }
    }

    #[test]
    fn delimiter_is_found_where_it_is_a_command() {
        assert_eq!(delimiter_command("select 1;\n  delimiter //\n").map(|position| position.line), Some(2));
        assert_eq!(delimiter_command("select 'x\nDELIMITER //';\nselect a as delimiter"), None);
    }
}
