//! What a job of a forge shows of a run while it goes on, and what it hands on to later jobs: read as the forges' own runners
//! read it, with steps that try to command them.
#![cfg(unix)]

mod runner;

use e2e::steps::{Step, project};
use e2e::{Output, Project};
use runner::{Command, Section, commands, sections, what_is_shown};
use serde_json::Value;

const SECRET: &str = "correct-horse-battery";

/// A job of GitHub's, with the files that its runner makes for a step.
fn on_github(project: Project) -> Project {
    let workspace = project.path().to_string_lossy().into_owned();
    let output = project.path().join("outputs").to_string_lossy().into_owned();
    project
        .file("outputs", "")
        .variable("CI", "true")
        .variable("GITHUB_ACTIONS", "true")
        .variable("GITHUB_WORKSPACE", &workspace)
        .variable("GITHUB_OUTPUT", &output)
}

fn on_gitlab(project: Project) -> Project {
    let directory = project.path().to_string_lossy().into_owned();
    project
        .variable("CI", "true")
        .variable("GITLAB_CI", "true")
        .variable("CI_PROJECT_DIR", &directory)
        .variable("CI_JOB_URL", "https://gitlab.example/acme/shop/-/jobs/77")
}

/// What tries to command a runner, in every way that it takes commands in.
const HOSTILE: &str = "printf '::set-output name=a::b\\n  ::add-mask::word\\n::stop-commands::t\\n50%%\\r::endgroup::\\nx ##[error]y\\n' ; \
     printf ':' ; printf ':error::in two' ; printf '\\n\\033[0Ksection_end:1:windlass_1_a\\r\\033[0K\\n' ; \
     printf 'section_start:1:mine[collapsed=true]\\r\\033[0Kmine\\n' ; printf 'no end of the line'";

fn groups(commands: &[Command]) -> Vec<String> {
    let of = |command: &Command| match command.name.as_str() {
        "group" => Some(format!("group {}", command.data)),
        "endgroup" => Some("endgroup".to_owned()),
        _ => None,
    };
    commands.iter().filter_map(of).collect()
}

