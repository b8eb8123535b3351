//! `keep_runs`: the oldest runs are forgotten, and never one that somebody may still need.

use super::*;

fn keeping(count: u32, steps: &[Step]) -> Project {
    Project::with(&text(&format!("keep_runs = {count}"), steps)).locked()
}

#[test]
fn so_many_are_left_as_the_configuration_says() {
    let project = keeping(3, &[versioned("a")]);
    let all: Vec<String> = (1..=6).map(|version| release(&project, &version.to_string())).collect();
    assert_eq!(runs(&project), all[3..]);
    let history = project.windlass("history --format json").exits(0).result();
    assert_eq!(history.as_array().map(Vec::len), Some(3));
    assert_eq!(live(&project).as_deref(), Some("6"));
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(live(&project).as_deref(), Some("5"));
}

#[test]
fn where_nothing_is_said_twenty_are_left() {
    let project = project(&[Step::of("look", "true").with("effect = \"reads\"")]);
    for version in 1..=22 {
        release(&project, &version.to_string());
    }
    assert_eq!(runs(&project).len(), 20);
}

#[test]
fn the_live_release_and_the_one_before_stay() {
    let project = keeping(1, &[versioned("a"), Step::marks("b").run("test ! -e broken")]);
    let kept: Vec<String> = ["1", "2"].iter().map(|version| release(&project, version)).collect();
    project.write("broken", "");
    let failed: Vec<String> = (0..3)
        .map(|_| {
            let _ = project.windlass("run --release-version 3").exits(10);
            newest(&project)
        })
        .collect();
    assert_eq!(runs(&project), [&kept[..], &failed[2..]].concat());
    assert_eq!(live(&project).as_deref(), Some("2"));
    let _ = project.windlass(&format!("rollback --to {}", kept[0])).exits(0);
    assert_eq!(live(&project).as_deref(), Some("1"));
}

#[test]
fn runs_that_had_nothing_to_do_are_forgotten_too() {
    let step = versioned("a").unless("grep -qx a-${deployment.version} order");
    let project = keeping(2, &[step]);
    let kept: Vec<String> = ["1", "2"].iter().map(|version| release(&project, version)).collect();
    let idle: Vec<String> = (0..5).map(|_| release(&project, "2")).collect();
    assert_eq!(runs(&project), [&kept[..], &idle[3..]].concat(), "what changed something is what can be taken back");
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(live(&project).as_deref(), Some("1"));
}

#[test]
fn what_was_left_by_a_run_that_did_not_end_well_stays() {
    let steps = [
        Step::marks("a"),
        Step::of("b", "test -e child || { touch child; exit 1; }")
            .with("effect = \"changes\"")
            .key("on_failure = \"stop\""),
    ];
    let project = keeping(1, &steps);
    let _ = project.windlass("run").exits(13);
    let left = newest(&project);
    std::fs::remove_file(project.path().join("child")).expect("it is there");
    let _ = project.windlass("run").exits(13);
    assert_eq!(runs(&project).len(), 2, "both left something");
    assert!(runs(&project).contains(&left));
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(order(&project), "a a -a -a");
}

#[test]
fn each_place_has_its_own() {
    let environments = "[environments.staging]\n[environments.production]\n";
    let project = Project::with(&text_with(
        "keep_runs = 2",
        environments,
        &[versioned("a").key("component = \"frontend\""), versioned("b").key("component = \"backend\"")],
    ))
    .locked();
    let places =
        ["-e staging --component frontend", "-e staging --component backend", "-e production --component backend"];
    for place in places {
        for version in 1..=4 {
            let _ = project.windlass(&format!("run {place} --release-version {version}")).exits(0);
        }
    }
    assert_eq!(runs(&project).len(), 6);
    for place in places {
        let history = project.windlass(&format!("history {place} --format json")).exits(0).result();
        let versions: Vec<&str> =
            history.as_array().expect("runs").iter().filter_map(|run| run["version"].as_str()).collect();
        assert_eq!(versions, ["4", "3"], "{place}");
    }
}
