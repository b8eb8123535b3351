//! `init`, `schema`, `explain` and `completions`: what teaches, and asks no run.

use super::arguments::{Arguments, Common, Completions, Explain, Init, Schema};
use super::plugin::find::Finder;
use super::project;
use super::{Failed, print, print_json, say};
use crate::config;
use crate::problem::{Code, Exit, Problem};
use clap::CommandFactory;

/// `windlass init`
pub(super) fn init(common: &Common, arguments: &Init) -> Result<(), Failed> {
    let path = &common.config;
    let directory = std::path::absolute(project::directory(path)).unwrap_or_default();
    let name = directory.file_name().map(|name| name.to_string_lossy().into_owned());
    let app = arguments.app.clone().or(name).unwrap_or_else(|| "app".into());
    let refused = |error: std::io::Error| {
        let exists = error.kind() == std::io::ErrorKind::AlreadyExists;
        let cause = if exists { "there is one already, and it stays as it is".to_owned() } else { error.to_string() };
        Problem::new(Code::Usage, format!("`{}` cannot be written", path.display()))
            .because(cause)
            .with_note("nothing was changed")
            .with_hint("name another file with `--config FILE`")
    };
    let mut file = std::fs::File::create_new(path).map_err(refused)?;
    std::io::Write::write_all(&mut file, config::template(&app).as_bytes()).map_err(refused)?;
    say(&format!(
        "wrote {}\nnext: edit it, then `windlass lock`, and `windlass plan`; keep `.windlass/` out of version control\n",
        path.display()
    ));
    Ok(())
}

/// `windlass schema`
pub(super) async fn schema(common: &Common, arguments: &Schema) -> Result<(), Failed> {
    let schema = match &arguments.plugin {
        None => config::json_schema(),
        Some(name) => Finder::new(common)?.find(name).await?.schema().clone(),
    };
    print_json(&serde_json::to_string_pretty(&schema).unwrap_or_default());
    Ok(())
}

/// `windlass explain`
pub(super) fn explain(arguments: &Explain) -> Result<(), Failed> {
    let code = |code: &Code| format!("{} (exit {})\n  {}\n", code.word(), code.exit() as u8, code.explanation());
    let exit = |exit: &Exit| format!("exit {}: {}\n  {}\n", *exit as u8, exit.name(), exit.meaning());
    let Some(asked) = &arguments.code else {
        print(&Code::ALL.iter().map(code).collect::<Vec<_>>().join("\n"));
        return Ok(());
    };
    let is_asked = |exit: Exit| asked.parse() == Ok(exit as u8);
    let exits = Exit::ALL.iter().filter(|exit| is_asked(**exit)).map(exit);
    let codes = Code::ALL.iter().filter(|code| code.word() == asked || is_asked(code.exit())).map(code);
    let found: Vec<String> = exits.chain(codes).collect();
    if !found.is_empty() {
        print(&found.join("\n"));
        return Ok(());
    }
    let problem = Problem::new(Code::Usage, format!("there is no code `{asked}`"));
    Err(match config::nearest(asked, Code::ALL.iter().map(|code| code.word())) {
        Some(near) => problem.with_hint(format!("did you mean `{near}`?")),
        None => problem.with_hint("`windlass explain` lists them all"),
    }
    .into())
}

/// `windlass completions`
pub(super) fn completions(arguments: &Completions) -> Result<(), Failed> {
    let mut bytes = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "windlass", &mut bytes);
    print(&String::from_utf8_lossy(&bytes));
    Ok(())
}
