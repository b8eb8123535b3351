//! The lease of a place: one deploys at a time, a dead owner stands in nobody's way, and a person can take it away.

use super::*;
use serde_json::json;

const WAITS: &str = "touch waiting; while test ! -e go; do sleep 0.01; done; echo a >> order";

/// A project whose runs wait so long for each other.
fn waiting(wait: &str, steps: &[Step]) -> Project {
    Project::with(&text_with("", &format!("[environments.staging]\nlease = {{ wait = \"{wait}\" }}\n"), steps)).locked()
}

#[test]
fn of_many_runs_at_once_one_deploys_at_a_time() {
    for count in [2, 8] {
        // Of two that are inside at once, the second cannot make the directory.
        let work = "mkdir inside || echo overlap >> order; echo enter >> order; \
                    for turn in $(seq 200); do :; done; echo leave >> order; rmdir inside";
        let project = waiting("5m", &[Step::of("a", work)]);
        let started: Vec<Child> = (0..count).map(|_| project.start("run")).collect();
        for run in started {
            let _ = project.finish(run).exits(0);
        }
        assert_eq!(order(&project), vec!["enter leave"; count].join(" "));
        let mut numbers: Vec<u64> = runs(&project)
            .iter()
            .map(|run| events_named(&project, run, "lease-taken")[0]["number"].as_u64().expect("a number"))
            .collect();
        let sorted = numbers.clone();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers, sorted, "who takes it later has a larger number, and is a later run");
        assert_eq!(numbers.len(), count);
    }
}

#[test]
fn who_waits_too_long_is_refused() {
    let project = waiting("1s", &[Step::marks("a").run(WAITS)]);
    let first = project.start("run");
    until("the first run", || project.has("waiting"));
    let began = std::time::Instant::now();
    let output = project.windlass("run --format json").exits(21);
    assert!(began.elapsed() >= std::time::Duration::from_secs(1), "it waited");
    assert_eq!(output.result()["reason"], "lease-held");
    assert!(output.stderr.contains("waiting for run [run], which deploys here since"), "{}", output.stderr);
    project.write("go", "");
    let _ = project.finish(first).exits(0);
}

#[test]
fn a_dead_owner_stands_in_nobodys_way() {
    let project = project(&[stuck_step("a")]);
    let dead = cut_off(&project, "run", "child");
    let _ = project.windlass("run").exits(0);
    let run = newest(&project);
    let taken = &events_named(&project, &run, "lease-taken")[0];
    assert_eq!(taken["from"], json!(dead));
    let before = events_named(&project, &dead, "lease-taken")[0]["number"].as_u64().expect("a number");
    assert_eq!(taken["number"], json!(before + 1));
    // The next one takes it from nobody.
    let _ = project.windlass("run").exits(0);
    assert_eq!(events_named(&project, &newest(&project), "lease-taken")[0]["from"], json!(null));
}

#[test]
fn an_owner_that_stands_still_keeps_its_lease() {
    let project = project(&[Step::marks("a").run(WAITS)]);
    let first = project.start("run --format json");
    until("the first run", || project.has("waiting"));
    signal("STOP", first.id());
    let output = project.windlass("run --format json").exits(21);
    assert_eq!(output.result()["reason"], "lease-held");
    let result = project.windlass("reap --format json").exits(0).result();
    assert_eq!((&result["runs"], &result["leases"]), (&json!([]), &json!([])));
    let _ = project.windlass("lease release").exits(21);
    signal("CONT", first.id());
    project.write("go", "");
    let _ = project.finish(first).exits(0);
    assert_eq!(order(&project), "a");
}

#[test]
fn a_living_owner_loses_its_lease_only_by_force() {
    let project = Project::with(&text("", &[Step::marks("a").run(WAITS), Step::marks("b"), Step::finally("z")]))
        .variable("USER", "ada")
        .locked();
    let first = project.start("run --format json");
    until("the first run", || project.has("waiting"));
    let run = newest(&project);
    let output = project.windlass("lease release").exits(21);
    assert!(output.stderr.contains("error: the lease of `staging` is held"), "{}", output.stderr);
    assert!(output.stderr.contains("its process lives"), "{}", output.stderr);
    assert!(output.stderr.contains("--force"), "{}", output.stderr);
    let output = project.windlass("lease release --force").exits(0);
    assert!(output.stderr.contains("the lease of `staging` was taken from run [run] and is free"), "{}", output.stderr);
    project.write("go", "");
    let output = project.finish(first).exits(11);
    assert_eq!((&output.result()["outcome"], &output.result()["reason"]), (&json!("failed"), &json!("lease-lost")));
    assert!(output.stderr.contains("`ada` released it by force at"), "{}", output.stderr);
    assert_eq!(outcomes(&output), "a succeeded, b not-run, z not-run");
    assert_eq!(order(&project), "a", "no further effect, and nothing is taken back");
    let finished = &events_named(&project, &run, "run-finished")[0];
    assert_eq!(finished["reason"], "lease-lost");
    let file = project.read(".windlass/leases/shop+staging.json");
    let record: Value = serde_json::from_str(&file).expect("JSON");
    assert_eq!(
        (&record["holder"], &record["released"]["by"], &record["released"]["actor"]),
        (&json!(null), &json!("force"), &json!("ada"))
    );
    let told = project.windlass("lease status").exits(0).stdout;
    assert!(told.contains("from run [run] for ada: force"), "{told}");
    let told = project.windlass("lease status --format json").exits(0).result();
    assert_eq!(told[0]["released"]["run"], json!(run));
    let next = status(&project)["next"].as_str().unwrap_or_default().to_owned();
    assert!(next.contains(&format!("`windlass resume {run}` goes on with it")), "{next}");
    let _ = project.windlass(&format!("resume {run}")).exits(0);
    assert_eq!(order(&project), "a b z");
}

