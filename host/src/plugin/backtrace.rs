//! What a trap says to the plugin's author: where it happened, in the plugin's own names.

use wasmtime::WasmBacktrace;

/// The frames shown of a deep stack, of those nearest to the trap.
const FRAMES: usize = 24;

/// The names of the functions that were running, innermost first, readable.
pub(super) fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let all = backtrace.frames();
    let mut frames: Vec<String> = all
        .iter()
        .take(FRAMES)
        .map(|frame| match frame.func_name() {
            Some(name) => {
                let mut text = String::new();
                // A symbol that is not one of a known language is shown as it is.
                if demangle(&mut text, name).is_none() {
                    text = name.to_owned();
                }
                text
            }
            None => format!("function {}", frame.func_index()),
        })
        .collect();
    if all.len() > FRAMES {
        frames.push(format!("… {} more", all.len() - FRAMES));
    }
    frames
}

/// Rust's own names, without the hash at their end.
fn demangle(text: &mut String, name: &str) -> Option<()> {
    use std::fmt::Write as _;
    let demangled = rustc_demangle::try_demangle(name).ok()?;
    write!(text, "{demangled:#}").ok()
}

/// The reason for a trap, without the backtrace.
pub(super) fn reason(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    }
}
