//! Components that are an attack by what they are, before any of them runs for a step.
//!
//! | attack | ends as | shown by |
//! | --- | --- | --- |
//! | one huge function | refused before it is compiled | `a_huge_function_is_not_even_compiled` |
//! | a function that takes all memory to compile, in a run | a limit of the compiler's process | `a_compile_bomb_ends_as_a_limit` |
//! | the same for the optimising compiler alone, behind a run's back | the same; it is not tried again | `a_bomb_for_the_cache_alone_…` |
//! | so many functions that compiling never ends | a limit of the compiler's process | `a_compiler_has_only_so_much_time` |
//! | a component for the compiler that is none | a failure of the compiler's process | `a_component_that_no_compiler_takes_…` |
//! | `describe` without end, `requires` without end | a limit of the call | `a_plugin_that_never_says_…` |
//! | a schema that is short and takes for ever to check | a limit of its own | `a_schema_that_is_never_…` |
//! | memory or stack without end in `requires` | a limit of the call | `a_plugin_that_never_says_…` |
//! | a named pipe, a device without end, a directory, a file of 1 GiB | refused unread | `what_is_no_file_…` |
//! | accepted without a digest, another digest, another plugin's place | refused before it is compiled | `nothing_is_made_of_a_component_…` |
//! | another contract, a core module, half a file, another import | refused before it is compiled | `bad_input::plugins` |
//! | compiled code that was changed, swapped, cut, signed by another; a cache with its own key | compiled again | `compiled_cache` |
//!
//! 17 cases here. Nothing is run in any of them, so there is no journal to look into: that there is none is held instead.

use e2e::probe::{Probe, config};
use e2e::{Project, guest};
use serde_json::json;
use std::path::Path;

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

/// A core module of functions without parameters or results: how many locals (32 bits each), and what each does.
pub(super) fn module(functions: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let count = number(functions.len());
    let body = |(locals, code): &(usize, Vec<u8>)| {
        let body = [&[1], &*number(*locals), &[0x7f], &**code, &[0x0b]].concat();
        [number(body.len()), body].concat()
    };
    let bodies: Vec<u8> = functions.iter().flat_map(body).collect();
    let types = section(1, &[1, 0x60, 0, 0]);
    let declared = section(3, &[&*count, &vec![0; functions.len()]].concat());
    [b"\0asm\x01\0\0\0", &*types, &declared, &section(10, &[&*count, &bodies].concat())].concat()
}

/// A plugin that works, with a core module in it that nothing calls.
pub(super) fn plugin_with(module: &[u8]) -> Vec<u8> {
    [std::fs::read(guest("noop")).expect("a guest"), section(1, module)].concat()
}

/// Counts a local up, until there are this many bytes.
fn long(bytes: usize) -> (usize, Vec<u8>) {
    // local.get 0, i32.const 1, i32.add, local.set 0
    (1, [0x20, 0, 0x41, 1, 0x6a, 0x21, 0].repeat(bytes / 7))
}

/// What only the optimising compiler cannot bear: loops in loops, and within all of them every one of many locals is read. Each
/// of them comes into each loop as a value of its own.
pub(super) fn deep() -> (usize, Vec<u8>) {
    let (loops, locals) = (2_000, 50_000);
    let mut code = [0x03, 0x40].repeat(loops);
    for local in 0..locals {
        code.extend([&[0x20], &*number(local), &[0x1a]].concat());
    }
    code.extend([0x0b].repeat(loops));
    (locals, code)
}

/// What the quick compiler does not take: a call that does not come back.
fn tail_call() -> (usize, Vec<u8>) {
    (0, vec![0x12, 0])
}

const STEP: &str = "[[step]]\nid = \"a\"\nplugin = \"./a.wasm\"\n";

fn with_bytes(bytes: &[u8]) -> Project {
    let project = Project::with(&config(&[STEP.to_owned()]));
    std::fs::write(project.path().join("a.wasm"), bytes).expect("a file");
    project
}

/// Holds that a command is refused with these words, and that nothing was run.
#[track_caller]
fn refused(project: &Project, words: &str, code: i32, parts: &[&str]) {
    let output = project.windlass(words).exits(code);
    for part in parts.iter().chain(&["\nnote: nothing was run", "\nhint: "]) {
        assert!(output.stderr.contains(part), "it does not say {part}: {}", output.all());
    }
    assert!(!project.has(".windlass/runs"), "there is a journal");
}

#[test]
fn a_huge_function_is_not_even_compiled() {
    let bytes = plugin_with(&module(&[long(2 << 20)]));
    for words in ["lock", "run"] {
        refused(
            &with_bytes(&bytes),
            words,
            2,
            &["plugin `./a.wasm` cannot be used", "one function in it has 2048 KiB, and the most is 1024 KiB"],
        );
    }
}

