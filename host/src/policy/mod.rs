//! What a plugin may do: capabilities, and the one gate that every host function asks.
//!
//! Plain values and pure functions; nothing here knows wasmtime or does I/O. A [`Gate`] is made per call from the
//! capabilities accepted for one step, answers [`Question`]s for one [`Phase`], and remembers what was used and denied.

mod capability;
mod check;
mod confinement;
mod gate;
mod matching;
mod question;
mod replaced;
mod visible;
mod written;

pub use capability::{
    Access, AnyPort, Capability, Database, Directory, EVERYTHING, Environment, Exec, Http, Phase, Phases, Ports,
    Secret, SecretUse, TcpProbe,
};
pub(crate) use check::JOURNALS;
pub use confinement::{Confinement, Held};
pub use gate::{ASKED, Denial, Gate, Usage};
pub use question::Question;
pub use replaced::not_replaceable;
pub use visible::{hides, visible};
