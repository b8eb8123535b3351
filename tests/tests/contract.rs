//! The contract: what is released is never edited, and another version is refused in words.

use e2e::{Project, guest, workspace};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn a_released_contract_is_what_it_was_when_it_was_released() {
    let wit = workspace().join("wit");
    let recorded = std::fs::read_to_string(wit.join("SHA256SUMS")).expect("the recorded digests");
    let recorded: BTreeMap<String, String> = recorded
        .lines()
        .map(|line| line.split_once("  ").expect("a digest and a file"))
        .map(|(digest, file)| (file.to_owned(), digest.to_owned()))
        .collect();
    let mut found = Vec::new();
    files(&wit, &mut found);
    let is: BTreeMap<String, String> = found
        .into_iter()
        .filter(|path| !path.ends_with("SHA256SUMS"))
        .map(|path| {
            let name = path.strip_prefix(&wit).expect("below it").to_string_lossy().replace('\\', "/");
            (name, hex::encode(Sha256::digest(std::fs::read(&path).expect("a file"))))
        })
        .collect();
    assert_eq!(is, recorded, "a released folder is never edited: a change is a new folder with a new version");
    // And the one that plugins of 0.1.0 were built with, whatever else is recorded.
    assert_eq!(recorded["v0.1.0/step.wit"], "2bd2bc2f2cf22c42567d512ea7d944d687d7bb77f06c91b43b7c88f4e0d74ba0");
}

#[test]
fn the_host_says_which_contracts_it_runs() {
    let project = Project::new();
    let output = project.windlass("plugin list --built-in").exits(0);
    assert!(output.stdout.ends_with("\nThis Windlass runs plugins of contract 0.1.0.\n"), "{}", output.stdout);
    let output = project.windlass("plugin list --built-in --format json").exits(0);
    assert!(output.stdout.contains("\"contracts\":[\"0.1.0\"]"), "{}", output.stdout);
    let output = project.windlass("plugin inspect command").exits(0);
    assert!(output.stdout.contains("  contract  0.1.0 (this Windlass runs 0.1.0)\n"), "{}", output.stdout);
}

/// That a plugin of an older one is accepted by a host that runs two is shown where such a host is: beside
/// `host/src/plugin/contract/older.rs`. This one runs the first and only, so an older one is refused as a newer one is.
#[test]
fn a_plugin_of_a_contract_that_this_host_does_not_run_is_refused_in_one_sentence() {
    for (name, version, hint) in [
        ("next", "0.2.0", "take a newer Windlass, or a release of the plugin for contract 0.1.0"),
        ("older", "0.0.9", "take a release of the plugin for contract 0.1.0"),
    ] {
        let file = match name {
            "next" => guest("next"),
            _ => guest("older"),
        };
        let config =
            "schema = 1\napp = \"shop\"\n\n[environments.staging]\n\n[[step]]\nid = \"a\"\nplugin = \"./a.wasm\"\n";
        let project = Project::with(config);
        std::fs::copy(file, project.path().join("a.wasm")).expect("a copy");
        for words in ["lock", "run", "check", "plugin inspect ./a.wasm", "plugin add ./a.wasm --id b"] {
            let output = project.windlass(words).exits(2);
            let sentence = format!("\n  Caused by: it wants contract {version}, and this Windlass runs 0.1.0\n");
            assert!(output.stderr.contains(&sentence), "{words}: {}", output.stderr);
            assert!(output.stderr.contains(&format!("\nhint: {hint}\n")), "{words}: {}", output.stderr);
            assert!(
                output.stderr.starts_with("error: plugin `./a.wasm` cannot be used\n"),
                "{words}: {}",
                output.stderr
            );
        }
    }
}
