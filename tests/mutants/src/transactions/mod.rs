//! Mutants of transactions.
//!
//! Each is a fault at the place where a transaction begins or ends, or in a port inside of it; the
//! ports outside are right.

use std::sync::Arc;

use portproof::mutants::{Handle, Mutant};
use portproof_memory::MemoryAdapter;
use portproof_ports::{PortError, PortResult, Ports, PortsTransaction, Transactions, async_trait};

use faults::{
    Aborts, CommitsDrops, CommitsErrors, CommitsPanics, ForgetsAPort, GoesOn, HalfCalls,
    ItemsOutside, LacksAPort, LastOneWins, Leaks, LosersWrite, LosesOneOfTwo, Nests, NoneAtAll,
    OneOutside, OneTenant, OwnKeysOnly, StaysReady, TwoSteps,
};
use reads::{ListsNone, ListsOutside, LosesListers, ReadsOutside, SeesOthers};

mod faults;
mod reads;

pub(crate) fn mutants() -> Vec<Mutant<Ports>> {
    vec![
        mutant::<ForgetsAPort>(
            "transactions::commit_forgets_a_port",
            "transactions::commit::makes_all_visible",
        ),
        mutant::<OneOutside>(
            "transactions::a_port_writes_outside",
            "transactions::rollback::leaves_nothing",
        )
        .re_enacts("better-auth #7758: the root connection was used inside of a transaction"),
        mutant::<ItemsOutside>(
            "transactions::items_are_put_outside",
            "transactions::rollback::leaves_nothing",
        ),
        mutant::<CommitsErrors>(
            "transactions::errors_commit",
            "transactions::error::leaves_nothing",
        ),
        mutant::<CommitsPanics>(
            "transactions::panics_commit",
            "transactions::panic::leaves_nothing",
        ),
        mutant::<CommitsDrops>(
            "transactions::drops_commit",
            "transactions::drop::leaves_nothing",
        ),
        mutant::<GoesOn>(
            "transactions::kept_ports_go_on",
            "transactions::end::kept_ports_are_refused",
        ),
        mutant::<StaysReady>(
            "transactions::kept_ports_are_ready",
            "transactions::end::kept_ports_are_refused",
        ),
        mutant::<Leaks>(
            "transactions::undone_ones_keep_a_connection",
            "transactions::turns::leave_all_in_order",
        ),
        Mutant::new(
            "transactions::forgets_at_a_restart",
            "transactions::restart::keeps_what_was_committed",
            |ports, handle| match handle {
                Handle::Reopened => MemoryAdapter::new().ports(),
                Handle::First | Handle::Second => ports,
            },
        ),
        mutant::<ReadsOutside>(
            "transactions::reads_go_outside",
            "transactions::reads::see_own_writes",
        )
        .re_enacts("better-auth #7758: the root connection was used inside of a transaction"),
        mutant::<ListsOutside>(
            "transactions::tenants_are_listed_outside",
            "transactions::reads::see_own_writes_in_the_list_of_tenants",
        ),
        mutant::<ListsNone>(
            "transactions::no_tenants_are_listed",
            "transactions::reads::see_own_writes_in_the_list_of_tenants",
        ),
        mutant::<LosesListers>(
            "transactions::who_lists_tenants_never_commits",
            "transactions::reads::see_own_writes_in_the_list_of_tenants",
        ),
        mutant::<SeesOthers>(
            "transactions::reads_see_what_others_commit",
            "transactions::reads::are_of_one_moment",
        ),
        mutant::<NoneAtAll>(
            "transactions::there_are_none",
            "transactions::reads::see_all_or_nothing_outside",
        )
        .re_enacts("hydra 3ad64db92: every transaction was none, without a word"),
        mutant::<LacksAPort>(
            "transactions::a_port_is_not_inside",
            "transactions::ports::are_those_outside",
        ),
        mutant::<Nests>(
            "transactions::others_begin_inside",
            "transactions::nested::is_refused",
        )
        .re_enacts("AuthHero 2f65572: a transaction in a transaction joined it, or failed"),
        mutant::<Aborts>(
            "transactions::a_refused_call_aborts",
            "transactions::refused::leaves_the_rest",
        )
        .re_enacts("AuthHero: a failed probe within a transaction aborted it on PostgreSQL"),
        mutant::<LosesOneOfTwo>(
            "transactions::calls_at_once_get_lost",
            "transactions::calls::at_once_are_all_done",
        ),
        mutant::<OneTenant>(
            "transactions::keeps_one_tenant",
            "transactions::tenancy::spans_tenants",
        ),
        mutant::<HalfCalls>(
            "transactions::a_dropped_call_leaves_a_half",
            "transactions::calls::dropped_is_whole",
        ),
        mutant::<LosersWrite>(
            "transactions::a_loser_leaves_a_session",
            "transactions::conflict::one_creator_wins",
        )
        .re_enacts("AuthHero 2185ce2: writes of several statements left a part on an error"),
        mutant::<LastOneWins>(
            "transactions::the_last_writer_wins",
            "transactions::conflict::no_update_is_lost",
        )
        .re_enacts("better-auth #9993: counters that were read, changed and written"),
        mutant::<OwnKeysOnly>(
            "transactions::keys_over_tenants_are_nobodys",
            "entities::create::race_has_one_owner_over_transactions",
        ),
        mutant::<TwoSteps>(
            "transactions::commits_in_two_steps",
            "transactions::commit::cancelled_is_whole",
        ),
    ]
}

