//! What is measured, in what order, and how it is compared.
//!
//! The cases of a table take turns, round by round, so that what else the machine does meets all of them alike.

use crate::action::Action;
use crate::journal;
use crate::languages;
use crate::measure::{Sample, Subject};
use crate::project::{Bench, Project, SECRET, Steps};
use crate::redactor;
use crate::say;
use crate::statistics::Summary;
use crate::table::{markdown, milliseconds};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

/// Something that is done around each run.
type Around = Box<dyn Fn() -> Result<(), String>>;

/// One row.
struct Case {
    name: String,
    subject: Subject,
    before: Around,
    after: Around,
    samples: Vec<Sample>,
}

impl Case {
    fn new(name: impl Into<String>, subject: Subject) -> Self {
        Self {
            name: name.into(),
            subject,
            before: Box::new(|| Ok(())),
            after: Box::new(|| Ok(())),
            samples: Vec::new(),
        }
    }

    /// A run in a project that was never deployed.
    fn fresh(name: impl Into<String>, project: &Project) -> Self {
        let owned = project.clone();
        Self { before: Box::new(move || owned.forget_runs()), ..Self::new(name, project.run()) }
    }

    /// A run in a project that was never deployed, with plugins that this machine never saw.
    fn cold(name: impl Into<String>, project: Project) -> Self {
        let project = project.with_own_cache();
        let (before, after) = (project.clone(), project.clone());
        Self {
            before: Box::new(move || before.forget_runs().and_then(|()| before.forget_cache())),
            after: Box::new(move || after.wait_for_cache()),
            ..Self::new(name, project.run())
        }
    }

    fn once(&self) -> Result<Sample, String> {
        (self.before)()?;
        let sample = self.subject.run()?;
        (self.after)()?;
        Ok(sample)
    }

    fn wall(&self) -> f64 {
        self.summary(|sample| sample.wall).median
    }

    fn memory(&self) -> f64 {
        self.summary(|sample| sample.memory).median
    }

    fn summary(&self, value: impl Fn(&Sample) -> f64) -> Summary {
        Summary::of(self.samples.iter().map(value)).unwrap_or(Summary {
            least: 0.0,
            lower: 0.0,
            median: 0.0,
            upper: 0.0,
            count: 0,
        })
    }
}

/// Runs all cases so many times, in turns, and once before that for the files to be in memory.
fn measure(title: &str, cases: &mut [Case], rounds: usize) -> Result<(), String> {
    say(&format!("{title}: {} cases, {rounds} rounds", cases.len()));
    for case in &*cases {
        case.once()?;
    }
    for _ in 0..rounds {
        for case in &mut *cases {
            let sample = case.once()?;
            case.samples.push(sample);
        }
    }
    Ok(())
}

/// The table of some cases. Each is compared with the one of this name.
fn table(title: &str, cases: &[Case], floor: &str) -> String {
    let floor = cases.iter().find(|case| case.name == floor).map_or(1.0, Case::wall);
    let mut rows = vec![
        ["what", "median ms", "quartiles", "least", "ratio", "processor ms", "peak MiB"].map(str::to_owned).to_vec(),
    ];
    for case in cases {
        let wall = case.summary(|sample| sample.wall);
        rows.push(vec![
            case.name.clone(),
            milliseconds(wall.median),
            format!("{} to {}", milliseconds(wall.lower), milliseconds(wall.upper)),
            milliseconds(wall.least),
            format!("{:.2}", wall.median / floor),
            milliseconds(case.summary(|sample| sample.processor).median),
            format!("{:.1}", case.memory()),
        ]);
    }
    let rounds = cases.first().map_or(0, |case| case.samples.len());
    format!("\n### {title}\n\n{rounds} rounds.\n\n{}", markdown(&rows))
}

/// A line that holds a number against what it should be.
fn judged(what: &str, found: f64, unit: &str, most: f64) -> String {
    let verdict = if found <= most { "reached" } else { "**missed**" };
    format!("- {what}: {found:.2} {unit}, aim at most {most} {unit}: {verdict}\n")
}

