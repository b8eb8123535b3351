//! When a call is told to stop, and when it is dropped for it.
//!
//! A call that is told to stop begins nothing more: it is dropped where it stands. Only where it waits for a child is it
//! kept until that child has been asked to end and has ended, so that the child can put its things in order; the guest
//! never goes on after that. Being told once more drops it at once, and kills its children.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a child has between being asked to end and being killed, where the run was told to stop.
pub(super) const GRACE: Duration = Duration::from_millis(1500);

/// How long a call that was told to stop may wait for its children, whatever keeps them: two seconds after a run was told to
/// stop, it is written down that it was.
const LONGEST: Duration = Duration::from_millis(1900);

/// When a call is told to stop: as soon as its run was told to so many times.
#[derive(Debug, Clone)]
pub struct Stop(Option<(watch::Receiver<u32>, u32)>);

impl Stop {
    /// A call that nobody tells; whoever does not want to wait for it drops it.
    #[must_use]
    pub const fn never() -> Self {
        Self(None)
    }

    /// `told` counts how often the run was told to stop, and `times` of that are meant for this call. Once more kills its
    /// children at once.
    #[must_use]
    pub const fn at(told: watch::Receiver<u32>, times: u32) -> Self {
        Self(Some((told, times)))
    }

    /// Whether it was told.
    pub(super) fn is_told(&self) -> bool {
        self.0.as_ref().is_some_and(|(told, times)| *told.borrow() >= *times)
    }

    /// Ends when it is told.
    pub(super) async fn told(&self) {
        self.told_beyond(0).await;
    }

    /// Ends when it is told so many times more than are meant for it.
    async fn told_beyond(&self, more: u32) {
        if let Some((told, times)) = &self.0
            && told.clone().wait_for(|told| *told >= times.saturating_add(more)).await.is_ok()
        {
            return;
        }
        // Nobody is there who could tell.
        std::future::pending().await
    }

    /// Ends when a call with these children is to be dropped.
    pub(super) async fn due(&self, children: &Children) {
        self.due_within(children, LONGEST).await;
    }

    async fn due_within(&self, children: &Children, longest: Duration) {
        self.told().await;
        let mut running = children.0.subscribe();
        tokio::select! {
            _ = running.wait_for(|running| *running == 0) => {}
            () = self.told_beyond(1) => {}
            () = tokio::time::sleep(longest) => {}
        }
    }
}

/// How many children a call is waiting for.
#[derive(Debug, Clone, Default)]
pub(super) struct Children(Arc<watch::Sender<u32>>);

/// One of them.
#[derive(Debug)]
pub(super) struct Child(Children);

impl Children {
    /// One more, until what is returned is dropped.
    pub(super) fn begin(&self) -> Child {
        self.0.send_modify(|running| *running += 1);
        Child(self.clone())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.0.0.send_modify(|running| *running -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::{Children, GRACE, LONGEST, Stop};
    use std::future::Future;
    use std::time::Duration;
    use tokio::sync::watch;

    /// Whether something has ended by now.
    fn is_over(future: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
        future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn who_waits_for_nothing_is_dropped_as_soon_as_it_is_told() {
        let (sender, told) = watch::channel(1);
        let (stop, children) = (Stop::at(told, 2), Children::default());
        let mut due = std::pin::pin!(stop.due(&children));
        assert!(!stop.is_told() && !is_over(due.as_mut()), "the first time is meant for another call");
        sender.send_replace(2);
        assert!(stop.is_told() && is_over(due.as_mut()));
    }

    #[tokio::test]
    async fn who_waits_for_children_is_kept_until_they_are_gone() {
        let (sender, told) = watch::channel(0);
        let (stop, children) = (Stop::at(told, 1), Children::default());
        let (one, other) = (children.begin(), children.begin());
        let mut due = std::pin::pin!(stop.due(&children));
        sender.send_replace(1);
        assert!(stop.is_told() && !is_over(due.as_mut()));
        drop(one);
        assert!(!is_over(due.as_mut()));
        drop(other);
        assert!(is_over(due.as_mut()));
    }

    #[tokio::test]
    async fn nobody_is_waited_for_where_it_is_told_again() {
        let (sender, told) = watch::channel(1);
        let (stop, children) = (Stop::at(told, 1), Children::default());
        let _child = children.begin();
        let mut due = std::pin::pin!(stop.due(&children));
        assert!(!is_over(due.as_mut()));
        sender.send_replace(2);
        assert!(is_over(due.as_mut()));
    }

    #[tokio::test]
    async fn nobody_is_waited_for_for_ever() {
        let (_sender, told) = watch::channel(1);
        let (stop, children) = (Stop::at(told, 1), Children::default());
        let _child = children.begin();
        stop.due_within(&children, Duration::from_millis(1)).await;
        assert!(GRACE < LONGEST && LONGEST < Duration::from_secs(2));
    }

    #[tokio::test]
    async fn who_is_never_told_goes_on() {
        let children = Children::default();
        let never = Stop::never();
        assert!(!never.is_told() && !is_over(std::pin::pin!(never.due(&children))));
        let (sender, told) = watch::channel(0);
        drop(sender);
        let stop = Stop::at(told, 1);
        assert!(!is_over(std::pin::pin!(stop.due(&children))), "nobody is left who could tell");
    }
}
