//! The suites of all ports, by profile.

use portproof_ports::Ports;

use crate::Suite;

pub use portproof_suites_audit::suites as audit;
pub use portproof_suites_core::suites as core;
pub use portproof_suites_directory::suites as directory;
pub use portproof_suites_oauth::{
    Sample, SampleEntity, document_suite, entity_suite, suites as oauth,
};

/// The suites of all ports, whatever their profile.
#[must_use]
pub fn all() -> Vec<Suite<Ports>> {
    [core(), oauth(), directory(), audit()].concat()
}
