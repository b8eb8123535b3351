//! Where what is checked out may be nobody's whom the project trusts, secrets are withheld and nothing is changed.

use e2e::Project;
use e2e::probe::Probe;
use serde_json::{Value, json};

const ADDRESS: &str = "DATABASE_URL";

/// A deployment that looks into a database that a secret leads to, and changes a file.
fn project(environment: &str) -> Project {
    let step = Probe::new()
        .asks(json!({ "kind": "database", "name": ADDRESS, "phases": ["plan"] }))
        .asks(json!({ "kind": "secret-database", "name": ADDRESS, "phases": ["plan"] }))
        .plans(json!({ "do": "query", "database": ADDRESS, "sql": "select 1" }))
        .step("probe");
    let config = format!("schema = 1\napp = \"shop\"\n\n[environments.staging]\n{environment}\n{step}");
    let project = Project::with(&config).guest("probe").locked();
    project.write("event.json", &event(1).to_string());
    let path = project.path().join("event.json");
    project
        .variable(ADDRESS, "sqlite:shop.db")
        .variable("GITHUB_ACTIONS", "true")
        .variable("GITHUB_EVENT_PATH", path.to_str().expect("a path"))
        .variable("GITHUB_REPOSITORY", "acme/shop")
}

/// A pull request whose branch is in the repository of this number; 1 is where it is to be merged.
fn event(head: u32) -> Value {
    let side = |id: u32| json!({ "repo": { "id": id } });
    json!({
        "repository": { "id": 1, "default_branch": "main" },
        "pull_request": { "number": 9, "head": side(head), "base": side(1) },
    })
}

const OPEN: [(&str, &str); 2] = [("GITHUB_REF_PROTECTED", "false"), ("GITHUB_REF_NAME", "9/merge")];

/// Plans without the secret, and says so; and runs nothing.
fn withholds(project: &Project, variables: &[(&str, &str)], why: &str, hint: &str) {
    let plan = project.windlass_with("plan --forge local", variables).exits(0);
    let words = "the secret `DATABASE_URL` is withheld, so what is to be done is not known";
    assert!(plan.stdout.contains(words), "{}", plan.stdout);
    assert!(
        plan.stdout.contains(&format!("secrets are withheld, and nothing may be changed: {why}")),
        "{}",
        plan.stdout
    );
    assert!(plan.stdout.contains("the plan is incomplete"), "{}", plan.stdout);
    assert!(plan.stderr.contains("nothing is deployed to `staging` from here"), "the gate is closed: {}", plan.stderr);
    let json = project.windlass_with("plan --forge local --format json", variables).exits(0);
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["plan"]["withheld"], why);
    assert_eq!(json["gate"][0]["code"], "withheld");

    let before = project.files();
    let run = project.windlass_with("run --forge local --format json", variables).exits(21);
    assert_eq!((&run.result()["outcome"], &run.result()["reason"]), (&json!("blocked"), &json!("withheld")));
    for part in [why, hint, "note: secrets were withheld, and nothing was run"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert_eq!(project.files(), before);
}

#[test]
fn a_pull_request_from_a_fork_gets_no_secrets_and_changes_nothing() {
    for environment in ["", "unprotected_branches = true\n"] {
        let project = project(environment);
        project.write("event.json", &event(2).to_string());
        withholds(&project, &OPEN, "the job is for a pull request from a fork", "hint: merge it first");
    }
}

#[test]
fn a_branch_that_nobody_protects_gets_no_secrets_and_changes_nothing() {
    let why = "the forge does not protect the branch that the job is for";
    withholds(&project(""), &OPEN, why, "`unprotected_branches = true`");
}

#[test]
fn a_pull_request_from_nobody_knows_where_is_as_one_from_a_fork() {
    for environment in ["", "unprotected_branches = true\n"] {
        let project = project(environment);
        project.write("event.json", "{");
        let job = [
            ("GITHUB_EVENT_NAME", "pull_request"),
            ("GITHUB_REF", "refs/pull/9/merge"),
            ("GITHUB_REF_NAME", "9/merge"),
        ];
        let why = "the job is for a pull request, and its event does not say from which repository";
        withholds(&project, &job, why, "merge it first");
    }
}

