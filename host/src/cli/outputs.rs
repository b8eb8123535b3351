//! Handing on what came of a command: to GitHub's runner, and to the files that `--reports` asks for. Whether that can be done
//! changes no exit code.

use super::say;
use crate::ci::{self, Kind, Variables};
use crate::files::write_whole;
use crate::journal::Directory;
use crate::report::{Outputs, RunReport};
use std::fs;
use std::io::Write;
use std::path::Path;

/// Hand it on, of a run whose journal is among these.
pub(super) fn hand_on(journals: &Directory, reports: Option<&Path>, result: &RunReport, url: Option<&str>) {
    let page = ci::page(&Variables::of_process());
    // Where nothing was begun, there is no run that they would be of.
    let beside = |name: &str| journals.beside(Some(result.run.as_str()).filter(|run| !run.is_empty())?, name);
    let report = beside("report.html");
    let shown = report.as_ref().map(|path| page.path(path).unwrap_or_else(|| path.display().to_string()));
    let outputs = Outputs { result, url, report: shown.as_deref() };
    let warn = |file: &Path, error: std::io::Error| {
        say(&format!("warning: `{}` cannot be written: {error}\n", file.display()));
    };
    if let Some(file) = &page.outputs {
        let told = fs::OpenOptions::new().append(true).open(file);
        let told = told.and_then(|mut file| file.write_all(outputs.github(&delimiter()?).as_bytes()));
        told.unwrap_or_else(|error| warn(file, error));
    }
    let Some(reports) = reports else { return };
    let copy = reports.join("report.html");
    let link = match (page.kind, &page.url, page.path(&copy)) {
        (Kind::GitLab, Some(job), Some(path)) if report.is_some() => Some(format!("{job}/artifacts/file/{path}")),
        _ => None,
    };
    if let Err(error) = fs::create_dir_all(reports) {
        return warn(reports, error);
    }
    for (from, to) in [(report, copy), (beside("junit.xml"), reports.join("junit.xml"))] {
        if let Some(from) = from {
            fs::copy(from, &to).map(drop).unwrap_or_else(|error| warn(&to, error));
        }
    }
    for (name, text) in [("deploy.env", outputs.dotenv()), ("annotations.json", outputs.links(link.as_deref()))] {
        let file = reports.join(name);
        write_whole(&file, text.as_bytes()).unwrap_or_else(|error| warn(&file, error));
    }
}

/// What no value can have in it.
fn delimiter() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(format!("windlass-{}", hex::encode(bytes)))
}
