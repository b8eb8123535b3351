//! Whether every hole in the file's texts is one that will be filled, wherever its step runs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Check;
use crate::config::holes::{Hole, Name, Part, is_marked, parts};
use crate::config::source::{Half, join, segments};
use crate::config::{Config, Environment, Step, StepId, listing, nearest};
use crate::problem::{Code, Problem};

/// Where in a step a text stands.
struct Spot<'a> {
    step: &'a Step,
    /// The environment whose overlay it is in.
    overlay: Option<&'a Environment>,
    /// Its pointer in the file.
    pointer: String,
    /// Its pointer in `with`.
    inner: String,
}

/// What holes may refer to.
struct Names<'a> {
    config: &'a Config,
    /// All steps in the order in which they run.
    steps: BTreeMap<&'a StepId, (usize, &'a Step)>,
    /// All vars of the app and of environments.
    vars: BTreeSet<&'a str>,
}

impl Check<'_> {
    pub(super) fn texts(&mut self, config: &Config) {
        self.literal_texts(config);
        let all = || config.steps.iter().chain(&config.finally);
        let mut steps = BTreeMap::new();
        for (index, step) in all().enumerate() {
            steps.entry(&step.id).or_insert((index, step));
        }
        let vars = config.vars.keys().chain(config.environments.iter().flat_map(|it| it.vars.keys()));
        let names = Names { config, steps, vars: vars.map(String::as_str).collect() };
        for (index, step) in all().enumerate() {
            let pointer = join(&step.pointer(), "with");
            let mut spot = Spot { step, overlay: None, pointer, inner: String::new() };
            self.value(&names, index, &mut spot, &step.with);
            for environment in &config.environments {
                if let Some(overlay) = environment.overlays.get(&step.id) {
                    let pointer = join(&join("/environments", environment.name.as_str()), "step");
                    let pointer = join(&join(&pointer, step.id.as_str()), "with");
                    let mut spot = Spot { step, overlay: Some(environment), pointer, inner: String::new() };
                    self.value(&names, index, &mut spot, overlay);
                }
            }
        }
    }

    /// Outside `with` nothing is filled, so a hole there is a mistake.
    fn literal_texts(&mut self, config: &Config) {
        let mut marked = vec![];
        let mut vars = |pointer: &str, vars: &BTreeMap<String, String>| {
            marked.extend(
                vars.iter().filter(|(_, text)| is_marked(text)).map(|(key, text)| (join(pointer, key), text.clone())),
            );
        };
        vars("/vars", &config.vars);
        for environment in &config.environments {
            vars(&format!("{}/vars", join("/environments", environment.name.as_str())), &environment.vars);
        }
        for environment in &config.environments {
            let is_open = |part| match part {
                Part::Hole(Name::Late(Hole::Instance), _) => environment.pattern.is_none(),
                Part::Hole(..) => true,
                Part::Text(_) => false,
            };
            if let Some(url) = environment.url.as_ref().filter(|url| is_marked(url) && parts(url).any(is_open)) {
                marked.push((format!("{}/url", join("/environments", environment.name.as_str())), url.clone()));
            }
        }
        for step in config.steps.iter().chain(&config.finally) {
            if is_marked(step.plugin.as_str()) {
                marked.push((format!("{}/plugin", step.pointer()), step.plugin.as_str().to_owned()));
            }
        }
        for (pointer, text) in marked {
            let start = text.find("${").unwrap_or_default();
            let place = self.source.place_within(&pointer, &text, start..start + 2);
            let problem = Problem::new(Code::ConfigInvalid, "`${` stands where nothing is filled in")
                .because("only the strings in a step's `with` are filled")
                .with_hint("write the value itself, or move this text into `with`");
            self.push(problem.at(place));
        }
    }

    fn value(&mut self, names: &Names<'_>, index: usize, spot: &mut Spot<'_>, value: &Value) {
        match value {
            Value::String(text) if is_marked(text) => self.text(names, index, spot, text),
            Value::Array(items) => {
                for (position, item) in items.iter().enumerate().filter(|(_, item)| may_be_marked(item)) {
                    self.within(names, index, spot, &position.to_string(), item);
                }
            }
            Value::Object(map) => {
                if let (1, Some(Value::String(name))) = (map.len(), map.get("secret")) {
                    self.secret(spot, name);
                }
                for (key, item) in map {
                    if is_marked(key) {
                        let place = self.source.place(&join(&spot.pointer, key), Half::Key);
                        let what = format!("a key in `with` of step `{}` has `${{` in it", spot.step.id);
                        let problem = Problem::new(Code::ConfigInvalid, what)
                            .because("only values are filled")
                            .with_hint("write the key as it is to be");
                        self.push(problem.at(place));
                    }
                    if may_be_marked(item) {
                        self.within(names, index, spot, key, item);
                    }
                }
            }
            _ => {}
        }
    }

    /// Which secret a step gets must not depend on what is known only later: it is accepted by name.
    fn secret(&mut self, spot: &Spot<'_>, name: &str) {
        let late = parts(name).any(|part| matches!(part, Part::Hole(Name::Late(_), _)));
        if late {
            let what = format!("step `{}` names a secret that is known only when it runs", spot.step.id);
            self.add(&join(&spot.pointer, "secret"), Half::Value, what, "write the secret's name as it is");
        }
    }

    fn within(&mut self, names: &Names<'_>, index: usize, spot: &mut Spot<'_>, key: &str, item: &Value) {
        let lengths = (spot.pointer.len(), spot.inner.len());
        let segment = join("", key);
        spot.pointer.push_str(&segment);
        spot.inner.push_str(&segment);
        self.value(names, index, spot, item);
        spot.pointer.truncate(lengths.0);
        spot.inner.truncate(lengths.1);
    }

    fn text(&mut self, names: &Names<'_>, index: usize, spot: &Spot<'_>, text: &str) {
        for part in parts(text) {
            let Part::Hole(name, span) = part else { continue };
            let fault = match &name {
                Name::Unterminated => Some(fault(
                    format!("a `${{` in step `{}` has no `}}`", spot.step.id),
                    "close it, or write `$${` for the two characters".to_owned(),
                )),
                Name::Secret(name) => Some(fault(
                    format!("step `{}` cannot put the secret `{name}` into a text", spot.step.id),
                    format!("secrets are references: write `{{ secret = \"{name}\" }}` where the plugin takes one"),
                )),
                Name::Unknown(name) => Some(names.unknown(spot.step, name)),
                Name::Var(name) => names.var(spot, name, self.whole),
                Name::Url => names.url(spot, self.whole),
                Name::Late(Hole::Variable(name)) => names.variable(spot.step, name),
                Name::Late(Hole::Output { step, name }) => names.output(index, spot, step, name, self.whole),
                Name::Late(Hole::Version | Hole::Commit) => None,
                Name::Late(Hole::Instance) => names.instance(spot, self.whole),
            };
            if let Some((what, hint)) = fault {
                let place = self.source.place_within(&spot.pointer, text, span);
                self.push(Problem::new(Code::ConfigInvalid, what).with_hint(hint).at(place));
            }
        }
    }
}

