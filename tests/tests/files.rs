//! Directories, from the outside: a plugin sees the trees that were accepted, may change those that it may, and finds no
//! way from one to the other or out.

#![cfg(unix)]

use e2e::Project;
use e2e::probe::Probe;
use serde_json::{Value, json};
use std::os::unix::fs::symlink;

const APPLY: [&str; 1] = ["apply"];
const ALL: [&str; 3] = ["plan", "apply", "revert"];

fn tree(path: &str, write: bool, phases: &[&str]) -> Value {
    json!({ "kind": "directory", "path": path, "write": write, "phases": phases })
}

fn deed(deed: &str, tree: &str, path: &str) -> Value {
    json!({ "do": "file", "deed": deed, "tree": tree, "path": path, "text": "changed" })
}

fn between(deed: &str, tree: &str, path: &str, to_tree: &str, to: &str) -> Value {
    json!({ "do": "file", "deed": deed, "tree": tree, "path": path, "to_tree": to_tree, "to": to })
}

fn refused(result: &str) {
    assert!(
        result.starts_with("check-failed: file: refused: ") || result.starts_with("check-failed: file: no tree"),
        "{result}"
    );
}

const CHANGES: [&str; 9] = [
    "write",
    "truncate",
    "truncate-read-only",
    "set-size",
    "set-times",
    "remove",
    "create",
    "make-directory",
    "symlink",
];

#[test]
fn a_tree_may_be_read_or_changed_as_it_was_accepted() {
    let mut probe = Probe::new().asks(tree("data", false, &APPLY)).asks(tree("made/by/us", true, &APPLY));
    probe =
        probe.applies(deed("read", "data", "a")).applies(deed("list", "data", ".")).applies(deed("look", "data", "a"));
    for change in CHANGES {
        probe = probe.applies(deed(
            change,
            "data",
            if matches!(change, "create" | "make-directory" | "symlink") { "new" } else { "a" },
        ));
    }
    for change in ["create", "write", "look", "rename", "link", "remove"] {
        probe = probe.applies(json!({
            "do": "file", "deed": change, "tree": "made/by/us", "text": "changed",
            "path": if change == "link" { "c" } else { "b" }, "to": if change == "link" { "b" } else { "c" },
        }));
    }
    let project = probe.project().file("data/a", "as it was").file("other/x", "hidden").locked();
    let _ = project.windlass("run").exits(0);
    let results = project.results();
    assert_eq!(results[..3], ["ok: as it was", "ok: a", "ok: 9 bytes"]);
    for result in &results[3..12] {
        refused(result);
    }
    assert_eq!(project.read("data/a"), "as it was");
    assert!(!project.path().join("data/new").is_symlink() && !project.has("data/new"));
    assert_eq!(
        results[12..],
        ["ok: wrote 7", "ok: wrote 7", "ok: 7 bytes", "ok: renamed", "ok: linked", "ok: removed"]
    );
    assert_eq!(project.read("made/by/us/c"), "changed");
}

#[test]
fn a_plan_may_only_read_and_a_tree_is_there_in_its_phases_only() {
    let mut probe = Probe::new().asks(tree("data", true, &ALL)).plans(deed("read", "data", "a"));
    for change in CHANGES {
        probe = probe.plans(deed(
            change,
            "data",
            if matches!(change, "create" | "make-directory" | "symlink") { "new" } else { "a" },
        ));
    }
    let project = probe.project().file("data/a", "as it was").locked();
    let before = project.files();
    let planned = project.planned();
    assert_eq!(project.files(), before);
    assert_eq!(planned[0], "ok: as it was");
    for result in &planned[1..] {
        refused(result);
    }
    // A tree that is to be made is not made while planning.
    let project = Probe::new().asks(tree("new", true, &ALL)).plans(deed("list", "new", ".")).project().locked();
    refused(&project.planned()[0]);
    assert!(!project.has("new"));
    let project = Probe::new()
        .asks(tree("data", true, &APPLY))
        .plans(deed("read", "data", "a"))
        .reverts(deed("read", "data", "a"));
    let project = project.reverts(deed("write", "data", "a")).turns().project().file("data/a", "as it was").locked();
    refused(&project.planned()[0]);
    let _ = project.windlass("run").exits(10);
    assert_eq!(project.reverted().matches("no tree data").count(), 2, "{}", project.reverted());
    let project =
        Probe::new().asks(tree("data", true, &["revert"])).reverts(deed("write", "data", "a")).turns().project();
    let project = project.file("data/a", "as it was").locked();
    let _ = project.windlass("run").exits(10);
    assert_eq!(project.read("data/a"), "changedas");
}

#[test]
fn there_is_no_way_out_of_a_tree() {
    let mut probe = Probe::new().asks(tree("data", true, &APPLY));
    let paths = [
        "../outside",
        "../../home",
        "deep/../../outside",
        "/etc/passwd",
        "/",
        "link",
        "link/",
        "directory-link/outside",
        "directory-link/",
        "directory-link/.",
        "absolute-link/passwd",
        "absolute-link/",
        "absolute-link//",
        "chain/outside",
    ];
    for path in paths {
        for what in ["read", "write", "list", "look", "create", "truncate", "remove"] {
            // The link itself is in the tree, and may be removed; what it leads to is not.
            if !(what == "remove" && path == "link") {
                probe = probe.applies(deed(what, "data", path));
            }
        }
    }
    let project = probe.project().file("outside", "as it was").file("data/deep/file", "").locked();
    for (target, link) in
        [("../outside", "link"), ("..", "directory-link"), ("/etc", "absolute-link"), ("directory-link", "chain")]
    {
        symlink(target, project.path().join("data").join(link)).expect("a link");
    }
    let before = project.files();
    let _ = project.windlass("run").exits(0);
    for (index, result) in project.results().iter().enumerate() {
        assert!(!result.starts_with("ok"), "{index}: {result}");
    }
    let after: std::collections::BTreeMap<_, _> =
        project.files().into_iter().filter(|(name, _)| !name.starts_with(".windlass")).collect();
    assert_eq!(after, before);
}

