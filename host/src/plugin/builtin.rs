//! The built-in plugins, compiled from `plugins/` by the build script.

include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// The component of a built-in plugin and its SHA-256 in hex.
pub(crate) fn find(name: &str) -> Option<(&'static [u8], &'static str)> {
    COMPONENTS.iter().find(|(other, ..)| *other == name).map(|(_, bytes, digest)| (*bytes, *digest))
}
