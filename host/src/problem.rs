//! What can go wrong, as a person is told of it.
//!
//! A [`Problem`] has the four parts of every error here: what could not be done and to what; the causes; the state of the
//! world; one thing that helps. Its wording stands where it is raised, its rendering in [`crate::report`]. Its [`Code`] is
//! the stable word that programs and `windlass explain` use, and decides the exit code.

use std::ops::Range;
use std::sync::Arc;

/// A place in a file that a person wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the person named it.
    pub file: String,
    /// Its whole text.
    pub text: Arc<str>,
    /// The bytes that are meant.
    pub span: Range<usize>,
}

impl Place {
    /// Line and column, both counted from 1, the column in characters.
    #[must_use]
    pub fn line_and_column(&self) -> (usize, usize) {
        let before = &self.text[..self.span.start.min(self.text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

/// What tells a problem of which nobody knows whether what was to be done was done.
const IN_DOUBT: &str = "in-doubt";

/// Something that could not be done. Lower case, no final full stop, values in backticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The stable word.
    pub code: Code,
    /// A word that tells it from others of its code: the plugin's own, where a plugin says so.
    pub detail: Option<String>,
    /// What could not be done, and to what.
    pub what: String,
    /// The immediate reasons, nearest first, others' words verbatim.
    pub causes: Vec<String>,
    /// What did and did not change.
    pub note: Option<String>,
    /// One edit or one command.
    pub hint: Option<String>,
    /// Where, if it is in a file that a person wrote.
    pub place: Option<Place>,
}

impl Problem {
    /// A problem in one line.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, detail: None, what: what.into(), causes: vec![], note: None, hint: None, place: None }
    }

    /// With one more reason, nearest first.
    #[must_use]
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// With what did and did not change.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// With one edit or one command that helps.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Where nobody knows whether it was done all the same.
    #[must_use]
    pub fn in_doubt(mut self) -> Self {
        self.detail = Some(IN_DOUBT.to_owned());
        self
    }

    /// Whether nobody knows whether it was done all the same.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.detail.as_deref() == Some(IN_DOUBT)
    }

    /// At a place in a file.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.what)
    }
}

impl std::error::Error for Problem {}

