//! What Windlass costs as a process: time and memory of whole runs, beside what cannot cost less.
//!
//! `cargo run --release -p benches` builds what is measured, measures it and prints Markdown. With `--quick` it measures
//! less often; with `--only WORD` only the tables whose title has that word. `WINDLASS_BINARY` names another binary.
//!
//! Nothing here fails because something was slow: it measures, people judge.

mod action;
mod cases;
mod journal;
mod languages;
mod machine;
mod measure;
mod project;
mod redactor;
mod statistics;
mod table;

use cases::copy;
use project::Bench;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let result = match arguments.split_first() {
        Some((word, rest)) if word == measure::WORD => measure::main(rest),
        Some((word, rest)) if word == journal::WORD => journal::main(rest),
        Some((word, rest)) if word == journal::APPEND => journal::append_main(rest),
        Some((word, rest)) if word == redactor::WORD => redactor::main(rest),
        Some((word, rest)) if word == journal::READ => journal::read_main(rest),
        _ => bench(&arguments),
    };
    let (text, code) = match result {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(text) => (text, ExitCode::FAILURE),
    };
    let _ = writeln!(std::io::stdout().lock(), "{text}");
    code
}

/// What is being done, for whoever waits.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

fn bench(arguments: &[OsString]) -> Result<String, String> {
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let only = arguments
        .iter()
        .skip_while(|argument| *argument != "--only")
        .nth(1)
        .map(|word| word.to_string_lossy().into_owned());
    // TARGET/PROFILE/bench
    let ourselves = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
    let profile = ourselves.parent().ok_or("this program is in no directory")?;
    let target = profile.parent().ok_or("this program is in no target directory")?;
    let windlass = match std::env::var_os("WINDLASS_BINARY") {
        Some(path) => {
            std::path::absolute(PathBuf::from(path)).map_err(|error| format!("`WINDLASS_BINARY`: {error}"))?
        }
        None => {
            say("building windlass");
            cargo(target, &["--release", "--package", "windlass"])?;
            target.join("release").join(format!("windlass{}", std::env::consts::EXE_SUFFIX))
        }
    };
    let guests = target.join("guests");
    cargo(&guests, &["--profile", "plugin", "--target", "wasm32-wasip2", "--package", "guest-noop"])?;
    let noop = guests.join("wasm32-wasip2/plugin/guest_noop.wasm");
    // Beside what was built, and so on a disk: where nothing is written, syncing costs nothing.
    let directory = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(target)
        .map_err(|error| format!("`{}`: {error}", target.display()))?;
    let bench = Bench { windlass, noop, directory: directory.path().to_path_buf() };
    let empty = profile.join(format!("empty{}", std::env::consts::EXE_SUFFIX));
    let mut text = machine::description(&bench.directory).iter().map(|line| format!("- {line}\n")).collect::<String>();
    if let Ok(file) = std::fs::metadata(&bench.windlass) {
        text += &format!("- `windlass`: {:.1} MiB\n", file.len() as f64 / f64::from(1 << 20));
    }
    text += &cases::all(&bench, &empty, quick, only.as_deref())?;
    Ok(text)
}

/// Builds with the flags of the workspace, whatever the flags of this program.
fn cargo(target: &Path, arguments: &[&str]) -> Result<(), String> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("there is no workspace")?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace).args(["build", "--quiet", "--target-dir"]).arg(target).args(arguments);
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR"] {
        command.env_remove(variable);
    }
    let status = command.status().map_err(|error| format!("cargo cannot be run: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`cargo build {}` failed", arguments.join(" "))) }
}
