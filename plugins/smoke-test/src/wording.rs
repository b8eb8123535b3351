//! What is said about the checks: lines for the log, the table, the failure.

use crate::check::{Prepared, seconds};
use crate::judge::Verdict;
use crate::run::Finding;
use windlass_plugin::Failure;

/// A line for the log when a check has something new to say.
#[must_use]
pub fn news(check: &Prepared, verdict: &Verdict, tries: u32) -> String {
    let name = &check.name;
    match verdict {
        Verdict::Good(latency) if tries == 1 => format!("`{name}` holds ({})", seconds(*latency)),
        Verdict::Good(latency) => format!("`{name}` holds ({}, try {tries})", seconds(*latency)),
        Verdict::NotUp { because } => format!("`{name}` is not up yet (try {tries}): {}", because.join("; ")),
        // The first reason will do: all of them are in the failure, if it comes to that.
        Verdict::Wrong { because, .. } => {
            format!("`{name}` is wrong (try {tries}): {}", because.first().map_or("", String::as_str))
        }
        Verdict::Stop(failure) => format!("`{name}` cannot be tried: {}", failure.message),
    }
}

/// The columns of the table.
#[must_use]
pub fn columns() -> Vec<String> {
    ["check", "result", "tries", "latency"].map(Into::into).to_vec()
}

/// One row per check.
#[must_use]
pub fn rows(checks: &[Prepared], findings: &[Finding]) -> Vec<Vec<String>> {
    checks
        .iter()
        .zip(findings)
        .map(|(check, finding)| {
            let (result, latency) = match &finding.verdict {
                Some(Verdict::Good(latency)) => ("holds", seconds(*latency)),
                _ if finding.tries == 0 => ("not tried", String::new()),
                _ if finding.given_up => ("given up", String::new()),
                Some(Verdict::Wrong { .. }) => ("wrong", String::new()),
                _ => ("not up", String::new()),
            };
            vec![check.name.clone(), result.into(), finding.tries.to_string(), latency]
        })
        .collect()
}

/// What the step says where all is well.
#[must_use]
pub fn summary(findings: &[Finding]) -> String {
    match findings.len() {
        1 => "the check holds".into(),
        2 => "both checks hold".into(),
        more => format!("all {more} checks hold"),
    }
}

/// The failure that the findings make, where they make one. An answer that is wrong outweighs one that never came.
#[must_use]
pub fn failure(checks: &[Prepared], findings: &[Finding]) -> Option<Failure> {
    let failed: Vec<(&Prepared, &Finding)> =
        checks.iter().zip(findings).filter(|(_, finding)| finding.is_failed()).collect();
    let (first, _) = failed.first()?;
    let wrong = failed.iter().any(|(_, finding)| matches!(finding.verdict, Some(Verdict::Wrong { .. })));
    let message = match failed.len() {
        1 if wrong => format!("`{}` does not answer as it must", first.name),
        1 => format!("`{}` is not up", first.name),
        more => {
            let names: Vec<String> = failed.iter().map(|(check, _)| format!("`{}`", check.name)).collect();
            format!("{more} of {} checks failed: {}", checks.len(), names.join(", "))
        }
    };
    let mut failure =
        if wrong { Failure::check_failed("wrong-answer", message) } else { Failure::unavailable("not-up", message) };
    for (check, finding) in &failed {
        let prefix = if failed.len() > 1 { format!("`{}`: ", check.name) } else { String::new() };
        let (because, hint) = match &finding.verdict {
            Some(Verdict::Wrong { because, hint }) => (because.as_slice(), hint.clone()),
            Some(Verdict::NotUp { because }) => (because.as_slice(), None),
            _ => (&[][..], None),
        };
        for reason in because {
            failure = failure.because(format!("{prefix}{reason}"));
        }
        failure = failure.because(format!("{prefix}{}", effort(finding)));
        failure.hint = failure.hint.or(hint);
    }
    if !wrong {
        failure.hint = Some(format!(
            "look into the application's own log, or raise `within` above `{}` if it needs longer to start",
            written(first.pace.within)
        ));
    }
    Some(failure)
}

