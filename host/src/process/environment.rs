//! Where programs are found, and what a child's environment is made of. Pure but for looking at files.

use crate::variable;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// What every child gets from the job's environment, where it is set there.
pub const BASELINE: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "CI",
    // Ways out, by both spellings, because programs disagree.
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    // Whom to trust.
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "PIP_CERT",
];

/// What nothing runs without on Windows.
pub const BASELINE_ON_WINDOWS: &[&str] = &[
    "SystemRoot",
    "SystemDrive",
    "windir",
    "ComSpec",
    "PATHEXT",
    "OS",
    "USERNAME",
    "USERPROFILE",
    "HOMEDRIVE",
    "HOMEPATH",
    "APPDATA",
    "LOCALAPPDATA",
    "ProgramData",
    "ProgramFiles",
    "ProgramFiles(x86)",
    "ProgramW6432",
    "CommonProgramFiles",
    "NUMBER_OF_PROCESSORS",
    "PROCESSOR_ARCHITECTURE",
];

/// What the homes and caches of toolchains are called. A version manager's variables are with the tool that it provides.
/// None of them holds a token: those are granted one by one.
pub const TOOLCHAINS: &[(&str, &[&str])] = &[
    ("cargo", &["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_TARGET_DIR", "CARGO_NET_OFFLINE"]),
    ("rust", &["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"]),
    ("rustup", &["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"]),
    ("node", &["NVM_DIR", "NVM_BIN", "FNM_DIR", "FNM_MULTISHELL_PATH", "VOLTA_HOME", "NODE_PATH"]),
    (
        "npm",
        &[
            "NVM_DIR",
            "NVM_BIN",
            "FNM_DIR",
            "VOLTA_HOME",
            "NPM_CONFIG_CACHE",
            "npm_config_cache",
            "NPM_CONFIG_PREFIX",
            "NPM_CONFIG_USERCONFIG",
        ],
    ),
    (
        "pnpm",
        &[
            "PNPM_HOME",
            "NVM_DIR",
            "NVM_BIN",
            "FNM_DIR",
            "VOLTA_HOME",
            "COREPACK_HOME",
            "XDG_DATA_HOME",
            "XDG_CACHE_HOME",
            "NPM_CONFIG_CACHE",
            "npm_config_store_dir",
        ],
    ),
    (
        "yarn",
        &["NVM_DIR", "NVM_BIN", "FNM_DIR", "VOLTA_HOME", "COREPACK_HOME", "YARN_CACHE_FOLDER", "YARN_GLOBAL_FOLDER"],
    ),
    ("python", &["PYENV_ROOT", "PYENV_VERSION", "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "pythonLocation"]),
    (
        "pip",
        &[
            "PYENV_ROOT",
            "PYENV_VERSION",
            "VIRTUAL_ENV",
            "CONDA_PREFIX",
            "PYTHONHOME",
            "pythonLocation",
            "PIP_CACHE_DIR",
            "PIP_CONFIG_FILE",
            "XDG_CACHE_HOME",
        ],
    ),
    (
        "uv",
        &[
            "UV_CACHE_DIR",
            "UV_PYTHON_INSTALL_DIR",
            "UV_PROJECT_ENVIRONMENT",
            "UV_TOOL_DIR",
            "UV_OFFLINE",
            "PYENV_ROOT",
            "VIRTUAL_ENV",
            "XDG_CACHE_HOME",
            "XDG_DATA_HOME",
        ],
    ),
    (
        "poetry",
        &[
            "POETRY_HOME",
            "POETRY_CACHE_DIR",
            "POETRY_CONFIG_DIR",
            "POETRY_VIRTUALENVS_PATH",
            "POETRY_VIRTUALENVS_IN_PROJECT",
            "PYENV_ROOT",
            "PYENV_VERSION",
            "VIRTUAL_ENV",
            "XDG_CACHE_HOME",
            "XDG_CONFIG_HOME",
        ],
    ),
    ("go", &["GOROOT", "GOPATH", "GOBIN", "GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY", "GOTOOLCHAIN", "GOENV"]),
    ("ruby", &["RBENV_ROOT", "RBENV_VERSION", "RUBY_ROOT", "GEM_HOME", "GEM_PATH", "RUBYLIB", "rvm_path"]),
    (
        "bundler",
        &[
            "RBENV_ROOT",
            "RBENV_VERSION",
            "GEM_HOME",
            "GEM_PATH",
            "rvm_path",
            "BUNDLE_PATH",
            "BUNDLE_GEMFILE",
            "BUNDLE_APP_CONFIG",
            "BUNDLE_USER_HOME",
            "BUNDLE_USER_CACHE",
        ],
    ),
    ("php", &["PHPRC", "PHP_INI_SCAN_DIR", "PHPENV_ROOT"]),
    (
        "composer",
        &["COMPOSER_HOME", "COMPOSER_CACHE_DIR", "COMPOSER_VENDOR_DIR", "PHPRC", "PHP_INI_SCAN_DIR", "PHPENV_ROOT"],
    ),
    ("bun", &["BUN_INSTALL", "BUN_INSTALL_CACHE_DIR"]),
    ("java", &["JAVA_HOME", "JDK_HOME", "SDKMAN_DIR"]),
    ("maven", &["JAVA_HOME", "SDKMAN_DIR", "M2_HOME", "MAVEN_HOME", "MAVEN_USER_HOME"]),
    ("gradle", &["JAVA_HOME", "SDKMAN_DIR", "GRADLE_HOME", "GRADLE_USER_HOME"]),
    ("dotnet", &["DOTNET_ROOT", "DOTNET_CLI_HOME", "NUGET_PACKAGES"]),
    ("docker", &["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "XDG_RUNTIME_DIR"]),
    ("asdf", &["ASDF_DIR", "ASDF_DATA_DIR", "ASDF_CONFIG_FILE"]),
    ("mise", &["MISE_DATA_DIR", "MISE_CACHE_DIR", "MISE_CONFIG_DIR"]),
];

/// Where something is kept: below the value of a variable, where that is set, or else below the home directory; where that
/// is empty, nowhere by default.
type Place = (&'static str, &'static str, &'static str);

/// A cache that is elsewhere than in the home. In a directory for everybody a link of this name would be somebody else's.
fn outside_home(place: &str) -> Option<PathBuf> {
    #[cfg(unix)]
    let user = nix::unistd::Uid::effective().to_string();
    #[cfg(not(unix))]
    let user = "";
    let place = PathBuf::from(place.replace("{user}", user.as_ref()));
    (!place.is_symlink()).then_some(place)
}

/// Where a toolchain keeps what it can fetch or make again. Only caches: what a toolchain runs (`bin`) or
/// is told by (its configuration) would let one program choose what the next one does.
const CACHES: &[(&str, &[Place])] = &[
    (
        "cargo",
        &[
            ("CARGO_HOME", "registry", ".cargo/registry"),
            ("CARGO_HOME", "git", ".cargo/git"),
            ("CARGO_HOME", ".package-cache", ".cargo/.package-cache"),
            ("CARGO_HOME", ".package-cache-mutate", ".cargo/.package-cache-mutate"),
            ("CARGO_HOME", ".global-cache", ".cargo/.global-cache"),
            ("CARGO_TARGET_DIR", "", ""),
        ],
    ),
    (
        "npm",
        &[
            ("NPM_CONFIG_CACHE", "", ".npm"),
            ("npm_config_cache", "", ".npm"),
            ("XDG_CACHE_HOME", "node-gyp", ".cache/node-gyp"),
        ],
    ),
    (
        "pnpm",
        &[
            ("PNPM_HOME", "store", ".local/share/pnpm/store"),
            ("XDG_DATA_HOME", "pnpm/store", ".local/share/pnpm/store"),
            ("XDG_CACHE_HOME", "pnpm", ".cache/pnpm"),
            ("npm_config_store_dir", "", ""),
            ("COREPACK_HOME", "", ".cache/node/corepack"),
            ("XDG_STATE_HOME", "pnpm", ".local/state/pnpm"),
            // Where it locks its store, whatever `TMPDIR` says.
            ("", "", "/tmp/pnpm-store-operation-locks-{user}"),
        ],
    ),
    (
        "yarn",
        &[
            ("YARN_CACHE_FOLDER", "", ".cache/yarn"),
            // Where its first generation has it as root.
            ("YARN_CACHE_FOLDER", "", "/usr/local/share/.cache/yarn"),
            ("YARN_GLOBAL_FOLDER", "", ".yarn/berry"),
            ("COREPACK_HOME", "", ".cache/node/corepack"),
        ],
    ),
    ("bun", &[("BUN_INSTALL_CACHE_DIR", "", ".bun/install/cache")]),
    ("pip", &[("PIP_CACHE_DIR", "", ".cache/pip"), ("XDG_CACHE_HOME", "pip", ".cache/pip")]),
    (
        "uv",
        &[
            ("UV_CACHE_DIR", "", ".cache/uv"),
            ("XDG_CACHE_HOME", "uv", ".cache/uv"),
            ("XDG_DATA_HOME", "uv", ".local/share/uv"),
            ("UV_PYTHON_INSTALL_DIR", "", ""),
            ("UV_PROJECT_ENVIRONMENT", "", ""),
        ],
    ),
    (
        "poetry",
        &[
            ("POETRY_CACHE_DIR", "", ".cache/pypoetry"),
            ("XDG_CACHE_HOME", "pypoetry", ".cache/pypoetry"),
            ("POETRY_VIRTUALENVS_PATH", "", ""),
        ],
    ),
    ("go", &[("GOCACHE", "", ".cache/go-build"), ("GOMODCACHE", "", "go/pkg/mod"), ("GOPATH", "pkg", "go/pkg")]),
    (
        "bundler",
        &[
            ("BUNDLE_PATH", "", ""),
            ("GEM_HOME", "", ""),
            ("BUNDLE_USER_CACHE", "", ".bundle/cache"),
            ("BUNDLE_USER_HOME", "cache", ".bundle/cache"),
        ],
    ),
    (
        "composer",
        &[
            ("COMPOSER_CACHE_DIR", "", ".cache/composer"),
            ("COMPOSER_HOME", "cache", ".composer/cache"),
            ("COMPOSER_VENDOR_DIR", "", ""),
        ],
    ),
    ("maven", &[("MAVEN_USER_HOME", "repository", ".m2/repository")]),
    (
        "gradle",
        &[
            ("GRADLE_USER_HOME", "caches", ".gradle/caches"),
            ("GRADLE_USER_HOME", "daemon", ".gradle/daemon"),
            ("GRADLE_USER_HOME", "native", ".gradle/native"),
            ("GRADLE_USER_HOME", "wrapper", ".gradle/wrapper"),
        ],
    ),
    ("dotnet", &[("NUGET_PACKAGES", "", ".nuget/packages")]),
    ("mise", &[("MISE_CACHE_DIR", "", ".cache/mise")]),
];

/// What a child carries in its environment, and with it everything that it starts: on which effect it is at work. Programs
/// may use it as the key of what they do; whoever takes over from a host that was killed finds them by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The run's id.
    Run,
    /// The step's id.
    Step,
    /// Which attempt at the step, from 1.
    Attempt,
    /// `1` where it may go on without us; not there otherwise.
    Background,
}

impl Mark {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Run, Self::Step, Self::Attempt, Self::Background];

    /// The variable that it is in.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Run => variable::WINDLASS_RUN,
            Self::Step => variable::WINDLASS_STEP,
            Self::Attempt => variable::WINDLASS_ATTEMPT,
            Self::Background => variable::WINDLASS_BACKGROUND,
        }
    }

    /// Whether a variable of this name is one. In whichever case, since on Windows it makes no difference.
    #[must_use]
    pub fn is_in(name: &str) -> bool {
        Self::ALL.iter().any(|mark| mark.variable().eq_ignore_ascii_case(name))
    }
}

/// The variables that a toolchain's homes and caches go by; none where there is no toolchain of this name.
#[must_use]
pub fn toolchain_variables(name: &str) -> Option<&'static [&'static str]> {
    TOOLCHAINS.iter().find(|(toolchain, _)| *toolchain == name).map(|(_, variables)| *variables)
}

