//! The built-in plugins are the same bytes wherever their source lies.

#[path = "../../host/build/compile.rs"]
mod compile;

use e2e::{Project, workspace};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Copies a folder without what is made from it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        if ["target", ".git", ".windlass", "node_modules"].iter().any(|made| name == *made) || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            std::fs::copy(&path, to.join(name)).expect("copied");
        }
    }
}

/// The SHA-256 of a built-in plugin, as its plan says it.
fn embedded(plugin: &str, with: &str) -> String {
    let project = Project::with(&format!(
        "schema = 1\napp = \"shop\"\n[environments.staging]\n[[step]]\nid = \"a\"\nplugin = \"{plugin}\"\nwith = {with}\n"
    ))
    .locked();
    let plan = project.windlass("plan --format json").exits(0).result();
    plan["plan"]["steps"][0]["digest"].as_str().expect("a digest").to_owned()
}

#[test]
fn the_same_source_in_another_folder_gives_the_same_bytes() {
    let elsewhere = tempfile::Builder::new().prefix("a folder of another length ").tempdir().expect("a directory");
    for part in ["plugins", "sdk", "wit", "host", "tests", "benches"] {
        copy(&workspace().join(part), &elsewhere.path().join(part));
    }
    for file in ["Cargo.toml", "Cargo.lock"] {
        std::fs::copy(workspace().join(file), elsewhere.path().join(file)).expect("copied");
    }
    let mut names: Vec<String> = std::fs::read_dir(workspace().join("plugins"))
        .expect("the plugins")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("Cargo.toml").is_file())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    // What comes from registries is compiled once for all runs of this test; what lies in the folder, each time.
    let test = std::env::current_exe().expect("a test has a path");
    let target = test.ancestors().nth(3).expect("a target directory").join("reproducible");
    compile::compile(&names, elsewhere.path(), &target, "rustc").expect("the plugins compile");
    for (name, with) in [
        ("command", "{ run = [\"true\"] }"),
        ("smoke-test", "{ checks = [{ tcp = \"127.0.0.1:1\" }] }"),
        ("version-check", "{}"),
    ] {
        let file = target.join(compile::TARGET).join("plugin").join(format!("{}.wasm", name.replace('-', "_")));
        let bytes = std::fs::read(&file).expect("a plugin");
        assert_eq!(hex::encode(Sha256::digest(&bytes)), embedded(name, with), "{name}");
        // The bytes name neither folder.
        for folder in [elsewhere.path().to_path_buf(), workspace()] {
            let folder = folder.to_string_lossy().into_owned();
            let named = bytes.windows(folder.len()).any(|window| window == folder.as_bytes());
            assert!(!named, "{name} names `{folder}`");
        }
    }
}
