//! A registry as the OCI distribution specification has it: `/v2/`, a token for who asks at the realm, manifests by tag and by
//! digest, blobs by digest, and both taken from who pushes. Whatever else it is asked is written down, and fails the test.

use crate::secure::Secure;
use crate::server::{Answer, Fake, Request};
use base64::Engine as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const TOKEN: &str = "token-of-the-registry";

/// What it keeps.
#[derive(Debug, Default)]
pub struct State {
    /// By tag and by digest.
    manifests: BTreeMap<String, Vec<u8>>,
    /// By digest.
    blobs: BTreeMap<String, Vec<u8>>,
    /// What is about a manifest, by its digest.
    referrers: BTreeMap<String, Value>,
    /// What has come of a blob that somebody pushes.
    pushing: Vec<u8>,
    unexpected: Vec<String>,
    /// The name and password without which it gives no token.
    pub account: Option<(String, String)>,
    /// Where tokens are to be had, where that is not here.
    pub realm: Option<String>,
    /// What it answers to whoever wants a blob, instead of that.
    pub blob: Option<Answer>,
    /// What it answers to whoever asks whether it has a blob that it has, instead of that.
    pub there: Option<Answer>,
    /// What it answers to whoever wants a manifest, instead of that.
    pub manifest: Option<Answer>,
}

/// A registry on loopback, behind TLS.
#[derive(Debug)]
pub struct Registry {
    fake: Fake<State>,
    secure: Secure,
}

/// What the registry calls some bytes.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Default for Registry {
    fn default() -> Self {
        Self::start()
    }
}

impl Registry {
    /// An empty one.
    #[must_use]
    pub fn start() -> Self {
        let fake = Fake::start(State::default(), State::answer);
        let secure = Secure::before(fake.port());
        Self { fake, secure }
    }

    /// The reference of something in it, as `deploy.toml` has it.
    #[must_use]
    pub fn reference(&self, rest: &str) -> String {
        format!("oci://{}/acme/{rest}", self.secure.host())
    }

