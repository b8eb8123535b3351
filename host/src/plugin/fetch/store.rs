//! Where fetched components are kept, by their SHA-256.

use crate::files::write_whole;
use crate::plugin::signature::Evidence;
use crate::plugin::{cache, component};
use std::path::PathBuf;

/// A directory of components, each named by its digest, which only this user can write. What is in it is never taken on trust:
/// it is what its name says, or it is not there.
#[derive(Debug, Clone)]
pub(in crate::plugin) struct Store(PathBuf);

impl Store {
    /// Beside the compiled plugins; none where there is no place for one.
    pub(in crate::plugin) fn open() -> Option<Self> {
        let directory = cache::directory()?.join("components");
        cache::make_private_directory(&directory).ok().map(Self)
    }

    /// The file of a component; none where that is no digest.
    pub(in crate::plugin) fn path(&self, digest: &str) -> Option<PathBuf> {
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (digest.len() == 64 && digest.bytes().all(hexadecimal)).then(|| self.0.join(format!("{digest}.wasm")))
    }

    /// The component of this digest, where it is there whole.
    pub(in crate::plugin) fn get(&self, digest: &str) -> Option<Vec<u8>> {
        let bytes = component::read("", &self.path(digest)?).ok()?;
        (component::digest(&bytes) == digest).then_some(bytes)
    }

    /// What was found of signatures of a component. It proves nothing until it is checked.
    pub(in crate::plugin) fn signatures(&self, digest: &str) -> Vec<Evidence> {
        let text = self.path(digest).and_then(|path| std::fs::read(path.with_extension("signatures.json")).ok());
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// Keeps that beside the component.
    pub(in crate::plugin) fn put_signatures(&self, digest: &str, found: &[Evidence]) {
        if let (Some(path), Ok(text)) = (self.path(digest), serde_json::to_vec(found)) {
            let _ = write_whole(&path.with_extension("signatures.json"), &text);
        }
    }

    /// The same where something of that is kept already: what is there no more is not kept either.
    pub(in crate::plugin) fn renew_signatures(&self, digest: &str, found: &[Evidence]) {
        if self.path(digest).is_some_and(|path| path.with_extension("signatures.json").exists()) {
            self.put_signatures(digest, found);
        }
    }

    /// Keeps a component. Where that cannot be, it is fetched again.
    pub(in crate::plugin) fn put(&self, digest: &str, bytes: &[u8]) {
        if let Some(path) = self.path(digest) {
            let _ = write_whole(&path, bytes);
        }
    }
}
