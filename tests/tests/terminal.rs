//! What a person at a terminal sees: in a real one, with a real shell.
#![cfg(unix)]

use e2e::Project;
use e2e::steps::{Step, project, until};
use e2e::terminal::Terminal;

const RUN: &str = "$windlass run --commit 0123456789abcdef0123456789abcdef01234567";

/// A step that writes this and goes on once there is a file `go`, and writes that then.
fn waits(id: &str, before: &str, after: &str) -> Step {
    let script = format!("printf '{before}'; touch here; until [ -e go ]; do sleep 0.02; done; printf '{after}'");
    Step::of(id, &script).reverted_by("true")
}

fn four(middle: Step) -> Project {
    project(&[Step::marks("first"), middle, Step::marks("third"), Step::finally("tell")])
}

/// The lines of the list that stand there.
fn list(screen: &str) -> Vec<&str> {
    let is_row =
        |line: &&str| line.starts_with("· ") || line.chars().next().is_some_and(|it| ('⠀'..='⣿').contains(&it));
    screen.lines().filter(is_row).collect()
}

/// Waits until the list is there, with what comes next.
#[track_caller]
fn shows_list(terminal: &Terminal) -> String {
    terminal.shows("the list", |screen| list(screen).len() == 3)
}

/// The terminal as it was given to us: the list is gone, and the cursor is behind the prompt, where a person sees it.
#[track_caller]
fn is_given_back(terminal: &Terminal, screen: &str) {
    assert_eq!(list(screen), Vec::<&str>::new(), "{screen}");
    assert_eq!(terminal.cursor(), (2, true), "{screen}");
}

#[test]
fn what_is_under_way_stands_below_what_was_said_and_nothing_of_it_stays() {
    let project = four(waits("second", "working\\n", "done\\n"));
    let copy = project.copy();
    let terminal = Terminal::of(&project, &[]);
    terminal.types(RUN);
    let screen = shows_list(&terminal);
    let lines: Vec<&str> = screen.lines().collect();
    let [.., first, working, second, third, tell] = &lines[..] else { panic!("{screen}") };
    assert!(first.starts_with("✓ first: ran "), "{screen}");
    assert_eq!(*working, "working");
    assert_eq!(second.chars().skip(1).collect::<String>().trim_end(), " second", "{screen}");
    assert_eq!((*third, *tell), ("· third", "· tell"));
    terminal.shows("how long it has been", |screen| screen.contains(" second  1s"));
    project.write("go", "");
    let screen = terminal.is_back(1);
    is_given_back(&terminal, &screen);

    // In the end there is what would have been there without a terminal, but for what says that a step begins.
    copy.write("go", "");
    let plain = copy.windlass("run").exits(0).stderr;
    let without = |text: &str| {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['▸', '$']));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without(&project.scrub(&screen)), without(&plain));
}

#[test]
fn a_line_of_a_child_is_seen_before_it_ends() {
    let project = four(waits("second", "10%%\\r50%%", "\\r100%%\\nlast"));
    let terminal = Terminal::of(&project, &[]);
    terminal.types(RUN);
    let screen = terminal.shows("half of it", |screen| screen.contains("\n  50%\n"));
    assert!(!screen.lines().any(|line| line.trim() == "10%"), "{screen}");
    project.write("go", "");
    let screen = terminal.is_back(1);
    assert!(screen.contains("\n100%\nlast\n✓ second: ran "), "{screen}");
    is_given_back(&terminal, &screen);
}

#[test]
fn a_child_cannot_garble_the_terminal() {
    let hostile = "\\033[2J\\033[H\\033[?25l\\033[10Aup\\033[31mred\\033[0m\\033]0;title\\007\\b\\b\\n\\033[?1049h";
    let project = four(waits("second", hostile, "tail\\033[44m"));
    let terminal = Terminal::of(&project, &[]);
    terminal.types(RUN);
    let screen = shows_list(&terminal);
    assert!(screen.contains("plan: shop ") && screen.contains("\nupred\n"), "{screen}");
    assert!(terminal.coloured().contains("\u{1b}[31mred"), "its colours are welcome");
    project.write("go", "");
    let screen = terminal.is_back(1);
    assert!(screen.contains("\ntail\n✓ second: ran "), "{screen}");
    is_given_back(&terminal, &screen);
    assert!(!terminal.coloured().contains("\u{1b}[44m✓"), "a colour ends with its line");
}

#[test]
fn a_terminal_of_another_size_is_no_trouble() {
    let project = four(waits("second", "a line that is rather long for a terminal of twenty columns\\n", "done\\n"));
    let terminal = Terminal::of(&project, &[]);
    terminal.types(RUN);
    shows_list(&terminal);
    for (columns, rows) in [(20, 24), (9, 24), (40, 7), (120, 30), (80, 24)] {
        terminal.resize(columns, rows);
        // Some pictures later it still stands there once.
        let spinner = |screen: &str| list(screen).first().and_then(|row| row.chars().next());
        let before = spinner(&terminal.screen());
        terminal.shows("the next picture", |screen| spinner(screen).is_some() && spinner(screen) != before);
        let screen = terminal.screen();
        assert_eq!(
            list(&screen).iter().filter(|row| row.contains(" second") || row.contains(" secon…")).count(),
            1,
            "{screen}"
        );
        assert!(list(&screen).len() <= 3, "{screen}");
    }
    project.write("go", "");
    let screen = terminal.is_back(1);
    is_given_back(&terminal, &screen);
    assert!(screen.contains("is live in staging"), "{screen}");
}

