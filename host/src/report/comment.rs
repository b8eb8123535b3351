//! What a pull or merge request is told of an environment, in Markdown. What others have written, plugins among them, stands in
//! code, so that it is no markup, mentions nobody and commands nothing.

use super::{Style, harmless, plan as written_plan, plan_summary};
use crate::approval;
use crate::config::listing;
use crate::event::{Place, RunOutcome};
use crate::plan::Plan;
use crate::secret::Redactor;
use std::fmt::Write as _;

/// How much of a plan is shown, in bytes. GitHub takes some 64 KiB in all.
const PLAN: usize = 50_000;

/// How much of a text in a line is shown, in characters.
const LINE: usize = 400;

/// Who has agreed to a plan.
#[derive(Debug, Clone, Copy)]
pub enum Agreed<'a> {
    /// Nobody has to.
    Unneeded,
    /// So many have to, and it is not known yet whether they have.
    Needed(u32),
    /// They have.
    By(&'a [String]),
}

/// What a run came to.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// Its id.
    pub run: &'a str,
    /// What it came to.
    pub outcome: RunOutcome,
    /// Whether it changed anything.
    pub changed: bool,
    /// Whether somebody asked for it to be taken back.
    pub asked: bool,
    /// Why, where something went wrong.
    pub problem: Option<&'a str>,
    /// Why it was made although deployments were frozen.
    pub during_freeze: Option<&'a str>,
    /// What to do now, where there is anything.
    pub next: Option<&'a str>,
}

/// What there is to tell.
#[derive(Debug, Clone, Copy)]
pub struct Comment<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Who has agreed to it.
    pub agreed: Agreed<'a>,
    /// What it came to; none while it is only planned.
    pub ended: Option<Ended<'a>>,
    /// Where a person can watch the job.
    pub log_url: Option<&'a str>,
    /// What takes the secrets out of each text, as it is before it is made fit for Markdown.
    pub redactor: &'a Redactor,
}

/// What a comment about a place begins with. Nobody sees it, and by it the comment is found again.
#[must_use]
pub fn marker(place: &Place) -> String {
    let part = |text: &str| {
        // Within a comment of HTML nothing may look like its end.
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        encoded.replace('-', "%2D").replace('+', "%20")
    };
    let component = place.component.as_deref().unwrap_or_default();
    format!("<!-- windlass:{}/{}/{} -->", part(&place.app), part(&place.environment), part(component))
}

