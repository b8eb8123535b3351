//! Attacks with programs: what a step's child tries that was not accepted for it. What the kernel refuses and not the gate is
//! recorded as the child's own failure.
//!
//! | attack | cases | how it ends |
//! | --- | --- | --- |
//! | files outside the granted trees: made, written, appended, cut short, removed, made a directory, a pipe, a link; renamed or linked in and out; reached by a link; another's temporary files; the journals; from a grandchild | 18 | the kernel refuses, nothing has changed |
//! | a granted tree that a child made a link to the project or to the journals | 2 | denied |
//! | the project and its journals by absolute paths, and by links elsewhere that lead to them | 4 | denied |
//! | the terminal and the kernel's own files | 2 | likewise |
//! | a change while the plan is made, whatever was granted | 2 | likewise |
//! | TCP to another port, to any port | 3 | likewise, and nobody is connected to |
//! | secrets of the job in `/proc/PID/environ` | 2 | likewise |
//! | a signal to Windlass, an abstract socket of somebody else | 2 | likewise, from Linux 6.12 on |
//! | rights by a setuid program | 1 | there are none |
//! | the environment and memory of Windlass, from a child that is not held | 1 | the system refuses |
//! | what is left running in another session, after a double fork, without an environment, with the marks of what may stay, where SIGTERM is ignored | 5 | it is ended with its step, and the log says so |
//! | a program of the project where the step itself may write, or a program with less | 2 | refused when the lock is made |
//! | a program of the project by a link to, or in an absolute tree, where a program with less may write | 2 | denied |
//! | a program, a working directory and a database by links that the plugin makes: to `/bin/sh`, over two links, out of the project | 4 | denied |
//! | paths of programs that climb, are absolute, end elsewhere or hide something | 8 | denied |
//! | a fork bomb in sessions of its own, until its timeout | 1 | all of it is ended, and the step goes on |
//!
//! What is left in the program's own group is `programs::what_a_program_leaves_running_ends_with_it`; floods of output are
//! `engine::what_is_logged_and_printed_is_counted_and_cut`; programs and arguments that were not accepted
//! `capabilities::a_program_runs_with_the_accepted_arguments_only`; values that would become a pattern or an option
//! `bad_input::values`; SIGTERM that is ignored while a run is cancelled `cancelled`.

use e2e::Project;
use e2e::probe::Probe;
use serde_json::{Value, json};
use std::net::TcpListener;

/// A grant of any shell script that may change these trees and connect to these ports.
fn shell(writes: &[&str], connects: &[u16]) -> Value {
    json!({
        "kind": "exec", "program": "bash", "arguments": ["-c", "*"], "writes": writes, "connects": connects,
        "phases": ["plan", "apply"],
    })
}

fn script(text: &str) -> Value {
    json!({ "do": "exec", "program": "bash", "arguments": ["-c", text] })
}

/// Scripts by themselves, each in the same project, confined to `dist`.
fn confined(scripts: &[&str]) -> Project {
    let probe = Probe::new().asks(shell(&["dist"], &[]));
    scripts
        .iter()
        .fold(probe, |probe, text| probe.applies(script(text)))
        .project()
        .file("keep", "as it was\n")
        .file("tree/file", "as it was\n")
        .file("dist/own", "its own\n")
        .locked()
}

/// Whether the kernel is at least this new; what is older is not asked for what came later.
fn kernel_is(major: u32, minor: u32) -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a kernel");
    let mut parts = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    (parts.next(), parts.next()) >= (Some(major), Some(minor))
}

fn refused(result: &str) {
    let ended = result.starts_with("ok: exit code ") && !result.starts_with("ok: exit code 0 ");
    let words = ["Permission denied", "Operation not permitted", "Invalid cross-device link", "PermissionError"];
    assert!(ended && words.iter().any(|word| result.contains(word)), "{result}");
}

