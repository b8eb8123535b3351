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
#[expect(dead_code, reason = "a build has one or the other")]
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
    let engine = engine::ahead(target).map_err(|error| format!("{error:#}"))?;
    for plugin in COMPONENTS {
        let component = plugin.component().ok_or("a release has no components to compile: take another build")?;
        let code = engine.precompile_component(component).map_err(|error| format!("{error:#}"))?;
        let file = directory.join(format!("{}.compiled", plugin.digest));
        std::fs::write(&file, code).map_err(|error| format!("`{}` cannot be written: {error}", file.display()))?;
    }
    Ok(())
}
