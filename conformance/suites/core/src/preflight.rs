//! The rule that runs before all others of a port: time is an argument.
//!
//! Written once for all ports: a probe stores one record of its port and looks at it, and a layer
//! moves every instant of its calls, and moves those of the answers back. For an adapter that reads
//! no clock it makes no difference by how much.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use portproof_ports::{
    Expected, GrantScope, Handler, NewGrant, PageRequest, Port, PortCall, PortError, PortResult,
    Ports, RoleId, Span, SubjectId, TenantDraft, TenantId, Text, Timestamp, Window, Wrap,
    async_trait,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use portproof_kit::{CauseKind, Level, Profile, Rule, difference::expected_and_got};

use crate::{
    Case, Checked, Context, Failure, Suite,
    fixture::{START, day, document, minute},
    offered,
    transactions::probes::{PROBES, Probe, Views, role},
};

/// Days from 1970 to where the records of long ago are: no number of theirs but an instant is
/// [`NEAR`] it.
const LONG_PAST: u16 = 3_000;
/// Years from 1970 to where the records of the future are.
const FAR_AHEAD: i64 = 7_000;
/// How many tenants that are alike a context hands out one after another.
const ALIKE: usize = 3;
/// Instants that are no further than this from the world's own are moved.
const NEAR: u64 = 1_000 * Span::days(1).as_micros().unsigned_abs();

/// The suite of a port, beginning with the rule that time is an argument.
#[must_use]
pub fn first(mut suite: Suite<Ports>) -> Suite<Ports> {
    let probe = probes().find(|probe| probe.port() == suite.port);
    if let Some((probe, id)) = probe.zip(id_of(suite.port)) {
        let profile = suite.cases.first().map(|case| case.rule.profile);
        suite.cases.insert(0, case(id, probe, profile));
    }
    suite
}

/// The probes of all ports; of two ports others, in which there are instants to see.
fn probes() -> impl Iterator<Item = &'static dyn Probe> {
    let own: [&'static dyn Probe; 2] = [&Grants, &Registrations];
    own.into_iter().chain(PROBES.iter().copied())
}

fn id_of(port: &str) -> Option<&'static str> {
    macro_rules! ids {
        ($($port:literal),* $(,)?) => {
            match port {
                $($port => Some(concat!($port, "::preflight::time_is_an_argument")),)*
                _ => None,
            }
        };
    }
    ids![
        "identity",
        "session",
        "credentials",
        "keystore",
        "policies",
        "assignments",
        "codes",
        "refresh_tokens",
        "entities",
        "relationships",
        "organizations",
        "tenants",
        "events",
        "outbox",
    ]
}

fn case(id: &'static str, probe: &'static dyn Probe, profile: Option<Profile>) -> Case<Ports> {
    let rule = Rule {
        id,
        profile: profile.unwrap_or(Profile::Core),
        level: Level::Must,
        capability: None,
        disclaimed: false,
        environments: &[],
        text: "Time is an argument: what is stored and read at an instant long past, or far ahead, is there, as it is at the system's own time.",
        why: "The engine says what time it is, in tests, in replays, and where the clocks of two machines differ. A store that compares with a clock of its own, or lets a TTL end its records, ends a login early or keeps it alive. Then most other rules of the port are broken, and none of them says why.",
        source: "the contract: no call reads a clock; native TTLs of key-value stores",
    };
    Case::of_context(rule, move |context| {
        Box::pin(async move {
            context.transcript().begin_case();
            time_is_an_argument(&context, probe).await
        })
    })
}

async fn time_is_an_argument(context: &Context<Ports>, probe: &'static dyn Probe) -> Checked {
    let there = context.stores().offered();
    // A grant is of a role.
    let also = (probe.port() == "assignments").then_some("policies");
    for port in [probe.port()].into_iter().chain(also) {
        if !there.contains(&port) {
            offered::<()>(port, None)?;
        }
    }
    let expected = views(context, probe, now()?).await?;
    if expected.iter().any(Option::is_none) {
        return Err(Failure::new(format!(
            "a record that was stored is not found, also at the system's own time: {expected:?}"
        )));
    }
    let long_past = Timestamp::MIN.after(Span::days(LONG_PAST));
    let years = FAR_AHEAD * 365 * Span::days(1).as_micros();
    for at in [long_past, Timestamp::from_micros(years)?] {
        let told = match views(context, probe, at).await {
            Ok(got) if got == expected => continue,
            Ok(got) => expected_and_got(&shown(&expected), &shown(&got)),
            Err(error) => {
                let failure = Failure::from(error);
                if failure.unavailable {
                    return Err(failure);
                }
                format!("\n  {failure}")
            }
        };
        return Err(Failure::new(format!(
            "the store seems to read a clock, or to use a TTL: what is stored and read at {at} is not what it is at the system's own time{told}"
        ))
        .because_of(CauseKind::Preflight, probe.port()));
    }
    Ok(())
}

/// The system's own time.
fn now() -> Result<Timestamp, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = since.map(|since| i64::try_from(since.as_micros()));
    match micros {
        Ok(Ok(micros)) => Ok(Timestamp::from_micros(micros)?),
        _ => Err(Failure::new("the system's own time is before 1970")),
    }
}

