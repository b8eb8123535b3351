//! The signatures of a component, from where the component comes from.

use super::oci::{Session, with_registry};
use super::{FetchError, https};
use crate::config::PluginLocator;
use crate::network::Client;
use crate::plugin::signature::{Bundled, Evidence, LARGEST, SIGNATURE, SIMPLE_SIGNING, Signed};
use oci_client::manifest::{ImageIndexEntry, OciDescriptor, OciImageManifest};
use oci_client::{Reference, RegistryOperation};

/// What a bundle is called.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// When something was made, in what names it.
const CREATED: &str = "org.opencontainers.image.created";
/// The most signatures of one component that are looked at, of each form: the newest ones.
pub(in crate::plugin) const MOST: usize = 16;

/// What was found of signatures.
#[derive(Debug, Default)]
pub(in crate::plugin) struct Found {
    /// The newest ones, newest first.
    pub(in crate::plugin) evidence: Vec<Evidence>,
    /// How many more there are.
    pub(in crate::plugin) unseen: usize,
}

/// Those that there are now.
pub(super) async fn fetch(locator: &PluginLocator, client: &Client) -> Result<Found, FetchError> {
    let name = locator.as_str();
    match locator {
        PluginLocator::Oci(reference) => with_registry(reference, client, RegistryOperation::Pull, of_artifact).await,
        _ => match https::fetch(&beside(name), client).await {
            Ok(bytes) if bytes.len() > LARGEST => Err(FetchError::wrong("its signature is larger than any is")),
            Ok(bytes) => {
                let signature = Evidence::Blob(String::from_utf8_lossy(&bytes).trim().to_owned());
                Ok(Found { evidence: vec![signature], unseen: 0 })
            }
            Err(FetchError::Absent(_)) => Ok(Found::default()),
            Err(error) => Err(error),
        },
    }
}

/// The signature's place beside a component's: before what a URL asks for.
fn beside(url: &str) -> String {
    match url.split_once('?') {
        Some((path, query)) => format!("{path}.sig?{query}"),
        None => format!("{url}.sig"),
    }
}

/// The tag under which the signatures of a manifest are.
pub(in crate::plugin) fn tag(reference: &Reference, digest: &str) -> Reference {
    let tag = format!("{}.sig", digest.replace(':', "-"));
    Reference::with_tag(reference.registry().to_owned(), reference.repository().to_owned(), tag)
}

async fn of_artifact(session: &Session<'_>) -> Result<Found, FetchError> {
    let Some((manifest, digest)) = session.manifest(&session.reference).await? else {
        return Err(FetchError::wrong("it is not there any more"));
    };
    session.let_go();
    let mut evidence = Vec::new();
    let (signatures, older) = newest(signed(layers(session, &tag(&session.reference, &digest)).await?));
    for (layer, signature) in signatures {
        if let Some(payload) = text(session, &layer).await? {
            evidence.push(Evidence::Image(Signed { manifest: manifest.clone(), payload, signature }));
        }
    }
    let subject = session.reference.clone_with_digest(digest);
    let index = session.client.pull_referrers(&subject, Some(BUNDLE)).await.map_err(|error| session.explain(error))?;
    let mut bundles = index.manifests;
    bundles.retain(|entry| entry.artifact_type.as_deref() == Some(BUNDLE));
    // A registry may list them in any order. Those that do not say when they were made stay as they are, before the others.
    let created = |entry: &ImageIndexEntry| entry.annotations.as_ref().and_then(|said| said.get(CREATED)).cloned();
    bundles.sort_by_key(created);
    let (bundles, more) = newest(bundles);
    for entry in bundles {
        let at = session.reference.clone_with_digest(entry.digest);
        for layer in layers(session, &at).await?.into_iter().filter(|layer| layer.media_type == BUNDLE).take(1) {
            if let Some(bundle) = text(session, &layer).await? {
                evidence.push(Evidence::Bundle(Bundled { manifest: manifest.clone(), bundle }));
            }
        }
    }
    Ok(Found { evidence, unseen: older + more })
}

/// The layers that are signatures, each with it.
pub(in crate::plugin) fn signed(layers: Vec<OciDescriptor>) -> Vec<(OciDescriptor, String)> {
    let one = |layer: OciDescriptor| {
        let signature = layer.annotations.as_ref()?.get(SIGNATURE)?.clone();
        Some((layer, signature))
    };
    layers.into_iter().filter(|layer| layer.media_type == SIMPLE_SIGNING).filter_map(one).collect()
}

/// As many of the last ones as are looked at, the last one first, and how many more there are. Who signs adds a signature behind
/// those that are there, so that no other one keeps it from being seen.
pub(in crate::plugin) fn newest<T>(all: Vec<T>) -> (Vec<T>, usize) {
    let more = all.len().saturating_sub(MOST);
    (all.into_iter().rev().take(MOST).collect(), more)
}

/// The layers of what is under a reference; none where there is nothing.
async fn layers(session: &Session<'_>, reference: &Reference) -> Result<Vec<OciDescriptor>, FetchError> {
    let Some((text, _)) = session.manifest(reference).await? else { return Ok(Vec::new()) };
    let manifest: OciImageManifest = serde_json::from_str(&text)
        .map_err(|error| FetchError::wrong(format!("the manifest of its signature is damaged: {error}")))?;
    Ok(manifest.layers)
}

/// The text of a layer; none of one that is larger than any is.
async fn text(session: &Session<'_>, layer: &OciDescriptor) -> Result<Option<String>, FetchError> {
    if usize::try_from(layer.size).is_ok_and(|size| size <= LARGEST) {
        Ok(String::from_utf8(session.blob(layer).await?).ok())
    } else {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn of_many_the_newest_are_looked_at() {
        assert_eq!(super::newest(vec![1, 2, 3]), (vec![3, 2, 1], 0));
        let (seen, more) = super::newest((0..20).collect());
        assert_eq!((seen.len(), seen[0], seen[15], more), (super::MOST, 19, 4, 4));
    }

    #[test]
    fn a_signature_is_beside_what_is_signed() {
        assert_eq!(super::beside("https://a.example/b.wasm"), "https://a.example/b.wasm.sig");
        assert_eq!(super::beside("https://a.example/b.wasm?c=d"), "https://a.example/b.wasm.sig?c=d");
    }
}
