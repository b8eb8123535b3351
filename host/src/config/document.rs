//! The shape of `deploy.toml`: what serde reads, and what the JSON Schema for editors is made of. What the parts mean
//! together is looked at in [`super::check`].
//!
//! The doc comments of the keys are the schema's descriptions and the hints of errors, so they are written for a person who
//! looks at one key.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::policy::Confinement;

use super::words::{AppName, ComponentName, Duration, EnvironmentName, Size, StateName, StepId, VariableName};

/// A deployment, as Windlass runs it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "deploy.toml")]
pub(super) struct Document {
    /// The version of this format; there is only `1`.
    #[serde(rename = "schema")]
    pub(super) _schema: Version,
    /// The app's name.
    pub(super) app: AppName,
    /// The CI variables that `${env.X}` may name. One that is a secret, or whose value has one in it, is refused.
    #[serde(default)]
    pub(super) env: Vec<VariableName>,
    /// Where the version comes from; `--release-version` wins, and without either it is the short commit.
    #[serde(default)]
    pub(super) release: Release,
    /// What a cancelled run does with what it has changed. Where nothing is said, it is left in CI, and taken back elsewhere.
    pub(super) on_cancel: Option<OnCancel>,
    /// How long the whole run may take. What is over is a failure, and is rolled back. Rolling back has no deadline of its own
    /// but each step's. Where a run is resumed it counts anew.
    pub(super) timeout: Option<Duration>,
    /// How many runs' journals are kept for each environment and component. What is live, the release before it, and what is
    /// not finished are kept besides.
    #[schemars(extend("default" = 20))]
    pub(super) keep_runs: Option<Count<100_000>>,
    /// Where leases and journals are kept besides `.windlass`.
    #[serde(default)]
    pub(super) store: Keeping,
    /// What holds for every step, whatever is accepted for it. `confinement` says whether programs are held to the files that they
    /// may change and the ports that they may connect to: `"where-possible"` where nothing is said, `"required"` or `"off"`.
    /// `signed-by` names the keys by one of which each plugin that is not built in has to be signed; where nothing is said, none has
    /// to be.
    #[serde(default)]
    pub(super) policy: PolicyTable,
    /// How the network is reached. `ca-file`: A file with certificates in PEM, relative to this one, of authorities that are trusted
    /// besides the system's, by the requests of plugins, for the forge, and for plugins from elsewhere.
    #[serde(default)]
    pub(super) network: NetworkTable,
    /// Texts for `${vars.X}`, in every environment.
    #[serde(default)]
    pub(super) vars: BTreeMap<String, String>,
    /// Where the app is deployed to. By name; at least one.
    pub(super) environments: BTreeMap<String, EnvironmentTable>,
    /// What is done, in order. Each is a `[[step]]`; at least one.
    #[schemars(length(min = 1))]
    pub(super) step: Vec<StepTable>,
    /// What is done at the end of every run that has begun to change something, whatever came of it. Each is a `[[finally]]`.
    #[serde(default)]
    pub(super) finally: Vec<StepTable>,
}

/// How the network is reached.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NetworkTable {
    /// A file with certificates in PEM, relative to this one, of authorities that are trusted besides the system's.
    #[serde(rename = "ca-file")]
    #[schemars(length(min = 1))]
    pub(super) ca_file: Option<String>,
}

/// The only version there is.
#[derive(Debug)]
pub(super) struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            1 => Ok(Self),
            other => Err(serde::de::Error::custom(format!("schema `{other}` is not known"))),
        }
    }
}

impl JsonSchema for Version {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "enum": [1] })
    }
}

/// Where the version of a release comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Release {
    /// The short commit.
    #[default]
    ShortCommit,
    /// The tag of the commit.
    Tag,
    /// A file of the project, for example `Cargo.toml`.
    VersionFrom(String),
}

/// Where the version stands.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReleaseTable {
    /// The file of the project that has the version in it, for example `Cargo.toml`.
    #[serde(rename = "version-from")]
    version_from: String,
}

impl<'de> Deserialize<'de> for Release {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Release;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("`\"tag\"` or `{ version-from = PATH }`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Release, E> {
                if text == "tag" { Ok(Release::Tag) } else { Err(E::unknown_variant(text, &["tag"])) }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Release, A::Error> {
                let table = ReleaseTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Release::VersionFrom(table.version_from))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Release {
    fn schema_name() -> Cow<'static, str> {
        "Release".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Either `\"tag\"` or `{ version-from = \"Cargo.toml\" }`.",
            "oneOf": [{ "type": "string", "enum": ["tag"] }, generator.subschema_for::<ReleaseTable>()]
        })
    }
}

