//! Whether deployments are frozen: by windows of the configuration, or by the forge's own.

use crate::config::{Config, Environment};
use crate::event::Event;
use crate::forge::Frozen;
use crate::freeze::{Standing, Window, standing};
use crate::problem::{Code, Problem};
use jiff::Timestamp;

/// That deployments are frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Freeze {
    /// What says so.
    cause: String,
    /// Until when, as people read it; none where that is not known.
    until: Option<String>,
    /// Which window of the configuration it is.
    index: Option<usize>,
}

/// What may freeze the deployments to one environment, at whatever time.
#[derive(Debug, Clone)]
pub struct Freezes<'c> {
    config: &'c Config,
    environment: &'c Environment,
    forge: Frozen,
}

impl<'c> Freezes<'c> {
    /// Those of an environment, with what its forge says.
    #[must_use]
    pub fn of(config: &'c Config, environment: &'c Environment, forge: Frozen) -> Self {
        let forge = if environment.forge_freeze { forge } else { Frozen::default() };
        Self { config, environment, forge }
    }

    /// That a run may go on at this moment. `during` is why it may although deployments are frozen; then what is returned
    /// is to be written down.
    ///
    /// # Errors
    /// [`Code::Frozen`] with what says so and until when.
    pub fn pass(&self, during: Option<&str>, now: Timestamp) -> Result<Option<Event>, Problem> {
        let Some(Freeze { cause, until, index }) = self.now(now) else { return Ok(None) };
        if let Some(reason) = during {
            return Ok(Some(Event::FreezeOverridden { cause, until, reason: reason.to_owned() }));
        }
        let end = until.map(|until| format!(" until {until}")).unwrap_or_default();
        let name = &self.environment.name;
        let problem = Problem::new(Code::Frozen, format!("deployments to `{name}` are frozen{end}"))
            .because(cause)
            .with_note("nothing was run")
            .with_hint("wait until it is over, or say why not: `--during-freeze REASON` goes on, and writes that down");
        Err(match index {
            Some(index) => problem.at(self.config.place_of_freeze(self.environment, index)),
            None => problem,
        })
    }