/// One after the other in one step; the step succeeds, since the probe only tells how its children ended, and its record
/// has each of these endings.
#[test]
fn a_program_changes_nothing_outside_its_trees() {
    let elsewhere = tempfile::tempdir().expect("somebody else's directory");
    let theirs = elsewhere.path().join("theirs");
    std::fs::write(&theirs, "as it was\n").expect("a file");
    let theirs = theirs.display();
    let attacks = [
        "echo x > made",
        "echo x > keep",
        "echo x >> keep",
        "truncate -s 0 keep",
        "rm keep",
        "mkdir other",
        "mkfifo pipe",
        "ln -s keep link",
        "ln keep dist/linked && echo x > dist/linked",
        "mv keep dist/",
        "mv dist/own .",
        "ln dist/own here",
        "ln -s ../keep dist/link && echo x > dist/link",
        "ln -s ../.. dist/up && echo x > dist/up/project/keep",
        "bash -c 'setsid --wait bash -c \"echo x > keep\"'",
        "rm -r tree",
        "echo x > .windlass/runs/x",
        &format!("echo x > {theirs}"),
        "exec 3<> /dev/ptmx",
        "echo 1 > /proc/self/oom_score_adj",
    ];
    let project = confined(&attacks);
    let _ = project.windlass("run").exits(0);
    let results = project.results();
    assert_eq!(results.len(), attacks.len());
    for (attack, result) in attacks.iter().zip(&results) {
        assert!(result.starts_with("ok: exit code ") && !result.starts_with("ok: exit code 0 "), "{attack}: {result}");
        refused(result);
    }
    assert_eq!(project.read("keep"), "as it was\n");
    assert_eq!(project.read("tree/file"), "as it was\n");
    assert_eq!(std::fs::read_to_string(elsewhere.path().join("theirs")).expect("a file"), "as it was\n");
    for made in ["made", "other", "pipe", "link", "own", "here", ".windlass/runs/x"] {
        assert!(!project.has(made), "{made}");
    }
}

#[test]
fn a_program_changes_what_it_was_granted_and_its_temporary_files() {
    let project = confined(&[
        "echo x > dist/made && mkdir dist/deep && mv dist/made dist/deep && ln dist/own dist/other && truncate -s 0 dist/own",
        "echo x > $TMPDIR/file && cat $TMPDIR/file && echo gone > /dev/null",
        "cat keep && ls / > /dev/null",
        "echo text > dist/note.txt; cat /proc/self/status | grep NoNewPrivs",
    ]);
    let _ = project.windlass("run").exits(0);
    for result in project.results() {
        assert!(result.starts_with("ok: exit code 0 "), "{result}");
    }
    assert!(project.has("dist/deep/made") && project.has("dist/other"));
    let last = &project.results()[3];
    assert!(
        last.contains("NoNewPrivs:\t1"),
        "rights that a program has for whoever runs it are not for this one: {last}"
    );
}

#[test]
fn a_step_changes_by_its_program_what_it_may_change_itself() {
    let project = Probe::new()
        .asks(shell(&[], &[]))
        .asks(json!({ "kind": "directory", "path": "out", "write": true, "phases": ["apply"] }))
        .applies(script("echo x > out/made"))
        .applies(script("echo x > made"))
        .project()
        .locked();
    let _ = project.windlass("run").exits(0);
    let results = project.results();
    assert!(results[0].starts_with("ok: exit code 0 "), "{}", results[0]);
    refused(&results[1]);
    assert!(project.has("out/made") && !project.has("made"));
}

#[test]
fn nothing_changes_while_it_is_planned_whatever_was_granted() {
    for writes in [&["/"][..], &["dist"]] {
        let probe = Probe::new().asks(json!({
            "kind": "exec", "program": "bash", "arguments": ["-c", "*"], "writes": writes, "phases": ["plan"],
        }));
        let project = probe.plans(script("echo x > dist/made")).project().file("dist/own", "").locked();
        let before = project.files();
        refused(&project.planned()[0]);
        assert_eq!(project.files(), before);
    }
}

