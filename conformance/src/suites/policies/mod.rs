//! The policies port's suite.

use portproof_ports::Ports;

use crate::Suite;

/// All rules of the policies port.
pub(super) fn suite() -> Suite<Ports> {
    Suite::new("policies", Vec::new())
}