/// Where a toolchain keeps what it can fetch or make again, as the job has it.
pub fn caches(name: &str, lookup: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let home = lookup("HOME").map(PathBuf::from);
    let places = CACHES.iter().filter(|(toolchain, _)| *toolchain == name).flat_map(|(_, places)| *places);
    let found = places.filter_map(|(variable, below, default)| match lookup(variable) {
        Some(value) => Some(PathBuf::from(value).join(below)),
        None if default.is_empty() => None,
        None if default.starts_with('/') => outside_home(default),
        None => Some(home.as_ref()?.join(default)),
    });
    let mut caches: Vec<PathBuf> = found.filter(|place| place.is_absolute()).collect();
    caches.sort();
    caches.dedup();
    caches
}

/// The names that [`baseline`] looks up on this system.
pub fn baseline_names() -> impl Iterator<Item = &'static str> {
    let windows: &[_] = if cfg!(windows) { BASELINE_ON_WINDOWS } else { &[] };
    BASELINE.iter().chain(windows).copied()
}

/// The names of variables that tell a program where it is, and nothing that has to be kept: those of the baseline and of the
/// toolchains.
pub fn harmless_names() -> impl Iterator<Item = &'static str> {
    baseline_names().chain(TOOLCHAINS.iter().flat_map(|(_, names)| names.iter().copied()))
}

