//! The deployment that is killed: eight steps of every kind, a finally step and a database, with a release to go back to.

use crate::world::{self, Schema};
use e2e::{COMMIT, Project};
use std::time::{Duration, Instant};

/// How often is looked at what cannot be waited for.
pub(crate) const LOOK: Duration = Duration::from_millis(1);

/// What all cases begin with.
pub(crate) struct Deployment {
    /// Release 1 is live, and release 2 is ready to be deployed. Copied for each case.
    template: Project,
    /// The run of release 1.
    pub(crate) base: String,
    /// The database before release 2, and after it.
    pub(crate) before: Schema,
    pub(crate) after: Schema,
    /// How long deploying release 2 takes from the moment at which its journal begins, and the same for the whole.
    pub(crate) usual: Duration,
    pub(crate) whole: Duration,
}

/// The command that deploys release 2.
pub(crate) fn run() -> String {
    format!("run --release-version 2 --commit {COMMIT} --format json")
}

impl Deployment {
    /// Deploys release 1, and release 2 in a copy, to see what it comes to.
    pub(crate) fn prepare() -> Self {
        let template = Project::with(include_str!("deploy.toml"))
            .file("act", include_str!("act"))
            .file("effects", "")
            .file("pause", "none 0\n")
            .file("db/0001_orders.up.sql", "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT);\n")
            .file("db/0001_orders.down.sql", "DROP TABLE orders;\n")
            .locked();
        let base = template.windlass("run --release-version 1 --format json").exits(0).result();
        template.write(
            "db/0002_prices.up.sql",
            "CREATE TABLE prices (id INTEGER PRIMARY KEY, price INTEGER);\nINSERT INTO prices VALUES (1, 10);\n",
        );
        template.write("db/0002_prices.down.sql", "DROP TABLE prices;\n");
        template.write("db/0003_note.up.sql", "CREATE INDEX notes ON orders (note);\n");
        template.write("db/0003_note.down.sql", "DROP INDEX notes;\n");
        template.write(
            "db/0004_paid.up.sql",
            "ALTER TABLE orders ADD COLUMN paid INTEGER NOT NULL DEFAULT 0;\nUPDATE prices SET price = price + 1;\n",
        );
        template.write(
            "db/0004_paid.down.sql",
            "UPDATE prices SET price = price - 1;\nALTER TABLE orders DROP COLUMN paid;\n",
        );
        let deployed = template.copy();
        let started = Instant::now();
        let mut child = deployed.start(&run());
        let mut begun = None;
        while child.try_wait().expect("a state").is_none() {
            if begun.is_none() && world::runs(&deployed).len() > 1 {
                begun = Some(Instant::now());
            }
            std::thread::sleep(LOOK);
        }
        let (begun, whole) = (begun.expect("a journal").elapsed(), started.elapsed());
        let _ = deployed.finish(child).exits(0);
        Self {
            base: base["run"].as_str().expect("a run").to_owned(),
            before: Schema::of(&template),
            after: Schema::of(&deployed),
            usual: begun,
            whole,
            template,
        }
    }

    /// A project of a case's own.
    pub(crate) fn copy(&self) -> Project {
        self.template.copy()
    }
}
