//! Commands, exit codes, reasons, variables and outputs: what the program says about itself.

use super::{list, paragraphs, sentence, slug, table, text};
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn blocks(facts: &Value) -> BTreeMap<String, String> {
    let mut blocks = BTreeMap::from([
        ("exits".to_owned(), exits(facts)),
        ("codes".to_owned(), codes(facts)),
        ("outputs".to_owned(), outputs(facts)),
        ("baseline".to_owned(), baseline(&facts["child"])),
        ("toolchains".to_owned(), toolchains(&facts["child"])),
    ]);
    for variable in list(facts, "variables") {
        let setter = text(variable, "setter");
        blocks.entry(format!("variables {setter}")).or_insert_with(|| variables(facts, setter));
    }
    for command in list(facts, "commands") {
        let path = text(command, "path");
        let name = if path.is_empty() { "common options".to_owned() } else { format!("command {path}") };
        blocks.insert(name, self::command(command));
    }
    blocks
}

fn title(exit: &Value) -> String {
    format!("Exit {}: {}", exit["code"], text(exit, "name"))
}

fn exits(facts: &Value) -> String {
    let rows = list(facts, "exits").iter().map(|exit| {
        let link = format!("[{}](#{})", exit["code"], slug(&title(exit)));
        vec![link, text(exit, "name").to_owned(), text(exit, "meaning").to_owned()]
    });
    table(&["code", "in short", "meaning"], rows)
}

/// A section for each exit, with one for each reason below it.
fn codes(facts: &Value) -> String {
    let mut sections = vec![];
    for exit in list(facts, "exits") {
        sections.push(format!("## {}\n\n{}", title(exit), text(exit, "meaning")));
        for code in list(facts, "codes").iter().filter(|code| code["exit"] == exit["code"]) {
            sections.push(format!("### `{}`\n\n{}", text(code, "word"), text(code, "explanation")));
        }
    }
    sections.join("\n\n")
}

fn variables(facts: &Value, setter: &str) -> String {
    let rows = list(facts, "variables").iter().filter(|variable| text(variable, "setter") == setter);
    table(
        &["variable", "meaning"],
        rows.map(|variable| vec![format!("`{}`", text(variable, "name")), text(variable, "meaning").to_owned()]),
    )
}

fn outputs(facts: &Value) -> String {
    let rows = list(facts, "outputs").iter().map(|output| {
        let code = |key| format!("`{}`", text(output, key));
        vec![code("name"), code("variable"), text(output, "meaning").to_owned()]
    });
    table(&["output on GitHub", "in `deploy.env`", "is"], rows)
}

fn names(value: &Value) -> String {
    let names = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn baseline(child: &Value) -> String {
    format!("{}. On Windows also {}.", names(&child["always"]), names(&child["windows"]))
}

fn toolchains(child: &Value) -> String {
    let rows = list(child, "toolchains")
        .iter()
        .map(|entry| vec![format!("`{}`", entry[0].as_str().unwrap_or_default()), names(&entry[1])]);
    table(&["toolchain", "variables"], rows)
}

fn command(command: &Value) -> String {
    let options = table(&["option", "meaning"], list(command, "arguments").iter().map(option));
    if text(command, "path").is_empty() {
        return options;
    }
    let about = paragraphs(text(command, "about"));
    format!("```text\n{}\n```\n\n{about}\n\n{options}", text(command, "usage"))
}

fn option(argument: &Value) -> Vec<String> {
    let value = text(argument, "value");
    let name = match (text(argument, "short"), text(argument, "long")) {
        ("", "") => format!("`{value}`"),
        ("", long) => format!("`{}`", format!("--{long} {value}").trim_end()),
        (short, long) => format!("`-{short}`, `{}`", format!("--{long} {value}").trim_end()),
    };
    let mut meaning = vec![sentence(text(argument, "help"))];
    meaning.extend(list(argument, "choices").iter().map(|choice| match text(choice, "help") {
        "" => format!("`{}`.", text(choice, "name")),
        help => format!("`{}`: {}", text(choice, "name"), sentence(help)),
    }));
    if let Some(default) = argument["default"].as_str() {
        meaning.push(format!("`{default}` where left out."));
    }
    if let Some(variable) = argument["variable"].as_str() {
        meaning.push(format!("Also from [`{variable}`](environment.md)."));
    }
    vec![name, meaning.join(" ")]
}
