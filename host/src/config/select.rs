//! Which steps run for an environment and a component, with overlays merged and what is known by then filled in.

use serde_json::Value;

use super::holes::{Name, fill_some, for_each_text, inline_url};
use super::source::NOTHING_WAS_RUN;
use super::{ComponentName, Config, Environment, Step, listing, nearest};
use crate::problem::{Code, Problem};

/// The steps of one deployment, in order. `${vars.X}` and `${environment.url}` are filled in; the holes that are left are
/// filled with [`super::fill`], which also takes the escapes away.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// The steps. Never empty in what [`Config::steps_for`] returns.
    pub steps: Vec<Step>,
    /// The finally steps.
    pub finally: Vec<Step>,
}

impl Selection {
    /// All of them in the order in which they run.
    pub fn iter(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().chain(&self.finally)
    }
}

impl Config {
    /// The steps that run when `component` is deployed to `environment`: those of the component and those of none. Without
    /// a component, only those of none.
    ///
    /// # Errors
    /// Where there is no such component, and where no step is left.
    pub fn steps_for(&self, environment: &Environment, component: Option<&str>) -> Result<Selection, Problem> {
        let components = self.components();
        let names = || components.iter().map(|component| component.as_str());
        if let Some(name) = component
            && !components.iter().any(|component| *component == name)
        {
            let problem = Problem::new(Code::Usage, format!("there is no component `{name}`"));
            let problem = if components.is_empty() {
                problem
                    .because(format!("no step in `{}` has a `component`", self.file()))
                    .with_hint("leave `--component` out")
            } else {
                problem.because(format!("the steps' components are {}", listing(names(), "and"))).with_hint(
                    nearest(name, names()).map_or_else(
                        || "name one that is there".to_owned(),
                        |near| format!("write `--component {near}`"),
                    ),
                )
            };
            return Err(problem.with_note(NOTHING_WAS_RUN));
        }
        let selection = self.select(environment, |step| {
            step.component.as_ref().is_none_or(|own| component.is_some_and(|component| *own == component))
        });
        if !selection.steps.is_empty() {
            return Ok(selection);
        }
        let here: Vec<&ComponentName> = {
            let runs = |step: &&Step| step.runs_in(environment.key.as_str());
            let mut here: Vec<_> = self.steps.iter().filter(runs).filter_map(|step| step.component.as_ref()).collect();
            here.sort();
            here.dedup();
            here
        };
        let name = &environment.name;
        let problem = if here.is_empty() {
            Problem::new(Code::Usage, format!("no step runs in environment `{name}`"))
                .because(format!("every step's `environments` leaves `{name}` out"))
                .with_hint(format!("add `{name}` to the `environments` of the steps that run there"))
        } else {
            let what = match component {
                Some(component) => format!("no step of component `{component}` runs in environment `{name}`"),
                None => format!("no step runs in environment `{name}` without a component"),
            };
            Problem::new(Code::Usage, what)
                .because(format!("the steps that run there belong to {}", listing(here, "and")))
                .with_hint("name one with `--component NAME`")
        };
        Err(problem.with_note(NOTHING_WAS_RUN))
    }

    /// All steps that run in an environment, whatever their component: what `deploy.lock` is about. May be empty.
    #[must_use]
    pub fn all_steps_for(&self, environment: &Environment) -> Selection {
        self.select(environment, |_| true)
    }

    fn select(&self, environment: &Environment, wanted: impl Fn(&Step) -> bool) -> Selection {
        let pick = |steps: &[Step]| {
            let chosen = steps.iter().filter(|step| step.runs_in(environment.key.as_str()) && wanted(step));
            chosen.map(|step| self.resolve(step, environment)).collect()
        };
        Selection { steps: pick(&self.steps), finally: pick(&self.finally) }
    }

    /// One step as it is in one environment.
    fn resolve(&self, step: &Step, environment: &Environment) -> Step {
        let mut step = step.clone();
        if let Some(overlay) = environment.overlays.get(&step.id) {
            merge(&mut step.with, overlay);
            step.overlay = Some(environment.key.clone());
        }
        let is_open = environment.pattern.is_some() || environment.instance.is_some();
        let written = environment.written_url.as_deref().filter(|_| is_open);
        for_each_text(&mut step.with, &mut |text| {
            if let Some(url) = written {
                inline_url(text, url);
            }
            fill_some(text, |name| match name {
                Name::Var(name) => self.var(environment, name),
                Name::Url => environment.url.as_deref(),
                _ => None,
            });
        });
        step
    }

    /// The value of `${vars.NAME}`: the environment's before the app's.
    fn var<'a>(&'a self, environment: &'a Environment, name: &str) -> Option<&'a str> {
        environment.vars.get(name).or_else(|| self.vars.get(name)).map(String::as_str)
    }
}

/// Puts `overlay` over `base`: tables are merged key by key, all else is replaced as a whole.
fn merge(base: &mut Value, overlay: &Value) {
    match (base, overlay) {
        (Value::Object(base), Value::Object(overlay)) => {
            for (key, value) in overlay {
                match base.get_mut(key) {
                    Some(inner) => merge(inner, value),
                    None => drop(base.insert(key.clone(), value.clone())),
                }
            }
        }
        (base, overlay) => *base = overlay.clone(),
    }
}
