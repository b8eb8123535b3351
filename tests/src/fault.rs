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
    /// This is answered, and it is done once the next request was answered: it was on its way all the time.
    Afterwards(Answer),
}

impl Fault {
    /// What is answered to a request that is answered like this where nothing goes wrong; `act` does what it asks for.
    pub(crate) fn befall(fault: Option<Self>, act: impl FnOnce() -> Answer) -> Answer {
        match fault {
            None => act(),
            Some(Self::Instead(answer) | Self::Afterwards(answer)) => answer,
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
    /// What is on its way.
    late: Vec<Request>,
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

    /// The requests that come in once this one was answered.
    pub(crate) fn late(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.late)
    }

    /// What goes wrong with this one.
    pub(crate) fn due(&mut self, request: &Request) -> Option<Fault> {
        let due = self.find(request);
        if matches!(due, Some(Fault::Afterwards(_))) {
            self.late.push(request.clone());
        }
        due
    }

    fn find(&mut self, request: &Request) -> Option<Fault> {
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

/// Numbers that look random and are the same for the same seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Those of a seed.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one, below this.
    pub const fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let place = self.below(u64::try_from(of.len()).unwrap_or(1));
        &of[usize::try_from(place).unwrap_or_default()]
    }
}

/// What is over when it is asked for again: whoever goes on asking gets what they want.
#[must_use]
pub fn passing() -> Vec<(&'static str, Fault)> {
    let limited = "{\"message\":\"You have exceeded a secondary rate limit.\"}";
    let past = (jiff::Timestamp::now().as_second() - 1).to_string();
    vec![
        ("429 with a time", Fault::Instead(Answer::new(429, "Retry later").header("retry-after", "0"))),
        ("secondary limit", Fault::Instead(Answer::new(403, limited).header("retry-after", "1"))),
        (
            "limit that is over",
            Fault::Instead(
                Answer::new(403, "{\"message\":\"API rate limit exceeded\"}")
                    .header("x-ratelimit-remaining", "0")
                    .header("x-ratelimit-reset", &past),
            ),
        ),
        ("500", Fault::Instead(Answer::new(500, "{\"message\":\"500 Internal Server Error\"}"))),
        ("500 after it was done", Fault::After(Answer::new(500, "{\"message\":\"Server Error\"}"))),
        ("502", Fault::Instead(Answer::new(502, "<html>Bad Gateway</html>"))),
        ("502 after it was done", Fault::After(Answer::new(502, "<html>Bad Gateway</html>"))),
        ("503 with a time", Fault::Instead(Answer::new(503, "").header("retry-after", "0"))),
        ("reset", Fault::Instead(Answer::reset())),
        ("reset after it was done", Fault::After(Answer::reset())),
        ("hang-up", Fault::Instead(Answer::none())),
        ("hang-up after it was done", Fault::After(Answer::none())),
        ("half an answer", Fault::After(Answer::new(201, "{\"id\": 1, \"status\": ").half())),
        ("no JSON", Fault::After(Answer::new(200, "<html>Sign in</html>"))),
        ("no JSON, made", Fault::After(Answer::new(201, "OK"))),
        ("late", Fault::Late(Duration::from_millis(120))),
    ]
}

/// What is not over when it is asked for again, or only much later.
#[must_use]
pub fn lasting() -> Vec<(&'static str, Fault)> {
    let of = |status: u16, words: &str| Fault::Instead(Answer::new(status, format!("{{\"message\":\"{words}\"}}")));
    vec![
        ("401", of(401, "Bad credentials")),
        ("403", of(403, "Resource not accessible by integration")),
        ("404", of(404, "Not Found")),
        ("409", of(409, "Conflict")),
        ("202", of(202, "Auto-merged main into topic on deployment.")),
        ("429 without a time", Fault::Instead(Answer::new(429, "Retry later"))),
        ("429 for an hour", Fault::Instead(Answer::new(429, "Retry later").header("retry-after", "3600"))),
    ]
}
