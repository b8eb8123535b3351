//! GitLab's freeze periods ("Freeze periods API", `doc/api/freeze_periods.md`), and what it says of them to a job.
//!
//! Every job that begins within one has `CI_DEPLOY_FREEZE`. The periods themselves the job's own token may not read.

use super::GitLab;
use crate::forge::Frozen;
use crate::forge::pages::Pages;
use crate::freeze::Window;
use crate::problem::{Code, Problem};
use serde::Deserialize;

/// A freeze period, as far as we read it.
#[derive(Debug, Deserialize)]
struct Period {
    freeze_start: String,
    freeze_end: String,
    #[serde(default)]
    cron_timezone: Option<String>,
}

impl GitLab {
    /// The project's freeze periods where the token may read them, and otherwise what the job was told when it began.
    pub(in crate::forge) async fn frozen(&self) -> Frozen {
        let said = self.project.is_frozen.then_some("`CI_DEPLOY_FREEZE` is set: GitLab said so when the job began");
        let told = Frozen { name: "GitLab", said, ..Frozen::default() };
        if !self.is_given {
            return told;
        }
        match Pages::all(self.route("/freeze_periods")).collect(&mut self.client.effort()).await {
            Ok(periods) => {
                let (windows, unread) = windows(&periods);
                // What the periods say now is later than what the job was told.
                let said = said.filter(|_| unread.is_some());
                Frozen { said, windows, unread, ..told }
            }
            Err(failure) => {
                let problem = failure.problem(Code::ForgeRefused, "list the freeze periods");
                Frozen { unread: Some(problem.with_note("what counts is whether `CI_DEPLOY_FREEZE` is set")), ..told }
            }
        }
    }
}

/// The periods as windows, and why not all of them are.
fn windows(periods: &[Period]) -> (Vec<Window>, Option<Problem>) {
    let mut unread = None;
    let mut windows = Vec::new();
    for Period { freeze_start, freeze_end, cron_timezone } in periods {
        match Window::new(freeze_start, freeze_end, cron_timezone.as_deref(), None) {
            Ok(window) => windows.push(window),
            Err(mistake) => {
                unread = Some(
                    Problem::new(Code::ForgeRefused, "a freeze period of the project on GitLab cannot be read")
                        .because(mistake.why)
                        .with_note("what counts for it is whether `CI_DEPLOY_FREEZE` is set")
                        .with_hint("write it on GitLab with a time zone such as `Europe/Berlin`, or into `freeze`"),
                );
            }
        }
    }
    (windows, unread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_windows_and_one_that_is_none_is_told() {
        let period = |from: &str, until: &str, zone: Option<&str>| Period {
            freeze_start: from.into(),
            freeze_end: until.into(),
            cron_timezone: zone.map(str::to_owned),
        };
        let good = [period("0 23 * * 5", "0 8 * * 1", Some("Europe/Berlin")), period("0 0 24 12 *", "0 0 2 1 *", None)];
        let (read, unread) = windows(&good);
        assert_eq!(read.len(), 2);
        assert_eq!(unread, None);
        // A name of ActiveSupport's.
        let (read, unread) = windows(&[period("0 23 * * 5", "0 8 * * 1", Some("Pacific Time (US & Canada)"))]);
        assert!(read.is_empty());
        assert_eq!(unread.unwrap().causes, ["there is no time zone `Pacific Time (US & Canada)`"]);
    }
}