fn of<'a>(cases: &'a [Case], name: &str) -> Result<&'a Case, String> {
    cases.iter().find(|case| case.name == name).ok_or_else(|| format!("there is no case `{name}`"))
}

/// A script that runs `true` so many times, as programs and not as a word of the shell.
fn script(bench: &Bench, count: usize) -> Result<Subject, String> {
    let path = bench.directory.join(format!("true-{count}.sh"));
    let program =
        ["/bin/true", "/usr/bin/true"].into_iter().find(|path| Path::new(path).exists()).ok_or("there is no `true`")?;
    std::fs::write(&path, format!("{program}\n").repeat(count))
        .map_err(|error| format!("`{}`: {error}", path.display()))?;
    Ok(Subject::new("sh", [path], &bench.directory))
}

/// A program that appends so many lines to a file and syncs each.
fn synced(bench: &Bench, lines: usize) -> Result<Subject, String> {
    let ourselves = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
    let file = bench.directory.join("synced").into_os_string();
    Ok(Subject::new(ourselves, [journal::WORD.into(), file, lines.to_string().into()], &bench.directory))
}

/// All tables, or those whose title has a word in it.
pub(crate) fn all(bench: &Bench, empty: &Path, quick: bool, only: Option<&str>) -> Result<String, String> {
    let rounds = |many: usize| if quick { many.div_ceil(5) } else { many };
    let mut text = String::new();
    let tables: [(&str, Table, usize); 8] = [
        ("The action", the_action, 40),
        ("One run", one_run, 40),
        ("Many steps", many_steps, 9),
        ("The journal", the_journal, 15),
        ("Growth", growth, 15),
        ("A gigabyte of output", output, 5),
        ("Fifty secrets in a gigabyte", redaction, 5),
        ("Four languages", languages::table, 20),
    ];
    for (title, make, many) in tables {
        if only.is_none_or(|word| title.to_lowercase().contains(&word.to_lowercase())) {
            text += &make(bench, empty, title, rounds(many))?;
        }
    }
    Ok(text)
}

type Table = fn(&Bench, &Path, &str, usize) -> Result<String, String>;

fn the_action(bench: &Bench, _: &Path, title: &str, rounds: usize) -> Result<String, String> {
    let action = Action::make(bench)?;
    let mut cases = [
        Case::new("a node action that does nothing", action.nothing),
        Case::new("a composite action with one shell line", action.composite),
        Case::new("`windlass`, up to a plugin's first answer", action.binary),
        Case::new("the action, up to a plugin's first answer", action.launched),
    ];
    measure(title, &mut cases, rounds)?;
    let mut text = table(title, &cases, "a node action that does nothing");
    text.push('\n');
    text +=
        &judged("the action, beyond a node action that does nothing", cases[3].wall() - cases[0].wall(), "ms", 15.0);
    Ok(text)
}

fn one_run(bench: &Bench, empty: &Path, title: &str, rounds: usize) -> Result<String, String> {
    let here = &bench.directory;
    let none: [&str; 0] = [];
    let noop = Project::make(bench, "noop-5", Steps::Noop(5))?;
    let cold = Project::make(bench, "noop-5-cold", Steps::Noop(5))?;
    let command = Project::make(bench, "true-5", Steps::True(5))?;
    let command_cold = Project::make(bench, "true-5-cold", Steps::True(5))?;
    let mut cases = [
        Case::new("an empty Rust program", Subject::new(empty, none, here)),
        Case::new("`true`", Subject::new("true", none, here)),
        Case::new("`sh`, 5 × `true`", script(bench, 5)?),
        Case::new("`node -e 0`", Subject::new("node", ["-e", "0"], here)),
        Case::new("`windlass --version`", Subject::new(&bench.windlass, ["--version"], here)),
        Case::fresh("5 steps that do nothing, warm", &noop),
        Case::cold("5 steps that do nothing, cold", cold),
        Case::fresh("5 × `command` running `true`, warm", &command),
        Case::cold("5 × `command` running `true`, cold", command_cold),
    ];
    measure(title, &mut cases, rounds)?;
    let mut text = table(title, &cases, "an empty Rust program");
    let floor = cases[0].wall();
    let warm = of(&cases, "5 steps that do nothing, warm")?;
    text.push('\n');
    text += &judged("warm run of five steps, beyond the empty program", warm.wall() - floor, "ms", 8.0);
    text += &judged(
        "warm run of five steps, as a part of `node -e 0`",
        warm.wall() / of(&cases, "`node -e 0`")?.wall(),
        "times",
        0.2,
    );
    text += &judged("cold run of five steps", of(&cases, "5 steps that do nothing, cold")?.wall(), "ms", 150.0);
    let memory = cases.iter().filter(|case| !case.name.contains("node")).map(Case::memory).fold(0.0, f64::max);
    text += &judged("peak memory", memory, "MiB", 32.0);
    Ok(text)
}