/// What a cancelled run does with what it has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnCancel {
    /// Leave it, for `resume` or `rollback`.
    Stop,
    /// Take it back at once.
    Rollback,
}

/// Where leases and journals are kept besides `.windlass`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Keeping {
    /// On the forge, where there is one and the token may write there.
    #[default]
    Forge,
    /// Nowhere: they are lost with the machine.
    Local,
}

/// What holds for every step, whatever is accepted for it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyTable {
    /// Whether programs are held to the files that they may change and the ports that they may connect to, as `deploy.lock` has
    /// them.
    #[serde(default)]
    pub(super) confinement: Confinement,
    /// The keys by one of which each plugin that is not built in has to be signed: public keys of ECDSA on P-256 in PEM, each as a
    /// file, relative to this one, or as it is. Where nothing is said, none has to be.
    #[serde(rename = "signed-by")]
    #[schemars(length(min = 1))]
    pub(super) signed_by: Option<Vec<String>>,
}

/// One place that the app is deployed to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EnvironmentTable {
    /// Where it can be seen, for `${environment.url}` and for the forge. The forge shows it once the deployment has succeeded.
    pub(super) url: Option<String>,
    /// Whether it comes and goes, as a review app does.
    #[serde(default)]
    pub(super) transient: bool,
    /// The names of the environments that this table stands for, with one `*`: `review/*`. Only where `transient` is `true`;
    /// otherwise the table stands for the one of its own name.
    pub(super) name: Option<String>,
    /// The environments that a commit has to be deployed to before this one. Their newest successful deployment has to be this
    /// commit, with none newer under way.
    #[serde(default)]
    pub(super) after: Vec<EnvironmentName>,
    /// Who has to agree to the plan before it is run.
    pub(super) approval: Option<ApprovalTable>,
    /// How long a run waits for another one, and how long its own claim holds.
    pub(super) lease: Option<LeaseTable>,
    /// Who makes the forge's deployment. Left out, it is `adopt` on GitLab in a job with `environment:` of this name, and `own`
    /// elsewhere.
    pub(super) deployment: Option<DeploymentOwner>,
    /// When nothing is deployed here, unless somebody says why.
    #[serde(default)]
    pub(super) freeze: Vec<FreezeTable>,
    /// Whether the forge's own freezes hold here, too. On GitLab these are the freeze periods of the project.
    #[schemars(extend("default" = true))]
    pub(super) forge_freeze: Option<bool>,
    /// Whether this environment is deployed to from branches that the forge protects by no rule, and from pull and merge requests,
    /// as review apps are. Otherwise a job for such a branch gets no secrets, and nothing is run from it. One for a fork never is.
    #[serde(default)]
    pub(super) unprotected_branches: bool,
    /// Whether the pull or merge request is told of it, in one comment that is kept up to date.
    #[serde(default)]
    pub(super) comment: bool,
    /// Texts for `${vars.X}`, in place of the app's.
    #[serde(default)]
    pub(super) vars: BTreeMap<String, String>,
    /// What is different here for steps, by their id: overlays.
    #[serde(default)]
    pub(super) step: BTreeMap<String, OverlayTable>,
}

/// Who has to agree.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApprovalTable {
    /// How many people have to approve.
    pub(super) required: Count,
    /// Whether whoever asks for it counts. Where nobody knows who asks, nobody counts.
    #[serde(default, rename = "self")]
    pub(super) own: bool,
    /// What an approval is for.
    #[serde(default)]
    pub(super) bind: Bind,
    /// Whose approvals count; without it, everybody's whom the forge lets.
    pub(super) from: Option<Approvers>,
}

/// What an approval is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Bind {
    /// The plan of an earlier job of the same CI run.
    #[default]
    Plan,
    /// The plan whose digest stands in the approval's comment, or at least its first twelve digits.
    Comment,
}

/// Whose approvals count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approvers {
    /// Names of users on the forge.
    #[serde(default)]
    pub users: Vec<String>,
    /// Names of teams or groups on the forge. On GitHub a team is `deployers` of the repository's organisation, or
    /// `acme/deployers`; on GitLab it is the name of a group in the environment's approval rules.
    #[serde(default)]
    pub teams: Vec<String>,
}

/// How long a run waits for another one, and how long its own claim holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LeaseTable {
    /// How long to wait for another run to end.
    #[schemars(extend("default" = "0s"))]
    pub(super) wait: Option<Duration>,
    /// How long a claim holds unless it is renewed.
    #[schemars(extend("default" = "15m"))]
    pub(super) duration: Option<Duration>,
}

