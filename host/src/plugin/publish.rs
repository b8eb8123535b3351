//! A component as an artifact in a registry, in the form that the CNCF's working group for WebAssembly has agreed on: one layer
//! `application/wasm`, and a config that says which interfaces it speaks. The same component gives the same artifact, wherever and
//! whenever it is made.

use super::fetch::oci::{LAYERS, Session, with_registry};
use super::fetch::signatures::{newest, signed, tag};
use super::fetch::{FetchError, in_time};
use super::signature::{SIGNATURE, SIMPLE_SIGNING, Signer, payload};
use super::{Plugin, component};
use crate::config::PluginLocator;
use crate::network::Client;
use crate::problem::{Code, Problem};
use oci_client::manifest::{IMAGE_CONFIG_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use oci_client::{Reference, RegistryOperation};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeMap;

/// What the config of a component is called.
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// What all annotations of the specification's begin with.
const ANNOTATION: &str = "org.opencontainers.image.";

/// How it stands where something went wrong before it was there.
const NOT_SENT: &str = "what is there under that tag is what was there before";
/// And after.
const SENT: &str = "it is there under that tag, and is not signed";

/// What is said about a plugin besides what it says itself.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Where its source is, as a URL.
    pub source: Option<String>,
    /// Under which licences it is, as an SPDX expression.
    pub licenses: Option<String>,
    /// When it was made, as RFC 3339 in UTC.
    pub created: String,
}

/// A plugin in a registry.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Published {
    /// The digest of its manifest.
    pub manifest: String,
    /// Whether it was there already.
    pub there: bool,
    /// Whether it was signed.
    pub signed: bool,
}

/// An artifact that is ready to be sent.
struct Artifact {
    layer: Blob,
    config: Blob,
    manifest: Vec<u8>,
    digest: String,
}

/// Some bytes and what they are called.
struct Blob {
    bytes: Vec<u8>,
    descriptor: OciDescriptor,
}

impl Blob {
    fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        let descriptor = OciDescriptor {
            media_type: media_type.to_owned(),
            digest: format!("sha256:{}", component::digest(&bytes)),
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            ..OciDescriptor::default()
        };
        Self { bytes, descriptor }
    }
}

impl Artifact {
    fn new(plugin: &Plugin, bytes: Vec<u8>, about: &About) -> Self {
        let (imports, exports) = plugin.interfaces();
        let mut layer = Blob::new(LAYERS[0], bytes);
        // Where it is pulled with a tool for files, it has a name.
        let name = format!("{}.wasm", plugin.name());
        layer.descriptor.annotations = Some(BTreeMap::from([(format!("{ANNOTATION}title"), name)]));
        let config = json!({
            "created": about.created,
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [layer.descriptor.digest],
            "component": { "exports": exports, "imports": imports, "target": null },
        });
        let config = Blob::new(CONFIG, config.to_string().into_bytes());
        let said = [
            ("created", Some(about.created.clone())),
            ("description", Some(plugin.summary().to_owned())),
            ("licenses", about.licenses.clone()),
            ("source", about.source.clone()),
            ("title", Some(plugin.name().to_owned())),
            ("version", Some(plugin.version().to_owned())),
        ];
        let annotations = said.into_iter().filter_map(|(key, value)| Some((format!("{ANNOTATION}{key}"), value?)));
        let manifest = manifest(&config, vec![layer.descriptor.clone()], Some(annotations.collect()));
        let digest = format!("sha256:{}", component::digest(&manifest));
        Self { layer, config, manifest, digest }
    }
}

fn manifest(config: &Blob, layers: Vec<OciDescriptor>, annotations: Option<BTreeMap<String, String>>) -> Vec<u8> {
    let manifest = OciImageManifest {
        schema_version: 2,
        media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
        config: config.descriptor.clone(),
        layers,
        annotations,
        ..OciImageManifest::default()
    };
    serde_json::to_vec(&manifest).unwrap_or_default()
}