#[test]
fn a_run_that_lost_its_lease_does_nothing_beside_the_next_one() {
    let project = project(&[
        Step::marks("a")
            .run("test -e waiting || { touch waiting; while test ! -e go; do sleep 0.01; done; }; echo a >> order"),
        Step::marks("b"),
    ]);
    let first = project.start("run --format json");
    until("the first run", || project.has("waiting"));
    let _ = project.windlass("lease release --force").exits(0);
    // Nobody goes on with it or takes it back while its process is there.
    for words in [format!("resume {}", newest(&project)), "rollback".to_owned()] {
        let output = project.windlass(&format!("{words} --format json")).exits(21);
        assert_eq!(output.result()["reason"], "run-alive", "{words}: {}", output.stderr);
    }
    // The person was wrong: the first one lives. The second has the lease, and the journal of the first is not touched.
    let output = project.windlass("run --format json").exits(0);
    assert_eq!(outcomes(&output), "a succeeded, b succeeded");
    let old = runs(&project)[0].clone();
    let place = status(&project);
    assert_eq!(place["beside"][0]["run"], json!(old));
    assert_eq!(
        place["next"],
        json!(format!("wait for run {old}: its lease was taken away, and it is still at what it had begun"))
    );
    project.write("go", "");
    let output = project.finish(first).exits(11);
    assert_eq!(output.result()["reason"], "lease-lost");
    // What it had last may have changed what is live.
    let next = status(&project)["next"].as_str().unwrap_or_default().to_owned();
    assert!(next.contains(&format!("a person has to look: run {old} lost its lease")), "{next}");
    assert!(output.stderr.contains(&format!("next: {next}").replace(&old, "[run]")), "{}", output.stderr);
    let _ = project.windlass("run --force").exits(0);
    assert_eq!((&status(&project)["next"], &status(&project)["beside"]), (&json!("nothing"), &json!([])));
    assert_eq!(order(&project), "a b a a b", "the child of the first was at work already; its next step never came");
}

#[test]
fn the_lease_of_a_dead_owner_can_be_given_back() {
    let project = project(&[stuck_step("a")]);
    let told = project.windlass("lease status").exits(0);
    assert_eq!((told.stdout.as_str(), told.stderr.as_str()), ("", "no lease was ever taken here\n"));
    let _ = project.windlass("lease release").exits(0);
    let run = cut_off(&project, "run", "child");
    let told = project.windlass("lease status").exits(0).stdout;
    assert!(told.contains("held    by run [run] since"), "{told}");
    assert!(told.contains("its process is gone: the next run takes it over"), "{told}");
    let output = project.windlass("lease release").exits(0);
    assert!(output.stderr.contains("was taken from run [run] and is free"), "{}", output.stderr);
    let told = project.windlass("lease status").exits(0).raw_stdout;
    assert!(told.contains("free    it was taken once") && told.contains(&format!("from run {run}: dead")), "{told}");
    let output = project.windlass("lease release").exits(0);
    assert_eq!(output.stderr, "the lease of `staging` is free\n");
}

#[test]
fn a_lease_that_is_damaged_stops_everybody_until_a_person_decides() {
    let project = project(&[Step::marks("a")]);
    let _ = project.windlass("run").exits(0);
    project.write(".windlass/leases/shop+staging.json", "{ half");
    let output = project.windlass("run --format json").exits(11);
    assert_eq!(output.result()["reason"], "lease-invalid");
    assert!(output.stderr.contains("`windlass lease release --force -e staging`"), "{}", output.stderr);
    let _ = project.windlass("lease release -e staging").exits(11);
    assert_eq!(order(&project), "a");
    let _ = project.windlass("lease release --force -e staging").exits(0);
    assert_eq!(project.read(".windlass/leases/shop+staging.damaged"), "{ half");
    let _ = project.windlass("run").exits(0);
    assert_eq!(events_named(&project, &newest(&project), "lease-taken")[0]["number"], 2, "numbers go on");
}
