//! Directories and environment variables: the parts of WASI that are given, and nothing else of it.

use super::limits::RANDOM;
use super::output::{GuestStream, Output};
use super::{Services, writes};
use crate::policy::{Gate, JOURNALS};
use crate::problem::{Code, Problem};
use crate::process::Stream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};

/// What WASI gives to one call: nothing is inherited. With it, the trees on disk that may be changed.
pub(super) fn context(
    gate: &mut Gate,
    services: &Services,
    output: &Arc<Mutex<Output>>,
) -> Result<(WasiCtx, Vec<PathBuf>), Problem> {
    let mut builder = WasiCtxBuilder::new();
    builder.stdout(GuestStream(output.clone(), Stream::Out)).stderr(GuestStream(output.clone(), Stream::Error));
    builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false).max_random_size(RANDOM);
    for name in gate.variables() {
        if let Some(value) = services.environment.get(&name) {
            builder.env(&name, value);
        }
    }
    let mut trees: Vec<(String, PathBuf)> = Vec::new();
    let mut writable = Vec::new();
    for (path, access) in gate.directories() {
        let Some(directory) = find(&services.project, &path, writes(access))? else { continue };
        // Links can make two trees of different names one. What is read-only in one must not be open in the other.
        if let Some((other, _)) = trees.iter().find(|(_, other)| overlap(other, &directory)) {
            return Err(Problem::new(Code::StepDenied, format!("the directories `{other}` and `{path}` overlap"))
                .because(format!("both lead to `{}` on disk", directory.display()))
                .with_hint("take out the link, or name one of them only"));
        }
        trees.push((path.clone(), directory.clone()));
        if writes(access) && holds_journals(&services.project, &directory) {
            return Err(Problem::new(
                Code::StepDenied,
                format!("the directory `{path}` cannot be changed by a plugin"),
            )
            .because(format!("it is a link to where `{JOURNALS}` is, with the journals of all runs")));
        }
        if writes(access) {
            writable.push(directory.clone());
        }
        let permissions = if writes(access) { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        builder.preopened_dir(&directory, &path, permissions).map_err(|error| {
            Problem::new(Code::StepFailed, format!("the directory `{path}` cannot be opened"))
                .because(format!("{error:#}"))
        })?;
    }
    Ok((builder.build(), writable))
}

fn holds_journals(project: &Path, directory: &Path) -> bool {
    project.join(JOURNALS).canonicalize().is_ok_and(|journals| overlap(&journals, directory))
}

/// What a program may change, on disk: made where it is not there, so that there is something to grant.
pub(super) fn changeable(project: &Path, tree: &str) -> Result<Option<PathBuf>, Problem> {
    if Path::new(tree).is_absolute() {
        return Ok(Some(tree.into()));
    }
    let found = find(project, tree, true)?;
    let journals = project.join(JOURNALS).canonicalize().ok();
    match (found, journals) {
        (Some(found), Some(journals)) if found.starts_with(&journals) => {
            Err(Problem::new(Code::StepDenied, format!("`{tree}` cannot be changed by a program"))
                .because(format!("it is a link to where `{JOURNALS}` is, with the journals of all runs")))
        }
        (found, _) => Ok(found),
    }
}

/// The first of these trees that the way to a file leads through, by its own path or by a link on it. The trees and what the
/// path begins with are resolved.
pub(super) fn leads_through<'a>(file: &Path, trees: &'a [PathBuf]) -> Option<&'a Path> {
    /// As many as the system follows.
    const LINKS: usize = 40;
    let parts = |path: &Path| path.components().rev().map(|part| part.as_os_str().to_owned()).collect::<Vec<_>>();
    let (mut here, mut rest, mut links) = (PathBuf::new(), parts(file), 0);
    while let Some(part) = rest.pop() {
        if part == ".." {
            here.pop();
            continue;
        }
        let next = if part == "." { here.clone() } else { here.join(part) };
        if let Some(tree) = trees.iter().find(|tree| next.starts_with(tree)) {
            return Some(tree);
        }
        match std::fs::read_link(&next) {
            Ok(target) if links < LINKS => {
                links += 1;
                rest.extend(parts(&target));
            }
            _ => here = next,
        }
    }
    None
}

fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// The directory on disk, resolved; none where it does not exist and is not to be made.
pub(super) fn find(project: &Path, path: &str, make: bool) -> Result<Option<PathBuf>, Problem> {
    let problem = |error: &dyn std::fmt::Display| {
        Problem::new(Code::StepFailed, format!("the directory `{path}` cannot be opened")).because(error)
    };
    let wanted = project.join(path);
    let project = project.canonicalize().map_err(|error| problem(&error))?;
    let inside = |found: &Path| {
        if found.starts_with(&project) {
            return Ok(());
        }
        Err(Problem::new(Code::StepDenied, format!("the directory `{path}` leads out of the project"))
            .because(format!("there is a link to `{}` in it", found.display())))
    };
    if make && !wanted.exists() {
        // Nothing is made behind a link either: what is there already decides.
        let there = wanted.ancestors().find_map(|ancestor| ancestor.canonicalize().ok());
        inside(there.as_deref().unwrap_or(&project))?;
        std::fs::create_dir_all(&wanted).map_err(|error| problem(&error))?;
    }
    let Ok(found) = wanted.canonicalize() else { return Ok(None) };
    inside(&found)?;
    Ok(Some(found))
}
