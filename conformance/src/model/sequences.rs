//! Calls in turn: the adapter answers as the reference does, and holds the same in the end.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use portproof_memory::MemoryAdapter;
use portproof_ports::Ports;
use proptest::{
    collection,
    strategy::{BoxedStrategy, Strategy},
    test_runner::{TestCaseError, TestError},
};
use tokio::{runtime::Handle, sync::watch, task::spawn_blocking};

use super::{
    Calls, Size, alike, chosen_seed, differs, is_unsupported, number_of, runner, settle,
    small::one_of, walk,
};
use crate::{Checked, Context, Failure};

/// How many sequences a rule plays, unless `PORTPROOF_SEQUENCES` says otherwise.
const SEQUENCES: u32 = 12;
/// The most calls of a sequence.
const LONGEST: usize = 30;
/// The most sequences that are played to find the fewest calls that fail.
const SHRINKING: u32 = 3_000;

/// A step of a sequence, and through which handle it goes.
#[derive(Clone, Debug)]
struct Step<C> {
    /// What is called; `None` to look at everything.
    call: Option<C>,
    second: bool,
}

fn steps<C: Calls>() -> BoxedStrategy<Vec<Step<C>>> {
    let in_world = |size| {
        let call = proptest::option::weighted(0.93, C::any(size));
        let step = (call, proptest::bool::weighted(0.3));
        let step = step.prop_map(|(call, second)| Step { call, second });
        collection::vec(step, 1..=LONGEST).boxed()
    };
    // In the larger world there is more to mix up; in the smaller one calls meet more often.
    one_of(vec![
        (1, in_world(Size::NARROW)),
        (1, in_world(Size::SEQUENCE)),
    ])
}

/// Plays random sequences until one shows that the adapter differs from the reference.
///
/// # Errors
///
/// With the fewest calls that were found to show it; the transcript holds them and nothing else.
pub(crate) async fn agree<C: Calls>(context: &Context<Ports>) -> Checked {
    C::offered(context.stores())?;
    let plays = Arc::new(AtomicU32::new(0));
    let Err(found) = search::<C>(context.clone(), Arc::clone(&plays)).await? else {
        return Ok(());
    };
    let (steps, message) = found;
    let end = format!(
        "\n  (seed {}: the fewest calls of a random sequence that show it, found in {} plays)",
        chosen_seed(),
        plays.load(Ordering::Relaxed)
    );
    // Once more, so that the transcript holds these calls only.
    Err(match play(context, &steps).await {
        Err(failure) => Failure {
            message: failure.message + &end,
            ..failure
        },
        Ok(()) => Failure::new(format!("{message}{end}\n  (played once more, it did not)")),
    })
}

/// A sequence that fails, and how.
type Found<C> = Result<(), (Vec<Step<C>>, String)>;

/// Lets proptest look for a sequence that fails, and shrink it. Its searching is not async, so it
/// happens on a thread of its own.
async fn search<C: Calls>(
    context: Context<Ports>,
    plays: Arc<AtomicU32>,
) -> Result<Found<C>, Failure> {
    // Dropped with this call: then the thread stops, too.
    let (_case, case_runs) = watch::channel(());
    let runtime = Handle::current();
    let searching = spawn_blocking(move || {
        let sequences = number_of("PORTPROOF_SEQUENCES");
        let cases = sequences.and_then(|number| u32::try_from(number).ok());
        let mut runner = runner(0, cases.unwrap_or(SEQUENCES), SHRINKING);
        let played = runner.run(&steps::<C>(), |steps| {
            plays.fetch_add(1, Ordering::Relaxed);
            let mut case_runs = case_runs.clone();
            runtime.block_on(async {
                tokio::select! {
                    played = play(&context, &steps) => {
                        played.map_err(|failure| TestCaseError::fail(failure.message))
                    }
                    _ = case_runs.changed() => Err(TestCaseError::fail("the case has ended")),
                }
            })
        });
        match played {
            Ok(()) => Ok(Ok(())),
            Err(TestError::Fail(reason, steps)) => Ok(Err((steps, reason.message().to_owned()))),
            Err(TestError::Abort(reason)) => Err(Failure::new(format!(
                "no sequences could be made up: {reason}"
            ))),
        }
    });
    searching
        .await
        .map_err(|_| Failure::new("playing a sequence panicked"))?
}

/// Plays a sequence on tenants that nobody used before.
async fn play<C: Calls>(context: &Context<Ports>, steps: &[Step<C>]) -> Checked {
    context.transcript().restart();
    let tenants = [context.tenant()?, context.tenant()?];
    let reference = MemoryAdapter::new().ports();
    for Step { call, second } in steps {
        let ports = if *second {
            context.second()
        } else {
            context.stores()
        };
        let calls = match call {
            Some(call) => vec![call.clone()],
            None => C::looks(Size::SEQUENCE),
        };
        for call in calls {
            compare(&reference, ports, settle(call, &tenants)).await?;
        }
    }
    context.transcript().begin_afterwards();
    for ports in [context.stores(), context.second()] {
        for look in C::looks(Size::SEQUENCE) {
            compare(&reference, ports, settle(look, &tenants)).await?;
        }
    }
    Ok(())
}

async fn compare<C: Calls>(reference: &Ports, adapter: &Ports, call: C) -> Checked {
    let got = walk(adapter, call.clone()).await;
    if is_unsupported(&got) {
        return Ok(());
    }
    let expected = walk(reference, call.clone()).await;
    for (expected, got) in expected.iter().zip(&got) {
        if !alike(expected, got) {
            let message = format!(
                "the adapter answers differently from the reference: {call:?}\n  expected {expected:?}\n  got      {got:?}"
            );
            return Err(differs(message, got));
        }
    }
    if expected.len() == got.len() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "a list has other pages than the reference's: {call:?}\n  expected {} of them\n  got      {}",
        expected.len(),
        got.len()
    )))
}
