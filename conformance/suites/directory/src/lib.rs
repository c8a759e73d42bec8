//! The suites of the ports that an engine of many customers needs, one folder a port.

// The macros name the kit by its public name.
extern crate portproof_kit as portproof;

mod organizations;
mod relationships;
mod tenants;

use portproof_kit::{
    Case, CaseFuture, Checked, Context, Failure, Profile, Suite, World, cancel, cases, check,
    fixture, lists, model, offered, race, rule, walk,
};
use portproof_ports::Ports;

/// The suites of these ports.
#[must_use]
pub fn suites() -> Vec<Suite<Ports>> {
    vec![
        relationships::suite(),
        organizations::suite(),
        tenants::suite(),
    ]
}
