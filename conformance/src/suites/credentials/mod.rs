//! The credentials port's suite.

use portproof_ports::Ports;

use crate::Suite;

/// All rules of the credentials port.
pub(super) fn suite() -> Suite<Ports> {
    Suite::new("credentials", Vec::new())
}
