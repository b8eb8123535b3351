//! Approvals where there is no forge: what is agreed to is one plan, and nothing else runs.

#![cfg(unix)]

use e2e::Project;
use e2e::runs::{cut_off, events_named, newest, stuck};
use e2e::steps::{Step, order, text_with, until};
use serde_json::{Value, json};

/// A project whose production demands this. Whoever runs it is `ada`.
fn demanding(approval: &str, steps: &[Step]) -> Project {
    let environments = format!("[environments.staging]\n[environments.production]\napproval = {{ {approval} }}\n");
    Project::with(&text_with("", &environments, steps)).variable("USER", "ada").locked()
}

const RUN: &str = "run -e production --format json";

fn deploy(project: &Project, code: i32) -> Value {
    project.windlass(RUN).exits(code).result()
}

fn waiting(project: &Project) -> Value {
    project.windlass("approvals --format json").exits(0).result()
}

#[test]
fn nothing_runs_before_enough_people_agree() {
    let project = demanding("required = 2", &[Step::marks("a")]);
    let blocked = deploy(&project, 21);
    assert_eq!((&blocked["outcome"], &blocked["reason"]), (&json!("blocked"), &json!("approval-missing")));
    let digest = waiting(&project)[0]["digest"].as_str().expect("a digest").to_owned();
    let short = &digest["sha256:".len()..][..12];
    let _ = project.windlass(&format!("approve {short} --by bob")).exits(0);
    let output = project.windlass(RUN).exits(21);
    assert!(output.stderr.contains("1 of 2 people have approved it"), "{}", output.stderr);
    assert_eq!(order(&project), "");
    let _ = project.windlass("approve --by cy --comment fine").exits(0);
    assert_eq!(waiting(&project)[0]["state"], "approved");
    let done = deploy(&project, 0);
    assert_eq!((&done["plan"], order(&project).as_str()), (&json!(digest), "a"));
    let approved = &events_named(&project, &newest(&project), "run-approved")[0]["by"];
    assert_eq!((&approved[0]["name"], &approved[1]["name"]), (&json!("bob"), &json!("cy")));
    assert_eq!(approved[1]["comment"], "fine");
    // What was agreed to is done. To do the same once more somebody has to agree once more.
    assert_eq!(waiting(&project), json!([]));
    assert_eq!(deploy(&project, 21)["reason"], "approval-missing");
    // Where nobody has to agree nobody is asked.
    let _ = project.windlass("run -e staging").exits(0);
}

#[test]
fn another_plan_is_another_question() {
    let project = demanding("required = 1", &[Step::marks("a")]);
    let _ = project.windlass("run -e production --release-version 1").exits(21);
    let _ = project.windlass("approve --by bob").exits(0);
    let _ = project.windlass("run -e production --release-version 2").exits(21);
    assert_eq!(order(&project), "");
    let states = waiting(&project);
    assert_eq!((&states[0]["state"], &states[1]["state"]), (&json!("approved"), &json!("waiting")));
    let output = project.windlass("approve --by bob").exits(0);
    assert!(output.stderr.contains("approved by"), "{}", output.stderr);
}

#[test]
fn what_drifts_between_the_agreement_and_the_lease_is_not_run() {
    // The first run holds the lease and does what the second one was to do.
    let slow = "test -e waiting || { touch waiting; while test ! -e go; do sleep 0.01; done; }; echo a >> order";
    let step = Step::marks("a").run(slow).unless("grep -qx a order");
    let environments = "[environments.production]\napproval = { required = 1 }\nlease = { wait = \"1m\" }\n";
    let project = Project::with(&text_with("", environments, &[step])).variable("USER", "ada").locked();
    let _ = project.windlass("run").exits(21);
    let _ = project.windlass("approve --by bob").exits(0);
    let first = project.start("run --format json");
    until("the first run", || project.has("waiting"));
    let second = e2e::runs::start_waiting(&project, &format!("run --format json --commit {}", e2e::COMMIT));
    project.write("go", "");
    let _ = project.finish(first).exits(0);
    let output = project.finish(second).exits(20);
    assert_eq!(output.result()["reason"], "plan-drifted");
    assert_eq!(order(&project), "a");
}

