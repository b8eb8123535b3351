//! `windlass plugin publish`

use super::find::client;
use super::licence;
use crate::authoring::Project;
use crate::ci::Variables;
use crate::cli::arguments::{Common, Format};
use crate::cli::session::fill_cache;
use crate::cli::{Failed, print, print_json, say};
use crate::config::PluginLocator;
use crate::plugin::{self, About, Plugin, Plugins, Signer};
use crate::policy::visible;
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
    arguments.licenses.as_deref().map_or(Ok(()), licences)?;
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
    let notes = fitting(reference.as_str(), &plugin)?;
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
    notes.iter().for_each(|note| say(&format!("note: {note}\n")));
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
        Problem::new(Code::Usage, format!("nothing can be published as `{}`", visible(text)))
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

fn licences(text: &str) -> Result<(), Problem> {
    licence::why_not(text).map_or(Ok(()), |why| {
        Err(Problem::new(Code::Usage, format!("`{}` says no licence", visible(text)))
            .because(visible(&why))
            .with_note(NOTHING)
            .with_hint(
                "write it as SPDX has it, for example `--licenses \"MIT OR Apache-2.0\"`: https://spdx.org/licenses",
            ))
    })
}

/// What whoever publishes should know of how a reference calls a plugin. A tag that is another version is one that nobody means.
fn fitting(reference: &str, plugin: &Plugin) -> Result<Vec<String>, Problem> {
    let (repository, tag) = reference.rsplit_once(':').unwrap_or((reference, ""));
    let name = repository.rsplit('/').next().unwrap_or_default();
    let version = plugin.version();
    let mut notes = Vec::new();
    if says_another(tag, version) {
        // A tag has no `+`.
        let right = format!("{repository}:{}", version.replace('+', "_"));
        return Err(Problem::new(Code::Usage, format!("nothing can be published as `{}`", visible(reference)))
            .because(format!("its tag says that it is another version than `{}`", visible(version)))
            .with_note(NOTHING)
            .with_hint(format!("publish it as `{}`, or change the version that it says itself", visible(&right))));
    }
    if may_mislead(tag, version) {
        notes.push(format!("the tag `{}` does not fit the version `{}`", visible(tag), visible(version)));
    }
    if name != plugin.name() {
        notes.push(format!("the repository is called `{}`, and the plugin `{}`", visible(name), plugin.name()));
    }
    Ok(notes)
}

/// Whether a tag is a whole version, and not that one.
fn says_another(tag: &str, version: &str) -> bool {
    let parse = |text: &str| semver::Version::parse(text.strip_prefix('v').unwrap_or(text)).ok();
    // A tag has no `+`, and `_` in its place.
    parse(&tag.replacen('_', "+", 1))
        .zip(parse(version))
        .is_some_and(|(tag, version)| !tag.cmp_precedence(&version).is_eq())
}

/// Whether a tag looks like the beginning of a version, and not of that one. It may count something else.
fn may_mislead(tag: &str, version: &str) -> bool {
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let numbers: Vec<&str> = tag.split('.').collect();
    let is_beginning = numbers.len() < 3
        && numbers.iter().all(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
    is_beginning && !numbers.iter().zip(version.split('.')).all(|(number, of_version)| *number == of_version)
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
    use super::{created, may_mislead, pinned, says_another};

    #[test]
    fn a_tag_is_held_against_the_version() {
        for (tag, version, another, misleads) in [
            ("1.2.3", "1.2.3", false, false),
            ("v1.2.3", "1.2.3", false, false),
            ("1.2.3", "1.2.3+build", false, false),
            ("1.2.3_build", "1.2.3+build", false, false),
            ("1.2.4_build", "1.2.3+build", true, false),
            ("1.2.4", "1.2.3", true, false),
            ("v1.2.4", "1.2.3", true, false),
            ("1.2.3-rc.1", "1.2.3", true, false),
            ("1", "1.2.3", false, false),
            ("v1.2", "1.2.3", false, false),
            ("2", "1.2.3", false, true),
            ("1.3", "1.2.3", false, true),
            ("latest", "1.2.3", false, false),
            ("sha-0a1b2c", "1.2.3", false, false),
        ] {
            assert_eq!((says_another(tag, version), may_mislead(tag, version)), (another, misleads), "{tag} {version}");
        }
    }

    #[test]
    fn what_is_made_of_the_same_is_the_same() {
        assert_eq!(created(None).expect("a time"), "1970-01-01T00:00:00Z");
        assert_eq!(created(Some("1700000000")).expect("a time"), "2023-11-14T22:13:20Z");
        assert!(created(Some("now")).is_err());
        assert_eq!(pinned("oci://a.example:5000/b:1", "sha256:00"), "oci://a.example:5000/b@sha256:00");
    }
}
