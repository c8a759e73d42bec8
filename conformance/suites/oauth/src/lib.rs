//! The suites of the ports that an authorization server needs besides, one folder a port.

// The macros name the kit by its public name.
extern crate portproof_kit as portproof;

mod codes;
mod entities;
mod refresh_tokens;
mod typed;

pub use typed::{Sample, SampleEntity, document_suite, entity_suite};

use portproof_kit::{
    Case, CaseFuture, Checked, Context, Failure, Level, Profile, Rule, Suite, World, cancel, cases,
    check, fixture, lists, offered, race, rule, walk,
};
use portproof_ports::Ports;

/// The suites of these ports.
#[must_use]
pub fn suites() -> Vec<Suite<Ports>> {
    vec![codes::suite(), refresh_tokens::suite(), entities::suite()]
}