fn many_steps(bench: &Bench, empty: &Path, title: &str, rounds: usize) -> Result<String, String> {
    let none: [&str; 0] = [];
    let mut cases = vec![Case::new("an empty Rust program", Subject::new(empty, none, &bench.directory))];
    let counts = [10, 100, 1000];
    for count in counts {
        let noop = Project::make(bench, &format!("noop-{count}"), Steps::Noop(count))?;
        let command = Project::make(bench, &format!("true-{count}"), Steps::True(count))?;
        cases.push(Case::new(format!("`sh`, {count} × `true`"), script(bench, count)?));
        cases.push(Case::new(format!("{} lines appended, each synced", 2 * count), synced(bench, 2 * count)?));
        cases.push(Case::fresh(format!("{count} steps that do nothing"), &noop));
        cases.push(Case::fresh(format!("{count} × `command` running `true`"), &command));
    }
    measure(title, &mut cases, rounds)?;
    let mut text = table(title, &cases, "an empty Rust program");
    text.push('\n');
    for pair in counts.windows(2) {
        let (few, many) = (pair[0], pair[1]);
        let each = |name: &dyn Fn(usize) -> String| -> Result<f64, String> {
            Ok((of(&cases, &name(many))?.wall() - of(&cases, &name(few))?.wall()) / (many - few) as f64)
        };
        let shell = each(&|count| format!("`sh`, {count} × `true`"))?;
        let disk = each(&|count| format!("{} lines appended, each synced", 2 * count))?;
        let noop = each(&|count| format!("{count} steps that do nothing"))?;
        let command = each(&|count| format!("{count} × `command` running `true`"))?;
        text += &judged(&format!("each further step that does nothing, {few} to {many}"), noop, "ms", 0.5);
        text += &format!("- of which its two lines in the journal take {disk:.2} ms when nothing else is done\n");
        text += &judged(
            &format!("each further `command`, {few} to {many}, beyond the shell's {shell:.2} ms for the same program"),
            command - shell,
            "ms",
            1.0,
        );
    }
    let memory = cases.iter().map(Case::memory).fold(0.0, f64::max);
    text += &judged("peak memory", memory, "MiB", 32.0);
    Ok(text)
}