#[test]
fn a_program_connects_to_the_ports_that_were_accepted() {
    let (open, closed) = (TcpListener::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0"));
    let (open, closed) = (open.expect("a port"), closed.expect("a port"));
    let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
    let connect = |port: u16| script(&format!("exec 3<> /dev/tcp/127.0.0.1/{port} && echo connected"));
    let run = |grant: Value| {
        let probe = Probe::new().asks(grant).applies(connect(port(&open))).applies(connect(port(&closed)));
        probe.results()
    };
    let results = run(shell(&[], &[port(&open)]));
    assert!(results[0].contains("out=connected"), "{}", results[0]);
    refused(&results[1]);
    // That it may change every file does not open a port.
    for writes in [&[][..], &["/"]] {
        run(shell(writes, &[])).iter().for_each(|result| refused(result));
    }
    closed.set_nonblocking(true).expect("a listener");
    assert!(closed.accept().is_err(), "somebody was there");
}

#[test]
fn a_program_sees_no_environment_but_its_own() {
    // In halves, so that the script is not what is found.
    let look = "grep -l --binary-files=text \"the-jobs-\"\"own-secret\" /proc/[0-9]*/environ 2> /dev/null; \
                tr '\\0' '\\n' < /proc/$PPID/environ";
    let project = confined(&[look]).variable("DEPLOY_KEY", "the-jobs-own-secret");
    let _ = project.windlass("run").exits(0);
    let result = &project.results()[0];
    refused(result);
    assert!(result.contains("out= err="), "{result}");
}

#[test]
#[expect(clippy::print_stderr, reason = "the only way to say that an older kernel leaves it out")]
fn a_program_reaches_no_process_but_its_own() {
    if !kernel_is(6, 12) {
        eprintln!("left out: before Linux 6.12 a program that is held reaches others' signals and abstract sockets");
        return;
    }
    let name = format!("windlass-{}", std::process::id());
    let address = {
        use std::os::linux::net::SocketAddrExt;
        std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name")
    };
    let listener = std::os::unix::net::UnixListener::bind_addr(&address).expect("a socket");
    let connect = format!(
        "perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, pack_sockaddr_un(\"\\0{name}\")) or die $!'"
    );
    let project =
        confined(&["kill -KILL $PPID", &connect, "sleep 600 & kill $!; wait $! 2> /dev/null; [ $? -eq 143 ]"]);
    let _ = project.windlass("run").exits(0);
    let results = project.results();
    refused(&results[0]);
    refused(&results[1]);
    assert!(results[2].starts_with("ok: exit code 0 "), "it may end what it has started: {}", results[2]);
    listener.set_nonblocking(true).expect("a listener");
    assert!(listener.accept().is_err(), "somebody was there");
}

#[test]
fn a_step_fails_with_the_failure_of_its_program_and_says_that_it_was_held() {
    let config = "schema = 1\napp = \"shop\"\n[environments.staging]\n[[step]]\nid = \"build\"\nplugin = \"command\"\n\
                  with = { run = [\"sh\", \"-c\", \"echo x > made\"], writes = [\"dist\"], connects = [443] }\n";
    let project = Project::with(config).locked();
    let plan = project.windlass("plan --full").exits(0).stdout;
    assert!(
        plan.contains("may run `sh -c 'echo x > made'`, changing files in `dist`, connecting to port 443 (apply)"),
        "{plan}"
    );
    let output = project.windlass("run").exits(13);
    assert!(
        output.everything().contains("`sh` was held to changing files in `dist` and connecting to port 443"),
        "{}",
        output.everything()
    );
    let trouble = project.event("step-failed")["trouble"].clone();
    assert!(trouble.to_string().contains("Permission denied"), "{trouble}");
    assert!(!project.has("made"));
}

#[test]
fn a_policy_may_say_that_nobody_is_held() {
    let project = confined(&["echo x > made"]);
    let config = project.read("deploy.toml").replace("schema = 1\n", "schema = 1\npolicy.confinement = \"off\"\n");
    project.write("deploy.toml", &config);
    let plan = project.windlass("plan").exits(0).stdout;
    let note =
        "note: programs can change any file and connect anywhere: `policy.confinement` in `deploy.toml` is `off`\n";
    assert!(plan.contains(note), "{plan}");
    assert!(project.windlass("plan --format json").exits(0).result()["plan"]["confinement"].is_string());
    let _ = project.windlass("run").exits(0);
    assert!(project.has("made"));
    assert!(project.windlass("report last").exits(0).stdout.contains("programs can change any file"));
    // Where it can be, and must be, it is, and there is nothing to say.
    project.write("deploy.toml", &config.replace("\"off\"", "\"required\""));
    if kernel_is(6, 7) {
        let plan = project.windlass("plan --format json").exits(0);
        assert!(plan.result()["plan"]["confinement"].is_null());
    }
}

#[test]
fn a_tree_of_a_program_is_not_another_one_by_a_link_of_its_own() {
    for to in ["..", "../.windlass"] {
        let project = Probe::new()
            .asks(shell(&["out", "out/deep"], &[]))
            .applies(script(&format!("rmdir out/deep && ln -s {to} out/deep")))
            .applies(script("echo x > keep; echo x > .windlass/made"))
            .project()
            .file("keep", "as it was\n")
            .locked();
        let _ = project.windlass("run").exits(0);
        let results = project.results();
        assert!(results[0].starts_with("ok: exit code 0 "), "{}", results[0]);
        let words = "the way to the directory `out/deep` leads over a link";
        assert!(results[1].starts_with("denied: ") && results[1].contains(words), "{}", results[1]);
        assert!(project.denied()[0].ends_with(words), "{:?}", project.denied());
        assert_eq!(project.read("keep"), "as it was\n");
        assert!(!project.has(".windlass/made"));
    }
}

#[test]
fn an_absolute_tree_is_not_another_one() {
    let elsewhere = tempfile::tempdir().expect("somebody else's directory");
    let link = |name: &str| elsewhere.path().join(name).display().to_string();
    let over = "a link on the way leads to `";
    for (tree, words) in [
        ("PROJECT/.windlass".to_owned(), "PROJECT/.windlass` cannot be changed by a program"),
        ("PROJECT/up".to_owned(), "the way to the directory `up` leads over a link"),
        (link("project"), over),
        (link("journals"), over),
    ] {
        let project = Probe::new()
            .asks(shell(&[tree.as_str()], &[]))
            .applies(script("echo x > keep; echo x > .windlass/made"))
            .project()
            .file("keep", "as it was\n");
        let path = project.path().display().to_string();
        project.write("deploy.toml", &project.read("deploy.toml").replace("PROJECT", &path));
        let make = |to: &str, from: &str| std::os::unix::fs::symlink(to, from).expect("a link");
        make(".", &format!("{path}/up"));
        for name in ["project", "journals"] {
            let _ = std::fs::remove_file(link(name));
        }
        make(&path, &link("project"));
        make(&format!("{path}/.windlass"), &link("journals"));
        let project = project.locked();
        let _ = project.windlass("run").exits(0);
        let result = &project.results()[0];
        assert!(result.starts_with("denied: "), "{tree}: {result}");
        assert!(result.contains(&words.replace("PROJECT", &path)), "{tree}: {result}");
        assert_eq!(project.denied().len(), 1, "{:?}", project.denied());
        assert_eq!(project.read("keep"), "as it was\n");
        assert!(!project.has(".windlass/made"));
    }
}

fn changes(tree: &str) -> Value {
    json!({ "kind": "directory", "path": tree, "write": true, "phases": ["apply"] })
}

fn link(tree: &str, path: &str, to: &str) -> Value {
    json!({ "do": "file", "deed": "symlink", "tree": tree, "path": path, "to": to })
}

fn program(path: &str, directory: &str) -> Value {
    json!({ "kind": "exec", "program": path, "arguments": ["**"], "directory": directory, "phases": ["apply"] })
}

#[test]
fn nobody_accepts_a_program_that_the_step_can_replace() {
    let project = Probe::new().asks(changes("dist")).asks(program("./dist/deploy", ".")).project();
    let error = project.windlass("lock").exits(2).stderr;
    assert!(error.contains("the program `./dist/deploy` lies in `dist`, which the step may change"), "{error}");
    assert!(error.contains("Caused by: what the plugin writes there would run outside its sandbox"), "{error}");
    assert!(error.contains("note: nothing was run") && error.contains("hint: put the program where"), "{error}");
    assert!(!project.has("deploy.lock"));
    let narrow = json!({ "kind": "exec", "program": "make", "writes": ["bin"], "connects": [], "phases": ["apply"] });
    let project = Probe::new().asks(narrow).asks(program("./bin/deploy", ".")).project();
    let error = project.windlass("lock").exits(2).stderr;
    assert!(error.contains("the program `./bin/deploy` lies in `bin`, which `make` may change"), "{error}");
}

#[test]
fn no_program_runs_from_where_one_with_less_may_write() {
    for (tree, path, link) in [("dist", "./tools/deploy", true), ("PROJECT/dist", "./dist/deploy", false)] {
        let project = Probe::new()
            .asks(shell(&[tree], &[]))
            .asks(program(path, "."))
            .applies(script("printf '#!/bin/sh\\necho x > ran\\n' > dist/deploy"))
            .applies(json!({ "do": "exec", "program": path }))
            .project()
            .file("dist/deploy", "#!/bin/sh\n");
        let own = project.path().display().to_string();
        project.write("deploy.toml", &project.read("deploy.toml").replace("PROJECT", &own));
        if link {
            std::os::unix::fs::symlink("dist", project.path().join("tools")).expect("a link");
        }
        let project = project.locked();
        let _ = project.windlass("run").exits(0);
        let results = project.results();
        assert!(results[0].starts_with("ok: exit code 0 "), "{}", results[0]);
        let words = format!("the way to the program `{path}` leads through `dist`");
        assert!(results[1].starts_with("denied: ") && results[1].contains(&words), "{}", results[1]);
        assert!(project.denied()[0].ends_with(&words), "{:?}", project.denied());
        assert!(!project.has("ran"));
    }
}

#[test]
fn no_link_of_a_plugin_leads_to_another_program_directory_or_database() {
    let run = |path: &str, directory: &str| json!({ "do": "exec", "program": path, "arguments": ["-c", "echo x > ran"], "directory": directory });
    let project = Probe::new()
        .asks(changes("dist"))
        .asks(program("./tools/deploy", "."))
        .asks(program("./over/two", "."))
        .asks(program("./own/shell", "dist/place"))
        .asks(program("./own/shell", "."))
        .asks(json!({ "kind": "database", "name": "shop", "url": "sqlite:dist/shop.db", "write": true, "phases": ["apply"] }))
        .applies(link("dist", "deploy", "../../../../../../../../bin/sh"))
        .applies(link("dist", "two", "../own/shell"))
        .applies(link("dist", "place", "../.."))
        .applies(link("dist", "shop.db", "../../outside.db"))
        .applies(run("./tools/deploy", "."))
        .applies(run("./over/two", "."))
        .applies(run("./own/shell", "dist/place"))
        .applies(json!({ "do": "execute", "database": "shop", "sql": "create table item (name text)" }))
        .applies(run("./own/shell", "."))
        .project()
        .file("over/file", "")
        .file("own/file", "")
        .file("dist/file", "");
    let make = |to: &str, from: &str| std::os::unix::fs::symlink(to, project.path().join(from)).expect("a link");
    make("dist", "tools");
    make("../tools/two", "over/two");
    make("/bin/sh", "own/shell");
    let project = project.locked();
    let _ = project.windlass("run").exits(0);
    let results = project.results();
    for made in &results[..4] {
        assert_eq!(made, "ok: made");
    }
    for (result, what) in [
        (&results[4], "the way to the program `./tools/deploy` leads through `dist`"),
        (&results[5], "the way to the program `./over/two` leads through `dist`"),
        (&results[6], "the directory `dist/place` leads out of the project"),
        (&results[7], "the database refused to leave its file"),
    ] {
        assert!(result.starts_with("denied: ") && result.contains(what), "{result}");
    }
    let denied = project.denied();
    assert_eq!(denied.len(), 4, "{denied:?}");
    assert!(denied[0].contains("`./tools/deploy -c echo x > ran`: the way to the program"), "{denied:?}");
    assert!(!project.path().parent().expect("above").join("outside.db").exists());
    // What the project itself links to, as a virtual environment does, is its own.
    assert!(results[8].starts_with("ok: exit code 0 "), "{}", results[8]);
}

#[test]
fn a_program_is_the_one_that_was_accepted_however_it_is_written() {
    let paths = ["/bin/sh", "../sh", "./own/../sh", "sh/", "./sh/.", "own/sh", "sh\u{0}", "\u{202e}sh"];
    let probe = Probe::new().asks(program("sh", ".")).asks(program("./sh", "."));
    let probe = paths.iter().fold(probe, |probe, path| {
        probe.applies(json!({ "do": "exec", "program": path, "arguments": ["-c", "echo x > ran"] }))
    });
    let project = probe.project().file("own/sh", "#!/bin/sh\necho x > ran\n").locked();
    let _ = project.windlass("run").exits(0);
    for (path, result) in paths.iter().zip(project.results()) {
        assert!(
            result.starts_with("denied: ") && result.contains("accepts only: run `./sh **`, unconfined; run `sh **`"),
            "{path:?}: {result}"
        );
    }
    assert_eq!(project.denied().len(), paths.len());
    assert!(!project.has("ran"));
}

/// A pipe of which it is seen when the last who has its other end is gone.
fn alive(project: &Project) -> std::sync::mpsc::Receiver<()> {
    let path = project.path().join("alive");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut text = vec![];
        let _ = std::fs::File::open(path).and_then(|mut file| std::io::Read::read_to_end(&mut file, &mut text));
        let _ = sender.send(());
    });
    receiver
}

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

