//! What is still at work for a run whose host is gone.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use windlass::process::{Leftover, Mark, end_leftovers, leftovers};

/// Longer than anything takes, and short enough to fail.
const PATIENCE: Duration = Duration::from_secs(60);

/// The id of a run that no other test has.
fn run_of(test: &str) -> String {
    format!("{test}-{}", std::process::id())
}

/// A script that says when it is ready, with everything that it started at the other end of one pipe.
struct Script {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Script {
    fn start(script: &str, marks: &[(Mark, &str)]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        // What a failing test leaves does not keep waiting who reads what the tests say.
        command.stderr(Stdio::null());
        command.envs(marks.iter().map(|(mark, value)| (mark.variable(), value)));
        let mut child = command.spawn().expect("a shell");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// What it said until all of it was gone.
    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("an end");
        let _ = self.child.wait();
        rest
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it can be asked").is_none()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn end(run: &str) -> Vec<Leftover> {
    tokio::time::timeout(PATIENCE, end_leftovers(run, |_| true)).await.expect("in time")
}

fn ids(leftovers: &[Leftover]) -> Vec<u32> {
    leftovers.iter().map(|leftover| leftover.process).collect()
}

#[tokio::test]
async fn what_is_left_is_asked_to_end() {
    let run = run_of("asked");
    let mut script = Script::start("trap 'echo bye; exit' TERM; echo ready; read line", &[(Mark::Run, &run)]);
    assert_eq!(script.line(), "ready");
    let found = leftovers(&run, |_| true);
    assert_eq!(found, [Leftover { process: script.child.id(), program: "sh".into() }]);
    assert_eq!(end(&run).await, found);
    assert_eq!(script.rest(), "bye\n");
    assert_eq!(leftovers(&run, |_| true), []);
}

#[tokio::test]
async fn what_does_not_listen_is_killed() {
    use std::os::unix::process::ExitStatusExt;
    let run = run_of("deaf");
    let mut script = Script::start("trap '' TERM; echo ready; while :; do read line; done", &[(Mark::Run, &run)]);
    assert_eq!(script.line(), "ready");
    assert_eq!(ids(&end(&run).await), [script.child.id()]);
    assert_eq!(script.child.wait().expect("an end").signal(), Some(9));
}

#[tokio::test]
async fn what_went_away_from_its_group_is_found() {
    let run = run_of("away");
    let mut script = Script::start("setsid sh -c 'echo $$; exec sleep 600' & exit", &[(Mark::Run, &run)]);
    let away: u32 = script.line().parse().expect("an id");
    script.child.wait().expect("an end");
    assert_eq!(ids(&end(&run).await), [away]);
    assert_eq!(script.rest(), "");
}

#[tokio::test]
async fn what_is_started_meanwhile_is_found_too() {
    let run = run_of("meanwhile");
    // Where it is asked to end, it goes on as another process.
    let script = "trap 'setsid sleep 600 & exit' TERM; echo ready; read line";
    let mut script = Script::start(script, &[(Mark::Run, &run)]);
    assert_eq!(script.line(), "ready");
    let ended = ids(&end(&run).await);
    assert!(ended.len() == 2 && ended[0] == script.child.id(), "{ended:?}");
    assert_eq!(leftovers(&run, |_| true), []);
    assert_eq!(script.rest(), "");
}

#[tokio::test]
async fn what_becomes_another_program_again_and_again_is_found_at_each_look() {
    let run = run_of("becomes");
    let script = "exec sh -c \"$AGAIN\"";
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("AGAIN", script).env(Mark::Run.variable(), &run);
    let mut child = command.stderr(Stdio::null()).spawn().expect("a shell");
    let missed = (0..200).filter(|_| ids(&leftovers(&run, |_| true)) != [child.id()]).count();
    let ended = end(&run).await;
    child.wait().expect("an end");
    assert_eq!((missed, ids(&ended)), (0, vec![child.id()]));
}

#[tokio::test]
async fn what_may_stay_and_what_is_another_runs_stays() {
    let (run, other) = (run_of("mine"), run_of("other"));
    let mut background =
        Script::start("echo ready; read line; echo $line", &[(Mark::Run, &run), (Mark::Background, "1")]);
    let mut others = Script::start("echo ready; read line", &[(Mark::Run, &other)]);
    let mut nobodys = Script::start("echo ready; read line", &[]);
    for script in [&mut background, &mut others, &mut nobodys] {
        assert_eq!(script.line(), "ready");
    }
    assert_eq!(leftovers(&run, |_| true), []);
    assert_eq!(end(&run).await, []);
    for script in [&mut background, &mut others, &mut nobodys] {
        assert!(script.is_running());
    }
    assert_eq!(ids(&leftovers(&other, |_| true)), [others.child.id()]);
}

#[tokio::test]
async fn who_has_ended_and_was_not_waited_for_is_not_at_work() {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    let run = run_of("ended");
    let script = Script::start("exit", &[(Mark::Run, &run)]);
    let id = nix::unistd::Pid::from_raw(script.child.id().try_into().expect("an id"));
    waitid(Id::Pid(id), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).expect("its end");
    assert!(std::path::Path::new(&format!("/proc/{id}")).exists());
    assert_eq!(leftovers(&run, |_| true), []);
}

#[tokio::test]
async fn who_looks_and_who_started_it_are_not_found() {
    const TEST: &str = "who_looks_and_who_started_it_are_not_found";
    if let Ok(run) = std::env::var(Mark::Run.variable()) {
        // Within: this process and the shell that started it have the mark, and so has a sibling.
        let sibling: u32 = std::env::var("SIBLING").expect("it is set").parse().expect("an id");
        assert_eq!(ids(&end(&run).await), [sibling]);
        return;
    }
    let test = std::env::current_exe().expect("a test has a path");
    let script = format!("sleep 600 & SIBLING=$! '{}' --exact {TEST}; exit $?", test.display());
    let mut script = Script::start(&script, &[(Mark::Run, &run_of("within"))]);
    let status = script.child.wait().expect("an end");
    assert!(status.success(), "{}", script.rest());
}
