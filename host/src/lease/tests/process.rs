//! Owners that are processes and threads of their own: killed, stopped, and all at once.

use super::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Where the owner in another process finds its project.
const PROJECT: &str = "WINDLASS_TEST_LEASE_PROJECT";
/// What it does there: `hold` a lease until its standard input ends, or `count`.
const ROLE: &str = "WINDLASS_TEST_LEASE_ROLE";
/// How often each counts.
const TIMES: u64 = 20;

/// This very program, as an owner of its own. It ends when its standard input does.
struct Owner {
    child: Child,
    _input: Option<ChildStdin>,
}

impl Owner {
    fn start(project: &Path, role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "lease::tests::process::owner", "--ignored", "--nocapture"])
            .envs([(PROJECT, project.as_os_str()), (ROLE, role.as_ref())])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a process");
        let _input = child.stdin.take();
        Self { child, _input }
    }

    /// Start one, and wait until it holds the lease.
    fn holding(project: &Path) -> Self {
        let mut owner = Self::start(project, "hold");
        let mut said = String::new();
        let mut errors = BufReader::new(owner.child.stderr.take().expect("its errors"));
        errors.read_line(&mut said).expect("a line");
        assert_eq!(said, "holding\n");
        owner
    }

    fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Count in a file as nobody may who is not alone: read, then write. Each count has its lease's number with it.
async fn count(project: &Path) {
    let store: Arc<dyn Store> = Arc::new(LocalStore::new(project));
    for _ in 0..TIMES {
        let lease = take(Arc::clone(&store), request(staging(), "counts", LONG), |_| {}, std::future::pending());
        let lease = lease.await.expect("a lease");
        let path = project.join("count");
        let mut counted = std::fs::read_to_string(&path).unwrap_or_default();
        counted.push_str(&format!("{}\n", lease.number()));
        std::thread::yield_now();
        lease.check().expect("held");
        std::fs::write(&path, counted).expect("counted");
        lease.release().await.expect("given back");
    }
}

/// The numbers that were counted: none lost, each greater than the one before.
fn assert_counted(project: &Path, times: u64) {
    let counted = std::fs::read_to_string(project.join("count")).expect("counted");
    let numbers: Vec<u64> = counted.lines().map(|line| line.parse().expect("a number")).collect();
    assert_eq!(numbers.len() as u64, times, "{numbers:?}");
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}

#[test]
#[ignore = "not a test: what the others start as a process of its own"]
fn owner() {
    let (Some(project), Ok(role)) = (std::env::var_os(PROJECT), std::env::var(ROLE)) else { return };
    let project = Path::new(&project);
    match role.as_str() {
        "count" => block_on(count(project)),
        _ => block_on(async {
            let store: Arc<dyn Store> = Arc::new(LocalStore::new(project));
            let _lease = take_now(&store, staging(), "another process").await.expect("a lease");
            std::io::stderr().write_all(b"holding\n").expect("heard");
            let _ = std::io::stdin().read(&mut [0]);
            // As if it were killed: nothing is given back, and nothing is dropped.
            std::process::abort();
        }),
    }
}

#[tokio::test]
async fn a_lease_does_not_outlive_an_owner_that_was_killed() {
    let project = tempfile::tempdir().expect("a directory");
    let store: Arc<dyn Store> = Arc::new(LocalStore::new(project.path()));
    let owner = Owner::holding(project.path());
    let refused = take_now(&store, staging(), "two").await.expect_err("it lives");
    assert_eq!(refused.causes[0], "run `another process` holds the lease");
    let process = owner.child.id();
    owner.kill();
    let Standing::Held { alive: Some(false), number: 1, .. } = standing(&*store, &staging()).await.expect("an answer")
    else {
        panic!("it is dead");
    };
    let next = take_now(&store, staging(), "two").await.expect("at once");
    assert_eq!(next.number(), 2);
    let broken = next.broken.as_ref().expect("it is said from whom");
    assert_eq!((broken.run.as_str(), broken.process), ("another process", process));
}

#[tokio::test]
async fn who_waits_for_an_owner_gets_the_lease_when_that_is_killed() {
    let project = tempfile::tempdir().expect("a directory");
    let store: Arc<dyn Store> = Arc::new(LocalStore::new(project.path()));
    let owner = Owner::holding(project.path());
    let on_waiting = |holder: &Holder| {
        assert_eq!(holder.run, "another process");
        owner.kill();
    };
    let taking = take(Arc::clone(&store), request(staging(), "two", LONG), on_waiting, std::future::pending());
    assert!(soon(taking).await.expect("a lease").broken.is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn a_stopped_owner_lives_and_only_force_breaks_its_lease() {
    use nix::sys::signal::{Signal, kill};
    let project = tempfile::tempdir().expect("a directory");
    let store: Arc<dyn Store> = Arc::new(LocalStore::new(project.path()));
    let owner = Owner::holding(project.path());
    let process = nix::unistd::Pid::from_raw(i32::try_from(owner.child.id()).expect("a process"));
    kill(process, Signal::SIGSTOP).expect("stopped");
    assert_eq!(release_dead(&*store, &staging()).await, Ok(None));
    assert_eq!(take_now(&store, staging(), "two").await.expect_err("it lives").code, Code::LeaseHeld);
    assert!(release_by_force(&*store, &staging(), "bob").await.expect("broken").is_some());
    let next = take_now(&store, staging(), "two").await.expect("a lease");
    assert_eq!((next.number(), next.broken.as_ref()), (2, None));
    owner.kill();
    next.check().expect("not disturbed");
}

#[test]
fn of_many_threads_one_holds_at_a_time() {
    let project = tempfile::tempdir().expect("a directory");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| block_on(count(project.path())));
        }
    });
    assert_counted(project.path(), 8 * TIMES);
}

#[test]
fn of_many_processes_one_holds_at_a_time() {
    let project = tempfile::tempdir().expect("a directory");
    let owners: Vec<Owner> = (0..4).map(|_| Owner::start(project.path(), "count")).collect();
    for mut owner in owners {
        let mut said = String::new();
        owner.child.stderr.take().expect("its errors").read_to_string(&mut said).expect("text");
        assert!(owner.child.wait().expect("ended").success(), "{said}");
    }
    assert_counted(project.path(), 4 * TIMES);
}
