use super::*;
use crate::config::Approvers;

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn rule(required: u32) -> Approval {
    Approval { required, own: false, bind: Bind::Plan, from: None }
}

fn case(decisions: &[(&str, Answer, Option<&str>)]) -> Case {
    let subject = Subject {
        app: "shop".into(),
        environment: "production".into(),
        component: None,
        commit: "0123456789".into(),
        reference: None,
        version: "1".into(),
        actor: Some("ada".into()),
    };
    let decision = |(by, answer, comment): &(&str, Answer, Option<&str>)| Decision {
        answer: *answer,
        by: (*by).into(),
        at: "2026-11-28T10:00:00.000Z".into(),
        comment: comment.map(str::to_owned),
    };
    let (schema, at) = (SCHEMA.into(), "2026-11-28T09:00:00.000Z".into());
    let plan = (&serde_json::json!({})).into();
    Case {
        request: Request { schema, digest: DIGEST.into(), subject, at, plan },
        decisions: decisions.iter().map(decision).collect(),
    }
}

/// In words: who approved, who rejected, or why what was said does not count.
fn said(rule: &Approval, decisions: &[(&str, Answer, Option<&str>)]) -> String {
    let names = |decisions: &[Decision]| decisions.iter().map(|it| it.by.clone()).collect::<Vec<_>>().join("+");
    match case(decisions).standing(rule) {
        Standing::Approved(by) => format!("approved by {}", names(&by)),
        Standing::Rejected(by) => format!("rejected by {}", by.by),
        Standing::Waiting { approved, ignored } => {
            let whys: Vec<_> = ignored.iter().map(|(by, why)| format!("{}: {why}", by.by)).collect();
            format!("waiting, {} yes; {}", approved.len(), whys.join("; "))
        }
    }
}

#[test]
fn so_many_people_as_are_asked_for_have_to_agree() {
    use Answer::{Approved as Yes, Rejected as No};
    let two = rule(2);
    for (decisions, expected) in [
        (&[][..], "waiting, 0 yes; "),
        (&[("bob", Yes, None)], "waiting, 1 yes; "),
        (&[("bob", Yes, None), ("BOB", Yes, None)], "waiting, 1 yes; "),
        (&[("bob", Yes, None), ("cy", Yes, None)], "approved by bob+cy"),
        (&[("bob", Yes, None), ("cy", No, None)], "rejected by cy"),
        (&[("cy", No, None), ("bob", Yes, None), ("cy", Yes, None)], "approved by bob+cy"),
        (&[("bob", Yes, None), ("bob", No, None), ("cy", Yes, None)], "rejected by bob"),
    ] {
        assert_eq!(said(&two, decisions), expected, "{decisions:?}");
    }
}

#[test]
fn whoever_asks_has_no_say_unless_that_is_allowed() {
    let ada = [("Ada", Answer::Approved, None)];
    assert!(said(&rule(1), &ada).ends_with("Ada: whoever asks for it may not decide on it (`self = false`)"));
    assert_eq!(said(&Approval { own: true, ..rule(1) }, &ada), "approved by Ada");
    assert!(said(&rule(1), &[("ada", Answer::Rejected, None)]).starts_with("waiting"));
    // Where nobody knows who asks, it may have been anybody.
    let mut unknown = case(&[("bob", Answer::Approved, None)]);
    unknown.request.subject.actor = None;
    assert!(matches!(unknown.standing(&rule(1)), Standing::Waiting { .. }));
}

#[test]
fn only_those_who_are_named_have_a_say() {
    let from = |teams: &[&str]| Approval {
        from: Some(Approvers { users: vec!["bob".into()], teams: teams.iter().map(|&team| team.to_owned()).collect() }),
        ..rule(1)
    };
    assert_eq!(said(&from(&[]), &[("Bob", Answer::Approved, None)]), "approved by Bob");
    assert!(said(&from(&[]), &[("cy", Answer::Approved, None)]).ends_with("cy: only those in `from` may"));
    assert!(said(&from(&["ops"]), &[("cy", Answer::Approved, None)]).contains("only a forge knows"));
    assert!(said(&from(&[]), &[("cy", Answer::Rejected, None)]).starts_with("waiting"));
}

#[test]
fn a_comment_that_binds_has_enough_of_the_digest_in_it() {
    let rule = Approval { bind: Bind::Comment, ..rule(1) };
    let of = |comment| said(&rule, &[("bob", Answer::Approved, comment)]);
    for good in ["0123456789ab", "go: sha256:0123456789ABCDEF, I looked", DIGEST] {
        assert_eq!(of(Some(good)), "approved by bob", "{good}");
    }
    for bad in ["0123456789a", "0123456789ac", "x0123456789", "", "123456789abcdef"] {
        assert!(of(Some(bad)).contains("the comment has to name the plan's digest, `0123456789ab`"), "{bad}");
    }
    assert!(of(None).starts_with("waiting"));
    // To say no needs no digest.
    assert_eq!(said(&rule, &[("bob", Answer::Rejected, None)]), "rejected by bob");
}

#[test]
fn what_is_asked_and_said_is_kept_until_it_is_done() {
    let project = tempfile::tempdir().expect("a directory");
    let local = Local::of(project.path());
    assert_eq!(local.cases().expect("none"), []);
    let asked = case(&[("bob", Answer::Approved, None), ("cy", Answer::Rejected, Some("not now"))]);
    local.ask(&asked.request).expect("asked");
    for decision in &asked.decisions {
        local.decide(DIGEST, decision).expect("said");
    }
    local.ask(&Request { at: "later".into(), ..asked.request.clone() }).expect("asked already");
    let mut kept = local.cases().expect("one");
    kept[0].decisions.sort_by(|one, other| one.by.cmp(&other.by));
    assert_eq!(kept, [asked]);
    local.forget(DIGEST).expect("forgotten");
    local.forget(DIGEST).expect("forgotten already");
    assert_eq!(local.cases().expect("none"), []);
}

#[test]
fn what_was_changed_by_hand_is_no_approval() {
    let project = tempfile::tempdir().expect("a directory");
    let local = Local::of(project.path());
    let asked = case(&[]);
    local.ask(&asked.request).expect("asked");
    let directory = project.path().join(".windlass/approvals");
    let other = directory.join("f".repeat(64));
    std::fs::rename(directory.join(digits(DIGEST)), &other).expect("moved");
    assert!(local.cases().expect_err("of another plan").what.contains("cannot be read"));
    std::fs::write(other.join(local::REQUEST), "{").expect("written");
    assert!(local.cases().is_err());
}