fn effort(finding: &Finding) -> String {
    match finding.tries {
        1 => format!("tried once, {}", seconds(finding.took)),
        tries => format!("tried {tries} times in {}", seconds(finding.took)),
    }
}

/// A length of time as the configuration writes it.
fn written(duration: std::time::Duration) -> String {
    let milliseconds = duration.as_millis();
    if milliseconds.is_multiple_of(1_000) { format!("{}s", milliseconds / 1_000) } else { format!("{milliseconds}ms") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::prepare;
    use serde_json::json;
    use std::time::Duration;
    use windlass_plugin::FailureKind;

    fn checks(names: &[&str]) -> Vec<Prepared> {
        let checks: Vec<_> = names.iter().map(|name| json!({ "name": name, "url": "https://a.example" })).collect();
        prepare(&serde_json::from_value(json!({ "checks": checks })).expect("fits")).expect("makes sense")
    }

    fn finding(verdict: Verdict, tries: u32) -> Finding {
        Finding { verdict: Some(verdict), given_up: false, tries, took: Duration::from_millis(30_120) }
    }

    fn wrong(because: &str) -> Verdict {
        Verdict::Wrong { because: vec![because.into()], hint: None }
    }

    fn not_up(because: &str) -> Verdict {
        Verdict::NotUp { because: vec![because.into()] }
    }

    #[test]
    fn a_wrong_answer_says_what_was_expected_and_what_came() {
        let findings = [finding(wrong("expected status `200`, came `500`"), 12)];
        let failure = failure(&checks(&["healthy"]), &findings).expect("a failure");
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::CheckFailed, "wrong-answer"));
        assert_eq!(failure.message, "`healthy` does not answer as it must");
        assert_eq!(failure.causes, ["expected status `200`, came `500`", "tried 12 times in 30.1 s"]);
        assert_eq!(failure.hint, None);
    }

    #[test]
    fn what_never_came_up_is_unavailable() {
        let failure = failure(&checks(&["healthy"]), &[finding(not_up("refused"), 1)]).expect("a failure");
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Unavailable, "not-up"));
        assert_eq!(failure.causes, ["refused", "tried once, 30.1 s"]);
        assert!(failure.hint.expect("a hint").contains("above `30s`"));
    }

    #[test]
    fn several_failures_are_named_and_wrong_outweighs_not_up() {
        let good = finding(Verdict::Good(Duration::from_millis(5)), 1);
        let findings = [finding(not_up("refused"), 3), good, finding(wrong("came `500`"), 2)];
        let failure = failure(&checks(&["a", "b", "c"]), &findings).expect("a failure");
        assert_eq!(failure.code, "wrong-answer");
        assert_eq!(failure.message, "2 of 3 checks failed: `a`, `c`");
        assert_eq!(failure.causes[0], "`a`: refused");
        assert_eq!(failure.causes[2], "`c`: came `500`");
    }

    #[test]
    fn good_findings_make_no_failure() {
        let findings = [finding(Verdict::Good(Duration::from_millis(5)), 1)];
        assert_eq!(failure(&checks(&["a"]), &findings), None);
        assert_eq!(summary(&findings), "the check holds");
        assert_eq!(rows(&checks(&["a"]), &findings), [["a", "holds", "1", "5 ms"]]);
    }

    #[test]
    fn the_table_tells_the_ends_apart() {
        let mut given_up = finding(not_up("refused"), 2);
        given_up.given_up = true;
        let untried = Finding { verdict: None, given_up: true, tries: 0, took: Duration::ZERO };
        let findings = [finding(wrong("x"), 1), finding(not_up("x"), 1), given_up, untried];
        let results: Vec<String> =
            rows(&checks(&["a", "b", "c", "d"]), &findings).into_iter().map(|row| row[1].clone()).collect();
        assert_eq!(results, ["wrong", "not up", "given up", "not tried"]);
    }
}