/// What the journal costs: written as a run writes it, beside the same lines without any meaning; and read again.
fn the_journal(bench: &Bench, empty: &Path, title: &str, rounds: usize) -> Result<String, String> {
    let none: [&str; 0] = [];
    let ourselves = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
    let written = bench.directory.join("journal-written");
    let append = |steps: usize| {
        let arguments = [journal::APPEND.into(), written.clone().into_os_string(), steps.to_string().into()];
        Subject::new(&ourselves, arguments, &bench.directory)
    };
    let mut cases = vec![Case::new("an empty Rust program", Subject::new(empty, none, &bench.directory))];
    let counts = [10, 1000];
    for steps in counts {
        cases.push(Case::new(format!("{} lines appended, each synced", 2 * steps), synced(bench, 2 * steps)?));
        cases.push(Case::new(format!("the events of {steps} steps, each synced"), append(steps)));
    }
    // Events and those of each step: a long journal is that of steps with much to take back, and at worst that of many steps.
    let sizes = [(1_000, 100), (10_000, 100), (100_000, 100), (100_000, 3)];
    let project = Project::make(bench, "journal-read", Steps::Noop(1))?;
    for (events, each) in sizes {
        let path = bench.directory.join(format!("journal-{events}-{each}"));
        journal::write(&path, events, each)?;
        let arguments = [journal::READ.into(), path.into_os_string()];
        cases.push(Case::new(
            format!("a journal of {events} events, {each} a step, read"),
            Subject::new(&ourselves, arguments, &bench.directory),
        ));
    }
    journal::write(project.path(), 100_000, 100)?;
    cases.push(Case::new(
        "`windlass history` of a run of 100000 events",
        Subject::new(&bench.windlass, ["history"], project.path()),
    ));
    cases.push(Case::new("`windlass --version`", Subject::new(&bench.windlass, ["--version"], &bench.directory)));
    measure(title, &mut cases, rounds)?;
    let mut text = table(title, &cases, "an empty Rust program");
    text.push('\n');
    let wall = |name: &str| Ok::<f64, String>(of(&cases, name)?.wall());
    let each = |name: &dyn Fn(usize) -> String| -> Result<f64, String> {
        Ok((wall(&name(counts[1]))? - wall(&name(counts[0]))?) / (counts[1] - counts[0]) as f64)
    };
    let real = each(&|steps| format!("the events of {steps} steps, each synced"))?;
    let floor = each(&|steps| format!("{} lines appended, each synced", 2 * steps))?;
    text += &format!(
        "- the journal of one step, two events, each synced: {real:.3} ms; the same without meaning: {floor:.3} ms\n"
    );
    for each in [100, 3] {
        let read = wall(&format!("a journal of 100000 events, {each} a step, read"))? - cases[0].wall();
        let name = format!("a journal of 100,000 events, {each} a step, read, beyond the empty program");
        text += &judged(&name, read, "ms", 100.0);
    }
    let history = wall("`windlass history` of a run of 100000 events")? - wall("`windlass --version`")?;
    text += &judged("`windlass history` of it, beyond `windlass --version`", history, "ms", 100.0);
    Ok(text)
}

fn growth(bench: &Bench, _: &Path, title: &str, rounds: usize) -> Result<String, String> {
    let one = Project::make(bench, "plugins-1", Steps::Noop(20))?;
    let twenty = Project::make(bench, "plugins-20", Steps::Plugins(20))?;
    let cold = Project::make(bench, "plugins-20-cold", Steps::Plugins(20))?;
    let often = Project::make(bench, "often", Steps::Noop(5))?;
    let long = Project::make(bench, "long", Steps::Noop(1000))?;
    for _ in 0..100 {
        often.run().run()?;
    }
    long.run().run()?;
    // The run after one of a thousand steps: the same project, which has only five by then.
    let short = Project::make(bench, "after-long", Steps::Noop(5))?;
    let moved = short.path().join(".windlass");
    std::fs::rename(long.path().join(".windlass"), &moved)
        .map_err(|error| format!("`{}`: {error}", moved.display()))?;
    let kept = bench.directory.join("kept");
    copy(&moved, &kept)?;
    let after_long = {
        let run = short.run();
        let before = move || short.forget_runs().and_then(|()| copy(&kept, &short.path().join(".windlass")));
        Case { before: Box::new(before), ..Case::new("5 steps after a run of 1,000 steps", run) }
    };
    let never = Project::make(bench, "never", Steps::Noop(5))?;
    let mut cases = [
        Case::fresh("5 steps, never deployed", &never),
        Case::new("5 steps after 100 runs", often.run()),
        after_long,
        Case::fresh("20 steps of one plugin", &one),
        Case::fresh("20 steps of 20 plugins", &twenty),
        Case::cold("20 steps of 20 plugins, cold", cold),
    ];
    measure(title, &mut cases, rounds)?;
    Ok(table(title, &cases, "5 steps, never deployed"))
}