fn unconfined(timeout: Option<u64>, text: &str) -> Probe {
    let mut first = script(text);
    if let Some(timeout) = timeout {
        first["timeout"] = timeout.into();
    }
    Probe::new()
        .asks(json!({ "kind": "exec", "program": "bash", "arguments": ["-c", "*"], "phases": ["apply"] }))
        .applies(first)
        .applies(script("echo and on"))
}

#[test]
fn what_is_left_running_is_ended_wherever_it_went() {
    for left in [
        "setsid sleep 600 &",
        "(setsid bash -c 'sleep 600 & sleep 600' &) ",
        "setsid bash -c '(trap \"\" TERM; while :; do sleep 600; done) & exit' &",
        "env -i setsid /bin/sleep 600 &",
        "WINDLASS_BACKGROUND=1 setsid sleep 600 &",
    ] {
        let project = unconfined(None, &format!("exec 3> alive; {left}\nsleep 0.1")).project().locked();
        let gone = alive(&project);
        let output = project.windlass("run").exits(0);
        gone.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{left} is still there"));
        assert!(output.everything().contains("what `bash` left running was ended"), "{left}: {}", output.everything());
        assert!(project.results()[0].starts_with("ok: exit code 0 "), "{left}: {:?}", project.results());
    }
}

#[test]
fn a_fork_bomb_ends_with_its_timeout() {
    // Of some hundreds, so that a small machine survives what is tested here.
    let bomb = "bomb() { [ $1 -eq 0 ] || { bomb $(($1 - 1)) & setsid bash -c \"$(declare -f bomb); bomb $(($1 - 1))\" & }; sleep 600; }; \
                exec 3> alive; bomb 6";
    let project = unconfined(Some(1500), bomb).project().locked();
    let gone = alive(&project);
    let _ = project.windlass("run").exits(0);
    gone.recv_timeout(PATIENCE).expect("all of it is gone");
    let results = project.results();
    assert!(results[0].starts_with("ok: its timeout"), "{}", results[0]);
    assert!(results[1].starts_with("ok: exit code 0 out=and on"), "{}", results[1]);
}