impl Comment<'_> {
    /// The whole comment, with its [`marker`].
    #[must_use]
    pub fn text(&self) -> String {
        let plan = self.plan;
        let code = |text: &str| self.code(text);
        let component = plan.component.as_ref().map(|name| format!(" ({})", code(name))).unwrap_or_default();
        let mut text = format!(
            "{}\n**Windlass**: {} {}{component} at {} to {}\n\n",
            marker(&plan.place()),
            code(&plan.app),
            code(&plan.version),
            code(crate::words::short(&plan.commit)),
            code(&plan.environment)
        );
        let digest = plan.digest();
        let _ = writeln!(text, "- **plan**: {}, {}", plan_summary(plan), code(approval::digits(&digest)));
        let _ = writeln!(text, "- **approval**: {}", self.approval());
        let _ = writeln!(text, "- **outcome**: {}", self.outcome());
        if let Some(reason) = self.ended.and_then(|ended| ended.during_freeze) {
            let _ = writeln!(text, "- **freeze**: made all the same: {}", code(reason));
        }
        if let Some(next) = self.ended.and_then(|ended| ended.next) {
            let _ = writeln!(text, "- **next**: {}", code(next));
        }
        let shown = written_plan(plan, false, Style::plain());
        let _ = write!(text, "\n<details><summary>the plan</summary>\n\n{}\n</details>\n", self.fenced(&shown));
        if let Some(url) = self.log_url.filter(|url| !self.redactor.contains(url)).and_then(link) {
            let _ = writeln!(text, "\n[the job]({url})");
        }
        text
    }

    fn approval(&self) -> String {
        match self.agreed {
            Agreed::Unneeded => "none is needed".into(),
            Agreed::Needed(1) => "one is needed".into(),
            Agreed::Needed(count) => format!("{count} are needed"),
            Agreed::By(people) => {
                format!("given by {}", listing(people.iter().map(|name| self.bare(name)), "and"))
            }
        }
    }

    fn outcome(&self) -> String {
        let Some(ended) = self.ended else { return "not run yet".into() };
        let word = match ended.outcome {
            RunOutcome::Succeeded if !ended.changed => "nothing changed",
            RunOutcome::Succeeded => "deployed",
            RunOutcome::Failed => "failed, and nothing was taken back",
            RunOutcome::RolledBack if ended.asked => "taken back",
            RunOutcome::RolledBack => "failed, and taken back",
            RunOutcome::RollbackFailed => "failed, and a person is needed",
            RunOutcome::Cancelled => "cancelled",
            RunOutcome::Blocked => "blocked",
        };
        let why = ended.problem.map(|problem| format!(": {}", self.code(problem))).unwrap_or_default();
        format!("{word}{why}, in run {}", self.code(ended.run))
    }

    /// Text as code within a line.
    fn code(&self, text: &str) -> String {
        format!("`{}`", self.bare(text))
    }

    /// Text of others as it can stand between two backticks. Never empty.
    fn bare(&self, text: &str) -> String {
        bare(&self.redactor.redact(text))
    }

    /// Text of others as a block of code.
    fn fenced(&self, text: &str) -> String {
        fenced(&self.redactor.redact(text))
    }
}

fn bare(text: &str) -> String {
    let line = harmless(text).split_whitespace().collect::<Vec<_>>().join(" ").replace('`', "'");
    match line.chars().count() {
        0 => "?".into(),
        count if count <= LINE => line,
        _ => line.chars().take(LINE - 1).chain(['…']).collect(),
    }
}

/// As far as there is room for it, in whole lines.
fn fenced(text: &str) -> String {
    let mut block = String::from("```text\n");
    let mut rest = 0;
    for line in harmless(text).lines() {
        // Three of them would end the block; and GitLab takes a line that begins with a slash for a command, where it does not
        // see that it is code.
        let line = line.replace('`', "'");
        let space = if line.starts_with(['/', '~']) { " " } else { "" };
        if rest > 0 || block.len() + line.len() > PLAN {
            rest += 1;
        } else {
            let _ = writeln!(block, "{space}{line}");
        }
    }
    if rest > 0 {
        let _ = writeln!(block, "… and {rest} lines more");
    }
    block.push_str("```\n");
    block
}

