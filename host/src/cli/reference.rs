//! What there is to say about the program, as data. The pages in `docs/reference` are written from it, and nobody else asks.

use super::arguments::Arguments;
use crate::problem::{Code, Exit};
use crate::process::{BASELINE, BASELINE_ON_WINDOWS, TOOLCHAINS};
use crate::report::OUTPUTS;
use crate::variable;
use clap::{Arg, Command, CommandFactory};
use serde_json::{Value, json};

/// All of it.
pub(super) fn reference() -> Value {
    let exits =
        Exit::ALL.iter().map(|exit| json!({ "code": *exit as u8, "name": exit.name(), "meaning": exit.meaning() }));
    let codes = Code::ALL
        .iter()
        .map(|code| json!({ "word": code.word(), "exit": code.exit() as u8, "explanation": code.explanation() }));
    let variables = variable::ALL.iter().map(
        |variable| json!({ "name": variable.name, "setter": variable.setter.word(), "meaning": variable.meaning }),
    );
    let outputs = OUTPUTS
        .iter()
        .map(|output| json!({ "name": output.name, "variable": output.variable, "meaning": output.meaning }));
    let mut root = Arguments::command();
    root.build();
    let mut commands = vec![];
    collect(&root, &[], &mut commands);
    json!({
        "exits": exits.collect::<Vec<_>>(),
        "codes": codes.collect::<Vec<_>>(),
        "variables": variables.collect::<Vec<_>>(),
        "outputs": outputs.collect::<Vec<_>>(),
        "commands": commands,
        "child": { "always": BASELINE, "windows": BASELINE_ON_WINDOWS, "toolchains": TOOLCHAINS },
    })
}

/// A command and those below it, each with its path; the program itself has none.
fn collect(command: &Command, path: &[&str], found: &mut Vec<Value>) {
    let text = |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string);
    let arguments = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
        // What holds for all commands stands with the program itself.
        .filter(|argument| path.is_empty() || !(argument.is_global_set() || is_help(argument)))
        .map(describe);
    found.push(json!({
        "path": path.join(" "),
        "usage": usage(command, path),
        "about": text(command.get_long_about().or(command.get_about())),
        "arguments": arguments.collect::<Vec<_>>(),
    }));
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        collect(inner, &[path, &[inner.get_name()]].concat(), found);
    }
}

fn is_help(argument: &Arg) -> bool {
    matches!(argument.get_id().as_str(), "help" | "version")
}

/// How a command is written, without what holds for all of them.
fn usage(command: &Command, path: &[&str]) -> String {
    let mut words = vec!["windlass".to_owned()];
    words.extend(path.iter().map(|word| (*word).to_owned()));
    for argument in command.get_positionals() {
        let name = argument.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
        words.push(if argument.is_required_set() { name.to_owned() } else { format!("[{name}]") });
    }
    if command.get_subcommands().any(|inner| inner.get_name() != "help") {
        words.push(if command.is_subcommand_required_set() { "COMMAND".into() } else { "[COMMAND]".into() });
    }
    words.join(" ")
}

fn describe(argument: &Arg) -> Value {
    let takes_value = argument.get_action().takes_values();
    let value = argument.get_value_names().and_then(|names| names.first()).filter(|_| takes_value);
    let default = argument.get_default_values().first().filter(|_| takes_value);
    let choices = argument.get_possible_values().into_iter().filter(|_| takes_value);
    let choices =
        choices.map(|choice| json!({ "name": choice.get_name(), "help": choice.get_help().map(ToString::to_string) }));
    json!({
        "short": argument.get_short(),
        "long": argument.get_long(),
        "value": value.map(|name| name.as_str()),
        "required": argument.is_required_set(),
        "default": default.map(|default| default.to_string_lossy()),
        "variable": argument.get_env().map(|name| name.to_string_lossy()),
        "choices": choices.collect::<Vec<_>>(),
        "help": argument.get_long_help().or(argument.get_help()).map(ToString::to_string),
    })
}
