//! Children, with the programs that every Unix has.
#![cfg(unix)]

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use windlass::process::{Completion, Error, GRACE, Spawn, Stream, find_program, run, run_until};

/// Longer than anything takes, and short enough to fail.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("windlass-process-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        Self(directory)
    }

    /// A pipe with a name, and what is written to it: pieces, then the end when the last writer is gone.
    fn pipe(&self, name: &str) -> Receiver<String> {
        let path = self.0.join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            let mut file = File::open(path).expect("the pipe");
            let mut buffer = [0; 1024];
            while let Ok(read @ 1..) = file.read(&mut buffer) {
                let _ = sender.send(String::from_utf8_lossy(&buffer[..read]).into_owned());
            }
        });
        receiver
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits for the end of the pipe: every process that had it open is gone.
fn assert_gone(pipe: &Receiver<String>) {
    while pipe
        .recv_timeout(PATIENCE)
        .map_err(|error| assert_eq!(error.to_string(), "channel is empty and sending half is closed"))
        .is_ok()
    {}
}

fn program(name: &str) -> PathBuf {
    find_program(name, &std::env::var_os("PATH").expect("a path"), Path::new("/")).expect("every Unix has it")
}

fn spawn(name: &str, arguments: &[&str], directory: &Path) -> Spawn {
    Spawn {
        program: program(name),
        arguments: arguments.iter().map(|argument| (*argument).into()).collect(),
        directory: directory.into(),
        environment: vec![("PATH".into(), std::env::var_os("PATH").expect("a path"))],
        input: None,
        background: false,
        confines: None,
        timeout: None,
        capture: Some(1 << 20),
        together: false,
        without_terminal: false,
    }
}

fn shell(script: &str, directory: &Path) -> Spawn {
    spawn("sh", &["-c", script], directory)
}

async fn completion(spawn: Spawn) -> Completion {
    tokio::time::timeout(PATIENCE, run(spawn, |_, _| ())).await.expect("in time").expect("it starts")
}

#[tokio::test]
async fn both_outputs_and_the_exit_code_come_back() {
    let mut seen = (vec![], vec![]);
    let spawn = shell("echo out; echo error >&2; exit 3", Path::new("/"));
    let completion = run(spawn, |stream, bytes| match stream {
        Stream::Out => seen.0.extend_from_slice(bytes),
        Stream::Error => seen.1.extend_from_slice(bytes),
    });
    let completion = completion.await.expect("it starts");
    let expected =
        Completion { code: Some(3), stdout: b"out\n".into(), stderr: b"error\n".into(), ..Completion::default() };
    assert_eq!(completion, expected);
    assert_eq!(seen, (b"out\n".to_vec(), b"error\n".to_vec()));
}

/// Who is alone is the first of its session and of its group, so that ending that ends all of it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_session_of_its_own_is_a_group_of_its_own() {
    let ids = "sed 's/.*) //' /proc/$$/stat | { read -r state parent group session rest; echo $(($$ - group)) $(($$ - session)); }";
    let completion = completion(Spawn { without_terminal: true, ..shell(ids, Path::new("/")) }).await;
    assert_eq!(String::from_utf8_lossy(&completion.stdout), "0 0\n");
}

#[cfg(unix)]
#[tokio::test]
async fn two_outputs_that_are_one_have_their_order() {
    let script = "for n in 1 2 3 4 5 6 7 8; do echo out; echo error >&2; done";
    let spawn = Spawn { together: true, ..shell(script, Path::new("/")) };
    let completion = completion(spawn).await;
    assert_eq!(String::from_utf8_lossy(&completion.stdout), "out\nerror\n".repeat(8));
    assert_eq!(completion.stderr, b"");
}

#[tokio::test]
async fn a_signal_is_told() {
    let completion = completion(shell("kill -9 $$", Path::new("/"))).await;
    assert_eq!((completion.code, completion.signal), (None, Some(9)));
}

#[tokio::test]
async fn the_environment_and_the_directory_are_those_given() {
    let directory = Directory::new("environment");
    let mut env = spawn("env", &[], &directory.0);
    env.environment = vec![("A".into(), "1".into()), ("B".into(), OsString::from("two words"))];
    assert_eq!(String::from_utf8_lossy(&completion(env).await.stdout), "A=1\nB=two words\n");
    let place = completion(spawn("pwd", &["-P"], &directory.0)).await;
    let real = directory.0.canonicalize().expect("it is there");
    assert_eq!(String::from_utf8_lossy(&place.stdout).trim_end(), real.to_string_lossy());
}

#[tokio::test]
async fn input_that_fills_the_pipes_comes_through() {
    let input: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let mut cat = spawn("cat", &[], Path::new("/"));
    cat.input = Some(input.clone());
    cat.capture = Some(usize::MAX);
    assert!(completion(cat).await.stdout == input);
}

#[tokio::test]
async fn input_that_nobody_reads_is_no_error() {
    let mut program = spawn("true", &[], Path::new("/"));
    program.input = Some(vec![0; 1 << 20]);
    assert_eq!(completion(program).await.code, Some(0));
}

