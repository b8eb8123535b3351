//! The engine, from the outside: whatever a plugin does, its step ends in time, within its limits, and says why.

use e2e::Project;
use e2e::probe::{Probe, config};
use e2e::server::Server;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const APPLY: [&str; 1] = ["apply"];
/// Much longer than any of these runs takes on a busy machine, and much shorter than what they would wait for.
const SOON: Duration = Duration::from_secs(30);

/// Runs one operation that fails its step, and gives what the journal says of it.
fn trouble(probe: &Probe) -> (Value, String) {
    let project = probe.project().locked();
    let output = project.windlass("run").exits(13);
    (project.event("step-failed")["trouble"].clone(), output.stderr)
}

fn causes(trouble: &Value) -> Vec<&str> {
    trouble["causes"].as_array().expect("causes").iter().map(|cause| cause.as_str().expect("a text")).collect()
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::io::Read;
    use std::process::Command;
    use std::sync::mpsc;

    fn pipe(project: &Project, name: &str) -> std::path::PathBuf {
        let path = project.path().join(name);
        assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
        path
    }

    #[test]
    fn one_timeout_stops_a_loop_a_sleep_and_a_blocked_call_alike() {
        // A server that accepts, and never answers.
        let (hold, release) = mpsc::channel::<()>();
        let release = std::sync::Mutex::new(release);
        let server = Server::start(move |_| {
            let _ = release.lock().expect("no panic").recv_timeout(Duration::from_secs(120));
            e2e::server::Answer::new(200, "late")
        });
        let sleep = 600_000;
        let grant = json!({
            "kind": "http", "host": "127.0.0.1", "port": server.port(), "methods": ["GET"], "path": "/",
            "addresses": ["loopback"], "phases": APPLY,
        });
        let steps = [
            ("loop", Probe::new().applies(json!({ "do": "spin" }))),
            ("sleep", Probe::new().applies(json!({ "do": "sleep", "milliseconds": sleep }))),
            (
                "child",
                Probe::new()
                    .asks(json!({ "kind": "exec", "program": "./forever", "phases": APPLY }))
                    .applies(json!({ "do": "exec", "program": "./forever" })),
            ),
            (
                "file",
                Probe::new()
                    .asks(json!({ "kind": "directory", "path": "pipes", "phases": APPLY }))
                    .applies(json!({ "do": "file", "deed": "read", "tree": "pipes", "path": "silent" })),
            ),
            ("request", Probe::new().asks(grant).applies(json!({ "do": "http", "url": server.url("/") }))),
        ];
        let settings = |id: &str, probe: Probe| {
            // Long enough for the child to have begun, on a machine that has much else to do.
            let timeout = if id == "child" { "3s" } else { "300ms" };
            probe.setting(&format!("timeout = \"{timeout}\"")).setting("on_failure = \"continue\"").step(id)
        };
        let texts: Vec<String> = steps.into_iter().map(|(id, probe)| settings(id, probe)).collect();
        let project = Project::with(&config(&texts))
            .guest("probe")
            // Everything it starts holds the other end of `alive`.
            .file("forever", "#!/bin/sh\nexec 3>alive\nsleep 600 &\nsleep 600\n")
            .file("pipes/file", "")
            .locked();
        let alive = pipe(&project, "alive");
        let _ = pipe(&project, "pipes/silent");
        let (gone, when_gone) = mpsc::channel();
        std::thread::spawn(move || {
            let mut end = vec![];
            let _ = std::fs::File::open(alive).and_then(|mut file| file.read_to_end(&mut end));
            let _ = gone.send(());
        });
        let started = Instant::now();
        let output = project.windlass("run").exits(0);
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
        let failed: Vec<Value> =
            project.journal().into_iter().filter(|event| event["event"] == "step-failed").collect();
        assert_eq!(failed.len(), 5, "{}", output.stderr);
        for event in failed {
            assert_eq!(event["trouble"]["code"], "step-timed-out", "{event}");
            let what = event["trouble"]["what"].as_str().expect("a text");
            assert!(what.starts_with("`apply` of plugin `probe@1.2.3` did not end within "), "{what}");
        }
        when_gone.recv_timeout(SOON).expect("the child and what it started are gone");
        drop(hold);
    }

    #[test]
    fn the_timeout_holds_while_planning_and_taking_back() {
        let project = Probe::new().plans(json!({ "do": "spin" })).setting("timeout = \"300ms\"").project().locked();
        let started = Instant::now();
        let output = project.windlass("run").exits(2);
        assert!(output.stderr.contains("`plan` of plugin `probe@1.2.3` did not end within"), "{}", output.stderr);
        let project =
            Probe::new().reverts(json!({ "do": "spin" })).turns().setting("timeout = \"300ms\"").project().locked();
        let _ = project.windlass("run").exits(11);
        assert_eq!(project.event("revert-failed")["trouble"]["code"], "step-timed-out");
        assert!(started.elapsed() < SOON);
    }
}

