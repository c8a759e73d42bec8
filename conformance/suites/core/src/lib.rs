//! The suites of the core ports, one folder a port, which reads as that port's contract; and the suite
//! of transactions over whatever ports there are.

// The macros name the kit by its public name.
extern crate portproof_kit as portproof;

mod assignments;
mod credentials;
mod identity;
mod keystore;
mod policies;
pub mod preflight;
mod session;
mod transactions;

use portproof_kit::{
    Case, CaseFuture, Checked, Context, Failure, Suite, World, cancel, cases, check, fixture,
    lists, model, offered, race, rule, walk,
};
use portproof_ports::Ports;

/// The suites of the core ports, and of transactions over whatever ports there are.
#[must_use]
pub fn suites() -> Vec<Suite<Ports>> {
    vec![
        identity::suite(),
        session::suite(),
        credentials::suite(),
        keystore::suite(),
        policies::suite(),
        assignments::suite(),
        transactions::suite(),
    ]
}
