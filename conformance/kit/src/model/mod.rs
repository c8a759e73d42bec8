//! Random calls, compared with the reference adapter: one after another, and at once.
//!
//! The calls come from a world so small that they collide: two tenants, a few ids that differ in
//! case or a space, a few instants. `sequences` plays them in turn on the adapter and on the
//! reference, which must answer alike and hold the same in the end. `histories` plays some of them
//! at once: some order of them, played on the reference, must explain what they answered.
//!
//! `PORTPROOF_SEED` chooses other calls than the usual ones, `PORTPROOF_SEQUENCES` how many
//! sequences a rule plays.

mod assignments;
mod codes;
mod credentials;
mod entities;
mod events;
mod histories;
mod identity;
mod keystore;
mod look;
mod organizations;
mod outbox;
mod policies;
mod refresh_tokens;
mod relationships;
mod sequences;
mod session;
mod size;
mod small;
mod tenants;

use std::{env, fmt, sync::Arc};

use portproof_ports::{
    Cursor, PageRequest, Port, PortAnswer, PortCall, PortError, PortFuture, PortResult, Ports,
    TenantId,
};
use proptest::{
    strategy::BoxedStrategy,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::{Checked, Context, Failure, World, offered};

pub use assignments::Authorization;
pub use histories::are_linearizable;
pub use look::{Look, looked, looked_as_far};
pub use sequences::agree;
pub use size::Size;
use small::{Few, Small, calls, small};
pub use tenants::Belongings;

/// Calls on one port, or on some that have to do with each other.
pub trait Calls: Clone + fmt::Debug + Send + Sync + 'static {
    /// What they answer.
    type Answer: Clone + fmt::Debug + PartialEq + Send + Sync + 'static;

    /// Checks that the ports are offered.
    fn offered(ports: &Ports) -> Checked;

    /// A call that makes something, for a sequence to begin with.
    fn begins(size: Size) -> BoxedStrategy<Self>;

    /// Any call of a world of this size.
    fn any(size: Size) -> BoxedStrategy<Self>;

    /// Calls that together see all there is in a world of this size.
    fn looks(size: Size) -> Vec<Self>;

    /// The tenant that it is made in.
    fn tenant_mut(&mut self) -> Option<&mut TenantId>;

    /// The page that it asks for, if it is of a list.
    fn page_mut(&mut self) -> Option<&mut PageRequest>;

    /// See [`Random::settle`].
    fn settle(&mut self, _tenants: &[TenantId]) {}

    /// Takes the cursor of the next page out of an answer.
    fn take_next(answer: &mut Self::Answer) -> Option<Cursor>;

    /// See [`Random::has_more`].
    fn has_more(&self, _answer: &Self::Answer) -> bool {
        false
    }

    /// Makes the call.
    fn run(self, ports: &Ports) -> PortFuture<'_, Self::Answer>;
}

/// A port whose calls can be made up.
pub trait Random: PortCall {
    /// The port.
    type Port: Port<Call = Self> + ?Sized;

    /// The port among all.
    fn port(ports: &Ports) -> Option<&Arc<Self::Port>>;

    /// See [`Calls::begins`].
    fn begins(size: Size) -> BoxedStrategy<Self>;

    /// See [`Calls::any`].
    fn any(size: Size) -> BoxedStrategy<Self>;

    /// See [`Calls::looks`].
    fn looks(size: Size) -> Vec<Self>;

    /// Makes what would be shared with other tenants than these these tenants' own.
    fn settle(&mut self, _tenants: &[TenantId]) {}

    /// Whether this call, which has a limit that is told it, answered that it met it: then it is
    /// called again.
    fn has_more(&self, _answer: &Self::Answer) -> bool {
        false
    }
}

impl<C: Random> Calls for C {
    type Answer = <C as PortCall>::Answer;

    fn offered(ports: &Ports) -> Checked {
        offered(<C::Port as Port>::NAME, C::port(ports)).map(|_| ())
    }

    fn begins(size: Size) -> BoxedStrategy<Self> {
        C::begins(size)
    }

    fn any(size: Size) -> BoxedStrategy<Self> {
        C::any(size)
    }

    fn looks(size: Size) -> Vec<Self> {
        C::looks(size)
    }

    fn tenant_mut(&mut self) -> Option<&mut TenantId> {
        PortCall::tenant_mut(self)
    }

    fn page_mut(&mut self) -> Option<&mut PageRequest> {
        PortCall::page_mut(self)
    }

    fn settle(&mut self, tenants: &[TenantId]) {
        Random::settle(self, tenants);
    }

    fn take_next(answer: &mut Self::Answer) -> Option<Cursor> {
        answer.take_next()
    }

    fn has_more(&self, answer: &Self::Answer) -> bool {
        Random::has_more(self, answer)
    }

    fn run(self, ports: &Ports) -> PortFuture<'_, Self::Answer> {
        match C::port(ports) {
            Some(port) => port.call(self),
            None => Box::pin(async {
                let port = <C::Port as Port>::NAME;
                Err(PortError::Unsupported(port.into()))
            }),
        }
    }
}

