//! Which package managers a folder belongs to. Looks at files and runs nothing.

use crate::manager::{Ecosystem, Manager};
use crate::world::Files;
use serde_json::Value;
use windlass_plugin::Failure;

/// What is to be installed: one manager's lockfile in one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Project {
    /// Who installs.
    pub manager: Manager,
    /// The lockfile, in the folder.
    pub lockfile: String,
}

/// The projects of a folder, one per ecosystem at most. None where the manifests ask for nothing.
///
/// # Errors
/// `misconfigured`: two lockfiles of one ecosystem, a manifest without a lockfile, or neither.
pub(crate) fn projects(files: &impl Files, directory: &str, wanted: Option<Manager>) -> Result<Vec<Project>, Failure> {
    let mut found = Vec::new();
    let mut anything = false;
    for ecosystem in Ecosystem::ALL {
        if wanted.is_some_and(|manager| manager.ecosystem() != ecosystem) {
            continue;
        }
        let locks = lockfiles(files, ecosystem, wanted);
        let manifest = manifest(files, ecosystem, wanted);
        anything |= !locks.is_empty() || manifest.is_some();
        match locks.as_slice() {
            [] => match manifest {
                Some((_, Asks::Nothing)) => {}
                Some((name, Asks::ForPackages)) => return Err(lockfile_missing(directory, name, ecosystem, wanted)),
                None => {}
            },
            [(lockfile, manager)] => {
                if manifest.is_none() {
                    return Err(manifest_missing(directory, lockfile, ecosystem));
                }
                found.push(Project { manager: generation(files, lockfile, *manager), lockfile: (*lockfile).into() });
            }
            several => return Err(ambiguous(directory, several)),
        }
    }
    if !anything {
        return Err(nothing_there(directory, wanted));
    }
    Ok(found)
}

/// The lockfiles of one ecosystem that are there.
fn lockfiles(files: &impl Files, ecosystem: Ecosystem, wanted: Option<Manager>) -> Vec<(&'static str, Manager)> {
    let mut found: Vec<_> = ecosystem
        .lockfiles()
        .iter()
        .copied()
        .filter(|(_, owner)| wanted.is_none_or(|manager| manager == *owner))
        .filter(|(name, owner)| match owner {
            Manager::Pip => files.read(name).is_some_and(|text| text.contains("--hash=")),
            _ => files.exists(name),
        })
        .collect();
    // A module that needs nothing from elsewhere is locked by its `go.mod` alone.
    if ecosystem == Ecosystem::Go
        && found.is_empty()
        && let Some(text) = files.read("go.mod")
        && !go_requirements(&text).is_empty()
        && go_remote_requirements(&text).is_empty()
    {
        found.push(("go.mod", Manager::Go));
    }
    found
}

/// Whether a manifest names any package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Nothing,
    ForPackages,
}

/// The manifest that counts: the first that asks for packages, or else the first.
fn manifest(files: &impl Files, ecosystem: Ecosystem, wanted: Option<Manager>) -> Option<(&'static str, Asks)> {
    let mut first = None;
    for name in ecosystem.manifests() {
        let Some(text) = files.read(name) else { continue };
        // Where uv or poetry is meant, a list of requirements is no manifest; for pip it is the only one.
        let other = match wanted {
            Some(Manager::Pip) => *name != "requirements.txt",
            Some(Manager::Uv | Manager::Poetry) => *name == "requirements.txt",
            _ => false,
        };
        if other {
            continue;
        }
        let asks = if asks_for_packages(name, &text) { Asks::ForPackages } else { Asks::Nothing };
        if asks == Asks::ForPackages {
            return Some((name, asks));
        }
        first = first.or(Some((*name, asks)));
    }
    first
}

