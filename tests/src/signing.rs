//! Keys and signatures by openssl: what is tried with them is not our own code against itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A private key and its public one.
#[derive(Debug)]
pub struct SigningKey {
    directory: tempfile::TempDir,
    /// The public one, in PEM.
    pub public: String,
}

/// What openssl writes, of what it is given.
///
/// # Panics
/// Where it is missing, or refuses.
#[must_use]
pub fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("openssl is installed: scripts/test does that");
    child.stdin.take().expect("its input").write_all(input).expect("given");
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

impl Default for SigningKey {
    fn default() -> Self {
        Self::new()
    }
}

impl SigningKey {
    /// One of ECDSA on P-256.
    #[must_use]
    pub fn new() -> Self {
        Self::of(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
    }

    /// One of another kind.
    ///
    /// # Panics
    /// Where openssl knows none.
    #[must_use]
    pub fn of(kind: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let private = openssl(&[&["genpkey"], kind].concat(), b"");
        std::fs::write(directory.path().join("key.pem"), &private).expect("written");
        let public = String::from_utf8(openssl(&["pkey", "-pubout"], &private)).expect("a text");
        Self { directory, public }
    }

    /// The file with the private one.
    #[must_use]
    pub fn private(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }

    /// The signature of some bytes, in base64.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> String {
        STANDARD.encode(openssl(&["dgst", "-sha256", "-sign", &self.private().to_string_lossy()], bytes))
    }

    /// Whether openssl takes that for this key's signature.
    ///
    /// # Panics
    /// Where it cannot be asked.
    #[must_use]
    pub fn signed(&self, bytes: &[u8], signature: &str) -> bool {
        let file = |name: &str, content: &[u8]| {
            let path = self.directory.path().join(name);
            std::fs::write(&path, content).expect("written");
            path
        };
        let signature = file("signature", &STANDARD.decode(signature).expect("base64"));
        let status = Command::new("openssl")
            .args(["dgst", "-sha256", "-verify"])
            .arg(file("key.pub", self.public.as_bytes()))
            .arg("-signature")
            .args([signature, file("signed", bytes)])
            .stdout(Stdio::null())
            .status();
        status.expect("openssl").success()
    }
}
