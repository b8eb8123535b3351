//! What a database's URL means. It may hold a password, also one that was pasted in unencoded and fell into the wrong
//! part: nothing of a URL that is refused is repeated, and what is not understood is refused rather than ignored.

use std::path::{Component, Path, PathBuf};

use url::{Host, Url};

use super::Error;

/// Where a database is.
pub(super) enum Target {
    /// In a file.
    File {
        /// The file; none for a database in memory.
        path: Option<PathBuf>,
        /// Whether the URL itself asks for reading only.
        read_only: bool,
        /// Whether a missing file may be made.
        create: bool,
    },
    /// On a PostgreSQL server.
    Postgresql(Url),
    /// On a MySQL or MariaDB server.
    Mysql(Url),
}

/// Parameters that sqlx understands for PostgreSQL, and `options[…]`. It logs others with their values, so they must not
/// reach it.
const POSTGRESQL_PARAMETERS: [&str; 17] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Parameters that sqlx understands for MySQL.
const MYSQL_PARAMETERS: [&str; 13] = [
    "sslmode",
    "ssl-mode",
    "sslca",
    "ssl-ca",
    "charset",
    "collation",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "socket",
    "timezone",
    "time-zone",
];

fn invalid(reason: impl Into<String>) -> Error {
    Error::InvalidUrl { reason: reason.into() }
}

impl Target {
    /// Reads a URL. A relative path of a SQLite file is relative to `project`.
    pub(super) fn parse(url: &str, project: &Path) -> Result<Self, Error> {
        let url = url.trim();
        let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("sqlite") => file(&url["sqlite:".len()..], project),
            Some("postgres" | "postgresql") => server(url, &POSTGRESQL_PARAMETERS).map(Self::Postgresql),
            Some("mysql" | "mariadb") => server(url, &MYSQL_PARAMETERS).map(Self::Mysql),
            _ => Err(invalid("it does not begin with `sqlite:`, `postgres:`, `postgresql:`, `mysql:` or `mariadb:`")),
        }
    }
}

fn file(rest: &str, project: &Path) -> Result<Target, Error> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (mut read_only, mut create, mut memory) = (false, true, path == ":memory:");
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match (&*name, &*value) {
            ("mode", "rwc") => {}
            ("mode", "rw") => create = false,
            ("mode", "ro") => read_only = true,
            ("mode", "memory") => memory = true,
            _ => return Err(invalid("the only parameter of a SQLite file is `mode`: `ro`, `rw`, `rwc` or `memory`")),
        }
    }
    if memory {
        return Ok(Target::File { path: None, read_only, create });
    }
    let path = percent_decode(path).ok_or_else(|| invalid("its path is not UTF-8"))?;
    if path.is_empty() || path.contains('\0') {
        return Err(invalid("it names no file"));
    }
    Ok(Target::File { path: Some(project.join(path)), read_only, create })
}

/// Refuses a file of the project that is somewhere else by a link, as a plugin that may change its directory could make one.
pub(super) fn stays(path: &Path, project: &Path) -> Result<(), Error> {
    let Ok(below) = path.strip_prefix(project) else { return Ok(()) };
    let (Ok(project), Some(name)) = (project.canonicalize(), path.file_name()) else { return Ok(()) };
    if below.components().any(|part| part == Component::ParentDir) {
        return Ok(());
    }
    // Where it is not there yet it is made in its directory, unless it is a link to what is not there.
    let found = match path.canonicalize() {
        Ok(found) => Some(found),
        Err(_) if path.is_symlink() => std::fs::read_link(path).ok(),
        Err(_) => path.parent().and_then(|directory| directory.canonicalize().ok()).map(|place| place.join(name)),
    };
    match found {
        Some(found) if !found.starts_with(&project) => Err(Error::Confined {
            cause: format!("`{}` leads out of the project: there is a link to `{}`", below.display(), found.display()),
        }),
        _ => Ok(()),
    }
}