#[test]
fn one_approval_is_for_one_run_and_a_rejection_is_heard_until_it_begins() {
    for reject in [false, true] {
        let slow = "test -e waiting || { touch waiting; while test ! -e go; do sleep 0.01; done; }; echo a >> order";
        let environments = "[environments.production]\napproval = { required = 1 }\nlease = { wait = \"1m\" }\n";
        let project =
            Project::with(&text_with("", environments, &[Step::marks("a").run(slow)])).variable("USER", "ada").locked();
        let _ = project.windlass("run").exits(21);
        let _ = project.windlass("approve --by bob").exits(0);
        let first = project.start("run --format json");
        until("the first run", || project.has("waiting"));
        let second = e2e::runs::start_waiting(&project, &format!("run --format json --commit {}", e2e::COMMIT));
        if reject {
            let _ = project.windlass("reject --by cy").exits(0);
        }
        project.write("go", "");
        let _ = project.finish(first).exits(0);
        assert_eq!(project.finish(second).exits(21).result()["reason"], "approval-missing");
        assert_eq!(order(&project), "a");
    }
}

#[test]
fn a_rejection_stops_it_until_whoever_said_it_agrees() {
    let project = demanding("required = 1", &[Step::marks("a")]);
    let _ = deploy(&project, 21);
    let _ = project.windlass("approve --by bob").exits(0);
    let _ = project.windlass("reject --by cy --comment tomorrow").exits(0);
    let output = project.windlass(RUN).exits(21);
    assert_eq!(output.result()["reason"], "approval-rejected");
    assert!(
        output.stderr.contains("`cy` rejected this plan at") && output.stderr.contains(": tomorrow"),
        "{}",
        output.stderr
    );
    assert_eq!(project.windlass("approvals --wait --timeout 5s").exits(21).stderr, "");
    let _ = project.windlass("approve --by cy").exits(0);
    let _ = deploy(&project, 0);
    assert_eq!(order(&project), "a");
}

#[test]
fn what_would_not_count_is_not_taken() {
    for (rule, words, why) in [
        ("required = 1", "approve", "whoever asks for it may not decide on it"),
        ("required = 1, from = { users = [\"bob\"] }", "approve --by cy", "only those in `from` may"),
        (
            "required = 1, bind = \"comment\"",
            "approve --by bob --comment yes",
            "the comment has to name the plan's digest",
        ),
    ] {
        let project = demanding(rule, &[Step::marks("a")]);
        let _ = deploy(&project, 21);
        let output = project.windlass(words).exits(21);
        assert!(output.stderr.contains(why), "{words}: {}", output.stderr);
        assert_eq!(waiting(&project)[0]["approved"], json!([]));
    }
    let project = demanding("required = 1, self = true, bind = \"comment\"", &[Step::marks("a")]);
    let _ = deploy(&project, 21);
    let digest = waiting(&project)[0]["digest"].as_str().expect("a digest").to_owned();
    let _ = project.windlass(&format!("approve --comment {}", &digest[..19])).exits(0);
    let _ = deploy(&project, 0);
    // Whoever names the plan need not name it twice.
    let project = demanding("required = 1, self = true, bind = \"comment\"", &[Step::marks("a")]);
    let _ = deploy(&project, 21);
    let digest = waiting(&project)[0]["digest"].as_str().expect("a digest").to_owned();
    let _ = project.windlass(&format!("approve {} -m go", &digest["sha256:".len()..][..12])).exits(0);
    let _ = deploy(&project, 0);
}

/// The digits of the newest plan that waits.
fn digest_of(project: &Project, version: &str) -> String {
    let all = waiting(project);
    let one = all.as_array().expect("a list").iter().find(|one| one["version"] == version).expect("that version");
    one["digest"].as_str().expect("a digest")["sha256:".len()..][..12].to_owned()
}

