//! What is generated for other languages than Rust, and kept in the repository: the bindings of C, and what makes a component of a
//! module that was compiled from C. `WRITE_LANGUAGES=1` writes it anew, after the contract or the generator changed.
//!
//! The contract alone does not name what C needs of WASI, because Rust's standard library brings that along. So the world of C
//! is the contract's, and a few interfaces of WASI besides, of which only those functions are kept that `windlass.h` uses: a
//! plugin then imports nothing that it could not use. WASI's own texts are those of the crate that the host links.

use std::path::{Path, PathBuf};
use std::process::Command;
use wasmparser::{Parser, Payload};
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::{Docs, LiftLowerAbi, ManglingAndAbi, Resolve, TypeDefKind, WorldId};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};

const WORLD: &str = "
package windlass:c;

world step {
  include windlass:plugin/step@0.1.0;
  import wasi:cli/environment@0.2.12;
  import wasi:clocks/wall-clock@0.2.12;
  import wasi:filesystem/preopens@0.2.12;
  import wasi:filesystem/types@0.2.12;
  import wasi:http/outgoing-handler@0.2.12;
  import wasi:http/types@0.2.12;
  import wasi:io/poll@0.2.12;
  import wasi:io/streams@0.2.12;
  import wasi:random/random@0.2.12;
}
";

/// What `windlass.h` uses of WASI.
const KEPT: &[(&str, &[&str])] = &[
    ("environment", &["get-environment"]),
    ("error", &[]),
    ("monotonic-clock", &[]),
    ("outgoing-handler", &["handle"]),
    ("poll", &["[method]pollable.block"]),
    ("preopens", &["get-directories"]),
    ("random", &["get-random-u64"]),
    ("streams", &["[method]input-stream.blocking-read", "[method]output-stream.blocking-write-and-flush"]),
    ("wall-clock", &["now"]),
];

const KEPT_OF_FILES: &[&str] = &[
    "[method]descriptor.open-at",
    "[method]descriptor.read",
    "[method]descriptor.read-directory",
    "[method]descriptor.stat-at",
    "[method]descriptor.unlink-file-at",
    "[method]descriptor.write",
    "[method]directory-entry-stream.read-directory-entry",
];

const KEPT_OF_HTTP: &[&str] = &[
    "[constructor]outgoing-request",
    "[method]fields.append",
    "[method]future-incoming-response.get",
    "[method]future-incoming-response.subscribe",
    "[method]incoming-body.stream",
    "[method]incoming-response.consume",
    "[method]incoming-response.status",
    "[method]outgoing-body.write",
    "[method]outgoing-request.body",
    "[method]outgoing-request.set-authority",
    "[method]outgoing-request.set-method",
    "[method]outgoing-request.set-path-with-query",
    "[method]outgoing-request.set-scheme",
    "[constructor]fields",
    "[static]outgoing-body.finish",
];

/// Where WASI's texts are: in the crate of which the host has what it links.
fn wasi() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(e2e::workspace())
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .output()
        .expect("cargo");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("what cargo knows");
    let packages = metadata["packages"].as_array().expect("packages");
    let package = packages.iter().find(|package| package["name"] == "wasmtime-wasi-http").expect("the crate");
    Path::new(package["manifest_path"].as_str().expect("a path")).parent().expect("a directory").join("wit")
}

fn world() -> (Resolve, WorldId) {
    let mut resolve = Resolve::default();
    resolve.push_path(wasi()).expect("WASI");
    resolve.push_path(e2e::workspace().join("wit/v0.1.0")).expect("the contract");
    let package = resolve.push_str("c.wit", WORLD).expect("the world of C");
    let world = resolve.select_world(&[package], Some("step")).expect("the world of C");
    let mut without_docs = vec![];
    for (_, interface) in &mut resolve.interfaces {
        let package = interface.package.map(|id| &resolve.packages[id].name);
        let Some(package) = package.filter(|name| name.namespace == "wasi") else { continue };
        let name = interface.name.as_deref().unwrap_or_default();
        let kept = match (package.name.as_str(), name) {
            ("filesystem", "types") => KEPT_OF_FILES,
            ("http", "types") => KEPT_OF_HTTP,
            _ => KEPT.iter().find(|(kept, _)| *kept == name).map_or(&[][..], |(_, functions)| functions),
        };
        interface.functions.retain(|function, _| kept.contains(&function.as_str()));
        // A person reads WASI's own pages, or `windlass.h`; every project would have all of it again.
        interface.docs = Docs::default();
        for function in interface.functions.values_mut() {
            function.docs = Docs::default();
        }
        without_docs.extend(interface.types.values().copied());
    }
    for id in without_docs {
        let definition = &mut resolve.types[id];
        definition.docs = Docs::default();
        let parts: Vec<&mut Docs> = match &mut definition.kind {
            TypeDefKind::Record(record) => record.fields.iter_mut().map(|field| &mut field.docs).collect(),
            TypeDefKind::Variant(variant) => variant.cases.iter_mut().map(|case| &mut case.docs).collect(),
            TypeDefKind::Enum(words) => words.cases.iter_mut().map(|case| &mut case.docs).collect(),
            TypeDefKind::Flags(flags) => flags.flags.iter_mut().map(|flag| &mut flag.docs).collect(),
            _ => vec![],
        };
        parts.into_iter().for_each(|docs| *docs = Docs::default());
    }
    (resolve, world)
}

