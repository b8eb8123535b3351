//! Whoever signs: a private key, and what it makes of a text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;

/// A private key.
pub struct Signer(EcdsaKeyPair);

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Signer")
    }
}

impl Signer {
    /// The P-256 key in a PEM text, unencrypted, as PKCS#8 has it.
    ///
    /// # Errors
    /// Why it is none, and what helps.
    pub fn new(pem: &str) -> Result<Self, (String, &'static str)> {
        if pem.contains("ENCRYPTED") {
            let hint = "sign with whoever knows its password: `cosign sign --key KEY REFERENCE` after publishing";
            return Err(("the key is encrypted".into(), hint));
        }
        let convert = "make it one with `openssl pkcs8 -topk8 -nocrypt -in KEY`";
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| ("there is no private key (`-----BEGIN PRIVATE KEY-----`) in it".to_owned(), convert))?;
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der.secret_pkcs8_der(), &SystemRandom::new());
        let make = "make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`";
        pair.map(Self).map_err(|error| (format!("the key is not one of ECDSA on the curve P-256: {error}"), make))
    }

    /// Whether a signature of a text, in base64, is by this key.
    pub(in crate::plugin) fn has_signed(&self, text: &str, signature: &str) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.0.public_key());
        STANDARD.decode(signature).is_ok_and(|signature| key.verify(text.as_bytes(), &signature).is_ok())
    }

    /// The signature of a text, in base64.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub(in crate::plugin) fn sign(&self, text: &str) -> Result<String, String> {
        let signature = self.0.sign(&SystemRandom::new(), text.as_bytes());
        signature.map(|signature| STANDARD.encode(signature)).map_err(|_| "there are no random numbers".to_owned())
    }
}
