//! To be written.
pub(crate) fn duration_text(duration: std::time::Duration) -> String { format!("{duration:?}") }