/// What is wrong with transactions: each begins with a clone of it.
#[async_trait]
trait Fault: Clone + Default + Send + Sync + 'static {
    /// Refuses to begin.
    fn refuses(&self) -> bool {
        false
    }

    /// Changes the ports inside.
    fn inside(&mut self, _outside: &Ports, _inside: &mut Ports) {}

    async fn commit(&self, inner: Box<dyn PortsTransaction>) -> PortResult<()> {
        inner.commit().await
    }

    async fn rollback(&self, inner: Box<dyn PortsTransaction>) {
        inner.rollback().await;
    }

    /// Drops it.
    fn drops(&self, _inner: Box<dyn PortsTransaction>) {}
}

/// The mutant that has this fault.
fn mutant<F: Fault>(id: &'static str, breaks: &'static str) -> Mutant<Ports> {
    Mutant::new(id, breaks, |mut ports: Ports, _| {
        let outside = ports.clone();
        ports.transactions = ports.transactions.take().map(|inner| {
            Arc::new(Infected {
                inner,
                outside,
                fault: F::default(),
            }) as Arc<dyn Transactions>
        });
        ports
    })
}

struct Infected<F> {
    inner: Arc<dyn Transactions>,
    outside: Ports,
    fault: F,
}

#[async_trait]
impl<F: Fault> Transactions for Infected<F> {
    async fn begin(&self) -> PortResult<Box<dyn PortsTransaction>> {
        let mut fault = self.fault.clone();
        if fault.refuses() {
            return Err(PortError::Unavailable("no connection is left".into()));
        }
        let inner = self.inner.begin().await?;
        let mut ports = inner.ports().clone();
        fault.inside(&self.outside, &mut ports);
        Ok(Box::new(Begun {
            inner: Some(inner),
            ports,
            fault,
        }))
    }
}

struct Begun<F: Fault> {
    /// Until it ends.
    inner: Option<Box<dyn PortsTransaction>>,
    ports: Ports,
    fault: F,
}

#[async_trait]
impl<F: Fault> PortsTransaction for Begun<F> {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    async fn commit(mut self: Box<Self>) -> PortResult<()> {
        let inner = self.inner.take();
        let inner = inner.ok_or(PortError::ended_transaction())?;
        self.fault.commit(inner).await
    }

    async fn rollback(mut self: Box<Self>) {
        if let Some(inner) = self.inner.take() {
            self.fault.rollback(inner).await;
        }
    }
}

impl<F: Fault> Drop for Begun<F> {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take() {
            self.fault.drops(inner);
        }
    }
}
