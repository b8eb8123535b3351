//! What can be read off a lockfile without its tool: its digest and how many packages it names.

use crate::manager::Manager;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The digest of some bytes, as `sha256:` and hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// How many packages from elsewhere a lockfile names, where that can be told. With `production`, without those that are
/// only for development, where the lockfile says which those are.
pub(crate) fn packages(manager: Manager, text: &str, production: bool) -> Option<usize> {
    match manager {
        // What has no source is a member of the workspace, or a folder.
        Manager::Cargo => Some(text.lines().filter(|line| line.starts_with("source = ")).count()),
        Manager::Uv => {
            let sources = text.lines().filter(|line| line.starts_with("source = "));
            Some(sources.filter(|line| !line.contains("{ virtual = ") && !line.contains("{ editable = ")).count())
        }
        Manager::Poetry => Some(text.lines().filter(|line| *line == "[[package]]").count()),
        Manager::Npm => {
            let lock: Value = serde_json::from_str(text).ok()?;
            let packages = lock.get("packages")?.as_object()?;
            let counts = |(path, package): &(&String, &Value)| {
                path.contains("node_modules/") && !(production && package.get("dev") == Some(&Value::Bool(true)))
            };
            Some(packages.iter().filter(counts).count())
        }
        Manager::Pnpm => Some(section(text, "packages:").filter(|line| key_at(line, 2)).count()),
        Manager::Yarn => Some(text.lines().filter(|line| key_at(line, 0)).count()),
        Manager::YarnBerry => {
            let resolutions = text.lines().filter(|line| line.starts_with("  resolution: "));
            Some(resolutions.filter(|line| !line.contains("@workspace:")).count())
        }
        Manager::Bun => {
            let in_packages = section(text, "  \"packages\": {");
            let count = in_packages.filter(|line| line.starts_with("    \"") && line.contains("\": [")).count();
            text.contains("\"lockfileVersion\"").then_some(count)
        }
        Manager::Pip => Some(requirements(text).len()),
        Manager::Go => Some(text.lines().filter(|line| is_sum(line) && !line.contains("/go.mod h1:")).count()),
        Manager::Bundler => {
            let gem = |line: &&str| line.starts_with("    ") && !line.starts_with("     ") && line.ends_with(')');
            Some(text.lines().filter(gem).count())
        }
        Manager::Composer => {
            let lock: Value = serde_json::from_str(text).ok()?;
            let count = |key: &str| lock.get(key).and_then(Value::as_array).map_or(0, Vec::len);
            Some(count("packages") + if production { 0 } else { count("packages-dev") })
        }
    }
}

/// `greeting v1.0.0 h1:…`
fn is_sum(line: &str) -> bool {
    line.split_whitespace().nth(2).is_some_and(|hash| hash.starts_with("h1:"))
}

/// The lines below a heading, up to the next line that is not indented more than it is.
fn section<'text>(text: &'text str, heading: &'text str) -> impl Iterator<Item = &'text str> {
    let indent = heading.len() - heading.trim_start().len();
    let below = text.lines().skip_while(move |line| *line != heading).skip(1);
    below.take_while(move |line| line.trim().is_empty() || line.len() - line.trim_start().len() > indent)
}

/// Whether a line is a key that is indented by exactly so much and has a block below it.
fn key_at(line: &str, indent: usize) -> bool {
    let text = line.trim_start();
    line.len() - text.len() == indent && text.trim_end().ends_with(':') && !text.starts_with('#')
}

/// The requirements of a `requirements.txt`, with their continued lines joined and without options and comments.
pub(crate) fn requirements(text: &str) -> Vec<String> {
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '-'])).map(str::to_string).collect()
}