/// Where a manifest cannot be understood it is taken to ask for packages: its own tool will say what is wrong with it.
fn asks_for_packages(name: &str, text: &str) -> bool {
    match name {
        "package.json" => serde_json::from_str::<Value>(text).map_or(true, |manifest| {
            ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"]
                .iter()
                .any(|key| manifest.get(key).and_then(Value::as_object).is_some_and(|map| !map.is_empty()))
                || manifest.get("workspaces").is_some()
        }),
        "composer.json" => serde_json::from_str::<Value>(text).map_or(true, |manifest| {
            ["require", "require-dev"]
                .iter()
                .filter_map(|key| manifest.get(key).and_then(Value::as_object))
                .flat_map(|map| map.keys())
                .any(|package| package.contains('/'))
        }),
        "pyproject.toml" => {
            text.parse::<toml::Table>().map_or(true, |manifest| !python_dependencies(&manifest).is_empty())
        }
        "requirements.txt" => text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')),
        "go.mod" => !go_requirements(text).is_empty(),
        "Gemfile" | "gems.rb" => text.lines().map(str::trim_start).any(|line| {
            ["gem ", "gem(", "gemspec"].iter().any(|word| line.starts_with(word)) || line.starts_with("eval_gemfile")
        }),
        _ => true,
    }
}

/// The names that a `pyproject.toml` depends on, in the tables of the standard and of poetry, normalised.
pub(crate) fn python_dependencies(manifest: &toml::Table) -> Vec<String> {
    let table = |value: Option<&toml::Value>, key: &str| value.and_then(|value| value.get(key)).cloned();
    let project = manifest.get("project");
    let poetry = manifest.get("tool").and_then(|tool| tool.get("poetry"));
    let mut lists = vec![table(project, "dependencies")];
    lists.extend(groups(project.and_then(|project| project.get("optional-dependencies"))));
    lists.extend(groups(manifest.get("dependency-groups")));
    let mut tables = vec![table(poetry, "dependencies"), table(poetry, "dev-dependencies")];
    tables.extend(
        groups(poetry.and_then(|poetry| poetry.get("group")))
            .into_iter()
            .map(|group| group.and_then(|group| group.get("dependencies").cloned())),
    );
    let listed = lists.into_iter().flatten().filter_map(|list| list.as_array().cloned()).flatten();
    let mut names: Vec<String> = listed.filter_map(|item| item.as_str().map(requirement_name)).collect();
    let keyed = tables.into_iter().flatten().filter_map(|table| table.as_table().cloned());
    names.extend(keyed.flat_map(|table| table.keys().map(|name| requirement_name(name)).collect::<Vec<_>>()));
    names.retain(|name| name != "python" && !name.is_empty());
    names.sort();
    names.dedup();
    names
}

/// The values of a table of groups.
fn groups(table: Option<&toml::Value>) -> Vec<Option<toml::Value>> {
    table.and_then(toml::Value::as_table).map(|table| table.values().cloned().map(Some).collect()).unwrap_or_default()
}

/// `Greeting_Card[extra]>=1; marker` is `greeting-card`.
pub(crate) fn requirement_name(requirement: &str) -> String {
    let end = requirement.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
    let name = &requirement[..end.unwrap_or(requirement.len())];
    name.to_ascii_lowercase().split(['-', '_', '.']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// The lines of a block such as `require ( … )` and of its one-line form, without comments.
fn go_directive<'text>(text: &'text str, name: &str) -> Vec<&'text str> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default().trim();
        if inside {
            inside = line != ")";
            if inside && !line.is_empty() {
                found.push(line);
            }
        } else if let Some(rest) = line.strip_prefix(name).map(str::trim_start) {
            if rest.starts_with('(') {
                inside = true;
            } else if line[name.len()..].starts_with([' ', '\t']) {
                found.push(rest);
            }
        }
    }
    found
}

/// The modules that a `go.mod` requires, with their versions.
pub(crate) fn go_requirements(text: &str) -> Vec<(String, String)> {
    go_directive(text, "require")
        .iter()
        .filter_map(|line| line.split_once(char::is_whitespace))
        .map(|(module, version)| (module.into(), version.trim().into()))
        .collect()
}