#[test]
fn of_two_plans_for_one_place_only_the_newer_is_asked_about() {
    let project = demanding("required = 1", &[Step::marks("a")]);
    let run = |version: &str, code: i32| {
        project.windlass(&format!("run -e production --release-version {version}")).exits(code)
    };
    let _ = run("1", 21);
    let old = digest_of(&project, "1");
    let _ = run("2", 21);
    let new = digest_of(&project, "2");
    let states = waiting(&project);
    assert_eq!((&states[0]["state"], &states[1]["state"]), (&json!("superseded"), &json!("waiting")));
    assert_eq!((&states[0]["superseded_by"], &states[1]["superseded_by"]), (&states[1]["digest"], &json!(null)));
    let output = project.windlass(&format!("approve {old} --by bob")).exits(21);
    for part in [
        format!("error: nobody can agree to plan `{old}` any more"),
        format!("plan `{new}` is newer: it was asked for by `ada` at "),
        "note: nothing was changed".to_owned(),
        "`windlass run` asks for this one anew".to_owned(),
    ] {
        assert!(output.stderr.contains(&part), "{part}\n{}", output.stderr);
    }
    let shown = project.windlass("approvals").exits(0).stdout;
    assert!(shown.contains(&format!("  1 to production, superseded: plan `{new}` is newer: ")), "{shown}");
    // Whoever looks at it sees that, too, and does not bring it up again.
    let output = project.windlass("run -e production --release-version 1 --dry-run").exits(21);
    assert!(output.stderr.contains("is newer: it was asked for by `ada`"), "{}", output.stderr);
    assert!(output.stderr.contains("hint: `windlass run -e production` asks for it\n"), "{}", output.stderr);
    assert_eq!(waiting(&project), states);
    // Who wants the older one after all asks for it anew.
    let _ = run("1", 21);
    let _ = project.windlass("approve --by bob").exits(0);
    let states = waiting(&project);
    assert_eq!((&states[0]["version"], &states[0]["state"]), (&json!("2"), &json!("superseded")));
    assert_eq!((&states[1]["version"], &states[1]["state"]), (&json!("1"), &json!("approved")));
    assert_eq!(project.windlass("approvals --wait").exits(0).stderr, "", "what is superseded is nobody's question");
    // What is done closes what was before it.
    let _ = run("1", 0);
    assert_eq!((order(&project).as_str(), waiting(&project)), ("a", json!([])));
}

#[test]
fn whoever_asked_can_withdraw_it() {
    let project = demanding("required = 1", &[Step::marks("a")]);
    let _ = deploy(&project, 21);
    let _ = project.windlass("approve --by bob").exits(0);
    let output = project.windlass("reject --comment typo").exits(0);
    assert!(output.stderr.contains("withdrawn: `ada`, who asked for it, has withdrawn it at "), "{}", output.stderr);
    let states = waiting(&project);
    assert_eq!((&states[0]["state"], &states[0]["withdrawn"]["comment"]), (&json!("withdrawn"), &json!("typo")));
    let output = project.windlass("approve --by cy").exits(21);
    assert!(output.stderr.contains("`ada`, who asked for it, has withdrawn it at "), "{}", output.stderr);
    assert_eq!(project.windlass("approvals --wait").exits(21).stderr, "");
    // Asked anew, it is a new question.
    assert!(project.windlass(RUN).exits(21).stderr.contains("0 of 1 people have approved it"));
    assert_eq!(waiting(&project)[0]["state"], "waiting");
    let _ = project.windlass("approve --by cy").exits(0);
    let _ = deploy(&project, 0);
    assert_eq!(order(&project), "a");
}

#[test]
fn what_is_withdrawn_while_it_waits_for_the_lease_is_not_run_and_not_asked_anew() {
    let slow = "test -e waiting || { touch waiting; while test ! -e go; do sleep 0.01; done; }; echo a >> order";
    let environments = "[environments.production]\napproval = { required = 1 }\nlease = { wait = \"1m\" }\n";
    let project =
        Project::with(&text_with("", environments, &[Step::marks("a").run(slow)])).variable("USER", "ada").locked();
    let run = |version: &str| format!("run --format json --commit {} --release-version {version}", e2e::COMMIT);
    for version in ["1", "2"] {
        let _ = project.windlass(&run(version)).exits(21);
        let _ = project.windlass("approve --by bob").exits(0);
    }
    let first = project.start(&run("1"));
    until("the first run", || project.has("waiting"));
    let second = e2e::runs::start_waiting(&project, &run("2"));
    let _ = project.windlass(&format!("reject {}", digest_of(&project, "2"))).exits(0);
    project.write("go", "");
    let _ = project.finish(first).exits(0);
    assert_eq!(project.finish(second).exits(21).result()["reason"], "approval-missing");
    assert!(project.read("told").contains("`ada`, who asked for it, has withdrawn it"), "{}", project.read("told"));
    assert_eq!((order(&project).as_str(), &waiting(&project)[0]["state"]), ("a", &json!("withdrawn")));
}

