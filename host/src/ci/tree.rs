//! What of a laptop's working tree is not as its commit has it. The tree is what is deployed there, whatever commit it is called
//! by, so what differs is a part of the plan.

use crate::problem::{Code, Problem};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many files are named.
const NAMED: usize = 10;

/// What differs from the commit: tracked files that were changed, and files that are neither tracked nor ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WorkingTree {
    /// The SHA-256 of the names and contents of all of them, `sha256:…`.
    pub digest: String,
    /// The first of them.
    pub files: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

impl std::fmt::Display for WorkingTree {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, file) in self.files.iter().enumerate() {
            let between = match index {
                0 => "",
                _ if self.more == 0 && index + 1 == self.files.len() => " and ",
                _ => ", ",
            };
            write!(formatter, "{between}`{}`", crate::policy::visible(file))?;
        }
        if self.more > 0 { write!(formatter, " and {} more", self.more) } else { Ok(()) }
    }
}

impl WorkingTree {
    /// What differs below a directory from the commit that is checked out there; none where nothing does, and where the directory
    /// is in no repository or this commit is not the one that is checked out. `besides` is a file of ours, which counts for
    /// nothing.
    ///
    /// # Errors
    /// [`Code::NotARepository`] where it cannot be found out.
    pub fn of(directory: &Path, commit: &str, besides: Option<&Path>) -> Result<Option<Self>, Problem> {
        let unknown = |why: String| {
            Problem::new(
                Code::NotARepository,
                "it is not known whether what is deployed is the commit that it is called by",
            )
            .because(why)
            .with_note("nothing was run")
            .with_hint("mend what `git status` says here, and that its files can be read")
        };
        let Some((top, head)) = repository(directory) else { return Ok(None) };
        if !head.starts_with(commit) {
            return Ok(None);
        }
        let mut changed = changed(directory).map_err(&unknown)?;
        let ours = Ours::of(besides);
        changed.retain(|path| !ours.is(&top.join(path)));
        if changed.is_empty() {
            return Ok(None);
        }
        let mut all = Sha256::new();
        for path in &changed {
            let state = state(&top.join(path)).map_err(|error| unknown(format!("`{}`: {error}", path.display())))?;
            all.update(format!("{}\0{state}\0", path.display()));
        }
        Ok(Some(Self {
            digest: format!("sha256:{}", hex::encode(all.finalize())),
            files: changed.iter().take(NAMED).map(|path| path.display().to_string()).collect(),
            more: changed.len().saturating_sub(NAMED),
        }))
    }
}

/// The top of the repository that a directory is in, and the commit that is checked out.
fn repository(directory: &Path) -> Option<(PathBuf, String)> {
    let output = git(directory, &["rev-parse", "--show-cdup", "HEAD"]).ok()?;
    let text = String::from_utf8_lossy(&output);
    let (up, head) = text.split_once('\n')?;
    Some((directory.join(up), head.trim().to_owned()))
}

/// The files below a directory that are not as the commit has them, sorted, by their paths below the repository's top.
fn changed(directory: &Path) -> Result<Vec<PathBuf>, String> {
    // What Windlass keeps changes with each run, and is deployed by none.
    let words = ["--porcelain=v2", "-z", "--untracked-files=all", "--no-renames", "--", ".", ":(exclude).windlass"];
    let output = git(directory, &[&["status"], &words[..]].concat())?;
    let mut paths: Vec<PathBuf> = output.split(|byte| *byte == 0).filter_map(changed_path).collect();
    paths.sort();
    Ok(paths)
}

/// The path in a line of `git status --porcelain=v2`, which comes after as many fields as the kind of line has.
fn changed_path(line: &[u8]) -> Option<PathBuf> {
    let fields = match line.first()? {
        b'1' => 9,
        b'u' => 11,
        b'?' => 2,
        _ => return None,
    };
    let path = line.splitn(fields, |byte| *byte == b' ').nth(fields - 1)?;
    #[cfg(unix)]
    return Some(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path).into());
    #[cfg(not(unix))]
    Some(String::from_utf8_lossy(path).into_owned().into())
}

