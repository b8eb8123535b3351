//! A registry that is not ours: the program `docker-registry`, on loopback, with an empty directory of its own.

use crate::secure::Secure;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A user of the registry where it asks for one, and the password.
pub const USER: (&str, &str) = ("me", "the-pass-word");
/// That password as the registry keeps it.
const KEPT: &str = "$2y$05$abcdefghijklmnopqrstuuBARkPLmKAOv1u7hcgI6d5AI/2mNOkgi";

/// The program, until it is dropped, behind TLS.
#[derive(Debug)]
pub struct Distribution {
    child: Child,
    port: u16,
    secure: Secure,
    _directory: tempfile::TempDir,
}

impl Distribution {
    /// One that lets anybody in, or only [`USER`].
    ///
    /// # Panics
    /// Where the program is missing or does not start.
    #[must_use]
    pub fn start(asks: bool) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
        std::fs::write(at("htpasswd"), format!("{}:{KEPT}\n", USER.0)).expect("written");
        let auth = if asks {
            format!("auth:\n  htpasswd:\n    realm: basic\n    path: {}\n", at("htpasswd"))
        } else {
            String::new()
        };
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\n  relativeurls: true\n{auth}",
            at("kept")
        );
        std::fs::write(at("config.yml"), config).expect("written");
        let mut child = Command::new("docker-registry")
            .args(["serve", &at("config.yml")])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is installed: scripts/test does that");
        let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split("listening on 127.0.0.1:").nth(1)?.split(['"', ' ']).next()?.parse().ok())
            .expect("it says where it listens");
        // What it says from now on is read, so that it never waits for a reader, and shown to nobody.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, port, secure: Secure::before(port), _directory: directory }
    }

    /// What is in front of it.
    #[must_use]
    pub fn secure(&self) -> &Secure {
        &self.secure
    }

    /// The reference of something in it.
    #[must_use]
    pub fn reference(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.secure.host())
    }

    /// The same of the port at which it speaks no TLS.
    #[must_use]
    pub fn plain_reference(&self, rest: &str) -> String {
        format!("oci://127.0.0.1:{}/{rest}", self.port)
    }

    /// What it answers to a path below `/v2/`, asked by somebody else's program.
    ///
    /// # Panics
    /// Where it has no such thing.
    #[must_use]
    pub fn get(&self, path: &str) -> Vec<u8> {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--header"]);
        command.arg("accept: application/vnd.oci.image.manifest.v1+json");
        let output = command.arg(format!("http://127.0.0.1:{}/v2/{path}", self.port)).output().expect("curl");
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// The manifest under a tag or digest, as JSON.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn manifest(&self, name: &str, tag: &str) -> serde_json::Value {
        serde_json::from_slice(&self.get(&format!("{name}/manifests/{tag}"))).expect("JSON")
    }
}

impl Drop for Distribution {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
