//! Compiles the built-in plugins. Shared by the build script and by the test that compares what it makes in two folders.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What plugins are compiled for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// Compiles plugins of the workspace at `workspace` into `target_directory`, from where nothing of either path gets into
/// them. All that are to be the same bytes elsewhere have to be named together: the features of what they share depend on
/// which are built.
///
/// # Errors
/// What cargo says, or why it could not be asked.
pub(crate) fn compile(names: &[String], workspace: &Path, target_directory: &Path, rustc: &str) -> Result<(), String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace).args([
        "build",
        "--quiet",
        "--profile",
        "plugin",
        "--target",
        TARGET,
        "--target-dir",
    ]);
    command.arg(target_directory);
    for name in names {
        command.args(["--package", name]);
    }
    // The outer build's flags are for another target; its lints and wrappers are none of these crates' concern.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let outer = ["CARGO_FEATURE_", "CARGO_CFG_", "CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_BUILD_", "CARGO_PKG_"];
        if outer.iter().any(|prefix| text.starts_with(prefix))
            || text == "RUSTFLAGS"
            || text == "CARGO_ENCODED_RUSTFLAGS"
        {
            command.env_remove(&name);
        }
    }
    for name in [
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_MAKEFLAGS",
        "MAKEFLAGS",
        "CLIPPY_ARGS",
        "TARGET",
        "HOST",
        "PROFILE",
        "OPT_LEVEL",
        "DEBUG",
    ] {
        command.env_remove(name);
    }
    let sysroot = Command::new(rustc)
        .args(["--print", "sysroot"])
        .output()
        .map_err(|error| format!("`{rustc}` cannot be run: {error}"))?;
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    let cargo_home = std::env::var("CARGO_HOME").map(PathBuf::from).or_else(|_| {
        std::env::home_dir().map(|home| home.join(".cargo")).ok_or_else(|| "there is no home directory".to_owned())
    })?;
    let flags = [
        format!("--remap-path-prefix={}=/windlass", workspace.display()),
        format!("--remap-path-prefix={}=/cargo", cargo_home.display()),
        format!("--remap-path-prefix={sysroot}=/rust"),
    ];
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    let output = command.output().map_err(|error| format!("cargo cannot be run: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("the plugins do not compile:\n{}", String::from_utf8_lossy(&output.stderr)))
    }
}