/// What every child gets: the job's variables of these names, where `lookup` finds them, and `temporary` to put things
/// that may go.
pub fn baseline(lookup: impl Fn(&str) -> Option<OsString>, temporary: &Path) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<_> =
        baseline_names().filter_map(|name| Some((OsString::from(name), lookup(name)?))).collect();
    let names: &[_] = if cfg!(windows) { &["TEMP", "TMP"] } else { &["TMPDIR"] };
    variables.extend(names.iter().map(|name| (OsString::from(name), temporary.into())));
    variables
}

/// The file of a program: a name is looked up on the search path, whose empty and relative places are not looked at; what
/// contains a slash is relative to the project, and stays within it by its name. Whether such a file can be executed shows
/// when it is run.
#[must_use]
pub fn find_program(name: &str, path: &OsStr, project: &Path) -> Option<PathBuf> {
    if name.is_empty() || name.contains('\0') {
        return None;
    }
    let slash = name.contains('/') || (cfg!(windows) && name.contains('\\'));
    if slash {
        let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if !Path::new(name).components().all(inside) {
            return None;
        }
        return spellings(project.join(name)).find(|file| file.is_file());
    }
    if matches!(name, "." | "..") {
        return None;
    }
    let places = std::env::split_paths(path).filter(|place| place.is_absolute());
    places.flat_map(|place| spellings(place.join(name))).find(|file| is_executable(file))
}

