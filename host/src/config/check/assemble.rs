//! From the tables of the file to the values of a [`Config`], with defaults filled in.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::Check;
use crate::config::document::{
    ApprovalTable, Document, EnvironmentTable, FreezeTable, LeaseTable, OnFailure, Release, RetryTable, StepTable,
};
use crate::config::source::{Half, Source, join};
use crate::config::{
    Approval, Config, Duration, Environment, EnvironmentName, Lease, Pattern, PluginLocator, Retry, Size, Step, StepId,
};
use crate::freeze::{Mistake, Window, never_ends};
use crate::problem::{Code, Problem};

impl Check<'_> {
    pub(super) fn assemble(&mut self, mut document: Document, order: Vec<String>, source: &Arc<Source>) -> Config {
        let environments = order
            .into_iter()
            .filter_map(|name| {
                let table = document.environments.remove(&name)?;
                self.environment(name, table)
            })
            .collect();
        self.not_zero("/timeout", "timeout", "", document.timeout.as_ref());
        if let Release::VersionFrom(path) = &document.release
            && path.is_empty()
        {
            let what = "`release.version-from` names no file";
            self.add(
                "/release/version-from",
                Half::Value,
                what,
                "name a file of the project, for example `Cargo.toml`",
            );
        }
        if document.policy.signed_by.as_ref().is_some_and(Vec::is_empty) {
            let what = "`policy.signed-by` names no key, so no plugin could be signed by one";
            self.add("/policy/signed-by", Half::Value, what, "name a key, or leave `signed-by` out");
        }
        Config {
            app: document.app,
            env: document.env,
            release: document.release,
            on_cancel: document.on_cancel,
            timeout: document.timeout,
            keep_runs: document.keep_runs.map_or(20, |keep| keep.0),
            store: document.store,
            confinement: document.policy.confinement,
            signed_by: document.policy.signed_by.unwrap_or_default(),
            ca_file: document.network.ca_file,
            vars: document.vars,
            environments,
            steps: self.steps(document.step, false),
            finally: self.steps(document.finally, true),
            source: Arc::clone(source),
        }
    }

    fn environment(&mut self, name: String, table: EnvironmentTable) -> Option<Environment> {
        let pointer = join("/environments", &name);
        let name = match EnvironmentName::try_from(name) {
            Ok(name) => name,
            Err(reason) => {
                let hint = "rename it, for example `[environments.staging]`";
                self.add(&pointer, Half::Key, format!("an environment cannot have this name: {reason}"), hint);
                return None;
            }
        };
        let lease = table.lease.map(|LeaseTable { wait, duration }| {
            let owner = format!(" of environment `{name}`");
            self.not_zero(&format!("{pointer}/lease/duration"), "lease.duration", &owner, duration.as_ref());
            Lease {
                wait: wait.unwrap_or(Duration::fixed("0s", 0)),
                duration: duration.unwrap_or(Duration::fixed("15m", 15 * 60_000)),
            }
        });
        let freeze = self.freeze(&name, &format!("{pointer}/freeze"), table.freeze);
        let mut overlays = BTreeMap::new();
        for (id, overlay) in table.step {
            let at = join(&join(&pointer, "step"), &id);
            match StepId::try_from(id) {
                Ok(id) => drop(overlays.insert(id, Value::Object(overlay.with))),
                Err(reason) => {
                    let what = format!("environment `{name}` changes a step that there cannot be: {reason}");
                    self.add(&at, Half::Key, what, "name a step by its `id`");
                }
            }
        }
        let pattern = table.name.as_deref().and_then(|text| self.pattern(&name, &pointer, text, table.transient));
        Some(Environment {
            key: name.clone(),
            transient: table.transient,
            pattern,
            instance: None,
            written_url: table.url.clone(),
            url: table.url,
            after: table.after,
            approval: table.approval.map(|ApprovalTable { required, own, bind, from }| Approval {
                required: required.0,
                own,
                bind,
                from,
            }),
            lease,
            deployment: table.deployment,
            freeze,
            forge_freeze: table.forge_freeze.unwrap_or(true),
            unprotected_branches: table.unprotected_branches,
            comment: table.comment,
            vars: table.vars,
            overlays,
            name,
        })
    }

    fn pattern(
        &mut self,
        environment: &EnvironmentName,
        pointer: &str,
        text: &str,
        transient: bool,
    ) -> Option<Pattern> {
        let at = format!("{pointer}/name");
        if !transient {
            let what = format!("environment `{environment}` has a `name`, and is not transient");
            self.add(
                &at,
                Half::Key,
                what,
                "write `transient = true`, or remove it: its name is what stands in brackets",
            );
            return None;
        }
        match Pattern::new(text) {
            Ok(pattern) => Some(pattern),
            Err(why) => {
                let what = format!("`name` of environment `{environment}` cannot be used");
                let problem = Problem::new(Code::ConfigInvalid, what)
                    .because(why)
                    .with_hint("write a name with one `*`, for example `review/*`");
                self.push(problem.at(self.source.place(&at, Half::Value)));
                None
            }
        }
    }

    fn freeze(&mut self, environment: &EnvironmentName, pointer: &str, tables: Vec<FreezeTable>) -> Vec<Window> {
        let mut windows = vec![];
        for (index, FreezeTable { from, until, zone, reason }) in tables.iter().enumerate() {
            match Window::new(from, until, zone.as_deref(), reason.as_deref()) {
                Ok(window) => windows.push(window),
                Err(Mistake { key, part, why }) => {
                    let hint = match key {
                        "zone" => "write it as the IANA time zone database does, for example `Europe/Berlin`",
                        _ => {
                            "write minute, hour, day of the month, month and day of the week, for example `0 17 * * FRI`"
                        }
                    };
                    let what = format!("`{key}` of a freeze of environment `{environment}` cannot be used");
                    let problem = Problem::new(Code::ConfigInvalid, what).because(why).with_hint(hint);
                    let text = match key {
                        "from" => from,
                        "until" => until,
                        _ => zone.as_deref().unwrap_or_default(),
                    };
                    let at = format!("{pointer}/{index}/{key}");
                    self.push(problem.at(self.source.place_within(&at, text, part)));
                }
            }
        }
        // Those that are wrong are not among these.
        if windows.len() == tables.len() && never_ends(&windows) {
            let alone = windows.iter().position(|window| never_ends([window]));
            let (at, why) = match alone {
                Some(index) => {
                    let window = &windows[index];
                    (format!("{pointer}/{index}"), format!("the window {window} begins anew whenever it ends"))
                }
                None => (pointer.to_owned(), "each of its windows ends within another one".to_owned()),
            };
            let what = format!("`freeze` of environment `{environment}` never ends");
            let problem = Problem::new(Code::ConfigInvalid, what).because(why).with_hint(
                "leave a time in which one may deploy: `from` names the moment at which the freeze begins, for example \
                 `0 17 * * FRI`",
            );
            self.push(problem.at(self.source.place(&at, Half::Value)));
        }
        windows
    }

    fn steps(&mut self, tables: Vec<StepTable>, is_finally: bool) -> Vec<Step> {
        tables.into_iter().enumerate().filter_map(|(index, table)| self.step(table, index, is_finally)).collect()
    }

    fn step(&mut self, table: StepTable, index: usize, is_finally: bool) -> Option<Step> {
        let at = |key: &str| format!("/{}/{index}/{key}", if is_finally { "finally" } else { "step" });
        self.not_zero(&at("timeout"), "timeout", &format!(" of step `{}`", table.id), table.timeout.as_ref());
        if is_finally && table.on_failure.is_some() {
            let what = format!("finally step `{}` cannot have `on_failure`", table.id);
            self.add(&at("on_failure"), Half::Key, what, "remove it; a finally step's failure is a note");
        }
        let RetryTable { attempts, backoff } = table.retry;
        let plugin = PluginLocator::try_from(table.plugin).unwrap_or_else(|text| {
            let hint = if text.starts_with("http://") {
                "write `https://`"
            } else if text.starts_with("oci://") {
                "write `oci://HOST/REPOSITORY:TAG`, or `@sha256:…` in the tag's place"
            } else {
                "write a built-in plugin's name, a path such as `./plugins/mine.wasm`, an `https://` URL or an `oci://` \
                 reference"
            };
            let problem = Problem::new(Code::ConfigInvalid, format!("`plugin` of step `{}` cannot be `{text}`", table.id))
                .because("it is neither the name of a plugin nor where one is")
                .with_hint(hint);
            self.push(problem.at(self.source.place(&at("plugin"), Half::Value)));
            PluginLocator::BuiltIn("set-aside".to_owned())
        });
        Some(Step {
            id: table.id,
            plugin,
            with: Value::Object(table.with),
            environments: table.environments,
            component: table.component,
            timeout: table.timeout.unwrap_or(Duration::fixed("10m", 10 * 60_000)),
            retry: Retry { attempts: attempts.0, backoff: backoff.unwrap_or(Duration::fixed("1s", 1_000)) },
            on_failure: table.on_failure.unwrap_or(OnFailure::Rollback),
            idempotent: table.idempotent,
            state: table.state,
            output_limit: table.output_limit.unwrap_or(Size::fixed("64MiB", 64 << 20)),
            is_finally,
            index,
            overlay: None,
        })
    }

    fn not_zero(&mut self, pointer: &str, key: &str, owner: &str, duration: Option<&Duration>) {
        if let Some(duration) = duration
            && duration.get().is_zero()
        {
            let what = format!("`{key}`{owner} cannot be `{duration}`");
            self.add(pointer, Half::Value, what, "write a longer time, or remove it for the default");
        }
    }
}
