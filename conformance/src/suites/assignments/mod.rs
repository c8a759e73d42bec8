//! The assignments port's suite.

use portproof_ports::Ports;

use crate::Suite;

/// All rules of the assignments port.
pub(super) fn suite() -> Suite<Ports> {
    Suite::new("assignments", Vec::new())
}
