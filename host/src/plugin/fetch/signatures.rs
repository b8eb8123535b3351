//! The signatures of a component, from where the component comes from.

use super::oci::{Session, with_registry};
use super::{FetchError, https};
use crate::config::PluginLocator;
use crate::network::Client;
use crate::plugin::signature::{Bundled, Evidence, LARGEST, SIGNATURE, SIMPLE_SIGNING, Signed};
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use oci_client::{Reference, RegistryOperation};

/// What a bundle is called.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The most signatures of one component that are looked at.
const MOST: usize = 16;

/// All that there are now.
pub(super) async fn fetch(locator: &PluginLocator, client: &Client) -> Result<Vec<Evidence>, FetchError> {
    let name = locator.as_str();
    match locator {
        PluginLocator::Oci(reference) => with_registry(reference, client, RegistryOperation::Pull, of_artifact).await,
        _ => match https::fetch(&beside(name), client).await {
            Ok(bytes) if bytes.len() > LARGEST => Err(FetchError::wrong("its signature is larger than any is")),
            Ok(bytes) => Ok(vec![Evidence::Blob(String::from_utf8_lossy(&bytes).trim().to_owned())]),
            Err(FetchError::Absent(_)) => Ok(Vec::new()),
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

async fn of_artifact(session: &Session<'_>) -> Result<Vec<Evidence>, FetchError> {
    let Some((manifest, digest)) = session.manifest(&session.reference).await? else {
        return Err(FetchError::wrong("it is not there any more"));
    };
    session.let_go();
    let mut found = Vec::new();
    for layer in layers(session, &tag(&session.reference, &digest)).await? {
        let signature = layer.annotations.as_ref().and_then(|annotations| annotations.get(SIGNATURE));
        if layer.media_type != SIMPLE_SIGNING || found.len() == MOST {
            continue;
        }
        let Some(signature) = signature else { continue };
        if let Some(payload) = text(session, &layer).await? {
            found.push(Evidence::Image(Signed { manifest: manifest.clone(), payload, signature: signature.clone() }));
        }
    }
    let subject = session.reference.clone_with_digest(digest);
    let index = session.client.pull_referrers(&subject, Some(BUNDLE)).await.map_err(|error| session.explain(error))?;
    for entry in index.manifests.iter().filter(|entry| entry.artifact_type.as_deref() == Some(BUNDLE)).take(MOST) {
        let at = session.reference.clone_with_digest(entry.digest.clone());
        for layer in layers(session, &at).await?.into_iter().filter(|layer| layer.media_type == BUNDLE).take(1) {
            if let Some(bundle) = text(session, &layer).await? {
                found.push(Evidence::Bundle(Bundled { manifest: manifest.clone(), bundle }));
            }
        }
    }
    Ok(found)
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
    fn a_signature_is_beside_what_is_signed() {
        assert_eq!(super::beside("https://a.example/b.wasm"), "https://a.example/b.wasm.sig");
        assert_eq!(super::beside("https://a.example/b.wasm?c=d"), "https://a.example/b.wasm.sig?c=d");
    }
}
