//! `windlass plugin publish`

use super::find::client;
use crate::authoring::Project;
use crate::ci::Variables;
use crate::cli::arguments::{Common, Format};
use crate::cli::session::fill_cache;
use crate::cli::{Failed, print, print_json, say};
use crate::config::PluginLocator;
use crate::plugin::{self, About, Plugins, Signer};
use crate::problem::{Code, Problem};
use crate::variable::SOURCE_DATE_EPOCH;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct Publish {
    /// The component's file, or the directory of a plugin's project that is built.
    #[arg(value_name = "FILE|DIRECTORY")]
    file: PathBuf,
    /// Where to: `oci://HOST/NAME:TAG`.
    #[arg(value_name = "REFERENCE")]
    reference: String,
    /// Replace what is there under that tag.
    #[arg(long)]
    force: bool,
    /// Sign it with this key: ECDSA on P-256, as PKCS#8 in PEM, not encrypted.
    #[arg(long, value_name = "FILE")]
    sign: Option<PathBuf>,
    /// Where its source is, for the annotations.
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    /// Under which licences it is, as an SPDX expression, for the annotations.
    #[arg(long, value_name = "SPDX")]
    licenses: Option<String>,
}

const NOTHING: &str = "nothing was published";

/// `windlass plugin publish`
pub(super) async fn publish(common: &Common, arguments: &Publish) -> Result<(), Failed> {
    let reference = reference(&arguments.reference)?;
    let signer = arguments.sign.as_deref().map(signer).transpose()?;
    let file = component(&arguments.file)?;
    let about = About {
        source: arguments.source.clone(),
        licenses: arguments.licenses.clone(),
        created: created(Variables::of_process().get(SOURCE_DATE_EPOCH))?,
    };
    let client = client(common)?;
    let plugins = Plugins::new(client.clone());
    let name = file.to_string_lossy().into_owned();
    let (plugin, bytes) = plugins.load_own(&name, Path::new("")).await.map_err(|problem| problem.with_note(NOTHING))?;
    fill_cache(&plugins);
    let done = plugin::publish(&plugin, bytes, &about, &reference, arguments.force, signer.as_ref(), &client).await?;
    let pinned = pinned(reference.as_str(), &done.manifest);
    match common.format {
        Format::Human => print(&format!("{pinned}\n")),
        Format::Json => print_json(
            &json!({
                "plugin": plugin.name(), "version": plugin.version(), "sha256": plugin.digest(),
                "reference": reference.as_str(), "manifest": done.manifest, "pinned": pinned,
                "there": done.there, "signed": done.signed,
            })
            .to_string(),
        ),
    }
    let what = if done.there { "was there already" } else { "published" };
    let signed = if done.signed { ", signed" } else { "" };
    say(&format!("{} {what}{signed}: sha256 {}\n", plugin.locked_name(), plugin.digest()));
    say(&format!("next: `windlass plugin add {}`, where it is to be used\n", reference.as_str()));
    Ok(())
}

/// The reference by the digest of the manifest, which nothing moves.
fn pinned(reference: &str, manifest: &str) -> String {
    let name = reference.rsplit_once(':').map_or(reference, |(name, _)| name);
    format!("{name}@{manifest}")
}

fn reference(text: &str) -> Result<PluginLocator, Problem> {
    let wrong = |reason: String| {
        Problem::new(Code::Usage, format!("nothing can be published as `{}`", crate::policy::visible(text)))
            .because(reason)
            .with_note(NOTHING)
            .with_hint("name a registry, a repository and a tag: `oci://HOST/NAME:TAG`")
    };
    match PluginLocator::try_from(text.to_owned()) {
        Ok(PluginLocator::Oci(reference)) if reference.contains('@') => {
            Err(wrong("a digest is what comes of publishing, and names nothing before".into()))
        }
        Ok(locator @ PluginLocator::Oci(_)) => Ok(locator),
        Ok(_) => Err(wrong("it is no reference to a registry".into())),
        Err(text) => Err(wrong(PluginLocator::why_not(&text).into())),
    }
}

/// The component itself: of a project, what was built of it.
fn component(path: &Path) -> Result<PathBuf, Problem> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let built = Project::read(path).and_then(|project| project.built());
    built.map_err(|problem| problem.with_note(NOTHING))
}

fn signer(path: &Path) -> Result<Signer, Problem> {
    let wrong = |reason: String, hint: &str| {
        Problem::new(Code::Usage, format!("`{}` cannot be signed with", path.display()))
            .because(reason)
            .with_note(NOTHING)
            .with_hint(hint)
    };
    let text = std::fs::read_to_string(path).map(zeroize::Zeroizing::new);
    let text = text.map_err(|error| wrong(error.to_string(), "name a file with the private key"))?;
    Signer::new(&text).map_err(|(reason, hint)| wrong(reason, hint))
}

/// When it is said to have been made: not when it was, unless somebody says so, so that the same is the same.
fn created(epoch: Option<&str>) -> Result<String, Problem> {
    let seconds = epoch.filter(|epoch| !epoch.is_empty()).map_or(Ok(0), str::parse::<i64>);
    let time = seconds.ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map(|time| time.to_string()).ok_or_else(|| {
        Problem::new(Code::Usage, format!("`{SOURCE_DATE_EPOCH}` is no time"))
            .because("it is a number of seconds since the beginning of 1970")
            .with_note(NOTHING)
            .with_hint(
                "unset it, or set it to what `git log -1 --format=%ct` says, where it is to be the commit's time",
            )
    })
}

#[cfg(test)]
mod tests {
    use super::{created, pinned};

    #[test]
    fn what_is_made_of_the_same_is_the_same() {
        assert_eq!(created(None).expect("a time"), "1970-01-01T00:00:00Z");
        assert_eq!(created(Some("1700000000")).expect("a time"), "2023-11-14T22:13:20Z");
        assert!(created(Some("now")).is_err());
        assert_eq!(pinned("oci://a.example:5000/b:1", "sha256:00"), "oci://a.example:5000/b@sha256:00");
    }
}
