//! The test kit: cases that a plugin is tried with, without a forge, a network or a database server.
//!
//! A case is played with the real component, in the real runtime, behind the real gate, with real files and real SQLite. Only
//! what a gate lets out of the machine is replaced, by a stand-in that answers what the case says and nothing else.
//!
//! This room prints nothing: [`run`] says what came, and `report` shows it.

mod cases;
mod compare;
mod play;
mod project;
mod read;
mod scene;
mod stage;

pub use compare::{Difference, Line};
pub use read::CaseFile;

use crate::config::WithSchema;
use crate::network::Client;
use crate::plugin::{Outside, Plugin};
use crate::problem::Problem;
use crate::secret::Secrets;
use play::Play;
use scene::Scene;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What came of a case.
#[derive(Debug, Clone)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub took: Duration,
    /// What is not as expected; nothing where it passed.
    pub differences: Vec<Difference>,
}

/// What came of the cases of a file.
#[derive(Debug, Clone)]
pub struct Results {
    /// `name@version` of the plugin.
    pub plugin: String,
    /// The SHA-256 of its component, in hex.
    pub digest: String,
    /// In the order of the file.
    pub cases: Vec<CaseResult>,
}

impl Results {
    /// How many did not pass.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.cases.iter().filter(|case| !case.differences.is_empty()).count()
    }
}

/// Plays the cases whose names have this text in them.
///
/// # Errors
/// Where the plugin's schema is none, or a project of a case cannot be made.
pub async fn run(plugin: &Plugin, file: &CaseFile, filter: Option<&str>) -> Result<Results, Problem> {
    let schema = WithSchema::new(plugin.name(), plugin.schema().clone())?;
    let mut cases = vec![];
    for (index, case) in file.cases.iter().enumerate() {
        if !filter.is_none_or(|filter| case.name.contains(filter)) {
            continue;
        }
        let began = Instant::now();
        let scene = Arc::new(Scene::new(file, index, case));
        let play = Play {
            plugin,
            schema: &schema,
            file,
            index,
            outside: Outside::StandIn(scene.clone()),
            client: Client::default(),
            secrets: Secrets::of(case.secrets.clone().into_iter().collect()),
            environment: case.variables.clone(),
        };
        let mut played = play.play().await?;
        played.loose_ends = scene.loose_ends();
        let differences = compare::compare(case, &played).await;
        cases.push(CaseResult { name: case.name.clone(), took: began.elapsed(), differences });
    }
    Ok(Results { plugin: plugin.locked_name(), digest: plugin.digest().to_owned(), cases })
}
