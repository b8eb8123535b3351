//! The pipeline, from the outside: what runs, in which order, what is tried again, what is taken back, and what is written
//! down about it.
//!
//! The steps here are small shell scripts that leave a line in the file `order`: [`e2e::steps`].

#[path = "pipeline/cancel.rs"]
mod cancel;
#[path = "pipeline/concurrency.rs"]
mod concurrency;
#[path = "pipeline/failure.rs"]
mod failure;
#[path = "pipeline/freeze.rs"]
mod freeze;
#[path = "pipeline/journal.rs"]
mod journal;
#[path = "pipeline/order.rs"]
mod order;
#[path = "pipeline/plan.rs"]
mod plan;
#[path = "pipeline/retry.rs"]
mod retry;
#[path = "pipeline/review.rs"]
mod review;
#[path = "pipeline/told.rs"]
mod told;
#[path = "pipeline/values.rs"]
mod values;

use e2e::steps::{HEAD, Step, order, outcomes, project, text, until};
