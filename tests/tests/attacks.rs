//! Attacks, each by a real component: what it tries, and that it ends as a denial, a limit or a failure, with its message and
//! its record. One file for each class.

#[path = "attacks/components.rs"]
mod components;
#[path = "attacks/fetching.rs"]
mod fetching;
#[path = "attacks/files.rs"]
mod files;
#[path = "attacks/floods.rs"]
mod floods;
#[path = "attacks/http.rs"]
mod http;
#[path = "attacks/phases.rs"]
mod phases;
#[cfg(target_os = "linux")]
#[path = "attacks/processes.rs"]
mod processes;
#[path = "attacks/resources.rs"]
mod resources;
#[path = "attacks/secrets.rs"]
mod secrets;
