//! Whether yarn from its second generation on has installed all that is locked. It has no command that only looks, so its
//! note in `node_modules` is compared with `yarn.lock`, and that with the manifests. Where that leaves a doubt, yarn is run.

use crate::standing::Standing;
use crate::world::Files;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Where yarn writes what it installed, unless it is set to install nothing into `node_modules`.
const NOTE: &str = "node_modules/.yarn-state.yml";

/// One entry of `yarn.lock`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry<'text> {
    resolution: &'text str,
    /// Only for some machines; on others it is not installed.
    conditional: bool,
    dependencies: BTreeMap<&'text str, &'text str>,
}

/// How what is installed stands to what is locked. Never says that the lockfile drifted: yarn itself does.
pub(crate) fn standing(files: &impl Files, lockfile: &str) -> Standing {
    doubt(files, lockfile).map_or(Standing::Installed, Standing::Missing)
}

/// Why it is not certain that everything is installed.
fn doubt(files: &impl Files, lockfile: &str) -> Option<String> {
    let Some(note) = files.read(NOTE) else { return Some(format!("there is no `{NOTE}`")) };
    let lock = files.read(lockfile).unwrap_or_default();
    let entries = entries(&lock);
    let (installed, folders) = installed(&note);
    if let Some(entry) = entries.iter().find(|entry| !entry.conditional && !installed.contains(entry.resolution)) {
        return Some(format!("`{}` is not installed", entry.resolution));
    }
    if let Some(more) = installed.iter().find(|name| !entries.iter().any(|entry| entry.resolution == **name)) {
        return Some(format!("`{more}` is installed and not locked"));
    }
    if let Some(folder) = folders.iter().find(|folder| !files.exists(folder)) {
        return Some(format!("`{folder}` is gone"));
    }
    let workspaces = entries.iter().filter_map(|entry| Some((entry.resolution.split_once("@workspace:")?.1, entry)));
    for (folder, entry) in workspaces {
        let name = if folder == "." { "package.json".into() } else { format!("{folder}/package.json") };
        if !files.read(&name).is_some_and(|text| agrees(&text, entry)) {
            return Some(format!("`{name}` may ask for something else than `{lockfile}` has"));
        }
    }
    None
}

/// A line without its quotes.
fn bare(text: &str) -> &str {
    text.trim().trim_matches('"')
}

/// The entries of a `yarn.lock`. It is YAML, always written in the same way.
fn entries(lock: &str) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = vec![];
    let mut in_dependencies = false;
    for line in lock.lines() {
        let depth = line.len() - line.trim_start().len();
        // No key that matters has a colon of its own.
        let Some((key, value)) = line.trim().split_once(':') else { continue };
        let (key, value) = (bare(key), bare(value));
        match (depth, entries.last_mut()) {
            (0, _) if !line.starts_with('#') => entries.push(Entry::default()),
            (2, Some(entry)) => {
                in_dependencies = key == "dependencies";
                match key {
                    "resolution" => entry.resolution = value,
                    "conditions" => entry.conditional = true,
                    _ => {}
                }
            }
            (4, Some(entry)) if in_dependencies => drop(entry.dependencies.insert(key, value)),
            _ => {}
        }
    }
    entries.retain(|entry| !entry.resolution.is_empty());
    entries
}

/// What the note says is installed, and where.
fn installed(note: &str) -> (BTreeSet<&str>, Vec<&str>) {
    let names =
        note.lines().filter(|line| line.starts_with('"')).map(|line| bare(line.trim_end().trim_end_matches(':')));
    let folders = note.lines().filter_map(|line| line.trim_start().strip_prefix("- ")).map(bare);
    (names.collect(), folders.filter(|folder| !folder.is_empty()).collect())
}

/// Whether a manifest asks for what its entry in the lockfile was made from.
fn agrees(manifest: &str, entry: &Entry<'_>) -> bool {
    let Ok(manifest) = serde_json::from_str::<Value>(manifest) else { return false };
    // These change what is locked, and are not in the entry.
    if ["resolutions", "dependenciesMeta", "pnpm", "packageExtensions"].iter().any(|key| manifest.get(key).is_some()) {
        return false;
    }
    let mut wanted: BTreeMap<&str, &str> = BTreeMap::new();
    for key in ["dependencies", "devDependencies", "optionalDependencies"] {
        for (name, range) in manifest.get(key).and_then(Value::as_object).into_iter().flatten() {
            let Some(range) = range.as_str() else { return false };
            wanted.insert(name, range);
        }
    }
    let same = |name: &str, range: &str| {
        entry
            .dependencies
            .get(name)
            .is_some_and(|locked| *locked == range || locked.strip_prefix("npm:") == Some(range))
    };
    wanted.len() == entry.dependencies.len() && wanted.iter().all(|(name, range)| same(name, range))
}