/// Those that do not come from a folder beside it, and so need a line in `go.sum`.
fn go_remote_requirements(text: &str) -> Vec<(String, String)> {
    let local: Vec<_> = go_directive(text, "replace")
        .iter()
        .filter_map(|line| line.split_once("=>"))
        .filter(|(_, target)| target.trim().starts_with(['.', '/']))
        .filter_map(|(module, _)| module.split_whitespace().next())
        .collect();
    go_requirements(text).into_iter().filter(|(module, _)| !local.contains(&module.as_str())).collect()
}

/// Which yarn wrote a `yarn.lock`.
fn generation(files: &impl Files, lockfile: &str, manager: Manager) -> Manager {
    match manager {
        Manager::Yarn if files.read(lockfile).is_some_and(|text| text.lines().any(|line| line == "__metadata:")) => {
            Manager::YarnBerry
        }
        other => other,
    }
}

/// How a folder is called in a message.
fn place(directory: &str) -> String {
    if directory == "." { "the project's folder".into() } else { format!("`{directory}`") }
}

fn ambiguous(directory: &str, locks: &[(&str, Manager)]) -> Failure {
    let names: Vec<_> = locks.iter().map(|(name, _)| format!("`{name}`")).collect();
    let names = match names.as_slice() {
        [one, two] => format!("{one} and {two}"),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
        [] => String::new(),
    };
    let failure = Failure::misconfigured(
        "lockfile-ambiguous",
        format!("it is not clear what installs the dependencies of {}", place(directory)),
    )
    .because(
        format!("{names} are both there and lock the same packages")
            .replace("are both there", if locks.len() > 2 { "are all there" } else { "are both there" }),
    );
    let first = locks[0].1.name();
    if locks.iter().all(|(_, manager)| manager.name() == first) {
        failure.with_hint("delete the one that is not kept up to date")
    } else {
        failure.with_hint(format!("delete all but one, or name the one that counts: `manager = \"{first}\"`"))
    }
}

fn lockfile_missing(directory: &str, manifest: &str, ecosystem: Ecosystem, wanted: Option<Manager>) -> Failure {
    let manager = wanted.unwrap_or_else(|| match (ecosystem, manifest) {
        (_, "requirements.txt") => Manager::Pip,
        (other, _) => other.usual_manager(),
    });
    let failure = Failure::misconfigured(
        "lockfile-missing",
        format!("the dependencies of {} cannot be installed as they were tested", place(directory)),
    );
    let hint = match (ecosystem, manager) {
        (_, Manager::Pip) => {
            return failure
                .because("`requirements.txt` names no hashes, so it locks nothing")
                .with_hint(format!("run `{}` and commit the file", manager.lock_command()));
        }
        (Ecosystem::Rust, _) => format!(
            "run `{}` and commit the file; in a workspace, set `directory` to the folder of its `Cargo.lock`",
            manager.lock_command()
        ),
        _ => format!("run `{}` and commit the lockfile", manager.lock_command()),
    };
    failure.because(format!("`{manifest}` has no lockfile beside it")).with_hint(hint)
}

fn manifest_missing(directory: &str, lockfile: &str, ecosystem: Ecosystem) -> Failure {
    Failure::misconfigured("manifest-missing", format!("the dependencies of {} cannot be installed", place(directory)))
        .because(format!("`{lockfile}` is there and `{}` is not", ecosystem.manifests()[0]))
        .with_hint(format!("restore `{}`, or delete `{lockfile}`", ecosystem.manifests()[0]))
}

fn nothing_there(directory: &str, wanted: Option<Manager>) -> Failure {
    let what =
        wanted.map_or_else(|| "lockfile that is known".into(), |manager| format!("lockfile of {}", manager.name()));
    Failure::misconfigured(
        "nothing-to-install",
        format!("there are no dependencies to install in {}", place(directory)),
    )
    .because(format!("there is no {what}, and no manifest"))
    .with_hint("set `directory` to the folder that holds the lockfile, or take the step out")
}