#[test]
fn memory_ends_at_its_limit_with_a_message() {
    let (trouble, _) = trouble(&Probe::new().applies(json!({ "do": "hoard" })));
    assert_eq!(trouble["code"], "step-trapped");
    assert_eq!(trouble["what"], "`apply` of plugin `probe@1.2.3` wanted more than 256 MiB of memory");
}

#[test]
fn a_panic_shows_its_text_and_where_it_was_in_the_plugins_own_names() {
    let panic = json!({ "do": "panic", "text": "the well is dry" });
    let cache = tempfile::tempdir().expect("a directory");
    let project = Probe::new().applies(panic).project().variable("WINDLASS_CACHE_DIR", &cache.path().to_string_lossy());
    let project = project.locked();
    // By the quick compiler or by the optimising one: what is said is the same.
    for _ in 0..2 {
        let output = project.windlass("run").exits(13);
        let trouble = project.event("step-failed")["trouble"].clone();
        assert_eq!(trouble["code"], "step-trapped");
        assert_eq!(trouble["what"], "plugin `probe@1.2.3` crashed in `apply`");
        let causes = causes(&trouble);
        assert!(causes[0].starts_with("the plugin panicked: ") && causes[0].ends_with("the well is dry"), "{causes:?}");
        assert!(causes[0].contains("misbehave.rs:"), "{causes:?}");
        assert_eq!(causes[1], "wasm trap: wasm `unreachable` instruction executed", "{causes:?}");
        assert_eq!(causes[2], "at guest_probe::misbehave::inner_function", "{causes:?}");
        assert_eq!(causes[3], "at guest_probe::misbehave::outer_function", "{causes:?}");
        for part in ["error: the plugin panicked", "crashed in `apply`", "at guest_probe::misbehave::inner_function"] {
            assert!(output.stderr.contains(part), "{part} in {}", output.stderr);
        }
        let filled = project.command(["__fill-cache", &project.path().join("probe.wasm").to_string_lossy()]).status();
        assert!(filled.expect("the binary runs").success());
    }
}

#[test]
fn a_stack_that_overflows_is_a_trap_like_any_other() {
    let (trouble, _) = trouble(&Probe::new().applies(json!({ "do": "recurse" })));
    assert_eq!(trouble["code"], "step-trapped");
    let causes = causes(&trouble);
    assert_eq!(causes[..2], ["wasm trap: call stack exhausted", "at guest_probe::misbehave::recurse"]);
    assert_eq!(*causes.last().expect("a frame"), "at … and more");
    assert!(causes.len() < 40);
}

#[test]
fn a_flood_of_resources_ends_at_a_limit() {
    let started = Instant::now();
    let (trouble, _) = trouble(&Probe::new().applies(json!({ "do": "flood" })));
    assert_eq!(trouble["code"], "step-trapped");
    assert!(causes(&trouble)[0].contains("resource table"), "{trouble}");
    assert!(started.elapsed() < SOON);
}

#[test]
fn a_crash_is_taken_back_like_any_failure() {
    let project = Probe::new()
        .applies(json!({ "do": "record", "value": "1" }))
        .applies(json!({ "do": "panic", "text": "after the record" }))
        .reverts(json!({ "do": "say", "text": "as it was" }))
        .project()
        .locked();
    let _ = project.windlass("run").exits(10);
    assert_eq!(project.reverted(), "1 records | ok: as it was");
}

#[test]
fn what_is_logged_ends_at_the_output_limit_and_says_so() {
    let child = json!({ "kind": "exec", "program": "seq", "arguments": ["1", "200000"], "phases": APPLY });
    for operation in [
        json!({ "do": "log-flood", "lines": 5000, "bytes": 100 }),
        json!({ "do": "print-flood", "bytes": 1_000_000 }),
        json!({ "do": "exec", "program": "seq", "arguments": ["1", "200000"], "stream": true }),
    ] {
        let project = Probe::new()
            .asks(child.clone())
            .applies(operation.clone())
            .applies(json!({ "do": "say", "text": "it went on" }))
            .setting("output_limit = \"4KiB\"")
            .project()
            .locked();
        let output = project.windlass("run").exits(0);
        let said = "warning: the log was cut after 4096 bytes; give the step a larger `output_limit` to see more";
        assert_eq!(output.stderr.matches(said).count(), 1, "{operation}: {}", output.stderr);
        assert!(output.stderr.len() < 12_000, "{operation}: {} bytes", output.stderr.len());
        assert_eq!(project.results()[1], "ok: it went on");
    }
}