#[test]
fn a_variable_that_no_one_calls_a_secret_is_withheld_too() {
    let config = "schema = 1\napp = \"shop\"\n\n[environments.staging]\n\n[[step]]\nid = \"say\"\nplugin = \"command\"\n\
                  with = { run = [\"true\"], unless = [\"test\", \"-n\", \"$KEY\"], variables = [\"DEPLOY_KEY\"] }\n";
    let config = config.replace("\"test\", \"-n\", \"$KEY\"", "\"sh\", \"-c\", 'test -n \"$DEPLOY_KEY\"'");
    let project = Project::with(&config).locked().variable("DEPLOY_KEY", "k3y-of-production");
    let trusted = project.windlass("plan --forge local").exits(0);
    assert!(!trusted.stdout.contains("~ say"), "it sees it: {}", trusted.stdout);
    project.write("event.json", &event(2).to_string());
    let path = project.path().join("event.json");
    let job = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "acme/shop"),
        ("GITHUB_EVENT_PATH", path.to_str().expect("a path")),
    ];
    let withheld = project.windlass_with("plan --forge local", &job).exits(0);
    assert!(withheld.stdout.contains("~ say"), "it does not: {}", withheld.stdout);
}

#[test]
fn a_branch_is_trusted_where_the_forge_protects_it_or_the_environment_is_for_all_of_them() {
    let project = project("");
    let protected = [("GITHUB_REF_PROTECTED", "true"), ("GITHUB_REF_NAME", "stable")];
    let _ = project.windlass_with("run --forge local", &protected).exits(0);
    let open = self::project("unprotected_branches = true\n");
    let plan = open.windlass_with("plan --forge local", &OPEN).exits(0);
    assert!(!plan.stdout.contains("withheld"), "{}", plan.stdout);
    let _ = open.windlass_with("run --forge local", &OPEN).exits(0);
}

#[test]
fn what_a_comment_was_about_gets_no_secrets_and_the_default_branch_does() {
    for environment in ["", "unprotected_branches = true\n"] {
        let project = project(environment);
        let commit = project.commit();
        let issue = json!({ "number": 9, "pull_request": {} });
        let event = json!({ "repository": { "id": 1, "default_branch": "main" }, "issue": issue });
        project.write("event.json", &event.to_string());
        let job = |sha| {
            [
                ("GITHUB_EVENT_NAME", "issue_comment"),
                ("GITHUB_SHA", sha),
                ("GITHUB_REF_PROTECTED", "false"),
                ("GITHUB_REF_NAME", "main"),
            ]
        };
        let _ = project.windlass_with("run --forge local", &job(&commit)).exits(0);
        // The job has fetched what the comment is about.
        let other = "0123456789012345678901234567890123456789";
        let why = "another commit is checked out than the job is for";
        let run = project.windlass_with("run --forge local --format json", &job(other)).exits(21);
        assert!(run.stderr.contains(why) && run.stderr.contains("hint: merge it first"), "{}", run.stderr);
    }
}

#[test]
fn a_schedule_is_of_the_default_branch() {
    let project = project("");
    project.write("event.json", &json!({ "schedule": "5 4 * * *" }).to_string());
    let job = [("GITHUB_EVENT_NAME", "schedule"), ("GITHUB_REF_PROTECTED", "false"), ("GITHUB_REF_NAME", "main")];
    let _ = project.windlass_with("run --forge local", &job).exits(0);
}

#[test]
fn nothing_is_gone_on_with_or_taken_back_from_there() {
    let project = project("");
    let protected = [("GITHUB_REF_PROTECTED", "true"), ("GITHUB_REF_NAME", "stable")];
    let _ = project.windlass_with("run --forge local", &protected).exits(0);
    let _ = project.windlass_with("run --forge local", &protected).exits(0);
    let before = project.files();
    let back = project.windlass_with("rollback --forge local", &OPEN).exits(21);
    assert!(back.stderr.contains("nothing is deployed to `staging` from here"), "{}", back.stderr);
    assert_eq!(project.files(), before);
}
