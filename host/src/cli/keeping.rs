//! Journals with the forge, so that no run is lost with its machine: fetched before anything is decided by them, sent around
//! everything that changes something.
//!
//! They are read and written in `.windlass/runs`, as ever; what is fetched lies there, too. Nothing that goes wrong here changes
//! what a run comes to: it is said, and the run goes on with what this machine knows.

use super::compared::{self, Compared, whole};
use super::say;
use crate::event::Place;
use crate::forge::{Forge, Imprint, Shelf, Shelved, Shelving};
use crate::history::{self, PastRun};
use crate::journal::{Directory, Store as _};
use crate::lease::Lease;
use crate::problem::{Code, Problem};
use crate::run::Keep;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// How long a run waits for its journal to be kept, each time.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same after that was not enough once: the forge has trouble, and the run must not wait for it.
const IMPATIENCE: Duration = Duration::from_secs(2);
/// How long it is waited for more to be kept with it, where nothing waits for that: at first, and after many times. Each time costs
/// requests, of which a job has not many: so a run makes half a dozen in its first minute, and then one a minute.
const SOON: Duration = Duration::from_secs(2);
const SELDOM: Duration = Duration::from_secs(60);
/// How many journals of a place are fetched at most, where it is asked how things stand there: older ones do not matter.
const MOST: usize = 30;
/// How much is sent at once at most, in bytes. What is more is sent with the next.
const LARGEST: usize = 4 << 20;
/// How often it is tried to keep something while others keep changing it.
const TRIES: usize = 4;

/// What a run does without where it may keep nothing.
pub(super) const WITHOUT: &str = "the run's lease and its journal are on this machine only";

/// Which journals are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// Those that say how things stand: back to the two newest releases that changed something.
    State,
    /// Those of all runs since this one.
    Since(&'a str),
    /// So many, the newest.
    Newest(usize),
}

/// Where journals are kept besides this machine.
#[derive(Debug)]
pub(super) struct Keeping {
    /// None where they are not.
    forge: Option<Arc<Forge>>,
    journals: Directory,
    /// How many runs are kept of each place.
    keep: usize,
    /// What there was, when it was looked at or changed last.
    shelves: Mutex<BTreeMap<Place, Shelf>>,
    /// One at a time changes what there is.
    sending: tokio::sync::Mutex<()>,
    /// Whether it was found that this token may not.
    is_off: AtomicBool,
    /// Whether it was said that something could not be kept or fetched.
    is_said: AtomicBool,
    /// Whether what was sent last could not be kept.
    is_in_trouble: AtomicBool,
}

impl Keeping {
    pub(super) fn new(forge: Option<Arc<Forge>>, journals: Directory, keep: u32) -> Self {
        Self {
            forge: forge.filter(|forge| forge.keeps_journals()),
            journals,
            keep: usize::try_from(keep).unwrap_or(usize::MAX),
            shelves: Mutex::default(),
            sending: tokio::sync::Mutex::default(),
            is_off: AtomicBool::new(false),
            is_said: AtomicBool::new(false),
            is_in_trouble: AtomicBool::new(false),
        }
    }

    /// Keep nothing from here on: why was said already.
    pub(super) fn turn_off(&self) {
        self.is_off.store(true, Ordering::SeqCst);
        self.is_said.store(true, Ordering::SeqCst);
    }

    fn forge(&self) -> Option<&Arc<Forge>> {
        self.forge.as_ref().filter(|_| !self.is_off.load(Ordering::SeqCst))
    }

    /// Say beforehand what is kept on the forge, and what a run here will do without.
    pub(super) async fn say_what(&self) {
        let Some(forge) = self.forge() else { return };
        let (leases, name) = (forge.keeps_leases(), forge.name());
        match forge.may_keep().await {
            Ok(()) if leases => say(&format!("{name}: leases and journals can be kept there\n")),
            Ok(()) => say(&format!(
                "{name}: journals can be kept there; leases are of one machine: give the jobs a `resource_group`\n"
            )),
            Err(problem) => say(&warning(&problem, WITHOUT)),
        }
    }

