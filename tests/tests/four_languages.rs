//! The same plugin in four languages: one set of cases, and each of them plans, does and is denied the same.
#![cfg(unix)]

use e2e::languages::{copied, example};
use e2e::{Output, workspace};
use serde_json::Value;

const LANGUAGES: [&str; 4] = ["rust", "javascript", "python", "c"];

/// Where the build puts it.
fn component(language: &str) -> &'static str {
    if language == "rust" { "target/wasm32-wasip2/release/same.wasm" } else { "build/same.wasm" }
}

fn play(language: &str) -> Output {
    let project = example(&format!("same/{language}"));
    let cases = workspace().join("examples/plugins/same/cases.toml");
    project.windlass(&format!("plugin test {} --format json --cases {}", component(language), cases.display()))
}

fn passes(language: &str) {
    let output = play(language).exits(0);
    let results: Value = serde_json::from_str(&output.raw_stdout).unwrap_or_else(|_| panic!("{}", output.all()));
    assert_eq!(results["plugin"], "same@1.0.0");
    assert_eq!(results["failed"], 0, "{results:#}");
    // Each way in which it can come out has a case.
    assert!(results["passed"].as_u64() >= Some(14), "{results:#}");
}

#[test]
fn in_rust() {
    passes("rust");
    // It was built from what is in the repository, and from nothing newer.
    let kept = std::fs::read_to_string(workspace().join("examples/plugins/same/rust/Cargo.lock")).expect("a lock");
    assert_eq!(example("same/rust").read("Cargo.lock"), kept, "build it, and keep what cargo wrote");
}

#[test]
fn in_javascript() {
    passes("javascript");
}

#[test]
fn in_python() {
    passes("python");
}

#[test]
fn in_c() {
    passes("c");
}

/// A schema without what is said in it for a person, and with what it refers to in its place.
fn demanded(schema: &Value, whole: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            if let Some(pointer) = map.get("$ref").and_then(|it| it.as_str()?.strip_prefix('#')) {
                return demanded(whole.pointer(pointer).expect("what it refers to"), whole);
            }
            let said = ["$defs", "$schema", "description", "title"];
            let kept = map.iter().filter(|(key, _)| !said.contains(&key.as_str()));
            kept.map(|(key, value)| (key.clone(), demanded(value, whole))).collect()
        }
        other => other.clone(),
    }
}

/// What is said of them is the same, too: the same name, version and summary, and configurations that fit the same schema.
#[test]
fn they_describe_themselves_alike() {
    let described = |language: &str| {
        let project = example(&format!("same/{language}"));
        let output = project.windlass(&format!("plugin inspect {} --format json", component(language))).exits(0);
        let mut said: Value = serde_json::from_str(&output.raw_stdout).expect("JSON");
        let mut kept = serde_json::Map::new();
        for key in ["name", "version", "summary", "contract"] {
            kept.insert(key.to_owned(), said[key].take());
        }
        assert_eq!(kept["name"], "same", "{}", output.all());
        let schema = demanded(&said["config-schema"], &said["config-schema"]);
        assert_eq!(schema["required"].as_array().map(Vec::len), Some(4), "{}", output.all());
        kept.insert("config-schema".to_owned(), schema);
        Value::Object(kept)
    };
    let first = described(LANGUAGES[0]);
    for language in &LANGUAGES[1..] {
        assert_eq!(described(language), first, "{language}");
    }
}

/// Without `revert` what was done stays, and nobody says that it was taken back.
fn cannot_take_back(language: &str, source: &str, begins: &str, ends: &str) {
    let project = copied(&format!("same/{language}"));
    let text = project.read(source);
    let (before, rest) = text.split_once(begins).expect(begins);
    let (_, after) = rest.split_once(ends).expect(ends);
    // Under another name: the components of all projects in Rust are in one directory.
    let renamed = |text: &str| text.replace("\"same\"", "\"lasting\"").replace("same.wasm", "lasting.wasm");
    let after = after.replace("probe, revert })", "probe })").replace(", revert=revert)", ")");
    project.write(source, &renamed(&format!("{before}{after}")));
    project.write("windlass-plugin.toml", &renamed(&project.read("windlass-plugin.toml")));
    if language == "rust" {
        project.write("Cargo.toml", &renamed(&project.read("Cargo.toml")));
    }
    let config = "{ file = \"release/VERSION\", registry = \"https://a.example\", token = { secret = \"TOKEN\" }, stamp = \"./stamp\" }";
    let case = |name: &str, records: &str, expected: &str| {
        format!(
            "[[case]]\nname = {name:?}\ncall = [\"revert\"]\nconfig = {config}\nrecords = {records}\n\n{expected}\n\n"
        )
    };
    let failure = |left: &str| {
        format!(
            "[case.expect.revert.failure]\nkind = \"bug\"\ncode = \"no-revert\"\nmessage = \"this plugin cannot take back what it did\"\n\
             causes = [\"it left {left}, and has no `revert`\"]\nnote = \"what it did is as it was left\"\n\
             hint = \"take it back by hand, and give the plugin a `revert`\""
        )
    };
    let cases = [
        case("nothing was done", "[]", "[case.expect.revert]\noutcome = \"nothing to take back\""),
        case("once", "[{ version = \"1\" }]", &failure("1 record")),
        case("twice", "[{ version = \"1\" }, { version = \"2\" }]", &failure("2 records")),
    ];
    project.write("cases.toml", &cases.concat());
    let output = project.windlass("plugin test").exits(0);
    assert!(output.raw_stdout.contains("3 cases of lasting@1.0.0: 3 ok, 0 failed"), "{}", output.all());
}

#[test]
fn what_cannot_be_taken_back_in_rust() {
    cannot_take_back("rust", "src/lib.rs", "    fn revert(", "\n    }\n");
}

#[test]
fn what_cannot_be_taken_back_in_javascript() {
    cannot_take_back("javascript", "src/plugin.js", "function revert(", "\n}\n");
}

#[test]
fn what_cannot_be_taken_back_in_python() {
    cannot_take_back("python", "src/plugin.py", "def revert(", "was registered\"\n");
}

#[test]
fn what_cannot_be_taken_back_in_c() {
    cannot_take_back("c", "src/plugin.c", "bool windlass_revert(", "\n}\n");
}
