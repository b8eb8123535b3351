//! The step's `with`, and what it needs.

use schemars::JsonSchema;
use serde::Deserialize;
use windlass_plugin::{ALL_PHASES, Access, Capability, Duration, Failure, SecretUse};

/// The name under which a database given by its URL is opened.
const CONNECTION: &str = "database";

/// The step's `with`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The directory of the migrations, relative to the project.
    pub directory: String,
    /// The database: `{ secret = "DATABASE_URL" }`, or `{ url = "sqlite:var/app.db" }`.
    pub database: DatabaseReference,
    /// The table that records what was applied. `windlass_migrations` unless told otherwise.
    #[serde(default = "default_table")]
    #[schemars(regex(pattern = r"^[a-z_][a-z0-9_]*$"), length(max = 63))]
    pub table: String,
    /// The tool that migrated this database before. What its history says was applied is taken as applied, once.
    #[serde(default)]
    pub adopt: Option<Tool>,
    /// The newest version that a database already has which no history records, for example `0007`. Looked at once: where
    /// the database has tables and no history. `0` says that none of the files was applied to it.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[0-9]{1,18}$"))]
    pub baseline: Option<String>,
    /// Apply a migration although a newer one was applied before it.
    #[serde(default)]
    pub out_of_order: bool,
    /// Go on although the file of an applied migration is gone.
    #[serde(default)]
    pub allow_missing: bool,
    /// How long to wait for another run that migrates, and for locks that others hold on tables. `60s` unless told
    /// otherwise.
    #[serde(default = "default_lock_timeout")]
    pub lock_timeout: Duration,
    /// How long one statement may take, on PostgreSQL and MariaDB. Without it only the step's timeout holds.
    #[serde(default)]
    pub statement_timeout: Option<Duration>,
}

/// Which database. Exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseReference {
    /// The name of the secret that holds the URL.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub secret: Option<String>,
    /// A URL without a password: `sqlite:PATH`, `postgres://…` or `mysql://…`.
    #[serde(default)]
    pub url: Option<String>,
}

/// A tool whose history can be taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    /// Flyway, from `flyway_schema_history`.
    Flyway,
    /// golang-migrate, from `schema_migrations`.
    GolangMigrate,
    /// dbmate, from `schema_migrations`.
    Dbmate,
    /// Rails, from `schema_migrations`.
    Rails,
    /// sqlx, from `_sqlx_migrations`.
    Sqlx,
    /// refinery, from `refinery_schema_history`.
    Refinery,
    /// goose, from `goose_db_version`.
    Goose,
}

fn default_table() -> String {
    "windlass_migrations".into()
}

fn default_lock_timeout() -> Duration {
    Duration::seconds(60)
}

impl Config {
    /// The name under which the database is opened.
    #[must_use]
    pub fn connection(&self) -> &str {
        self.database.secret.as_deref().unwrap_or(CONNECTION)
    }

    /// The baseline as a version.
    ///
    /// # Errors
    /// `misconfigured` where it is no number.
    pub fn baseline_version(&self) -> Result<Option<i64>, Failure> {
        let Some(text) = &self.baseline else { return Ok(None) };
        match text.parse() {
            Ok(version) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(version)),
            _ => Err(Failure::misconfigured("invalid-baseline", format!("`baseline` cannot be `{text}`"))
                .because("a version is digits only, at most 18")
                .with_hint("write the version as the file's name has it, for example `baseline = \"0007\"`")),
        }
    }

    /// What the configuration needs, once it is right.
    ///
    /// # Errors
    /// `misconfigured` where the schema could not say what is wrong.
    pub fn requires(&self) -> Result<Vec<Capability>, Failure> {
        self.baseline_version()?;
        if self.baseline.is_some() && self.adopt.is_some() {
            return Err(Failure::misconfigured("ambiguous-history", "`baseline` and `adopt` are both set")
                .because("each says from where it is known what was applied before")
                .with_hint("keep `adopt` where the other tool's history is right, else `baseline`"));
        }
        let first = self.table.bytes().next();
        if !first.is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_')
            || !self.table.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            || self.table.len() > 63
        {
            return Err(Failure::misconfigured("invalid-table", format!("`table` cannot be `{}`", self.table))
                .because("it has to begin with a lower case letter or `_`, and go on with these and digits, at most 63")
                .with_hint("leave `table` out to have `windlass_migrations`"));
        }
        let mut capabilities = vec![Capability::directory(self.directory.as_str(), Access::Read, ALL_PHASES)];
        match (&self.database.secret, &self.database.url) {
            (Some(secret), None) => {
                capabilities.push(Capability::secret_database(secret.as_str(), Access::Write, ALL_PHASES));
                capabilities.push(Capability::secret(secret.as_str(), SecretUse::Database, ALL_PHASES));
            }
            (None, Some(url)) => {
                check_url(url)?;
                capabilities.push(Capability::database(CONNECTION, url.as_str(), Access::Write, ALL_PHASES));
            }
            (secret, _) => {
                let cause = if secret.is_some() {
                    "`secret` and `url` are both set"
                } else {
                    "neither `secret` nor `url` is set"
                };
                return Err(Failure::misconfigured("invalid-database", "`database` does not name one database")
                    .because(cause)
                    .with_hint("write `database = { secret = \"DATABASE_URL\" }` or `database = { url = \"sqlite:var/app.db\" }`"));
            }
        }
        Ok(capabilities)
    }
}

