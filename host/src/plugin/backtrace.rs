//! What a trap says to the plugin's author: where it happened, in the plugin's own names.

use wasmtime::WasmBacktrace;

/// The frames shown of a deep stack, of those nearest to the trap.
const FRAMES: usize = 24;

/// The frames that are taken down at all: some more, for those of a panic are left out.
pub(super) const KEPT: std::num::NonZeroUsize = std::num::NonZeroUsize::new(FRAMES * 2).expect("not zero");

/// The names of the functions that were running, innermost first, readable.
pub(super) fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let frames = backtrace.frames().iter().map(|frame| match frame.func_name() {
        Some(name) => {
            let mut text = String::new();
            // A symbol that is not one of a known language is shown as it is.
            if demangle(&mut text, name).is_none() {
                text = name.to_owned();
            }
            text
        }
        None => format!("function {}", frame.func_index()),
    });
    shown(frames.collect())
}

/// Without how a panic became a trap, which is the same each time, and no more than anybody reads.
fn shown(mut frames: Vec<String>) -> Vec<String> {
    if let Some(panic) = frames.iter().position(|frame| frame == "__rustc::rust_begin_unwind") {
        let own = frames[panic + 1..].iter().position(|frame| !frame.starts_with("core::")).unwrap_or_default();
        frames.drain(..=panic + own);
    }
    if frames.len() > FRAMES {
        frames.truncate(FRAMES);
        frames.push("… and more".into());
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

#[cfg(test)]
mod tests {
    use super::{FRAMES, shown};

    #[test]
    fn a_panics_own_frames_are_left_out() {
        let frames =
            ["abort", "__rustc::rust_begin_unwind", "core::panicking::panic_fmt", "mine::inner", "mine::outer"];
        assert_eq!(shown(frames.map(str::to_owned).to_vec()), ["mine::inner", "mine::outer"]);
        assert_eq!(shown(vec!["mine::inner".into()]), ["mine::inner"]);
    }

    #[test]
    fn a_deep_stack_is_cut() {
        let frames = shown(vec!["mine::recurse".to_owned(); FRAMES + 1]);
        assert_eq!((frames.len(), frames.last().map(String::as_str)), (FRAMES + 1, Some("… and more")));
        assert_eq!(shown(vec!["mine::recurse".to_owned(); FRAMES]).len(), FRAMES);
    }
}
