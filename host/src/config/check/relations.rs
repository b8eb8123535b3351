//! Whether the names in the file agree with each other: ids, environments, order, overlays, shared state.

use std::collections::{BTreeMap, HashMap};

use super::Check;
use crate::config::source::{Half, join};
use crate::config::{Config, Environment, Step, StepId, listing, nearest};
use crate::problem::{Code, Problem};

impl Check<'_> {
    pub(super) fn relations(&mut self, config: &Config) {
        if config.steps.is_empty() && !self.may_be_empty {
            self.add("/step", Half::Key, "there is no step", "add a `[[step]]` with an `id` and a `plugin`");
        }
        if config.environments.is_empty() && self.problems.is_empty() {
            let hint = "add one, for example `[environments.staging]`";
            self.add("/environments", Half::Key, "there is no environment", hint);
        }
        self.same_environments(config);
        config.environments.iter().for_each(|environment| self.environment_relations(config, environment));
        self.circles(config);
        let ids = self.ids(config);
        for environment in &config.environments {
            self.overlays(&ids, environment);
        }
        for step in config.steps.iter().chain(&config.finally) {
            self.environments_of(config, step);
        }
        self.shared_state(config);
    }

    /// Forges do not tell `Staging` from `staging`.
    fn same_environments(&mut self, config: &Config) {
        let mut seen = HashMap::new();
        for environment in &config.environments {
            let name = environment.name.as_str();
            if let Some(other) = seen.insert(name.to_lowercase(), name) {
                let what = format!("environments `{other}` and `{name}` differ only in case");
                self.add(&join("/environments", name), Half::Key, what, "rename one of the two");
            }
        }
    }

    fn environment_relations(&mut self, config: &Config, environment: &Environment) {
        let name = environment.name.as_str();
        let pointer = join("/environments", name);
        for (index, before) in environment.after.iter().enumerate() {
            let at = format!("{pointer}/after/{index}");
            if before == &environment.name {
                self.add(&at, Half::Value, format!("environment `{name}` cannot come after itself"), "remove it");
            } else {
                let what = || format!("environment `{name}` comes after `{before}`, which there is not");
                self.known_environment(config, before.as_str(), &at, what);
                if config.environments.iter().any(|it| it.name == *before && it.pattern.is_some()) {
                    let what = format!("environment `{name}` comes after `{before}`, which stands for many");
                    self.add(&at, Half::Value, what, "name one environment, or remove it");
                }
            }
        }
        let Some((approval, from)) = environment.approval.as_ref().and_then(|it| Some((it, it.from.as_ref()?))) else {
            return;
        };
        if from.users.is_empty() && from.teams.is_empty() {
            let what = format!("nobody may approve a deployment to environment `{name}`");
            let hint = "name `users` or `teams`, or remove `from`";
            self.add(&format!("{pointer}/approval/from"), Half::Value, what, hint);
        } else if from.teams.is_empty() && usize::try_from(approval.required).is_ok_and(|all| all > from.users.len()) {
            let what = format!(
                "environment `{name}` requires {} approvals, and only {} may give one",
                approval.required,
                listing(&from.users, "and")
            );
            let hint = format!("lower it to `{}`, or name more `users` or `teams`", from.users.len());
            self.add(&format!("{pointer}/approval/required"), Half::Value, what, hint);
        }
    }

    fn known_environment(&mut self, config: &Config, name: &str, pointer: &str, what: impl FnOnce() -> String) {
        let names = || config.environments.iter().map(|environment| environment.name.as_str());
        // Where an environment could not be read, a name that is missing may be its.
        if !names().any(|known| known == name) && !self.source.has(&join("/environments", name)) {
            let hint = match nearest(name, names()) {
                Some(near) => format!("write `{near}`"),
                None => format!("the environments are {}", listing(names(), "and")),
            };
            self.add(pointer, Half::Value, what(), hint);
        }
    }

    /// Environments that wait for each other in a circle. Each circle is told once, at the first of its environments.
    fn circles(&mut self, config: &Config) {
        let indices: HashMap<_, _> =
            config.environments.iter().enumerate().map(|(index, environment)| (&environment.name, index)).collect();
        // 0: not seen; 1: on the way that is being walked; 2: done.
        let mut states = vec![0_u8; config.environments.len()];
        for start in 0..config.environments.len() {
            // The way, and for each environment on it which of its `after` comes next. No recursion: files may be long.
            let mut way: Vec<(usize, usize)> = vec![];
            if states[start] == 0 {
                states[start] = 1;
                way.push((start, 0));
            }
            while let Some((current, next)) = way.last_mut() {
                let Some(before) = config.environments[*current].after.get(*next) else {
                    states[*current] = 2;
                    way.pop();
                    continue;
                };
                let at = (*current, *next);
                *next += 1;
                match indices.get(before) {
                    Some(&index) if states[index] == 0 => {
                        states[index] = 1;
                        way.push((index, 0));
                    }
                    Some(&index) if states[index] == 1 && index != at.0 => {
                        let begin = way.iter().position(|(on_way, _)| *on_way == index).unwrap_or_default();
                        let circle: Vec<_> =
                            way[begin..].iter().map(|(index, _)| &config.environments[*index].name).collect();
                        let what = format!("environments {} wait for each other", listing(circle, "and"));
                        let pointer = join("/environments", config.environments[at.0].name.as_str());
                        let hint = format!("remove `{before}` from this `after`, or break the circle elsewhere");
                        self.add(&format!("{pointer}/after/{}", at.1), Half::Value, what, hint);
                    }
                    _ => {}
                }
            }
        }
    }

    /// All steps by id.
    fn ids<'c>(&mut self, config: &'c Config) -> BTreeMap<&'c StepId, &'c Step> {
        let mut ids: BTreeMap<&StepId, &Step> = BTreeMap::new();
        for step in config.steps.iter().chain(&config.finally) {
            if let Some(first) = ids.get(&step.id) {
                let (line, _) = self.source.place(&join(&first.pointer(), "id"), Half::Value).line_and_column();
                let place = self.source.place(&join(&step.pointer(), "id"), Half::Value);
                let problem = Problem::new(Code::ConfigInvalid, format!("two steps have the id `{}`", step.id))
                    .because(format!("the other one is on line {line}"))
                    .with_hint("give one of them another `id`");
                self.push(problem.at(place));
            } else {
                ids.insert(&step.id, step);
            }
        }
        ids
    }

    fn overlays(&mut self, ids: &BTreeMap<&StepId, &Step>, environment: &Environment) {
        let name = &environment.name;
        for id in environment.overlays.keys() {
            let pointer = join(&join(&join("/environments", name.as_str()), "step"), id.as_str());
            let names = || ids.keys().map(|id| id.as_str());
            match ids.get(id) {
                None => {
                    let what = format!("environment `{name}` changes step `{id}`, which there is not");
                    let hint = match nearest(id.as_str(), names()) {
                        Some(near) => format!("write `{near}`"),
                        None => "name a step by its `id`, or remove this".to_owned(),
                    };
                    self.add(&pointer, Half::Key, what, hint);
                }
                Some(step) if !step.runs_in(name.as_str()) && self.whole => {
                    let what = format!("environment `{name}` changes step `{id}`, which does not run in it");
                    let hint = format!("add `{name}` to the step's `environments`, or remove this");
                    self.add(&pointer, Half::Key, what, hint);
                }
                Some(_) => {}
            }
        }
    }

    fn environments_of(&mut self, config: &Config, step: &Step) {
        let Some(names) = &step.environments else { return };
        let pointer = format!("{}/environments", step.pointer());
        if names.is_empty() {
            let what = format!("step `{}` runs in no environment", step.id);
            self.add(&pointer, Half::Value, what, "name one, or remove `environments` to run it in all");
        }
        for (index, name) in names.iter().enumerate() {
            let what = || format!("step `{}` runs in environment `{name}`, which there is not", step.id);
            self.known_environment(config, name.as_str(), &format!("{pointer}/{index}"), what);
        }
    }

    /// A plugin can only read what it wrote itself.
    fn shared_state(&mut self, config: &Config) {
        let mut first: HashMap<_, &Step> = HashMap::new();
        for step in config.steps.iter().chain(&config.finally) {
            let Some(state) = &step.state else { continue };
            let other = *first.entry(state).or_insert(step);
            if other.plugin != step.plugin && self.whole {
                let what =
                    format!("steps `{}` and `{}` share the state `{state}`, but not the plugin", other.id, step.id);
                let hint = "give each plugin a state of its own";
                self.add(&format!("{}/state", step.pointer()), Half::Value, what, hint);
            }
        }
    }
}