#[test]
fn a_link_that_a_plugin_makes_leads_nowhere_either() {
    let make =
        |path: &str, to: &str| json!({ "do": "file", "deed": "symlink", "tree": "data", "path": path, "to": to });
    let project = Probe::new()
        .asks(tree("data", true, &APPLY))
        .applies(make("one", "../outside"))
        .applies(make("two", "/etc"))
        .applies(make("three", ".."))
        .applies(deed("read", "data", "one"))
        .applies(deed("write", "data", "one"))
        .applies(deed("list", "data", "two/"))
        .applies(deed("list", "data", "three/"))
        .applies(deed("read", "data", "three/outside"))
        .project()
        .file("outside", "as it was")
        .file("data/file", "")
        .locked();
    let _ = project.windlass("run").exits(0);
    let results = project.results();
    for result in &results[3..] {
        refused(result);
    }
    assert_eq!(project.read("outside"), "as it was");
}

#[test]
fn nothing_goes_from_a_tree_for_reading_to_one_for_changing() {
    let project = Probe::new()
        .asks(tree("ro", false, &APPLY))
        .asks(tree("rw", true, &APPLY))
        .applies(between("link", "ro", "a", "rw", "linked"))
        .applies(between("rename", "ro", "a", "rw", "moved"))
        .applies(between("link", "rw", "b", "ro", "linked"))
        .applies(between("rename", "rw", "b", "ro", "moved"))
        .applies(between("rename", "rw", "b", "rw", "../ro/moved"))
        .applies(between("link", "rw", "../ro/a", "rw", "linked"))
        .applies(deed("write", "rw", "linked"))
        .applies(deed("write", "rw", "moved"))
        .project()
        .file("ro/a", "as it was")
        .file("rw/b", "b")
        .locked();
    let _ = project.windlass("run").exits(0);
    for result in project.results() {
        refused(&result);
    }
    assert_eq!(project.read("ro/a"), "as it was");
    assert_eq!(project.read("rw/b"), "b");
    assert!(
        !project.has("rw/linked") && !project.has("rw/moved") && !project.has("ro/moved") && !project.has("ro/linked")
    );
}

#[test]
fn trees_that_overlap_are_refused() {
    for (one, other) in [("data", "data/deep"), (".", "data"), ("data", "./data/"), ("data", "data")] {
        let project = Probe::new().asks(tree(one, false, &APPLY)).asks(tree(other, true, &APPLY)).project();
        let output = project.file("data/deep/file", "").windlass("lock").exits(2);
        assert!(output.stderr.contains("overlap"), "{one} {other}: {}", output.stderr);
        assert!(output.stderr.contains("nothing was run"), "{}", output.stderr);
    }
}

fn denied_tree(project: &Project, words: &str) {
    let output = project.windlass("run");
    assert_ne!(output.code, Some(0), "{}", output.all());
    assert!(output.stderr.contains(words), "{}", output.stderr);
}

#[test]
fn trees_that_are_one_by_a_link_or_by_dots_are_refused() {
    let probe = |path: &str| {
        Probe::new().asks(tree("data", false, &APPLY)).asks(tree(path, true, &APPLY)).applies(deed("write", path, "a"))
    };
    let project = probe("link").project().file("data/a", "as it was").locked();
    symlink("data", project.path().join("link")).expect("a link");
    denied_tree(&project, "the way to the directory `link` leads over a link");
    assert_eq!(project.read("data/a"), "as it was");
    let project = probe("other/../data").project().file("data/a", "as it was").file("other/b", "");
    let output = project.windlass("lock");
    if output.code == Some(0) {
        denied_tree(&project, "overlap");
    }
    assert_eq!(project.read("data/a"), "as it was");
}

#[test]
fn a_tree_that_leads_out_of_the_project_is_refused_and_nothing_is_made_there() {
    for path in ["link", "link/new", "link/new/deeper"] {
        let project = Probe::new().asks(tree(path, true, &APPLY)).applies(deed("create", path, "a")).project().locked();
        let outside = project.path().parent().expect("a parent").join("outside");
        std::fs::create_dir(&outside).expect("a directory");
        symlink("../outside", project.path().join("link")).expect("a link");
        denied_tree(&project, "leads out of the project");
        assert_eq!(std::fs::read_dir(&outside).expect("there").count(), 0);
    }
    for path in ["..", "../other", "/etc", "data/../.."] {
        let output = Probe::new().asks(tree(path, false, &APPLY)).project().windlass("lock").exits(2);
        assert!(output.stderr.contains("is outside the project"), "{path}: {}", output.stderr);
    }
}

#[test]
fn the_journal_is_not_a_plugins_to_write() {
    for path in [".", ".windlass", "./.windlass/runs", "data/.."] {
        let output = Probe::new().asks(tree(path, true, &APPLY)).project().windlass("lock").exits(2);
        assert!(output.stderr.contains("`.windlass`"), "{path}: {}", output.stderr);
        let _ = Probe::new().asks(tree(path, false, &APPLY)).project().file("data/x", "").windlass("lock").exits(0);
    }
    // Not by a link either.
    let project = Probe::new().asks(tree("link", true, &APPLY)).applies(deed("create", "link", "a")).project().locked();
    std::fs::create_dir_all(project.path().join(".windlass/runs")).expect("a directory");
    symlink(".windlass", project.path().join("link")).expect("a link");
    denied_tree(&project, "`.windlass`");
}
