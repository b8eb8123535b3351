//! Prints every message that the step can make, as one JSON object by name, for `tests/blocks.py`.

use notify_slack::{message, sample};
use serde_json::{Map, Value};
use std::io::Write as _;

fn main() -> std::io::Result<()> {
    let config = sample::config();
    let mut messages = Map::new();
    for status in sample::STATUSES {
        for (kind, context) in [("plain", sample::context(status)), ("hostile", sample::hostile(status))] {
            let state = message::State::from(status);
            let name = format!("{kind} {}", state.words());
            let mut announcement = message::announcement(&config, &context, state);
            announcement.blocks.extend(message::mentions(&config));
            messages.insert(name.clone(), announcement.body());
            if state.is_failure() {
                messages.insert(format!("{name}, details"), message::details(&config, &context, state).body());
            }
        }
    }
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &Value::Object(messages))?;
    writeln!(out)
}
