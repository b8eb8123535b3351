//! Who signed a component: keys that somebody trusts, and what there is to hold against them.
//!
//! The forms are cosign's, with keys: of a file, a detached signature of its bytes beside it (`cosign sign-blob`); of an artifact
//! in a registry, a payload that names the digest of its manifest ([`image`]). [`Evidence`] has all that is needed to check it
//! again, so it may be kept, and proves nothing to whoever does not check it.

mod image;
mod signer;

pub(in crate::plugin) use image::{Bundled, Signed, payload};
pub use signer::Signer;

use crate::problem::{Code, Problem};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What stands before the point of a P-256 key in its `SubjectPublicKeyInfo`, in DER: the algorithm and the curve.
const P256: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
/// The length of the point behind it, in bytes.
const POINT: usize = 65;
/// The largest file of a key or a signature, in bytes.
pub(super) const LARGEST: usize = 64 << 10;

/// The type of a payload in a registry.
pub(super) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation with the signature of a payload.
pub(super) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// The keys by one of which each plugin that is not built in has to be signed. With none, nothing is demanded.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<Key>);

/// One of them.
#[derive(Debug, Clone)]
struct Key {
    /// What a person calls it.
    name: String,
    /// The point on the curve.
    point: Vec<u8>,
}

/// What there is to check of one signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Evidence {
    /// A signature of the component itself, in base64.
    Blob(String),
    /// A signature of a payload that names a manifest that names the component.
    Image(Signed),
    /// The same in a bundle of cosign 3.
    Bundle(Bundled),
}

/// Why a signature is none.
pub(super) type Reason = String;

impl Keys {
    /// Those that a policy names: each a key in PEM, or a file with one, relative to a directory.
    ///
    /// # Errors
    /// Which of them is none, and why.
    pub fn read(named: &[String], directory: &Path) -> Result<Self, String> {
        let read = |(index, named): (usize, &String)| {
            let inline = named.contains("-----BEGIN");
            let name = if inline { format!("key {}", index + 1) } else { named.clone() };
            let text = if inline { Ok(named.clone()) } else { std::fs::read_to_string(directory.join(named)) };
            let text = text.map_err(|error| format!("`{name}`: {error}"))?;
            let point = point(&text).map_err(|reason| format!("`{name}`: {reason}"))?;
            Ok(Key { name, point })
        };
        named.iter().enumerate().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether nothing is demanded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of the key that signed these bytes.
    fn signed(&self, bytes: &[u8], signature: &str) -> Result<&str, Reason> {
        // Tools that write base64 break its lines.
        let text: String = signature.lines().map(str::trim).collect();
        let signature =
            STANDARD.decode(text).map_err(|error| format!("the signature is damaged: it is not base64 ({error})"))?;
        let is_by =
            |key: &&Key| UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key.point).verify(bytes, &signature).is_ok();
        let key = self.0.iter().find(is_by);
        key.map(|key| key.name.as_str()).ok_or_else(|| format!("the signature is not by {}", self.names()))
    }

    fn names(&self) -> String {
        let names: Vec<String> = self.0.iter().map(|key| format!("`{}`", key.name)).collect();
        match names.as_slice() {
            [only] => only.clone(),
            several => format!("any of {}", several.join(", ")),
        }
    }

    /// The name of the key by which one of these signatures proves that this component, with that SHA-256, is meant.
    ///
    /// # Errors
    /// [`Code::NotSigned`], with why each is none.
    pub(super) fn check(&self, locator: &str, bytes: &[u8], digest: &str, found: &[Evidence]) -> Result<&str, Problem> {
        let mut problem = not_signed(locator);
        if found.is_empty() {
            problem = problem.because("there is no signature with it");
        }
        for evidence in found {
            let checked = match evidence {
                Evidence::Blob(signature) => self.signed(bytes, signature),
                Evidence::Image(signed) => signed.check(self, digest),
                Evidence::Bundle(bundled) => bundled.check(self, digest),
            };
            match checked {
                Ok(name) => return Ok(name),
                Err(reason) if problem.causes.contains(&reason) => {}
                Err(reason) => problem = problem.because(reason),
            }
        }
        Err(problem.because(format!("`policy.signed-by` in `deploy.toml` demands a signature by {}", self.names())))
    }
}

/// That there is no signature that counts.
pub(super) fn not_signed(locator: &str) -> Problem {
    Problem::new(Code::NotSigned, format!("plugin `{locator}` is not signed by a key that is trusted"))
        .with_note("nothing was run, and nothing was made of it")
        .with_hint("have it signed by one of these keys, or have the key of whoever signed it reviewed and added")
}

/// The point of the P-256 key in a PEM text.
fn point(text: &str) -> Result<Vec<u8>, Reason> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes())
        .map_err(|_| "there is no public key (`-----BEGIN PUBLIC KEY-----`) in it".to_owned())?;
    let point = der.strip_prefix(P256).filter(|point| point.len() == POINT && point.first() == Some(&4));
    point.map(<[u8]>::to_vec).ok_or_else(|| "the key is not one of ECDSA on the curve P-256".to_owned())
}
