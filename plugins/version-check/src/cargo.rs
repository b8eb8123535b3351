//! What `cargo metadata` says: the versions of a workspace with everything inherited filled in.

use crate::document::{self, Node, Place, Value};
use cargo_metadata::{Metadata, MetadataCommand, Package};
use windlass_plugin::Failure;

/// Whether a `Cargo.toml` leaves to its workspace what is looked for here, or is one.
pub(crate) fn asks_workspace(manifest: &Node) -> bool {
    let inherited = |key| manifest.get(&["package", key]).is_some_and(|node| matches!(node.value, Value::Table(_)));
    manifest.get(&["workspace"]).is_some() || inherited("version") || inherited("rust-version")
}

/// Read what cargo printed.
///
/// # Errors
/// `cargo-unreadable` where this is not its metadata.
pub(crate) fn read(json: &str) -> Result<Metadata, Failure> {
    MetadataCommand::parse(json).map_err(|error| {
        Failure::unavailable("cargo-unreadable", "what `cargo metadata` printed cannot be read").because(error)
    })
}

/// The version of an application that is a workspace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// This one, of this package.
    One {
        /// The package.
        package: String,
        /// Its version.
        version: String,
    },
    /// The members differ, and nothing says which of them is the application.
    Several(Vec<String>),
}

/// Choose the package that is the application: the one that is named, the manifest's own, or the one that all that can be
/// run agree with.
///
/// # Errors
/// `package-unknown` where the named one does not exist.
pub(crate) fn choose(metadata: &Metadata, named: Option<&str>, own: Option<&str>) -> Result<Chosen, Failure> {
    let members = metadata.workspace_packages();
    let one =
        |package: &Package| Chosen::One { package: package.name.to_string(), version: package.version.to_string() };
    let find = |name: &str| members.iter().find(|package| package.name.as_str() == name);
    if let Some(name) = named {
        let names = members.iter().map(|package| format!("`{}`", package.name)).collect::<Vec<_>>().join(", ");
        return find(name).map(|package| one(package)).ok_or_else(|| {
            Failure::misconfigured("package-unknown", format!("the workspace has no package `{name}`"))
                .because(format!("its members are {names}"))
                .with_hint("correct `package` in the step's `with`")
        });
    }
    if let Some(package) = own.and_then(find) {
        return Ok(one(package));
    }
    let runs = |package: &&&Package| package.targets.iter().any(cargo_metadata::Target::is_bin);
    let with_programs: Vec<_> = members.iter().filter(runs).collect();
    for candidates in [members.iter().collect::<Vec<_>>(), with_programs] {
        if let Some((first, rest)) = candidates.split_first()
            && rest.iter().all(|package| package.version == first.version)
        {
            return Ok(one(first));
        }
    }
    Ok(Chosen::Several(members.iter().map(|package| format!("{} {}", package.name, package.version)).collect()))
}

/// The members that ask for the newest Rust: manifest, relative to the workspace, and `rust-version`. Cargo writes it with
/// three numbers whatever the manifest says.
pub(crate) fn newest_rust(metadata: &Metadata) -> Option<(String, String)> {
    let members = metadata.workspace_packages();
    let newest = members.iter().filter_map(|package| Some((package.rust_version.as_ref()?, *package)));
    let (version, package) = newest.max_by(|(one, _), (two, _)| one.cmp_precedence(two))?;
    let path = package.manifest_path.strip_prefix(&metadata.workspace_root).ok()?;
    Some((path.as_str().replace('\\', "/"), version.to_string()))
}

/// The `rust-version` of one package.
pub(crate) fn rust_version(metadata: &Metadata, name: &str) -> Option<String> {
    let members = metadata.workspace_packages();
    let package = members.iter().find(|package| package.name.as_str() == name)?;
    Some(package.rust_version.as_ref()?.to_string())
}

/// Where the version that cargo told stands: in the manifest itself, or in what its workspace shares.
pub(crate) fn version_place(file: &str, manifest: &Node) -> Place {
    let own = manifest.get(&["package", "version"]);
    let shared = manifest.get(&["workspace", "package", "version"]);
    let whole = manifest.get(&["package"]).or_else(|| manifest.get(&["workspace"]));
    let line = shared.or(own).or(whole).map_or(1, |node| node.line);
    Place { file: file.into(), line }
}

