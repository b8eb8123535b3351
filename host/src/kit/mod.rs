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
mod recording;
mod scene;
mod stage;
mod written;

pub use compare::{Difference, Line};
pub use read::CaseFile;

use crate::config::WithSchema;
use crate::network::Client;
use crate::plugin::{Limits, Outside, Plugin};
use crate::problem::Problem;
use crate::secret::Secrets;
use cases::Case;
use play::{Play, Played};
use recording::{Heard, Recording};
use scene::Scene;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use written::Insert;

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

/// What came of recording.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// What came of the cases as they are written now.
    pub results: Results,
    /// The file's new text.
    pub text: String,
    /// What the world did not answer, which is written as it came: in which case, what, and why.
    pub unanswered: Vec<String>,
}

/// The world, for cases that are recorded from it.
#[derive(Debug, Clone)]
pub struct World {
    /// What sends requests.
    pub client: Client,
    /// The job's environment: programs are found by it, and secrets are read from it.
    pub variables: BTreeMap<String, String>,
}

/// Plays cases with one plugin.
struct Player<'a> {
    plugin: &'a Plugin,
    schema: WithSchema,
    filter: Option<&'a str>,
}

/// Plays the cases whose names have this text in them.
///
/// # Errors
/// Where the plugin's schema is none, or a project of a case cannot be made.
pub async fn run(plugin: &Plugin, file: &CaseFile, filter: Option<&str>) -> Result<Results, Problem> {
    Player::new(plugin, filter)?.run(file).await
}

/// Writes into the cases whose names have this text in them what came of them: as what is expected, and where a case has no
/// canned answers, also what the world answered. The cases of the new text were played once more. A case in which something was
/// not answered by its canned answers is left as it is.
///
/// # Errors
/// As [`run`], and where the file cannot be written anew.
pub async fn record(
    plugin: &Plugin,
    file: &CaseFile,
    filter: Option<&str>,
    world: &World,
) -> Result<Recorded, Problem> {
    let player = Player::new(plugin, filter)?;
    let (mut inserts, mut unanswered) = (BTreeMap::new(), vec![]);
    for (index, case) in player.chosen(file) {
        if case.http.is_empty() && case.command.is_empty() && case.tcp_probe.is_empty() {
            // One that cannot begin is left as it is, and fails at the end.
            let Ok(heard) = player.listen(file, index, case, world).await else { continue };
            unanswered.extend(heard.unanswered.iter().map(|what| format!("in case `{}` {what}", case.name)));
            inserts.insert(index, Insert { canned: heard.blocks, expected: None });
        }
    }
    let answered = written::insert(file, &inserts)?;
    let mut inserts = BTreeMap::new();
    for (index, case) in player.chosen(&answered) {
        let Ok(played) = player.play(&answered, index, case).await else { continue };
        if played.loose_ends.is_empty() && played.too_much.is_empty() {
            let expected = Some(written::expectation(case, &played).await);
            inserts.insert(index, Insert { canned: vec![], expected });
        }
    }
    let recorded = written::insert(&answered, &inserts)?;
    Ok(Recorded { results: player.run(&recorded).await?, text: recorded.text, unanswered })
}

impl<'a> Player<'a> {
    fn new(plugin: &'a Plugin, filter: Option<&'a str>) -> Result<Self, Problem> {
        let schema = WithSchema::new(plugin.name(), plugin.schema().clone())?;
        Ok(Self { plugin, schema, filter })
    }

    fn chosen<'f>(&self, file: &'f CaseFile) -> impl Iterator<Item = (usize, &'f Case)> + use<'f, '_, 'a> {
        let cases = file.cases.iter().enumerate();
        cases.filter(|(_, case)| self.filter.is_none_or(|filter| case.name.contains(filter)))
    }

    async fn run(&self, file: &CaseFile) -> Result<Results, Problem> {
        let mut cases = vec![];
        for (index, case) in self.chosen(file) {
            let began = Instant::now();
            // Of a case that cannot begin the others know nothing.
            let differences = match self.play(file, index, case).await {
                Ok(played) => compare::compare(case, &played).await,
                Err(problem) => vec![Difference::of(&problem)],
            };
            cases.push(CaseResult { name: case.name.clone(), took: began.elapsed(), differences });
        }
        Ok(Results { plugin: self.plugin.locked_name(), digest: self.plugin.digest().to_owned(), cases })
    }

    /// Plays a case with its canned answers.
    async fn play(&self, file: &CaseFile, index: usize, case: &Case) -> Result<Played, Problem> {
        let scene = Arc::new(Scene::new(file, index, case));
        let secrets = Secrets::of(case.secrets.clone().into_iter().collect());
        let play = Play {
            plugin: self.plugin,
            schema: &self.schema,
            file,
            index,
            outside: Outside::StandIn(scene.clone()),
            client: Client::default(),
            secrets,
            environment: variables(case),
            patience: Limits::default().time,
        };
        let mut played = play.play().await?;
        played.loose_ends = scene.loose_ends();
        Ok(played)
    }

    /// Plays a case in the world, and says what that answered.
    async fn listen(&self, file: &CaseFile, index: usize, case: &Case, world: &World) -> Result<Heard, Problem> {
        let mut secrets = case.secrets.clone();
        for (name, value) in &mut secrets {
            if let Some(real) = world.variables.get(name).filter(|real| !real.is_empty()) {
                value.clone_from(real);
            }
        }
        let recording = Arc::new(Recording::new(&secrets, &case.secrets));
        let mut environment = world.variables.clone();
        environment.retain(|name, _| !secrets.contains_key(name));
        environment.extend(variables(case));
        let play = Play {
            plugin: self.plugin,
            schema: &self.schema,
            file,
            index,
            outside: Outside::StandIn(recording.clone()),
            client: world.client.clone(),
            secrets: Secrets::of(secrets.into_iter().collect()),
            environment,
            patience: PATIENCE,
        };
        play.play().await?;
        Ok(recording.all_heard())
    }
}

/// How long a call may take in the world, where a case does not say.
const PATIENCE: Duration = Duration::from_secs(600);

/// The variables of a case. What is a secret is none, as in a run.
fn variables(case: &Case) -> BTreeMap<String, String> {
    let mut variables = case.variables.clone();
    variables.retain(|name, _| !case.secrets.contains_key(name));
    variables
}