#[test]
fn who_asks_is_known_by_the_system_or_says_it() {
    let environments = "[environments.production]\napproval = { required = 1 }\n";
    let project = Project::with(&text_with("", environments, &[Step::marks("a")])).locked();
    let me = std::process::Command::new("id").arg("-un").output().expect("id").stdout;
    let me = String::from_utf8(me).expect("a name").trim().to_owned();
    let _ = project.windlass("run").exits(21);
    assert_eq!(waiting(&project)[0]["asked_by"], json!(me));
    let output = project.windlass("approve").exits(21);
    assert!(output.stderr.contains(&format!("what `{me}` says would not count")), "{}", output.stderr);
    let _ = project.windlass("run --release-version 2 --by zoe").exits(21);
    assert_eq!(waiting(&project)[1]["asked_by"], "zoe");
    assert_eq!(project.windlass("approve --by zoe").code, Some(21));
    let _ = project.windlass("approve").exits(0);
    let _ = project.windlass("run --release-version 2 --by zoe").exits(0);
    assert_eq!(events_named(&project, &newest(&project), "run-started")[0]["subject"]["actor"], "zoe");
    assert_eq!(project.windlass("run --by=").code, Some(2));
}

#[test]
fn what_is_agreed_to_is_the_working_tree_as_it_was_shown() {
    let project = demanding("required = 1", &[Step::marks("a")]);
    let commit = project.commit();
    let plan = || -> Value {
        let _ = project.windlass("plan -e production -o plan.json").exits(0);
        serde_json::from_str(&project.read("plan.json")).expect("JSON")
    };
    assert_eq!(plan()["plan"]["working-tree"], json!(null), "the plan itself is nothing that differs");
    project.write("note", "1");
    let output = project.windlass("plan -e production -o plan.json").exits(0);
    let warning = format!("warning: what is deployed is not commit {}: `note` changed since\n", &commit[..10]);
    assert!(output.stdout.contains(&warning), "{}", output.stdout);
    assert_eq!(plan()["plan"]["working-tree"]["files"], json!(["note"]));
    let run = "run -e production --plan plan.json --format json";
    let _ = project.windlass(run).exits(21);
    let shown = project.windlass("approvals").exits(0).stdout;
    assert!(shown.contains(&warning), "whoever agrees sees it, too: {shown}");
    let _ = project.windlass("approve --by bob").exits(0);
    project.write("note", "2");
    let output = project.windlass(run).exits(20);
    assert_eq!(output.result()["reason"], "plan-drifted");
    assert!(
        output.stderr.contains("working tree: it differed in `note`, and differs in another way in `note` now"),
        "{}",
        output.stderr
    );
    // Without the plan's file it is another question, and how it differs is said.
    std::fs::rename(project.path().join("plan.json"), project.path().join("home.json")).expect("moved");
    let output = project.windlass(RUN).exits(21);
    assert!(
        output.stderr.contains("which was approved, is another plan: working tree: it differed in `note`"),
        "{}",
        output.stderr
    );
    std::fs::rename(project.path().join("home.json"), project.path().join("plan.json")).expect("moved");
    assert_eq!(order(&project), "");
    project.write("note", "1");
    let _ = project.windlass(run).exits(0);
    assert_eq!(order(&project), "a");
}

