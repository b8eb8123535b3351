//! Plugins that are not there, and files that are no plugins.

use super::{config, refused};
use e2e::{Project, guest};

fn with_plugin(plugin: &str) -> Project {
    Project::with(&config(&format!("[[step]]\nid = \"a\"\nplugin = \"{plugin}\"\n")))
}

fn with_bytes(bytes: &[u8]) -> Project {
    let project = with_plugin("./a.wasm");
    std::fs::write(project.path().join("a.wasm"), bytes).expect("a file");
    project
}

#[test]
fn plugins_that_are_not_there() {
    insta::assert_snapshot!(refused(&with_plugin("comand"), "run", 2, &[]), @r#"
    error: there is no built-in plugin `comand`
      --> deploy.toml:13:10
       |
    13 | plugin = "comand"
       |          ^^^^^^^^
      Caused by: the built-in plugins are command, dep-install, migrate, notify-slack, smoke-test, version-check
    note: nothing was run
    hint: did you mean `command`?
    "#);
    refused(
        &with_plugin("something-else"),
        "run",
        2,
        &["there is no built-in plugin `something-else`", "`./plugins/something-else.wasm`"],
    );
    refused(&with_plugin("./a.wasm"), "run", 2, &["the plugin `./a.wasm` cannot be read", "deploy.toml:13:10"]);
    refused(
        &with_plugin("https://plugins.example/a.wasm"),
        "run",
        22,
        &["plugin `https://plugins.example/a.wasm` is not accepted", "deploy.toml:13:10"],
    );
    refused(
        &with_plugin("oci://plugins.example/a:1"),
        "run",
        22,
        &["plugin `oci://plugins.example/a:1` is not accepted", "without that it is not fetched"],
    );
}

#[test]
fn files_that_are_no_plugins() {
    refused(
        &with_bytes(b"#!/bin/sh\n"),
        "run",
        2,
        &["plugin `./a.wasm` cannot be used", "the file is not WebAssembly", "deploy.toml:13:10"],
    );
    refused(&with_bytes(b""), "run", 2, &["the file is not WebAssembly"]);
    insta::assert_snapshot!(refused(&with_bytes(b"\0asm\x01\0\0\0"), "run", 2, &[]), @r#"
    error: plugin `./a.wasm` cannot be used
      --> deploy.toml:13:10
       |
    13 | plugin = "./a.wasm"
       |          ^^^^^^^^^^
      Caused by: it is a WebAssembly module, not a component
    note: nothing was run
    hint: build it with `windlass plugin build`: in Rust for `wasm32-wasip2`, and of C that makes a component of the module
    "#);
    refused(&with_bytes(b"\0asm\x0d\0\x01\0"), "run", 2, &["does not export `windlass:plugin/lifecycle`"]);
    refused(&with_bytes(b"\0asm\x63\0\x01\0"), "run", 2, &["the file is damaged"]);
}

#[test]
fn plugins_that_are_damaged_or_too_large() {
    let bytes = std::fs::read(guest("noop")).expect("a guest");
    refused(&with_bytes(&bytes[..bytes.len() / 2]), "run", 2, &["the file is damaged"]);
    let project = with_bytes(&bytes);
    let file = std::fs::OpenOptions::new().write(true).open(project.path().join("a.wasm")).expect("the file");
    file.set_len(65 << 20).expect("a large file");
    refused(&project, "run", 2, &["it has 65 MiB, and the most is 64 MiB"]);
}

/// The guest's bytes with one text put for another of the same length.
fn patched(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = std::fs::read(guest("noop")).expect("a guest");
    let mut found = false;
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            found = true;
        }
    }
    assert!(found, "`{from}` is in the guest");
    bytes
}

#[test]
fn plugins_of_another_contract_name_both_versions() {
    let lifecycle = patched("windlass:plugin/lifecycle@0.1.0", "windlass:plugin/lifecycle@0.9.0");
    insta::assert_snapshot!(refused(&with_bytes(&lifecycle), "run", 2, &[]), @r#"
    error: plugin `./a.wasm` cannot be used
      --> deploy.toml:13:10
       |
    13 | plugin = "./a.wasm"
       |          ^^^^^^^^^^
      Caused by: it wants contract 0.9.0, and this Windlass runs 0.1.0
    note: nothing was run
    hint: take a newer Windlass, or a release of the plugin for contract 0.1.0
    "#);
}

#[test]
fn plugins_that_want_more_than_there_is() {
    let bytes = patched("wasi:cli/environment@0.2.", "evil:cli/environment@0.2.");
    refused(&with_bytes(&bytes), "run", 2, &["it imports `evil:cli/environment@0.2.", "which no plugin may have"]);
}
