//! A component of a module that was compiled from C. Everything around the module is the same for each plugin, because the contract
//! is: so it is kept ready, made from the contract by `tests/tests/languages.rs`, with an empty module in the place where the
//! plugin's own goes. Nobody who writes a plugin in C needs a tool that makes components.

use crate::problem::{Code, Problem};
use std::collections::BTreeSet;
use wasmparser::{Encoding, Parser, Payload};

/// The component, with an empty module in it.
const WRAPPER: &[u8] = include_bytes!("wrapper.bin");

/// The empty module, as the section of a component.
const EMPTY: &[u8] = b"\x01\x08\0asm\x01\0\0\0";

/// What a module has to export, of the contract and of the way in which texts are handed over.
const EXPORTS: [&str; 8] = [
    "windlass:plugin/lifecycle@0.1.0#describe",
    "windlass:plugin/lifecycle@0.1.0#requires",
    "windlass:plugin/lifecycle@0.1.0#plan",
    "windlass:plugin/lifecycle@0.1.0#apply",
    "windlass:plugin/lifecycle@0.1.0#probe",
    "windlass:plugin/lifecycle@0.1.0#revert",
    "cabi_realloc",
    "memory",
];

/// Whether these are a module's bytes, and not a component's.
pub(super) fn is_module(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm\x01\0\0\0")
}

fn refused(name: &str, why: impl std::fmt::Display) -> Problem {
    Problem::new(Code::PluginInvalid, format!("no component can be made of what was compiled for `{name}`"))
        .because(why)
}

/// The component of a module.
///
/// # Errors
/// [`Code::PluginInvalid`] where the module is damaged, lacks an export of the contract, or imports what no plugin may have.
pub(super) fn wrap(name: &str, module: &[u8]) -> Result<Vec<u8>, Problem> {
    let damaged = |error: wasmparser::BinaryReaderError| refused(name, format!("the module is damaged: {error}"));
    let mut missing: BTreeSet<&str> = EXPORTS.into();
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(damaged)? {
            Payload::Version { encoding: Encoding::Component, .. } => {
                return Err(refused(name, "it is a component already"));
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    check_import(name, &import.map_err(damaged)?)?;
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    missing.remove(export.map_err(damaged)?.name);
                }
            }
            _ => {}
        }
    }
    if let Some(first) = missing.first() {
        return Err(refused(name, format!("it does not export `{first}`")).with_hint(
            "compile `windlass-sdk/c/step.c` and `windlass-sdk/c/windlass.c` along with the plugin, as `windlass plugin build` \
             does where `windlass-plugin.toml` has no `build`",
        ));
    }
    let place = WRAPPER.windows(EMPTY.len()).position(|window| window == EMPTY);
    let place = place.ok_or_else(|| Problem::new(Code::Bug, "what makes components has no place for a module"))?;
    let mut component = Vec::with_capacity(WRAPPER.len() + module.len() + 8);
    component.extend_from_slice(&WRAPPER[..place]);
    component.push(EMPTY[0]);
    length(&mut component, module.len());
    component.extend_from_slice(module);
    component.extend_from_slice(&WRAPPER[place + EMPTY.len()..]);
    Ok(component)
}

fn check_import(name: &str, import: &wasmparser::Import<'_>) -> Result<(), Problem> {
    let known = |interface: &str| {
        let interface = interface.as_bytes();
        WRAPPER.windows(interface.len()).any(|window| window == interface)
    };
    if import.module == "env" {
        return Err(refused(name, format!("nothing defines `{}`", import.name)).with_hint(
            "write it, or take what `windlass.h` has instead: there is no C library but `string.h` and `stdlib.h` of the SDK",
        ));
    }
    if import.module.is_empty() || !known(import.module) {
        return Err(refused(
            name,
            format!("it imports `{}` of `{}`, which this Windlass has not", import.name, import.module),
        )
        .with_hint("take `windlass-sdk/c` of this Windlass: its bindings import what is there"));
    }
    Ok(())
}

/// A number as WebAssembly writes lengths: seven bits a byte, the lowest first.
fn length(bytes: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::{is_module, length, wrap};

    #[test]
    fn lengths_are_written_as_webassembly_has_them() {
        for (number, expected) in [(0, &[0][..]), (127, &[127]), (128, &[0x80, 1]), (624_485, &[0xe5, 0x8e, 0x26])] {
            let mut bytes = Vec::new();
            length(&mut bytes, number);
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn what_lacks_an_export_is_refused() {
        let empty = b"\0asm\x01\0\0\0";
        assert!(is_module(empty));
        let problem = wrap("greet", empty).expect_err("nothing is in it");
        assert_eq!(problem.causes, ["it does not export `cabi_realloc`"]);
        let problem = wrap("greet", b"\0asm\x0d\0\x01\0").expect_err("a component");
        assert_eq!(problem.causes, ["it is a component already"]);
    }
}