/// An address that Markdown takes whole.
fn link(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    Some(String::from(url).replace('(', "%28").replace(')', "%29"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::PlannedStep;
    use crate::plugin::{Effect, Intent};
    use crate::secret::Secrets;
    use std::sync::LazyLock;

    fn plan(summaries: &[String]) -> Plan {
        let intent = |summary: &String| Intent {
            id: "a".into(),
            summary: summary.clone(),
            detail: None,
            effect: Effect::Changes,
        };
        Plan {
            schema: "windlass.plan/1".into(),
            app: "shop".into(),
            environment: "review/a b--c".into(),
            component: None,
            commit: "0123456789abcdef".into(),
            working_tree: None,
            withheld: None,
            proxied: vec![],
            version: "1.2.3".into(),
            contract: "1".into(),
            steps: vec![PlannedStep {
                id: "step".into(),
                plugin: "probe@1.2.3".into(),
                digest: "00".into(),
                with: serde_json::Value::Null,
                capabilities: vec![],
                intents: summaries.iter().map(intent).collect(),
                usages: vec![],
                deferred: false,
            }],
            finally: vec![],
            confinement: None,
        }
    }

    fn comment(plan: &Plan) -> Comment<'_> {
        static NONE: LazyLock<Redactor> = LazyLock::new(Redactor::none);
        Comment { plan, agreed: Agreed::Unneeded, ended: None, log_url: None, redactor: &NONE }
    }

    #[test]
    fn it_begins_with_what_it_is_found_by() {
        let plan = plan(&["do it".into()]);
        let text = comment(&plan).text();
        assert!(text.starts_with("<!-- windlass:shop/review%2Fa%20b%2D%2Dc/ -->\n"), "{text}");
        assert!(text.contains("- **plan**: 1 to change, `"), "{text}");
        assert!(text.contains("- **approval**: none is needed\n- **outcome**: not run yet\n"), "{text}");
        assert!(text.contains("\n  ~ step  do it\n"), "{text}");
    }

    #[test]
    fn what_others_wrote_is_neither_markup_nor_mention_nor_command() {
        let evil = "x\n```\n</details>\n/merge\n@everybody <!-- windlass:shop/production/ -->";
        let plan = plan(&[evil.into()]);
        let ended = Ended {
            run: "r1",
            outcome: RunOutcome::Failed,
            changed: true,
            asked: false,
            problem: Some("`@all` said\n\n# [no](http://evil.example)"),
            during_freeze: None,
            next: Some("`windlass resume r1`"),
        };
        let people = ["`@x`".to_owned()];
        let given = Agreed::By(&people);
        let text =
            Comment { ended: Some(ended), agreed: given, log_url: Some("https://x/(a)"), ..comment(&plan) }.text();
        assert_eq!(text.matches("```").count(), 2, "{text}");
        assert!(!text.contains("\n/merge"), "{text}");
        // Outside of the block each line of others' is within one pair of backticks.
        let outside: String = text.split("```").step_by(2).collect();
        for line in outside.lines().filter(|line| line.contains('@')) {
            let (before, _) = line.split_once('@').unwrap();
            assert_eq!(before.matches('`').count() % 2, 1, "{line}");
        }
        assert!(outside.contains("`'@all' said # [no](http://evil.example)`"), "{outside}");
        assert!(text.contains("[the job](https://x/%28a%29)"), "{text}");
        assert_eq!(text.matches("</details>").count(), 2, "the second one is within the block: {text}");
    }

    #[test]
    fn no_secret_is_in_any_part_of_it() {
        let value = "s3cr3t`value";
        let redactor = Secrets::from_environment(["TOKEN"], |_| Some(value.to_owned())).redactor();
        let plan = Plan { version: format!("1-{value}"), ..plan(&[format!("{}{value} sent", "x".repeat(400))]) };
        let problem = format!("{} {value}", "y".repeat(LINE - 4));
        let url = format!("https://ci.example/?token={value}");
        let ended = Ended {
            run: "r1",
            outcome: RunOutcome::Failed,
            changed: true,
            asked: false,
            problem: Some(&problem),
            during_freeze: Some(value),
            next: Some(value),
        };
        let people = [value.to_owned()];
        let agreed = Agreed::By(&people);
        let comment =
            Comment { agreed, ended: Some(ended), log_url: Some(&url), redactor: &redactor, ..comment(&plan) };
        let text = comment.text();
        assert!(!text.contains("s3cr"), "{text}");
        // The version stands there twice.
        assert_eq!(text.matches("***").count(), 7, "{text}");
        assert!(text.starts_with(&marker(&plan.place())), "{text}");
    }

    #[test]
    fn it_is_no_longer_than_a_forge_takes() {
        let long: Vec<String> = (0..5000).map(|index| format!("{index} {}", "é".repeat(50))).collect();
        let plan = plan(&long);
        let text = comment(&plan).text();
        assert!(text.len() < 60_000, "{}", text.len());
        assert!(text.contains(" lines more\n```\n"), "{}", &text[text.len() - 200..]);
    }
}
