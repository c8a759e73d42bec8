//! Mutants: adapters that are right except for one thing, to prove that a suite notices.

use std::{
    collections::BTreeMap, fmt, future::Future, panic::resume_unwind, pin::Pin, sync::Arc, thread,
};

use portproof_ports::{Handler, Port, PortCall, PortResult, async_trait};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::{Manifest, Opened, Report, Selection, Stores, Suite, Target, check_suites};

/// Which handle on a store a fault is put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handle {
    /// The first.
    First,
    /// The second, on the same store.
    Second,
    /// One that was opened after a restart.
    Reopened,
}

/// A fault, and the rule that it breaks.
pub struct Mutant<S> {
    /// Its name, after what it breaks: `session::touch_revives`.
    pub id: &'static str,
    /// The id of the rule that it is made for.
    pub breaks: &'static str,
    /// The real bug that it re-enacts, if it does.
    pub source: Option<&'static str>,
    infect: Arc<dyn Fn(S, Handle) -> S + Send + Sync>,
    dump: Arc<dyn Fn(Vec<u8>) -> Vec<u8> + Send + Sync>,
}

impl<S: Stores> Mutant<S> {
    /// A mutant that does to each handle what `infect` says.
    pub fn new(
        id: &'static str,
        breaks: &'static str,
        infect: impl Fn(S, Handle) -> S + Send + Sync + 'static,
    ) -> Self {
        Self {
            id,
            breaks,
            source: None,
            infect: Arc::new(infect),
            dump: Arc::new(|dump| dump),
        }
    }

    /// Names the real bug that it re-enacts.
    #[must_use]
    pub const fn re_enacts(mut self, source: &'static str) -> Self {
        self.source = Some(source);
        self
    }

    /// Changes what the backend keeps, for rules about what rests.
    #[must_use]
    pub fn with_dump(mut self, dump: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> Self {
        self.dump = Arc::new(dump);
        self
    }
}

impl<S> Clone for Mutant<S> {
    fn clone(&self) -> Self {
        Self {
            infect: Arc::clone(&self.infect),
            dump: Arc::clone(&self.dump),
            ..*self
        }
    }
}

impl<S> fmt::Debug for Mutant<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mutant({} breaks {})", self.id, self.breaks)
    }
}

/// A port with a fault in it: `fault` gets the right port and each call, and answers in its place.
#[must_use]
pub fn faulty<P, F, A>(port: Arc<P>, fault: F) -> Arc<P>
where
    P: Port + ?Sized,
    F: Fn(Arc<P>, P::Call) -> A + Send + Sync + 'static,
    A: Future<Output = PortResult<<P::Call as PortCall>::Answer>> + Send + 'static,
{
    P::via(Arc::new(Faulty { port, fault }))
}

struct Faulty<P: ?Sized, F> {
    port: Arc<P>,
    fault: F,
}

#[async_trait]
impl<P, F, A> Handler<P::Call> for Faulty<P, F>
where
    P: Port + ?Sized,
    F: Fn(Arc<P>, P::Call) -> A + Send + Sync + 'static,
    A: Future<Output = PortResult<<P::Call as PortCall>::Answer>> + Send + 'static,
{
    async fn handle(&self, call: P::Call) -> PortResult<<P::Call as PortCall>::Answer> {
        let answer: Pin<Box<A>> = Box::pin((self.fault)(Arc::clone(&self.port), call));
        answer.await
    }
}

/// A right target with a mutant's fault in it.
struct Mutated<S, T> {
    reference: T,
    mutant: Mutant<S>,
}

#[async_trait]
impl<S: Stores, T: Target<S>> Target<S> for Mutated<S, T> {
    fn manifest(&self) -> Manifest {
        self.reference.manifest().renamed(self.mutant.id)
    }

    async fn open(&self) -> Opened<S> {
        let stores = self.reference.open().await?;
        Ok((self.mutant.infect)(stores, Handle::First))
    }

    /// The second handle is opened on the right store and gets a fault of its own: caches and
    /// other things that a process keeps to itself are not shared.
    async fn second(&self, _infected: &S) -> Opened<S> {
        let first = self.reference.open().await?;
        let stores = self.reference.second(&first).await?;
        Ok((self.mutant.infect)(stores, Handle::Second))
    }

    async fn reopen(&self) -> Option<Opened<S>> {
        let stores = self.reference.reopen().await?;
        Some(stores.map(|stores| (self.mutant.infect)(stores, Handle::Reopened)))
    }

