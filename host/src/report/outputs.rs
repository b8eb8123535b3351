//! What later steps and jobs are told of a run, in the forms that forges read: outputs, a dotenv file, links.

use super::{RunReport, Style, problems};
use crate::problem::Problem;
use crate::secret::Redactor;
use maud::{PreEscaped, html};
use serde_json::json;
use std::fmt::Write as _;

/// How large a dotenv file may be: GitLab refuses one of more than 5 KB.
const DOTENV: usize = 5 * 1000;

/// A value that is handed on.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Its name among a step's outputs on GitHub.
    pub name: &'static str,
    /// The variable that it is in a dotenv file. (`WINDLASS_RUN` marks what is at work for a run.)
    pub variable: &'static str,
    /// What it is, for a person.
    pub meaning: &'static str,
}

const fn output(name: &'static str, variable: &'static str, meaning: &'static str) -> Output {
    Output { name, variable, meaning }
}

/// All values that are handed on.
pub const OUTPUTS: [Output; 7] = [
    output("outcome", "WINDLASS_OUTCOME", "What came of the run; `succeeded` for a plan and a dry run."),
    output("run", "WINDLASS_RUN_ID", "The run's id. Empty where nothing was begun."),
    output("plan-digest", "WINDLASS_PLAN_DIGEST", "The digest of the plan that was made or run."),
    output("deployment-id", "WINDLASS_DEPLOYMENT_ID", "The deployment's id on the forge."),
    output("environment-url", "WINDLASS_URL", "Where the environment can be seen, by its `url` in `deploy.toml`."),
    output(
        "report",
        "WINDLASS_REPORT",
        "Where `report.html` of the run is, where there is one, relative to the repository.",
    ),
    output("reason", "WINDLASS_REASON", "The code of what it ended with, where it did not succeed."),
];

/// What there is to tell.
#[derive(Debug, Clone, Copy)]
pub struct Outputs<'a> {
    /// What the run came to.
    pub result: &'a RunReport,
    /// Where the environment can be seen.
    pub url: Option<&'a str>,
    /// Where the report for people is.
    pub report: Option<&'a str>,
}

impl Outputs<'_> {
    /// The values of [`OUTPUTS`].
    fn values(&self) -> impl Iterator<Item = (Output, String)> {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let Self { result, url, report } = self;
        let outcome = serde_json::to_value(result.outcome).unwrap_or_default();
        let values = [
            text(outcome.as_str()),
            result.run.clone(),
            result.plan.clone(),
            text(result.deployment.id.as_deref()),
            text(*url),
            text(*report),
            text(result.reason.as_deref()),
        ];
        OUTPUTS.into_iter().zip(values)
    }

    /// As GitHub's runner reads a step's outputs. The delimiter is one that nobody can have guessed, so that no value ends itself
    /// early.
    #[must_use]
    pub fn github(&self, delimiter: &str) -> String {
        let told = |(output, value): (Output, String)| format!("{}<<{delimiter}\n{value}\n{delimiter}\n", output.name);
        self.values().map(told).collect()
    }

    /// As GitLab reads a dotenv report. It takes no value of several lines, and nothing where one would be too much.
    #[must_use]
    pub fn dotenv(&self) -> String {
        let mut text = String::new();
        for (Output { variable, .. }, value) in self.values() {
            let is_one_line = !value.chars().any(char::is_control);
            if is_one_line && text.len() + variable.len() + value.len() + 2 <= DOTENV {
                let _ = writeln!(text, "{variable}={value}");
            }
        }
        text
    }

    /// As a JUnit report, where nothing was begun: one case, with what kept it from that.
    #[must_use]
    pub fn junit(&self, list: &[Problem], redactor: &Redactor) -> String {
        let RunReport { app, environment, component, reason, .. } = self.result;
        let place: Vec<&str> = [app.as_str(), environment, component.as_deref().unwrap_or_default()]
            .into_iter()
            .filter(|it| !it.is_empty())
            .collect();
        let class = place.join(".");
        let what = redactor.redact(list.first().map_or("", |problem| &problem.what));
        let text = problems(list, Style::plain());
        let text = redactor.redact(&text);
        let page = html! {
            (PreEscaped("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"))
            testsuites {
                testsuite name="windlass" tests="1" failures="0" errors="1" skipped="0" time="0.000" {
                    testcase name="begin" classname=(class) time="0.000" {
                        error type=(reason.as_deref().unwrap_or_default()) message=(what) { (text) }
                    }
                }
            }
            "\n"
        };
        super::xml(page)
    }

    /// As GitLab reads an annotations report: links that it shows beside the job. `page` is where the report can be seen there.
    #[must_use]
    pub fn links(&self, page: Option<&str>) -> String {
        let environment = &self.result.environment;
        let links = [
            (environment.clone(), self.url),
            (format!("deployment to {environment}"), self.result.deployment.url.as_deref()),
            ("report".to_owned(), page),
        ];
        let is_link = |url: &&str| url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        let links = links.into_iter().filter_map(|(label, url)| Some((label, url.filter(is_link)?)));
        let links: Vec<_> =
            links.map(|(label, url)| json!({ "external_link": { "label": label, "url": url } })).collect();
        format!("{}\n", json!({ "windlass": links }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::RunOutcome;

    fn result() -> RunReport {
        RunReport {
            run: "r1".into(),
            environment: "staging".into(),
            plan: "sha256:00".into(),
            reason: Some("step-failed".into()),
            ..RunReport::not_begun(RunOutcome::RolledBack)
        }
    }

    #[test]
    fn a_value_cannot_end_itself() {
        let result = RunReport { run: "a\nEND\noutcome=succeeded".into(), ..result() };
        let text = Outputs { result: &result, url: Some("https://x"), report: None }.github("D1");
        assert_eq!(
            text,
            "outcome<<D1\nrolled-back\nD1\nrun<<D1\na\nEND\noutcome=succeeded\nD1\nplan-digest<<D1\nsha256:00\nD1\n\
             deployment-id<<D1\n\nD1\nenvironment-url<<D1\nhttps://x\nD1\nreport<<D1\n\nD1\nreason<<D1\nstep-failed\nD1\n"
        );
    }

    #[test]
    fn a_dotenv_file_has_one_line_for_each_value_and_is_small_enough() {
        let result = RunReport { run: "a\nB=c".into(), ..result() };
        let long = format!("https://x/{}", "a".repeat(6000));
        let text = Outputs { result: &result, url: Some(&long), report: Some("a/report.html") }.dotenv();
        assert_eq!(
            text,
            "WINDLASS_OUTCOME=rolled-back\nWINDLASS_PLAN_DIGEST=sha256:00\nWINDLASS_DEPLOYMENT_ID=\n\
             WINDLASS_REPORT=a/report.html\nWINDLASS_REASON=step-failed\n"
        );
    }

    #[test]
    fn only_links_are_linked() {
        let outputs = Outputs { result: &result(), url: Some("javascript:alert(1)"), report: None };
        assert_eq!(
            outputs.links(Some("https://gitlab.example/-/jobs/1/artifacts/file/report.html")),
            "{\"windlass\":[{\"external_link\":{\"label\":\"report\",\
             \"url\":\"https://gitlab.example/-/jobs/1/artifacts/file/report.html\"}}]}\n"
        );
    }
}