/// What is at a path, in one line.
fn state(path: &Path) -> io::Result<String> {
    let metadata = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok("gone".to_owned()),
        metadata => metadata?,
    };
    if metadata.is_symlink() {
        return Ok(format!("link {}", std::fs::read_link(path)?.display()));
    }
    if metadata.is_dir() {
        return nested(path);
    }
    let (mut content, mut file) = (Sha256::new(), std::fs::File::open(path)?);
    let mut part = vec![0; 64 * 1024];
    loop {
        match io::Read::read(&mut file, &mut part) {
            Ok(0) => break,
            Ok(length) => content.update(&part[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    #[cfg(unix)]
    let runs = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let runs = false;
    Ok(format!("{} {}", if runs { "program" } else { "file" }, hex::encode(content.finalize())))
}

/// What is in a repository within the repository: its commit, and what differs from that.
fn nested(path: &Path) -> io::Result<String> {
    let Some((_, head)) = repository(path) else { return Ok("repository".to_owned()) };
    let tree = WorkingTree::of(path, &head, None).map_err(io::Error::other)?;
    Ok(format!("repository {head} {}", tree.map(|tree| tree.digest).unwrap_or_default()))
}

/// The files that this process writes or reads by itself: the plan's, and where its output goes.
struct Ours {
    plan: Option<PathBuf>,
    #[cfg(unix)]
    outputs: Vec<(u64, u64)>,
}

impl Ours {
    fn of(plan: Option<&Path>) -> Self {
        #[cfg(unix)]
        let outputs = {
            use std::os::{fd::AsFd, unix::fs::MetadataExt};
            let of = |output: io::Result<std::os::fd::OwnedFd>| {
                let file = std::fs::File::from(output.ok()?).metadata().ok()?;
                Some((file.dev(), file.ino()))
            };
            let outputs = [io::stdout().as_fd().try_clone_to_owned(), io::stderr().as_fd().try_clone_to_owned()];
            outputs.into_iter().filter_map(of).collect()
        };
        Self {
            plan: plan.and_then(|path| path.canonicalize().ok()),
            #[cfg(unix)]
            outputs,
        }
    }

    fn is(&self, path: &Path) -> bool {
        if let Some(plan) = self.plan.as_ref().filter(|plan| plan.file_name() == path.file_name())
            && path.canonicalize().is_ok_and(|path| path == *plan)
        {
            return true;
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            std::fs::symlink_metadata(path).is_ok_and(|file| self.outputs.contains(&(file.dev(), file.ino())))
        }
        #[cfg(not(unix))]
        false
    }
}

/// What a file of a directory had in it at a commit, by its name or that of a branch or tag; none where it was not there.
///
/// # Errors
/// [`Code::Usage`] where there is no such commit.
pub fn file_at(directory: &Path, reference: &str, name: &str) -> Result<Option<String>, Problem> {
    let unknown = |why: String| {
        Problem::new(Code::Usage, format!("`{reference}` is no commit to compare with"))
            .because(why)
            .with_note("nothing was changed")
            .with_hint(
                "name a commit, a branch or a tag that is here: where CI checks out one commit alone, fetch it before, as \
                 `git fetch --depth=1 origin main:refs/remotes/origin/main` does",
            )
    };
    let commit = format!("{reference}^{{commit}}");
    let commit = git(directory, &["rev-parse", "--verify", "--end-of-options", &commit]).map_err(&unknown)?;
    let path = format!("{}:./{name}", String::from_utf8_lossy(&commit).trim());
    if git(directory, &["cat-file", "-e", &path]).is_err() {
        return Ok(None);
    }
    let text = git(directory, &["cat-file", "blob", &path]).map_err(&unknown)?;
    String::from_utf8(text).map(Some).map_err(|error| unknown(error.to_string()))
}

/// What git says.
fn git(directory: &Path, words: &[&str]) -> Result<Vec<u8>, String> {
    let mut command = Command::new("git");
    let output = command.arg("-C").arg(directory).args(words).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("git cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().next().unwrap_or("git has no answer").to_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn ask(directory: &Path, words: &[&str]) -> String {
        let user = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
        let output = git(directory, &[&user[..], words].concat()).expect("git");
        String::from_utf8(output).expect("text").trim().to_owned()
    }

    /// A repository with one commit of everything in it.
    fn commit(directory: &Path) -> String {
        ask(directory, &["init", "--quiet"]);
        ask(directory, &["add", "--all"]);
        ask(directory, &["commit", "--quiet", "--allow-empty", "--message", "a change"]);
        ask(directory, &["rev-parse", "HEAD"])
    }

    fn write(directory: &Path, name: &str, text: &str) {
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }

    fn differs(directory: &Path, commit: &str) -> Option<WorkingTree> {
        WorkingTree::of(directory, commit, None).expect("an answer")
    }

    #[test]
    fn what_differs_is_named_and_has_a_digest_of_its_contents() {
        let place = tempfile::tempdir().expect("a directory");
        let top = place.path();
        assert_eq!(differs(top, "0123456789"), None, "there is no repository");
        write(top, ".gitignore", "ignored\n");
        write(top, "shop/bin/release", "#!/bin/sh\n");
        write(top, "shop/with space", "1");
        write(top, "blog/note", "1");
        let head = commit(top);
        let shop = top.join("shop");
        assert_eq!(differs(&shop, &head), None);
        // What belongs to another app, what git ignores, and what we keep here.
        write(top, "blog/note", "2");
        write(top, "shop/ignored", "2");
        write(top, "shop/.windlass/runs/r/journal.jsonl", "2");
        assert_eq!(differs(&shop, &head), None);
        let mut seen: Vec<String> = vec![];
        let mut changes = |what: &str, files: &[&str]| {
            let tree = differs(&shop, &head).expect(what);
            assert_eq!(
                (tree.files.as_slice(), tree.more),
                (&files.iter().map(ToString::to_string).collect::<Vec<_>>()[..], 0),
                "{what}"
            );
            assert!(!seen.contains(&tree.digest), "{what}");
            seen.push(tree.digest);
        };
        let release = shop.join("bin/release");
        write(&shop, "bin/release", "#!/bin/bash\n");
        changes("another text", &["shop/bin/release"]);
        write(&shop, "bin/release", "#!/bin/dash\n");
        changes("another one of the same length", &["shop/bin/release"]);
        ask(top, &["add", "shop/bin/release"]);
        std::fs::set_permissions(&release, std::fs::Permissions::from_mode(0o755)).expect("permissions");
        changes("a program", &["shop/bin/release"]);
        std::fs::remove_file(&release).expect("removed");
        changes("none", &["shop/bin/release"]);
        symlink("with space", &release).expect("a link");
        changes("a link", &["shop/bin/release"]);
        ask(top, &["checkout", "--quiet", "HEAD", "shop/bin/release"]);
        assert_eq!(differs(&shop, &head), None, "as it was");
        write(&shop, "with space", "2");
        write(&shop, "new/a", "1");
        changes("more than one", &["shop/new/a", "shop/with space"]);
        write(&shop, "new/a", "2");
        changes("another new one", &["shop/new/a", "shop/with space"]);
        let plan = WorkingTree::of(&shop, &head, Some(&shop.join("new/../new/a"))).expect("an answer").expect("one");
        assert_eq!(plan.files, ["shop/with space"]);
        assert_eq!(differs(&shop, &"f".repeat(40)), None, "another commit is not what is checked out");
    }

    #[test]
    fn a_repository_within_is_its_commit_and_what_differs_from_it() {
        let place = tempfile::tempdir().expect("a directory");
        let head = commit(place.path());
        let inner = place.path().join("inner");
        write(&inner, "a", "1");
        commit(&inner);
        let one = differs(place.path(), &head).expect("one");
        assert_eq!(one.files, ["inner/"]);
        write(&inner, "a", "2");
        let two = differs(place.path(), &head).expect("one");
        commit(&inner);
        let three = differs(place.path(), &head).expect("one");
        assert!(one.digest != two.digest && two.digest != three.digest && one.digest != three.digest);
    }

    #[test]
    fn of_many_the_first_are_named() {
        let place = tempfile::tempdir().expect("a directory");
        let head = commit(place.path());
        (0..12).for_each(|index| write(place.path(), &format!("{index:02}"), ""));
        let tree = differs(place.path(), &head).expect("some");
        assert_eq!((tree.files.len(), tree.more), (10, 2));
        assert!(tree.to_string().ends_with("`08`, `09` and 2 more"), "{tree}");
    }
}
