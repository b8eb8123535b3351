//! What lies outside of this machine and this project: servers, programs, ports, database servers. A test of a plugin puts
//! something in their place, *behind* the gate: what is asked here was allowed, and has its secrets put in.

use crate::network::{ConnectError, SendError};
use crate::process::{self, Completion};
use bytes::Bytes;
use http::{Request, Response};
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

/// Where what a gate let through goes.
#[derive(Debug, Clone, Default)]
pub enum Outside {
    /// To where it leads.
    #[default]
    World,
    /// To something that answers for it, or that listens.
    StandIn(Arc<dyn StandIn>),
}

/// A command that was allowed, and is about to be run.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The program, as the plugin names it.
    pub program: &'a str,
    /// The arguments.
    pub arguments: &'a [String],
    /// The working directory, as the plugin names it.
    pub directory: &'a str,
    /// The whole environment that it gets.
    pub environment: &'a [(OsString, OsString)],
    /// What it reads on its standard input.
    pub input: Option<&'a [u8]>,
}

/// Stands in for what lies outside, or listens to it.
pub trait StandIn: std::fmt::Debug + Send + Sync {
    /// Whether it answers for everything, so that nothing real is ever reached. Otherwise it is told what came.
    fn answers(&self) -> bool;
    /// The answer to a request.
    ///
    /// # Errors
    /// As a real one may fail.
    fn request(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, SendError>;
    /// What really came of a request.
    fn heard(&self, request: &Request<Bytes>, answer: Result<&Response<Bytes>, &SendError>);
    /// How a command ended. [`process::Error::ProgramNotFound`] is one that is not there.
    ///
    /// # Errors
    /// As a real one may not be started.
    fn command(&self, asked: &Asked<'_>) -> Result<Completion, process::Error>;
    /// How a command really ended; with none, there is no such program.
    fn ran(&self, asked: &Asked<'_>, completion: Option<&Completion>);
    /// How long a connection took.
    ///
    /// # Errors
    /// As a real one may fail.
    fn probe(&self, host: &str, port: u16) -> Result<Duration, ConnectError>;
    /// What really came of a probe.
    fn probed(&self, host: &str, port: u16, took: Result<&Duration, &ConnectError>);
    /// Somebody wants to reach a database that is on a server or elsewhere, as `place` says: nothing can stand in for that.
    fn database_away(&self, name: &str, place: &str);
}

impl Outside {
    /// Who answers for everything, where there is somebody.
    pub(super) fn answering(&self) -> Option<&dyn StandIn> {
        self.stand_in().filter(|stand_in| stand_in.answers())
    }

    /// Who listens.
    pub(super) fn listening(&self) -> Option<&dyn StandIn> {
        self.stand_in().filter(|stand_in| !stand_in.answers())
    }

    fn stand_in(&self) -> Option<&dyn StandIn> {
        match self {
            Self::World => None,
            Self::StandIn(stand_in) => Some(&**stand_in),
        }
    }
}