/// What is in the repository is what would be written.
fn compare(path: &str, expected: &[u8]) {
    let file = e2e::workspace().join(path);
    if std::env::var_os("WRITE_LANGUAGES").is_some() {
        std::fs::write(&file, expected).expect("a file");
    }
    let found = std::fs::read(&file).unwrap_or_default();
    assert!(
        found == expected,
        "`{path}` is not what the contract gives: WRITE_LANGUAGES=1 cargo test -p e2e --test languages"
    );
}

#[test]
fn the_bindings_of_c_are_what_the_contract_gives() {
    let (mut resolve, world) = world();
    let mut files = Files::default();
    let options = wit_bindgen_c::Opts { no_object_file: true, ..wit_bindgen_c::Opts::default() };
    options.build().generate(&mut resolve, world, &mut files).expect("bindings");
    let names: Vec<&str> = files.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["step.c", "step.h"]);
    for (name, text) in files.iter() {
        compare(&format!("sdk/c/{name}"), text);
    }
}

/// A component of the world of C, with an empty module where the plugin's own goes. All that is around that module is the same for
/// every plugin, so that the host needs no tool that makes components.
#[test]
fn what_makes_a_component_of_a_module_is_what_the_contract_gives() {
    let (resolve, world) = world();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("the type of the component");
    let component =
        ComponentEncoder::default().validate(true).module(&module).expect("a module").encode().expect("a component");
    let range = Parser::new(0)
        .parse_all(&component)
        .find_map(|payload| match payload.expect("a component") {
            Payload::ModuleSection { unchecked_range, .. } => Some(unchecked_range),
            _ => None,
        })
        .expect("the plugin's module");
    // The section's number, and its length in as many bytes as that takes.
    let header = 1 + (usize::BITS - range.len().leading_zeros()).div_ceil(7) as usize;
    let empty = &b"\x01\x08\0asm\x01\0\0\0"[..];
    let wrapper = [&component[..range.start - header], empty, &component[range.end..]].concat();
    assert_eq!(component[range.start - header], 1, "the section of a module");
    compare("host/src/authoring/wrapper.bin", &wrapper);
}

/// The manifest that a project in Rust has for the SDK says of its dependencies what the SDK's own says, through the workspace.
#[test]
fn a_project_in_rust_has_the_dependencies_of_the_sdk() {
    let read = |path: &str| -> toml::Table {
        let text = std::fs::read_to_string(e2e::workspace().join(path)).expect(path);
        text.parse().expect(path)
    };
    let own = read("sdk/Cargo.toml");
    let workspace = read("Cargo.toml");
    let template = read("templates/plugin/rust/windlass-sdk/rust/Cargo.toml");
    let wasm = "cfg(target_family = \"wasm\")";
    let of = |manifest: &toml::Table| -> toml::Table {
        let mut all = manifest["dependencies"].as_table().expect("dependencies").clone();
        all.extend(manifest["target"][wasm]["dependencies"].as_table().expect("those of plugins").clone());
        all
    };
    let expected: toml::Table = of(&own)
        .into_iter()
        .map(|(name, value)| {
            let inherited = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
            let value = if inherited { workspace["workspace"]["dependencies"][&name].clone() } else { value };
            (name, value)
        })
        .collect();
    assert_eq!(of(&template), expected, "write the same into templates/plugin/rust/windlass-sdk/rust/Cargo.toml");
    let package = |key: &str| workspace["workspace"]["package"][key].clone();
    for manifest in [&template, &read("templates/plugin/rust/Cargo.toml")] {
        for key in ["edition", "rust-version"] {
            assert_eq!(manifest["package"][key], package(key), "{key}");
        }
    }
    assert_eq!(template["package"]["license"], package("license"));
}