    async fn dump(&self) -> Option<Opened<Vec<u8>>> {
        let dump = self.reference.dump().await?;
        Some(dump.map(|dump| (self.mutant.dump)(dump)))
    }
}

/// How many runs a mutant gets at most.
const MOST_RUNS: u32 = 10;

/// What became of a mutant.
#[derive(Clone, Debug, Serialize)]
pub struct Killed {
    /// The mutant.
    pub id: &'static str,
    /// The rule that it is made for.
    pub breaks: &'static str,
    /// The real bug that it re-enacts, if it does.
    pub source: Option<&'static str>,
    /// The rules that were broken, in the order of the suites.
    pub killed_by: Vec<String>,
    /// How many runs it took until the rule that it is made for noticed: more than one only where
    /// that depends on who comes first.
    pub runs: u32,
}

impl Killed {
    /// Whether the rule that it is made for noticed.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.killed_by.iter().any(|rule| rule == self.breaks)
    }
}

/// Runs every mutant of `reference` against the suites, and says which rules noticed.
///
/// `reference` opens the right adapter: each mutant gets one of its own, whose every
/// [`open`](Target::open) is a handle on one store. As many mutants run concurrently as there are
/// cores; `seen` gets the results in the order of the mutants. Only the rules that `against` selects
/// are run on a mutant: those of its port to see all that notice it, or just the one that it breaks.
/// A mutant that its own rule does not notice gets a few more runs of that rule, since a race is not
/// lost every time.
pub async fn score<S, T>(
    reference: impl Fn() -> T + Clone + Send + Sync + 'static,
    suites: &[Suite<S>],
    mutants: &[Mutant<S>],
    against: impl Fn(&Mutant<S>) -> Selection,
    mut seen: impl FnMut(&Killed),
) -> Vec<Killed>
where
    S: Stores,
    T: Target<S>,
{
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let suites: Arc<[Suite<S>]> = suites.into();
    let mut waiting = mutants.iter().enumerate();
    let mut running = JoinSet::new();
    // Results that an earlier mutant's has to come before.
    let mut early = BTreeMap::new();
    let mut results = Vec::with_capacity(mutants.len());
    loop {
        for (number, mutant) in waiting.by_ref().take(cores.saturating_sub(running.len())) {
            let (reference, suites) = (reference.clone(), Arc::clone(&suites));
            let (mutant, selection) = (mutant.clone(), against(mutant));
            running.spawn(async move {
                let killed = score_one(&reference, &suites, &mutant, selection).await;
                (number, killed)
            });
        }
        match running.join_next().await {
            None => return results,
            Some(Ok((number, killed))) => {
                early.insert(number, killed);
            }
            // A fault in a case's calls is caught where the case runs; this is another.
            Some(Err(error)) => {
                if let Ok(panic) = error.try_into_panic() {
                    resume_unwind(panic);
                }
            }
        }
        while let Some(killed) = early.remove(&results.len()) {
            seen(&killed);
            results.push(killed);
        }
    }
}

async fn score_one<S: Stores, T: Target<S>>(
    reference: &impl Fn() -> T,
    suites: &[Suite<S>],
    mutant: &Mutant<S>,
    selection: Selection,
) -> Killed {
    let mut selection = Selection {
        verdicts_only: true,
        // What each rule notices by itself.
        apart: true,
        ..selection
    };
    let mut killed = Killed {
        id: mutant.id,
        breaks: mutant.breaks,
        source: mutant.source,
        killed_by: Vec::new(),
        runs: 0,
    };
    let mut rules = suites.iter().flat_map(|suite| &suite.cases);
    // Without its own rule among them there is nothing to wait for.
    let has_own = rules.any(|case| case.rule.id == mutant.breaks && selection.holds(&case.rule));
    let most_runs = if has_own { MOST_RUNS } else { 1 };
    while killed.runs < most_runs && !killed.is_killed() {
        killed.runs += 1;
        let mutated = Mutated {
            reference: reference(),
            mutant: mutant.clone(),
        };
        let report: Report = check_suites(mutated, suites.to_vec(), &selection, |_| {}).await;
        let broken = report.broken().map(|outcome| outcome.rule.clone());
        killed.killed_by.extend(broken);
        selection.rules = vec![mutant.breaks.to_owned()];
    }
    killed
}