    /// Fetch what other machines did in a place.
    pub(super) async fn fetch(&self, place: &Place, wanted: Wanted<'_>) {
        let Some(forge) = self.forge() else { return };
        if let Err(problem) = self.fetch_from(forge, place, wanted).await {
            self.tell(&problem, "what was done on other machines is not known here");
        }
    }

    /// As [`Keeping::fetch`], in all places of an app that are wanted.
    pub(super) async fn fetch_all(&self, app: &str, covers: impl Fn(&Place) -> bool, wanted: Wanted<'_>) {
        let Some(forge) = self.forge() else { return };
        match forge.shelved(app).await {
            Ok(places) => {
                for place in places.iter().filter(|place| covers(place)) {
                    self.fetch(place, wanted).await;
                }
            }
            Err(problem) => self.tell(&problem, "what was done on other machines is not known here"),
        }
    }

    async fn fetch_from(&self, forge: &Forge, place: &Place, wanted: Wanted<'_>) -> Result<(), Problem> {
        let mut shelf = forge.shelf(place).await?;
        let most = match wanted {
            Wanted::State => MOST,
            Wanted::Since(_) => usize::MAX,
            Wanted::Newest(count) => count,
        };
        let mut releases = 0;
        // Ids begin with their time.
        for (run, shelved) in shelf.journals.iter_mut().rev().filter(|(run, _)| is_run(run)).take(most) {
            if matches!(wanted, Wanted::Since(oldest) if run.as_str() < oldest) {
                break;
            }
            // Whoever writes one knows more of it than anybody.
            if !self.journals.is_held(run) {
                let here = self.journals.read(run).unwrap_or_default();
                let compared = compared(forge, place, run, shelved, whole(&here)).await?;
                self.accept(run, whole(&here), &compared).map_err(|error| left_there(run, error))?;
            }
            if matches!(wanted, Wanted::State)
                && let Ok(Some(past)) = history::replay(&self.journals, run)
            {
                releases += usize::from(past.is_release());
                if releases == 2 {
                    break;
                }
            }
        }
        for run in history::names_in(&self.journals, place)?.filter(|run| !shelf.journals.contains_key(run)) {
            // There is no other any more.
            let _ = self.journals.come_together(&run);
        }
        self.shelves().insert(place.clone(), shelf);
        Ok(())
    }

    /// Put here what the forge has of a run, as far as it is to be believed.
    fn accept(&self, run: &str, here: &[u8], compared: &Compared) -> std::io::Result<()> {
        match compared {
            Compared::Before => {}
            Compared::Further(text) => {
                if !text.starts_with(here) {
                    self.journals.set_aside(run)?;
                }
                self.journals.place(run, text)?;
            }
            Compared::Apart(text) => return self.journals.set_apart(run, text),
            Compared::Other(why) => {
                say(&format!("warning: the journal of run `{run}` that is kept on the forge is left there: {why}\n"));
                return Ok(());
            }
        }
        self.journals.note_kept(run)?;
        self.journals.come_together(run)
    }

    /// That a run's journal here and the forge's go on differently, where they do as far as was seen last.
    pub(super) fn apart(&self, place: &Place, run: &str) -> Option<Problem> {
        let path = self.journals.apart(run)?;
        let (here, there) = (self.journals.read(run).unwrap_or_default(), std::fs::read(&path).unwrap_or_default());
        Some(compared::apart(place, run, (Path::new(&self.journals.name(run)), &here), (&path, &there)))
    }

    /// All of these in the places that are wanted.
    pub(super) fn all_apart(&self, covers: impl Fn(&Place) -> bool) -> Result<Vec<Problem>, Problem> {
        let names = history::names(&self.journals)?;
        let of = |run: &String| {
            self.journals.apart(run)?;
            let place = history::place_of(&self.journals, run).filter(&covers)?;
            self.apart(&place, run)
        };
        Ok(names.iter().filter_map(of).collect())
    }

