//! Plugins in other languages than Rust, built from source by `windlass plugin build`: the tools are installed once for all tests of
//! a target directory, as a project pins them, and each component is built once for all tests of a binary.

use crate::{Project, copy_files, target, workspace};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

/// A language whose tools are installed into each project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installed {
    /// With `node_modules`.
    JavaScript,
    /// With `.venv`.
    Python,
}

impl Installed {
    /// The directory of a project that they are installed into.
    const fn directory(self) -> &'static str {
        match self {
            Self::JavaScript => "node_modules",
            Self::Python => ".venv",
        }
    }

    /// Their home, and that of the template.
    const fn folder(self) -> &'static str {
        match self {
            Self::JavaScript => "javascript",
            Self::Python => "python",
        }
    }

    /// The files of the template that name them.
    const fn pinned_by(self) -> &'static [&'static str] {
        match self {
            Self::JavaScript => &["javascript/package.json", "javascript/package-lock.json"],
            Self::Python => &["python/requirements.txt"],
        }
    }
}

/// Where the tools of a language are: installed when first asked for, and anew where another version is pinned.
#[must_use]
pub fn tools(language: Installed) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // npm is confused by a directory of the name of its own.
    let home = target().join("languages").join(language.folder());
    std::fs::create_dir_all(&home).expect("a directory");
    // Other test binaries may be installing them at this moment.
    let lock = std::fs::File::create(home.join("lock")).expect("a file");
    lock.lock().expect("a lock");
    let mut pinned = String::new();
    for path in language.pinned_by() {
        let text = std::fs::read_to_string(workspace().join("templates/plugin").join(path)).expect("a template");
        let text = text.replace("{{name}}", "tools");
        std::fs::write(home.join(Path::new(path).file_name().expect("a name")), &text).expect("a file");
        pinned.push_str(&text);
    }
    let installed = home.join(language.directory());
    let last = match language {
        Installed::JavaScript => installed.join(".package-lock.json"),
        Installed::Python => installed.join("windlass-installed"),
    };
    if last.is_file() && std::fs::read_to_string(home.join("installed")).ok().as_deref() == Some(&pinned) {
        return installed;
    }
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).current_dir(&home).args(arguments).output().expect(program);
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    };
    match language {
        Installed::JavaScript => run("npm", &["ci", "--no-audit", "--no-fund"]),
        Installed::Python => {
            run("python3", &["-m", "venv", ".venv"]);
            run(".venv/bin/python", &["-m", "pip", "install", "--quiet", "--requirement", "requirements.txt"]);
            // As a build leaves it, which takes it for whole then.
            std::fs::write(&last, "").expect("a file");
        }
    }
    std::fs::write(home.join("installed"), &pinned).expect("a file");
    installed
}

/// Gives a project the tools of its language, as if they had been installed into it.
///
/// # Panics
/// Where they cannot be linked to.
#[cfg(unix)]
pub fn equip(project: &Path, language: Installed) {
    std::os::unix::fs::symlink(tools(language), project.join(language.directory())).expect("a link");
    // What they were installed from is older than they are, as it is where they are installed into the project.
    for path in language.pinned_by() {
        let file = project.join(Path::new(path).file_name().expect("a name"));
        let file = std::fs::File::options().append(true).open(file).expect("a file");
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("a time");
    }
}

/// A project whose tools reach the registries as those of this process do.
#[must_use]
pub fn online(project: Project) -> Project {
    let begin = [
        "NPM_",
        "npm_config_",
        "PIP_",
        "SSL_CERT",
        "NODE_EXTRA",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "http_proxy",
        "https_proxy",
    ];
    let reaching = std::env::vars().filter(|(name, _)| begin.iter().any(|begin| name.starts_with(begin)));
    reaching.fold(project, |project, (name, value)| project.variable(&name, &value))
}

/// A plugin's project in this folder of `examples/plugins`, built. It is one for all tests of a binary: they only read it.
///
/// # Panics
/// Where it cannot be built.
#[must_use]
pub fn example(folder: &str) -> Arc<Project> {
    static BUILT: OnceLock<Mutex<BTreeMap<String, Arc<Project>>>> = OnceLock::new();
    let mut built = BUILT.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(project) = built.get(folder) {
        return project.clone();
    }
    let project = copied(folder);
    let _ = project.windlass("plugin build").exits(0);
    let project = Arc::new(project);
    built.insert(folder.to_owned(), project.clone());
    project
}

/// A copy of a plugin's project in this folder of `examples/plugins`, with the tools of its language.
///
/// # Panics
/// Where it cannot be copied.
#[must_use]
pub fn copied(folder: &str) -> Project {
    // What a build by hand leaves there.
    const LEFT: [&str; 6] = [".venv", "__pycache__", "build", "node_modules", "target", "windlass-sdk"];
    let project = Project::new();
    let from = workspace().join("examples/plugins").join(folder);
    for entry in std::fs::read_dir(&from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("an entry");
        let (path, name) = (entry.path(), entry.file_name());
        if LEFT.contains(&&*name.to_string_lossy()) {
            continue;
        }
        if path.is_dir() {
            copy_files(&path, &project.path().join(name));
        } else {
            std::fs::copy(&path, project.path().join(name)).expect("a copy");
        }
    }
    #[cfg(unix)]
    for (file, language) in [("package.json", Installed::JavaScript), ("requirements.txt", Installed::Python)] {
        if project.has(file) {
            equip(&project.path(), language);
        }
    }
    #[cfg(unix)]
    if project.has("Cargo.toml") {
        let compiled = target().join("languages").join("rust");
        std::fs::create_dir_all(&compiled).expect("a directory");
        std::os::unix::fs::symlink(compiled, project.path().join("target")).expect("a link");
    }
    project
}
