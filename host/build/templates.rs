//! The files that `windlass plugin new` writes, as a table for the program: of each folder of `templates/plugin`, and what the
//! language's projects get of the SDK and of the contract. They are in the program as they are: the archive that it is released in
//! packs them, and better than one by one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What the SDK of a language has that its projects do not need: what its own packages are made by, and what their tools write.
const LEFT_OUT: &[&str] = &["node_modules", "target", "tests", "types", "__pycache__", ".venv"];

/// The table, as Rust.
///
/// # Errors
/// Where a folder cannot be read.
pub(crate) fn table(workspace: &Path) -> Result<String, String> {
    let templates = workspace.join("templates/plugin");
    let mut text =
        String::from("/// The files of each template, by folder.\nstatic TEMPLATES: &[(&str, &[File])] = &[\n");
    for folder in ["common", "rust", "javascript", "python", "c"] {
        let _ = writeln!(text, "    ({folder:?}, &[");
        let mut files = Vec::new();
        match folder {
            "common" => {
                let contract = workspace.join("wit/v0.1.0/step.wit");
                files.push(("windlass-sdk/wit/v0.1.0/step.wit".to_owned(), contract));
            }
            // The crate's own manifest is a member's of this workspace: a project has the template's.
            "rust" => collect(&workspace.join("sdk/src"), "windlass-sdk/rust/src", &mut files)?,
            "javascript" | "python" | "c" => {
                let sdk = workspace.join("sdk").join(folder);
                collect(&sdk, &format!("windlass-sdk/{folder}"), &mut files)?;
                // The bindings of C are generated; the others' tools make theirs of this.
                if folder != "c" {
                    files.push(("windlass-sdk/wit/plugin.wit".to_owned(), workspace.join("sdk/wit/plugin.wit")));
                }
            }
            _ => {}
        }
        let own = templates.join(folder);
        if own.is_dir() {
            collect(&own, "", &mut files)?;
        }
        files.sort();
        for (path, file) in files {
            let file = file.display().to_string();
            let _ = writeln!(text, "        ({path:?}, include_str!({file:?})),");
        }
        text.push_str("    ]),\n");
    }
    text.push_str("];\n");
    Ok(text)
}

fn collect(directory: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), String> {
    let unreadable = |error| format!("`{}` cannot be read: {error}", directory.display());
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        if entry.path().is_dir() {
            collect(&entry.path(), &path, files)?;
        } else {
            files.push((path, entry.path()));
        }
    }
    Ok(())
}
