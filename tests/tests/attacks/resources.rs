//! Attacks on what the host has: its memory, its time, its descriptors.
//!
//! | attack | ends as | shown by |
//! | --- | --- | --- |
//! | a huge table, tables one after the other, tables that grow | a limit, with memory in one budget | `tables_are_memory_like_any_other` |
//! | instances, tables, memories by the hundreds (3) | a limit | `a_component_of_very_many_parts_is_refused` |
//! | one huge text to the log, as progress, as a record, as the key of a state (4) | a limit | `one_huge_text_is_not_taken_over` |
//! | one huge answer of the host: random bytes, a file of 1 GiB (2) | a limit | `one_huge_answer_is_not_given` |
//! | files held open | refused, and closed ones are free again | `files_are_held_up_to_a_number` |
//! | headers held, as large as they may be | a limit | `headers_that_are_held_are_so_many_and_no_more` |
//! | a loop without end in `probe` | a limit; nobody knows what became of the step | `a_probe_without_end_is_a_limit` |
//! | memory without end while planning and while taking back (2) | a limit | `memory_ends_in_every_phase` |
//! | memory without end, a stack without end, timers without end in `apply` | `engine.rs` | `memory_ends_…`, `a_stack_that_overflows_…`, `a_flood_of_resources_…` |
//! | a loop in `apply`, `plan`, `revert`; a sleep; a call that blocks | `engine.rs` | `one_timeout_…`, `the_timeout_holds_…` |
//! | a loop in `describe`, `requires` | `attacks/components.rs` | |
//! | floods of the log, of standard output, of records, reports and progress; huge outputs and failures | `engine.rs` | `what_is_logged_…`, `what_a_step_leaves_…`, `outputs_and_failures_…` |
//!
//! 17 cases here.

use e2e::probe::{Probe, config};
use e2e::{Project, guest};
use serde_json::{Value, json};

const APPLY: [&str; 1] = ["apply"];

/// A number as WebAssembly writes it.
fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = vec![];
    loop {
        let low = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], &*number(content.len()), content].concat()
}

