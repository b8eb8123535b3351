//! What `windlass init` writes.

/// A `deploy.toml` to begin with, for an app of this name. Characters that a name cannot have become `-`.
#[must_use]
pub fn template(app: &str) -> String {
    let name: String = app
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() || "._-".contains(character) { character } else { '-' })
        .take(100)
        .collect();
    let name = name.trim_matches(|character: char| !character.is_ascii_alphanumeric());
    include_str!("template.toml").replace("APP-NAME", if name.is_empty() { "app" } else { name })
}