    /// When the next freeze begins, where there is none now.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Option<String> {
        if self.now(now).is_some() {
            return None;
        }
        let Standing::Free { next: Some((window, at)) } = standing(self.windows(), now) else { return None };
        Some(format!("the next begins {}: {window}", window.tell(&at)))
    }

    fn windows(&self) -> impl Iterator<Item = &Window> + Clone {
        self.environment.freeze.iter().chain(&self.forge.windows)
    }

    fn now(&self, now: Timestamp) -> Option<Freeze> {
        if let Standing::Frozen { window, until } = standing(self.windows(), now) {
            // What is not the configuration's is the forge's.
            let index = self.environment.freeze.iter().position(|ours| std::ptr::eq(ours, window));
            let cause = match index {
                Some(_) => format!("`freeze` in `{}` says {window}", self.config.file()),
                None => format!("a freeze period of the project on {} goes {window}", self.forge.name),
            };
            return Some(Freeze { cause, until: Some(window.tell(&until)), index });
        }
        let said = self.forge.said?;
        Some(Freeze { cause: said.to_owned(), until: None, index: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const WEEKEND: &str = "2026-11-28T12:00:00Z";
    const WEEKDAY: &str = "2026-12-01T12:00:00Z";

    fn config(environment: &str) -> Config {
        let text = format!(
            "schema = 1\napp = \"shop\"\n[environments.production]\n{environment}\n\
             [[step]]\nid = \"a\"\nplugin = \"command\"\nwith.run = [\"true\"]\n"
        );
        config::parse("deploy.toml", &text).unwrap()
    }

    const OURS: &str = "freeze = [{ from = \"0 17 * * FRI\", until = \"0 8 * * MON\", zone = \"Europe/Berlin\", reason = \"weekend\" }]";

    fn pass(environment: &str, forge: Frozen, during: Option<&str>, now: &str) -> Result<Option<Event>, Problem> {
        let config = config(environment);
        Freezes::of(&config, &config.environments[0], forge).pass(during, now.parse().unwrap())
    }

    fn gitlab(said: bool, windows: Vec<Window>) -> Frozen {
        Frozen { name: "GitLab", said: said.then_some("`CI_DEPLOY_FREEZE` is set"), windows, unread: None }
    }

    #[test]
    fn a_window_of_the_configuration_says_which_it_is_and_until_when() {
        let problem = pass(OURS, Frozen::default(), None, WEEKEND).unwrap_err();
        assert_eq!(problem.code, Code::Frozen);
        assert_eq!(problem.what, "deployments to `production` are frozen until Mon 2026-11-30 08:00 Europe/Berlin");
        assert_eq!(
            problem.causes,
            ["`freeze` in `deploy.toml` says from `0 17 * * FRI` until `0 8 * * MON` (Europe/Berlin): weekend"]
        );
        assert_eq!(problem.place.unwrap().line_and_column().0, 4);
        assert!(problem.hint.unwrap().contains("`--during-freeze REASON`"));
        assert_eq!(pass(OURS, Frozen::default(), None, WEEKDAY).unwrap(), None);
    }

    #[test]
    fn who_says_why_goes_on_and_it_is_written_down() {
        let event = pass(OURS, Frozen::default(), Some("the shop is down"), WEEKEND).unwrap();
        let Some(Event::FreezeOverridden { cause, until, reason }) = event else { panic!("{event:?}") };
        assert!(cause.contains("weekend"), "{cause}");
        assert_eq!(until.as_deref(), Some("Mon 2026-11-30 08:00 Europe/Berlin"));
        assert_eq!(reason, "the shop is down");
        // Where nothing is frozen there is nothing to write down.
        assert_eq!(pass(OURS, Frozen::default(), Some("in any case"), WEEKDAY).unwrap(), None);
    }

    #[test]
    fn the_forges_own_windows_freeze_too_and_so_does_what_it_says_by_itself() {
        let weekend = Window::new("0 23 * * 5", "0 8 * * 1", None, None).unwrap();
        let problem = pass("", gitlab(false, vec![weekend.clone()]), None, WEEKEND).unwrap_err();
        assert_eq!(problem.what, "deployments to `production` are frozen until Mon 2026-11-30 08:00 UTC");
        assert_eq!(
            problem.causes,
            ["a freeze period of the project on GitLab goes from `0 23 * * 5` until `0 8 * * 1` (UTC)"]
        );
        assert_eq!(problem.place, None);
        assert_eq!(pass("", gitlab(false, vec![weekend]), None, WEEKDAY).unwrap(), None);
        let problem = pass("", gitlab(true, vec![]), None, WEEKDAY).unwrap_err();
        assert_eq!(problem.what, "deployments to `production` are frozen");
        assert_eq!(problem.causes, ["`CI_DEPLOY_FREEZE` is set"]);
    }

    #[test]
    fn an_environment_may_be_none_of_the_forges_business() {
        let windows = || vec![Window::new("0 23 * * 5", "0 8 * * 1", None, None).unwrap()];
        let own = "forge_freeze = false";
        assert_eq!(pass(own, gitlab(true, vec![]), None, WEEKEND).unwrap(), None);
        assert_eq!(pass(own, gitlab(true, windows()), None, WEEKEND).unwrap(), None);
        assert!(pass(&format!("{own}\n{OURS}"), gitlab(true, windows()), None, WEEKEND).is_err());
    }

    #[test]
    fn what_comes_is_told_before_it_comes() {
        let next = |environment: &str, now: &str| {
            let config = config(environment);
            let freezes = Freezes::of(&config, &config.environments[0], Frozen::default());
            freezes.next(now.parse().unwrap())
        };
        assert_eq!(next("", WEEKEND), None);
        assert_eq!(
            next(OURS, WEEKDAY).unwrap(),
            "the next begins Fri 2026-12-04 17:00 Europe/Berlin: \
             from `0 17 * * FRI` until `0 8 * * MON` (Europe/Berlin): weekend"
        );
        assert_eq!(next(OURS, WEEKEND), None, "there is one now");
    }
}