/// What is wrong, and what helps.
type Fault = (String, String);

fn fault(what: String, hint: String) -> Fault {
    (what, hint)
}

/// Whether it is worth looking into a value.
fn may_be_marked(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Array(_) | Value::Object(_))
}

impl Names<'_> {
    fn unknown(&self, step: &Step, name: &str) -> Fault {
        let what = format!("step `{}` has a hole `${{{name}}}` that nothing fills", step.id);
        let fixed =
            ["deployment.version", "deployment.commit", "environment.url", "environment.instance"].map(str::to_owned);
        let known = fixed
            .into_iter()
            .chain(self.vars.iter().map(|name| format!("vars.{name}")))
            .chain(self.config.env.iter().map(|name| format!("env.{name}")));
        let known: Vec<_> = known.collect();
        let hint = if let Some(near) = nearest(name.trim(), known.iter().map(String::as_str)) {
            format!("write `${{{near}}}`")
        } else if name.starts_with("steps.") {
            "write `${steps.ID.outputs.NAME}`".to_owned()
        } else {
            "write `${vars.X}`, `${env.X}`, `${environment.url}`, `${deployment.version}`, `${deployment.commit}` or \
             `${steps.ID.outputs.NAME}`; `$${` is `${` as it stands"
                .to_owned()
        };
        (what, hint)
    }

    fn variable(&self, step: &Step, name: &str) -> Option<Fault> {
        let known = || self.config.env.iter().map(|name| name.as_str());
        if known().any(|known| known == name) {
            return None;
        }
        let hint = nearest(name, known()).map_or_else(
            || format!("add `\"{name}\"` to the list `env` at the top"),
            |near| format!("write `${{env.{near}}}`, or add `\"{name}\"` to the list `env`"),
        );
        Some((format!("step `{}` uses the variable `{name}`, which `env` does not name", step.id), hint))
    }

    /// The environments in which a text counts: where its step runs, and nothing is put over it.
    fn environments<'s>(&'s self, spot: &'s Spot<'_>) -> impl Iterator<Item = &'s Environment> {
        self.config.environments.iter().filter(|environment| {
            spot.step.runs_in(environment.name.as_str())
                && match spot.overlay {
                    Some(overlay) => overlay.name == environment.name,
                    None => {
                        environment.overlays.get(&spot.step.id).is_none_or(|overlay| survives(overlay, &spot.inner))
                    }
                }
        })
    }

    fn var(&self, spot: &Spot<'_>, name: &str, whole: bool) -> Option<Fault> {
        if !whole || self.config.vars.contains_key(name) {
            return None;
        }
        if !self.vars.contains(name) {
            let hint = nearest(name, self.vars.iter().copied())
                .map_or_else(|| format!("add `{name}` to `[vars]`"), |near| format!("write `${{vars.{near}}}`"));
            return Some((format!("step `{}` uses `${{vars.{name}}}`, which there is not", spot.step.id), hint));
        }
        let without: Vec<_> =
            self.environments(spot).filter(|it| !it.vars.contains_key(name)).map(|it| &it.name).collect();
        (!without.is_empty()).then(|| {
            let what = format!(
                "step `{}` uses `${{vars.{name}}}`, which has no value in {}",
                spot.step.id,
                listing(without, "and")
            );
            (what, format!("add `{name}` to `[vars]`, or to the `vars` of those environments"))
        })
    }

    fn url(&self, spot: &Spot<'_>, whole: bool) -> Option<Fault> {
        let without: Vec<_> = self.environments(spot).filter(|it| it.url.is_none()).map(|it| &it.name).collect();
        (whole && !without.is_empty()).then(|| {
            let what = format!(
                "step `{}` uses `${{environment.url}}`, and {} has no `url`",
                spot.step.id,
                listing(without, "and")
            );
            (what, "add a `url` to the environment, or leave it out of the step's `environments`".to_owned())
        })
    }

    fn instance(&self, spot: &Spot<'_>, whole: bool) -> Option<Fault> {
        let without: Vec<_> = self.environments(spot).filter(|it| it.pattern.is_none()).map(|it| &it.name).collect();
        (whole && !without.is_empty()).then(|| {
            let what = format!(
                "step `{}` uses `${{environment.instance}}`, and {} stands for no others",
                spot.step.id,
                listing(without, "and")
            );
            (what, "use it only where the environment has a `name` with `*`".to_owned())
        })
    }

    fn output(&self, index: usize, spot: &Spot<'_>, id: &StepId, name: &str, whole: bool) -> Option<Fault> {
        let step = spot.step;
        let uses = format!("step `{}` uses the output `{name}` of step `{id}`", step.id);
        let Some((position, producer)) = self.steps.get(id) else {
            let before =
                self.steps.values().filter(|(position, _)| *position < index).map(|(_, step)| step.id.as_str());
            let hint = nearest(id.as_str(), before).map_or_else(
                || "name a step before it by its `id`".to_owned(),
                |near| format!("write `${{steps.{near}.outputs.{name}}}`"),
            );
            return Some((format!("{uses}, which there is not"), hint));
        };
        if *position == index {
            return Some((format!("step `{id}` uses its own output `{name}`"), "name a step before it".to_owned()));
        }
        if *position > index {
            return Some((
                format!("{uses}, which runs after it"),
                format!("move step `{id}` before step `{}`", step.id),
            ));
        }
        if !whole {
            return None;
        }
        if producer.component.is_some() && producer.component != step.component {
            let what = format!("{uses}, which belongs to another component");
            return Some((what, "give both the same `component`, or neither".to_owned()));
        }
        let without: Vec<_> =
            self.environments(spot).map(|it| &it.name).filter(|name| !producer.runs_in(name.as_str())).collect();
        (!without.is_empty()).then(|| {
            let what = format!("{uses}, which does not run in {}", listing(without, "and"));
            (what, "let both run in the same `environments`".to_owned())
        })
    }
}

/// Whether what a step has at a pointer is still there under an overlay: [`super::super::select`] merges tables and replaces
/// all else.
fn survives(overlay: &Value, pointer: &str) -> bool {
    let mut node = overlay;
    for segment in segments(pointer) {
        let Some(map) = node.as_object() else { return false };
        match map.get(&segment) {
            Some(inner) => node = inner,
            None => return true,
        }
    }
    false
}
