//! The migrations as files: which names are understood, which file belongs to which, and what is wrong with them.

use crate::markers::{Direction, Part, read_both, read_whole};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use windlass_plugin::Failure;

/// One migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// What it is ordered by.
    pub version: i64,
    /// The version as the file's name spells it, for example `0007`.
    pub label: String,
    /// What it is called, for a person, for example `add orders`.
    pub title: String,
    /// The name of the file with the up part.
    pub file: String,
    /// The sha256 of that file, as it is apart from its line ends and a byte order mark, in hex.
    pub checksum: String,
    /// The way to the newer schema.
    pub up: Part,
    /// The way back, if there is one.
    pub down: Option<Part>,
}

/// Read the migrations of a directory.
///
/// # Errors
/// `misconfigured` where the directory or a file in it is not as it must be.
pub fn read(directory: &str) -> Result<Vec<Migration>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::misconfigured(
            "migrations-unreadable",
            format!("the directory of migrations `{directory}` cannot be read"),
        )
        .because(error)
        .with_hint("correct `directory`, which is relative to the project")
    };
    let mut files = vec![];
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if !is_migration(&name) || path.is_dir() {
            continue;
        }
        let content = std::fs::read(&path).map_err(|error| unreadable_file(&path, &error))?;
        files.push((name, content));
    }
    if files.is_empty() {
        return Err(Failure::misconfigured("migrations-none", format!("there is no migration in `{directory}`"))
            .because("no file in it ends in `.sql`")
            .with_hint("correct `directory`, which is relative to the project"));
    }
    assemble(files)
}

/// Whether a file is meant to be a migration at all. What is not one is nobody's business here.
fn is_migration(name: &str) -> bool {
    !name.starts_with('.') && name.len() > 4 && name.to_ascii_lowercase().ends_with(".sql")
}

fn unreadable_file(path: &Path, error: &std::io::Error) -> Failure {
    Failure::misconfigured("migrations-unreadable", format!("migration `{}` cannot be read", path.display()))
        .because(error)
}

/// What a file's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    version: i64,
    label: String,
    title: String,
    /// None where the file may hold both.
    direction: Option<Direction>,
}

/// Put the files together, ordered by version.
///
/// # Errors
/// `misconfigured` where a name is not understood, a version is there twice, a way back has no way there, or a file is
/// not text or has no statement.
pub fn assemble(mut files: Vec<(String, Vec<u8>)>) -> Result<Vec<Migration>, Failure> {
    files.sort();
    let mut migrations: BTreeMap<i64, Migration> = BTreeMap::new();
    let mut downs: BTreeMap<i64, (String, Part)> = BTreeMap::new();
    for (file, content) in files {
        let name = parse_name(&file)?;
        let text = text_of(&file, &content)?;
        let (up, down) = match name.direction {
            None => read_both(&file, &text)?,
            Some(Direction::Up) => (read_whole(&file, &text, Direction::Up)?, None),
            Some(Direction::Down) => {
                let down = read_whole(&file, &text, Direction::Down)?;
                if let Some((other, _)) = downs.insert(name.version, (file.clone(), down)) {
                    return Err(duplicate(&name.label, &other, &file));
                }
                continue;
            }
        };
        let Name { version, label, title, .. } = name;
        let migration = Migration { version, label, title, checksum: checksum(&text), up, down, file };
        if let Some(other) = migrations.get(&version) {
            return Err(duplicate(&other.label, &other.file, &migration.file));
        }
        migrations.insert(version, migration);
    }
    for (version, (file, down)) in downs {
        match migrations.get_mut(&version) {
            Some(migration) if migration.down.is_none() => migration.down = Some(down),
            Some(migration) => {
                return Err(Failure::misconfigured(
                    "migration-duplicate",
                    format!("migration `{}` has two ways back", migration.label),
                )
                .because(format!("one is in `{}`, one is `{file}`", migration.file))
                .with_hint("delete one of them"));
            }
            None => {
                return Err(Failure::misconfigured(
                    "migration-incomplete",
                    format!("`{file}` takes back a migration that is not there"),
                )
                .because(format!("no file with the version {version} leads up"))
                .with_hint(format!("restore the file that belongs to it, or delete `{file}`")));
            }
        }
    }
    Ok(migrations.into_values().collect())
}

