//! Writing plugins: a new project, and the component that its language's own tool makes of it. It knows what each language needs
//! and how that is installed; what a component may be is the plugin room's, and cases are tried in a room of their own.
//!
//! How a language is added: in `language.rs` its tools and its recipe; in `templates/plugin` a folder with the files of a project as
//! they are to be, but for what all have, which is in `common`; in `sdk` a folder of that name, which its projects get as
//! `windlass-sdk/FOLDER`. What is filled into the files (`{{name}}`, `{{component}}`, …) is in `new.rs`. The plugin of each template
//! does the same, and passes the cases of `common`.

mod build;
mod language;
mod new;
mod project;
mod run;
mod tool;
mod wrap;

pub use build::{Built, TIMEOUT, build};
pub use language::Language;
pub use new::create;
pub use project::{FILE, Project};
