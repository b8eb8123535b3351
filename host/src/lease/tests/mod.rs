//! What holds for every store.

mod expiry;
mod fake;
mod local;
mod process;

use super::*;
use crate::problem::{Code, Problem};
use fake::Fake;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

fn place(environment: &str, component: Option<&str>) -> Place {
    Place { app: "shop".into(), environment: environment.into(), component: component.map(Into::into) }
}

fn staging() -> Place {
    place("staging", None)
}

fn request(place: Place, run: &str, wait: Duration) -> Request<impl FnMut() -> String> {
    let run = run.to_owned();
    Request { place, wait, duration: LONG, actor: "alice".into(), run: move || run.clone() }
}

/// Take a lease that nobody is waited for.
async fn take_now(store: &Arc<dyn Store>, place: Place, run: &str) -> Result<Lease, Problem> {
    take(Arc::clone(store), request(place, run, Duration::ZERO), |_| panic!("no waiting"), std::future::pending()).await
}

/// The kinds of store. The directory lasts as long as the local one.
fn stores() -> (tempfile::TempDir, [Arc<dyn Store>; 2]) {
    let project = tempfile::tempdir().expect("a directory");
    let local = LocalStore::new(project.path());
    (project, [Arc::new(local), Arc::new(Fake::new())])
}

async fn record(store: &Arc<dyn Store>, place: &Place) -> Record {
    store.read(place).await.expect("an answer").0.record().expect("a record")
}

/// Whether what somebody waits for comes, within a time that is none of the test's subject.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it comes")
}

#[tokio::test]
async fn every_place_has_one_lease_whatever_it_is_called() {
    let (_project, stores) = stores();
    for store in stores {
        let places =
            [staging(), place("staging", Some("api")), place("review/feature-1", None), place("Production EU", None)];
        let mut leases = vec![];
        for place in &places {
            leases.push(take_now(&store, place.clone(), &format!("of {place:?}")).await.expect("a lease of its own"));
        }
        for (place, lease) in places.iter().zip(&leases) {
            lease.check().expect("held");
            assert_eq!((lease.number(), lease.broken.as_ref()), (1, None));
            let refused = take_now(&store, place.clone(), "another").await.expect_err("held");
            assert_eq!(refused.code, Code::LeaseHeld);
            assert_eq!(refused.causes[0], format!("run `of {place:?}` holds the lease"));
        }
        let mut sorted = places.to_vec();
        sorted.sort();
        assert_eq!(store.places().await.expect("a list"), sorted);
    }
}

#[tokio::test]
async fn a_refusal_says_who_holds_it_since_when_and_what_helps() {
    let (_project, stores) = stores();
    for store in stores {
        let lease = take_now(&store, staging(), "one").await.expect("a lease");
        let holder = record(&store, &staging()).await.holder.expect("a holder");
        let refused = take_now(&store, staging(), "two").await.expect_err("held");
        assert_eq!(refused.what, "`shop` is being deployed to `staging` already");
        let Holder { taken, machine, process, .. } = &holder;
        assert_eq!(
            refused.causes,
            [
                "run `one` holds the lease".to_owned(),
                format!("it was taken at {taken} for `alice`, by process {process} on `{machine}`")
            ]
        );
        assert_eq!(*process, std::process::id());
        assert_eq!(refused.note.as_deref(), Some("nothing was run"));
        let hint = "wait for it to end, or give the environment a `lease = { wait = \"15m\" }`";
        assert_eq!(refused.hint.as_deref(), Some(hint));
        let waited = request(staging(), "two", Duration::from_millis(1));
        let refused = take(Arc::clone(&store), waited, |_| {}, std::future::pending()).await.expect_err("held");
        assert_eq!(
            refused.hint.as_deref(),
            Some("wait for it to end, or give the environment's `lease` a longer `wait`")
        );
        lease.check().expect("asking took nothing");
    }
}

#[tokio::test]
async fn numbers_grow_with_every_taking_and_stay_when_it_is_given_back() {
    let (_project, stores) = stores();
    for store in stores {
        assert_eq!(
            standing(&*store, &staging()).await.expect("an answer"),
            Standing::Free { number: 0, released: None }
        );
        for number in 1..=3 {
            let lease = take_now(&store, staging(), "one").await.expect("a lease");
            assert_eq!((lease.number(), lease.run()), (number, "one"));
            let Standing::Held { holder, number: held, .. } = standing(&*store, &staging()).await.expect("an answer")
            else {
                panic!("it is held");
            };
            assert_eq!((holder.run.as_str(), held), ("one", number));
            lease.release().await.expect("given back");
            let free = standing(&*store, &staging()).await.expect("an answer");
            assert_eq!(free, Standing::Free { number, released: None });
        }
    }
}

