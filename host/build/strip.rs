//! Takes from compiled code what nobody reads in a release. Shared by the build script and by the test that runs what it makes.

use object::build::elf::{Builder, SectionData};

/// Compiled code without its symbols, for debuggers and profilers alone: the names in a backtrace are in a section of their
/// own. They are a seventh of a plugin's compiled code.
///
/// # Errors
/// What is no ELF file, which all of wasmtime's compiled code is, for every target.
pub(crate) fn stripped(code: &[u8]) -> Result<Vec<u8>, String> {
    let mut file = Builder::read(code).map_err(|error| format!("it is no compiled code: {error}"))?;
    for section in &mut file.sections {
        section.delete = matches!(section.data, SectionData::Symbol | SectionData::String);
    }
    for symbol in &mut file.symbols {
        symbol.delete = true;
    }
    let mut kept = Vec::new();
    file.write(&mut kept).map_err(|error| format!("its symbols cannot be taken away: {error}"))?;
    Ok(kept)
}
