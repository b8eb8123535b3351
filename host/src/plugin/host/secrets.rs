//! Stand-ins for secrets, and the one way out for HTTP, where they are replaced.

use super::output::Output;
use super::{State, locked};
use crate::plugin::bindings::windlass::plugin as interfaces;
use crate::plugin::bindings::windlass::plugin::types as wit;
use crate::policy::{Capability, Gate, Question, Secret, SecretUse};
use crate::secret::Placeholders;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use wasmtime_wasi_http::WasiHttpHooks;

impl interfaces::secrets::Host for State {
    async fn placeholder(&mut self, name: String) -> wasmtime::Result<Result<Option<String>, wit::Failure>> {
        let capability = match self.ask(&Question::SecretPlaceholder { name: &name }) {
            Ok(capability) => capability,
            Err(failure) => return Ok(Err(failure)),
        };
        let mut placeholders = locked(&self.placeholders);
        let secrets = &self.services.secrets;
        let minted = match capability {
            Capability::Secret(Secret { usage: SecretUse::Header { origin }, .. }) => placeholders.header(secrets, &name, &origin),
            _ => placeholders.url(secrets, &name),
        };
        Ok(minted.map_err(|misuse| super::broken_promise("secret-misused", misuse.to_string())))
    }
}

/// Sends the guests' requests, if they may be sent.
pub(super) struct Egress {
    gate: Arc<Mutex<Gate>>,
    placeholders: Arc<Mutex<Placeholders>>,
    output: Arc<Mutex<Output>>,
}

impl Egress {
    pub(super) fn new(gate: Arc<Mutex<Gate>>, placeholders: Arc<Mutex<Placeholders>>, output: Arc<Mutex<Output>>) -> Self {
        Self { gate, placeholders, output }
    }
}
