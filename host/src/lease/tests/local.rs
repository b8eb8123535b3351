//! The local store: files, locks, and what becomes of both.

use super::*;
use std::fs::File;
use std::path::{Path, PathBuf};

fn local() -> (tempfile::TempDir, Arc<dyn Store>) {
    let project = tempfile::tempdir().expect("a directory");
    let store = Arc::new(LocalStore::new(project.path()));
    (project, store)
}

fn file(project: &tempfile::TempDir, name: &str) -> PathBuf {
    project.path().join(".windlass/leases").join(name)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Wait until an owner that ended is seen dead. Children that other tests start hold its lock for the moment in which they
/// begin.
async fn dies(store: &Arc<dyn Store>, number: u64) {
    soon(async {
        while store.is_alive(&Record::free(staging(), number)).await != Ok(Some(false)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn set_expiry(store: &Arc<dyn Store>, expires: &str) {
    let (stored, seen) = store.read(&staging()).await.expect("an answer");
    let mut record = stored.record().expect("a record");
    record.holder.as_mut().expect("held").expires = expires.parse().expect("a time");
    assert!(store.swap(&staging(), &seen, &record).await.expect("an answer"));
}

#[tokio::test]
async fn a_clock_that_jumps_breaks_no_lease_and_keeps_no_dead_owners() {
    let (_project, store) = local();
    for expires in ["1970-01-01T00:00:00Z", "9999-01-01T00:00:00Z"] {
        let lease = take_now(&store, staging(), "one").await.expect("a lease");
        set_expiry(&store, expires).await;
        lease.check().expect("held");
        assert_eq!(take_now(&store, staging(), "two").await.expect_err("held").code, Code::LeaseHeld);
        assert_eq!(release_dead(&*store, &staging()).await, Ok(None));
        let Standing::Held { alive: Some(true), .. } = standing(&*store, &staging()).await.expect("an answer") else {
            panic!("it lives");
        };
        let number = lease.number();
        drop(lease);
        dies(&store, number).await;
        let Standing::Held { alive: Some(false), .. } = standing(&*store, &staging()).await.expect("an answer") else {
            panic!("it is dead");
        };
        let next = take_now(&store, staging(), "two").await.expect("its owner is dead");
        assert_eq!(next.broken.as_ref().map(|holder| holder.run.as_str()), Some("one"));
        next.release().await.expect("given back");
    }
}

#[tokio::test]
async fn a_dropped_lease_is_a_dead_owners_and_broken_once() {
    let (_project, store) = local();
    drop(take_now(&store, staging(), "one").await.expect("a lease"));
    dies(&store, 1).await;
    let place = staging();
    let (one, two) = tokio::join!(release_dead(&*store, &place), release_dead(&*store, &place));
    let broken: Vec<_> = [one, two].into_iter().filter_map(|broken| broken.expect("an answer")).collect();
    assert_eq!(broken.iter().map(|holder| holder.run.as_str()).collect::<Vec<_>>(), ["one"]);
    let released = record(&store, &staging()).await.released.expect("written down");
    let said = (released.run.as_deref(), released.number, released.by, released.actor);
    assert_eq!(said, (Some("one"), 1, By::Dead, None));
    let next = take_now(&store, staging(), "two").await.expect("free");
    assert_eq!((next.number(), next.broken.as_ref()), (2, None));
}

#[tokio::test]
async fn a_lease_is_renewed_also_after_that_could_not_be_done_for_longer_than_it_holds() {
    let (project, store) = local();
    let duration = Duration::from_millis(30);
    let request = Request { duration, ..request(staging(), "one", Duration::ZERO) };
    let lease = take(Arc::clone(&store), request, |_| {}, std::future::pending()).await.expect("a lease");
    let new = file(&project, "shop+staging.new");
    std::fs::create_dir(&new).expect("as a full disk");
    let since = std::time::Instant::now();
    while since.elapsed() < 5 * duration {
        lease.check().expect("its owner lives");
        tokio::task::yield_now().await;
    }
    let before = record(&store, &staging()).await.holder.expect("held").expires;
    std::fs::remove_dir(&new).expect("as if it had space again");
    soon(async {
        while record(&store, &staging()).await.holder.expect("held").expires <= before {
            tokio::task::yield_now().await;
        }
    })
    .await;
    lease.check().expect("held");
    lease.release().await.expect("given back");
}

#[tokio::test]
async fn what_is_left_of_the_dead_is_cleared_away_and_what_is_of_the_living_stays() {
    let (project, store) = local();
    let living = take_now(&store, staging(), "one").await.expect("a lease");
    release_by_force(&*store, &staging(), "bob").await.expect("broken");
    for run in ["two", "three", "four"] {
        drop(take_now(&store, staging(), run).await.expect("a lease"));
    }
    let left = ["shop+staging.1.alive", "shop+staging.4.alive", "shop+staging.guard", "shop+staging.json"];
    assert_eq!(names(&file(&project, "")), left);
    drop(living);
    dies(&store, 1).await;
    take_now(&store, staging(), "five").await.expect("a lease").release().await.expect("given back");
    assert_eq!(names(&file(&project, "")), ["shop+staging.5.alive", "shop+staging.guard", "shop+staging.json"]);
}

#[tokio::test]
async fn whoever_only_asks_is_not_taken_for_an_owner() {
    let (project, store) = local();
    take_now(&store, staging(), "one").await.expect("a lease").release().await.expect("given back");
    drop(take_now(&store, staging(), "two").await.expect("a lease"));
    dies(&store, 2).await;
    let ask = |number| {
        let path = file(&project, &format!("shop+staging.{number}.alive"));
        let asks = File::options().create(true).truncate(false).write(true).read(true).open(path).expect("the file");
        asks.lock_shared().expect("somebody asks");
        asks
    };
    let _asks_for_the_dead = ask(2);
    assert_eq!(store.is_alive(&Record::free(staging(), 2)).await, Ok(Some(false)));
    let asks_for_the_next = ask(3);
    let taking = take_now(&store, staging(), "three");
    tokio::pin!(taking);
    let pending = std::future::poll_fn(|context| std::task::Poll::Ready(taking.as_mut().poll(context).is_pending()));
    assert!(pending.await, "it is tried again");
    drop(asks_for_the_next);
    assert_eq!(taking.await.expect("a lease").number(), 3);
}

#[tokio::test]
async fn what_cannot_be_read_is_the_disks_trouble_and_ends_the_run_all_the_same() {
    let (project, store) = local();
    let lease = take_now(&store, staging(), "one").await.expect("a lease");
    let path = file(&project, "shop+staging.json");
    std::fs::remove_file(&path).expect("removed");
    // Permissions do not keep everybody out; a directory does.
    std::fs::create_dir(&path).expect("in the way");
    let problem = lease.check().expect_err("unreadable");
    assert_eq!(problem.code, Code::JournalUnwritable);
    assert_eq!(problem.note.as_deref(), Some("the run stopped before its next effect"));
    assert!(!problem.causes.is_empty() && problem.hint.is_some());
}

#[tokio::test]
async fn a_damaged_record_is_named_kept_and_replaced_only_by_force() {
    let whole = {
        let (project, store) = local();
        drop(take_now(&store, staging(), "one").await.expect("a lease"));
        std::fs::read(file(&project, "shop+staging.json")).expect("the record")
    };
    for damage in [&b""[..], &whole[..whole.len() / 2], b"one\n", b"{\"schema\":\"windlass.lease/2\"}"] {
        let (project, store) = local();
        for run in ["one", "two", "three"] {
            take_now(&store, staging(), run).await.expect("a lease").release().await.expect("given back");
        }
        let living = take_now(&store, staging(), "four").await.expect("a lease");
        let path = file(&project, "shop+staging.json");
        std::fs::write(&path, damage).expect("damaged");
        let lost = living.check().expect_err("nobody can tell whose it is");
        assert_eq!(lost.code, Code::LeaseLost);
        let refused = take_now(&store, staging(), "five").await.expect_err("damaged");
        assert_eq!(refused.code, Code::LeaseInvalid);
        assert_eq!(refused.what, format!("the lease `{}` is not what was written", path.display()));
        assert_eq!((refused.causes.len(), refused.note.as_deref()), (1, Some("nothing was run")));
        assert!(refused.hint.expect("a hint").contains("`windlass lease release --force -e staging`"));
        assert_eq!(standing(&*store, &staging()).await.expect_err("damaged").code, Code::LeaseInvalid);
        assert_eq!(release_dead(&*store, &staging()).await.expect_err("damaged").code, Code::LeaseInvalid);
        assert_eq!(std::fs::read(&path).expect("the file"), damage, "nothing was changed");
        assert_eq!(store.places().await, Ok(vec![staging()]));

        assert_eq!(release_by_force(&*store, &staging(), "bob").await, Ok(None));
        assert_eq!(std::fs::read(file(&project, "shop+staging.damaged")).expect("kept"), damage);
        let released = record(&store, &staging()).await.released.expect("written down");
        let said = (released.run, released.number, released.by, released.actor.as_deref());
        assert_eq!(said, (None, 4, By::Force, Some("bob")));
        assert_eq!(
            living.check().expect_err("lost").causes,
            [format!("`bob` released it by force at {}", released.at)]
        );
        assert_eq!(take_now(&store, staging(), "five").await.expect("a lease").number(), 5);
    }
}

#[tokio::test]
async fn numbers_grow_also_where_the_record_was_removed() {
    let (project, store) = local();
    let lease = take_now(&store, staging(), "one").await.expect("a lease");
    std::fs::remove_file(file(&project, "shop+staging.json")).expect("removed");
    assert_eq!(lease.check().expect_err("lost").causes, ["it is held by nobody"]);
    assert_eq!(take_now(&store, staging(), "two").await.expect("a lease").number(), 2);
}

#[tokio::test]
async fn where_nothing_can_be_written_nothing_is_taken() {
    let (project, store) = local();
    std::fs::write(project.path().join(".windlass"), "in the way").expect("a file");
    let refused = take_now(&store, staging(), "one").await.expect_err("no directory");
    assert_eq!(refused.code, Code::JournalUnwritable);
    let path = file(&project, "shop+staging.json");
    assert_eq!(refused.what, format!("the lease `{}` cannot be written", path.display()));
    assert_eq!(refused.hint.as_deref(), Some("mend the permissions or free some space"));
    assert_eq!((refused.causes.len(), refused.note.as_deref()), (1, Some("nothing was run")));
}

#[tokio::test]
async fn a_record_that_cannot_be_replaced_stays_and_the_lease_is_a_dead_owners() {
    let (project, store) = local();
    let lease = take_now(&store, staging(), "one").await.expect("a lease");
    // As a full disk or a directory without permissions: no new record can be written.
    let new = file(&project, "shop+staging.new");
    std::fs::create_dir(&new).expect("in the way");
    let refused = lease.release().await.expect_err("not written");
    assert_eq!(refused.code, Code::JournalUnwritable);
    let json = file(&project, "shop+staging.json");
    assert_eq!(refused.what, format!("the lease `{}` cannot be written", json.display()));
    let refused = take_now(&store, staging(), "two").await.expect_err("not written");
    assert_eq!((refused.code, refused.note.as_deref()), (Code::JournalUnwritable, Some("nothing was run")));
    std::fs::remove_dir(&new).expect("out of the way");
    let next = take_now(&store, staging(), "two").await.expect("nothing was lost");
    assert_eq!(next.broken.as_ref().map(|holder| holder.run.as_str()), Some("one"));
}

#[tokio::test]
async fn names_that_are_too_long_for_a_file_are_told_apart() {
    let (project, store) = local();
    let long = "e".repeat(255);
    let places = [place(&long, Some("a")), place(&long, Some("b")), place(&long[1..], None), place(&long[11..], None)];
    let mut leases = vec![];
    for place in &places {
        leases.push(take_now(&store, place.clone(), "one").await.expect("a lease of its own"));
    }
    let mut listed = store.places().await.expect("a list");
    listed.sort_by_key(|place| places.iter().position(|known| known == place));
    assert_eq!(listed, places);
    assert!(names(&file(&project, "")).iter().all(|name| name.len() < 255));
}
