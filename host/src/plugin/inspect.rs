//! Looks at a component before anything is compiled, so that a wrong file costs nothing and is refused in one sentence.

use super::contract::{CONTRACT, CONTRACTS, LIFECYCLE};
use crate::problem::{Code, Problem};
use wasmparser::{Encoding, Parser, Payload};

/// The interfaces of WASI that the host links; each is empty of rights unless capabilities fill it.
pub(super) const WASI: &[&str] =
    &["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:http/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// The largest body of one function, in bytes. What the compilers need grows faster than it: one of seven times that took
/// Cranelift a minute and five gigabytes. The largest of an interpreter that is compiled to WebAssembly has a fifth.
const LARGEST_FUNCTION: usize = 1 << 20;

fn invalid(name: &str, why: impl Into<String>) -> Problem {
    Problem::new(Code::PluginInvalid, format!("plugin `{name}` cannot be used"))
        .because(why.into())
        .with_note("nothing was run")
        .with_hint("build the plugin again, or restore its file")
}

/// Checks that the bytes are a component of our contract that imports only what the host has.
pub(super) fn check(name: &str, bytes: &[u8]) -> Result<(), Problem> {
    if bytes.get(..4) != Some(b"\0asm") {
        return Err(invalid(name, "the file is not WebAssembly").with_hint(
            "name the component, `….wasm`; of a plugin of your own it is where `windlass plugin build` says",
        ));
    }
    let damaged = |error: wasmparser::BinaryReaderError| invalid(name, format!("the file is damaged: {error}"));
    let mut lifecycle: Option<String> = None;
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(damaged)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(invalid(name, "it is a WebAssembly module, not a component")
                    .with_hint("build it with `windlass plugin build`: in Rust for `wasm32-wasip2`, and of C that makes a component of the module"));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CodeSectionEntry(body) if body.range().len() > LARGEST_FUNCTION => {
                let (size, most) = (body.range().len() >> 10, LARGEST_FUNCTION >> 10);
                return Err(invalid(name, format!("one function in it has {size} KiB, and the most is {most} KiB"))
                    .with_hint("this is a bug in the plugin: mend it, or report it to its author"));
            }
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    check_import(name, import.map_err(damaged)?.name.name)?;
                }
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports {
                    let export = export.map_err(damaged)?.name.name;
                    if let Some(version) = export.strip_prefix(LIFECYCLE) {
                        lifecycle = Some(version.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    match lifecycle.as_deref() {
        Some(version) if CONTRACTS.contains(&version) => Ok(()),
        Some(version) => Err(another_contract(name, version)),
        None => Err(invalid(name, "it does not export `windlass:plugin/lifecycle`, so it is not a Windlass plugin")
            .with_hint(
                "of a plugin of your own: in Rust `windlass_plugin::export!(YourType);` exports it, in other languages a component \
                 that is built for the world `windlass:plugin/step` does",
            )),
    }
}

fn another_contract(name: &str, version: &str) -> Problem {
    let problem =
        invalid(name, format!("it wants contract {version}, and this Windlass runs {}", CONTRACTS.join(" and ")));
    let parsed = |version| semver::Version::parse(version).ok();
    if parsed(version) > parsed(CONTRACT) {
        problem.with_hint(format!("take a newer Windlass, or a release of the plugin for contract {CONTRACT}"))
    } else {
        problem.with_hint(format!("take a release of the plugin for contract {CONTRACT}"))
    }
}

fn check_import(name: &str, import: &str) -> Result<(), Problem> {
    if let Some(ours) = import.strip_prefix("windlass:plugin/") {
        return match ours.split_once('@') {
            Some((_, version)) if CONTRACTS.contains(&version) => Ok(()),
            Some((_, version)) => Err(another_contract(name, version)),
            None => Err(invalid(name, format!("it imports `{import}` without a version"))),
        };
    }
    let linked = WASI.iter().any(|prefix| import.starts_with(prefix))
        && import.split_once('@').is_some_and(|(_, version)| version.starts_with("0.2."));
    if linked {
        Ok(())
    } else {
        Err(invalid(name, format!("it imports `{import}`, which no plugin may have"))
            .with_hint("ask its author for a release that gets by without it"))
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_is_no_component_is_refused_in_one_sentence() {
        for (bytes, expected) in [
            (&b"#!/bin/sh\n"[..], "the file is not WebAssembly"),
            (b"", "the file is not WebAssembly"),
            (b"\0asm\x01\0\0\0", "it is a WebAssembly module, not a component"),
            (b"\0asm\x0d\0\x01\0", "it does not export `windlass:plugin/lifecycle`, so it is not a Windlass plugin"),
        ] {
            let problem = check("thing", bytes).expect_err("no plugin");
            assert_eq!(problem.causes, [expected]);
        }
        let problem = check("thing", b"\0asm\x0d\0\x01\0\x01\xff\xff\x03").expect_err("damaged");
        assert!(problem.causes[0].starts_with("the file is damaged"), "{problem:?}");
    }
}
