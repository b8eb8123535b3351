//! Windlass: deploy from CI through sandboxed plugins.
//!
//! Data flows one way: facts ([`config`], [`lock`], [`ci`], [`plugin`]) become a [`plan`], which passes the [`gate`] and
//! is [`run`]; the run appends [`event`]s to the [`journal`], and [`report`] reads them. Each room imports only rooms above
//! it in this list.

pub mod problem;
pub mod secret;
pub mod event;
pub mod journal;
pub mod policy;
pub mod ci;
pub mod config;
pub mod lock;
pub mod database;
pub mod network;
pub mod process;
pub mod plugin;
pub mod plan;
pub mod history;
pub mod forge;
pub mod gate;
pub mod release;
pub mod prepare;
pub mod run;
pub mod report;
pub mod cli;