    /// As [`Keeping::must_agree`], of all runs of a place since this one.
    ///
    /// # Errors
    /// As there.
    pub(super) fn must_agree_since(&self, place: &Place, oldest: Option<&str>) -> Result<(), Problem> {
        let mut runs =
            history::names_in(&self.journals, place)?.filter(|run| oldest.is_none_or(|oldest| run.as_str() >= oldest));
        runs.try_for_each(|run| self.apart(place, &run).map_or(Ok(()), Err))
    }

    /// That a run's journal here is the only one that there is of it, as far as was seen.
    ///
    /// # Errors
    /// [`Code::JournalDiffers`].
    pub(super) fn must_agree(&self, past: &PastRun) -> Result<(), Problem> {
        self.apart(&past.subject.place(), &past.run).map_or(Ok(()), Err)
    }

    /// Send what is new on this machine of a place, and forget these runs, and those that are older than what is kept.
    pub(super) async fn send(&self, place: &Place, forget: &[String], within: Duration) {
        let Some(forge) = self.forge() else { return };
        let sent = tokio::time::timeout(within, self.send_to(forge, place, forget)).await.unwrap_or_else(|_| {
            // What became of it is not known.
            self.shelves().remove(place);
            Err(Problem::new(Code::ForgeRefused, "the journal could not be kept on the forge")
                .because(format!("there was no answer within {} s", within.as_secs())))
        });
        self.is_in_trouble.store(sent.is_err(), Ordering::SeqCst);
        if let Err(problem) = sent {
            self.tell(&problem, "the journal is on this machine only");
        }
    }

    async fn send_to(&self, forge: &Forge, place: &Place, forget: &[String]) -> Result<(), Problem> {
        let _one = self.sending.lock().await;
        for _ in 0..TRIES {
            let known = self.shelves().get(place).cloned();
            let mut shelf = match known {
                Some(shelf) => shelf,
                None => forge.shelf(place).await?,
            };
            let put = self.news(forge, place, &mut shelf).await?;
            let old = self.outdated(place, &shelf);
            let forget: Vec<&str> = forget
                .iter()
                .chain(&old)
                .map(String::as_str)
                .filter(|run| shelf.journals.contains_key(*run) && !put.iter().any(|(it, _)| it == run))
                .collect();
            if put.is_empty() && forget.is_empty() {
                self.shelves().insert(place.clone(), shelf);
                return Ok(());
            }
            let texts = put.iter().map(|(run, text)| (run.as_str(), text.as_str())).collect();
            let kept = forge.shelve(place, &shelf, &Shelving { put: texts, forget }).await;
            match kept {
                Ok(Some(shelf)) => {
                    for (run, _) in &put {
                        let _ = self.journals.note_kept(run);
                    }
                    self.shelves().insert(place.clone(), shelf);
                    return Ok(());
                }
                // Somebody was first: with what there is now.
                Ok(None) => drop(self.shelves().remove(place)),
                Err(problem) => {
                    self.shelves().remove(place);
                    return Err(problem);
                }
            }
        }
        Err(Problem::new(Code::ForgeRefused, "the journal could not be kept on the forge")
            .because("others changed what is kept there at every try"))
    }

