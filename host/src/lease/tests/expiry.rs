//! A store that cannot observe its owners: expiry decides, and who cannot renew in time has lost.

use super::*;
use std::sync::atomic::Ordering;

fn fake() -> (Arc<Fake>, Arc<dyn Store>) {
    let fake = Arc::new(Fake::new());
    (Arc::clone(&fake), fake)
}

async fn take_for(store: &Arc<dyn Store>, duration: Duration) -> Lease {
    let request = Request { duration, ..request(staging(), "one", Duration::ZERO) };
    take(Arc::clone(store), request, |_| {}, std::future::pending()).await.expect("a lease")
}

#[tokio::test]
async fn what_has_expired_is_anybodys_and_nothing_before() {
    let (fake, store) = fake();
    let lease = take_now(&store, staging(), "one").await.expect("a lease");
    drop(lease);
    fake.set("2026-11-20T12:09:59Z");
    assert!(take_now(&store, staging(), "two").await.is_err(), "nobody can tell that its owner is gone");
    let Standing::Held { alive: None, .. } = standing(&*store, &staging()).await.expect("an answer") else {
        panic!("nobody can tell");
    };
    fake.set("2026-11-20T12:10:00Z");
    let Standing::Held { alive: Some(false), .. } = standing(&*store, &staging()).await.expect("an answer") else {
        panic!("expired");
    };
    let lease = take_now(&store, staging(), "two").await.expect("expired");
    assert_eq!(lease.number(), 2);
    assert_eq!(lease.broken.as_ref().map(|holder| holder.run.as_str()), Some("one"));
    let released = fake.record(&staging()).released.expect("written down");
    assert_eq!((released.run.as_deref(), released.number, released.by), (Some("one"), 1, By::Expired));
    fake.set("2026-11-20T12:20:00Z");
    assert_eq!(release_dead(&*store, &staging()).await.expect("broken").map(|holder| holder.run), Some("two".into()));
    assert_eq!(release_dead(&*store, &staging()).await, Ok(None), "once");
}

#[tokio::test]
async fn renewing_moves_the_expiry() {
    let (fake, store) = fake();
    let lease = take_for(&store, Duration::from_millis(300)).await;
    let expires = || fake.record(&staging()).holder.expect("held").expires;
    assert_eq!(expires().to_string(), "2026-11-20T12:00:00.3Z");
    fake.set("2026-11-20T12:05:00Z");
    let mut seen = fake.seen.subscribe();
    let (changes, _) = *seen.borrow();
    soon(seen.wait_for(|seen| seen.0 > changes)).await.expect("renewed");
    assert_eq!(expires().to_string(), "2026-11-20T12:05:00.3Z");
    lease.release().await.expect("given back");
}

#[tokio::test]
async fn a_lease_that_is_given_back_or_dropped_is_renewed_no_more() {
    let short = Duration::from_millis(30);
    for gives_back in [true, false] {
        let (fake, store) = fake();
        let lease = take_for(&store, short).await;
        let mut seen = fake.seen.subscribe();
        soon(seen.wait_for(|seen| seen.0 > 2)).await.expect("renewed");
        if gives_back {
            lease.release().await.expect("given back");
        } else {
            drop(lease);
        }
        let left = fake.record(&staging());
        assert_eq!(left.holder.is_none(), gives_back);
        fake.set("2026-11-20T13:00:00Z");
        // Another's renewals are the clock here: of ten of them some would be the first's.
        let request = Request { duration: short, ..request(place("other", None), "two", Duration::ZERO) };
        let _other = take(Arc::clone(&store), request, |_| {}, std::future::pending()).await.expect("a lease");
        let (changes, _) = *seen.borrow_and_update();
        soon(seen.wait_for(|seen| seen.0 > changes + 10)).await.expect("renewed");
        assert_eq!(fake.record(&staging()), left);
    }
}