    /// Its port behind what is in front of it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.fake.port()
    }

    /// What is in front of it.
    #[must_use]
    pub fn secure(&self) -> &Secure {
        &self.secure
    }

    /// What it keeps.
    pub fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.fake.state()
    }

    /// What it was asked: methods and paths.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.fake.received().iter().map(|request| request.line("")).collect()
    }

    /// Puts a component there under a tag; the digest of its manifest.
    pub fn push(&self, tag: &str, component: &[u8]) -> String {
        self.push_layers(tag, &[("application/wasm", component, component.len() as u64)])
    }

    /// Puts some bytes there; how a manifest names them.
    pub fn keep(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        self.state().blobs.insert(digest.clone(), bytes.to_vec());
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Puts a manifest there under a tag; its digest. With `subject` it is about another one, and found by that.
    pub fn keep_manifest(&self, tag: &str, layers: &[Value], subject: Option<&str>) -> String {
        let config = self.keep("application/vnd.oci.empty.v1+json", b"{}");
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        let manifest = manifest.to_string().into_bytes();
        let digest = digest(&manifest);
        let mut state = self.state();
        if let Some(subject) = subject {
            let entry = json!({
                "mediaType": MANIFEST, "digest": digest, "size": manifest.len(), "artifactType": layers[0]["mediaType"]
            });
            state.referrers.insert(subject.to_owned(), entry);
        }
        state.manifests.insert(tag.to_owned(), manifest.clone());
        state.manifests.insert(digest.clone(), manifest);
        digest
    }

    /// Puts layers there, each with its type and the size that the manifest says that it has.
    pub fn push_layers(&self, tag: &str, layers: &[(&str, &[u8], u64)]) -> String {
        let mut state = self.state();
        let config = b"{}";
        let layers: Vec<Value> = layers
            .iter()
            .map(|(media_type, bytes, size)| {
                let digest = digest(bytes);
                state.blobs.insert(digest.clone(), bytes.to_vec());
                json!({ "mediaType": media_type, "digest": digest, "size": size })
            })
            .collect();
        let config = json!({ "mediaType": "application/vnd.wasm.config.v0+json", "digest": digest(config), "size": 2 });
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        let manifest = manifest.to_string().into_bytes();
        let digest = digest(&manifest);
        state.manifests.insert(tag.to_owned(), manifest.clone());
        state.manifests.insert(digest.clone(), manifest);
        digest
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let unexpected = self.state().unexpected.clone();
            assert!(unexpected.is_empty(), "the registry was asked for what it does not know: {unexpected:?}");
        }
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Answer {
        let path = request.path.split('?').next().unwrap_or_default();
        if path == "/token" {
            let (service, scope) = (request.query("service"), request.query("scope"));
            let scopes = ["repository:acme/noop:pull", "repository:acme/noop:pull,push"];
            let is_expected =
                service.as_deref() == Some("registry") && scope.is_some_and(|scope| scopes.contains(&&*scope));
            let basic = self.account.as_ref().map(|(name, password)| {
                format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}")))
            });
            if basic.is_some() && request.header("authorization") != basic.as_deref() {
                return error(401, "UNAUTHORIZED");
            }
            return if is_expected { Answer::json(&json!({ "token": TOKEN })) } else { self.unexpected(request) };
        }
        if path != "/v2/" && request.header("authorization") == Some(&*format!("Bearer {TOKEN}")) {
            return match request.method.as_str() {
                "GET" => self.give(request, path),
                "HEAD" => self.has(request, path),
                _ => self.take(request, path),
            };
        }
        let host = request.header("host").unwrap_or_default();
        let realm = self.realm.clone().unwrap_or_else(|| format!("https://{host}/token"));
        let challenge = format!("Bearer realm=\"{realm}\",service=\"registry\"");
        error(401, "UNAUTHORIZED").header("www-authenticate", &challenge)
    }

    fn give(&mut self, request: &Request, path: &str) -> Answer {
        if let Some(wanted) = path.strip_prefix("/v2/acme/noop/manifests/") {
            if !request.header("accept").is_some_and(|types| types.contains(MANIFEST)) {
                return self.unexpected(request);
            }
            if let Some(answer) = &self.manifest {
                return answer.clone();
            }
            return match self.manifests.get(wanted) {
                Some(manifest) => Answer::new(200, manifest.clone())
                    .header("content-type", MANIFEST)
                    .header("docker-content-digest", &digest(manifest)),
                None => error(404, "MANIFEST_UNKNOWN"),
            };
        }
        if let Some(subject) = path.strip_prefix("/v2/acme/noop/referrers/") {
            let entries: Vec<&Value> = self.referrers.get(subject).into_iter().collect();
            let kind = "application/vnd.oci.image.index.v1+json";
            let index = json!({ "schemaVersion": 2, "mediaType": kind, "manifests": entries });
            return Answer::new(200, index.to_string()).header("content-type", kind);
        }
        match path.strip_prefix("/v2/acme/noop/blobs/") {
            Some(wanted) => match (&self.blob, self.blobs.get(wanted)) {
                (Some(answer), _) => answer.clone(),
                (None, Some(blob)) => Answer::new(200, blob.clone()).header("content-type", "application/octet-stream"),
                (None, None) => error(404, "BLOB_UNKNOWN"),
            },
            None => self.unexpected(request),
        }
    }

    fn has(&mut self, request: &Request, path: &str) -> Answer {
        match path.strip_prefix("/v2/acme/noop/blobs/") {
            Some(wanted) if self.blobs.contains_key(wanted) => {
                self.there.clone().unwrap_or_else(|| Answer::new(200, ""))
            }
            Some(_) => Answer::new(404, ""),
            None => self.unexpected(request),
        }
    }

    /// A blob in pieces, or a manifest.
    fn take(&mut self, request: &Request, path: &str) -> Answer {
        const UPLOADS: &str = "/v2/acme/noop/blobs/uploads/";
        match (request.method.as_str(), path.strip_prefix(UPLOADS)) {
            ("POST", Some("")) => {
                self.pushing.clear();
                return Answer::new(202, "").header("location", &format!("{UPLOADS}1"));
            }
            ("PATCH", Some("1")) => {
                self.pushing.extend_from_slice(&request.body);
                return Answer::new(202, "").header("location", &format!("{UPLOADS}1"));
            }
            ("PUT", Some("1")) if request.query("digest") == Some(digest(&self.pushing)) => {
                let blob = std::mem::take(&mut self.pushing);
                let digest = digest(&blob);
                self.blobs.insert(digest.clone(), blob);
                return Answer::new(201, "").header("location", &format!("/v2/acme/noop/blobs/{digest}"));
            }
            _ => {}
        }
        let reference = path.strip_prefix("/v2/acme/noop/manifests/");
        let Some(reference) = reference.filter(|_| request.method == "PUT") else { return self.unexpected(request) };
        // Whatever a manifest names is there before it is.
        let manifest: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let layers = manifest["layers"].as_array().into_iter().flatten();
        let mut named = layers.chain([&manifest["config"]]).filter_map(|blob| blob["digest"].as_str());
        if named.any(|digest| !self.blobs.contains_key(digest)) {
            return error(400, "MANIFEST_BLOB_UNKNOWN");
        }
        let digest = digest(&request.body);
        self.manifests.insert(reference.to_owned(), request.body.clone());
        self.manifests.insert(digest.clone(), request.body.clone());
        Answer::new(201, "").header("location", &format!("/v2/acme/noop/manifests/{digest}"))
    }

    fn unexpected(&mut self, request: &Request) -> Answer {
        self.unexpected.push(format!("{} {}", request.method, request.path));
        error(400, "UNSUPPORTED")
    }
}

/// An error in the specification's form.
fn error(status: u16, code: &str) -> Answer {
    let body = json!({ "errors": [{ "code": code, "message": "said by the registry", "detail": null }] });
    Answer::new(status, body.to_string()).header("content-type", "application/json")
}