#[test]
fn where_the_plan_is_written_by_the_shell_is_no_part_of_it() {
    let project = Project::with(&text_with("", "[environments.production]\n", &[Step::marks("a")])).locked();
    let _ = project.commit();
    let file = std::fs::File::create(project.path().join("plan.json")).expect("a file");
    let status = project.command(["plan", "--format", "json"]).stdout(file).status().expect("it runs");
    assert!(status.success());
    let _ = project.windlass("run --plan plan.json").exits(0);
}

#[test]
fn plan_and_check_say_who_has_to_agree() {
    let project = demanding("required = 2, from = { users = [\"bob\", \"cy\"] }", &[Step::marks("a")]);
    let output = project.windlass("check").exits(0);
    for line in [
        "gate of production: closed now\n",
        "  ! environment `production` demands an approval of each plan\n",
        "      2 people have to agree, out of `bob` and `cy`\n",
    ] {
        assert!(output.stderr.contains(line), "{line}{}", output.stderr);
    }
    let gate = || project.windlass("plan -e production --format json").exits(0).result()["gate"].clone();
    let causes = |count: &str| {
        json!([format!(
            "{count} of 2 people have approved it, out of `bob` and `cy`{}",
            if count == "0" { "" } else { ": `bob`" }
        )])
    };
    assert_eq!((&gate()[0]["code"], &gate()[0]["causes"]), (&json!("approval-missing"), &causes("0")));
    assert_eq!(waiting(&project), json!([]), "to look is not to ask");
    let _ = deploy(&project, 21);
    let _ = project.windlass("approve --by bob").exits(0);
    assert_eq!(gate()[0]["causes"], causes("1"));
    let _ = project.windlass("approve --by cy").exits(0);
    assert_eq!(gate(), json!([]));
    assert!(!project.windlass("plan -e staging").exits(0).stderr.contains("gate"));
}

#[test]
fn who_waits_is_told_when_it_is_decided() {
    let project = demanding("required = 1", &[Step::marks("a")]);
    assert_eq!(project.windlass("approvals --wait").exits(0).stderr, "nothing waits for an approval\n");
    let _ = deploy(&project, 21);
    let late = project.windlass("approvals --wait --timeout 300ms").exits(21);
    assert!(late.stderr.contains("nobody has decided in time"), "{}", late.stderr);
    let waits = project.start("approvals --wait --format json");
    let _ = project.windlass("approve --by bob").exits(0);
    assert_eq!(project.finish(waits).exits(0).result()[0]["state"], "approved");
}

#[test]
fn a_dry_run_asks_nobody_and_force_is_more_than_was_agreed_to() {
    let project = demanding("required = 1", &[Step::marks("a")]);
    let _ = project.windlass("run -e production --dry-run").exits(21);
    assert!(!project.has(".windlass/approvals"));
    let output = project.windlass("run -e production --force").exits(2);
    assert!(output.stderr.contains("`--force` does more than anybody agreed to"), "{}", output.stderr);
}

#[test]
fn a_run_that_was_agreed_to_goes_on_and_one_that_was_not_does_not() {
    let step = || Step::marks("a").run(&stuck("child", "echo a >> order")).unless("grep -qx a order");
    let project = demanding("required = 1", &[step()]);
    let _ = deploy(&project, 21);
    let _ = project.windlass("approve --by bob").exits(0);
    let run = cut_off(&project, "run -e production", "child");
    let _ = project.windlass(&format!("resume {run}")).exits(0);
    assert_eq!((order(&project).as_str(), waiting(&project)), ("a", json!([])));
    // The demand came after it was begun.
    let project =
        Project::with(&text_with("", "[environments.production]\n", &[step()])).variable("USER", "ada").locked();
    let run = cut_off(&project, "run -e production", "child");
    project.write("deploy.toml", &text_with("", "[environments.production]\napproval = { required = 1 }\n", &[step()]));
    let output = project.windlass(&format!("resume {run}")).exits(21);
    assert!(output.stderr.contains("was begun without one"), "{}", output.stderr);
    let _ = project.windlass("rollback").exits(0);
}

