//! Calls at once: some order of them, one after another on the reference, explains them.

use std::{
    fmt::Write as _,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Poll, Waker},
};

use portproof_memory::MemoryAdapter;
use portproof_ports::{PortError, PortResult, Ports};
use proptest::{
    collection,
    strategy::{Strategy, ValueTree},
};

use super::{Calls, Size, alike, differs, is_unsupported, number_of, runner, settle};
use crate::{
    Checked, Context, Failure,
    race::{
        RACERS,
        history::{Ran, Sequential, explain, witness},
        race,
    },
};

/// How many races a rule runs, unless `PORTPROOF_SEQUENCES` says otherwise.
const ROUNDS: u64 = 12;
/// The calls before a race, so that there is something to race about.
const BEFORE: std::ops::RangeInclusive<usize> = 3..=8;

/// A call of a race, with what it answered.
type Raced<C> = Ran<C, PortResult<<C as Calls>::Answer>>;

/// Races random calls until the answers of a race cannot be explained.
///
/// # Errors
///
/// With the fewest answers of that race that no order explains.
pub async fn are_linearizable<C: Calls>(context: &Context<Ports>) -> Checked {
    C::offered(context.stores())?;
    let rounds = number_of("PORTPROOF_SEQUENCES").unwrap_or(ROUNDS);
    for (before, racing) in made_up::<C>(rounds)? {
        let tenants = [context.tenant()?];
        let settled = |calls: Vec<C>| calls.into_iter().map(|call| settle(call, &tenants));
        context.transcript().restart();
        let reference = MemoryAdapter::new();
        for call in settled(before) {
            let got = call.clone().run(context.stores()).await;
            if is_unsupported([&got]) {
                continue;
            }
            let expected = call.clone().run(&reference.ports()).await;
            if !alike(&expected, &got) {
                let message = format!(
                    "before anything happened at once, {call:?}\n  expected {expected:?}\n  got      {got:?}"
                );
                return Err(differs(message, &got));
            }
        }
        let looks = settled(C::looks(Size::RACE));
        let racing = settled(racing).chain(looks).collect();
        let history = raced(context, racing).await?;
        let start = Reference(reference);
        if explain(&InTurn::<C>::new(), &start, &history).is_none() {
            return Err(Failure::new(if context.explains() {
                inexplicable(&start, &history)
            } else {
                "no order explains what the calls of a race answered".to_owned()
            }));
        }
    }
    Ok(())
}

/// The calls before a race, and those of the race.
type Round<C> = (Vec<C>, Vec<C>);

fn made_up<C: Calls>(rounds: u64) -> Result<Vec<Round<C>>, Failure> {
    let any = C::any(Size::RACE);
    let calls = |range| collection::vec(any.clone(), range);
    let strategy = (calls(BEFORE), calls(RACERS..=RACERS));
    let made = (1..=rounds).map(|round| {
        let tree = strategy.new_tree(&mut runner(round));
        let tree =
            tree.map_err(|reason| Failure::new(format!("no calls could be made up: {reason}")))?;
        Ok(tree.current())
    });
    made.collect()
}

/// Runs the first calls at once and then the others in turn, through both handles.
async fn raced<C: Calls>(
    context: &Context<Ports>,
    calls: Vec<C>,
) -> Result<Vec<Raced<C>>, Failure> {
    let clock = Arc::new(AtomicU64::new(0));
    let run = |number: usize| {
        let (clock, call) = (Arc::clone(&clock), calls[number].clone());
        let ports = if number.is_multiple_of(2) {
            context.stores().clone()
        } else {
            context.second().clone()
        };
        async move {
            let began = clock.fetch_add(1, Ordering::SeqCst);
            let answer = call.clone().run(&ports).await;
            Ran {
                call,
                answer: Some(answer),
                began,
                ended: clock.fetch_add(1, Ordering::SeqCst),
            }
        }
    };
    let mut history = race(RACERS, run).await?;
    context.transcript().begin_afterwards();
    for number in RACERS..calls.len() {
        history.push(run(number).await);
    }
    history.retain(|ran| !is_unsupported(&ran.answer));
    for ran in &history {
        if let Some(answer @ Err(PortError::Unavailable(_))) = &ran.answer {
            let message = format!("{:?}\n  got      {answer:?}", ran.call);
            return Err(differs(message, answer));
        }
    }
    Ok(history)
}

fn inexplicable<C: Calls>(start: &Reference, history: &[Raced<C>]) -> String {
    let mut message = "no order of these calls, one after another, explains their answers \
         (each with when it began and ended; whatever the others answered)"
        .to_owned();
    let mut places = witness(&InTurn::<C>::new(), start, history);
    places.sort_by_key(|place| history[*place].began);
    for place in places {
        let Ran {
            call,
            answer,
            began,
            ended,
        } = &history[place];
        let _ = write!(message, "\n  {began:>3} to {ended:>3}: {call:?}");
        if let Some(answer) = answer {
            let _ = write!(message, "\n      -> {answer:?}");
        }
    }
    message
}

/// What the reference holds: a copy is a fork.
struct Reference(MemoryAdapter);

impl Clone for Reference {
    fn clone(&self) -> Self {
        Self(self.0.fork())
    }
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        self.0.holds_what(&other.0)
    }
}

/// The reference, one call after another.
struct InTurn<C>(std::marker::PhantomData<fn(C)>);

impl<C> InTurn<C> {
    const fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<C: Calls> Sequential for InTurn<C> {
    type State = Reference;
    type Call = C;
    type Answer = PortResult<C::Answer>;

    fn apply(&self, state: &mut Reference, call: &C) -> Self::Answer {
        let ports = state.0.ports();
        let call = pin!(call.clone().run(&ports));
        // The reference never waits.
        match call.poll(&mut std::task::Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => Err(PortError::Backend("the reference waited".into())),
        }
    }

    fn is_answer(&self, expected: &Self::Answer, seen: &Self::Answer) -> bool {
        alike(expected, seen)
    }
}