    /// The journals that go on here from where they end there.
    async fn news(&self, forge: &Forge, place: &Place, shelf: &mut Shelf) -> Result<Vec<(String, String)>, Problem> {
        let mut news = Vec::new();
        let mut size = 0;
        // Where somebody has deleted it all, it all begins again.
        let is_empty = shelf.journals.is_empty();
        let names: Vec<String> = history::names_in(&self.journals, place)?.take(self.keep).collect();
        for run in names {
            let is_held = self.journals.is_held(&run);
            let Ok(here) = self.journals.read(&run) else { continue };
            let here = whole(&here);
            let is_news = match shelf.journals.get_mut(&run) {
                // What was there and is not any more was forgotten by others.
                None => is_held || is_empty || !self.journals.was_kept(&run),
                // Of one that nobody writes here the rest is there, as far as anybody knows.
                Some(Shelved { imprint: None, .. }) if !is_held => false,
                Some(shelved) => match compared(forge, place, &run, shelved, here).await? {
                    Compared::Before => shelved.imprint.as_ref().is_some_and(|it| it.length < here.len() as u64),
                    Compared::Further(_) => false,
                    // It is not ours to replace: somebody else is, or was, at work for this run.
                    Compared::Apart(text) => {
                        self.journals.set_apart(&run, &text).map_err(|error| left_there(&run, error))?;
                        if let Some(problem) = self.apart(place, &run) {
                            self.tell(&problem, "the journal is on this machine only");
                        }
                        false
                    }
                    Compared::Other(_) => true,
                },
            };
            match String::from_utf8(here.to_vec()) {
                Ok(text) if is_news && !text.is_empty() && (news.is_empty() || size + text.len() <= LARGEST) => {
                    size += text.len();
                    news.push((run, text));
                }
                _ => {}
            }
        }
        Ok(news)
    }

    /// What is older than is kept, and than the two newest releases: what is live, and what was before, is somebody's to go back
    /// to. What this machine has it keeps itself, because somebody may need it.
    fn outdated(&self, place: &Place, shelf: &Shelf) -> Vec<String> {
        if shelf.journals.len() <= self.keep {
            return Vec::new();
        }
        let is_release =
            |run: &String| history::replay(&self.journals, run).ok().flatten().is_some_and(|it| it.is_release());
        let names = history::names_in(&self.journals, place).ok();
        // Without two of them nobody knows what is needed.
        let Some(before) = names.and_then(|names| names.filter(is_release).nth(1)) else { return Vec::new() };
        let old = shelf.journals.keys().rev().skip(self.keep).filter(|run| **run < before);
        old.filter(|run| self.journals.length(run) == 0).cloned().collect()
    }

    /// Whether a deployment's component stands in its journal only: GitLab's deployments have no room for it.
    pub(super) fn knows_components(&self) -> bool {
        self.forge().is_some_and(|forge| matches!(**forge, Forge::GitLab(_)))
    }

    /// Whether leases are kept there, too, so that who has the lease of a place knows that nobody else is at work there.
    pub(super) fn holds_leases(&self) -> bool {
        self.forge().is_some_and(|forge| forge.keeps_leases())
    }

    /// Whether the forge says that this token may hold no lease there.
    pub(super) async fn may_hold_none(&self) -> bool {
        match &self.forge {
            Some(forge) => forge.may_lease().await.is_err_and(|problem| problem.code == Code::ForgeDenied),
            None => true,
        }
    }

    /// Whether nobody is at work for a run any more that does not hold its place's lease. On this machine its journal is locked by
    /// whoever writes it; of other machines the forge says whether their jobs are over, and of one that is no job only the lease.
    ///
    /// # Errors
    /// The forge does not answer.
    pub(super) async fn is_over(&self, past: &PastRun) -> Result<bool, Problem> {
        // What has come to its end is over, whatever else its job does.
        if past.outcome.is_some() || !self.journals.is_foreign(&past.run) {
            return Ok(true);
        }
        match (&past.job, &self.forge) {
            (Some(job), Some(forge)) => {
                let adopted = past.deployment.as_ref().filter(|it| it.adopted).map(|it| it.id.as_str());
                Ok(forge.is_over(job, adopted).await?.unwrap_or(false))
            }
            (Some(_), None) => Ok(false),
            (None, _) => Ok(self.holds_leases()),
        }
    }