/// How many core modules a component has at its top.
fn modules(component: &[u8]) -> usize {
    let (mut place, mut count) = (8, 0);
    while place < component.len() {
        count += usize::from(component[place] == 1);
        place += 1;
        let (mut size, mut shift) = (0_usize, 0);
        loop {
            let byte = component[place];
            place += 1;
            size |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        place += size;
    }
    count
}

/// A plugin that works, with a core module in it that is instantiated so many times before anything of it is called.
fn plugin_with(sections: &[Vec<u8>], times: usize) -> Vec<u8> {
    let plugin = std::fs::read(guest("noop")).expect("a guest");
    let index = number(modules(&plugin));
    let module = [b"\0asm\x01\0\0\0".as_slice(), &sections.concat()].concat();
    let instance = [&[0], &*index, &[0]].concat();
    let instances = [number(times), instance.repeat(times)].concat();
    [plugin, section(1, &module), section(2, &instances)].concat()
}

/// What is said of such a plugin. It does nothing, so there is no journal.
fn refused(plugin: &[u8]) -> String {
    let step = "[[step]]\nid = \"a\"\nplugin = \"./plugin.wasm\"\n";
    let project = Project::with(&config(&[step.into()]));
    std::fs::write(project.path().join("plugin.wasm"), plugin).expect("a file");
    let output = project.windlass("lock").exits(2);
    assert!(!project.has("deploy.lock") && !project.has(".windlass"));
    output.stderr
}

/// So many tables, each with so many entries.
fn tables(count: usize, entries: usize) -> Vec<u8> {
    let table = [&[0x70, 0x00], &*number(entries)].concat();
    section(4, &[number(count), table.repeat(count)].concat())
}

/// Makes the table larger by a million entries, again and again, whatever comes of it.
const GROWS: &[u8] = &[
    // no locals; loop; ref.null func; i32.const 1_000_000; table.grow 0; drop; br 0; end; end
    0x00, 0x03, 0x40, 0xd0, 0x70, 0x41, 0xc0, 0x84, 0x3d, 0xfc, 0x0f, 0x00, 0x1a, 0x0c, 0x00, 0x0b, 0x0b,
];

#[test]
fn tables_are_memory_like_any_other() {
    let grows = [
        section(1, &[1, 0x60, 0, 0]),
        section(3, &[1, 0]),
        tables(1, 0),
        section(8, &[0]),
        section(10, &[&[1, 17], GROWS].concat()),
    ];
    // The most that a table may have, which is 80 MB.
    let most = 10_000_000;
    let said = "`describe` of plugin `./plugin.wasm` wanted more than 256 MiB of memory";
    for plugin in [plugin_with(&[tables(1, most)], 4), plugin_with(&[tables(4, most)], 1), plugin_with(&grows, 1)] {
        let stderr = refused(&plugin);
        assert!(stderr.contains(said), "{stderr}");
    }
}

#[test]
fn a_component_of_very_many_parts_is_refused() {
    let memories = section(5, &[number(100), [0, 0].repeat(100)].concat());
    let said = "wanted to be made of more than 500 instances, or tables, or memories";
    for plugin in [plugin_with(&[], 600), plugin_with(&[tables(90, 0)], 6), plugin_with(&[memories], 6)] {
        let stderr = refused(&plugin);
        assert!(stderr.contains(said), "{stderr}");
    }
}

/// Runs one operation that fails its step, and gives what the journal says of it.
fn trouble(probe: &Probe, files: &[(&str, &str)]) -> Value {
    let project = files.iter().fold(probe.project(), |project, (name, text)| project.file(name, text)).locked();
    let _ = project.windlass("run").exits(13);
    project.event("step-failed")["trouble"].clone()
}

#[test]
fn one_huge_text_is_not_taken_over() {
    let huge = 20_000_000;
    let tree = json!({ "kind": "directory", "path": "huge", "phases": APPLY });
    let text = "h".repeat(huge);
    for operation in [
        json!({ "do": "log-flood", "lines": 1, "bytes": huge }),
        json!({ "do": "progress-flood", "times": 1, "bytes": huge }),
        json!({ "do": "record", "value": "@huge/text" }),
        json!({ "do": "state-set", "key": "@huge/text", "value": "v" }),
    ] {
        let trouble = trouble(&Probe::new().asks(tree.clone()).applies(operation.clone()), &[("huge/text", &text)]);
        assert_eq!(trouble["code"], "step-trapped", "{operation}");
        assert_eq!(
            trouble["what"], "`apply` of plugin `probe@1.2.3` wanted to hand the host more than 16 MiB at once",
            "{operation}"
        );
    }
}

#[test]
fn one_huge_answer_is_not_given() {
    let trouble_of = |probe: &Probe| trouble(probe, &[]);
    let random = trouble_of(&Probe::new().applies(json!({ "do": "random", "bytes": 2_000_000 })));
    assert_eq!(random["code"], "step-trapped");
    assert!(random["causes"][0].as_str().is_some_and(|cause| cause.contains("exceeds limit")), "{random}");
    let project = Probe::new()
        .asks(json!({ "kind": "directory", "path": "huge", "phases": APPLY }))
        .applies(json!({ "do": "say", "text": "@huge/text" }))
        .project()
        .file("huge/text", "")
        .locked();
    // It takes up no room on the disk.
    let file = std::fs::File::options().write(true).open(project.path().join("huge/text")).expect("the file");
    file.set_len(1 << 30).expect("a length");
    let _ = project.windlass("run");
    let trouble = project.event("step-failed")["trouble"].clone();
    assert_eq!(trouble["what"], "`apply` of plugin `probe@1.2.3` wanted more than 256 MiB of memory");
}

#[test]
fn files_are_held_up_to_a_number() {
    let open = |count: u32| json!({ "do": "open-files", "tree": "tree", "path": "file", "count": count });
    let project = Probe::new()
        .asks(json!({ "kind": "directory", "path": "tree", "phases": APPLY }))
        .asks(json!({ "kind": "exec", "program": "true", "phases": APPLY }))
        .applies(open(1000))
        .applies(open(200))
        .applies(json!({ "do": "exec", "program": "true" }))
        .project()
        .file("tree/file", "")
        .locked();
    let output = project.windlass("run").exits(0);
    let results = project.results();
    // The tree itself is one of them.
    assert_eq!(results[..2], ["unavailable: failed: after 255: quota", "ok: opened 200"]);
    assert!(results[2].starts_with("ok: exit code 0"), "{results:?}");
    let asked = "have more than 256 files open at once";
    assert_eq!(project.denied(), [asked]);
    let said = format!("error: not allowed to {asked}: others have to be closed first");
    assert!(output.stderr.contains(&said), "{}", output.stderr);
}

#[test]
fn headers_that_are_held_are_so_many_and_no_more() {
    let trouble = trouble(&Probe::new().applies(json!({ "do": "hoard-headers" })), &[]);
    assert_eq!(trouble["code"], "step-trapped");
    let causes = trouble["causes"].to_string();
    assert!(causes.contains("resource table"), "{trouble}");
}

#[cfg(unix)]
#[test]
fn a_probe_without_end_is_a_limit() {
    let project = Probe::new()
        .asks(json!({ "kind": "exec", "program": "./cut", "phases": APPLY }))
        .applies(json!({ "do": "record", "value": "1" }))
        .applies(json!({ "do": "exec", "program": "./cut" }))
        .says("spin")
        .setting("timeout = \"500ms\"")
        .project()
        .file("cut", "#!/bin/sh\nkill -9 $PPID\n")
        .locked();
    assert_eq!(project.windlass("run").code, None, "it was killed");
    let run = e2e::runs::newest(&project);
    let output = project.windlass(&format!("resume {run}"));
    assert!(!matches!(output.code, None | Some(0)), "{}", output.all());
    let said = "nobody can tell whether step `probe` of run `[run]` did its work";
    assert!(output.stderr.contains(said), "{}", output.stderr);
    assert!(output.stderr.contains("`probe` of plugin `probe@1.2.3` did not end within "), "{}", output.stderr);
    let probed = project.event("step-probed");
    assert_eq!((&probed["verdict"], &probed["attempt"]), (&json!("unknown"), &json!(1)));
    assert_eq!(probed["cause"], "`probe` of plugin `probe@1.2.3` did not end within 500ms");
}

#[test]
fn memory_ends_in_every_phase() {
    let hoard = json!({ "do": "hoard" });
    let planning = Probe::new().plans(hoard.clone()).project().locked();
    let output = planning.windlass("plan").exits(2);
    let said = "`plan` of plugin `probe@1.2.3` wanted more than 256 MiB of memory";
    assert!(output.stderr.contains(said), "{}", output.stderr);
    let reverting = Probe::new().turns().reverts(hoard).project().locked();
    let _ = reverting.windlass("run").exits(11);
    let trouble = reverting.event("revert-failed")["trouble"].clone();
    assert_eq!(trouble["what"], "`revert` of plugin `probe@1.2.3` wanted more than 256 MiB of memory");
}
