//! Mutants of the tenants port.

use std::sync::{Mutex, MutexGuard, PoisonError};

use portproof::mutants::Mutant;
use portproof_ports::Ports;

mod purge;
mod records;

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    [records::mutants(), purge::mutants(), purge::forgotten()].concat()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