/// What the probe sees of a record that it stores, as if the world began `at` this instant; without
/// the name of the tenant.
async fn views(context: &Context<Ports>, probe: &dyn Probe, at: Timestamp) -> PortResult<Views> {
    let moved = context.stores().wrapped(&Moved {
        by: at.as_micros() - START.as_micros(),
    });
    let tenant = fresh(context)?;
    probe.write(&moved, &tenant, "subject").await?;
    let views = probe.look(&moved, &tenant, "subject").await?;
    let without = |view: String| view.replace(tenant.as_str(), "");
    Ok(views.into_iter().map(|view| view.map(without)).collect())
}

/// A view as it is: what shows a text in quotes escapes those in it.
struct Shown<'a>(&'a str);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

fn shown(views: &Views) -> Vec<Option<Shown<'_>>> {
    let shown = views.iter().map(|view| view.as_deref().map(Shown));
    shown.collect()
}

/// A tenant that is not like any other.
fn fresh(context: &Context<Ports>) -> PortResult<TenantId> {
    let tenant = || {
        let tenant = context.tenant();
        tenant.map_err(|_| PortError::refused("tenant", "is not one"))
    };
    let fresh = tenant()?;
    for _ in 1..ALIKE {
        tenant()?;
    }
    Ok(fresh)
}

/// Moves the instants of all calls, and back those of their answers.
#[derive(Clone, Copy)]
struct Moved {
    by: i64,
}

impl Wrap for Moved {
    fn wrap<P: Port + ?Sized>(&self, port: Arc<P>) -> Arc<P> {
        P::via(Arc::new(MovedPort { port, by: self.by }))
    }
}

struct MovedPort<P: ?Sized> {
    port: Arc<P>,
    by: i64,
}

#[async_trait]
impl<P: Port + ?Sized> Handler<P::Call> for MovedPort<P> {
    async fn handle(&self, call: P::Call) -> PortResult<<P::Call as PortCall>::Answer> {
        let call = moved(&call, START.as_micros(), self.by)?;
        let answer = self.port.call(call).await?;
        moved(&answer, START.as_micros() + self.by, -self.by)
    }
}

/// The same, with the instants around this one moved: as JSON they are numbers.
fn moved<T: Serialize + DeserializeOwned>(value: &T, around: i64, by: i64) -> PortResult<T> {
    let moved = || {
        let mut value = serde_json::to_value(value)?;
        move_instants(&mut value, around, by);
        serde_json::from_value(value)
    };
    moved().map_err(|_: serde_json::Error| PortError::refused("time", "cannot be moved"))
}

fn move_instants(value: &mut Value, around: i64, by: i64) {
    match value {
        Value::Number(number) => {
            let micros = number.as_i64();
            if let Some(micros) = micros.filter(|micros| micros.abs_diff(around) < NEAR) {
                *value = json!(micros + by);
            }
        }
        Value::Array(items) => {
            let items = items.iter_mut();
            items.for_each(|item| move_instants(item, around, by));
        }
        Value::Object(fields) => {
            let fields = fields.values_mut();
            fields.for_each(|field| move_instants(field, around, by));
        }
        _ => {}
    }
}

/// The probe of assignments, which sees the window of a grant.
struct Grants;

#[async_trait]
impl Probe for Grants {
    fn port(&self) -> &'static str {
        "assignments"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let (policies, store) = (port(&ports.policies)?, port(&ports.assignments)?);
        let draft = role(name, name)?;
        policies
            .save_role(tenant, Expected::Absent, draft, START)
            .await?;
        let grant = NewGrant {
            subject: SubjectId::new(name)?,
            role: RoleId::new(name)?,
            scope: GrantScope::Global,
            window: Window::new(Some(START), Some(day(90)))?,
        };
        store.assign(tenant, grant, START).await.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<Views> {
        let (store, subject) = (port(&ports.assignments)?, SubjectId::new(name)?);
        let (ten, scope) = (PageRequest::first(10)?, GrantScope::Global);
        let grants = store.grants_of(tenant, &subject, &ten).await?.items;
        let roles = store.roles_of(tenant, &subject, &scope, minute(1), &ten);
        let roles = roles.await?.items;
        Ok(vec![
            grants.first().map(|grant| format!("{grant:?}")),
            roles.first().map(|role| format!("{role:?}")),
        ])
    }
}

/// The probe of tenants, which sees when they were stored.
struct Registrations;

#[async_trait]
impl Probe for Registrations {
    fn port(&self) -> &'static str {
        "tenants"
    }

    async fn write(&self, ports: &Ports, tenant: &TenantId, name: &str) -> PortResult<()> {
        let settings = document(name).map_err(|_| PortError::refused("document", "is not one"))?;
        let draft = TenantDraft {
            name: Text::new(name)?,
            settings,
        };
        let store = port(&ports.tenants)?;
        store.create(tenant, draft, START).await.map(drop)
    }

    async fn look(&self, ports: &Ports, tenant: &TenantId, _name: &str) -> PortResult<Views> {
        let found = port(&ports.tenants)?.get(tenant).await?;
        Ok(vec![found.map(|found| format!("{found:?}"))])
    }
}

/// The port, which is offered.
fn port<P: Port + ?Sized>(port: &Option<Arc<P>>) -> PortResult<&P> {
    port.as_deref()
        .ok_or_else(|| PortError::Unsupported(P::NAME.into()))
}
