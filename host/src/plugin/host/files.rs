//! Directories and environment variables: the parts of WASI that are given, and nothing else of it.

use super::limits::RANDOM;
use super::output::{GuestStream, Output};
use super::{Services, writes};
use crate::policy::{Gate, JOURNALS};
use crate::problem::{Code, Problem};
use crate::process::Stream;
use std::path::{Component, Path, PathBuf};
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
        let Some(directory) = find_tree(&services.project, &path, writes(access))? else { continue };
        // Dots can make two trees of different names one. What is read-only in one must not be open in the other.
        if let Some((other, _)) = trees.iter().find(|(_, other)| overlap(other, &directory)) {
            return Err(Problem::new(Code::StepDenied, format!("the directories `{other}` and `{path}` overlap"))
                .because(format!("both lead to `{}` on disk", directory.display()))
                .with_hint("name one of them only"));
        }
        trees.push((path.clone(), directory.clone()));
        if writes(access) && holds_journals(&services.project, &directory) {
            return Err(Problem::new(
                Code::StepDenied,
                format!("the directory `{path}` cannot be changed by a plugin"),
            )
            .because(format!("`{JOURNALS}`, with the journals of all runs, is in it or around it")));
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

/// What a program may change, on disk: made where it is not there in the project, so that there is something to grant.
pub(super) fn changeable(project: &Path, tree: &str) -> Result<Option<PathBuf>, Problem> {
    let refused =
        |why: String| Problem::new(Code::StepDenied, format!("`{tree}` cannot be changed by a program")).because(why);
    let path = Path::new(tree);
    let resolved = project.canonicalize().map_err(|error| unopened(tree, &error))?;
    let below = path.strip_prefix(&resolved).or_else(|_| path.strip_prefix(project)).ok().and_then(Path::to_str);
    let found = match below {
        _ if !path.is_absolute() => find_tree(project, tree, true)?,
        Some(below) => find_tree(project, below, true)?,
        None => {
            let Ok(found) = path.canonicalize() else { return Ok(None) };
            // Links out there are the machine's own, as long as they do not lead back here.
            if overlap(&found, &resolved) && !resolved.starts_with(path) {
                return Err(refused(format!("a link on the way leads to `{}`, where the project is", found.display()))
                    .with_hint("name the directory by its own path"));
            }
            Some(found)
        }
    };
    let journals = project.join(JOURNALS).canonicalize().ok();
    if found.as_ref().zip(journals).is_some_and(|(found, journals)| found.starts_with(journals)) {
        return Err(refused(format!("it leads to where `{JOURNALS}` is, with the journals of all runs")));
    }
    Ok(found)
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

fn unopened(path: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(Code::StepFailed, format!("the directory `{path}` cannot be opened")).because(error)
}

/// The directory on disk, resolved, wherever in the project links lead; none where it does not exist.
pub(super) fn find(project: &Path, path: &str) -> Result<Option<PathBuf>, Problem> {
    let Ok(found) = project.join(path).canonicalize() else { return Ok(None) };
    inside(project, path, &found)?;
    Ok(Some(found))
}

/// A granted tree on disk, resolved; none where it does not exist and is not to be made. No link leads to it: whoever may change
/// a tree that the way goes through could make one, also in another step or phase, and so choose what was granted.
fn find_tree(project: &Path, path: &str, make: bool) -> Result<Option<PathBuf>, Problem> {
    let wanted = project.join(path);
    if make && !wanted.exists() {
        // Nothing is made behind a link either: what is there already decides.
        let there = wanted.ancestors().find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
        if let Some((ancestor, found)) = there {
            without_link(project, path, ancestor, &found)?;
        }
        std::fs::create_dir_all(&wanted).map_err(|error| unopened(path, &error))?;
    }
    let Ok(found) = wanted.canonicalize() else { return Ok(None) };
    without_link(project, path, &wanted, &found)?;
    Ok(Some(found))
}

fn without_link(project: &Path, path: &str, wanted: &Path, found: &Path) -> Result<(), Problem> {
    let resolved = inside(project, path, found)?;
    let mut written = resolved.clone();
    for part in wanted.strip_prefix(project).unwrap_or(wanted).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(written.pop()),
            part => written.push(part),
        }
    }
    if written == found {
        return Ok(());
    }
    let leads = found.strip_prefix(&resolved).ok().filter(|below| !below.as_os_str().is_empty());
    let leads = leads.map_or_else(|| "the project itself".to_owned(), |below| format!("`{}`", below.display()));
    Err(Problem::new(Code::StepDenied, format!("the way to the directory `{path}` leads over a link"))
        .because(format!("it ends at {leads}, which is not what was accepted"))
        .with_hint("take out the link, or name the directory that it leads to"))
}

/// The project, resolved, where this is in it.
fn inside(project: &Path, path: &str, found: &Path) -> Result<PathBuf, Problem> {
    let project = project.canonicalize().map_err(|error| unopened(path, &error))?;
    if found.starts_with(&project) {
        return Ok(project);
    }
    Err(Problem::new(Code::StepDenied, format!("the directory `{path}` leads out of the project"))
        .because(format!("there is a link to `{}` in it", found.display())))
}