/// Percent-decoding; a `%` that begins no escape stays.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escape = match after {
            [high, low, ..] if *first == b'%' => hex::decode([*high, *low]).ok().and_then(|byte| byte.first().copied()),
            _ => None,
        };
        bytes.push(escape.unwrap_or(*first));
        rest = if escape.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

fn server(url: &str, parameters: &[&str]) -> Result<Url, Error> {
    // The parser's errors are fixed sentences.
    let mut url = Url::parse(url).map_err(|error| invalid(error.to_string()))?;
    if url.cannot_be_a_base() {
        return Err(invalid("`//` is missing after its scheme"));
    }
    if url.fragment().is_some() {
        return Err(invalid("it has a `#`, which belongs to no part of it"));
    }
    if url.path().trim_start_matches('/').contains(['@', '/', ':']) {
        return Err(invalid("the name of its database has an unencoded `@`, `:` or `/`"));
    }
    for (name, _) in url.query_pairs() {
        let option = name.starts_with("options[") && name.ends_with(']') && parameters.contains(&"options");
        if !option && !parameters.contains(&&*name) {
            return Err(invalid(format!(
                "it has a parameter that is not known; known are {}",
                parameters.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            )));
        }
    }
    // sqlx would look up the name `[::1]`.
    if let Some(Host::Domain(host)) = url.host()
        && let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'))
    {
        let address = address.to_owned();
        url.set_host(Some(&address)).map_err(|error| invalid(error.to_string()))?;
    }
    Ok(url)
}

/// The address of an IPv6 host as a resolver takes it, without brackets.
pub(super) fn bare_ipv6(url: &Url) -> Option<String> {
    match url.host() {
        Some(Host::Ipv6(address)) => Some(address.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Error, Target};

    fn parse(url: &str) -> Result<Target, Error> {
        Target::parse(url, Path::new("/project"))
    }

    fn path(url: &str) -> Option<PathBuf> {
        match parse(url).expect("a URL") {
            Target::File { path, .. } => path,
            _ => panic!("not a file"),
        }
    }

    #[test]
    fn files_are_relative_to_the_project() {
        assert_eq!(path("sqlite:data/a.db"), Some("/project/data/a.db".into()));
        assert_eq!(path("sqlite://a.db?mode=rwc"), Some("/project/a.db".into()));
        assert_eq!(path("sqlite:///var/a%20b%.db"), Some("/var/a b%.db".into()));
        assert_eq!(path("sqlite::memory:"), None);
        assert!(matches!(parse("sqlite:a?mode=ro"), Ok(Target::File { read_only: true, .. })));
        assert!(parse("sqlite:").is_err());
        assert!(parse("sqlite:a?cache=shared").is_err());
    }

    #[test]
    fn a_refused_url_is_never_repeated() {
        // Passwords that nobody encoded: `se/cret`, `se?cret`, `se#cret`, `1/secret`, `1?secret`, `1#secret`.
        for password in ["se/cret", "se?cret", "se#cret", "1/secret", "1?secret", "1#secret", "1/se:cret"] {
            for scheme in ["postgres", "mysql"] {
                let error = parse(&format!("{scheme}://user:{password}@host/db")).err().expect(password);
                let text = format!("{error} {error:?} {:?} {:?}", error.causes(), error.hint());
                for piece in password.split(['/', '?', '#', ':']).filter(|piece| piece.len() > 2) {
                    assert!(!text.contains(piece), "{text}");
                }
            }
        }
        for url in ["", "secret", "secret://host", "postgres:secret", "postgres://host:99999/secret"] {
            let error = parse(url).err().expect(url);
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
    }

    #[test]
    fn servers_are_told_apart() {
        assert!(matches!(parse("postgresql://h/d?sslmode=disable"), Ok(Target::Postgresql(_))));
        assert!(matches!(parse("POSTGRES://h"), Ok(Target::Postgresql(_))));
        assert!(matches!(parse("mariadb://u:p%40@h:3307/d"), Ok(Target::Mysql(_))));
        assert!(matches!(parse("postgres://[::1]:5432/d"), Ok(Target::Postgresql(_))));
    }
}
