//! Windlass: deploy from CI through sandboxed plugins.
//!
//! Data flows one way: facts ([`config`], [`lock`], [`ci`], [`plugin`]) become a [`plan`], which passes the [`gate`] and
//! is [`run`]; the run appends [`event`]s to the [`journal`], and [`report`] reads them. From the ground up, each layer
//! importing only those before it:
//!
//! 1. values: [`words`], [`problem`], [`secret`], [`policy`], [`event`]; and `files`
//! 2. what the outside says and does: [`ci`], [`config`], [`journal`], [`release`], [`database`], [`network`], [`process`]
//! 3. [`plugin`], [`lease`]
//! 4. [`lock`], [`plan`], [`history`], [`forge`], [`approval`]
//! 5. [`gate`], [`prepare`]
//! 6. [`run`]
//! 7. [`report`], [`cli`]: the only ones that print

pub mod approval;
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
pub mod words;