/// What the rules about random calls start from: nothing. They look at everything themselves.
#[derive(Debug)]
pub struct Nothing(pub Context<Ports>);

impl World for Nothing {
    type Stores = Ports;

    async fn build(context: Context<Ports>) -> Result<Self, Failure> {
        Ok(Self(context))
    }

    async fn bystanders_unchanged(&self) -> Checked {
        Ok(())
    }
}

/// The two rules about random calls that every port has.
#[macro_export]
macro_rules! random_rules {
    ($calls:ty, $sequences:literal, $histories:literal) => {
        /// Whatever is called in whatever order, every call answers as the reference does, and in
        /// the end the same is stored.
        ///
        /// Adapters break where two features meet that nobody tried together: a rotated session that
        /// is updated, a role that is deleted and made anew. The calls are made up, and what is
        /// found is shrunk to the fewest calls that show it.
        #[$crate::rule(
            $sequences,
            source = "stateful property testing; the contract's every sentence",
            environments = "pool_of_one, time_zone, isolation, collation, holder"
        )]
        async fn sequences(w: &$crate::model::Nothing) -> $crate::Checked {
            $crate::model::agree::<$calls>(&w.0).await
        }

        /// Calls that overlap answer, and leave behind, what they would in some order one after
        /// another.
        ///
        /// What two callers see of each other's half-done work, no engine can reason about: a
        /// counter that two read before either writes, a name that two own, an update that is
        /// answered and lost.
        #[$crate::rule(
            $histories,
            source = "linearizability (Herlihy and Wing, 1990)",
            environments = "pool_of_one, isolation"
        )]
        async fn histories(w: &$crate::model::Nothing) -> $crate::Checked {
            $crate::model::are_linearizable::<$calls>(&w.0).await
        }

        pub(super) fn cases() -> Vec<$crate::Case<portproof_ports::Ports>> {
            $crate::cases![sequences, histories]
        }
    };
}

/// A source of random choices: the same ones each time for the same seed and number.
fn runner(number: u64) -> TestRunner {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&chosen_seed().to_le_bytes());
    seed[8..16].copy_from_slice(&number.to_le_bytes());
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

fn chosen_seed() -> u64 {
    number_of("PORTPROOF_SEED").unwrap_or(0)
}

fn number_of(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

/// Names the tenants of a call: those that it was made up with stand for these.
fn settle<C: Calls>(mut call: C, tenants: &[TenantId]) -> C {
    call.settle(tenants);
    if let Some(tenant) = call.tenant_mut() {
        let size = Size {
            tenants: tenants.len(),
            ..Size::SEQUENCE
        };
        let stands_for = TenantId::few(size).iter().position(|few| few == tenant);
        if let Some(settled) = stands_for.and_then(|number| tenants.get(number)) {
            *tenant = settled.clone();
        }
    }
    call
}

/// What a call answers; of a list all pages, one by one, without their cursors; of what has a limit
/// every answer until the last.
async fn walk<C: Calls>(ports: &Ports, mut call: C) -> Vec<PortResult<C::Answer>> {
    /// More pages than a small world has.
    const ENDLESS: usize = 60;
    let mut answers = Vec::new();
    while answers.len() < ENDLESS {
        let mut answer = call.clone().run(ports).await;
        let next = answer.as_mut().ok().and_then(C::take_next);
        let has_more = answer.as_ref().is_ok_and(|answer| call.has_more(answer));
        answers.push(answer);
        if has_more {
            continue;
        }
        let (Some(cursor), Some(page)) = (next, call.page_mut()) else {
            break;
        };
        *page = page.following(cursor);
    }
    answers
}

/// Whether two adapters answered alike: errors by kind and by what they name, not by their texts.
fn alike<T: PartialEq>(left: &PortResult<T>, right: &PortResult<T>) -> bool {
    match (left, right) {
        (Ok(left), Ok(right)) => left == right,
        (Err(left), Err(right)) => left.kind() == right.kind() && named(left) == named(right),
        _ => false,
    }
}

/// Whether an adapter says that it has no such method. That it may, other rules check: here the call
/// counts as one that nobody made.
fn is_unsupported<'a, T: 'a>(answers: impl IntoIterator<Item = &'a PortResult<T>>) -> bool {
    answers
        .into_iter()
        .any(|answer| matches!(answer, Err(PortError::Unsupported(_))))
}

/// What an error of the caller's doing names.
fn named(error: &PortError) -> Option<&str> {
    match error {
        PortError::NotFound(what) | PortError::AlreadyExists(what) | PortError::Stale(what) => {
            Some(what)
        }
        PortError::Refused { field, .. } => Some(field),
        _ => None,
    }
}

/// A failure of an answer that should have been another; one because the store did not answer is
/// told apart.
#[track_caller]
fn differs<T: fmt::Debug>(message: String, got: &PortResult<T>) -> Failure {
    Failure {
        unavailable: matches!(got, Err(PortError::Unavailable(_))),
        looked_at: Some(format!("{got:?}")),
        ..Failure::new(message)
    }
}