#[test]
fn one_huge_message_is_cut_and_says_so() {
    let project = Probe::new().applies(json!({ "do": "log-flood", "lines": 1, "bytes": 300_000 })).project().locked();
    let output = project.windlass("run").exits(0);
    assert!(output.stderr.contains("xxx … (cut after 64 KiB)"), "{}", output.stderr.len());
    assert!(output.stderr.len() < 80_000);
}

#[test]
fn what_a_step_leaves_in_the_journal_has_its_limits() {
    let project = Probe::new()
        .applies(json!({ "do": "records", "count": 1, "bytes": 2_000_000 }))
        .applies(json!({ "do": "state-set", "key": "k", "value": "v".repeat(70_000) }))
        .applies(json!({ "do": "report-flood", "tables": 100, "bytes": 100_000 }))
        .applies(json!({ "do": "progress-flood", "times": 60, "bytes": 100_000 }))
        .applies(json!({ "do": "report", "text": "after the flood" }))
        .project()
        .locked();
    let output = project.windlass("run").exits(0);
    let results = project.results();
    assert!(results[0].starts_with("bug: record-too-large"), "{results:?}");
    assert!(results[1].starts_with("bug: state-too-large"), "{results:?}");
    let journal: usize = project.journal().iter().map(|event| event.to_string().len()).sum();
    assert!(journal < 2 << 20, "{journal}");
    assert!(output.stderr.contains("warning: the report was cut after 1 MiB"));
    assert!(output.stderr.contains("warning: the progress was cut after 4 MiB"));
    assert!(output.stderr.len() < 5 << 20);
}

#[test]
fn outputs_and_failures_have_their_limits() {
    let huge = json!({ "do": "exec", "program": "seq", "arguments": ["1", "1000000"] });
    let probe = Probe::new()
        .asks(json!({ "kind": "exec", "program": "seq", "arguments": ["1", "1000000"], "phases": APPLY }))
        .applies(huge);
    let (trouble, _) = trouble(&probe);
    assert!(trouble["what"].as_str().expect("a text").contains("put out more than"), "{}", trouble["what"]);
    let project = Probe::new()
        .applies(json!({ "do": "fail", "text": "@long" }))
        .asks(json!({ "kind": "directory", "path": ".", "phases": APPLY }))
        .project()
        .file("long", &"f".repeat(500_000))
        .locked();
    let output = project.windlass("run").exits(13);
    assert!(project.event("step-failed").to_string().len() < 400_000);
    assert!(output.stderr.contains("… (cut after 64 KiB)"));
}

#[test]
fn a_step_sees_what_is_being_deployed() {
    let results = Probe::new().applies(json!({ "do": "deployment" })).results();
    assert_eq!(results, ["ok: shop staging 0123456789 1"]);
}

#[test]
fn outputs_reach_the_steps_that_come_later() {
    let first = Probe::new().applies(json!({ "do": "say", "text": "hello" })).step("first");
    let ask = |step: &str, name: &str| json!({ "do": "output", "step": step, "name": name });
    let second = Probe::new().applies(ask("first", "0")).applies(ask("first", "9")).applies(ask("nobody", "0"));
    let project = Project::with(&config(&[first, second.step("second")])).guest("probe").locked();
    let _ = project.windlass("run").exits(0);
    assert_eq!(project.results(), ["ok: ok: hello", "ok: none", "ok: none"]);
}

#[test]
fn the_plan_shows_what_a_plugin_says_that_it_does() {
    for (effect, mark, sum) in [
        ("reads", '·', "nothing is going to change"),
        ("checks", '·', "nothing is going to change"),
        ("changes", '~', "1 to change"),
        ("irreversible", '!', "1 that cannot be taken back"),
        ("unknown", '?', "1 that could not be found out"),
    ] {
        let project = Probe::new().effect(effect).project().locked();
        let output = project.windlass("plan").exits(0);
        assert!(output.stdout.contains(&format!("  {mark} probe  do what it is told")), "{}", output.stdout);
        assert!(output.stdout.contains(&format!("\n{sum}\n")), "{}", output.stdout);
        let plan = project.windlass("plan --format json").exits(0).result();
        assert_eq!(plan["plan"]["steps"][0]["intents"][0]["effect"], effect);
    }
}

#[test]
fn the_guest_can_be_told_every_verdict_of_the_contract_and_no_other() {
    for verdict in ["done", "partly", "not-done", "unknown", "fail"] {
        let _ = Probe::new().says(verdict).project().locked();
    }
    let _ = Probe::new().says("perhaps").project().windlass("check").exits(2);
}
