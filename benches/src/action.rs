//! What the action costs before a deployment begins: from before node starts until a plugin has answered, on a runner whose
//! tool cache has the binary.

use crate::measure::Subject;
use crate::project::Bench;
use std::path::{Path, PathBuf};

/// The version that the release of the measured action has.
const VERSION: &str = "9.8.7";

/// What is started in turns.
pub(crate) struct Action {
    /// A node action that does nothing, as the runner starts it.
    pub(crate) nothing: Subject,
    /// The one shell line of a composite action, as the runner starts it, which does nothing.
    pub(crate) composite: Subject,
    /// The binary without a launcher, up to the first answer of a plugin.
    pub(crate) binary: Subject,
    /// The same by the action's launcher.
    pub(crate) launched: Subject,
}

impl Action {
    /// A checkout of the action, of a release whose binary is in the tool cache already.
    ///
    /// # Errors
    /// What could not be written.
    pub(crate) fn make(bench: &Bench) -> Result<Self, String> {
        let here = bench.directory.join("action");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the benches are in no workspace")?;
        let action = here.join("action");
        make(&action)?;
        for entry in std::fs::read_dir(source.join("action")).map_err(|error| error.to_string())? {
            let entry = entry.map_err(|error| error.to_string())?;
            std::fs::copy(entry.path(), action.join(entry.file_name())).map_err(|error| error.to_string())?;
        }
        let (system, machine) = platform();
        let digest = "0".repeat(64);
        let release = serde_json::json!({
            "version": VERSION,
            "url": "http://127.0.0.1:1",
            "archives": { format!("{system}-{machine}"): { "file": "windlass.br", "sha256": digest } },
        });
        write(&action.join("release.json"), &release.to_string())?;
        let kept = here.join("tools/windlass").join(format!("{VERSION}-{}", &digest[..16]));
        let program = kept.join(machine).join(format!("windlass{}", std::env::consts::EXE_SUFFIX));
        make(&kept.join(machine))?;
        std::fs::copy(&bench.windlass, &program).map_err(|error| format!("`{}`: {error}", program.display()))?;
        write(&kept.join(format!("{machine}.complete")), "")?;
        write(&here.join("nothing.mjs"), "")?;
        write(&here.join("line.sh"), "true\n")?;

        // A release has its plugins in it as machine code; what was built otherwise gets them from a cache.
        let (cache, state) = (here.join("cache"), here.join("state"));
        let mut fill = std::process::Command::new(&program);
        fill.args(["__fill-cache", "command"]).env("WINDLASS_CACHE_DIR", &cache).env("WINDLASS_STATE_DIR", &state);
        fill.status().map_err(|error| format!("`{}`: {error}", program.display()))?;

        let node = |script: PathBuf| Subject::new("node", [script], &here);
        let shell = ["--noprofile", "--norc", "-e", "-o", "pipefail", "line.sh"];
        Ok(Self {
            nothing: node(here.join("nothing.mjs")),
            composite: Subject::new("bash", shell, &here),
            binary: Subject::new(&program, ["schema", "command"], &here)
                .variable("WINDLASS_CACHE_DIR", cache.as_os_str())
                .variable("WINDLASS_STATE_DIR", state.as_os_str()),
            launched: node(action.join("main.mjs"))
                .variable("INPUT_COMMAND", "schema")
                .variable("INPUT_ARGS", "command")
                .variable("WINDLASS_CACHE_DIR", cache.as_os_str())
                .variable("WINDLASS_STATE_DIR", state.as_os_str())
                .variable("RUNNER_TOOL_CACHE", here.join("tools")),
        })
    }
}

/// As node calls the system and the processor, and the launcher the system.
fn platform() -> (&'static str, &'static str) {
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    (std::env::consts::OS, machine)
}

fn make(directory: &Path) -> Result<(), String> {
    std::fs::create_dir_all(directory).map_err(|error| format!("`{}`: {error}", directory.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("`{}`: {error}", path.display()))
}
