//! Journals with the forge, so that no run is lost with its machine: fetched before anything is decided by them, sent around
//! everything that changes something.
//!
//! They are read and written in `.windlass/runs`, as ever; what is fetched lies there, too. Nothing that goes wrong here changes
//! what a run comes to: it is said, and the run goes on with what this machine knows.

use super::say;
use crate::event::Place;
use crate::forge::{Forge, Shelf, Shelving};
use crate::history::{self, PastRun};
use crate::journal::{Directory, Store as _};
use crate::lease::Lease;
use crate::problem::{Code, Problem};
use crate::run::Keep;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// How long a run waits for its journal to be kept, each time.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same after that was not enough once: the forge has trouble, and the run must not wait for it.
const IMPATIENCE: Duration = Duration::from_secs(2);
/// How long it is waited for more to be kept with it, where nothing waits for that.
const SOON: Duration = Duration::from_secs(2);
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
pub(super) enum Wanted {
    /// Those that say how things stand: back to the two newest releases that changed something.
    State,
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
    pub(super) async fn fetch(&self, place: &Place, wanted: Wanted) {
        let Some(forge) = self.forge() else { return };
        if let Err(problem) = self.fetch_from(forge, place, wanted).await {
            self.tell(&problem, "what was done on other machines is not known here");
        }
    }

    /// As [`Keeping::fetch`], in all places of an app that are wanted.
    pub(super) async fn fetch_all(&self, app: &str, covers: impl Fn(&Place) -> bool, wanted: Wanted) {
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

    async fn fetch_from(&self, forge: &Forge, place: &Place, wanted: Wanted) -> Result<(), Problem> {
        let mut shelf = forge.shelf(place).await?;
        let most = match wanted {
            Wanted::State => MOST,
            Wanted::Newest(count) => count,
        };
        let mut releases = 0;
        // Ids begin with their time.
        for (run, shelved) in shelf.journals.iter_mut().rev().filter(|(run, _)| is_run(run)).take(most) {
            let here = self.journals.length(run);
            if shelved.length > here && !self.journals.is_held(run) {
                let text = forge.journal(place, run, shelved).await?;
                shelved.length = text.len() as u64;
                match is_of(place, run, &text) {
                    Err(why) => say(&format!(
                        "warning: the journal of run `{run}` that is kept on the forge is left there: {why}\n"
                    )),
                    Ok(()) if shelved.length > here => self.place(run, &text)?,
                    Ok(()) => {}
                }
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
        self.shelves().insert(place.clone(), shelf);
        Ok(())
    }

    /// Put a longer journal in the place of a shorter one. Where the two differ, two machines wrote the same one, and the forge's is
    /// the one that the others go by.
    fn place(&self, run: &str, text: &[u8]) -> Result<(), Problem> {
        let here = self.journals.read(run).unwrap_or_default();
        let whole = here.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let placed = if text.starts_with(&here[..whole]) {
            self.journals.place(run, text)
        } else {
            self.journals.set_aside(run).and_then(|()| self.journals.place(run, text))
        };
        placed.map_err(|error| {
            Problem::new(Code::JournalUnwritable, format!("the journal of run `{run}` was left on the forge"))
                .because(error)
        })
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
            let shelf = match known {
                Some(shelf) => shelf,
                None => forge.shelf(place).await?,
            };
            let put = self.news(place, &shelf)?;
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
            let put = put.iter().map(|(run, text)| (run.as_str(), text.as_str())).collect();
            let kept = forge.shelve(place, &shelf, &Shelving { put, forget }).await;
            match kept {
                Ok(Some(shelf)) => {
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

    /// The journals that have more lines here than there.
    fn news(&self, place: &Place, shelf: &Shelf) -> Result<Vec<(String, String)>, Problem> {
        let mut news = Vec::new();
        let mut size = 0;
        for run in history::names_in(&self.journals, place)?.take(self.keep) {
            let there = match shelf.journals.get(&run).map_or(0, |shelved| shelved.length) {
                // How long one is there is not always known; of one that is being written here the rest is not there yet.
                u64::MAX if self.journals.is_held(&run) => 0,
                there => there,
            };
            if self.journals.length(&run) <= there {
                continue;
            }
            let Ok(mut text) = self.journals.read(&run) else { continue };
            // What is behind the last whole line was cut off, or is being written.
            text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
            size += text.len();
            match String::from_utf8(text) {
                Ok(text) if text.len() as u64 > there && (news.is_empty() || size <= LARGEST) => news.push((run, text)),
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
            (Some(job), Some(forge)) => Ok(forge.is_over(job).await?.unwrap_or(false)),
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

/// Whether what is kept under the name of a run of a place is the whole journal of that run: whoever can write to the repository,
/// or to its packages, can put something else there.
fn is_of(place: &Place, run: &str, text: &[u8]) -> Result<(), String> {
    match history::replay_bytes(text, "it") {
        Err(problem) => Err(problem.causes.first().cloned().unwrap_or(problem.what)),
        Ok(None) => Err("it does not say what run it is of".into()),
        Ok(Some(past)) if past.run != run || past.subject.place() != *place => {
            Err("it is the journal of another run".into())
        }
        Ok(Some(_)) => Ok(()),
    }
}

/// A name is a name, and leads nowhere.
fn is_run(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The journals of one place, for the run that is at work there.
#[derive(Debug)]
pub(super) struct Kept {
    /// Its lease, which somebody may have taken away since it was looked at last.
    pub(super) lease: Weak<Lease>,
    pub(super) keeping: Arc<Keeping>,
    pub(super) place: Place,
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
        let (keeping, place) = (self.keeping.clone(), self.place.clone());
        tokio::spawn(async move {
            tokio::time::sleep(SOON).await;
            keeping.send(&place, &[], PATIENCE).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Subject};
    use crate::journal::{Journal, Memory, Store};

    #[test]
    fn what_is_kept_under_the_name_of_a_run_has_to_be_its_whole_journal() {
        let subject = Subject {
            app: "shop".into(),
            environment: "staging".into(),
            component: None,
            commit: "a".repeat(40),
            reference: None,
            version: "1".into(),
            actor: None,
        };
        let place = subject.place();
        let store = Memory::default();
        let mut journal = Journal::create(&store, "run").expect("a journal");
        let started = Event::RunStarted {
            schema: crate::event::SCHEMA.into(),
            windlass: "0.1.0".into(),
            run: "run".into(),
            subject: Box::new(subject),
            plan: "sha256:00".into(),
            forge: "github".into(),
            steps: vec![],
            process: 1,
            job: None,
        };
        journal.append(&started).expect("an event");
        let text = store.read("run").expect("its text");
        assert_eq!(is_of(&place, "run", &text), Ok(()));
        assert!(is_of(&place, "other", &text).is_err());
        assert!(is_of(&Place { environment: "production".into(), ..place.clone() }, "run", &text).is_err());
        let forged = String::from_utf8(text).expect("text").replace("shop", "blog");
        assert!(is_of(&place, "run", forged.as_bytes()).is_err());
        assert!(is_of(&place, "run", b"").is_err());
        assert!(is_of(&place, "run", b"<html>\n").is_err());
    }
}
