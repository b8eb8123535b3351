//! Building a plugin: with its language's own tool, and then a look at what came of it.

use super::language::Step;
use super::run::{Bounds, not_built, run, stopped};
use super::{Language, Project, new, tool, wrap};
use crate::config;
use crate::plugin::{self, Plugin, Plugins};
use crate::problem::{Code, Problem};
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::pin;

/// How long a build may take where nobody says so: the first one of a project fetches and compiles what it depends on.
pub const TIMEOUT: &str = "10m";

/// What was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The plugin, which can be called.
    pub plugin: Plugin,
    /// The component's size, in bytes.
    pub size: u64,
}

/// Builds a project. `tell` gets what the tools say, line by line, each with its end. What they have not done after `timeout`, or
/// when `stop` comes, is ended.
///
/// # Errors
/// [`Code::ToolMissing`], [`Code::PluginNotBuilt`] where a tool failed, took too long or left no component, [`Code::Cancelled`], and
/// [`Code::PluginInvalid`] where what it made is no plugin of this contract.
pub async fn build(
    project: &Project,
    plugins: &Plugins,
    timeout: &config::Duration,
    stop: impl Future<Output = ()>,
    mut tell: impl FnMut(&str),
) -> Result<Built, Problem> {
    let stop = pin!(stop);
    let mut bounds = Bounds::new(timeout, stop);
    let steps = match &project.build {
        Some(command) => {
            // What somebody else's project runs is not run in silence.
            tell(&format!("running `{}`, as `windlass-plugin.toml` says\n", command.join(" ")));
            vec![Step::own(command, project.language)]
        }
        None => {
            tool::demand(project, &mut bounds).await?;
            let written = new::supply(project).map_err(|error| {
                not_built(project).because(format!("its `{}` cannot be written: {error}", new::SDK))
            })?;
            if written {
                tell(&format!("wrote `{}`, which was not there\n", new::SDK));
            }
            project.language.recipe(project)
        }
    };
    let path = project.component_path();
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|error| not_built(project).because(error))?;
    }
    let earlier = Earlier::put_aside(&path).map_err(|error| not_built(project).because(error))?;
    for step in &steps {
        let made = step.made.map(|(made, of)| (project.directory.join(made), project.directory.join(of)));
        if let Some((made, of)) = &made {
            if is_newer(made, of) {
                continue;
            }
            // Whoever is cut off here begins anew.
            let _ = std::fs::remove_file(made);
        }
        if let Some(says) = step.says {
            tell(&format!("{says}\n"));
        }
        run(project, step, &mut bounds, &mut tell).await?;
        if let Some((made, _)) = made.filter(|_| step.marks) {
            std::fs::write(&made, "").map_err(|error| not_built(project).because(error))?;
        }
    }
    let begins = beginning(&path).map_err(|error| not_there(project, &earlier, &error))?;
    drop(earlier);
    if project.language == Language::C && wrap::is_module(&begins) {
        let module = plugin::read_component(&project.component, &path)?;
        let component = wrap::wrap(&project.name, &module)?;
        crate::files::write_whole(&path, &component).map_err(|error| not_built(project).because(error))?;
    }
    let (plugin, bytes) = tokio::select! {
        loaded = plugins.load_own(&project.component, &project.directory) => loaded?,
        () = bounds.told() => return Err(stopped(project)),
    };
    if plugin.name() != project.name {
        return Err(Problem::new(Code::PluginProject, format!("the plugin is called `{}`", plugin.name()))
            .because(format!("`windlass-plugin.toml` calls it `{}`, and both have to be the same", project.name))
            .with_hint("change the name that `describe` answers, or the one in `windlass-plugin.toml`"));
    }
    Ok(Built { plugin, size: bytes.len() as u64 })
}

fn not_there(project: &Project, earlier: &Earlier, error: &io::Error) -> Problem {
    let component = &project.component;
    let problem = not_built(project).because(format!("`{component}` is not there after the build: {error}"));
    let problem = match earlier.aside {
        Some(_) => {
            problem.with_note(format!("the `{component}` of an earlier build is still there, and was not looked at"))
        }
        None => problem,
    };
    problem.with_hint("set `component` in `windlass-plugin.toml` to the file that the build writes")
}

/// The first bytes of a component's file, which say what it is.
fn beginning(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(8).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether something is there and not older than what it is made of.
fn is_newer(made: &Path, of: &Path) -> bool {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified());
    changed(made).is_ok_and(|made| changed(of).is_ok_and(|of| made >= of))
}

/// The component of an earlier build, out of the way while another one is made: what is there afterwards is what that wrote. (A
/// build that has nothing to do writes it again, too: cargo links it from where it keeps it, and others look whether it is there.)
/// Where there is no other one, it is put back.
#[derive(Debug)]
struct Earlier {
    path: PathBuf,
    aside: Option<PathBuf>,
}

impl Earlier {
    fn put_aside(path: &Path) -> io::Result<Self> {
        let is_file = |path: &Path| path.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir());
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".before");
        // Where a build was killed, it is there already.
        let aside = path.with_file_name(name);
        if is_file(path) {
            // Of two names of one file none would be renamed.
            let _ = std::fs::remove_file(&aside);
            std::fs::rename(path, &aside)?;
        }
        Ok(Self { path: path.to_owned(), aside: is_file(&aside).then_some(aside) })
    }
}

impl Drop for Earlier {
    fn drop(&mut self) {
        if let Some(aside) = &self.aside {
            let _ = match self.path.symlink_metadata() {
                Ok(_) => std::fs::remove_file(aside),
                Err(_) => std::fs::rename(aside, &self.path),
            };
        }
    }
}
