//! Directories and environment variables: the parts of WASI that are given, and nothing else of it.

use super::output::{GuestStream, Output};
use super::{Services, writes};
use crate::policy::Gate;
use crate::problem::{Code, Problem};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};

/// What WASI gives to one call: nothing is inherited.
pub(super) fn context(gate: &Gate, services: &Services, output: &Arc<Mutex<Output>>) -> Result<WasiCtx, Problem> {
    let mut builder = WasiCtxBuilder::new();
    builder.stdout(GuestStream(output.clone())).stderr(GuestStream(output.clone()));
    builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    for name in gate.variables() {
        if let Some(value) = services.environment.get(&name) {
            builder.env(&name, value);
        }
    }
    for (path, access) in gate.directories() {
        let Some(directory) = find(&services.project, &path, writes(access))? else { continue };
        let permissions = if writes(access) { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        builder.preopened_dir(&directory, &path, permissions).map_err(|error| {
            Problem::new(Code::StepFailed, format!("the directory `{path}` cannot be opened"))
                .because(format!("{error:#}"))
        })?;
    }
    Ok(builder.build())
}

/// The directory on disk, resolved; none where it does not exist and is not to be made.
fn find(project: &Path, path: &str, make: bool) -> Result<Option<PathBuf>, Problem> {
    let problem = |error: &dyn std::fmt::Display| {
        Problem::new(Code::StepFailed, format!("the directory `{path}` cannot be opened")).because(error)
    };
    let wanted = project.join(path);
    if make && !wanted.exists() {
        std::fs::create_dir_all(&wanted).map_err(|error| problem(&error))?;
    }
    let Ok(found) = wanted.canonicalize() else { return Ok(None) };
    let project = project.canonicalize().map_err(|error| problem(&error))?;
    if !found.starts_with(&project) {
        return Err(Problem::new(Code::StepDenied, format!("the directory `{path}` leads out of the project"))
            .because(format!("it is a link to `{}`", found.display())));
    }
    Ok(Some(found))
}