#[test]
fn each_step_is_a_group_and_what_came_of_it_stands_after_it() {
    let finally = Step::finally("tell");
    let project = on_github(project(&[Step::marks("a").run("echo in a"), Step::of("b", "echo in b; exit 3"), finally]));
    let output = project.windlass("run --forge local").exits(10);
    let from = output.stderr.find("::group::").expect("a group");
    insta::assert_snapshot!(&output.stderr[from..], @"
    ::group::a
    in a
    ::endgroup::
    ✓ a: ran `sh -c 'echo in a'` [duration]
    ::group::b
    in b
    ::endgroup::
    ✗ b [duration]
    ::error title=b%3A command-failed::`sh -c 'echo in b; exit 3'` ended with exit code 3%0Ain b
    taking back what was done until `b`
    ::group::taking back b
    ::endgroup::
    ! b: not taken back: it cannot be taken back, as its plan said; nothing to take back
    ::group::taking back a
    ::endgroup::
    ↩ a: ran `sh -c 'echo -a >> order'` [duration]
    ::group::tell
    ::endgroup::
    ✓ tell: ran `sh -c 'echo tell >> order'` [duration]

    shop 0123456789 was not deployed to staging; what was done is taken back in [duration]
    note: `b` was not taken back: it cannot be, as its plan said, or it was to be kept
    exit 10: `windlass explain step-failed` and `windlass explain 10` say more
    ");
    assert_eq!(output.stdout, "", "nothing but what was asked for");
}

#[test]
fn no_step_can_command_github() {
    let project = on_github(project(&[Step::of("a", HOSTILE), Step::of("b", "exit 3").key("on_failure = \"stop\"")]));
    let output = project.windlass("run --forge local --format json");
    let commands = commands(&format!("{}{}", output.stderr, output.raw_stdout));
    assert_eq!(groups(&commands), ["group a", "endgroup", "group b", "endgroup"], "{}", output.stderr);
    let names: Vec<&str> = commands.iter().map(|command| command.name.as_str()).collect();
    assert_eq!(names, ["group", "endgroup", "group", "endgroup", "error"], "{}", output.stderr);
    // A person reads it all the same.
    for line in [": :set-output name=a::b", "x ## [error]y", ": :error::in two", "no end of the line\n::endgroup::"] {
        assert!(output.stderr.contains(line), "{line} is not in\n{}", output.stderr);
    }
}

#[test]
fn no_plugin_can_command_github() {
    let words = "::error::mine\n##[group]mine\n::stop-commands::x";
    let step = e2e::probe::Probe::new()
        .applies(serde_json::json!({ "do": "log", "level": "warn", "text": words }))
        .applies(serde_json::json!({ "do": "progress", "text": words }))
        .applies(serde_json::json!({ "do": "report", "text": words }))
        .applies(serde_json::json!({ "do": "fail", "text": words }))
        .plans(serde_json::json!({ "do": "log", "level": "warn", "text": words }));
    let project = on_github(step.project().locked());
    let output = project.windlass("run --forge local").exits(13);
    let commands = commands(&output.stderr);
    let names: Vec<&str> = commands.iter().map(|command| command.name.as_str()).collect();
    assert_eq!(names, ["group", "endgroup", "warning", "error"], "{}", output.stderr);
    let warning = &commands[2];
    assert_eq!(warning.properties["line"], "3");
    assert!(warning.properties["title"].starts_with("probe: ") && warning.data.contains("mine"), "{warning:?}");
    assert!(commands[3].data.contains("##[group]mine"), "{:?}", commands[3]);
    // The plan, for people, is printed where the runner reads, too; for programs it stays as it is.
    let output = project.windlass("plan --forge local --format json").exits(0);
    assert_eq!(self::commands(&output.raw_stdout), []);
    assert!(serde_json::from_str::<Value>(&output.raw_stdout).is_ok());
}

#[test]
fn what_is_wrong_is_shown_beside_the_file() {
    let project = on_github(Project::new().file("app/deploy.toml", "schema = 1\napp = \"shop\"\nplugn = 1\n"));
    let output = project.windlass("run --config app/deploy.toml").exits(2);
    let found = commands(&output.stderr);
    let error = found.iter().find(|command| command.data.contains("plugn")).expect("an annotation");
    assert_eq!(error.name, "error");
    assert_eq!(error.properties["file"], "app/deploy.toml");
    assert_eq!(error.properties["line"], "3");
    assert_eq!(error.properties["title"], "config-invalid");
    assert!(output.stderr.contains("3 | plugn = 1"), "the place is shown in the log, too: {}", output.stderr);
}

#[test]
fn a_runner_keeps_secrets_out_of_its_log_before_anything_is_said() {
    let key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\n-----END KEY-----";
    let step = Step::of("a", "echo \"$TOKEN $URL\"")
        .with("secrets = { TOKEN = { secret = \"TOKEN\" }, URL = { secret = \"URL\" }, KEY = { secret = \"KEY\" } }");
    let with_secrets = |project: Project| {
        project
            .variable("TOKEN", SECRET)
            .variable("URL", "postgres://shop:hunter2-hunter2@db/shop")
            .variable("KEY", key)
    };
    let masks = |output: &Output| {
        let found = commands(&output.stderr).into_iter().filter(|command| command.name == "add-mask");
        found.map(|command| command.data).collect::<Vec<_>>()
    };
    let github = with_secrets(on_github(project(std::slice::from_ref(&step))));
    let output = github.windlass("run --forge local").exits(0);
    assert_eq!(
        masks(&output),
        ["MIIEpAIBAAKCAQEA", SECRET, "hunter2-hunter2", "postgres://shop:hunter2-hunter2@db/shop"]
    );
    let lines: Vec<&str> = output.stderr.lines().take(4).collect();
    assert!(lines.iter().all(|line| line.starts_with("::add-mask::")), "nothing comes before them: {lines:?}");
    for secret in [SECRET, "hunter2", "MIIEpAIBAAKCAQEA"] {
        assert!(!what_is_shown(&output.stderr).contains(secret), "{}", output.stderr);
    }

    // Nobody else is told: no other CI, no laptop, no GitHub whose runner nobody sees, no file.
    let mut others = vec![
        on_gitlab(project(std::slice::from_ref(&step))),
        on_gitlab(project(std::slice::from_ref(&step))).file("outputs", "").variable("GITHUB_OUTPUT", "outputs"),
        project(std::slice::from_ref(&step)).variable("GITHUB_OUTPUT", "outputs").file("outputs", ""),
        project(std::slice::from_ref(&step)).variable("GITHUB_ACTIONS", "true"),
    ];
    others = others.into_iter().map(with_secrets).collect();
    for other in others {
        let output = other.windlass("run --forge local --commit 0123456789abcdef0123456789abcdef01234567").exits(0);
        assert!(!format!("{}{}", output.stderr, output.raw_stdout).contains("add-mask"), "{}", output.stderr);
        assert!(!output.stderr.contains(SECRET), "{}", output.stderr);
    }
    let log = github.path().join("log");
    let mut command = github.command(["run", "--forge", "local", "--force", "--commit", e2e::COMMIT]);
    command.stderr(std::fs::File::create(&log).expect("a file"));
    assert!(command.status().expect("an end").success());
    let kept = std::fs::read_to_string(log).expect("a log");
    assert!(kept.contains("::group::a") && !kept.contains(SECRET) && !kept.contains("add-mask"), "{kept}");
}

#[test]
fn each_step_is_a_section_on_gitlab_and_none_can_end_one() {
    let steps = [Step::of("a", HOSTILE), Step::of("b", "echo in b; exit 3").key("on_failure = \"stop\"")];
    let project = on_gitlab(project(&steps));
    let output = project.windlass("run --forge local").exits(13);
    let found = sections(&output.stderr);
    let section = |name: &str, header: &str| Section { name: name.into(), header: header.into(), collapsed: true };
    assert_eq!(found, [section("windlass_1_a", "a"), section("windlass_2_b", "b")], "{}", output.stderr);
    // What went wrong is not folded away.
    let (_, after) = output.stderr.rsplit_once(":windlass_2_b\r\u{1b}[0K\n").expect("the end of the section");
    assert!(after.starts_with("✗ b [duration]\n    `sh -c 'echo in b; exit 3'` ended with exit code 3\n"), "{after}");
}

#[test]
fn elsewhere_there_are_plain_lines() {
    for variables in [&[("CI", "true")][..], &[], &[("TERM", "xterm-256color")]] {
        let mut project = project(&[Step::of("a", "printf '::error::mine\\n'")]);
        for (name, value) in variables {
            project = project.variable(name, value);
        }
        let output = project.windlass("run").exits(0);
        assert!(output.stderr.contains("▸ a\n::error::mine\n✓ a: ran "), "{}", output.stderr);
        assert!(!output.stderr.contains('\u{1b}'), "{}", output.stderr);
    }
}

const URL: &str = "[environments.staging]\nurl = \"https://staging.shop.example\"\n";

fn with_url(steps: &[Step]) -> Project {
    Project::with(&e2e::steps::text_with("", URL, steps)).locked()
}

#[test]
fn github_is_told_the_outputs_of_each_command() {
    let project = on_github(with_url(&[Step::marks("a")]));
    let outputs = |words: &str, code: i32| {
        project.write("outputs", "before<<X\n1\nX\n");
        let output = project.windlass(words).exits(code);
        let outputs = runner::outputs(&project.read("outputs"));
        assert_eq!(outputs["before"], "1", "what others wrote stays");
        (output, outputs)
    };
    let (_, planned) = outputs("plan --forge local", 0);
    assert_eq!((planned["outcome"].as_str(), planned["run"].as_str()), ("succeeded", ""));
    let (output, ran) = outputs("run --forge local --format json", 0);
    let result = output.result();
    let run = result["run"].as_str().expect("a run");
    assert_eq!(ran["outcome"], "succeeded");
    assert_eq!(ran["run"], run);
    assert_eq!(ran["plan-digest"], result["plan"].as_str().expect("a plan"));
    assert_eq!(ran["plan-digest"], planned["plan-digest"]);
    assert_eq!(ran["deployment-id"], run);
    assert_eq!(ran["environment-url"], "https://staging.shop.example");
    assert_eq!(ran["reason"], "");
    let (_, back) = outputs("rollback --forge local", 0);
    assert_eq!((back["outcome"].as_str(), back["run"].as_str()), ("rolled-back", run));
    let (_, refused) = outputs(&format!("resume {run} --forge local"), 2);
    assert_eq!((refused["outcome"].as_str(), refused["reason"].as_str()), ("blocked", "not-resumable"));
    let (_, wrong) = outputs("plan --forge local -e nowhere", 2);
    assert_eq!(wrong["outcome"], "blocked");
    assert!(!wrong["reason"].is_empty());
}

#[test]
fn gitlab_is_given_a_dotenv_file_and_links() {
    let project = on_gitlab(with_url(&[Step::marks("a")]));
    let output = project.windlass("run --forge local --format json --reports out/reports").exits(0);
    let run = output.result()["run"].as_str().expect("a run").to_owned();
    let dotenv = project.read("out/reports/deploy.env");
    let line = |name: &str, value: &str| assert!(dotenv.contains(&format!("{name}={value}\n")), "{dotenv}");
    line("WINDLASS_OUTCOME", "succeeded");
    line("WINDLASS_RUN_ID", &run);
    line("WINDLASS_URL", "https://staging.shop.example");
    let links: Value = serde_json::from_str(&project.read("out/reports/annotations.json")).expect("JSON");
    assert_eq!(links["windlass"][0]["external_link"]["url"], "https://staging.shop.example");

    // By a variable, too, and where nothing was begun.
    let output = project.windlass_with("run --forge local -e nowhere", &[("WINDLASS_REPORTS", "other")]);
    assert_eq!(output.code, Some(2));
    assert!(project.read("other/deploy.env").starts_with("WINDLASS_OUTCOME=blocked\n"));
    let output = project.windlass_with("run --forge local --force", &[("WINDLASS_REPORTS", "")]).exits(0);
    assert!(!output.stderr.contains("warning"), "{}", output.stderr);

    // Whether it can be written changes nothing.
    let output = project.windlass("run --forge local --force --reports deploy.toml").exits(0);
    assert!(output.stderr.contains("warning: `deploy.toml` cannot be written: "), "{}", output.stderr);
}

#[test]
fn the_report_and_the_cases_are_handed_on() {
    let github = on_github(project(&[Step::marks("a")]));
    let output = github.windlass("run --forge local --format json --reports out").exits(0);
    let run = output.result()["run"].as_str().expect("a run").to_owned();
    assert_eq!(runner::outputs(&github.read("outputs"))["report"], format!(".windlass/runs/{run}/report.html"));
    for name in ["report.html", "junit.xml"] {
        assert_eq!(github.read(&format!("out/{name}")), github.read(&format!(".windlass/runs/{run}/{name}")));
    }

    // In a job of GitLab it has an address.
    let project = on_gitlab(project(&[Step::marks("a")]));
    let output = project.windlass("run --forge local --force --reports out").exits(0);
    let links = project.read("out/annotations.json");
    let link = "https://gitlab.example/acme/shop/-/jobs/77/artifacts/file/out/report.html";
    assert!(links.contains(link), "{links}\n{}", output.all());
}

#[test]
fn no_other_commands_report_is_handed_on() {
    let project = on_gitlab(project(&[Step::marks("a")]));
    let _ = project.windlass("run --forge local --reports out").exits(0);
    project.write("out/mine.txt", "of somebody else");
    let _ = project.windlass("run --forge local -e nowhere --reports out").exits(2);
    assert!(project.read("out/deploy.env").starts_with("WINDLASS_OUTCOME=blocked\n"));
    assert!(!project.has("out/report.html"), "it would be of another run");
    let cases = project.read("out/junit.xml");
    assert!(cases.contains("tests=\"1\" failures=\"0\" errors=\"1\""), "{cases}");
    assert!(cases.contains("<error type=\"") && cases.contains("nowhere"), "{cases}");
    assert_eq!(project.read("out/mine.txt"), "of somebody else");
    let _ = project.windlass("plan --forge local --reports out").exits(0);
    assert!(!project.has("out/junit.xml") && project.has("out/deploy.env"));
}

/// With the page that GitHub shows, too.
fn with_page(project: Project) -> Project {
    let page = project.path().join("page.md").to_string_lossy().into_owned();
    on_github(project).variable("GITHUB_STEP_SUMMARY", &page)
}

#[test]
fn a_command_line_that_cannot_be_read_is_told_as_any_other_mistake() {
    let project = with_page(project(&[Step::marks("a")]));
    for (arguments, what, hint) in [
        (&["rnu", "--reports=out"][..], "unrecognized subcommand 'rnu'", "windlass --help"),
        (&["run", "--drry-run", "--reports", "out"], "unexpected argument '--drry-run' found", "--dry-run"),
        (&["run", "--commit 1", "--reports=out"], "unexpected argument '--commit 1' found", "each has a line"),
        (&["resume", "--reports=out"], "the following required arguments were not provided", "windlass"),
    ] {
        project.write("outputs", "");
        project.write("page.md", "");
        let output = project.command(arguments).output().expect("an end");
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let found = commands(&said);
        assert_eq!((found.len(), found[0].name.as_str()), (1, "error"), "{said}");
        assert_eq!(found[0].properties["title"], "usage", "{said}");
        assert!(found[0].data.contains(what) && found[0].data.contains(hint), "{said}");
        let page = project.read("page.md");
        assert!(page.starts_with("## ❌ windlass was not run\n") && page.contains(what), "{page}");
        let outputs = runner::outputs(&project.read("outputs"));
        assert_eq!((outputs["outcome"].as_str(), outputs["reason"].as_str()), ("blocked", "usage"));
        assert!(project.read("out/deploy.env").contains("WINDLASS_REASON=usage\n"));
    }
}

#[test]
fn a_dry_run_shows_its_plan_on_the_page_and_changes_nothing() {
    let project = with_page(project(&[Step::marks("a")]));
    let _ = project.windlass("plan --forge local").exits(0);
    let planned = project.read("page.md");
    project.write("page.md", "");
    let _ = project.windlass("run --forge local --dry-run").exits(0);
    assert_eq!(project.read("page.md"), planned);
    assert!(planned.contains("`a`") || planned.contains(" a "), "{planned}");
    assert_eq!(runner::outputs(&project.read("outputs"))["outcome"], "succeeded");
}

#[test]
fn what_was_blocked_after_its_plan_was_made_hands_on_the_plan() {
    let environments = "[environments.staging]\n[environments.production]\nafter = [\"staging\"]\n";
    let text = e2e::steps::text_with("", environments, &[Step::marks("a")]);
    let project = with_page(Project::with(&text).locked());
    let _ = project.windlass("plan --forge local -e production").exits(0);
    let planned = runner::outputs(&project.read("outputs"))["plan-digest"].clone();
    project.write("outputs", "");
    project.write("page.md", "");
    let output = project.windlass("run --forge local -e production");
    assert_ne!(output.code, Some(0), "{}", output.all());
    let blocked = runner::outputs(&project.read("outputs"));
    assert_eq!((blocked["outcome"].as_str(), blocked["run"].as_str()), ("blocked", ""));
    assert_eq!(blocked["plan-digest"], planned);
    let page = project.read("page.md");
    assert!(page.starts_with("## ❌ shop was not deployed to production: blocked\n"), "{page}");
}
