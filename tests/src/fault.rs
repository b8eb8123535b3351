//! What goes wrong between a client and a forge: for the fakes, which share it.

use crate::server::{Answer, Request};
use std::collections::VecDeque;
use std::time::Duration;

/// What goes wrong with one request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This is answered, and nothing done.
    Instead(Answer),
    /// It is done, and then this is answered.
    After(Answer),
    /// It is done and answered as it should be, this much later.
    Late(Duration),
}

impl Fault {
    /// What is answered to a request that is answered like this where nothing goes wrong; `act` does what it asks for.
    pub(crate) fn befall(fault: Option<Self>, act: impl FnOnce() -> Answer) -> Answer {
        match fault {
            None => act(),
            Some(Self::Instead(answer)) => answer,
            Some(Self::After(answer)) => {
                let _ = act();
                answer
            }
            Some(Self::Late(time)) => act().late(time),
        }
    }
}

/// Draws what goes wrong with a request, if anything.
pub type Draw = Box<dyn FnMut(&Request) -> Option<Fault> + Send>;

/// What goes wrong with the next requests.
#[derive(Default)]
pub(crate) struct Faults {
    expected: VecDeque<(String, Fault)>,
    drawn: Option<Draw>,
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Faults").field("expected", &self.expected).finish_non_exhaustive()
    }
}

impl Faults {
    /// The next request of this method and path's end, `POST /deployments`, fails so, once those before it were met.
    pub(crate) fn expect(&mut self, request: &str, fault: Fault) {
        self.expected.push_back((request.to_owned(), fault));
    }

    /// From now on each request may fail; nothing else does any more.
    pub(crate) fn draw(&mut self, draw: Option<Draw>) {
        self.drawn = draw;
    }

    /// What goes wrong with this one.
    pub(crate) fn due(&mut self, request: &Request) -> Option<Fault> {
        let path = request.path.split('?').next().unwrap_or_default();
        let is_due = self.expected.front().is_some_and(|(expected, _)| {
            let (method, end) = expected.split_once(' ').unwrap_or_default();
            method == request.method && path.ends_with(end)
        });
        if is_due {
            return self.expected.pop_front().map(|(_, fault)| fault);
        }
        self.drawn.as_mut().and_then(|draw| draw(request))
    }

    /// That each was met.
    ///
    /// # Panics
    /// Where one was not.
    pub(crate) fn are_met(&self) {
        assert!(self.expected.is_empty(), "never met: {:?}", self.expected);
    }
}