#[tokio::test]
async fn no_input_is_an_empty_one() {
    assert_eq!(
        completion(spawn("cat", &[], Path::new("/"))).await,
        Completion { code: Some(0), ..Completion::default() }
    );
}

#[tokio::test]
async fn what_is_captured_is_limited_and_what_is_handed_on_is_not() {
    let mut seen = 0;
    let mut head = spawn("head", &["-c", "2000000", "/dev/zero"], Path::new("/"));
    head.capture = Some(1000);
    let completion = run(head, |_, bytes| seen += bytes.len()).await.expect("it starts");
    assert_eq!((completion.stdout.len(), completion.truncated, seen), (1000, true, 2_000_000));
}

#[tokio::test]
async fn a_timeout_ends_the_whole_group() {
    let directory = Directory::new("timeout");
    let alive = directory.pipe("alive");
    let mut script = shell("exec 9>alive; echo ready >&9; sh -c 'sleep 1000 & wait' & wait", &directory.0);
    script.timeout = Some(Duration::from_millis(300));
    let completion = completion(script).await;
    assert!(completion.timed_out && completion.code != Some(0), "{completion:?}");
    assert_gone(&alive);
}

#[tokio::test]
async fn who_is_asked_to_stop_may_say_its_last_words() {
    let (ready, stop) = tokio::sync::oneshot::channel();
    let mut ready = Some(ready);
    let script = shell("trap 'echo bye; exit 7' TERM; sleep 1000 & echo ready; wait", Path::new("/"));
    let stop = async move { drop(stop.await) };
    let completion =
        run_until(script, stop, GRACE, |_, _| ready.take().map_or((), |ready| ready.send(()).unwrap_or(())));
    let completion = tokio::time::timeout(PATIENCE, completion).await.expect("in time").expect("it starts");
    assert_eq!((completion.code, completion.stopped, completion.timed_out), (Some(7), true, false));
    assert_eq!(completion.stdout, b"ready\nbye\n");
}

#[tokio::test]
async fn who_does_not_listen_is_killed() {
    let (ready, stop) = tokio::sync::oneshot::channel();
    let mut ready = Some(ready);
    let script = shell("trap '' TERM; echo ready; while :; do sleep 1; done", Path::new("/"));
    let stop = async move { drop(stop.await) };
    let completion =
        run_until(script, stop, GRACE, |_, _| ready.take().map_or((), |ready| ready.send(()).unwrap_or(())));
    let completion = tokio::time::timeout(PATIENCE, completion).await.expect("in time").expect("it starts");
    assert_eq!((completion.signal, completion.stopped), (Some(9), true));
}