#[test]
fn ctrl_c_gives_the_terminal_back() {
    let project = four(waits("second", "working\\n", ""));
    let terminal = Terminal::of(&project, &[]);
    terminal.types(RUN);
    shows_list(&terminal);
    terminal.presses("C-c");
    let screen = terminal.is_back(1);
    assert!(screen.contains("told to stop; a second signal"), "{screen}");
    assert!(screen.contains("↩ first: ran ") && screen.contains("was cancelled"), "{screen}");
    is_given_back(&terminal, &screen);
}

#[test]
fn a_signal_gives_the_terminal_back() {
    for (signal, words) in [("TERM", "was cancelled"), ("HUP", "was cancelled"), ("KILL", "Killed")] {
        let project = four(waits("second", "working\\n", ""));
        let terminal = Terminal::of(&project, &[]);
        terminal.types(&format!("{RUN} & echo $! > pid; fg"));
        shows_list(&terminal);
        let pid = project.read("pid");
        let killed = std::process::Command::new("kill").args(["-s", signal, pid.trim()]).status().expect("kill runs");
        assert!(killed.success());
        let screen = terminal.shows("an end", |screen| screen.contains(words) && screen.lines().last() == Some("$"));
        assert_eq!(terminal.cursor(), (2, true), "{screen}");
        // Nobody can take a list away who is killed: it stands above the prompt.
        assert_eq!(list(&screen).len(), if signal == "KILL" { 3 } else { 0 }, "{screen}");
        project.write("go", "");
    }
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_fg_takes_it_again() {
    let project = four(waits("second", "working\\n", "done\\n"));
    let terminal = Terminal::of(&project, &[]);
    terminal.types(RUN);
    shows_list(&terminal);
    terminal.presses("C-z");
    let screen =
        terminal.shows("that it stopped", |screen| screen.contains("Stopped") && screen.lines().last() == Some("$"));
    is_given_back(&terminal, &screen);
    terminal.types("fg");
    shows_list(&terminal);
    terminal.presses("C-z");
    terminal.shows("that it stopped", |screen| {
        screen.matches("Stopped").count() == 2 && screen.lines().last() == Some("$")
    });
    // In the background there are lines, and no list among what others write.
    terminal.types("bg; echo mine");
    project.write("go", "");
    let screen = terminal.shows_text("is live in staging");
    assert!(screen.contains("\nmine\n") && screen.contains("done\n✓ second: "), "{screen}");
    assert_eq!(list(&screen), Vec::<&str>::new(), "{screen}");
}

#[test]
fn a_bug_gives_the_terminal_back() {
    let project = Project::new();
    let terminal = Terminal::of(&project, &[]);
    terminal.types("$windlass __panic");
    terminal.shows("a list", |screen| list(screen).len() == 1);
    terminal.presses("C-d");
    let screen = terminal.is_back(1);
    assert!(screen.contains("error: windlass did something it never should"), "{screen}");
    is_given_back(&terminal, &screen);
}

#[test]
fn there_are_no_colours_and_no_list_where_they_are_not_wanted() {
    let project = four(waits("second", "working\\n", ""));
    let terminal = Terminal::of(&project, &[("NO_COLOR", "1")]);
    terminal.types(RUN);
    shows_list(&terminal);
    assert!(!terminal.coloured().contains('\u{1b}'), "{}", terminal.coloured());
    project.write("go", "");
    let _ = terminal.is_back(1);

    for variable in [("TERM", "dumb"), ("CI", "true")] {
        let project = four(waits("second", "working\\n", ""));
        let terminal = Terminal::of(&project, &[variable]);
        terminal.keeps("kept");
        terminal.types(RUN);
        terminal.shows_text("▸ second");
        project.write("go", "");
        let _ = terminal.is_back(1);
        until("the rest", || project.read("kept").contains("is live in staging"));
        let kept = project.read("kept");
        assert!(!kept.contains("\u{1b}[J") && list(&kept).is_empty(), "{kept:?}");
    }
}

#[test]
fn there_are_not_more_pictures_than_a_person_sees() {
    let flood = "i=0; while [ $i -lt 1500 ]; do echo line $i; i=$((i+1)); done; touch here; until [ -e go ]; do sleep 0.02; done";
    let project = four(Step::of("second", flood).reverted_by("true"));
    let terminal = Terminal::of(&project, &[]);
    terminal.keeps("kept");
    let began = std::time::Instant::now();
    terminal.types(RUN);
    until("the flood's end", || project.has("here"));
    terminal.shows("some time", |screen| screen.contains(" second  1s"));
    let pictures = project.read("kept").matches("\u{1b}[J").count();
    // The clock is read after the last one.
    let most = began.elapsed().as_millis() / 90 + 2;
    assert!(pictures > 0 && (pictures as u128) <= most, "{pictures} of {most}");
    project.write("go", "");
    let screen = terminal.is_back(1);
    assert!(screen.contains("line 1499\n✓ second: ran "), "{screen}");
}
