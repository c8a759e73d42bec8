//! The suites of the core ports: one file, or one folder, a port.

use portproof_ports::Ports;

use crate::Suite;

/// The suites of all core ports.
#[must_use]
pub fn core() -> Vec<Suite<Ports>> {
    vec![]
}