/// Whether a URL is one that may stand in a file for all to read.
fn check_url(url: &str) -> Result<(), Failure> {
    let scheme = url.split_once(':').map(|(scheme, rest)| (scheme, rest.strip_prefix("//")));
    match scheme {
        Some(("sqlite", _)) => return Ok(()),
        Some(("postgres" | "postgresql" | "mysql" | "mariadb", Some(rest))) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let query = rest.split_once('?').map_or("", |(_, query)| query);
            // A password may hold an `@` or a `/` that nobody encoded: the user ends at the last `@` there is.
            let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
            let secret =
                |pair: &str| pair.split('=').next().is_some_and(|key| key.to_ascii_lowercase().contains("pass"));
            if !user.contains(':') && !query.split('&').any(secret) && !authority.is_empty() {
                return Ok(());
            }
            if authority.is_empty() {
                return Err(invalid_url("`url` names no host"));
            }
        }
        _ => {
            return Err(invalid_url("`url` does not begin with `sqlite:`, `postgres://` or `mysql://`"));
        }
    }
    // The URL is not shown: it would be in every log from here on.
    Err(Failure::misconfigured("password-in-config", "`url` holds a password")
        .because("`deploy.toml` is read by everybody who can read the project")
        .with_hint(
            "change the password, put the URL into a secret, and write `database = { secret = \"DATABASE_URL\" }`",
        ))
}

fn invalid_url(cause: &str) -> Failure {
    Failure::misconfigured("invalid-database", "`database` does not name one database")
        .because(cause)
        .with_hint("write for example `database = { url = \"sqlite:var/app.db\" }`")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Config, Tool};
    use serde_json::{Value, json};
    use windlass_plugin::{Duration, Grant, SecretUse};

    /// A configuration with these keys over the least there can be.
    pub(crate) fn config(more: &Value) -> Config {
        let mut whole = json!({"directory": "db", "database": {"url": "sqlite:var/app.db"}});
        for (key, value) in more.as_object().unwrap() {
            whole[key] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let config = config(&json!({}));
        assert_eq!(config.table, "windlass_migrations");
        assert_eq!(config.lock_timeout, Duration::seconds(60));
        assert!(!config.out_of_order && !config.allow_missing);
    }

    #[test]
    fn a_secret_database_asks_for_the_secret_too() {
        let config = config(&json!({"database": {"secret": "DATABASE_URL"}, "adopt": "golang-migrate"}));
        assert_eq!((config.connection(), config.adopt), ("DATABASE_URL", Some(Tool::GolangMigrate)));
        let grants: Vec<_> = config.requires().unwrap().into_iter().map(|capability| capability.grant).collect();
        let [Grant::Directory(directory), Grant::Database(database), Grant::Secret(secret)] = grants.as_slice() else {
            panic!("{grants:?}")
        };
        assert_eq!(directory.path, "db");
        assert_eq!((database.name.as_str(), &database.url), ("DATABASE_URL", &None));
        assert_eq!((secret.name.as_str(), &secret.usage), ("DATABASE_URL", &SecretUse::Database));
    }

    #[test]
    fn a_database_by_url_asks_for_no_secret() {
        let config = config(&json!({}));
        let grants: Vec<_> = config.requires().unwrap().into_iter().map(|capability| capability.grant).collect();
        let [Grant::Directory(_), Grant::Database(database)] = grants.as_slice() else { panic!("{grants:?}") };
        assert_eq!((database.name.as_str(), database.url.as_deref()), (config.connection(), Some("sqlite:var/app.db")));
    }

    #[test]
    fn each_mistake_is_refused_with_a_hint_and_no_password_is_shown() {
        for (more, code) in [
            (json!({"database": {}}), "invalid-database"),
            (json!({"database": {"secret": "A", "url": "sqlite:a"}}), "invalid-database"),
            (json!({"database": {"url": "oracle://a"}}), "invalid-database"),
            (json!({"database": {"url": "postgres:a"}}), "invalid-database"),
            (json!({"database": {"url": "postgres:///shop"}}), "invalid-database"),
            (json!({"database": {"url": "postgres://shop:hunter2@db/shop"}}), "password-in-config"),
            (json!({"database": {"url": "mysql://shop:hunter2/@db/shop"}}), "password-in-config"),
            (json!({"database": {"url": "postgres://db/shop?user=a&Password=hunter2"}}), "password-in-config"),
            (json!({"table": "a; drop"}), "invalid-table"),
            (json!({"table": "A"}), "invalid-table"),
            (json!({"table": ""}), "invalid-table"),
            (json!({"table": "1a"}), "invalid-table"),
            (json!({"baseline": "seven"}), "invalid-baseline"),
            (json!({"baseline": "+7"}), "invalid-baseline"),
            (json!({"baseline": "7", "adopt": "flyway"}), "ambiguous-history"),
        ] {
            let failure = config(&more).requires().unwrap_err();
            assert_eq!(failure.code, code, "{more}");
            assert!(failure.hint.is_some() && !failure.causes.is_empty(), "{more}");
            assert!(!format!("{failure:?}").contains("hunter2"), "{more}");
        }
        for url in ["postgres://shop@db:5433/shop?sslmode=require", "mysql://db/shop", "sqlite:var/a:b@c.db"] {
            assert!(config(&json!({"database": {"url": url}})).requires().is_ok(), "{url}");
        }
    }

    #[test]
    fn the_schema_names_every_key_and_refuses_others() {
        let schema = schemars::schema_for!(Config);
        let schema = schema.as_value();
        assert_eq!(schema["additionalProperties"], json!(false));
        let keys: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "adopt",
                "allow-missing",
                "baseline",
                "database",
                "directory",
                "lock-timeout",
                "out-of-order",
                "statement-timeout",
                "table"
            ]
        );
        assert_eq!(schema["required"], json!(["directory", "database"]));
        assert!(serde_json::from_value::<Config>(json!({"directory": "a", "database": {"uri": "b"}})).is_err());
    }
}