/// A copy of a directory with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let broken = |error: std::io::Error| format!("`{}` cannot be copied: {error}", from.display());
    std::fs::create_dir_all(to).map_err(broken)?;
    for entry in std::fs::read_dir(from).map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?
        } else {
            std::fs::copy(entry.path(), target).map_err(broken)?;
        }
    }
    Ok(())
}

const MIB: usize = 1 << 20;

/// Lines as programs print them, one in ten thousand with the secret in it.
fn write_log(path: &Path, size: usize) -> Result<(), String> {
    let broken = |error: std::io::Error| format!("`{}`: {error}", path.display());
    let mut file = BufWriter::new(std::fs::File::create(path).map_err(broken)?);
    let (mut written, mut number) = (0, 0_usize);
    while written < size {
        let token = if number % 10_000 == 7 { SECRET } else { "none" };
        let mut line = format!(
            "{number:010} compiling module {:x} of the application, token {token}, in {} ms\n",
            number.wrapping_mul(2_654_435_761),
            number % 997
        );
        line.truncate(size - written);
        file.write_all(line.as_bytes()).map_err(broken)?;
        written += line.len();
        number += 1;
    }
    file.flush().map_err(broken)
}

/// What went into the sink: all of it, and without the secret.
fn check_sink(path: &Path, size: usize) -> Result<(), String> {
    let broken = |error: std::io::Error| format!("`{}`: {error}", path.display());
    let mut lines = BufReader::new(std::fs::File::open(path).map_err(broken)?);
    let (mut line, mut bytes, mut hidden) = (Vec::new(), 0, 0);
    while lines.read_until(b'\n', &mut line).map_err(broken)? > 0 {
        let text = String::from_utf8_lossy(&line);
        if text.contains(SECRET) {
            return Err(format!("the secret is in `{}`", path.display()));
        }
        hidden += text.matches("***").count();
        bytes += line.len();
        line.clear();
    }
    if bytes + hidden * SECRET.len() < size {
        Err(format!("`{}` has only {bytes} bytes", path.display()))
    } else {
        Ok(())
    }
}

fn output(bench: &Bench, _: &Path, title: &str, rounds: usize) -> Result<String, String> {
    let small = Project::make(bench, "print-small", Steps::Print)?;
    let large = Project::make(bench, "print-large", Steps::Print)?;
    write_log(&small.path().join("big"), 256 * MIB)?;
    write_log(&large.path().join("big"), 1024 * MIB)?;
    let big = large.path().join("big");
    let sink = bench.directory.join("sink");
    let mut cat = Subject::new("cat", [&big], &bench.directory);
    cat.output = sink.clone();
    let mut piped = Subject::new("sh", ["-c", "cat \"$1\" | cat", "sh"], &bench.directory);
    piped.arguments.push(big.into_os_string());
    piped.output = sink;
    let print = |name: &str, project: &Project| {
        let owned = project.clone();
        let gone = project.sink();
        Case {
            before: Box::new(move || {
                // A file that is cut short first costs the next writer time.
                let _ = std::fs::remove_file(&gone);
                owned.forget_runs()
            }),
            ..Case::new(name, project.run())
        }
    };
    let fresh = |case: Case| {
        let gone = case.subject.output.clone();
        Case {
            before: Box::new(move || {
                let _ = std::fs::remove_file(&gone);
                Ok(())
            }),
            ..case
        }
    };
    let mut cases = [
        fresh(Case::new("`cat` of 1 GiB into a file", cat)),
        fresh(Case::new("the same through a pipe: `cat … | cat`", piped)),
        print("a step that prints 256 MiB", &small),
        print("a step that prints 1 GiB", &large),
    ];
    measure(title, &mut cases, rounds)?;
    check_sink(&large.sink(), 1024 * MIB)?;
    let mut text = table(title, &cases, "`cat` of 1 GiB into a file");
    text.push('\n');
    let (cat, piped, print) = (cases[0].wall(), cases[1].wall(), cases[3].wall());
    text += &judged("1 GiB, as a multiple of `cat`", print / cat, "times", 3.0);
    text += &format!("- 1 GiB, as a multiple of `cat … | cat`: {:.2} times\n", print / piped);
    text += &judged("memory for four times the output", cases[3].memory() - cases[2].memory(), "MiB more", 1.0);
    text += &judged("peak memory", cases[3].memory(), "MiB", 32.0);
    Ok(text)
}

