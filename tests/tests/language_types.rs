//! What is generated for JavaScript and Python, and kept in the repository: the contract's types. `WRITE_LANGUAGES=1` writes them
//! anew, after the contract changed.

use std::fmt::Write as _;
use wit_bindgen_core::wit_parser::{Docs, Resolve, Type, TypeDef, TypeDefKind, TypeId};

const HEAD: &str = "\
// The types of the contract, as `componentize-qjs` gives and takes them. Written from `wit/v0.1.0/step.wit`:
// WRITE_LANGUAGES=1 cargo test -p e2e --test language_types
";

/// What is in the repository is what would be written.
fn compare(path: &str, expected: &str) {
    let file = e2e::workspace().join(path);
    if std::env::var_os("WRITE_LANGUAGES").is_some() {
        std::fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
        std::fs::write(&file, expected).expect("a file");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == expected,
        "`{path}` is not what the contract gives: WRITE_LANGUAGES=1 cargo test -p e2e --test language_types"
    );
}

fn documented(text: &mut String, docs: &Docs, indent: &str) {
    let Some(docs) = &docs.contents else { return };
    let lines: Vec<&str> = docs.trim().lines().collect();
    if let [line] = lines[..] {
        let _ = writeln!(text, "{indent}/** {line} */");
        return;
    }
    let _ = writeln!(text, "{indent}/**");
    for line in lines {
        let _ = writeln!(text, "{}", format!("{indent} * {line}").trim_end());
    }
    let _ = writeln!(text, "{indent} */");
}

fn pascal(name: &str) -> String {
    name.split('-').map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..])).collect()
}

fn camel(name: &str) -> String {
    let pascal = pascal(name);
    format!("{}{}", pascal[..1].to_lowercase(), &pascal[1..])
}

fn typed(resolve: &Resolve, wanted: &Type) -> String {
    match wanted {
        Type::Bool => "boolean".into(),
        Type::String | Type::Char => "string".into(),
        Type::Id(id) => named(resolve, *id),
        _ => "number".into(),
    }
}

fn named(resolve: &Resolve, id: TypeId) -> String {
    let TypeDef { name, kind, .. } = &resolve.types[id];
    if let Some(name) = name {
        return pascal(name);
    }
    match kind {
        TypeDefKind::List(Type::U8) => "Uint8Array".into(),
        TypeDefKind::List(of) => format!("{}[]", typed(resolve, of)),
        TypeDefKind::Option(of) => format!("{} | null", typed(resolve, of)),
        TypeDefKind::Tuple(tuple) => {
            let parts: Vec<String> = tuple.types.iter().map(|of| typed(resolve, of)).collect();
            format!("[{}]", parts.join(", "))
        }
        other => panic!("a type that the contract did not have: {other:?}"),
    }
}

/// One type of the contract; nothing for what is only another's name, and for what has methods.
fn declared(text: &mut String, resolve: &Resolve, id: TypeId) {
    let TypeDef { name, kind, docs, .. } = &resolve.types[id];
    let name = pascal(name.as_deref().unwrap_or_default());
    let mut fields = |fields: &mut dyn Iterator<Item = (&str, String, &Docs)>| {
        text.push('\n');
        documented(text, docs, "");
        let _ = writeln!(text, "export interface {name} {{");
        for (field, of, docs) in fields {
            documented(text, docs, "  ");
            let _ = writeln!(text, "  {}: {of};", camel(field));
        }
        text.push_str("}\n");
    };
    match kind {
        TypeDefKind::Record(record) => {
            fields(&mut record.fields.iter().map(|field| (field.name.as_str(), typed(resolve, &field.ty), &field.docs)))
        }
        TypeDefKind::Flags(flags) => {
            fields(&mut flags.flags.iter().map(|flag| (flag.name.as_str(), "boolean".to_owned(), &flag.docs)));
        }
        TypeDefKind::Enum(cases) => {
            let cases = cases.cases.iter().map(|case| (format!("{:?}", case.name), &case.docs));
            union(text, &name, docs, &mut { cases });
        }
        TypeDefKind::Variant(cases) => {
            let mut cases = cases.cases.iter().map(|case| {
                let value = case.ty.map(|of| format!("; val: {}", typed(resolve, &of))).unwrap_or_default();
                (format!("{{ tag: {:?}{value} }}", case.name), &case.docs)
            });
            union(text, &name, docs, &mut cases);
        }
        _ => {}
    }
}

fn union(text: &mut String, name: &str, docs: &Docs, cases: &mut dyn Iterator<Item = (String, &Docs)>) {
    text.push('\n');
    documented(text, docs, "");
    let _ = write!(text, "export type {name} =");
    for (case, docs) in cases {
        text.push('\n');
        documented(text, docs, "  ");
        let _ = write!(text, "  | {case}");
    }
    text.push_str(";\n");
}

#[test]
fn the_types_of_javascript_are_what_the_contract_gives() {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(e2e::workspace().join("wit/v0.1.0")).expect("the contract");
    let mut text = HEAD.to_owned();
    for interface in resolve.packages[package].interfaces.values() {
        for id in resolve.interfaces[*interface].types.values() {
            declared(&mut text, &resolve, *id);
        }
    }
    compare("sdk/javascript/contract.d.ts", &text);
}

/// What `componentize-py` gives a plugin to import, for editors: stubs, in whose place the build puts what does it.
#[cfg(unix)]
#[test]
fn the_types_of_python_are_what_the_contract_gives() {
    let tool = e2e::languages::tools(e2e::languages::Installed::Python).join("bin/componentize-py");
    let written = tempfile::tempdir().expect("a directory");
    let output = std::process::Command::new(tool)
        .current_dir(e2e::workspace())
        .args(["-d", "wit/v0.1.0", "-d", "sdk/wit/plugin.wit", "-w", "windlass:sdk/plugin@0.1.0", "bindings"])
        .arg(written.path())
        .output()
        .expect("componentize-py");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found = Vec::new();
    below(written.path(), "", &mut found);
    // The rest is the tool's own, and the same whatever the contract says.
    found.retain(|path| path.starts_with("wit_world/"));
    assert!(found.len() > 10, "only {found:?}");
    found.sort();
    let mut kept = Vec::new();
    below(&e2e::workspace().join("sdk/python/types"), "", &mut kept);
    kept.sort();
    for path in &found {
        let text = std::fs::read_to_string(written.path().join(path)).expect("a text");
        compare(&format!("sdk/python/types/{path}"), &text);
    }
    assert!(std::env::var_os("WRITE_LANGUAGES").is_some() || found == kept, "{found:?} and {kept:?}");
}

#[cfg(unix)]
fn below(directory: &std::path::Path, prefix: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            below(&entry.path(), &format!("{name}/"), found);
        } else {
            found.push(name);
        }
    }
}
