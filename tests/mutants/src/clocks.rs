//! Mutants for the rule that time is an argument: a fault that every port can have.

use std::time::{SystemTime, UNIX_EPOCH};

use portproof::mutants::{Mutant, faulty};
use portproof_ports::{Port, Ports};
use serde_json::json;

use crate::edits::{Slot, edited};

/// For each port: an adapter that takes the time from the system instead of the call.
pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    macro_rules! of_ports {
        ($($port:literal $field:ident),* $(,)?) => {
            [$(
                reads_a_clock(
                    concat!($port, "::reads_a_clock"),
                    concat!($port, "::preflight::time_is_an_argument"),
                    |ports| &mut ports.$field,
                ),
            )*].into()
        };
    }
    of_ports![
        "identity" identity,
        "session" session,
        "credentials" credentials,
        "keystore" keystore,
        "policies" policies,
        "assignments" assignments,
        "codes" codes,
        "refresh_tokens" refresh_tokens,
        "entities" entities,
        "events" events,
        "relationships" relationships,
        "organizations" organizations,
        "outbox" outbox,
        "tenants" tenants,
    ]
}

fn reads_a_clock<P: Port + ?Sized>(
    id: &'static str,
    breaks: &'static str,
    slot: Slot<P>,
) -> Mutant<Ports> {
    Mutant::new(id, breaks, move |mut ports: Ports, _| {
        let port = slot(&mut ports);
        *port = port.take().map(|port| {
            faulty(port, |port, call: P::Call| async move {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                let micros = since.map_or(0, |since| since.as_micros());
                let call = edited(&call, |arguments| {
                    if let Some(now) = arguments.get_mut("now") {
                        *now = json!(u64::try_from(micros).unwrap_or(0));
                    }
                });
                port.call(call).await
            })
        });
        ports
    })
}