fn redaction(bench: &Bench, _: &Path, title: &str, rounds: usize) -> Result<String, String> {
    let big = bench.directory.join("text");
    write_log(&big, 1024 * MIB)?;
    let ourselves = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
    let sink = bench.directory.join("sink");
    let into_sink = |mut subject: Subject| {
        subject.output = sink.clone();
        subject
    };
    let fresh = |name: &str, subject: Subject| {
        let gone = sink.clone();
        Case {
            before: Box::new(move || {
                // A file that is cut short first costs the next writer time.
                let _ = std::fs::remove_file(&gone);
                Ok(())
            }),
            ..Case::new(name, into_sink(subject))
        }
    };
    let redact =
        |directory: &Path| Subject::new(&ourselves, [redactor::WORD.into(), big.clone().into_os_string()], directory);
    let mut cases = [
        fresh("`cat` of 1 GiB into a file", Subject::new("cat", [&big], &bench.directory)),
        fresh("the redactor, with 50 secrets", redact(&bench.directory)),
    ];
    measure(title, &mut cases, rounds)?;
    check_sink(&sink, 1024 * MIB)?;
    let mut text = table(title, &cases, "`cat` of 1 GiB into a file");
    text.push('\n');
    // Megabytes in a second: of a gigabyte in milliseconds.
    let speed = 1024.0 * MIB as f64 / 1000.0 / cases[1].wall();
    text += &format!(
        "- text without its secrets: {speed:.0} MB/s, aim at least 500 MB/s: {}\n",
        if speed >= 500.0 { "reached" } else { "**missed**" }
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, walls: &[f64]) -> Case {
        let mut case = Case::new(name, Subject::new("true", [""; 0], Path::new(".")));
        case.samples = walls.iter().map(|&wall| Sample { wall, processor: wall, memory: 2.0 }).collect();
        case
    }

    #[test]
    fn each_row_is_compared_with_the_floor() {
        let text = table("Title", &[case("floor", &[2.0, 2.0]), case("more", &[5.0, 7.0])], "floor");
        assert!(text.contains("\n### Title\n\n2 rounds.\n"), "{text}");
        let last = text.lines().last().expect("a row");
        assert_eq!(
            last.split('|').map(str::trim).collect::<Vec<_>>()[1..7],
            ["more", "6.00", "5.50 to 6.50", "5.00", "3.00", "6.00"]
        );
    }

    #[test]
    fn an_aim_is_reached_or_missed() {
        assert!(judged("it", 1.0, "ms", 1.0).ends_with("reached\n"));
        assert!(judged("it", 1.01, "ms", 1.0).ends_with("**missed**\n"));
    }

    #[test]
    fn a_secret_in_the_sink_is_found() {
        let path = std::env::temp_dir().join(format!("windlass-bench-{}", std::process::id()));
        write_log(&path, 4096).expect("a log");
        let text = std::fs::read_to_string(&path).expect("the log");
        let (raw, clean) = (check_sink(&path, 4096), text.replace(SECRET, "***"));
        std::fs::write(&path, &clean).expect("a sink");
        let redacted = check_sink(&path, 4096);
        let short = check_sink(&path, 8192);
        std::fs::remove_file(&path).expect("removed");
        assert!(text.contains(SECRET));
        assert!(raw.is_err() && redacted.is_ok() && short.is_err());
    }
}
