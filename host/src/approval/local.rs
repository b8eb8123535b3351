//! Requests and decisions in a directory, for where there is no forge: `DIGITS/request.json`, and one file beside it for each
//! decision, so that of two people who decide at once neither overwrites the other.

use super::{Case, Decision, Newer, Request, SCHEMA, Standing, Where, digits};
use crate::config::Approval;
use crate::files::write_whole;
use crate::problem::{Code, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};

/// The request's name in its directory.
pub(super) const REQUEST: &str = "request.json";

/// Keeps requests and decisions in `.windlass/approvals`.
#[derive(Debug, Clone)]
pub struct Local {
    path: PathBuf,
}

impl Local {
    /// Those of the project in this directory, the one that holds `deploy.toml`.
    #[must_use]
    pub fn of(project: &Path) -> Self {
        Self { path: project.join(".windlass").join("approvals") }
    }

    /// Ask. What is asked already stays as it is, with what was said to it. It is asked anew where nobody can agree to it any
    /// more, and where nobody knows who asked it and nobody has said anything.
    ///
    /// # Errors
    /// [`Code::ApprovalMissing`] where it cannot be written down.
    pub fn ask(&self, request: &Request, rule: &Approval) -> Result<(), Problem> {
        let directory = self.directory(&request.digest);
        let stuck = |case: &Case| case.request.subject.actor.is_none() && case.decisions.is_empty();
        if let Some(case) = self.case(&request.digest)?
            && !matches!(case.standing(rule), Standing::Closed(_))
            && (!stuck(&case) || request.subject.actor.is_none())
        {
            return Ok(());
        }
        let write = || {
            std::fs::create_dir_all(&directory)?;
            write(&directory.join(REQUEST), request)
        };
        write().map_err(|error| unusable(&directory, "written", error))
    }

    /// What is asked about one plan, with what was said to it.
    ///
    /// # Errors
    /// [`Code::ApprovalMissing`] where it cannot be read.
    pub fn case(&self, digest: &str) -> Result<Option<Case>, Problem> {
        let Some(mut case) = case(&self.directory(digest))? else { return Ok(None) };
        let (all, _) = self.cases()?;
        case.newer = newer(&all, &case.request);
        Ok(Some(case))
    }

    /// All that is asked, oldest first; what cannot be read as why.
    ///
    /// # Errors
    /// [`Code::ApprovalMissing`] where nothing can be read.
    pub fn cases(&self) -> Result<(Vec<Case>, Vec<Problem>), Problem> {
        let entries = match std::fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
            Err(error) => return Err(unusable(&self.path, "read", error)),
        };
        let (mut cases, mut problems) = (Vec::new(), Vec::new());
        for entry in entries {
            let directory = entry.map_err(|error| unusable(&self.path, "read", error))?.path();
            // What is being forgotten has another name.
            if directory.extension().is_some() {
                continue;
            }
            match case(&directory) {
                Ok(case) => cases.extend(case),
                Err(problem) => problems.push(problem),
            }
        }
        cases.sort_by(|one: &Case, other| one.request.at.cmp(&other.request.at));
        let later: Vec<_> = cases.iter().map(|case| newer(&cases, &case.request)).collect();
        cases.iter_mut().zip(later).for_each(|(case, newer)| case.newer = newer);
        Ok((cases, problems))
    }

    /// Say yes or no to what is asked.
    ///
    /// # Errors
    /// [`Code::ApprovalMissing`] where it cannot be written down.
    pub fn decide(&self, digest: &str, decision: &Decision) -> Result<(), Problem> {
        let directory = self.directory(digest);
        // Its time comes first, so that the names sort as they were said.
        let random = getrandom::u32().unwrap_or_else(|_| std::process::id());
        let at = decision.at.as_deref().unwrap_or_default().replace([':', '.'], "-");
        let name = format!("{at}-{random:08x}.json");
        write(&directory.join(name), decision).map_err(|error| unusable(&directory, "written", error))
    }

    /// What was asked is done: forget it, with all that was asked for in the same place before. A plan that is the same once more
    /// has to be agreed to once more.
    ///
    /// # Errors
    /// [`Code::ApprovalMissing`].
    pub fn forget(&self, digest: &str) -> Result<(), Problem> {
        let Some(done) = self.case(digest)?.map(|case| case.request) else { return Ok(()) };
        let (cases, _) = self.cases()?;
        let is_past = |request: &Request| request.at <= done.at && request.subject.place() == done.subject.place();
        for case in cases.iter().filter(|case| is_past(&case.request)) {
            let directory = self.directory(&case.request.digest);
            // In one go, so that nobody meets half of it.
            let random = getrandom::u32().unwrap_or_else(|_| std::process::id());
            let gone = directory.with_extension(format!("{random:08x}.gone"));
            match std::fs::rename(&directory, &gone).and_then(|()| std::fs::remove_dir_all(&gone)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(unusable(&directory, "removed", error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn directory(&self, digest: &str) -> PathBuf {
        self.path.join(digits(digest))
    }
}

/// The newest of those, oldest first, that were asked for after this one in its place.
fn newer(cases: &[Case], request: &Request) -> Option<Newer> {
    let is_newer = |other: &&Request| other.at > request.at && other.subject.place() == request.subject.place();
    let newest = cases.iter().rev().map(|case| &case.request).find(is_newer)?;
    Some(Newer { digest: newest.digest.clone(), by: newest.subject.actor.clone(), at: newest.at.clone() })
}

/// None where there is no request: it is being asked at this moment, or forgotten.
fn case(directory: &Path) -> Result<Option<Case>, Problem> {
    let unreadable = |error: io::Error| unusable(directory, "read", error);
    let request: Request = match read(&directory.join(REQUEST)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        request => request.map_err(unreadable)?,
    };
    if request.schema != SCHEMA || directory.file_name().is_none_or(|name| name != digits(&request.digest)) {
        return Err(unreadable(io::Error::other("it is not of the plan that its name says, or of another version")));
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_decision = path.extension().is_some_and(|extension| extension == "json");
        if is_decision && path.file_name().is_some_and(|name| name != REQUEST) {
            names.push(path);
        }
    }
    names.sort();
    let decisions: Vec<Decision> = names.iter().map(|path| read(path).map_err(unreadable)).collect::<Result<_, _>>()?;
    // What was said before this was asked was said to something else.
    let is_later = |decision: &Decision| decision.at.as_ref().is_some_and(|at| *at >= request.at);
    let decisions = decisions.into_iter().filter(is_later).collect();
    let askers = request.subject.actor.iter().cloned().collect();
    Ok(Some(Case { request, at: Where::Here, askers, decisions, newer: None }))
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let text = std::fs::read(path)?;
    serde_json::from_slice(&text).map_err(io::Error::other)
}

fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    write_whole(path, serde_json::to_string_pretty(value).map_err(io::Error::other)?.as_bytes())
}

fn unusable(path: &Path, verb: &str, error: impl std::fmt::Display) -> Problem {
    Problem::new(Code::ApprovalMissing, format!("the approval in `{}` cannot be {verb}", path.display()))
        .because(error)
        .with_note("nothing was run")
        .with_hint("mend the permissions, or remove that directory and ask again")
}
