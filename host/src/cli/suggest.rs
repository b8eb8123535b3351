//! `windlass run --suggest`: the lines of `deploy.lock` that would have let through what a run was refused. It grants nothing, and
//! writes no file: what it says is for whoever writes the configuration, or the plugin.

use super::arguments::Format;
use super::project::Project;
use super::{print, print_json};
use crate::forge::Forge;
use crate::lock::{self, inline};
use crate::policy::{Capability, Phases, visible};
use crate::problem::{Code, Problem};
use crate::report::story::{StepStory, Story};
use crate::secret::Redactor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Whoever tries what a plugin wants does so where no deployment of others' depends on it.
///
/// # Errors
/// [`Code::Usage`] on a forge.
pub(super) fn only_here(forge: &Forge) -> Result<(), Problem> {
    if matches!(forge, Forge::Local) {
        return Ok(());
    }
    Err(Problem::new(Code::Usage, format!("`--suggest` is not for deployments on {}", forge.name()))
        .because("it is for trying what a plugin wants, and that is done on a machine of your own")
        .with_note("nothing was run")
        .with_hint("run it with `--forge local`; what this run is refused `windlass report` says, too"))
}

/// What a step was refused and a line could let through, each line once with the phases that it was refused in.
fn wanted(step: &StepStory) -> Vec<Capability> {
    let mut wanted: BTreeMap<Capability, Phases> = BTreeMap::new();
    for line in step.capabilities.denied.iter().filter_map(|denied| denied.line.as_deref()) {
        wanted.entry(line.in_phases(&Phases::new())).or_default().extend(line.phases());
    }
    wanted.into_iter().map(|(line, phases)| line.in_phases(&phases)).collect()
}

/// Say it for a run, where there was one.
pub(super) fn lines(project: &Project, run: &str, redactor: &Redactor, format: Format) {
    let Ok(story) = Story::of(&project.journals, run, redactor) else { return };
    let steps: Vec<(&StepStory, Vec<Capability>)> =
        story.steps.iter().map(|step| (step, wanted(step))).filter(|(_, wanted)| !wanted.is_empty()).collect();
    let environment = &story.subject.environment;
    match format {
        Format::Json => {
            let suggested = steps.iter().map(|(step, capabilities)| {
                json!({ "environment": environment, "step": step.id, "plugin": step.plugin, "capabilities": capabilities })
            });
            print_json(&json!({ "suggestions": suggested.collect::<Vec<Value>>() }));
        }
        Format::Human => {
            let ran =
                story.steps.iter().flat_map(|step| &step.capabilities.used).any(|used| used.asked.starts_with("run `"));
            print(&text(environment, &steps, ran));
        }
    }
}

/// What is not seen from here.
const PROGRAMS: &str = "what programs were refused themselves, files by `writes` and ports by `connects`, is not seen from outside: \
                        where one failed, its own words tell\n";

/// The answer for people. `ran` says whether programs were run.
fn text(environment: &str, steps: &[(&StepStory, Vec<Capability>)], ran: bool) -> String {
    if steps.is_empty() {
        let mut text = format!("nothing was refused that a line of `{}` could let through\n", lock::FILE);
        if ran {
            text.push_str(PROGRAMS);
        }
        return text;
    }
    let mut text = format!(
        "these lines of `{}` would let through what was refused; nothing was granted or changed:\n",
        lock::FILE
    );
    for (step, capabilities) in steps {
        let _ = writeln!(text, "\n{} / {} ({})", visible(environment), visible(&step.id), visible(&step.plugin));
        for line in capabilities.iter().filter_map(|capability| inline(capability).ok()) {
            let _ = writeln!(text, "  {},", visible(&line));
        }
    }
    if ran {
        text.push('\n');
        text.push_str(PROGRAMS);
    }
    let _ = writeln!(
        text,
        "\n`windlass lock` writes what a plugin asks for with its `with`, and nothing else: where a line is wanted, change the \
         step's `with` so that the plugin asks for it. Where it does not ask for what it does, report that to its author; where you \
         do not know why it does it, do not let it."
    );
    text
}