#[cfg(test)]
mod tests {
    use super::{NOTE, standing};
    use crate::standing::Standing;
    use crate::world::fake::Fake;

    const LOCK: &str = r#"# This file is generated by running "yarn install" inside your project.

__metadata:
  version: 8

"app@workspace:.":
  version: 0.0.0-use.local
  resolution: "app@workspace:."
  dependencies:
    "@scope/tool": "npm:^2.0.0"
    lib: "workspace:^"
  languageName: unknown
  linkType: soft

"@scope/tool@npm:^2.0.0":
  version: 2.1.0
  resolution: "@scope/tool@npm:2.1.0"
  dependencies:
    fsevents: "npm:~2.3.2"
  dependenciesMeta:
    fsevents:
      optional: true
  checksum: 10c0/0a

"fsevents@npm:~2.3.2":
  version: 2.3.3
  resolution: "fsevents@npm:2.3.3"
  conditions: os=darwin

"lib@workspace:^, lib@workspace:packages/lib":
  version: 0.0.0-use.local
  resolution: "lib@workspace:packages/lib"
  languageName: unknown
"#;
    const STATE: &str = r#"# Warning: This file is automatically generated.

__metadata:
  version: 1
  nmMode: classic

"@scope/tool@npm:2.1.0":
  locations:
    - "node_modules/@scope/tool"

"app@workspace:.":
  locations:
    - ""

"lib@workspace:packages/lib":
  locations:
    - "packages/lib"
"#;
    const MANIFEST: &str = r#"{"dependencies":{"lib":"workspace:^"},"devDependencies":{"@scope/tool":"^2.0.0"}}"#;

    fn with(changes: &[(&str, Option<&str>)]) -> Standing {
        let mut world = Fake::with(&[
            ("yarn.lock", LOCK),
            (NOTE, STATE),
            ("package.json", MANIFEST),
            ("packages/lib/package.json", "{}"),
            ("packages/lib", ""),
            ("node_modules/@scope/tool", ""),
        ]);
        for (name, text) in changes {
            match text {
                Some(text) => world.files.insert((*name).into(), (*text).into()),
                None => world.files.remove(*name),
            };
        }
        standing(&world, "yarn.lock")
    }

    fn why(changes: &[(&str, Option<&str>)]) -> String {
        match with(changes) {
            Standing::Missing(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_that_is_locked_is_installed() {
        assert_eq!(with(&[]), Standing::Installed);
    }

    #[test]
    fn what_is_missing_superfluous_or_gone_is_named() {
        assert_eq!(why(&[(NOTE, None)]), format!("there is no `{NOTE}`"));
        let less = STATE.replace("@scope/tool@npm:2.1.0", "@scope/tool@npm:2.0.0");
        assert_eq!(why(&[(NOTE, Some(&less))]), "`@scope/tool@npm:2.1.0` is not installed");
        let more = format!("{STATE}\n\"old@npm:1.0.0\":\n  locations:\n    - \"node_modules/old\"\n");
        assert_eq!(why(&[(NOTE, Some(&more))]), "`old@npm:1.0.0` is installed and not locked");
        assert_eq!(why(&[("node_modules/@scope/tool", None)]), "`node_modules/@scope/tool` is gone");
    }

    #[test]
    fn a_manifest_that_may_ask_for_something_else_leaves_a_doubt() {
        for manifest in [
            "{}",
            "no JSON",
            &MANIFEST.replace("^2.0.0", "^2.1.0"),
            &MANIFEST.replace("@scope/tool", "@scope/other"),
            &MANIFEST.replace("{\"dependencies", "{\"resolutions\":{},\"dependencies"),
        ] {
            assert!(why(&[("package.json", Some(manifest))]).starts_with("`package.json` may ask"), "{manifest}");
        }
        let lib = r#"{"dependencies":{"ms":"^2"}}"#;
        assert!(why(&[("packages/lib/package.json", Some(lib))]).starts_with("`packages/lib/package.json` may ask"));
        assert!(why(&[("packages/lib/package.json", None)]).starts_with("`packages/lib/package.json` may ask"));
    }
}