/// A manifest's own `rust-version`, as it is written, and its line.
pub(crate) fn written_rust_version(file: &str, text: &str) -> Option<(u32, String)> {
    let tree = document::toml(file, text).ok()?;
    let node = tree.get(&["package", "rust-version"])?;
    Some((node.line, node.text()?.to_owned()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What cargo prints for these members: name, version, whether it has a program, `rust-version`.
    pub(crate) fn metadata(members: &[(&str, &str, bool, Option<&str>)]) -> String {
        let id = |name: &str| format!("path+file:///project/{name}#{name}");
        let packages: Vec<_> = members
            .iter()
            .map(|(name, version, runs, rust)| {
                let kind = if *runs { "bin" } else { "lib" };
                serde_json::json!({
                    "name": name, "version": version, "id": id(name), "license": null, "license_file": null,
                    "description": null, "source": null, "dependencies": [], "features": {}, "authors": [],
                    "manifest_path": format!("/project/{name}/Cargo.toml"), "edition": "2024", "rust_version": rust,
                    "targets": [{ "kind": [kind], "crate_types": [kind], "name": name, "edition": "2024",
                        "src_path": format!("/project/{name}/src/x.rs"), "doc": true, "doctest": false, "test": true }],
                    "metadata": null, "publish": null, "categories": [], "keywords": [], "readme": null,
                    "repository": null, "homepage": null, "documentation": null, "links": null, "default_run": null,
                })
            })
            .collect();
        let ids: Vec<_> = members.iter().map(|(name, ..)| id(name)).collect();
        serde_json::json!({
            "packages": packages, "workspace_members": ids, "workspace_default_members": ids, "resolve": null,
            "target_directory": "/project/target", "version": 1, "workspace_root": "/project", "metadata": null,
        })
        .to_string()
    }

    fn chosen(members: &[(&str, &str, bool, Option<&str>)], named: Option<&str>, own: Option<&str>) -> Chosen {
        choose(&read(&metadata(members)).expect("metadata"), named, own).expect("a choice")
    }

    fn one(package: &str, version: &str) -> Chosen {
        Chosen::One { package: package.into(), version: version.into() }
    }

    #[test]
    fn the_application_s_package_is_found_where_there_can_be_no_doubt() {
        let members =
            &[("shop", "1.3.0", true, None), ("model", "0.4.0", false, None), ("tests", "0.0.0", false, None)];
        assert_eq!(chosen(members, Some("model"), Some("shop")), one("model", "0.4.0"), "named");
        assert_eq!(chosen(members, None, Some("shop")), one("shop", "1.3.0"), "the manifest's own");
        assert_eq!(chosen(members, None, None), one("shop", "1.3.0"), "the only program");
        let same = &[("a", "1.0.0", false, None), ("b", "1.0.0", false, None)];
        assert_eq!(chosen(same, None, None), one("a", "1.0.0"), "all agree");
        let programs = &[("a", "1.0.0", true, None), ("b", "2.0.0", true, None)];
        assert_eq!(chosen(programs, None, None), Chosen::Several(vec!["a 1.0.0".into(), "b 2.0.0".into()]));
        assert_eq!(chosen(&[], None, None), Chosen::Several(vec![]));
    }

    #[test]
    fn a_package_that_does_not_exist_is_named() {
        let metadata = read(&metadata(&[("shop", "1.0.0", true, None)])).expect("metadata");
        let failure = choose(&metadata, Some("shob"), None).expect_err("unknown");
        assert_eq!((failure.code.as_str(), failure.causes[0].as_str()), ("package-unknown", "its members are `shop`"));
    }

    #[test]
    fn the_newest_rust_of_the_members_counts() {
        let members =
            [("a", "1.0.0", true, Some("1.90")), ("b", "1.0.0", false, Some("1.100.1")), ("c", "1.0.0", false, None)];
        let metadata = read(&metadata(&members)).expect("metadata");
        assert_eq!(newest_rust(&metadata), Some(("b/Cargo.toml".into(), "1.100.1".into())));
    }

    #[test]
    fn cargo_is_asked_only_about_workspaces() {
        for (text, asks) in [
            ("[package]\nversion = \"1.0.0\"\nrust-version = \"1.95\"", false),
            ("[package]\nversion.workspace = true", true),
            ("[package]\nversion = \"1.0.0\"\nrust-version = { workspace = true }", true),
            ("[workspace]\nmembers = []", true),
        ] {
            assert_eq!(asks_workspace(&document::toml("Cargo.toml", text).expect("valid")), asks, "{text}");
        }
    }

    #[test]
    fn other_words_are_not_taken_for_metadata() {
        for text in ["", "{}", "error: no", "{\"packages\": 1}"] {
            assert_eq!(read(text).expect_err(text).code, "cargo-unreadable");
        }
    }
}
