//! Handing on what came of a command: to GitHub's runner, and to the files that `--reports` asks for. Whether that can be done
//! changes no exit code.

use super::project::secrets;
use super::{Failed, say};
use crate::ci::{self, Kind, Variables};
use crate::files::write_whole;
use crate::journal::Directory;
use crate::report::{Outputs, RunReport};
use std::fs;
use std::io::Write;
use std::path::Path;

/// The files that `--reports` asks for: no others are written, or removed.
const FILES: [&str; 4] = ["deploy.env", "annotations.json", "report.html", "junit.xml"];

/// Remove what an earlier command left there, so that nobody takes it for what came of this one.
pub(super) fn clear(reports: Option<&Path>) {
    for name in FILES {
        let _ = reports.map(|reports| fs::remove_file(reports.join(name)));
    }
}

/// Hand it on, of a project in a directory. `failed` is what it ended with where nothing was begun.
pub(super) fn hand_on(
    directory: &Path,
    reports: Option<&Path>,
    result: &RunReport,
    url: Option<&str>,
    failed: Option<&Failed>,
) {
    let variables = Variables::of_process();
    let page = ci::page(&variables);
    let journals = Directory::of(directory);
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
    clear(Some(reports));
    let cases = reports.join("junit.xml");
    for (from, to) in [(report, &copy), (beside("junit.xml"), &cases)] {
        if let Some(from) = from {
            fs::copy(from, to).map(drop).unwrap_or_else(|error| warn(to, error));
        }
    }
    if let (Some(Failed::Problems(list)), false) = (failed, cases.exists()) {
        let text = outputs.junit(list, &secrets(directory, &variables).redactor());
        write_whole(&cases, text.as_bytes()).unwrap_or_else(|error| warn(&cases, error));
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
