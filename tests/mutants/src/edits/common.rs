//! The faults that any port can have.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use portproof::mutants::{Handle, Mutant};
use portproof_memory::MemoryAdapter;
use portproof_ports::{ErrorKind, Port, PortCall, PortError, Ports};
use serde_json::{Value, json};

use super::{Edits, answered, edited, fold, is_loss, lock};

impl<P: Port + ?Sized> Edits<P> {
    /// The faults that any port can have: `ids`, `instants` and `documents` name its fields,
    /// `list` its list, and `rule` makes the id of a rule of it.
    pub(crate) fn common(self, rules: &Common) -> Self {
        let seen: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        self.fault(
            rules.ready.0,
            rules.ready.1,
            |port, call: P::Call| async move {
                if call.method() == "ready" {
                    return Err(PortError::Unavailable("never ready".into()));
                }
                port.call(call).await
            },
        )
        .calls(
            rules.folded_tenants.0,
            rules.folded_tenants.1,
            |arguments| fold(&mut arguments["tenant"]),
        )
        .re_enacts("CVE-2026-55170: a collation compared ids without regard to case")
        .fault(
            rules.leaky_tenants.0,
            rules.leaky_tenants.1,
            move |port, call: P::Call| {
                let seen = Arc::clone(&seen);
                async move {
                    let value = serde_json::to_value(&call).unwrap_or(Value::Null);
                    let own = value[call.method()]["tenant"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned();
                    let outcome = port.call(call.clone()).await;
                    lock(&seen).insert(own.clone());
                    let missing = outcome
                        .as_ref()
                        .is_err_and(|error| error.kind() == ErrorKind::NotFound);
                    if !(missing || outcome.is_ok() && is_loss(&outcome)) {
                        return outcome;
                    }
                    // Without a tenant in the statement, what is elsewhere is here.
                    let others: Vec<String> = lock(&seen)
                        .iter()
                        .filter(|tenant| **tenant != own)
                        .cloned()
                        .collect();
                    for other in others {
                        let there = port
                            .call(edited(&call, |arguments| {
                                arguments["tenant"] = json!(other);
                            }))
                            .await;
                        if !is_loss(&there) {
                            return there;
                        }
                    }
                    outcome
                }
            },
        )
        .re_enacts("kratos 93d364c8e: a statement without the tenant reached other tenants' rows")
        .restart(rules.restart.0, rules.restart.1)
        .fault(
            rules.unnamed.0,
            rules.unnamed.1,
            |port, call: P::Call| async move {
                port.call(call).await.map_err(|error| match error {
                    PortError::AlreadyExists(_) => PortError::already_exists("row"),
                    PortError::NotFound(_) => PortError::not_found("row"),
                    PortError::Stale(_) => PortError::stale("row"),
                    error => error,
                })
            },
        )
        .listed(rules.list.as_ref())
    }

    /// The faults that any port with a list can have.
    fn listed(self, list: Option<&CommonList>) -> Self {
        let Some(list) = list else {
            return self;
        };
        self.fault(
            list.damaged.0,
            list.damaged.1,
            |port, call: P::Call| async move {
                match port.call(call.clone()).await {
                    Err(PortError::InvalidCursor) => {
                        port.call(edited(&call, |arguments| {
                            arguments["page"]["after"] = Value::Null;
                        }))
                        .await
                    }
                    outcome => outcome,
                }
            },
        )
        .re_enacts("AuthHero: a malformed cursor began at the beginning")
        .fault(
            list.short_walk.0,
            list.short_walk.1,
            |port, call: P::Call| async move {
                let name = call.method();
                let answer = port.call(call).await?;
                Ok(answered::<P::Call>(name, &answer, |answer| {
                    if answer.get("next").is_some() {
                        answer["next"] = Value::Null;
                    }
                }))
            },
        )
        .re_enacts("AuthHero 953739e: a list never answered its cursor")
    }

    /// After a restart the store is empty.
    fn restart(mut self, id: &'static str, breaks: &'static str) -> Self {
        let slot = self.slot;
        self.mutants
            .push(Mutant::new(id, breaks, move |mut ports: Ports, handle| {
                if handle == Handle::Reopened {
                    *slot(&mut ports) = slot(&mut MemoryAdapter::new().ports()).take();
                }
                ports
            }));
        self
    }
}

/// The common faults of a port, each with its name and the rule that it breaks.
pub(crate) struct Common {
    pub(crate) ready: (&'static str, &'static str),
    pub(crate) folded_tenants: (&'static str, &'static str),
    pub(crate) leaky_tenants: (&'static str, &'static str),
    pub(crate) restart: (&'static str, &'static str),
    pub(crate) unnamed: (&'static str, &'static str),
    pub(crate) list: Option<CommonList>,
}

/// Those of its list.
pub(crate) struct CommonList {
    pub(crate) damaged: (&'static str, &'static str),
    pub(crate) short_walk: (&'static str, &'static str),
}

/// The common faults of the port with this name, whose list, if it has one, and rule about restarts
/// have these.
macro_rules! common {
    ($port:literal, $list:literal, $restart:literal) => {
        $crate::edits::Common {
            list: Some($crate::edits::CommonList {
                damaged: (
                    concat!($port, "::damaged_cursors_begin_again"),
                    concat!($port, "::", $list, "::refuses_a_damaged_cursor"),
                ),
                short_walk: (
                    concat!($port, "::lists_have_one_page"),
                    concat!($port, "::", $list, "::is_complete_and_ordered"),
                ),
            }),
            ..$crate::edits::common!($port, $restart)
        }
    };
    ($port:literal, $restart:literal) => {
        $crate::edits::Common {
            ready: (
                concat!($port, "::never_ready"),
                concat!($port, "::ready::answers"),
            ),
            folded_tenants: (
                concat!($port, "::tenants_are_folded"),
                concat!($port, "::tenancy::tenants_are_compared_as_bytes"),
            ),
            leaky_tenants: (
                concat!($port, "::tenants_leak"),
                concat!($port, "::tenancy::other_tenants_reach_nothing"),
            ),
            restart: (
                concat!($port, "::forgets_at_a_restart"),
                concat!($port, "::restart::", $restart),
            ),
            unnamed: (
                concat!($port, "::errors_name_rows"),
                concat!($port, "::errors::name_what_was_wrong"),
            ),
            list: None,
        }
    };
}
pub(crate) use common;
