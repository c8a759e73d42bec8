//! Mutants that write in two steps, so that who drops a write between them leaves a half of it.
//!
//! Each waits once, after the first step, and is right when nobody drops it. Those of the codes and
//! refresh token ports are in their folders.

use portproof::mutants::Mutant;
use portproof_ports::Ports;

mod authentication;
mod authorization;

pub(crate) const BEGIN: &str = "transact-rs/sqlx #4385: what a cancelled transaction left behind";

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    [authentication::mutants(), authorization::mutants()].concat()
}

/// Where a write is dropped.
pub(crate) async fn between_steps() {
    tokio::task::yield_now().await;
}