#[tokio::test]
async fn who_waits_is_told_for_whom_and_gets_its_id_when_it_takes_the_lease() {
    let (_project, stores) = stores();
    for store in stores {
        let first = take_now(&store, staging(), "one").await.expect("a lease");
        let events = Arc::new(Mutex::new(vec![]));
        let note = |what: &str| {
            let (events, what) = (Arc::clone(&events), what.to_owned());
            move || events.lock().expect("no panic").push(what.clone())
        };
        let (waits, waiting) = oneshot::channel();
        let made = note("id made");
        let request = Request {
            place: staging(),
            wait: LONG,
            duration: LONG,
            actor: "bob".into(),
            run: move || {
                made();
                "two".into()
            },
        };
        let on_waiting = |holder: &Holder| waits.send(holder.run.clone()).expect("somebody listens");
        let (second, ()) = tokio::join!(take(Arc::clone(&store), request, on_waiting, std::future::pending()), async {
            assert_eq!(soon(waiting).await.expect("told"), "one");
            note("given back")();
            first.release().await.expect("given back");
        });
        let second = second.expect("a lease");
        assert_eq!((second.run(), second.number(), second.broken.as_ref()), ("two", 2, None));
        assert_eq!(*events.lock().expect("no panic"), ["given back", "id made"]);
    }
}

#[tokio::test]
async fn a_stop_ends_the_waiting_and_changes_nothing() {
    let (_project, stores) = stores();
    for store in stores {
        let lease = take_now(&store, staging(), "one").await.expect("a lease");
        let before = record(&store, &staging()).await;
        let (stop, stopped) = oneshot::channel::<()>();
        let on_waiting = |_: &Holder| stop.send(()).expect("somebody listens");
        let request = request(staging(), "two", LONG);
        let stop = async { stopped.await.expect("stopped") };
        let problem = soon(take(Arc::clone(&store), request, on_waiting, stop)).await.expect_err("stopped");
        assert_eq!((problem.code, problem.note.as_deref()), (Code::Cancelled, Some("nothing was run")));
        assert_eq!(record(&store, &staging()).await, before);
        lease.check().expect("held");
    }
}

#[tokio::test]
async fn a_lease_broken_by_force_is_lost_to_its_living_owner_and_that_is_written_down() {
    let (_project, stores) = stores();
    for store in stores {
        let lease = take_now(&store, staging(), "one").await.expect("a lease");
        let holder = release_by_force(&*store, &staging(), "bob").await.expect("broken").expect("it was held");
        assert_eq!(holder.run, "one");
        assert_eq!(release_by_force(&*store, &staging(), "bob").await, Ok(None), "it is free by now");
        let released = record(&store, &staging()).await.released.expect("written down");
        let said = (released.run.as_deref(), released.number, released.by, released.actor.as_deref());
        assert_eq!(said, (Some("one"), 1, By::Force, Some("bob")));
        if store.glance(&staging()).is_some() {
            let lost = lease.check().expect_err("lost");
            assert_eq!(lost.code, Code::LeaseLost);
            assert_eq!(lost.what, "the lease to deploy `shop` to `staging` was lost");
            assert_eq!(lost.causes, [format!("`bob` released it by force at {}", released.at)]);
        }
        let next = take_now(&store, staging(), "two").await.expect("free, though its old owner lives");
        assert_eq!((next.number(), next.broken.as_ref()), (2, None));
        assert_eq!(record(&store, &staging()).await.released.as_ref(), Some(&released), "it stays written down");
        let lost = lease.release().await.expect_err("lost");
        assert_eq!(lost.causes[0], "run `two` holds it");
        next.check().expect("not disturbed");
        next.release().await.expect("given back");
    }
}

#[tokio::test]
async fn what_is_free_or_held_is_not_broken_as_a_dead_owners() {
    let (_project, stores) = stores();
    for store in stores {
        assert_eq!(release_dead(&*store, &staging()).await, Ok(None));
        let lease = take_now(&store, staging(), "one").await.expect("a lease");
        assert_eq!(release_dead(&*store, &staging()).await, Ok(None));
        lease.check().expect("held");
        lease.release().await.expect("given back");
        assert_eq!(release_dead(&*store, &staging()).await, Ok(None));
    }
}

#[test]
fn a_record_is_read_as_it_was_written_and_nothing_else_is() {
    let taken = "2026-11-20T12:00:00.123Z".parse().expect("a time");
    let holder = Holder {
        run: "one".into(),
        actor: "alice".into(),
        machine: "ci".into(),
        process: 7,
        taken,
        expires: taken,
        job: None,
        presence: None,
    };
    let released = Released { run: None, number: 6, by: By::Expired, actor: None, at: taken };
    let record =
        Record { holder: Some(holder), released: Some(released), ..Record::free(place("a/b", Some("api")), 7) };
    let text = record.to_text();
    assert_eq!(Record::from_text(text.as_bytes()), Ok(record));
    for cut in 0..text.len() - 2 {
        assert!(Record::from_text(&text.as_bytes()[..cut]).is_err(), "cut at {cut}");
    }
    let other = text.replace("lease/1", "lease/2");
    let why = Record::from_text(other.as_bytes()).expect_err("another version's");
    assert_eq!(why, "it has the schema `windlass.lease/2`, and this version of Windlass knows `windlass.lease/1`");
    assert!(Record::from_text(text.replace("\"number\": 7", "\"number\": 7, \"colour\": 1").as_bytes()).is_err());
}
