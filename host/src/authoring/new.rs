//! A new project: the files of a template, with the plugin's name in them, and what its language needs of the SDK. None of that is
//! on a package registry, so it is a part of this binary, and of the project then.

use super::project::unfit;
use super::{Language, Project};
use crate::config::listing;
use crate::fault;
use crate::problem::{Code, Problem};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folder of a project with what it has of the SDK.
pub(super) const SDK: &str = "windlass-sdk";

/// What the name of one begins with that is not whole yet; eight hexadecimal digits come after it.
const TEMPORARY: &str = ".windlass-sdk-";

/// Nobody is at work for longer on a few small files.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// A file of a template: its path in the project, and its text.
type File = (&'static str, &'static str);

include!(concat!(env!("OUT_DIR"), "/templates.rs"));

fn files(language: Language) -> impl Iterator<Item = File> {
    let wanted = ["common", language.folder()];
    // What a language has of its own comes last, and takes the place of what all have.
    let of =
        |name| TEMPLATES.iter().filter(move |(folder, _)| *folder == name).flat_map(|(_, files)| files.iter().copied());
    wanted.into_iter().flat_map(of)
}

/// A name like it that a plugin can have.
fn tamed(name: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

/// Writes a project into a directory that is not there yet, or is empty. Returns what was written, relative to it.
///
/// # Errors
/// [`Code::Usage`] where the name cannot be a plugin's, or `built_in` has one of that name; where there is something in the
/// directory, or it cannot be written.
pub fn create(directory: &Path, name: &str, language: Language, built_in: &[&str]) -> Result<Vec<PathBuf>, Problem> {
    let refused =
        || Problem::new(Code::Usage, format!("`{name}` cannot be a plugin's name")).with_note("nothing was written");
    if let Some(why) = unfit(name) {
        let problem = refused().because(why);
        let other = tamed(name);
        return Err(if unfit(&other).is_none() {
            problem.with_hint(format!("try `{other}`"))
        } else {
            problem.with_hint("name it after what it does, for example `purge-cdn`")
        });
    }
    if built_in.contains(&name) {
        return Err(refused()
            .because(format!("there is a built-in plugin of that name; these are {}", listing(built_in, "and")))
            .with_hint("name it after what it does differently"));
    }
    let unwritable = |path: &Path, error: &std::io::Error| {
        Problem::new(Code::Usage, format!("the project `{name}` cannot be written to `{}`", path.display()))
            .because(error)
    };
    match std::fs::read_dir(directory).map(|mut entries| entries.next().is_some()) {
        Ok(false) => {}
        Ok(true) => {
            return Err(unwritable(
                directory,
                &std::io::Error::other("there is something in it, which stays as it is"),
            )
            .with_note("nothing was written")
            .with_hint("name an empty directory, or one that is not there yet, with `--directory`"));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(unwritable(directory, &error).with_note("nothing was written")),
    }
    // By path, and so in order.
    let files: BTreeMap<&str, &str> = files(language).collect();
    for (path, text) in files.iter().filter(|(path, _)| !Path::new(path).starts_with(SDK)) {
        write(&directory.join(path), &filled(text, name, language))
            .map_err(|error| unwritable(&directory.join(path), &error))?;
    }
    // Last: what is missing of a project that was cut off here is written when it is built.
    write_sdk(directory, name, language).map_err(|error| unwritable(&directory.join(SDK), &error))?;
    Ok(files.into_keys().map(PathBuf::from).collect())
}

/// Writes what a project has of the SDK, where it has none: into a clone of one that keeps it out of its repository, or where it
/// was removed for that of this Windlass. Returns whether it did.
///
/// # Errors
/// Where it cannot be written.
pub(super) fn supply(project: &Project) -> std::io::Result<bool> {
    remove_left(&project.directory);
    if project.directory.join(SDK).exists() {
        return Ok(false);
    }
    write_sdk(&project.directory, &project.name, project.language)?;
    Ok(true)
}

/// Writes what a project has of the SDK: whole or not at all, because one that is there is taken as it is.
fn write_sdk(directory: &Path, name: &str, language: Language) -> std::io::Result<()> {
    let random = getrandom::u32().unwrap_or_else(|_| std::process::id());
    let temporary = directory.join(format!("{TEMPORARY}{random:08x}"));
    let write = || {
        for (path, text) in files(language) {
            if let Ok(path) = Path::new(path).strip_prefix(SDK) {
                fault::point();
                write(&temporary.join(path), &filled(text, name, language))?;
            }
        }
        fault::point();
        std::fs::rename(&temporary, directory.join(SDK))
    };
    let written = write();
    if written.is_err() {
        let _ = std::fs::remove_dir_all(&temporary);
    }
    match written {
        // Somebody else wrote it meanwhile, and as wholly.
        Err(_) if directory.join(SDK).exists() => Ok(()),
        written => written,
    }
}

/// Removes what builds that were killed have left of an SDK. What somebody may still be writing stays.
fn remove_left(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY)).unwrap_or_default();
        let is_ours = number.len() == 8 && number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let age = || {
            // Of the entry itself: what a link leads to is somebody else's.
            let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_dir)?;
            metadata.modified().ok()?.elapsed().ok()
        };
        if is_ours && age().is_some_and(|age| age > ABANDONED) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn filled(text: &str, name: &str, language: Language) -> String {
    let job = language.job();
    let component = language.component(name);
    let values = [
        ("name", name),
        ("version", env!("CARGO_PKG_VERSION")),
        ("component", &component),
        ("language", language.word()),
        ("language_name", language.name()),
        ("folder", language.folder()),
        ("source", language.source()),
        ("github_setup", job.github),
        ("gitlab_image", job.image),
        ("gitlab_setup", job.gitlab),
    ];
    values.into_iter().fold(text.to_owned(), |text, (key, value)| text.replace(&format!("{{{{{key}}}}}"), value))
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut file = std::fs::File::create_new(path)?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    #[cfg(unix)]
    if text.starts_with("#!") {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Language, create, files, tamed};
    use std::collections::BTreeSet;

    #[test]
    fn names_are_tamed() {
        assert_eq!(tamed("Greet It_now!"), "greet-it-now");
        assert_eq!(tamed("ä"), "");
    }

    #[test]
    fn every_placeholder_is_filled() {
        for language in Language::ALL {
            let directory = tempfile::tempdir().expect("a directory");
            let project = directory.path().join("greet-it");
            let written = create(&project, "greet-it", language, &[]).expect("written");
            let expected: BTreeSet<_> = files(language).map(|(path, _)| path).collect();
            assert_eq!(written.len(), expected.len());
            for path in written {
                let text = std::fs::read_to_string(project.join(&path)).expect("a text");
                let open = text.lines().find(|line| line.contains("{{") && !line.contains("${{"));
                assert!(open.is_none() || path.starts_with("windlass-sdk"), "{}: {open:?}", path.display());
            }
        }
    }
}
