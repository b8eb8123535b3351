//! Compiles the built-in plugins from source and embeds them.
//!
//! With `WINDLASS_COMPILED` they are embedded as machine code, out of that directory, where `windlass __compile-built-in` has put
//! it for the target that is built for: `scripts/release` does so. Without it, a run compiles them and keeps that in a cache.
//!
//! Each folder of `plugins/` is one plugin: adding one needs no change here. They are built by a cargo of their own, in a
//! target directory of their own (the outer cargo holds the lock of its), with paths mapped away so that the same source
//! gives the same bytes in any folder.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "build/compile.rs"]
mod compile;
#[path = "build/strip.rs"]
mod strip;
#[path = "build/templates.rs"]
mod templates;

use compile::{TARGET, compile};

/// The directory with the compiled plugins.
const COMPILED: &str = "WINDLASS_COMPILED";

fn main() {
    if let Err(message) = build() {
        for line in message.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn build() -> Result<(), String> {
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("cargo did not set `{name}`"));
    let workspace = Path::new(&variable("CARGO_MANIFEST_DIR")?)
        .parent()
        .ok_or("the host crate is not in a workspace")?
        .to_path_buf();
    let out = PathBuf::from(variable("OUT_DIR")?);
    // OUT_DIR is DIRECTORY/PROFILE/build/NAME/out, or DIRECTORY/TARGET/PROFILE/… where a target is named. Whatever the host is
    // built for, and in which profile: the plugins are the same.
    let target = variable("TARGET")?;
    let above = out.ancestors().nth(4).unwrap_or(&out);
    let above = above.parent().filter(|_| above.ends_with(&target)).unwrap_or(above);
    let target_directory = above.join("plugins");

    let templates = templates::table(&workspace)?;
    std::fs::write(out.join("templates.rs"), templates)
        .map_err(|error| format!("the table of templates cannot be written: {error}"))?;

    for input in ["plugins", "sdk", "templates/plugin", "wit", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", workspace.join(input).display());
    }
    println!("cargo::rustc-env=WINDLASS_TARGET={target}");
    let rustc = variable("RUSTC")?;
    if !target_is_installed(&rustc) {
        return Err(format!(
            "the plugins need the target {TARGET}, which is not installed. Run: rustup target add {TARGET}"
        ));
    }

    let names = plugins(&workspace.join("plugins"))?;
    compile(&names, &workspace, &target_directory, &rustc)?;

    println!("cargo::rerun-if-env-changed={COMPILED}");
    let compiled = std::env::var_os(COMPILED).map(PathBuf::from);

    let mut table = String::from("/// Every built-in plugin, by name.\n");
    table.push_str("pub(crate) static COMPONENTS: &[BuiltIn] = &[\n");
    for name in &names {
        let file = format!("{}.wasm", name.replace('-', "_"));
        let built = target_directory.join(TARGET).join("plugin").join(&file);
        let bytes = std::fs::read(&built).map_err(|error| format!("`{}` was not built: {error}", built.display()))?;
        std::fs::write(out.join(&file), &bytes).map_err(|error| format!("`{file}` cannot be embedded: {error}"))?;
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let form = match &compiled {
            None => format!("Form::Component(include_bytes!(concat!(env!(\"OUT_DIR\"), {:?})))", format!("/{file}")),
            Some(directory) => {
                // By digest: what was compiled from other sources is not found.
                let compiled = format!("{digest}.compiled");
                let file = directory.join(&compiled);
                println!("cargo::rerun-if-changed={}", file.display());
                let code = std::fs::read(&file).map_err(|error| {
                    format!("`{}` cannot be read: {error}. Compile the plugin `{name}` again", file.display())
                })?;
                let code = strip::stripped(&code).map_err(|error| format!("`{}`: {error}", file.display()))?;
                std::fs::write(out.join(&compiled), code)
                    .map_err(|error| format!("`{compiled}` cannot be embedded: {error}"))?;
                format!("Form::Compiled(include_bytes!(concat!(env!(\"OUT_DIR\"), {:?})))", format!("/{compiled}"))
            }
        };
        let _ = writeln!(table, "    BuiltIn {{ name: {name:?}, digest: {digest:?}, form: {form} }},");
    }
    table.push_str("];\n");
    let contract = std::fs::read(workspace.join("wit/v0.1.0/step.wit"))
        .map_err(|error| format!("the contract cannot be read: {error}"))?;
    let digest: String = Sha256::digest(&contract).iter().map(|byte| format!("{byte:02x}")).collect();
    let _ = writeln!(
        table,
        "/// The SHA-256 of the contract's text, in hex.\npub(crate) const CONTRACT_DIGEST: &str = {digest:?};"
    );
    std::fs::write(out.join("builtin.rs"), table).map_err(|error| format!("the table cannot be written: {error}"))
}

fn target_is_installed(rustc: &str) -> bool {
    Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

fn plugins(directory: &Path) -> Result<Vec<String>, String> {
    let unreadable = |error| format!("`{}` cannot be read: {error}", directory.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