#[cfg(test)]
mod tests {
    use super::{Project, projects, python_dependencies, requirement_name};
    use crate::manager::Manager;
    use crate::world::fake::Fake;

    const PACKAGES: (&str, &str) = ("package.json", r#"{"dependencies":{"ms":"^2"}}"#);
    const PYTHON: (&str, &str) = ("pyproject.toml", "[project]\ndependencies = [\"idna\"]\n");
    const HASHED: (&str, &str) = ("requirements.txt", "idna==3.4 \\\n    --hash=sha256:90b7\n");

    fn found(files: &[(&str, &str)], wanted: Option<Manager>) -> Vec<(Manager, String)> {
        projects(&Fake::with(files), ".", wanted)
            .unwrap()
            .into_iter()
            .map(|Project { manager, lockfile }| (manager, lockfile))
            .collect()
    }

    #[test]
    fn each_lockfile_is_recognised() {
        let cargo = ("Cargo.toml", "[package]");
        let gems = ("Gemfile", "gem \"rake\"");
        let php = ("composer.json", r#"{"require":{"psr/log":"^3"}}"#);
        let go = ("go.mod", "module m\nrequire a.b/c v1.0.0\n");
        let cases: &[(&[(&str, &str)], Manager)] = &[
            (&[cargo, ("Cargo.lock", "")], Manager::Cargo),
            (&[PACKAGES, ("package-lock.json", "")], Manager::Npm),
            (&[PACKAGES, ("npm-shrinkwrap.json", "")], Manager::Npm),
            (&[PACKAGES, ("pnpm-lock.yaml", "")], Manager::Pnpm),
            (&[PACKAGES, ("yarn.lock", "# yarn lockfile v1\n")], Manager::Yarn),
            (&[PACKAGES, ("yarn.lock", "__metadata:\n  version: 8\n")], Manager::YarnBerry),
            (&[PACKAGES, ("bun.lock", "")], Manager::Bun),
            (&[PACKAGES, ("bun.lockb", "")], Manager::Bun),
            (&[HASHED], Manager::Pip),
            (&[PYTHON, ("uv.lock", "")], Manager::Uv),
            (&[PYTHON, ("poetry.lock", "")], Manager::Poetry),
            (&[go, ("go.sum", "")], Manager::Go),
            (&[gems, ("Gemfile.lock", "")], Manager::Bundler),
            (&[php, ("composer.lock", "")], Manager::Composer),
        ];
        for (files, manager) in cases {
            let lockfile = files[files.len() - 1].0.to_string();
            assert_eq!(found(files, None), [(*manager, lockfile)], "{files:?}");
        }
    }

    #[test]
    fn several_ecosystems_share_a_folder() {
        let files = [("Gemfile", "gem 'rails'"), ("Gemfile.lock", ""), PACKAGES, ("yarn.lock", "")];
        assert_eq!(found(&files, None).len(), 2);
        assert_eq!(found(&files, Some(Manager::Bundler)), [(Manager::Bundler, "Gemfile.lock".into())]);
    }

    #[test]
    fn two_lockfiles_of_one_ecosystem_are_refused_by_name() {
        let cases: &[&[(&str, &str)]] = &[
            &[PACKAGES, ("package-lock.json", ""), ("yarn.lock", "")],
            &[PACKAGES, ("package-lock.json", ""), ("npm-shrinkwrap.json", "")],
            &[PACKAGES, ("bun.lock", ""), ("bun.lockb", "")],
            &[PYTHON, ("uv.lock", ""), ("poetry.lock", "")],
            &[PYTHON, ("uv.lock", ""), HASHED],
        ];
        for files in cases {
            let failure = projects(&Fake::with(files), "web", None).unwrap_err();
            assert_eq!(failure.code, "lockfile-ambiguous");
            for (name, _) in &files[1..] {
                assert!(failure.causes[0].contains(&format!("`{name}`")), "{failure:?}");
            }
        }
        assert_eq!(found(cases[0], Some(Manager::Npm)), [(Manager::Npm, "package-lock.json".into())]);
        assert_eq!(found(cases[4], Some(Manager::Pip)), [(Manager::Pip, "requirements.txt".into())]);
        assert_eq!(projects(&Fake::with(cases[1]), ".", Some(Manager::Npm)).unwrap_err().code, "lockfile-ambiguous");
    }

    #[test]
    fn a_list_without_hashes_is_no_lockfile() {
        let list = ("requirements.txt", "idna==3.4\n");
        assert_eq!(found(&[PYTHON, ("uv.lock", ""), list], None), [(Manager::Uv, "uv.lock".into())]);
        let failure = projects(&Fake::with(&[list]), ".", None).unwrap_err();
        assert_eq!(failure.code, "lockfile-missing");
        assert!(failure.hint.unwrap().contains("--generate-hashes"));
    }

    #[test]
    fn a_manifest_without_a_lockfile_is_refused_where_it_asks_for_packages() {
        let cases: &[(&str, &str, bool)] = &[
            ("Cargo.toml", "[package]", true),
            ("package.json", PACKAGES.1, true),
            ("package.json", r#"{"type":"module"}"#, false),
            ("package.json", "not json", true),
            ("pyproject.toml", PYTHON.1, true),
            ("pyproject.toml", "[tool.ruff]\nline-length = 100\n", false),
            ("pyproject.toml", "[tool.poetry.dependencies]\npython = \"^3.9\"\n", false),
            ("requirements.txt", "# none yet\n", false),
            ("go.mod", "module m\n\ngo 1.22\n", false),
            ("go.mod", "module m\nrequire (\n\ta.b/c v1.0.0 // indirect\n)\n", true),
            ("Gemfile", "source 'https://example.test'\n", false),
            ("Gemfile", "  gem 'rake'\n", true),
            ("composer.json", r#"{"require":{"php":">=8","ext-json":"*"}}"#, false),
            ("composer.json", r#"{"require":{"psr/log":"^3"}}"#, true),
        ];
        for (name, text, refused) in cases {
            let result = projects(&Fake::with(&[(name, text)]), ".", None);
            assert_eq!(result.is_err(), *refused, "{name}: {text}");
            match result {
                Ok(projects) => assert_eq!(projects, []),
                Err(failure) => {
                    assert_eq!(failure.code, "lockfile-missing");
                    assert!(failure.hint.is_some());
                }
            }
        }
    }

    #[test]
    fn modules_from_folders_need_no_sums() {
        let text = "module m\nrequire a.b/c v1.0.0\nreplace a.b/c => ../c\n";
        assert_eq!(found(&[("go.mod", text)], None), [(Manager::Go, "go.mod".into())]);
        let elsewhere = "module m\nrequire a.b/c v1.0.0\nreplace a.b/c => d.e/c v1.1.0\n";
        assert_eq!(projects(&Fake::with(&[("go.mod", elsewhere)]), ".", None).unwrap_err().code, "lockfile-missing");
    }

    #[test]
    fn an_empty_folder_and_a_lone_lockfile_are_refused() {
        assert_eq!(projects(&Fake::with(&[]), ".", None).unwrap_err().code, "nothing-to-install");
        assert_eq!(projects(&Fake::with(&[PACKAGES]), ".", Some(Manager::Go)).unwrap_err().code, "nothing-to-install");
        assert_eq!(projects(&Fake::with(&[("Cargo.lock", "")]), ".", None).unwrap_err().code, "manifest-missing");
    }

    #[test]
    fn python_names_are_normalised() {
        assert_eq!(requirement_name("Greeting_Card[x]>=1; python_version<'3'"), "greeting-card");
        let manifest = "[project]\ndependencies=['A.b>1']\n[dependency-groups]\ndev=['c', {include-group='x'}]\n\
            [tool.poetry.dependencies]\npython='*'\nd='1'\n[tool.poetry.group.test.dependencies]\ne='*'\n";
        assert_eq!(python_dependencies(&manifest.parse().unwrap()), ["a-b", "c", "d", "e"]);
    }
}
