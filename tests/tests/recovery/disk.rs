//! A disk that is full, read-only or somebody else's: a run stops before its next effect, and goes on when there is room.
//!
//! The small and the read-only disk are file systems in a namespace of the test's own, which `unshare` makes without being
//! root. Where the system does not allow that (for example where AppArmor restricts user namespaces), these tests fail:
//! what they show is not shown there.

#![cfg(target_os = "linux")]

use super::*;
use e2e::Output;
use std::process::Stdio;

/// Runs a script in a namespace where `.windlass` is a file system of its own, so small. `windlass` there is the binary, and
/// `room` makes room again. What the script prints on standard output and error, and how it ends, is the result.
fn on_small_disk(project: &Project, size: &str, script: &str) -> Output {
    std::fs::create_dir_all(project.path().join(".windlass")).expect("a directory");
    let prelude = format!(
        "set -u; mount -t tmpfs -o size={size} tmpfs .windlass || exit 99; room() {{ rm .windlass/filler; }}; binary='{}'; windlass() {{ \"$binary\" \"$@\"; }};",
        e2e::binary().display()
    );
    let mut command = Command::new("unshare");
    let windlass = project.command(["status"]);
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &format!("{prelude} {script}")]);
    command.current_dir(project.path()).env_clear();
    command.envs(windlass.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = project.finish(command.spawn().expect("`unshare`, of the package util-linux"));
    assert_ne!(
        output.code,
        Some(99),
        "this system lets nobody make a namespace with a disk of its own: {}",
        output.stderr
    );
    output
}

/// A step that can tell whether it is done.
fn tells(id: &str) -> Step {
    Step::marks(id).unless(&format!("grep -qx {id} order"))
}

#[test]
fn a_run_on_a_disk_that_fills_up_stops_and_goes_on_when_there_is_room() {
    // What is written down of one step is longer than what a half-empty page of the disk may still take.
    let mut steps =
        vec![tells("a"), tells("filler").run("cat /dev/zero > .windlass/filler 2> /dev/null; echo filler >> order")];
    let names: Vec<String> = (1..=20).map(|number| format!("s{number:02}")).collect();
    steps.extend(names.iter().map(|name| tells(name)));
    let project = project(&steps);
    let commit = e2e::COMMIT;
    let output = on_small_disk(
        &project,
        "256k",
        &format!(
            "windlass run --format json --commit {commit} > first.json; test $? = 15 || exit 1; cp order order-then; \
             windlass status > status-then || exit 2; room; run=$(ls .windlass/runs); \
             windlass resume $run --format json --commit {commit} > second.json || exit 3; cp -r .windlass kept"
        ),
    );
    assert_eq!(output.code, Some(0), "{}", output.all());
    let result = |file: &str| -> Value { serde_json::from_str(project.read(file).trim()).expect("JSON") };
    assert_eq!(result("first.json")["reason"], "journal-unwritable");
    assert_eq!(result("first.json")["outcome"], "failed");
    assert!(output.stderr.contains("No space left on device"), "{}", output.stderr);
    assert!(output.stderr.contains("note: the run stopped before its next effect"), "{}", output.stderr);
    let expected: Vec<&str> = ["a", "filler"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let then: Vec<String> = project.read("order-then").split_whitespace().map(str::to_owned).collect();
    assert!(then.len() < expected.len() && expected[..then.len()] == then, "it stopped in the middle: {then:?}");
    assert!(project.read("status-then").contains("windlass resume "), "{}", project.read("status-then"));
    assert_eq!(result("second.json")["outcome"], "succeeded");
    assert_eq!(order(&project), expected.join(" "), "nothing is done twice, and nothing is left out");
}

#[test]
fn a_disk_that_is_full_from_the_beginning_lets_nothing_run() {
    let project = project(&[Step::marks("a")]);
    let output = on_small_disk(
        &project,
        "64k",
        &format!("cat /dev/zero > .windlass/filler 2> /dev/null; windlass run --commit {}", e2e::COMMIT),
    )
    .exits(15);
    for part in ["error: ", "cannot be written", "Caused by: No space left on device", "note: ", "hint: "] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    assert_eq!(order(&project), "");
}

#[test]
fn a_read_only_disk_lets_nothing_run() {
    let project = project(&[Step::marks("a")]);
    let output = on_small_disk(
        &project,
        "1m",
        &format!("mount -o remount,ro .windlass || exit 99; windlass run --commit {}", e2e::COMMIT),
    )
    .exits(15);
    for part in [
        "error: the lease `",
        "Caused by: Read-only file system",
        "note: nothing was run",
        "hint: mend the permissions",
    ] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    assert_eq!(order(&project), "");
}

#[test]
fn a_full_disk_lets_nothing_be_taken_back() {
    let project = project(&[Step::marks("a"), Step::marks("b")]);
    let script = format!(
        "windlass run --commit {} || exit 1; cat /dev/zero > .windlass/filler 2> /dev/null; \
         windlass rollback; test $? = 15 || exit 2; cp order order-then; \
         windlass status > status-then || exit 3; room; windlass rollback || exit 4",
        e2e::COMMIT
    );
    let output = on_small_disk(&project, "256k", &script);
    assert_eq!(output.code, Some(0), "{}", output.all());
    assert_eq!(project.read("order-then"), "a\nb\n");
    assert!(project.read("status-then").contains("next    nothing"), "{}", project.read("status-then"));
    assert_eq!(order(&project), "a b -b -a");
}

#[test]
fn what_only_tells_needs_no_writing() {
    let project = project(&[Step::marks("a"), stuck_step("b")]);
    let script = format!(
        "\"$binary\" run --commit {0} & run=$!; while test ! -e child; do sleep 0.01; done; kill -9 $run $(cat child); wait; \
         mount -o remount,ro .windlass || exit 99; \
         windlass status || exit 1; windlass history || exit 2; windlass lease status || exit 3; \
         windlass rollback --dry-run || exit 4; windlass plan --commit {0} || exit 5; windlass run --dry-run --commit {0} || exit 6; \
         windlass reap; test $? = 15 || exit 7; windlass lease release; test $? = 15 || exit 8; \
         windlass resume $(ls .windlass/runs) --commit {0}; test $? = 15 || exit 9",
        e2e::COMMIT
    );
    let output = on_small_disk(&project, "1m", &script);
    assert_eq!(output.code, Some(0), "{}", output.all());
    assert!(
        output.stdout.contains("was cut off") && output.stdout.contains("its process is gone"),
        "{}",
        output.stdout
    );
    assert_eq!(order(&project), "a");
}

#[test]
fn a_directory_that_nobody_may_write_to_lets_nothing_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = project(&[Step::marks("a")]);
    let _ = project.windlass("run").exits(0);
    let set = |mode: u32| {
        for directory in [".windlass", ".windlass/runs", ".windlass/leases"] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(project.path().join(directory), permissions).expect("it is ours");
        }
    };
    set(0o555);
    // In a user namespace of its own not even root may what the permissions do not say.
    let windlass = project.command(["run", "--commit", e2e::COMMIT]);
    let mut command = Command::new("unshare");
    command.arg("--user").arg(windlass.get_program()).args(windlass.get_args());
    command.current_dir(project.path()).env_clear();
    command.envs(windlass.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.stdin(Stdio::null()).output().expect("`unshare`, of the package util-linux");
    set(0o755);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(15), "{stderr}");
    for part in
        ["error: the lease `", "Caused by: Permission denied", "note: nothing was run", "hint: mend the permissions"]
    {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    assert_eq!(order(&project), "a", "only of the run before");
}
