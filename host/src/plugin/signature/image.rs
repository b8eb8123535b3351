//! Signatures of artifacts in a registry, as cosign makes them.
//!
//! Up to its version 2: an artifact with the tag `sha256-DIGEST.sig`, each layer of which is a payload, with the signature of that
//! in an annotation. From version 3 on: a bundle that refers to the manifest, with a signed statement (DSSE, in-toto) about it.
//! Both name the manifest's digest; the manifest names the component's.

use super::{Keys, Reason};
use crate::plugin::component;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a payload says that it is.
const KIND: &str = "cosign container image signature";
/// What a statement about an artifact is about.
const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// A signed payload and the manifest that it names, both as they were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::plugin) struct Signed {
    /// The text of the manifest.
    pub(in crate::plugin) manifest: String,
    /// The text of the payload.
    pub(in crate::plugin) payload: String,
    /// Its signature, in base64.
    pub(in crate::plugin) signature: String,
}

/// A bundle and the manifest that it refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::plugin) struct Bundled {
    /// The text of the manifest.
    pub(in crate::plugin) manifest: String,
    /// The text of the bundle.
    pub(in crate::plugin) bundle: String,
}

/// Checks that a manifest is of this component, and none other; its own digest.
fn is_of(manifest: &str, digest: &str) -> Result<String, Reason> {
    let parsed: Value = serde_json::from_str(manifest).map_err(|error| format!("its manifest is damaged: {error}"))?;
    match parsed["layers"].as_array().map(Vec::as_slice) {
        Some([layer]) if layer["digest"] == format!("sha256:{digest}") => {
            Ok(format!("sha256:{}", component::digest(manifest.as_bytes())))
        }
        _ => Err("what is signed is another component".into()),
    }
}

fn another(named: &Value) -> Reason {
    let named: String = named.to_string().chars().filter(|character| !character.is_control()).take(90).collect();
    format!("the signature is for another artifact: {named}")
}

impl Signed {
    /// The name of the key by which this says that the component with this SHA-256 is meant.
    pub(super) fn check<'a>(&self, keys: &'a Keys, digest: &str) -> Result<&'a str, Reason> {
        let manifest = is_of(&self.manifest, digest)?;
        // What is in the payload counts from here on, and not before.
        let name = keys.signed(self.payload.as_bytes(), &self.signature)?;
        let payload: Value =
            serde_json::from_str(&self.payload).map_err(|error| format!("what is signed is damaged: {error}"))?;
        let critical = &payload["critical"];
        if critical["type"] != KIND {
            return Err(format!("what is signed is no `{KIND}`"));
        }
        let named = &critical["image"]["docker-manifest-digest"];
        if *named == manifest { Ok(name) } else { Err(another(named)) }
    }
}

impl Bundled {
    /// The same.
    pub(super) fn check<'a>(&self, keys: &'a Keys, digest: &str) -> Result<&'a str, Reason> {
        let manifest = is_of(&self.manifest, digest)?;
        let damaged = |why: &str| format!("the bundle is damaged: {why}");
        let bundle: Value = serde_json::from_str(&self.bundle).map_err(|error| damaged(&error.to_string()))?;
        let envelope = &bundle["dsseEnvelope"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let kind = text(&envelope["payloadType"]).ok_or_else(|| damaged("it has no signed statement"))?;
        let payload = text(&envelope["payload"]).and_then(|payload| STANDARD.decode(payload).ok());
        let payload = payload.ok_or_else(|| damaged("its statement is not base64"))?;
        let signature = text(&envelope["signatures"][0]["sig"]).ok_or_else(|| damaged("it has no signature"))?;
        // What is signed is not the statement alone, but also that it is one.
        let mut signed = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
        signed.extend_from_slice(&payload);
        let name = keys.signed(&signed, &signature)?;
        let statement: Value = serde_json::from_slice(&payload).map_err(|error| damaged(&error.to_string()))?;
        if statement["predicateType"] != PREDICATE {
            return Err("what is signed says something else about it than that it is signed".into());
        }
        let subjects = statement["subject"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_meant = |subject: &Value| {
            subject["digest"]["sha256"].as_str().is_some_and(|sha256| format!("sha256:{sha256}") == manifest)
        };
        if subjects.iter().any(is_meant) { Ok(name) } else { Err(another(&statement["subject"])) }
    }
}

/// What is signed of an artifact: its repository as it is claimed to be, and the digest of its manifest.
pub(in crate::plugin) fn payload(repository: &str, digest: &str) -> String {
    json!({
        "critical": {
            "identity": { "docker-reference": repository },
            "image": { "docker-manifest-digest": digest },
            "type": KIND,
        },
        "optional": null,
    })
    .to_string()
}
