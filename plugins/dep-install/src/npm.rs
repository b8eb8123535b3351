//! Whether `node_modules` is what `package-lock.json` says, by npm's own note of what it installed.

use crate::world::Files;
use serde_json::{Map, Value};

/// The note that npm leaves in `node_modules`.
pub(crate) const NOTE: &str = "node_modules/.package-lock.json";

/// What differs between the lockfile and what is installed; none where nothing does.
pub(crate) fn difference(files: &impl Files, lockfile: &str, production: bool) -> Option<String> {
    let Some(locked) = files.read(lockfile).as_deref().and_then(packages) else {
        return Some(format!("`{lockfile}` has no `packages`"));
    };
    let Some(note) = files.read(NOTE) else { return Some("`node_modules` was not made by npm yet".into()) };
    let Some(installed) = packages(&note) else { return Some(format!("`{NOTE}` cannot be read")) };
    for (path, package) in &locked {
        if path.is_empty() {
            continue;
        }
        match installed.get(path) {
            Some(other) if same(package, other) => {
                if !files.exists(path) {
                    return Some(format!("`{path}` is not there"));
                }
            }
            Some(_) => return Some(format!("`{path}` is another version")),
            // npm leaves out what is for another platform.
            None if is(package, "optional") || is(package, "devOptional") => {}
            None if production && is(package, "dev") => {}
            None => return Some(format!("`{path}` is not installed")),
        }
        if production && is(package, "dev") && installed.contains_key(path) {
            return Some(format!("`{path}` is for development only and is installed"));
        }
    }
    let extra = installed.keys().find(|path| !locked.contains_key(*path));
    extra.map(|path| format!("`{path}` is installed and not locked"))
}

/// Whether the manifests say what the lockfile took over from them. Where not, only npm itself can tell whether it
/// matters.
pub(crate) fn manifests_agree(files: &impl Files, lockfile: &str) -> bool {
    let Some(locked) = files.read(lockfile).as_deref().and_then(packages) else { return false };
    locked.iter().filter(|(path, _)| !path.contains("node_modules/")).all(|(path, package)| {
        let name = if path.is_empty() { "package.json".into() } else { format!("{path}/package.json") };
        let Some(manifest) = files.read(&name).and_then(|text| serde_json::from_str::<Value>(&text).ok()) else {
            return false;
        };
        // Overrides decide what is locked and are not noted in the lockfile.
        manifest.get("overrides").is_none()
            && KINDS.iter().all(|kind| entries(&manifest, kind) == entries(package, kind))
    })
}

/// The tables of a manifest that a lockfile repeats.
const KINDS: [&str; 4] = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];

fn entries(value: &Value, kind: &str) -> Map<String, Value> {
    value.get(kind).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn packages(text: &str) -> Option<Map<String, Value>> {
    match serde_json::from_str::<Value>(text).ok()?.get_mut("packages")?.take() {
        Value::Object(packages) => Some(packages),
        _ => None,
    }
}

fn is(package: &Value, flag: &str) -> bool {
    package.get(flag) == Some(&Value::Bool(true))
}

fn same(locked: &Value, installed: &Value) -> bool {
    ["version", "resolved", "integrity", "link"].iter().all(|key| locked.get(key) == installed.get(key))
}

#[cfg(test)]
mod tests {
    use super::{NOTE, difference, manifests_agree};
    use crate::world::fake::Fake;

    const LOCK: &str = r#"{"packages":{
        "":{"dependencies":{"ms":"^2"},"devDependencies":{"tap":"1"}},
        "node_modules/ms":{"version":"2.1.3","integrity":"sha512-a"},
        "node_modules/tap":{"version":"1.0.0","dev":true},
        "node_modules/fsevents":{"version":"2.3.3","optional":true}}}"#;
    const MANIFEST: &str = r#"{"dependencies":{"ms":"^2"},"devDependencies":{"tap":"1"}}"#;
    const ALL: &str = r#""node_modules/ms":{"version":"2.1.3","integrity":"sha512-a"},"node_modules/tap":{"version":"1.0.0","dev":true}"#;
    const MAIN: &str = r#""node_modules/ms":{"version":"2.1.3","integrity":"sha512-a"}"#;

    fn folder(installed: &str) -> Fake {
        Fake::with(&[
            ("package.json", MANIFEST),
            ("package-lock.json", LOCK),
            (NOTE, &format!(r#"{{"packages":{{{installed}}}}}"#)),
            ("node_modules/ms/package.json", "{}"),
            ("node_modules/tap/package.json", "{}"),
        ])
    }

    #[test]
    fn what_is_locked_and_installed_makes_no_difference() {
        assert_eq!(difference(&folder(ALL), "package-lock.json", false), None);
        assert_eq!(difference(&folder(MAIN), "package-lock.json", true), None);
        assert!(manifests_agree(&folder(ALL), "package-lock.json"));
    }

    #[test]
    fn every_difference_is_named() {
        let differs = |folder: &Fake, production| difference(folder, "package-lock.json", production).unwrap();
        assert_eq!(differs(&folder(MAIN), false), "`node_modules/tap` is not installed");
        assert_eq!(differs(&folder(ALL), true), "`node_modules/tap` is for development only and is installed");
        assert_eq!(differs(&folder(&ALL.replace("2.1.3", "2.1.2")), false), "`node_modules/ms` is another version");
        assert_eq!(
            differs(&folder(&ALL.replace("sha512-a", "sha512-b")), false),
            "`node_modules/ms` is another version"
        );
        let extra = format!(r#"{ALL},"node_modules/left":{{"version":"1"}}"#);
        assert_eq!(differs(&folder(&extra), false), "`node_modules/left` is installed and not locked");
        let mut gone = folder(ALL);
        gone.files.remove("node_modules/ms/package.json");
        assert_eq!(differs(&gone, false), "`node_modules/ms` is not there");
        gone.files.remove(NOTE);
        assert_eq!(differs(&gone, false), "`node_modules` was not made by npm yet");
        let old = Fake::with(&[("package-lock.json", r#"{"lockfileVersion":1,"dependencies":{}}"#)]);
        assert_eq!(differs(&old, false), "`package-lock.json` has no `packages`");
    }

    #[test]
    fn a_manifest_that_says_something_else_is_noticed() {
        for manifest in [
            r#"{"dependencies":{"ms":"^3"},"devDependencies":{"tap":"1"}}"#,
            r#"{"dependencies":{"ms":"^2"}}"#,
            r#"{"dependencies":{"ms":"^2"},"devDependencies":{"tap":"1"},"overrides":{"a":"1"}}"#,
            "broken",
        ] {
            let mut changed = folder(ALL);
            changed.files.insert("package.json".into(), manifest.into());
            assert!(!manifests_agree(&changed, "package-lock.json"), "{manifest}");
        }
    }
}