/// A time that comes again and again, in which nothing is deployed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FreezeTable {
    /// When it begins, as a cron expression: minute, hour, day of the month, month, day of the week. `0 17 * * FRI`.
    pub(super) from: String,
    /// When it ends, in the same way: `0 8 * * MON`. In that minute one may deploy again.
    pub(super) until: String,
    /// The time zone of both, by its name in the IANA database, for example `Europe/Berlin`. Clocks that are put forward or back
    /// are heeded.
    #[schemars(extend("default" = "UTC"))]
    pub(super) zone: Option<String>,
    /// Why, for whoever is kept from deploying.
    pub(super) reason: Option<String>,
}

/// Who makes the forge's deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentOwner {
    /// Windlass does.
    Own,
    /// The CI job's own `environment:` did.
    Adopt,
}

/// What is different for one step in one environment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OverlayTable {
    /// What is merged over the step's `with`: tables key by key, all else as a whole.
    #[serde(default)]
    pub(super) with: Map<String, Value>,
}

/// One step.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StepTable {
    /// The step's name, unique in the file.
    pub(super) id: StepId,
    /// What it runs: a built-in plugin by its name, a file by its path, or a component behind an `https://` URL or an `oci://` reference.
    #[schemars(with = "super::words::PluginLocator")]
    pub(super) plugin: String,
    /// The plugin's configuration; `windlass schema PLUGIN` says what it may be.
    #[serde(default)]
    pub(super) with: Map<String, Value>,
    /// The environments in which it runs; without it, all.
    pub(super) environments: Option<Vec<EnvironmentName>>,
    /// The part of the app that it belongs to. It is deployed by itself: `--component NAME` runs the steps of that part and no
    /// others, and without it those run that belong to none.
    pub(super) component: Option<ComponentName>,
    /// How long one attempt may take, and how long planning, probing or reverting it may.
    #[schemars(extend("default" = "10m"))]
    pub(super) timeout: Option<Duration>,
    /// How often and how soon it is tried again.
    #[serde(default)]
    pub(super) retry: RetryTable,
    /// What its failure does to the run. Of no meaning in `[[finally]]`.
    #[schemars(extend("default" = "rollback"))]
    pub(super) on_failure: Option<OnFailure>,
    /// Whether it may be applied again when nobody knows how far it came. `resume` does so then, and asks nobody; a finally step
    /// that was cut off is run again only with it.
    #[serde(default)]
    pub(super) idempotent: bool,
    /// The name under which it shares what it keeps with other steps of the same plugin. It is kept for the time of the run, also
    /// where that is resumed. Its own where nothing is said.
    pub(super) state: Option<StateName>,
    /// The most that its log may hold. What is beyond it is counted and not kept.
    #[schemars(extend("default" = "64MiB"))]
    pub(super) output_limit: Option<Size>,
}

/// How often and how soon a step is tried again.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RetryTable {
    /// How often it is tried in all. Where a run is resumed, that counts anew.
    #[serde(default)]
    #[schemars(extend("default" = 1))]
    pub(super) attempts: Count,
    /// How long to wait before the second attempt; each further wait is twice as long.
    #[schemars(extend("default" = "1s"))]
    pub(super) backoff: Option<Duration>,
}

/// A whole number from 1 to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub(super) struct Count<const MOST: u32 = 100>(pub(super) u32);

impl Default for Count {
    fn default() -> Self {
        Self(1)
    }
}

impl<const MOST: u32> TryFrom<u32> for Count<MOST> {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        if (1..=MOST).contains(&number) { Ok(Self(number)) } else { Err(format!("not from 1 to {MOST}")) }
    }
}

impl<const MOST: u32> JsonSchema for Count<MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("CountTo{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": MOST })
    }
}

/// What a step's failure does to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// What was changed is taken back.
    #[default]
    Rollback,
    /// The run ends, and what was changed stays.
    Stop,
    /// The run goes on.
    Continue,
}

/// The JSON Schema of `deploy.toml`, for editors.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = Value::from(schemars::schema_for!(Document));
    allow_own_keys(&mut schema);
    schema
}

/// In every table of ours, keys that begin with `x-` are the user's own.
fn allow_own_keys(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.values_mut().for_each(allow_own_keys);
            if map.get("additionalProperties") == Some(&Value::Bool(false)) {
                map.insert("patternProperties".into(), serde_json::json!({ "^x-": {} }));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(allow_own_keys),
        _ => {}
    }
}
