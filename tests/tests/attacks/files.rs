//! Attacks on files: out of a tree, from a tree for reading into one for changing, and by what is no plain file.
//!
//! | attack | ends as | shown by |
//! | --- | --- | --- |
//! | `..`, absolute paths, links out of a tree with and without slashes, chains of links, in each way of opening (97 cases) | refused | `files::there_is_no_way_out_of_a_tree` |
//! | a link that the guest made itself, also with an absolute target | refused | `files::a_link_that_a_plugin_makes_…`, `a_link_to_an_absolute_place_…` |
//! | a hard link or a rename between a tree for reading and one for changing | refused | `files::nothing_goes_from_a_tree_…` |
//! | truncating, resizing, touching, removing what may be read only | refused | `files::a_tree_may_be_read_or_changed_…` |
//! | the same, and what is outside: in the journal, by tree and path | denied, recorded | `each_refusal_is_in_the_journal` |
//! | trees that overlap, by name, by dots, by a link | refused before anything is run | `files::trees_that_…` |
//! | a tree by another case of its name | there is no such tree | `a_tree_has_one_name` |
//! | a named pipe that blocks | a limit of the call | `engine::one_timeout_…` |
//! | a device, a socket | a failure, and the device is not written to | `what_is_no_plain_file_…` |
//! | a tree that is swapped for a link out of the project, before a call and between two | refused, or the tree as it was opened | `a_tree_that_becomes_a_link_…` |
//! | a tree that another phase's grant makes a link, to the project or to another tree in it | refused before anything is run | `a_tree_is_not_another_one_by_a_link_…` |
//! | the journals, by name and by a link | refused | `files::the_journal_is_not_a_plugins_to_write` |
//! | ten thousand refused paths | the first thousand by name, the rest as a number | `a_flood_of_refusals_…` |

#![cfg(unix)]

use e2e::Project;
use e2e::probe::Probe;
use serde_json::{Value, json};
use std::os::unix::fs::symlink;

const APPLY: [&str; 1] = ["apply"];

fn tree(path: &str, write: bool) -> Value {
    json!({ "kind": "directory", "path": path, "write": write, "phases": APPLY })
}

fn deed(deed: &str, tree: &str, path: &str) -> Value {
    json!({ "do": "file", "deed": deed, "tree": tree, "path": path, "text": "changed" })
}

fn refused(result: &str) {
    assert!(result.starts_with("check-failed: file: refused: "), "{result}");
}

