//! The built-in plugins, compiled from `plugins/` by the build script, and in a release also to the machine's own code.

use super::engine::{self, Runtime};
use crate::problem::{Code, Problem};
use std::path::Path;
use wasmtime::component::Component;

include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// A plugin that is part of the binary.
pub(crate) struct BuiltIn {
    pub(crate) name: &'static str,
    /// The SHA-256 of its WebAssembly component, in hex.
    pub(crate) digest: &'static str,
    form: Form,
}

/// In which form.
#[cfg_attr(not(test), expect(dead_code, reason = "a build has one or the other"))]
enum Form {
    /// The component: it is compiled by the run that needs it.
    Component(&'static [u8]),
    /// What the optimising compiler made of it for the target, in a release.
    Compiled(&'static [u8]),
}

impl BuiltIn {
    /// The component, where it is still to be compiled.
    pub(crate) fn component(&self) -> Option<&'static [u8]> {
        match self.form {
            Form::Component(bytes) => Some(bytes),
            Form::Compiled(_) => None,
        }
    }

    /// The component as a release has it, already compiled.
    ///
    /// # Errors
    /// [`Code::Bug`] where wasmtime says that this machine cannot run it.
    pub(super) fn compiled(&self, runtime: &Runtime) -> Result<Option<Component>, Problem> {
        let Form::Compiled(code) = self.form else { return Ok(None) };
        deserialize(runtime, code).map(Some).map_err(|error| {
            Problem::new(Code::Bug, format!("the built-in plugin `{}` does not run on this machine", self.name))
                .because(format!("{error:#}"))
                .with_note("nothing was run")
                .with_hint("please report it with this text; a Windlass that is built on this machine runs on it")
        })
    }
}

#[expect(unsafe_code, reason = "wasmtime loads compiled code by an unsafe call only; see the safety comment")]
fn deserialize(runtime: &Runtime, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes are part of this very program, put there when it was built, by its own `compile_for`: who could change
    // them could change any other instruction of it. wasmtime itself checks version, settings and the processor.
    unsafe { Component::deserialize(&runtime.engine, code) }
}

/// The built-in plugin of that name.
pub(crate) fn find(name: &str) -> Option<&'static BuiltIn> {
    COMPONENTS.iter().find(|plugin| plugin.name == name)
}

/// Compile every built-in plugin for a target (a triple; otherwise any machine of this one's kind), one file each, named by
/// its component's digest: what the build of a release embeds.
///
/// # Errors
/// Where the target is unknown or is not compiled for by this build, or a file cannot be written.
pub fn compile_for(target: Option<&str>, directory: &Path) -> Result<(), String> {
    let target = target.unwrap_or(env!("WINDLASS_TARGET"));
    let engine = engine::ahead(target).map_err(|error| {
        format!(
            "the plugins cannot be compiled for `{target}`\n  Caused by: {error:#}\n\
             hint: for machines of another kind than this, take a build with `--features every-target`"
        )
    })?;
    for plugin in COMPONENTS {
        let component = plugin.component().ok_or("a release has no components to compile: take another build")?;
        let code = engine.precompile_component(component).map_err(|error| format!("{error:#}"))?;
        let file = directory.join(format!("{}.compiled", plugin.digest));
        std::fs::write(&file, code).map_err(|error| format!("`{}` cannot be written: {error}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "../../build/strip.rs"]
mod strip;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::{call, engine::Runtimes};

    #[tokio::test]
    async fn what_a_release_embeds_runs_here() {
        let directory = tempfile::tempdir().expect("a directory");
        compile_for(None, directory.path()).expect("compiled");
        let runtimes = Runtimes::default();
        let runtime = runtimes.optimising().expect("an engine");
        for plugin in COMPONENTS {
            let code = std::fs::read(directory.path().join(format!("{}.compiled", plugin.digest))).expect(plugin.name);
            let stripped = strip::stripped(&code).expect(plugin.name);
            assert!(stripped.len() * 10 < code.len() * 9, "{} of {} bytes", stripped.len(), code.len());
            let released = BuiltIn { form: Form::Compiled(stripped.leak()), ..*plugin };
            assert!(released.component().is_none(), "a release has no component of `{}`", plugin.name);
            let component = released.compiled(runtime).expect(plugin.name).expect("compiled code");
            let prepared = runtime.prepare(&component).expect(plugin.name);
            let described = call::describe(&prepared, runtime, &call::Limits::default()).await;
            assert_eq!(described.unwrap_or_else(|_| panic!("{} runs", plugin.name)).name, plugin.name);
        }
        assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), COMPONENTS.len());
    }

    #[test]
    fn code_that_does_not_run_here_is_said_to_be_that() {
        let runtimes = Runtimes::default();
        let released = BuiltIn { name: "wrong", digest: "", form: Form::Compiled(b"no code") };
        let Err(problem) = released.compiled(runtimes.optimising().expect("an engine")) else {
            panic!("it is no code")
        };
        assert_eq!(problem.to_string(), "the built-in plugin `wrong` does not run on this machine");
    }

    #[test]
    #[cfg(not(feature = "every-target"))]
    fn a_target_that_this_build_knows_nothing_of_is_refused() {
        let other = if cfg!(target_arch = "x86_64") { "aarch64-apple-darwin" } else { "x86_64-apple-darwin" };
        let directory = tempfile::tempdir().expect("a directory");
        for target in [other, "nonsense"] {
            let error = compile_for(Some(target), directory.path()).expect_err("refused");
            assert!(
                error.starts_with(&format!("the plugins cannot be compiled for `{target}`\n  Caused by: ")),
                "{error}"
            );
            assert!(error.ends_with("`--features every-target`"), "{error}");
        }
        assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 0);
    }
}