/// Declares [`Exit`] with its number, name and meaning in one place.
macro_rules! exits {
    ($($name:ident = $number:literal, $title:literal, $text:literal;)*) => {
        /// How the process ends. The numbers are part of the contract with other programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Exit { $(#[doc = $text] $name = $number,)* }

        impl Exit {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// What it is called, in a few words.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// What it means, for a person.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

exits! {
    Succeeded = 0, "succeeded", "Succeeded; also when a step with `on_failure = \"continue\"` failed: `reason` in the result says so. A `rollback` that took back what it was to.";
    Usage = 2, "usage or configuration", "Usage or configuration, or a run that cannot be gone on with or taken back. Nothing was run.";
    RolledBack = 10, "rolled back", "Failed, and everything that was done was taken back, but for what its plan said cannot be: the end of the run names that.";
    PersonNeeded = 11, "a person is needed", "A person is needed: a step's state is unknown, a revert failed or was refused, it is not proven that what is live after a rollback works, the run's lease was lost, or a journal or a lease is damaged.";
    Cancelled = 12, "cancelled", "Cancelled. The reason is `cancelled` where nothing is left to clean up, else `cancelled-unfinished`.";
    Failed = 13, "failed", "Failed, and nothing was taken back: nothing needed it, or the step says `stop`.";
    Unreported = 14, "deployed but unreported", "Succeeded, or was taken back as asked, but the forge could not be told.";
    Journal = 15, "journal unwritable", "The journal cannot be written. Stopped before the next effect.";
    Drifted = 20, "plan drifted", "What is here drifted from the plan in `--plan`, or from the one that a resumed run was begun with. Nothing was run.";
    Blocked = 21, "blocked", "Blocked: order of environments, a freeze, another run or one that still lives, approval, or the forge refused. Nothing was run.";
    NotAccepted = 22, "not accepted", "A plugin or a capability is not accepted in `deploy.lock`. Nothing was run.";
    Bug = 70, "bug", "A bug in Windlass.";
}

/// Declares [`Code`] with its word, exit and explanation in one place.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $exit:ident, $text:literal;)*) => {
        /// The stable word for a problem. `windlass explain WORD` says more.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* #[doc = $text] $name,)* }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// The exit code of a command that ends with it.
            #[must_use]
            pub const fn exit(self) -> Exit {
                match self { $(Self::$name => Exit::$exit),* }
            }

            /// What it means and what to do, for a person.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

codes! {
    Usage = "usage", Usage, "The command line asks for something that does not exist or does not go together. Nothing was run. `windlass --help` and `windlass COMMAND --help` show what there is.";
    ConfigNotFound = "config-not-found", Usage, "There is no `deploy.toml` where it was looked for. `windlass init` writes one; `--config FILE` names another.";
    ConfigInvalid = "config-invalid", Usage, "`deploy.toml` cannot be read, has an unknown key or a value of the wrong kind, or its parts contradict each other. Each error names the line and column. Nothing was run.";
    StepConfigInvalid = "step-config-invalid", Usage, "A step's `with` does not fit the schema that its plugin publishes. `windlass schema PLUGIN` prints that schema. Nothing was run.";
    PluginInvalid = "plugin-invalid", Usage, "A plugin's file is not a component that this Windlass can run: it is damaged, too large, too expensive to compile, not WebAssembly, imports what no plugin may have, or speaks another version of the contract. Build it again as a component against the SDK of this version. Nothing was run.";
    PluginNotFound = "plugin-not-found", Usage, "A step names a plugin that is neither built in nor a file that can be read. Correct the name, or the path: it has a `/` or ends in `.wasm`. Nothing was run.";
    PluginNotFetched = "plugin-not-fetched", Usage, "A plugin is named by an `https://` URL or an `oci://` reference, is not in the cache, and could not be fetched: nobody answered, it is not there, or it leads to where it may not. The error says which. Nothing was run.";
    CasesInvalid = "cases-invalid", Usage, "The file of a plugin's cases cannot be read, has an unknown key or a value of the wrong kind, what a case begins with cannot be made, or, with `--record`, a case does not say what may be done in the world, or has what cannot be written anew. Each error names the line and column. Nothing was run.";
    PluginProject = "plugin-project", Usage, "The directory is not that of a plugin's project, or its `windlass-plugin.toml` has an unknown key or a value that cannot be; the error names the line. `windlass plugin new NAME --lang rust` writes a project. Nothing was built.";
    ToolMissing = "tool-missing", Usage, "A plugin cannot be built, because tools of its language are not installed. The error names each, what it is for, and the command that installs it on this system. Nothing was built.";
    PluginNotBuilt = "plugin-not-built", Usage, "A tool of the plugin's language could not build it, was not done in time, or left no component where `windlass-plugin.toml` says. What the tool said stands above the error.";
    PluginNotPublished = "plugin-not-published", Usage, "A plugin could not be put into a registry: nobody answered, the account may not, or something else has that tag. The error says which. What is there under the tag is what was there before; `--force` replaces it.";
    NotARepository = "commit-unknown", Usage, "What is being deployed must have a name: a commit. Outside CI it is read from the git repository; where there is none, pass `--commit`. Nothing was run.";
    ConfinementMissing = "confinement-missing", Usage, "`policy.confinement` in `deploy.toml` is `required`, and this system cannot hold the steps' programs to the files and ports that `deploy.lock` accepts for them: it is not Linux, or its kernel has no Landlock, or one that knows no ports. Run it on Linux 6.7 or newer. Nothing was run.";
    SecretMissing = "secret-missing", Usage, "A step needs a secret that is not set. Secrets are read from environment variables of the same name; in CI, pass them to the job.";
    PlanFailed = "plan-failed", Usage, "A step could not say what it would do, so there is no plan, and nothing was run. The causes say what the step found: mend that, and plan again.";
    NotAccepted = "not-accepted", NotAccepted, "A step asks for a plugin or a capability that `deploy.lock` does not accept. Run `windlass lock`, look at the difference, commit it and have it reviewed. Nothing was run.";
    NotSigned = "not-signed", NotAccepted, "`policy.signed-by` in `deploy.toml` demands that each plugin that is not built in is signed by one of its keys, and this one is not: it has no signature, or one by another key, of something else, or that cannot be read. Have it signed by whoever has one of the keys (`windlass plugin publish --sign`, `cosign sign --key`, `cosign sign-blob --key`), or have the key of whoever signed it reviewed and added. Nothing was run.";
    LockInvalid = "lock-invalid", NotAccepted, "`deploy.lock` cannot be read. It is written by `windlass lock`; restore it from version control, or run `windlass lock` and have the whole file reviewed. Nothing was run.";
    LockMissing = "lock-missing", NotAccepted, "There is no `deploy.lock`, so no capability is accepted. Run `windlass lock`, commit the file and have it reviewed. Nothing was run.";
    LockDiffers = "lock-differs", NotAccepted, "`windlass lock --check` found that `deploy.lock` is not what `deploy.toml` asks for now. Run `windlass lock` and have the difference reviewed.";
    PlanDrifted = "plan-drifted", Drifted, "What would run now is not what the plan says that was passed with `--plan`, or that a resumed run was begun with. Nothing was run. Make a new plan and have it approved; or check out the commit of the run, or take the run back.";
    PlanInvalid = "plan-invalid", Usage, "The file passed with `--plan` is not a plan of this version of Windlass, or was changed after it was made. Nothing was run.";
    EnvironmentOrder = "environment-order", Blocked, "The environment has `after = [...]`, and the newest successful deployment there is not this commit, or a newer run is under way. Deploy there first. Nothing was run.";
    Withheld = "withheld", Blocked, "The job is for a pull request from a fork, or for a branch that the forge protects by no rule: secrets are withheld from it, and nothing may be changed. `windlass plan` shows what would be done, as far as that is known without secrets. Deploy from the default branch, a tag or a protected branch; `unprotected_branches = true` in the environment lets its other branches be deployed (review apps), but never a fork. Nothing was run.";
    Frozen = "frozen", Blocked, "Deployments to the environment are frozen at this time: by a window of its `freeze`, or by the forge's own. Nothing was run. The error says until when; `windlass plan` says when the next one begins. `--during-freeze REASON` deploys all the same, and the reason is written into the journal. A rollback is never frozen.";
    LeaseHeld = "lease-held", Blocked, "Another run is deploying this app, environment and component at this moment. Nothing was run. `windlass status` says which; `lease.wait` of the environment in `deploy.toml` waits for it.";
    LeaseLost = "lease-lost", PersonNeeded, "The run's lease was taken from it while it ran: it was broken with `windlass lease release --force`, or could not be renewed before it expired. The run stopped before its next effect, because another run may be deploying by now, so what it had done is still there. `windlass status` says what was done and what to do.";
    LeaseInvalid = "lease-invalid", PersonNeeded, "The file or entry that says who holds the lease is damaged, or was written by another version of Windlass. Nothing was run. Make sure that no run is under way, then `windlass lease release --force` writes a new one and keeps the old beside it.";
    ApprovalMissing = "approval-missing", Blocked, "The environment demands an approval of the plan, and not enough people have given one that counts. Nothing was run. `windlass approvals` lists what waits, `windlass approve` approves it; then say the same again.";
    ApprovalRejected = "approval-rejected", Blocked, "Somebody whose word counts rejected the plan. Nothing was run. Whoever did can approve it after all; another plan is asked for anew.";
    StepFailed = "step-failed", Failed, "A step failed. What it and the steps before it had changed was reverted unless `on_failure` says otherwise. `windlass report last` says what each step did, and what to do now.";
    CasesFailed = "cases-failed", Failed, "A plugin did not do what its cases expect. Each failed case shows what was expected beside what came. Mend the plugin; or, where what came is right, the case: `windlass plugin test --record` writes what came.";
    StepTimedOut = "step-timed-out", Failed, "A step, or the run as a whole, took longer than its `timeout` and was stopped. What it had recorded was reverted unless `on_failure` says otherwise.";
    StepTrapped = "step-trapped", Failed, "A plugin crashed. This is a bug in the plugin: report it to its author with the backtrace. What it had recorded was reverted unless `on_failure` says otherwise.";
    StepDenied = "step-denied", Failed, "A plugin reached for something that `deploy.lock` does not accept, and was stopped by it. Either the plugin's request in `deploy.lock` is too narrow, or the plugin does more than it says. The error names what was asked for and what is accepted.";
    RevertFailed = "revert-failed", PersonNeeded, "What had been changed was to be taken back, and not all of it could be. The environment is in between. `windlass report last` says what was taken back and what was not; a person has to finish it, and `windlass rollback` tries the rest again.";
    Cancelled = "cancelled", Cancelled, "The run was cancelled before it did anything that stays, or all of it was taken back. Nothing is left to clean up.";
    CancelledUnfinished = "cancelled-unfinished", Cancelled, "The run was cancelled, and what it had done until then is still there, because `on_cancel` says `stop`: in CI there is no time for more. `windlass status` says what was done and what to do.";
    StepUnknown = "step-unknown", PersonNeeded, "A step was cut off, and nobody can tell whether it did its work. Look yourself at what it does; then `windlass resume RUN --done STEP` or `--not-done STEP` goes on, or `windlass rollback` takes back what it recorded; of a run that another machine was lost with, `windlass rollback --recorded STEP` does. A `command` with `unless` can tell by itself, and `idempotent = true` says that a step may be done again.";
    JournalUnwritable = "journal-unwritable", Journal, "The journal cannot be written: the disk is full, or the directory is read-only. The run stopped before its next effect, because an effect that is not recorded cannot be taken back. Once it can be written again, `windlass status` says how to go on; nothing is lost.";
    JournalInvalid = "journal-invalid", PersonNeeded, "A journal was damaged or changed after it was written. The error names the line. Nothing was run.";
    JournalDiffers = "journal-differs", PersonNeeded, "Two machines went on with the same run, and wrote its journal differently: the one here and the one on the forge are the same only at their beginning. Nobody can tell from either what was done, so the run is neither gone on with nor taken back. The error names both; a person who has looked moves the wrong one away.";
    RunAlive = "run-alive", Blocked, "The run's process still lives, so nobody else may go on with the run or take it back. Wait for it to end, or end the process. Nothing was changed.";
    NotResumable = "not-resumable", Usage, "The run cannot be gone on with or taken back: it ended well, all of it was taken back, it did nothing, or a later run came after it. Nothing was changed. `windlass status` says what to do instead.";
    CutOff = "cut-off", Failed, "The run's process ended without a word: it was killed, or its machine was lost. `windlass status` says what is known of its steps; `windlass resume` goes on with it, `windlass rollback` takes it back.";
    RollbackRefused = "rollback-refused", PersonNeeded, "A step's work cannot be taken back: its plan said so when it was done, or the step is no longer there. Nothing was changed. The hint says how to go on.";
    RollbackUnproven = "rollback-unproven", PersonNeeded, "What had been done was taken back, but a check of the release that is live again failed, or cannot be made any more. `windlass status` says which. Look whether it works; `windlass rollback` makes the checks again.";
    RunNotFound = "run-not-found", Usage, "There is no run of this name in `.windlass/runs`. `windlass history` lists the runs.";
    ForgeUnreported = "forge-unreported", Unreported, "The deployment succeeded, but its state could not be told to the forge. What runs is the new release; only its status there is missing. `windlass reap`, or the next run, tells it once the forge answers.";
    ForgeRefused = "forge-refused", Blocked, "The forge did not let the deployment be created, or did not answer. The causes say why, and the hint what helps: most often a permission of the job's token, such as `deployments: write` on GitHub. Nothing was run.";
    ForgeDenied = "forge-denied", Blocked, "The token may not do on the forge what was asked for, such as keeping leases and journals there. The causes say what it may not, and the hint which permission it takes. A run goes on without that, and says so; a command that is about nothing else ends.";
    Bug = "bug", Bug, "Windlass did something it never should. Please report it with the output.";
}

impl Code {
    /// Whether a run ends with it wherever it is, because it may have no further effect.
    #[must_use]
    pub const fn ends_run(self) -> bool {
        matches!(self, Self::JournalUnwritable | Self::LeaseLost)
    }

    /// Whether a run that is over for this did not come to its end: it could go on no further, or somebody closed it.
    #[must_use]
    pub const fn is_cut_off(self) -> bool {
        matches!(self, Self::CutOff | Self::StepUnknown) || self.ends_run()
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Place};

    #[test]
    fn words_are_unique_and_kebab_case() {
        let mut words: Vec<_> = Code::ALL.iter().map(|code| code.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
        assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
    }

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let place = Place { file: "deploy.toml".into(), text: "a\nä = b".into(), span: 7..8 };
        assert_eq!(place.line_and_column(), (2, 5));
    }
}
