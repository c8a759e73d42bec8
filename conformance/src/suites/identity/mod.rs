//! The identity port's suite.

use portproof_ports::Ports;

use crate::Suite;

/// All rules of the identity port.
pub(super) fn suite() -> Suite<Ports> {
    Suite::new("identity", Vec::new())
}
