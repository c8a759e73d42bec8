//! The suites of all ports, by profile. Each begins with the rule that runs before its others.

use portproof_ports::Ports;
use portproof_suites_core::preflight;

use crate::Suite;

pub use portproof_suites_oauth::{Sample, SampleEntity, document_suite, entity_suite};

/// The suites of the core ports, and of transactions over whatever ports there are.
#[must_use]
pub fn core() -> Vec<Suite<Ports>> {
    begun(portproof_suites_core::suites())
}

/// The suites of the ports that an authorization server needs besides.
#[must_use]
pub fn oauth() -> Vec<Suite<Ports>> {
    begun(portproof_suites_oauth::suites())
}

/// The suites of the ports that an engine of many customers needs.
#[must_use]
pub fn directory() -> Vec<Suite<Ports>> {
    begun(portproof_suites_directory::suites())
}

/// The suites of the ports that keep what happened.
#[must_use]
pub fn audit() -> Vec<Suite<Ports>> {
    begun(portproof_suites_audit::suites())
}

/// The suites of all ports, whatever their profile.
#[must_use]
pub fn all() -> Vec<Suite<Ports>> {
    [core(), oauth(), directory(), audit()].concat()
}

fn begun(suites: Vec<Suite<Ports>>) -> Vec<Suite<Ports>> {
    suites.into_iter().map(preflight::first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_begins_with_its_preflight() {
        for suite in all() {
            let rule = &suite.cases[0].rule;
            let is_port = suite.port != "transactions";
            assert_eq!(rule.is_preflight(), is_port, "{}", rule.id);
            let others = suite.cases.iter().filter(|case| case.rule.is_preflight());
            assert_eq!(others.count(), usize::from(is_port));
            assert_eq!(rule.profile, suite.cases[1].rule.profile);
        }
    }
}
