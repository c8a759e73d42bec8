//! The suites of the ports that keep what happened, one folder a port.

// The macros name the kit by its public name.
extern crate portproof_kit as portproof;

mod events;
mod outbox;

use portproof_kit::{
    Case, Checked, Context, Failure, Profile, Suite, World, cancel, cases, check, fixture, lists,
    offered, race, rule, walk,
};
use portproof_ports::Ports;

/// The suites of these ports.
#[must_use]
pub fn suites() -> Vec<Suite<Ports>> {
    vec![events::suite(), outbox::suite()]
}
