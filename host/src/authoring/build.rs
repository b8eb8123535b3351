//! Building a plugin: with its language's own tool, and then a look at what came of it.

use super::language::Step;
use super::{Language, Project, new, tool, wrap};
use crate::config::nearest;
use crate::plugin::{Plugin, Plugins};
use crate::problem::{Code, Problem};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The plugin, which can be called.
    pub plugin: Plugin,
    /// The component's size, in bytes.
    pub size: u64,
}

/// Builds a project. `tell` gets what the tools say, line by line, each with its end.
///
/// # Errors
/// [`Code::ToolMissing`], [`Code::PluginNotBuilt`] where a tool failed or left no component, and [`Code::PluginInvalid`] where what
/// it made is no plugin of this contract.
pub async fn build(project: &Project, plugins: &Plugins, mut tell: impl FnMut(&str)) -> Result<Built, Problem> {
    let steps = match &project.build {
        Some(command) => {
            // What somebody else's project runs is not run in silence.
            tell(&format!("running `{}`, as `windlass-plugin.toml` says\n", command.join(" ")));
            vec![Step { says: None, command: command.clone(), made: None }]
        }
        None => {
            tool::demand(project.language.name(), project.language.tools(), &project.directory)?;
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
    for step in &steps {
        if step.made.is_some_and(|(made, of)| is_newer(&project.directory.join(made), &project.directory.join(of))) {
            continue;
        }
        if let Some(says) = step.says {
            tell(&format!("{says}\n"));
        }
        run(project, &step.command, &mut tell)?;
    }
    let bytes = std::fs::read(&path).map_err(|error| {
        not_built(project)
            .because(format!("`{}` is not there after the build: {error}", project.component))
            .with_hint("set `component` in `windlass-plugin.toml` to the file that the build writes")
    })?;
    if project.language == Language::C && wrap::is_module(&bytes) {
        let component = wrap::wrap(&project.name, &bytes)?;
        crate::files::write_whole(&path, &component).map_err(|error| not_built(project).because(error))?;
    }
    let plugin = plugins.load_file(&project.component, &project.directory, |_| Ok(())).await?;
    if plugin.name() != project.name {
        return Err(Problem::new(Code::PluginProject, format!("the plugin is called `{}`", plugin.name()))
            .because(format!("`windlass-plugin.toml` calls it `{}`, and both have to be the same", project.name))
            .with_hint("change the name that `describe` answers, or the one in `windlass-plugin.toml`"));
    }
    let size = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
    Ok(Built { plugin, size })
}

fn not_built(project: &Project) -> Problem {
    Problem::new(Code::PluginNotBuilt, format!("the plugin `{}` was not built", project.name))
}

/// Whether something is there and not older than what it is made of.
fn is_newer(made: &Path, of: &Path) -> bool {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified());
    changed(made).is_ok_and(|made| changed(of).is_ok_and(|of| made >= of))
}

/// A program by its path is the project's own, and one by its name alone is the machine's. Which directory a relative path is
/// relative to is for each system another one to say, so none is left.
fn found(directory: &Path, program: &str) -> PathBuf {
    let path = Path::new(program);
    let is_name = path.components().count() == 1 && !program.contains(std::path::is_separator);
    if is_name {
        return path.to_path_buf();
    }
    let whole = directory.join(path);
    std::path::absolute(&whole).unwrap_or(whole)
}

/// Runs one command to its end. What it says on either of its outputs is told in the order in which it says it.
fn run(project: &Project, words: &[String], tell: &mut impl FnMut(&str)) -> Result<(), Problem> {
    let [program, arguments @ ..] = words else { return Ok(()) };
    let failed = || not_built(project).because(format!("`{program}` failed"));
    let (reader, writer) = std::io::pipe().map_err(|error| failed().because(error))?;
    let second = writer.try_clone().map_err(|error| failed().because(error))?;
    let mut command = Command::new(found(&project.directory, program));
    command.args(arguments).current_dir(&project.directory).stdin(Stdio::null()).stdout(writer).stderr(second);
    let mut child = command.spawn().map_err(|error| {
        not_built(project)
            .because(format!("`{program}` cannot be run: {error}"))
            .with_hint("install it, or change `build` in `windlass-plugin.toml`")
    })?;
    // The command holds the ends that are written into: without them, the end of what it says is never seen.
    drop(command);
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    let mut undefined = BTreeSet::new();
    let mut undeclared = BTreeSet::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line);
        undefined.extend(text.split_once("undefined symbol: ").map(|(_, symbol)| symbol.trim().to_owned()));
        undeclared.extend(without_prototype(&text).map(str::to_owned));
        tell(&text);
        line.clear();
    }
    let status = child.wait().map_err(|error| failed().because(error))?;
    if status.success() {
        return Ok(());
    }
    let hint = match project.language {
        Language::C => {
            "mend what it says above; a plugin defines the functions that `windlass.h` begins with, and has no other C library"
        }
        _ => "mend what it says above, and build again",
    };
    let problem = not_built(project).because(format!("`{program}` ended with {status}"));
    let named = |symbol: &String| {
        let is_every = C_FUNCTIONS.contains(&symbol.as_str());
        format!("nothing defines `{symbol}`{}", if is_every { ", which every plugin has" } else { "" })
    };
    let meant = |function: &String| {
        let near = nearest(function, C_FUNCTIONS.iter().copied());
        let meant = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        format!("no function that Windlass calls is called `{function}`{meant}")
    };
    let causes = undefined.iter().map(named).chain(undeclared.iter().map(meant));
    Err(causes.fold(problem, Problem::because).with_hint(hint))
}

/// The functions that a plugin in C defines; the last two may be left out.
const C_FUNCTIONS: [&str; 6] =
    ["windlass_describe", "windlass_requires", "windlass_plan", "windlass_apply", "windlass_probe", "windlass_revert"];

/// The function of a plugin in C that has a name as if Windlass called it, and that nothing declares.
fn without_prototype(line: &str) -> Option<&str> {
    let (_, named) = line.split_once("no previous prototype for function '")?;
    named.split('\'').next().filter(|name| name.starts_with("windlass_"))
}

#[cfg(test)]
mod tests {
    use super::found;
    use std::path::Path;

    #[test]
    fn a_program_of_the_project_is_found_from_wherever_it_is_built() {
        assert_eq!(found(Path::new("plugins/a"), "python3"), Path::new("python3"));
        for program in [".venv/bin/python", "./build.sh"] {
            let path = found(Path::new("plugins/a"), program);
            assert!(path.is_absolute() && path.ends_with(Path::new("plugins/a").join(program)), "{}", path.display());
        }
        let absolute = std::env::current_exe().expect("this program");
        assert_eq!(found(Path::new("plugins/a"), &absolute.to_string_lossy()), absolute);
    }
}
