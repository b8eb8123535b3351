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
        at: Some("2026-11-28T10:00:00.000Z".into()),
        teams: if *by == "dan" { vec!["deployers".into()] } else { vec![] },
        comment: comment.map(str::to_owned),
    };
    let (schema, at) = (SCHEMA.into(), "2026-11-28T09:00:00.000Z".into());
    let plan = (&serde_json::json!({})).into();
    Case {
        request: Request { schema, digest: DIGEST.into(), subject, at, plan },
        at: Where::Here,
        askers: vec!["ada".into()],
        decisions: decisions.iter().map(decision).collect(),
        newer: None,
    }
}

/// In words: who approved, who rejected, or why what was said does not count.
fn said(rule: &Approval, decisions: &[(&str, Answer, Option<&str>)]) -> String {
    let names = |decisions: &[Decision]| decisions.iter().map(|it| it.by.clone()).collect::<Vec<_>>().join("+");
    match case(decisions).standing(rule) {
        Standing::Approved(by) => format!("approved by {}", names(&by)),
        Standing::Rejected(by) => format!("rejected by {}", by.by),
        Standing::Closed(why) => format!("{}: {why}", why.word()),
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
    // But to take back what one asked for is another thing.
    assert!(said(&rule(1), &[("ada", Answer::Rejected, None)]).starts_with("withdrawn"));
    // Where nobody knows who asks, it may have been anybody.
    let mut unknown = case(&[("bob", Answer::Approved, None)]);
    unknown.askers.clear();
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
    // Dan is one of the deployers.
    assert_eq!(said(&from(&["Deployers"]), &[("dan", Answer::Approved, None)]), "approved by dan");
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
fn what_was_said_before_a_plan_was_made_is_not_for_it() {
    let decisions = case(&[("bob", Answer::Approved, None), ("cy", Answer::Rejected, None)]).decisions;
    let twice: Vec<Decision> = decisions.iter().chain(&decisions).cloned().collect();
    assert_eq!(since(decisions.clone(), &decisions), []);
    // The same once more is more, in whatever order they are told.
    assert_eq!(since(twice, &[decisions[1].clone(), decisions[0].clone()]), decisions);
    assert_eq!(since(decisions.clone(), &[]), decisions);
}

#[test]
fn an_approval_that_names_another_plan_is_for_that() {
    let of = |comment: &str| said(&rule(1), &[("bob", Answer::Approved, Some(comment))]);
    let ours = commented(Some("go"), DIGEST);
    assert_eq!(ours, "go (windlass plan 0123456789ab)");
    assert_eq!(of(&ours), "approved by bob");
    assert_eq!(commented(None, DIGEST), "windlass plan 0123456789ab");
    assert_eq!(commented(Some("0123456789ABcd: go"), DIGEST), "0123456789ABcd: go");
    let other = commented(Some("go"), &format!("sha256:{}", "f".repeat(64)));
    assert!(of(&other).ends_with("bob: its comment names another plan"));
    // Both, one after the other.
    assert_eq!(of(&format!("{other} and {ours}")), "approved by bob");
    // Not every number is one of a plan.
    assert_eq!(of("as ffffffffffff says, windlass plan is fine"), "approved by bob");
    assert_eq!(said(&rule(1), &[("bob", Answer::Rejected, Some(&other))]), "rejected by bob");
}

#[test]
fn what_is_asked_and_said_is_kept_until_it_is_done() {
    let project = tempfile::tempdir().expect("a directory");
    let local = Local::of(project.path());
    assert_eq!(local.cases().expect("none"), (vec![], vec![]));
    let mut asked = case(&[("bob", Answer::Approved, None), ("cy", Answer::Rejected, Some("not now"))]);
    asked.decisions.iter_mut().for_each(|decision| decision.teams.clear());
    local.ask(&asked.request, &rule(1)).expect("asked");
    for decision in &asked.decisions {
        local.decide(DIGEST, decision).expect("said");
    }
    local.ask(&Request { at: "later".into(), ..asked.request.clone() }, &rule(1)).expect("asked already");
    let mut kept = local.case(DIGEST).expect("one").expect("one");
    kept.decisions.sort_by(|one, other| one.by.cmp(&other.by));
    assert_eq!(kept, asked);
    local.forget(DIGEST).expect("forgotten");
    local.forget(DIGEST).expect("forgotten already");
    assert_eq!(local.cases().expect("none"), (vec![], vec![]));
}

#[test]
fn what_was_said_earlier_than_it_was_asked_does_not_count() {
    let project = tempfile::tempdir().expect("a directory");
    let local = Local::of(project.path());
    let asked = case(&[("bob", Answer::Approved, None)]);
    local.ask(&Request { at: "2026-11-28T10:00:00.001Z".into(), ..asked.request.clone() }, &rule(1)).expect("asked");
    local.decide(DIGEST, &asked.decisions[0]).expect("said");
    assert_eq!(local.case(DIGEST).expect("one").expect("one").decisions, []);
}

#[test]
fn what_nobody_is_known_to_ask_is_asked_anew_by_somebody() {
    let project = tempfile::tempdir().expect("a directory");
    let local = Local::of(project.path());
    let asked = case(&[]).request;
    let mut nobody = asked.clone();
    nobody.subject.actor = None;
    local.ask(&nobody, &rule(1)).expect("asked");
    assert_eq!(local.case(DIGEST).expect("one").expect("one").askers, Vec::<String>::new());
    local.ask(&asked, &rule(1)).expect("asked anew");
    assert_eq!(local.case(DIGEST).expect("one").expect("one").askers, ["ada"]);
    local.ask(&nobody, &rule(1)).expect("asked already");
    assert_eq!(local.case(DIGEST).expect("one").expect("one").askers, ["ada"]);
}

#[test]
fn what_was_changed_by_hand_is_no_approval_and_keeps_nobody_from_the_others() {
    let project = tempfile::tempdir().expect("a directory");
    let local = Local::of(project.path());
    let asked = case(&[]);
    local.ask(&asked.request, &rule(1)).expect("asked");
    let directory = project.path().join(".windlass/approvals");
    let other = "f".repeat(64);
    std::fs::rename(directory.join(digits(DIGEST)), directory.join(&other)).expect("moved");
    assert!(local.case(&other).expect_err("of another plan").what.contains("cannot be read"));
    std::fs::write(directory.join(&other).join(local::REQUEST), "{").expect("written");
    local.ask(&asked.request, &rule(1)).expect("asked");
    let (cases, problems) = local.cases().expect("read");
    assert_eq!((cases.len(), problems.len()), (1, 1));
}

#[test]
fn whoever_asked_can_withdraw_it_whatever_others_said() {
    for own in [false, true] {
        let rule = Approval { own, ..rule(1) };
        assert_eq!(
            said(&rule, &[("bob", Answer::Approved, None), ("Ada", Answer::Rejected, Some("a typo"))]),
            "withdrawn: `Ada`, who asked for it, has withdrawn it at 2026-11-28T10:00:00.000Z: a typo"
        );
    }
    // What a forge's gate heard stays that gate's.
    let at_a_gate = Case { at: Where::GitHub, ..case(&[("ada", Answer::Rejected, None)]) };
    assert!(matches!(at_a_gate.standing(&rule(1)), Standing::Waiting { .. }));
}

#[test]
fn of_two_that_are_asked_for_one_place_the_newer_is_asked() {
    let project = tempfile::tempdir().expect("a directory");
    let local = Local::of(project.path());
    let old = case(&[]).request;
    let asked = |digit: &str, at: &str, environment: &str| {
        let mut request = Request {
            digest: format!("sha256:{}", digit.repeat(64)),
            at: format!("2026-11-28T{at}:00.000Z"),
            ..old.clone()
        };
        request.subject.environment = environment.into();
        request
    };
    let (new, elsewhere) = (asked("a", "09:01", "production"), asked("b", "09:02", "staging"));
    for request in [&old, &new, &elsewhere] {
        local.ask(request, &rule(1)).expect("asked");
    }
    let newer = |request: &Request| {
        local.case(&request.digest).expect("one").expect("one").newer.map(|newer| short(&newer.digest).to_owned())
    };
    assert_eq!((newer(&old).as_deref(), newer(&new), newer(&elsewhere)), (Some("aaaaaaaaaaaa"), None, None));
    let Standing::Closed(why) = local.case(DIGEST).expect("one").expect("one").standing(&rule(1)) else { panic!() };
    assert_eq!(why.to_string(), "plan `aaaaaaaaaaaa` is newer: it was asked for by `ada` at 2026-11-28T09:01:00.000Z");
    // Asked anew, it is the newer one.
    local.ask(&Request { at: "2026-11-28T09:03:00.000Z".into(), ..old.clone() }, &rule(1)).expect("asked anew");
    assert_eq!((newer(&old), newer(&new).as_deref()), (None, Some("0123456789ab")));
    // What enough people agreed to stands.
    let yes = Decision {
        at: Some("2026-11-28T09:04:00.000Z".into()),
        ..case(&[("bob", Answer::Approved, None)]).decisions[0].clone()
    };
    local.decide(DIGEST, &yes).expect("said");
    local.ask(&Request { at: "2026-11-28T09:05:00.000Z".into(), ..new.clone() }, &rule(1)).expect("asked anew");
    assert!(matches!(local.case(DIGEST).expect("one").expect("one").standing(&rule(1)), Standing::Approved(_)));
    // What is done is done with all that was before it, and nothing elsewhere.
    local.forget(&new.digest).expect("forgotten");
    let (left, _) = local.cases().expect("read");
    assert_eq!(left.iter().map(|case| case.request.digest.as_str()).collect::<Vec<_>>(), [elsewhere.digest.as_str()]);
}

#[test]
fn the_words_of_answers_are_read_as_they_are_written() {
    for answer in [Answer::Approved, Answer::Rejected] {
        assert_eq!(Answer::of_word(answer.word()), Some(answer));
        assert_eq!(serde_json::json!(answer), answer.word());
    }
    assert_eq!(Answer::of_word("commented"), None);
}