#[test]
fn what_was_accepted_to_stay_stays_also_where_it_left_its_group() {
    let stays = json!({ "kind": "exec", "program": "./serve", "background": true, "phases": ["apply"] });
    let project = unconfined(None, "setsid sleep 0.01 &")
        .asks(stays)
        .applies(json!({ "do": "exec", "program": "./serve" }))
        .applies(script("setsid sleep 600 & sleep 0.1"))
        .project()
        .file("serve", "#!/bin/sh\nsetsid sh -c 'read word < go; echo \"$word\" > said' > /dev/null 2>&1 &\n")
        .locked();
    assert!(std::process::Command::new("mkfifo").arg(project.path().join("go")).status().expect("mkfifo").success());
    let output = project.windlass("run").exits(0);
    assert!(output.everything().contains("what `bash` left running was ended"), "{}", output.everything());
    std::fs::write(project.path().join("go"), "still here\n").expect("somebody reads");
    let end = std::time::Instant::now() + PATIENCE;
    while !project.has("said") || project.read("said").is_empty() {
        assert!(std::time::Instant::now() < end, "it did not stay");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Of a user who is not root, whom nothing lets look into a process but that it may be looked into.
#[test]
fn nobody_looks_into_windlass() {
    let project = unconfined(None, "tr '\\0' '\\n' < /proc/$PPID/environ; cat /proc/$PPID/maps; ulimit -c")
        .project()
        .variable("DEPLOY_KEY", "the-jobs-own-secret")
        .locked();
    let mut run = project.command(["run", "--commit", e2e::COMMIT]);
    if std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        let open =
            |path: &std::path::Path| std::process::Command::new("chmod").args(["-R", "a+rwX"]).arg(path).status();
        assert!(open(project.path().parent().expect("a directory")).is_ok_and(|status| status.success()));
        // The binary is copied to where anybody can run it.
        let binary = project.path().join("windlass");
        std::fs::copy(e2e::binary(), &binary).expect("a copy");
        let mut other = std::process::Command::new("setpriv");
        other.current_dir(project.path()).env_clear();
        other.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
        other.env("WINDLASS_CACHE_DIR", project.path().join("cache"));
        other.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(binary).args(run.get_args());
        run = other;
    }
    let output = run.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let result = project.results().remove(0);
    assert!(result.matches("Permission denied").count() >= 2, "{result}");
    assert!(!result.contains("the-jobs") && result.contains("out=0\n"), "{result}");
}