#[test]
fn what_goes_on_does_no_more_than_was_agreed_to() {
    let first = Step::marks("a").run(&stuck("child", "echo a >> order")).unless("grep -qx a order");
    // There is nothing to do for the second when it is planned, and something once the run goes on.
    let second = Step::marks("b").unless("test -e there");
    let project = demanding("required = 1", &[first, second]);
    project.write("there", "");
    let _ = deploy(&project, 21);
    let _ = project.windlass("approve --by bob").exits(0);
    let run = cut_off(&project, "run -e production", "child");
    std::fs::remove_file(project.path().join("there")).expect("it was there");
    let output = project.windlass(&format!("resume {run} --format json")).exits(20);
    assert_eq!(output.result()["reason"], "plan-drifted");
    assert!(output.stderr.contains("step `b`: newly planned"), "{}", output.stderr);
    assert_eq!(order(&project), "");
    project.write("there", "");
    let _ = project.windlass(&format!("resume {run}")).exits(0);
    assert_eq!(order(&project), "a");
}

#[test]
fn on_a_forge_only_what_is_said_there_to_a_plan_of_this_run_counts() {
    let gitlab = e2e::gitlab::GitLab::start();
    let project = demanding("required = 1", &[Step::marks("a")]);
    // Whoever agreed here.
    let _ = deploy(&project, 21);
    let _ = project.windlass("approve --by bob").exits(0);
    let job = |words: &str, pipeline: &str| {
        let variables = gitlab.variables(None);
        let mut variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.retain(|(name, _)| *name != "CI_PIPELINE_ID");
        variables.extend([("CI_PIPELINE_ID", pipeline), ("GITLAB_USER_LOGIN", "ada")]);
        project.windlass_with(words, &variables)
    };
    let output = job(RUN, "7").exits(21);
    assert!(output.stderr.contains("was shown no plan of this CI run"), "{}", output.stderr);
    // What is kept there is looked at, and nothing else.
    assert!(gitlab.requests().iter().all(|line| line == "GET /projects/42/packages"), "{:?}", gitlab.requests());
    let output = job("run -e production --by cy", "7").exits(2);
    assert!(output.stderr.contains("`--by` does not go with a forge"), "{}", output.stderr);
    let _ = job("plan -e production -o plan.json", "7").exits(0);
    let file: Value = serde_json::from_str(&project.read("plan.json")).expect("JSON");
    assert_eq!((&file["ci"]["forge"], &file["ci"]["run"]), (&json!("gitlab"), &json!("7")));
    assert_eq!((&file["ci"]["starters"], &file["ci"]["decided"]), (&json!(["ada"]), &json!([])));
    let output = job("run -e production --plan plan.json --format json", "7").exits(21);
    assert!(output.stderr.contains("0 of 1 people have approved it"), "{}", output.stderr);
    // A plan of another run is nobody's.
    let output = job("run -e production --plan plan.json --format json", "8").exits(20);
    assert_eq!(output.result()["reason"], "plan-drifted");
    assert!(output.stderr.contains("it was made in run `7`, and this is run `8`"), "{}", output.stderr);
    let _ = project.windlass("plan -e production -o laptop.json").exits(0);
    let output = job("run -e production --plan laptop.json", "8").exits(20);
    assert!(output.stderr.contains("it was made outside of CI"), "{}", output.stderr);
    assert_eq!(order(&project), "");
    let _ = gitlab.states();
}

#[test]
fn what_is_meant_has_to_be_clear() {
    let project = demanding("required = 1", &[Step::marks("a")]);
    assert!(project.windlass("approve --by bob").exits(2).stderr.contains("nothing waits for an approval"));
    let both = "[environments.a]\napproval = { required = 1 }\n[environments.b]\napproval = { required = 1 }\n";
    let project = Project::with(&text_with("", both, &[Step::marks("a")])).variable("USER", "ada").locked();
    for environment in ["a", "b"] {
        let _ = project.windlass(&format!("run -e {environment}")).exits(21);
    }
    assert!(project.windlass("approve --by bob").exits(2).stderr.contains("2 plans are meant by this"));
    assert!(
        project.windlass("approve ffffffffffff --by bob").exits(2).stderr.contains("no plan that waits has the digest")
    );
    let shown = project.windlass("approvals").exits(0).stdout;
    assert!(shown.contains("asked for by ada") && shown.contains("0 of 1 people have approved it"), "{shown}");
}