/// The ways in which a program's file may be called.
#[cfg(not(windows))]
fn spellings(file: PathBuf) -> impl Iterator<Item = PathBuf> {
    std::iter::once(file)
}

/// As it is where it has an ending, then with each that programs have.
#[cfg(windows)]
fn spellings(file: PathBuf) -> impl Iterator<Item = PathBuf> {
    let endings = std::env::var(variable::PATHEXT).unwrap_or_else(|_| ".COM;.EXE;.BAT;.CMD".into());
    let whole = file.extension().is_some().then(|| file.clone());
    let with = endings
        .split(';')
        .filter(|ending| !ending.is_empty())
        .map(|ending| {
            let mut name = file.clone().into_os_string();
            name.push(ending.to_ascii_lowercase());
            PathBuf::from(name)
        })
        .collect::<Vec<_>>();
    whole.into_iter().chain(with)
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

#[cfg(test)]
mod tests {
    use super::{CACHES, TOOLCHAINS, baseline, caches, find_program, toolchain_variables};
    use std::ffi::{OsStr, OsString};
    use std::path::Path;

    #[test]
    fn the_baseline_is_what_is_set_and_a_place_of_its_own() {
        let lookup = |name: &str| match name {
            "PATH" => Some(OsString::from("/bin")),
            "TMPDIR" => Some(OsString::from("/elsewhere")),
            "TOKEN" => Some(OsString::from("secret")),
            _ => None,
        };
        let variables = baseline(lookup, Path::new("/own"));
        let temporary = if cfg!(windows) { "TEMP" } else { "TMPDIR" };
        let value = |name: &str| variables.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        assert_eq!(value("PATH"), Some("/bin".into()));
        assert_eq!(value(temporary), Some("/own".into()));
        assert_eq!(value("TOKEN"), None);
    }

    #[test]
    fn toolchains_are_known_by_name_and_hold_no_tokens() {
        assert!(toolchain_variables("cargo").is_some_and(|names| names.contains(&"CARGO_HOME")));
        assert_eq!(toolchain_variables("nothing"), None);
        for (toolchain, names) in TOOLCHAINS {
            for name in *names {
                let upper = name.to_uppercase();
                assert!(
                    !["TOKEN", "PASSWORD", "AUTH", "SECRET"].iter().any(|word| upper.contains(word)),
                    "{toolchain}: {name}"
                );
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn caches_are_where_the_job_has_them() {
        let job = |set: &'static [(&str, &str)]| {
            move |name: &str| set.iter().find(|(other, _)| *other == name).map(|(_, value)| OsString::from(value))
        };
        let paths = |paths: &[&str]| paths.iter().map(std::path::PathBuf::from).collect::<Vec<_>>();
        assert_eq!(caches("pip", job(&[("HOME", "/h")])), paths(&["/h/.cache/pip"]));
        let set = job(&[("HOME", "/h"), ("PIP_CACHE_DIR", "/p"), ("XDG_CACHE_HOME", "/x")]);
        assert_eq!(caches("pip", set), paths(&["/p", "/x/pip"]), "never all of the cache directory, where ours is");
        assert_eq!(caches("bundler", job(&[])), paths(&[]));
        assert_eq!(caches("dotnet", job(&[("NUGET_PACKAGES", "relative")])), paths(&[]));
        assert!(caches("cargo", job(&[("CARGO_HOME", "/c")])).iter().all(|place| place != Path::new("/c")));
        for (toolchain, _) in CACHES {
            assert!(toolchain_variables(toolchain).is_some(), "{toolchain}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn programs_are_found_on_the_path_and_in_the_project() {
        let path = OsStr::new("relative::/nowhere:/bin:/usr/bin");
        let project = Path::new("/usr");
        let found = find_program("sh", path, project).expect("there is a shell");
        assert!(found.is_absolute() && found.ends_with("sh"));
        assert!(find_program("./bin/env", path, project).is_some_and(|file| file.starts_with(project)));
        for name in ["", ".", "..", "no-such-program", "/bin/sh", "../bin/sh", "bin/../../bin/sh", "./bin", "a\0b"] {
            assert_eq!(find_program(name, path, project), None, "{name:?}");
        }
        assert_eq!(find_program("sh", OsStr::new(""), project), None);
    }
}