/// Whether a `requirements.txt` takes in other files, which its own digest does not cover.
pub(crate) fn includes_others(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| {
        ["-r", "--requirement", "-c", "--constraint"].iter().any(|option| {
            line.strip_prefix(option)
                .is_some_and(|rest| rest.starts_with([' ', '=', '\t']) || option.len() == 2 && !rest.is_empty())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{digest, includes_others, packages, requirements};
    use crate::manager::Manager;

    #[test]
    fn packages_are_counted_in_every_lockfile() {
        let npm = r#"{"packages":{"":{},"a":{},"node_modules/a":{"link":true},"node_modules/ms":{},
            "node_modules/ms/node_modules/x":{"dev":true}}}"#;
        let pnpm = "lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n\npackages:\n\n  isarray@2.0.5:\n    \
            resolution: {integrity: sha512-x}\n\n  ms@2.1.3:\n    resolution: {}\n\nsnapshots:\n\n  ms@2.1.3: {}\n";
        let yarn = "# yarn lockfile v1\n\n\nfsevents@^2:\n  version \"2.3.3\"\n\n\"ms@^2.1.0\", ms@^2:\n  dependencies:\n    \
            a \"1\"\n";
        let berry = "__metadata:\n  version: 10\n\n\"a@workspace:.\":\n  resolution: \"a@workspace:.\"\n\n\"b@npm:1\":\n  \
            resolution: \"b@npm:1.0.0\"\n";
        let bun = "{\n  \"lockfileVersion\": 2,\n  \"packages\": {\n    \"greeting\": [\"greeting@file:greeting\", {}],\n\n    \
            \"ms\": [\"ms@2\"],\n  }\n}\n";
        let gems = "PATH\n  remote: greeting\n  specs:\n    greeting (1.0.0)\n\nGEM\n  specs:\n    a (1.0)\n      b (>= 1)\n    \
            b (2.0)\n\nDEPENDENCIES\n  a\n  greeting!\n\nBUNDLED WITH\n   2.3.15\n";
        let uv = "[[package]]\nname = \"f\"\nsource = { virtual = \".\" }\n\n[[package]]\nname = \"g\"\nsource = { registry = \"w\" }\n";
        let cases: &[(Manager, &str, usize)] = &[
            (Manager::Cargo, "[[package]]\nname = \"a\"\n\n[[package]]\nname = \"b\"\nsource = \"registry+x\"\n", 1),
            (Manager::Npm, npm, 3),
            (Manager::Pnpm, pnpm, 2),
            (Manager::Yarn, yarn, 2),
            (Manager::YarnBerry, berry, 1),
            (Manager::Bun, bun, 2),
            (Manager::Pip, "-i x\na==1 \\\n  --hash=sha256:1\nb==2 --hash=sha256:2\n", 2),
            (Manager::Uv, uv, 1),
            (Manager::Poetry, "[[package]]\nname = \"a\"\n[[package]]\n", 2),
            (Manager::Go, "a.b/c v1.0.0 h1:x=\na.b/c v1.0.0/go.mod h1:y=\na.b/d v1.0.0/go.mod h1:z=\n", 1),
            (Manager::Bundler, gems, 3),
            (Manager::Composer, r#"{"packages":[{"name":"a/b"}],"packages-dev":[{"name":"c/d"}]}"#, 2),
        ];
        assert_eq!(cases.len(), Manager::ALL.len());
        for (manager, text, count) in cases {
            assert_eq!(packages(*manager, text, false), Some(*count), "{manager:?}");
        }
        assert_eq!(packages(Manager::Npm, npm, true), Some(2));
        assert_eq!(packages(Manager::Bun, "\u{0}binary", false), None);
    }

    #[test]
    fn digests_are_sha256() {
        assert_eq!(digest(b""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn requirements_are_joined_and_includes_are_seen() {
        assert_eq!(requirements("# c\n--no-index\na==1 \\\n    --hash=sha256:1\n"), ["a==1      --hash=sha256:1"]);
        for (text, others) in [
            ("-r base.txt", true),
            ("-rbase.txt", true),
            ("--constraint=c.txt", true),
            ("requests==1", false),
            ("--require-hashes", false),
        ] {
            assert_eq!(includes_others(text), others, "{text}");
        }
    }
}
