//! The test kit: cases that a plugin is tried with, without a forge, a network or a database server.
//!
//! A case is played with the real component, in the real runtime, behind the real gate, with real files and real SQLite. Only
//! what a gate lets out of the machine is replaced, by a stand-in that answers what the case says and nothing else.
//!
//! This room prints nothing: [`run`] says what came, and `report` shows it.

mod cases;
mod compare;
mod insert;
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
use crate::problem::{Code, Problem};
use crate::secret::Secrets;
use cases::Case;
use insert::Insert;
use play::{Play, Played};
use recording::{Heard, Recording};
use scene::Scene;
use std::collections::{BTreeMap, BTreeSet};
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
    /// What the plugin logged, in order: the call, the level and the line. Where the case says what a call logs, that is compared
    /// instead.
    pub log: Vec<String>,
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
    /// What was expected until now and came otherwise, by the names of the cases.
    pub changed: Vec<(String, Vec<Difference>)>,
}

/// The world, for cases that are recorded from it.
#[derive(Debug, Clone)]
pub struct World {
    /// What sends requests.
    pub client: Client,
    /// The job's environment: programs are found by it, and the secrets of cases are read from it.
    pub variables: BTreeMap<String, String>,
    /// Of these the ones that no plugin reads as variables, because they are secrets of the project around it.
    pub withheld: BTreeSet<String>,
    /// All secrets that are known, which are written nowhere.
    pub secrets: Secrets,
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
/// As [`run`]; and before anything is run, where a case that is to be played in the world does not say what is granted, or the file
/// cannot be written anew.
pub async fn record(
    plugin: &Plugin,
    file: &CaseFile,
    filter: Option<&str>,
    world: &World,
) -> Result<Recorded, Vec<Problem>> {
    let one = |problem| vec![problem];
    let player = Player::new(plugin, filter).map_err(one)?;
    player.may_be_recorded(file).await?;
    let (mut inserts, mut unanswered) = (BTreeMap::new(), vec![]);
    for (index, case) in player.chosen(file) {
        if !case.has_answers() {
            // One that cannot begin is left as it is, and fails at the end.
            let Ok(heard) = player.listen(file, index, case, world).await else { continue };
            unanswered.extend(heard.unanswered.iter().map(|what| format!("in case `{}` {what}", case.name)));
            inserts.insert(index, Insert { canned: heard.blocks, expected: None });
        }
    }
    let answered = insert::insert(file, &inserts).map_err(one)?;
    let (mut inserts, mut changed) = (BTreeMap::new(), vec![]);
    for (index, case) in player.chosen(&answered) {
        let Ok(played) = player.play(&answered, index, case).await else { continue };
        if played.loose_ends.is_empty() && played.too_much.is_empty() {
            let differences = compare::compare(case, &played).await;
            if !differences.is_empty() {
                changed.push((case.name.clone(), differences));
            }
            let expected = Some(written::expectation(case, &played).await);
            inserts.insert(index, Insert { canned: vec![], expected });
        }
    }
    let recorded = insert::insert(&answered, &inserts).map_err(one)?;
    let results = player.run(&recorded).await.map_err(one)?;
    Ok(Recorded { results, text: recorded.text, unanswered, changed })
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

    /// That all that is to be recorded can be, as far as that shows before anybody in the world is asked for anything.
    async fn may_be_recorded(&self, file: &CaseFile) -> Result<(), Vec<Problem>> {
        let mut problems = vec![];
        for (index, case) in self.chosen(file) {
            problems.extend(insert::rehearse(file, index, !case.has_answers()).err());
            if !case.has_answers() && case.granted.is_none() {
                problems.extend(self.ungranted(file, index, case).await);
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// That a case which is to be played in the world has to say what is granted there: whoever wrote the plugin would decide it
    /// otherwise. None where all that it asks for stays in the case.
    async fn ungranted(&self, file: &CaseFile, index: usize, case: &Case) -> Option<Problem> {
        // Where the plugin cannot be asked, it is not called either.
        let wanted = play::wanted(self.plugin, &self.schema, file, index).await.ok()?;
        if wanted.iter().all(play::stays_in_the_case) {
            return None;
        }
        let table = written::list("granted", compare::inline(&wanted));
        let problem = Problem::new(
            Code::CasesInvalid,
            format!("the case `{}` does not say what is granted", case.name),
        )
        .because(
            "it has no canned answers, so what is granted is done in the world, and not all that the plugin asks for",
        )
        .with_note("nothing was run, and nobody was asked for anything")
        .with_hint(format!(
            "this is what the plugin asks for: write below the case's `name` what of it may really be done\n{}",
            table.trim_end()
        ));
        Some(problem.at(file.written.place(&format!("/case/{index}/name"))))
    }

    async fn run(&self, file: &CaseFile) -> Result<Results, Problem> {
        let mut cases = vec![];
        for (index, case) in self.chosen(file) {
            let began = Instant::now();
            // Of a case that cannot begin the others know nothing.
            let (differences, log) = match self.play(file, index, case).await {
                Ok(played) => (compare::compare(case, &played).await, played.log(case)),
                Err(problem) => (vec![Difference::of(&problem)], vec![]),
            };
            cases.push(CaseResult { name: case.name.clone(), took: began.elapsed(), differences, log });
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
            redactor: secrets.redactor(),
            secrets,
            environment: variables(case),
            patience: Limits::default().time,
            is_in_world: false,
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
        let recording = Arc::new(Recording::new(&secrets, &case.secrets, &world.secrets));
        let mut environment = world.variables.clone();
        environment.retain(|name, _| !secrets.contains_key(name) && !world.withheld.contains(name));
        environment.extend(variables(case));
        let play = Play {
            plugin: self.plugin,
            schema: &self.schema,
            file,
            index,
            outside: Outside::StandIn(recording.clone()),
            client: world.client.clone(),
            redactor: world.secrets.clone().and(secrets.clone().into_iter().collect()).redactor(),
            secrets: Secrets::of(secrets.into_iter().collect()),
            environment,
            patience: PATIENCE,
            is_in_world: true,
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