#[tokio::test]
async fn a_group_is_asked_once_and_heard_until_its_end() {
    let directory = Directory::new("once");
    nix::unistd::mkfifo(&directory.0.join("heard"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let (ready, stop) = tokio::sync::oneshot::channel();
    let mut ready = Some(ready);
    // The first program ends when what it started has heard of it; that goes on, and would hear it a second time.
    let rest = "trap 'echo asked; echo >heard' TERM; echo ready; while :; do sleep 0.01; done";
    let script = shell(&format!("trap 'read line <heard; exit 7' TERM; sh -c \"{rest}\" & wait"), &directory.0);
    let stop = async move { drop(stop.await) };
    let grace = Duration::from_millis(500);
    let completion =
        run_until(script, stop, grace, |_, _| ready.take().map_or((), |ready| ready.send(()).unwrap_or(())));
    let completion = tokio::time::timeout(PATIENCE, completion).await.expect("in time").expect("it starts");
    assert_eq!((completion.code, completion.stopped, completion.left), (Some(7), true, true));
    assert_eq!(String::from_utf8_lossy(&completion.stdout), "ready\nasked\n");
}

#[tokio::test]
async fn what_is_left_running_is_given_no_more_time_than_the_caller_has() {
    let begin = std::time::Instant::now();
    let directory = Directory::new("hurry");
    let alive = directory.pipe("alive");
    let (ready, stop) = tokio::sync::oneshot::channel();
    let mut ready = Some(ready);
    nix::unistd::mkfifo(&directory.0.join("go"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let rest = "trap 'echo asked' TERM; exec 9>alive; echo >go; while :; do sleep 0.01; done";
    let script = shell(&format!("sh -c \"{rest}\" & read line <go"), &directory.0);
    let stop = async move { drop(stop.await) };
    // It is asked because the first program has ended. It says so, and then there is no time.
    let completion =
        run_until(script, stop, Duration::ZERO, |_, _| ready.take().map_or((), |ready| ready.send(()).unwrap_or(())));
    let completion = tokio::time::timeout(PATIENCE, completion).await.expect("in time").expect("it starts");
    assert_eq!((completion.code, completion.stopped), (Some(0), true));
    assert!(begin.elapsed() < GRACE, "it had the time that it has where nobody hurries");
    assert_gone(&alive);
}

#[tokio::test]
async fn dropping_the_future_kills_the_whole_group() {
    let directory = Directory::new("drop");
    let alive = directory.pipe("alive");
    let script = shell("trap '' TERM; exec 9>alive; echo ready >&9; sh -c 'sleep 1000 & wait' & wait", &directory.0);
    let task = tokio::spawn(async move { run(script, |_, _| ()).await.map(|completion| completion.code) });
    let (alive, ready) = tokio::task::spawn_blocking(move || {
        let ready = alive.recv_timeout(PATIENCE);
        (alive, ready)
    })
    .await
    .expect("no panic");
    assert_eq!(ready.as_deref(), Ok("ready\n"));
    task.abort();
    assert!(task.await.is_err_and(|error| error.is_cancelled()));
    assert_gone(&alive);
}

#[tokio::test]
async fn what_is_left_running_is_ended() {
    let directory = Directory::new("left");
    let alive = directory.pipe("alive");
    let completion = completion(shell("exec 9>alive; echo ready >&9; (sleep 1000; :) & exit 4", &directory.0)).await;
    assert_eq!((completion.code, completion.timed_out), (Some(4), false));
    assert_gone(&alive);
}

#[tokio::test]
async fn what_is_left_in_the_background_lives_on_and_keeps_nobody_waiting() {
    let directory = Directory::new("background");
    let alive = directory.pipe("alive");
    let go = directory.0.join("go");
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    // It keeps both outputs open, and its own end waits for us.
    let script = "exec 9>alive; echo first; (read line <go; echo $line >&9) & echo last";
    let mut script = shell(script, &directory.0);
    script.background = true;
    let completion = completion(script).await;
    assert_eq!((completion.code, completion.stdout.as_slice()), (Some(0), b"first\nlast\n".as_slice()));
    let done = tokio::task::spawn_blocking(move || {
        File::options().write(true).open(go).and_then(|mut go| go.write_all(b"alive\n")).expect("it is waiting");
        assert_eq!(alive.recv_timeout(PATIENCE).as_deref(), Ok("alive\n"));
        assert_gone(&alive);
    });
    tokio::time::timeout(PATIENCE, done).await.expect("it lives").expect("no panic");
}

#[tokio::test]
async fn who_writes_for_ever_in_the_background_keeps_nobody_waiting() {
    let directory = Directory::new("writer");
    let alive = directory.pipe("alive");
    let mut script = shell("exec 9>alive; echo $$ >&9; yes & exit 0", &directory.0);
    script.background = true;
    // The pipe is closed behind it, which ends it.
    assert_eq!(completion(script).await.code, Some(0));
    assert_gone(&alive);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_child_gets_no_file_of_ours() {
    let directory = Directory::new("files");
    let _ours = File::create(directory.0.join("a-file-of-ours")).expect("a file");
    let completion = completion(spawn("ls", &["-l", "/proc/self/fd"], Path::new("/"))).await;
    let files = String::from_utf8_lossy(&completion.stdout);
    assert!(files.contains("/dev/null") && !files.contains("a-file-of-ours"), "{files}");
}

async fn refusal(spawn: Spawn) -> Error {
    run(spawn, |_, _| ()).await.expect_err("it cannot be run")
}

#[tokio::test]
async fn what_cannot_be_run_is_told_apart() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new("refused");
    let write = |name: &str, text: &str, mode: u32| {
        let file = directory.0.join(name);
        std::fs::write(&file, text).expect("a file");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("its mode");
        Spawn { program: file, ..spawn("true", &[], &directory.0) }
    };
    let plain = write("plain", "#!/bin/sh\n", 0o644);
    assert!(matches!(refusal(plain).await, Error::NotExecutable(_)));
    let script = write("script", "#!/no/such/interpreter\n", 0o755);
    assert!(matches!(refusal(script).await, Error::InterpreterNotFound(_)));
    let absent = Spawn { program: directory.0.join("absent"), ..spawn("true", &[], &directory.0) };
    let error = refusal(absent).await;
    assert!(
        matches!(error, Error::ProgramNotFound(_)) && error.to_string().ends_with("/absent` does not exist"),
        "{error}"
    );
    let nowhere = spawn("true", &[], &directory.0.join("nowhere"));
    assert!(matches!(refusal(nowhere).await, Error::DirectoryMissing { .. }));
    let nul = refusal(spawn("true", &["one", "t\0wo"], &directory.0)).await;
    assert!(matches!(&nul, Error::Nul { what } if what.starts_with("argument 2 of ")), "{nul}");
    let mut name = spawn("true", &[], &directory.0);
    name.environment.push(("A=B".into(), "c".into()));
    assert!(matches!(refusal(name).await, Error::VariableName { .. }));
    let mut value = spawn("true", &[], &directory.0);
    value.environment.push(("A".into(), "b\0".into()));
    assert_eq!(
        refusal(value).await.to_string(),
        "variable `A` has a NUL character in it, which no program can be given"
    );
}