#[test]
fn a_component_that_no_compiler_takes_is_told_in_its_words() {
    // An addition of nothing.
    let project = with_bytes(&plugin_with(&module(&[(0, vec![0x6a])])));
    refused(&project, "run", 2, &["plugin `./a.wasm` cannot be compiled", "type mismatch"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_compile_bomb_ends_as_a_limit() {
    let project = with_bytes(&plugin_with(&module(&[tail_call(), deep()])));
    refused(
        &project,
        "run",
        2,
        &["plugin `./a.wasm` cannot be compiled", "deploy.toml:", "compiling it takes more than 2048 MiB of memory"],
    );
}

/// What the system says of a process that this one has started, once it has.
#[cfg(target_os = "linux")]
fn child_of(parent: &mut std::process::Child) -> String {
    let parents = format!("PPid:\t{}\n", parent.id());
    loop {
        let processes = std::fs::read_dir("/proc").expect("a directory").flatten();
        let found = processes
            .filter_map(|process| std::fs::read_to_string(process.path().join("status")).ok())
            .find(|status| status.contains(&parents));
        if let Some(status) = found {
            return status;
        }
        assert!(parent.try_wait().expect("a process").is_none(), "it ended without having started one");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_bomb_for_the_cache_alone_costs_a_run_nothing_and_is_not_tried_again() {
    let cache = tempfile::tempdir().expect("a directory");
    let project = with_bytes(&plugin_with(&module(&[deep()])))
        .variable("WINDLASS_CACHE_DIR", &cache.path().to_string_lossy())
        .variable("WINDLASS_TRACE", "windlass=debug")
        .locked();
    let mut fill = project.command(["__fill-cache", "./a.wasm"]).spawn().expect("the binary runs");
    let compiler = child_of(&mut fill);
    assert!(compiler.contains("NoNewPrivs:\t1\n"), "the compiler's process is held back: {compiler}");
    assert!(!fill.wait().expect("an end").success());
    let names: Vec<String> = std::fs::read_dir(cache.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert!(names.iter().any(|name| name.ends_with(".too-much")), "{names:?}");
    assert!(!names.iter().any(|name| name.ends_with(".compiled")), "{names:?}");
    let output = project.windlass("run").exits(0);
    assert!(output.stderr.contains("source=\"the quick compiler\""), "{}", output.stderr);
    assert!(output.stderr.contains("not compiled again: it took too much"), "{}", output.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn a_compiler_has_only_so_much_time() {
    use std::io::Write;
    use std::os::unix::process::ExitStatusExt;
    let functions: Vec<_> = (0..40).map(|_| long(1 << 20)).collect();
    let project = Project::new();
    let mut command = project.command(["__compile", "optimising", "8192", "1"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().expect("the binary runs");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(&plugin_with(&module(&functions))).expect("read");
    drop(input);
    // SIGXCPU
    assert_eq!(child.wait().expect("an end").signal(), Some(24));
}

#[test]
fn a_plugin_that_never_says_what_it_is_or_needs_ends_as_a_limit() {
    let endless = with_bytes(&std::fs::read(guest("endless")).expect("a guest"));
    refused(&endless, "run", 2, &["`describe` of plugin `./a.wasm` did not end within", "a bug in the plugin"]);
    for (operation, parts) in [
        ("spin", ["`requires` of plugin `probe@1.2.3` did not end within", "a bug in the plugin"]),
        ("hoard", ["`requires` of plugin `probe@1.2.3` wanted more than 256 MiB of memory", "a bug in the plugin"]),
        ("recurse", ["`requires`", "stack"]),
    ] {
        let project = Probe::new().requires(json!({ "do": operation })).project();
        refused(&project, "lock", 2, &parts);
    }
}

#[test]
fn a_schema_that_is_never_done_with_ends_as_a_limit() {
    let project = with_bytes(&std::fs::read(guest("schema-bomb")).expect("a guest"));
    for words in ["lock", "run"] {
        refused(
            &project,
            words,
            2,
            &[
                "the `with` of step `a` cannot be checked",
                "the schema of plugin `schema-bomb@0.1.0`",
                "a bug in the plugin",
            ],
        );
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_and_what_has_no_end_is_not_read() {
    let with = |make: &dyn Fn(&Path)| {
        let project = Project::with(&config(&[STEP.to_owned()]));
        make(&project.path().join("a.wasm"));
        project
    };
    let pipe = with(&|path| {
        let made = std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo");
        assert!(made.success());
    });
    let device = with(&|path| std::os::unix::fs::symlink("/dev/zero", path).expect("a link"));
    let directory = with(&|path| std::fs::create_dir(path).expect("a directory"));
    for project in [pipe, device, directory] {
        for words in ["run", "lock"] {
            refused(&project, words, 2, &["the plugin `./a.wasm` cannot be read", "it is not a regular file"]);
        }
    }
    let huge = with(&|path| std::fs::File::create(path).expect("a file").set_len(1 << 30).expect("a size"));
    refused(&huge, "run", 2, &["plugin `./a.wasm` cannot be used", "it has 1024 MiB, and the most is 64 MiB"]);
}

#[test]
fn nothing_is_made_of_a_component_that_the_lock_does_not_name_by_its_digest() {
    let project = with_bytes(&std::fs::read(guest("noop")).expect("a guest")).locked();
    let lock = project.read("deploy.lock");
    let digest = lock.lines().find(|line| line.starts_with("sha256 = ")).expect("a digest").to_owned();
    // The next thing that would be found out is that it is no component.
    project.write("a.wasm", "no component");
    refused(&project, "run", 22, &["plugin `./a.wasm@0.1.0` is not the file that was accepted"]);
    project.write("deploy.lock", &lock.replace(&format!("{digest}\n"), ""));
    refused(
        &project,
        "run",
        22,
        &[
            "plugin `./a.wasm@0.1.0` is accepted without saying which file it is",
            "`deploy.lock` has no `sha256` for step `a`, and only a built-in plugin does without",
        ],
    );
    project.write("deploy.lock", &lock.replace(&digest, "sha256 = \"\""));
    refused(&project, "run", 22, &["plugin `./a.wasm@0.1.0` is not the file that was accepted"]);
}
