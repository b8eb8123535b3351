//! The journal's events, and what runs and steps come to: what their types in the source say of themselves.

use super::{one_line, table};
use crate::workspace;
use std::collections::BTreeMap;

pub(super) fn blocks() -> BTreeMap<String, String> {
    let events = Enumeration::read("host/src/event.rs", "Event");
    let outcome = |variant: &Variant| vec![format!("`{}`", variant.name), variant.meaning.clone()];
    let outcomes =
        |file: &str, name: &str| table(&["outcome", "meaning"], Enumeration::read(file, name).0.iter().map(outcome));
    BTreeMap::from([
        ("events".to_owned(), self::events(&events)),
        ("event keys".to_owned(), keys(&events)),
        ("outcomes of a run".to_owned(), outcomes("host/src/event.rs", "RunOutcome")),
        ("outcomes of a step".to_owned(), outcomes("host/src/event/step.rs", "StepOutcome")),
    ])
}

/// An enumeration whose names are written in kebab case.
struct Enumeration(Vec<Variant>);

struct Variant {
    name: String,
    meaning: String,
    /// Each key with what it means.
    keys: Vec<(String, String)>,
}

impl Enumeration {
    fn read(file: &str, name: &str) -> Self {
        let text = std::fs::read_to_string(workspace().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let source = syn::parse_file(&text).expect("Rust");
        let found = source.items.iter().find_map(|item| match item {
            syn::Item::Enum(item) if item.ident == name => Some(item),
            _ => None,
        });
        let variants = found.unwrap_or_else(|| panic!("{file} has no `{name}`")).variants.iter();
        Self(
            variants
                .map(|variant| Variant {
                    name: kebab(&variant.ident.to_string()),
                    meaning: documentation(&variant.attrs),
                    keys: variant.fields.iter().filter_map(key).collect(),
                })
                .collect(),
        )
    }
}

fn key(field: &syn::Field) -> Option<(String, String)> {
    Some((kebab(&field.ident.as_ref()?.to_string()), documentation(&field.attrs)))
}

/// What a doc comment says.
fn documentation(attributes: &[syn::Attribute]) -> String {
    let lines = attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).filter_map(|attribute| {
        let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value else { return None };
        Some(text.value())
    });
    one_line(&lines.collect::<Vec<_>>().join("\n"))
}

fn kebab(name: &str) -> String {
    let mut word = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.push(if character == '_' { '-' } else { character.to_ascii_lowercase() });
    }
    word
}

/// The keys that mean the same in several events, each with what it means.
fn shared(events: &Enumeration) -> BTreeMap<&str, &str> {
    let all = || events.0.iter().flat_map(|event| &event.keys);
    let several = all().filter(|key| all().filter(|other| other == key).count() > 1);
    several.map(|(name, meaning)| (name.as_str(), meaning.as_str())).collect()
}

fn events(events: &Enumeration) -> String {
    let shared = shared(events);
    let rows = events.0.iter().map(|event| {
        let keys = event.keys.iter().map(|(name, meaning)| match shared.get(name.as_str()) {
            Some(usual) if usual == meaning => format!("`{name}`"),
            _ => format!("`{name}`: {}", meaning.strip_suffix('.').unwrap_or(meaning)),
        });
        vec![format!("`{}`", event.name), event.meaning.clone(), keys.collect::<Vec<_>>().join("; ")]
    });
    table(&["`event`", "what happened", "with"], rows)
}

fn keys(events: &Enumeration) -> String {
    let rows = shared(events).into_iter().map(|(name, meaning)| vec![format!("`{name}`"), meaning.to_owned()]);
    table(&["key", "meaning"], rows)
}
