//! The keystore port's suite.

use portproof_ports::Ports;

use crate::Suite;

/// All rules of the keystore port.
pub(super) fn suite() -> Suite<Ports> {
    Suite::new("keystore", Vec::new())
}