#[tokio::test]
async fn an_owner_finds_out_that_it_was_broken_when_it_renews() {
    let (fake, store) = fake();
    let lease = take_for(&store, Duration::from_millis(90)).await;
    release_by_force(&*store, &staging(), "bob").await.expect("broken");
    let lost = soon(lease.lost()).await;
    assert_eq!(lost.code, Code::LeaseLost);
    assert_eq!(lost.causes, ["`bob` released it by force at 2026-11-20T12:00:00Z"]);
    assert_eq!(lease.check(), Err(lost));
    assert!(fake.record(&staging()).holder.is_none(), "it did not take it back");
}

#[tokio::test]
async fn a_store_that_answers_again_in_time_costs_nothing() {
    let (fake, store) = fake();
    let lease = take_for(&store, Duration::from_secs(3)).await;
    let mut seen = fake.seen.subscribe();
    fake.is_silent.store(true, Ordering::SeqCst);
    soon(seen.wait_for(|seen| seen.1 > 0)).await.expect("asked");
    lease.check().expect("it has not expired");
    fake.is_silent.store(false, Ordering::SeqCst);
    let (changes, _) = *seen.borrow_and_update();
    soon(seen.wait_for(|seen| seen.0 > changes)).await.expect("renewed");
    lease.check().expect("renewed");
}

#[tokio::test]
async fn a_store_that_does_not_answer_loses_the_lease_when_it_expires() {
    let (fake, store) = fake();
    let lease = take_for(&store, Duration::from_millis(90)).await;
    fake.is_silent.store(true, Ordering::SeqCst);
    let lost = soon(lease.lost()).await;
    assert_eq!(lost.code, Code::LeaseLost);
    assert_eq!(lost.causes, ["it could not be renewed for 90ms", "the forge does not answer", "502 Bad Gateway"]);
    assert_eq!(lease.check(), Err(lost));
}

#[tokio::test]
async fn a_state_from_before_it_was_ours_is_no_answer() {
    for is_observing in [false, true] {
        let (fake, store) = fake();
        take_now(&store, staging(), "before").await.expect("a lease").release().await.expect("given back");
        let before = fake.record(&staging());
        fake.is_observing.store(is_observing, Ordering::SeqCst);
        let lease = take_for(&store, Duration::from_secs(3)).await;
        for shown in [before, Record::free(staging(), 0)] {
            *fake.shown.lock().expect("no panic") = Some(shown);
            let mut seen = fake.seen.subscribe();
            let (_, asked) = *seen.borrow_and_update();
            lease.look().await;
            soon(seen.wait_for(|seen| seen.1 > asked + 1)).await.expect("asked, and asked again");
            lease.check().expect("nobody has taken it");
        }
        *fake.shown.lock().expect("no panic") = None;
        lease.release().await.expect("given back");
        assert!(fake.record(&staging()).holder.is_none());
    }
}

#[tokio::test]
async fn a_lease_that_is_shown_no_more_for_as_long_as_it_holds_is_lost() {
    for is_observing in [false, true] {
        let (fake, store) = fake();
        fake.is_observing.store(is_observing, Ordering::SeqCst);
        let lease = take_for(&store, Duration::from_millis(90)).await;
        *fake.shown.lock().expect("no panic") = Some(Record::free(staging(), 0));
        let lost = soon(lease.lost()).await;
        assert_eq!(lost.code, Code::LeaseLost);
        assert_eq!(lost.causes, ["it could not be renewed for 90ms", "no lease is shown where it was taken"]);
    }
}

#[test]
fn an_owner_that_had_no_time_to_renew_takes_its_lease_for_lost() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (_, store) = fake();
    let lease = runtime.block_on(take_for(&store, Duration::from_millis(20)));
    // Nothing drives the runtime now, so nothing renews.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while lease.check().is_ok() {
        assert!(std::time::Instant::now() < deadline, "its time is over");
        std::thread::yield_now();
    }
    let lost = lease.check().expect_err("lost");
    assert_eq!(
        (lost.code, lost.causes.as_slice()),
        (Code::LeaseLost, &["it could not be renewed for 20ms".to_owned()][..])
    );
}