/// What was used in the newest run.
fn used(project: &Project) -> Vec<String> {
    let event = project.event("step-succeeded");
    let usages = event["usages"].as_array().cloned().unwrap_or_default();
    let used = usages.iter().filter(|usage| usage["allowed"] == true);
    used.map(|usage| usage["asked"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn each_refusal_is_in_the_journal() {
    let between = |deed: &str, from: &str, path: &str, to_tree: &str, to: &str| json!({ "do": "file", "deed": deed, "tree": from, "path": path, "to_tree": to_tree, "to": to });
    let cases = [
        (deed("write", "ro", "a"), "change `a` in the directory `ro`"),
        (deed("truncate", "ro", "b"), "change `b` in the directory `ro`"),
        (deed("set-size", "ro", "c"), "change `c` in the directory `ro`"),
        (deed("set-times", "ro", "d"), "change `d` in the directory `ro`"),
        (deed("remove", "ro", "e"), "change `e` in the directory `ro`"),
        (deed("make-directory", "ro", "new"), "change `new` in the directory `ro`"),
        (deed("read", "rw", "../outside"), "read `../outside` in the directory `rw`"),
        (deed("look", "rw", "/etc/passwd"), "read `/etc/passwd` in the directory `rw`"),
        (deed("read", "rw", "link"), "read `link` in the directory `rw`"),
        (deed("list", "rw", "link-up/"), "read `link-up/` in the directory `rw`"),
        (between("link", "ro", "a", "rw", "linked"), "change `a` in the directory `ro`"),
        (between("rename", "rw", "x", "ro", "moved"), "change `moved` in the directory `ro`"),
    ];
    let probe = Probe::new().asks(tree("ro", false)).asks(tree("rw", true)).asks(tree("unused", false));
    let probe = cases.iter().fold(probe, |probe, (operation, _)| probe.applies(operation.clone()));
    let mut project = probe.applies(deed("read", "ro", "a")).applies(deed("create", "rw", "new")).project();
    for name in ["ro/a", "ro/b", "ro/c", "ro/d", "ro/e", "rw/x", "outside", "unused/y"] {
        project = project.file(name, "as it was");
    }
    let project = project.locked();
    symlink("../outside", project.path().join("rw/link")).expect("a link");
    symlink("..", project.path().join("rw/link-up")).expect("a link");
    let _ = project.windlass("run").exits(0);
    let (results, denied) = (project.results(), project.denied());
    for (index, (_, asked)) in cases.iter().enumerate() {
        refused(&results[index]);
        assert!(denied.contains(&(*asked).to_owned()), "{asked}: {}: {denied:#?}", results[index]);
    }
    let used = used(&project);
    assert!(used.contains(&"read the directory `ro`".into()), "{used:?}");
    assert!(used.contains(&"change the directory `rw`".into()), "{used:?}");
    assert!(!used.iter().any(|asked| asked.contains("unused")), "{used:?}");
    for name in ["ro/a", "ro/b", "ro/c", "ro/d", "ro/e", "rw/x", "outside"] {
        assert_eq!(project.read(name), "as it was");
    }
    // And a person is told.
    let report = project.windlass("report last").exits(0);
    assert!(report.stdout.contains("denied read `/etc/passwd` in the directory `rw` (1×)"), "{}", report.stdout);
}

#[test]
fn a_flood_of_refusals_takes_up_little_room() {
    let mut probe = Probe::new().asks(tree("rw", true));
    for number in 0..1_200 {
        probe = probe.applies(deed("look", "rw", &format!("../{number}")));
    }
    let project = probe.project().file("rw/x", "").locked();
    let _ = project.windlass("run").exits(0);
    let denied = project.denied();
    assert!(denied.len() <= 1_001 && denied.contains(&"other things".to_owned()), "{}", denied.len());
}

#[test]
fn a_link_to_an_absolute_place_cannot_be_made() {
    let make =
        |path: &str, to: &str| json!({ "do": "file", "deed": "symlink", "tree": "data", "path": path, "to": to });
    let project = Probe::new()
        .asks(tree("data", true))
        .applies(make("one", "/etc/passwd"))
        .applies(make("two", "/"))
        .applies(deed("read", "data", "one"))
        .applies(deed("list", "data", "two/"))
        .project()
        .file("data/x", "")
        .locked();
    let _ = project.windlass("run").exits(0);
    for result in project.results() {
        refused(&result);
    }
    assert!(!project.path().join("data/one").is_symlink() && !project.path().join("data/two").is_symlink());
    assert!(project.denied().contains(&"change `one` in the directory `data`".to_owned()), "{:?}", project.denied());
}

#[test]
fn a_tree_has_one_name() {
    let mut probe = Probe::new().asks(tree("data", true));
    for name in ["Data", "DATA", "./data", "data/", "data/."] {
        probe = probe.applies(deed("write", name, "a"));
    }
    let project = probe.project().file("data/a", "as it was").locked();
    let _ = project.windlass("run").exits(0);
    for result in project.results() {
        assert!(result.starts_with("check-failed: file: no tree "), "{result}");
    }
    assert_eq!(project.read("data/a"), "as it was");
}

#[test]
fn what_is_no_plain_file_gives_nothing() {
    let project = Probe::new()
        .asks(tree("data", true))
        .applies(deed("read", "data", "socket"))
        .applies(deed("write", "data", "socket"))
        .applies(deed("read", "data", "device"))
        .applies(deed("write", "data", "device"))
        .project()
        .file("data/x", "")
        .locked();
    let data = project.path().join("data");
    let _socket = std::os::unix::net::UnixListener::bind(data.join("socket")).expect("a socket");
    symlink("/dev/zero", data.join("device")).expect("a link");
    let _ = project.windlass("run").exits(0);
    for result in project.results() {
        refused(&result);
    }
    assert!(project.denied().contains(&"change `device` in the directory `data`".to_owned()), "{:?}", project.denied());
}

#[test]
fn a_tree_that_becomes_a_link_leads_nowhere() {
    // The first step swaps the second one's tree; the second swaps its own while it has it open.
    let swap = "#!/bin/sh\nmv data kept && ln -s ../outside data\n";
    let grant = json!({ "kind": "exec", "program": "./swap", "phases": APPLY });
    let within = Probe::new()
        .asks(tree("data", true))
        .asks(grant.clone())
        .applies(json!({ "do": "exec", "program": "./swap" }))
        .applies(deed("create", "data", "new"))
        .applies(deed("read", "data", "secret"));
    let project = within.project().file("data/x", "").file("swap", swap).locked();
    let outside = project.path().parent().expect("a parent").join("outside");
    std::fs::create_dir(&outside).expect("a directory");
    std::fs::write(outside.join("secret"), "hidden").expect("a file");
    let _ = project.windlass("run").exits(0);
    let results = project.results();
    assert_eq!(results[1], "ok: wrote 7");
    refused(&results[2]);
    assert_eq!(project.read("kept/new"), "changed");
    assert!(!outside.join("new").exists());
    // The next call finds the link, and does not begin.
    let next = project.windlass("run");
    assert_ne!(next.code, Some(0), "{}", next.all());
    assert!(next.stderr.contains("the directory `data` leads out of the project"), "{}", next.stderr);
    assert!(!outside.join("new").exists());
}

#[test]
fn a_tree_is_not_another_one_by_a_link_of_the_guests() {
    for (to, leads) in [("..", "the project itself"), ("../src", "`src`")] {
        let project = Probe::new()
            .asks(tree("out", true))
            .asks(json!({ "kind": "directory", "path": "out/x", "phases": ["plan"] }))
            .applies(json!({ "do": "file", "deed": "symlink", "tree": "out", "path": "x", "to": to }))
            .project()
            .file("src/key", "hidden")
            .file("out/own", "")
            .locked();
        let _ = project.windlass("run").exits(0);
        assert_eq!(project.results()[0], "ok: made");
        let next = project.windlass("run");
        assert_ne!(next.code, Some(0), "{}", next.all());
        assert!(next.stderr.contains("the way to the directory `out/x` leads over a link"), "{}", next.stderr);
        assert!(
            next.stderr.contains(&format!("it ends at {leads}, which is not what was accepted")),
            "{}",
            next.stderr
        );
    }
}
