//! Mutants of the policies port.

use portproof::mutants::Mutant;
use portproof_ports::Ports;

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    Vec::new()
}