/// The file's text with line feeds at the line ends and without a byte order mark.
fn text_of(file: &str, content: &[u8]) -> Result<String, Failure> {
    let text = std::str::from_utf8(content).map_err(|error| {
        Failure::misconfigured("migration-not-text", format!("migration `{file}` is not text in UTF-8"))
            .because(error)
            .with_hint("save the file in UTF-8")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n"))
}

fn checksum(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// Bytes as lower case hex digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn duplicate(label: &str, one: &str, other: &str) -> Failure {
    Failure::misconfigured("migration-duplicate", format!("two migrations have the version `{label}`"))
        .because(format!("they are `{one}` and `{other}`"))
        .with_hint(format!("give the newer one a version of its own, or delete it if it is a copy: `{other}`"))
}

fn parse_name(file: &str) -> Result<Name, Failure> {
    let refuse = |cause: &str, hint: &str| {
        Err(Failure::misconfigured("migration-name", format!("the name of migration `{file}` is not understood"))
            .because(cause)
            .with_hint(hint))
    };
    let understood = "name it like `0001_add_orders.sql`, `0001_add_orders.up.sql` with `0001_add_orders.down.sql`, or `V1__add_orders.sql` with `U1__add_orders.sql`";
    let Some(stem) = file.strip_suffix(".sql") else {
        return refuse("names end in `.sql`, in lower case", "rename the file");
    };
    let (rest, separator, direction) = match stem.as_bytes() {
        [b'R', b'_', b'_', ..] => {
            return refuse("repeatable migrations are not supported", "make it a migration with a version");
        }
        [b'V', digit, ..] if digit.is_ascii_digit() => (&stem[1..], "__", Some(Direction::Up)),
        [b'U', digit, ..] if digit.is_ascii_digit() => (&stem[1..], "__", Some(Direction::Down)),
        [digit, ..] if digit.is_ascii_digit() => match (stem.strip_suffix(".up"), stem.strip_suffix(".down")) {
            (Some(rest), _) => (rest, "_", Some(Direction::Up)),
            (_, Some(rest)) => (rest, "_", Some(Direction::Down)),
            _ => (stem, "_", None),
        },
        _ => return refuse("it begins with no version", understood),
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (label, title) = rest.split_at(digits);
    let Some(title) = title.strip_prefix(separator).filter(|title| !title.is_empty()) else {
        return refuse(
            &format!("`{separator}` and a name have to follow the version, which is digits only"),
            understood,
        );
    };
    let Ok(version) = label.parse::<i64>() else {
        return refuse("its version is too large a number", "use a sequence number or a timestamp down to the second");
    };
    Ok(Name { version, label: label.into(), title: title.replace(['_', '-'], " "), direction })
}

#[cfg(test)]
mod tests {
    use super::{Migration, assemble, read};

    fn files(files: &[(&str, &str)]) -> Result<Vec<Migration>, windlass_plugin::Failure> {
        assemble(files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect())
    }

    #[test]
    fn all_layouts_are_understood_and_ordered_by_number() {
        let found = files(&[
            ("20261120093000_last.sql", "a;"),
            ("10_ten.sql", "-- migrate:up\na;\n-- migrate:down\nb;"),
            ("0009_add_big-orders.up.sql", "a;"),
            ("0009_add_big-orders.down.sql", "c;"),
            ("V1__first.sql", "a;"),
            ("U1__first.sql", "d;"),
        ])
        .unwrap();
        let seen: Vec<_> = found
            .iter()
            .map(|m| (m.version, m.label.as_str(), m.title.as_str(), m.down.as_ref().map(|down| down.sql.as_str())))
            .collect();
        assert_eq!(
            seen,
            [
                (1, "1", "first", Some("d;")),
                (9, "0009", "add big orders", Some("c;")),
                (10, "10", "ten", Some("b;")),
                (20_261_120_093_000, "20261120093000", "last", None),
            ]
        );
    }

    #[test]
    fn line_ends_and_a_byte_order_mark_do_not_change_the_checksum_and_all_else_does() {
        let sum = |text| files(&[("1_a.sql", text)]).unwrap()[0].checksum.clone();
        // As `printf 'a;\nb;\n' | sha256sum` says.
        assert_eq!(sum("a;\nb;\n"), "02695dfcbe44ea48199fa3a03a95551182267d1b8a30a147e43fb5076246f506");
        assert_eq!(sum("\u{feff}a;\r\nb;\r\n"), sum("a;\nb;\n"));
        assert_ne!(sum("a; \nb;\n"), sum("a;\nb;\n"));
    }

    #[test]
    fn each_mistake_says_what_is_wrong_and_what_helps() {
        for (given, code, message) in [
            (&[("orders.sql", "a;")][..], "migration-name", "the name of migration `orders.sql` is not understood"),
            (&[("R__view.sql", "a;")], "migration-name", "the name of migration `R__view.sql` is not understood"),
            (&[("V1.2__a.sql", "a;")], "migration-name", "the name of migration `V1.2__a.sql` is not understood"),
            (&[("1_a.SQL", "a;")], "migration-name", "the name of migration `1_a.SQL` is not understood"),
            (&[("0001.sql", "a;")], "migration-name", "the name of migration `0001.sql` is not understood"),
            (
                &[("99999999999999999999_a.sql", "a;")],
                "migration-name",
                "the name of migration `99999999999999999999_a.sql` is not understood",
            ),
            (
                &[("0007_a.sql", "a;"), ("7_b.sql", "b;")],
                "migration-duplicate",
                "two migrations have the version `0007`",
            ),
            (
                &[("1_a.up.sql", "a;"), ("1_a.down.sql", "b;"), ("U1__a.sql", "b;")],
                "migration-duplicate",
                "two migrations have the version `1`",
            ),
            (
                &[("1_a.sql", "-- migrate:up\na;\n-- migrate:down\nb;"), ("1_a.down.sql", "b;")],
                "migration-duplicate",
                "migration `1` has two ways back",
            ),
            (
                &[("1_a.sql", "a;"), ("2_b.down.sql", "b;")],
                "migration-incomplete",
                "`2_b.down.sql` takes back a migration that is not there",
            ),
            (&[("1_a.sql", " \n")], "migration-empty", "migration `1_a.sql` has no statement"),
        ] {
            let failure = files(given).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.message.as_str()), (code, message));
            assert!(failure.hint.is_some(), "{message}");
            assert_eq!(failure.kind, windlass_plugin::FailureKind::Misconfigured);
        }
        let failure = assemble(vec![("1_a.sql".into(), vec![b'a', 0xff])]).unwrap_err();
        assert_eq!(failure.message, "migration `1_a.sql` is not text in UTF-8");
    }

    #[test]
    fn a_directory_is_read_and_what_is_no_migration_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        assert_eq!(read(path).unwrap_err().code, "migrations-none");
        for name in ["1_a.sql", "README.md", ".2_b.sql"] {
            std::fs::write(directory.path().join(name), "a;").unwrap();
        }
        std::fs::create_dir(directory.path().join("old.sql")).unwrap();
        assert_eq!(read(path).unwrap().len(), 1);
        assert_eq!(read(&format!("{path}/absent")).unwrap_err().code, "migrations-unreadable");
    }
}