/// Puts a plugin, whose component these bytes are, into a registry under a tag. What is there already under that tag is replaced
/// only where that is said.
///
/// # Errors
/// [`Code::PluginNotPublished`]: nobody answers, it may not, or something else is there.
pub async fn publish(
    plugin: &Plugin,
    bytes: Vec<u8>,
    about: &About,
    reference: &PluginLocator,
    replace: bool,
    signer: Option<&Signer>,
    client: &Client,
) -> Result<Published, Problem> {
    let locator = reference.as_str();
    let artifact = Artifact::new(plugin, bytes, about);
    let sent = Cell::new(false);
    let send = async |session: &Session<'_>| artifact.send(session, replace, signer, &sent).await;
    let published = in_time(with_registry(locator, client, RegistryOperation::Push, send)).await;
    published.map_err(|error| {
        let (why, hint) = error.parts();
        Problem::new(Code::PluginNotPublished, format!("plugin `{}` cannot be published as `{locator}`", plugin.name()))
            .because(why)
            .with_note(if sent.get() { SENT } else { NOT_SENT })
            .with_hint(hint)
    })
}

impl Artifact {
    async fn send(
        &self,
        session: &Session<'_>,
        replace: bool,
        signer: Option<&Signer>,
        sent: &Cell<bool>,
    ) -> Result<Published, FetchError> {
        let there = session.manifest(&session.reference).await?.map(|(_, digest)| digest);
        match &there {
            Some(digest) if *digest != self.digest && !replace => {
                return Err(FetchError::Failed {
                    why: format!("something else has that tag: `{digest}`, and this is `{}`", self.digest),
                    hint: "publish it with a tag of its own, or say that it is replaced with `--force`",
                });
            }
            Some(digest) if *digest == self.digest => {}
            _ => {
                put(session, &self.layer).await?;
                put(session, &self.config).await?;
                put_manifest(session, &session.reference, self.manifest.clone()).await?;
                sent.set(true);
            }
        }
        if let Some(signer) = signer {
            self.sign(session, signer).await?;
        }
        let there = there.as_deref() == Some(self.digest.as_str());
        Ok(Published { manifest: self.digest.clone(), there, signed: signer.is_some() })
    }

    /// A signature beside the artifact, behind those that are there already; none where this key's is among those that are looked
    /// at: each signature of the same is another one, so that they would add up.
    async fn sign(&self, session: &Session<'_>, signer: &Signer) -> Result<(), FetchError> {
        let repository = format!("{}/{}", session.reference.registry(), session.reference.repository());
        let payload = payload(&repository, &self.digest);
        let mut layer = Blob::new(SIMPLE_SIGNING, payload.clone().into_bytes());
        let at = tag(&session.reference, &self.digest);
        let mut layers = match session.manifest(&at).await? {
            None => Vec::new(),
            Some((text, _)) => {
                let manifest: OciImageManifest = serde_json::from_str(&text).map_err(|error| {
                    FetchError::wrong(format!("the signatures that are there are damaged: {error}"))
                })?;
                manifest.layers
            }
        };
        let is_mine = |(there, signature): &(OciDescriptor, String)| {
            there.digest == layer.descriptor.digest && signer.has_signed(&payload, signature)
        };
        if newest(signed(layers.clone())).0.iter().any(is_mine) {
            return Ok(());
        }
        let signature = signer.sign(&payload).map_err(FetchError::unreached)?;
        layer.descriptor.annotations = Some(BTreeMap::from([(SIGNATURE.to_owned(), signature)]));
        layers.push(layer.descriptor.clone());
        let digests: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
        let never = "0001-01-01T00:00:00Z";
        let config: Value = json!({
            "architecture": "", "config": {}, "created": never, "history": vec![json!({ "created": never }); layers.len()],
            "os": "", "rootfs": { "type": "layers", "diff_ids": digests },
        });
        let config = Blob::new(IMAGE_CONFIG_MEDIA_TYPE, config.to_string().into_bytes());
        put(session, &layer).await?;
        put(session, &config).await?;
        put_manifest(session, &at, manifest(&config, layers, None)).await
    }
}

async fn put(session: &Session<'_>, blob: &Blob) -> Result<(), FetchError> {
    let digest = &blob.descriptor.digest;
    if session.has(digest).await? {
        return Ok(());
    }
    let pushed = session.client.push_blob(&session.reference, blob.bytes.clone(), digest).await;
    pushed.map(drop).map_err(|error| session.explain(error))
}

async fn put_manifest(session: &Session<'_>, at: &Reference, bytes: Vec<u8>) -> Result<(), FetchError> {
    let kind = http::HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE);
    let pushed = session.client.push_manifest_raw(at, bytes, kind).await;
    pushed.map(drop).map_err(|error| session.explain(error))
}
