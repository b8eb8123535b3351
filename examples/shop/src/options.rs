//! What the shop is started with.

use std::net::SocketAddr;
use std::path::PathBuf;

/// How to start it.
pub const USAGE: &str = "\
usage: shop --listen 127.0.0.1:PORT --database FILE [--environment NAME] [--commit COMMIT] [--pid-file FILE]";

/// What the shop is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its SQLite database. The deployment makes it; the shop never does.
    pub database: PathBuf,
    /// The environment that it serves.
    pub environment: String,
    /// The commit that it was built from.
    pub commit: String,
    /// Where it writes its process id once it listens.
    pub pid_file: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments after the program's name.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut listen, mut database, mut pid_file) = (None, None, None);
        let (mut environment, mut commit) = ("development".to_owned(), "unknown".to_owned());
        let mut arguments = arguments;
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("`{name}` is unknown, or has no value"))?;
            match name.as_str() {
                "--listen" => listen = Some(address(&value)?),
                "--database" => database = Some(PathBuf::from(value)),
                "--environment" => environment = value,
                "--commit" => commit = value,
                "--pid-file" => pid_file = Some(PathBuf::from(value)),
                _ => return Err(format!("`{name}` is unknown")),
            }
        }
        Ok(Self {
            listen: listen.ok_or("`--listen` is missing")?,
            database: database.ok_or("`--database` is missing")?,
            environment,
            commit,
            pid_file,
        })
    }
}

/// An address of this machine only: the shop has no one to guard it.
fn address(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|error| format!("`{text}` is not an address: {error}"))?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!("`{text}` is reachable from elsewhere; the shop listens on `127.0.0.1` only"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn an_address_and_a_database_are_enough() {
        let options = parse(&["--listen", "127.0.0.1:0", "--database", "shop.db"]).unwrap();
        assert_eq!(options.environment, "development");
        assert_eq!(options.pid_file, None);
        assert!(parse(&["--listen", "127.0.0.1:0"]).unwrap_err().contains("--database"));
        assert!(parse(&["--database", "shop.db"]).unwrap_err().contains("--listen"));
    }

    #[test]
    fn it_listens_on_loopback_only() {
        for wrong in ["0.0.0.0:80", "[::]:80", "192.168.1.1:80", "localhost:80", "80"] {
            assert!(parse(&["--listen", wrong, "--database", "shop.db"]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn unknown_arguments_are_refused() {
        for wrong in [&["--lisen", "127.0.0.1:0"][..], &["--database"], &["serve"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