    /// That nobody is at work for a run whose lease we hold.
    ///
    /// # Errors
    /// [`Code::RunAlive`]; the forge does not answer.
    pub(super) async fn must_be_over(&self, past: &PastRun) -> Result<(), Problem> {
        if self.is_over(past).await? {
            return Ok(());
        }
        Err(Problem::new(Code::RunAlive, format!("run `{}` is still under way", past.run))
            .because("the job that runs it goes on, on another machine")
            .with_note("nothing was changed")
            .with_hint("wait for the job to end, or cancel it"))
    }

    /// Say what could not be done, and what that means. Once: what cannot be done once will not be the next time.
    fn tell(&self, problem: &Problem, meaning: &str) {
        if problem.code == Code::ForgeDenied {
            self.is_off.store(true, Ordering::SeqCst);
        }
        if !self.is_said.swap(true, Ordering::SeqCst) {
            say(&warning(problem, meaning));
        }
    }

    fn shelves(&self) -> std::sync::MutexGuard<'_, BTreeMap<Place, Shelf>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In one line: what could not be done, why, what it is done without, and what helps.
pub(super) fn warning(problem: &Problem, meaning: &str) -> String {
    let cause = problem.causes.first().map(|cause| format!(": {cause}")).unwrap_or_default();
    let hint = match &problem.hint {
        Some(hint) if problem.code == Code::ForgeDenied => format!("; {hint}, or write `store = \"local\"`"),
        _ => String::new(),
    };
    format!("warning: {}{cause}; {meaning}{hint}\n", problem.what)
}

/// How the forge's journal of a run stands to the one that is here. It is read only where it has to be.
async fn compared(
    forge: &Forge,
    place: &Place,
    run: &str,
    shelved: &mut Shelved,
    here: &[u8],
) -> Result<Compared, Problem> {
    if shelved.imprint.as_ref().is_some_and(|imprint| imprint.length > 0 && imprint.begins(here)) {
        return Ok(Compared::Before);
    }
    let there = forge.journal(place, run, shelved).await?;
    shelved.imprint = Some(Imprint::of(&there));
    Ok(compared::compare(place, run, here, there))
}

/// That what the forge has of a run could not be put here.
fn left_there(run: &str, error: std::io::Error) -> Problem {
    Problem::new(Code::JournalUnwritable, format!("the journal of run `{run}` was left on the forge")).because(error)
}

/// A name is a name, and leads nowhere.
fn is_run(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The journals of one place, for the run that is at work there.
#[derive(Debug)]
pub(super) struct Kept {
    /// Its lease, which somebody may have taken away since it was looked at last.
    lease: Weak<Lease>,
    keeping: Arc<Keeping>,
    place: Place,
    /// How long is waited before what is new is sent without anybody's waiting for it; none while that is waited for.
    pause: Arc<Mutex<Option<Duration>>>,
}

impl Kept {
    pub(super) fn new(lease: Weak<Lease>, keeping: Arc<Keeping>, place: Place) -> Self {
        Self { lease, keeping, place, pause: Arc::new(Mutex::new(Some(SOON))) }
    }
}

#[async_trait]
impl Keep for Kept {
    async fn keep(&self) {
        let look = async {
            if let Some(lease) = self.lease.upgrade() {
                let _ = tokio::time::timeout(PATIENCE, lease.look()).await;
            }
        };
        let is_in_trouble = self.keeping.is_in_trouble.load(Ordering::SeqCst);
        let patience = if is_in_trouble { IMPATIENCE } else { PATIENCE };
        tokio::join!(look, self.keeping.send(&self.place, &[], patience));
    }

    fn keep_soon(&self) {
        if self.keeping.forge().is_none() {
            return;
        }
        // What comes meanwhile goes with it.
        let Some(pause) = self.pause.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let (keeping, place, next) = (self.keeping.clone(), self.place.clone(), self.pause.clone());
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            *next.lock().unwrap_or_else(PoisonError::into_inner) = Some((pause * 2).min(SELDOM));
            keeping.send(&place, &[], PATIENCE).await;
        });
    }
}
