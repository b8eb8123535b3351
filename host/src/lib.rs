//! Windlass: deploy from CI through sandboxed plugins.
//!
//! Data flows one way: facts ([`config`], [`lock`], [`ci`], [`plugin`]) become a [`plan`], which passes the [`gate`] and
//! is [`run`]; the run appends [`event`]s to the [`journal`], and [`report`] reads them. From the ground up, each layer
//! importing only those before it:
//!
//! 1. values: [`words`], [`variable`], [`problem`], [`secret`], [`policy`], [`event`], [`freeze`]; and `files`, and `fault` for tests
//! 2. what the outside says and does: [`ci`], [`config`], [`journal`], [`release`], [`database`], [`network`], [`process`]
//! 3. [`plugin`], [`history`], [`approval`]
//! 4. [`lock`], [`plan`], [`authoring`]
//! 5. [`forge`], [`prepare`]
//! 6. [`lease`], [`run`], [`kit`]
//! 7. [`gate`], [`report`]
//! 8. [`cli`], which alone prints besides [`report`]

pub mod approval;
pub mod authoring;
pub mod ci;
pub mod cli;
pub mod config;
pub mod database;
pub mod event;
mod fault;
mod files;
pub mod forge;
pub mod freeze;
pub mod gate;
pub mod history;
pub mod journal;
pub mod kit;
pub mod lease;
pub mod lock;
pub mod network;
pub mod plan;
pub mod plugin;
pub mod policy;
pub mod prepare;
pub mod problem;
pub mod process;
pub mod release;
pub mod report;
pub mod run;
pub mod secret;
pub mod variable;
pub mod words;
