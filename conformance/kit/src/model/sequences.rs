//! Calls in turn: the adapter answers as the reference does, and holds the same in the end.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use portproof_memory::MemoryAdapter;
use portproof_ports::{Cursor, PageRequest, PortResult, Ports, TenantId};
use proptest::{
    collection, option,
    strategy::{BoxedStrategy, Strategy, ValueTree},
    test_runner::TestRunner,
};
use tokio::{runtime::Handle, sync::watch, task::spawn_blocking};

use super::{
    Calls, Size, alike, chosen_seed, differs, is_unsupported, number_of, runner, settle,
    small::{just, mostly_first, one_of},
    walk,
};
use crate::{
    Checked, Context, Failure,
    difference::expected_and_got,
    lists::{DAMAGES, damaged},
    runner::payload_text,
};

/// How many sequences a rule plays, unless `PORTPROOF_SEQUENCES` says otherwise.
const SEQUENCES: u32 = 12;
/// The most steps of a sequence, after up to a fifth as many that make something.
const LONGEST: usize = 50;
/// The most sequences that are played to find the fewest calls that fail.
const SHRINKING: u32 = 3_000;

/// A step of a sequence, and through which handle it goes.
#[derive(Clone, Debug)]
struct Step<C> {
    does: Does<C>,
    second: bool,
}

/// What a step does.
#[derive(Clone, Debug)]
enum Does<C> {
    /// This call.
    Call(C),
    /// The call that was made so many calls before, once more: as who got no answer does.
    Again(usize),
    /// This call through the other handle than the last, and then the last one once more: who
    /// remembers what it answered, answers wrongly now.
    Around(C),
    /// A look at everything.
    Look,
    /// This list, or the one that was asked for last, from a cursor that is damaged in one of the
    /// ways there are, or that the list before handed out.
    FromCursor(Option<C>, Option<usize>),
}

/// What is played.
#[derive(Clone, Debug)]
struct Sequence<C> {
    /// What its calls are made up in.
    world: Size,
    /// In which way the id of the second tenant is like that of the first.
    alike: usize,
    steps: Vec<Step<C>>,
}

/// In how many ways ids of tenants are alike.
const ALIKE: usize = 3;

fn made_up<C: Calls>() -> BoxedStrategy<Sequence<C>> {
    let in_world = |size: Size| {
        let from_cursor = (lists::<C>(size), option::of(0..DAMAGES))
            .prop_map(|(list, damage)| Does::FromCursor(list, damage));
        let does = one_of(vec![
            (70, C::any(size).prop_map(Does::Call).boxed()),
            (7, (0..3_usize).prop_map(Does::Again).boxed()),
            (6, C::any(size).prop_map(Does::Around).boxed()),
            (7, just(Does::Look)),
            (10, from_cursor.boxed()),
        ]);
        let step = (does, proptest::bool::weighted(0.3));
        let step = step.prop_map(|(does, second)| Step { does, second });
        let begins = (C::begins(size), proptest::bool::weighted(0.3));
        let begins = begins.prop_map(|(call, second)| Step {
            does: Does::Call(call),
            second,
        });
        (
            0..ALIKE,
            collection::vec(begins, 0..=LONGEST / 5),
            collection::vec(step, 0..=LONGEST),
        )
            .prop_map(move |(alike, begins, steps)| Sequence {
                world: size,
                alike,
                steps: begins.into_iter().chain(steps).collect(),
            })
            .boxed()
    };
    // In the larger worlds there is more to mix up; in the smaller ones calls meet more often.
    one_of(vec![
        (1, in_world(Size::SINGLE)),
        (1, in_world(Size::NARROW)),
        (1, in_world(Size::CROWD)),
        (1, in_world(Size::SEQUENCE)),
    ])
}

/// Plays random sequences until one shows that the adapter differs from the reference.
///
/// # Errors
///
/// With the fewest calls that were found to show it; the transcript holds them and nothing else. A
/// failure because the store did not answer is returned as it is: shrinking it would wait for the
/// same timeouts again and again.
pub async fn agree<C: Calls>(context: &Context<Ports>) -> Checked {
    C::offered(context.stores())?;
    // Dropped with this call: then the thread stops, too.
    let (_case, case_runs) = watch::channel(());
    let mut search = Search {
        context: context.clone(),
        runtime: Handle::current(),
        case_runs,
        plays: 0,
    };
    // Searching is not async, since what proptest shrinks is bound to its thread.
    let searching = spawn_blocking(move || search.run::<C>());
    let found = searching
        .await
        .map_err(|error| Failure::new(format!("the search for a sequence failed: {error}")))??;
    let Some(found) = found else {
        return Ok(());
    };
    if found.failure.unavailable {
        return Err(found.failure);
    }
    let mut end = format!(
        "\n  (seed {}: the fewest calls of a random sequence that show it, found in {} plays",
        chosen_seed(),
        found.plays
    );
    if let Some(why) = found.stopped {
        end += &format!("; shrinking stopped: {why}");
    }
    end.push(')');
    // Once more, so that the transcript holds these calls only.
    Err(match play(context, &found.sequence).await {
        Err(failure) => Failure {
            message: failure.message + &end,
            ..failure
        },
        Ok(()) => Failure::new(format!(
            "{}{end}\n  (played once more, it did not)",
            found.failure.message
        )),
    })
}

/// A sequence that fails, and how.
struct Found<C> {
    sequence: Sequence<C>,
    failure: Failure,
    /// How many sequences were played until it was found.
    plays: u32,
    /// Why shrinking came to an early end.
    stopped: Option<String>,
}

/// What shrinking may take.
struct Budget {
    time: Duration,
    ends: Instant,
    /// The number of the last play.
    plays: u32,
}

/// The search for a sequence that fails, on a thread of its own.
struct Search {
    context: Context<Ports>,
    runtime: Handle,
    case_runs: watch::Receiver<()>,
    plays: u32,
}

impl Search {
    /// Plays random sequences until one fails, and shrinks that.
    fn run<C: Calls>(&mut self) -> Result<Option<Found<C>>, Failure> {
        let sequences = number_of("PORTPROOF_SEQUENCES");
        let sequences = sequences.and_then(|number| u32::try_from(number).ok());
        let strategy = made_up::<C>();
        let mut runner = runner(0);
        for _ in 0..sequences.unwrap_or(SEQUENCES) {
            // As proptest's own runner: each case from a source of its own.
            runner = TestRunner::new_with_rng(runner.config().clone(), runner.new_rng());
            let mut tree = strategy.new_tree(&mut runner).map_err(|reason| {
                Failure::new(format!("no sequence could be generated: {reason}"))
            })?;
            let sequence = tree.current();
            if let Err(failure) = self.play(&sequence) {
                let mut found = Found {
                    sequence,
                    failure,
                    plays: 0,
                    stopped: None,
                };
                if !found.failure.unavailable && self.context.explains() {
                    self.shrink(&mut found, &mut *tree);
                }
                found.plays = self.plays;
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Looks for fewer calls that fail: as proptest does, and then by leaving out each step.
    fn shrink<C: Calls>(
        &mut self,
        found: &mut Found<C>,
        tree: &mut dyn ValueTree<Value = Sequence<C>>,
    ) {
        let time = self.context.limit() / 2;
        let budget = Budget {
            time,
            ends: Instant::now() + time,
            plays: self.plays + SHRINKING,
        };
        let mut goes_on = tree.simplify();
        while goes_on {
            match self.fails(found, tree.current(), &budget) {
                Some(true) => goes_on = tree.simplify(),
                Some(false) => goes_on = tree.complicate(),
                None => return,
            }
        }
        for left_out in (0..found.sequence.steps.len()).rev() {
            let mut fewer = found.sequence.clone();
            fewer.steps.remove(left_out);
            if self.fails(found, fewer, &budget).is_none() {
                return;
            }
        }
    }

    /// Plays a sequence that is simpler than what was found, and keeps it if it fails as well.
    /// Answers whether it does, or `None` when shrinking must stop.
    fn fails<C: Calls>(
        &mut self,
        found: &mut Found<C>,
        simpler: Sequence<C>,
        budget: &Budget,
    ) -> Option<bool> {
        if Instant::now() >= budget.ends {
            found.stopped = Some(format!("it took {} s", budget.time.as_secs_f64()));
            return None;
        }
        if self.plays >= budget.plays {
            found.stopped = Some(format!("it took {SHRINKING} plays"));
            return None;
        }
        match self.play(&simpler) {
            Ok(()) => Some(false),
            Err(failure) if failure.unavailable => {
                found.stopped = Some("the store did not answer".to_owned());
                None
            }
            Err(failure) => {
                found.sequence = simpler;
                found.failure = failure;
                Some(true)
            }
        }
    }

    /// Plays a sequence, and keeps what it finds for when a later one does not come to its end.
    fn play<C: Calls>(&mut self, sequence: &Sequence<C>) -> Checked {
        self.plays += 1;
        let (context, case_runs) = (&self.context, &mut self.case_runs);
        let played = catch_unwind(AssertUnwindSafe(|| {
            self.runtime.block_on(async {
                tokio::select! {
                    played = play(context, sequence) => played,
                    _ = case_runs.changed() => Err(Failure {
                        unavailable: true,
                        ..Failure::new("the case has ended")
                    }),
                }
            })
        }))
        .unwrap_or_else(|panic| {
            let text = payload_text(&*panic);
            Err(Failure::new(format!("a call panicked: {text}")))
        });
        if let Err(failure) = &played
            && !failure.unavailable
        {
            self.context.transcript().keep_found(&failure.message);
        }
        played
    }
}

/// A list that there is, or that was asked for last.
fn lists<C: Calls>(size: Size) -> BoxedStrategy<Option<C>> {
    let mut lists = C::looks(size);
    lists.retain_mut(|look| look.page_mut().is_some());
    if lists.is_empty() {
        return just(None);
    }
    option::weighted(0.6, mostly_first(&lists)).boxed()
}

/// Two tenants that nobody used before, whose ids a backend that folds, trims, or takes patterns
/// takes for one.
fn tenants(context: &Context<Ports>, alike: usize) -> Result<[TenantId; 2], Failure> {
    // A context hands out alike ones in threes.
    let [plain, padded, upper] = [context.tenant()?, context.tenant()?, context.tenant()?];
    let pattern = TenantId::new(plain.as_str().replacen('-', "_", 1))?;
    let others: [TenantId; ALIKE] = [padded, upper, pattern];
    let other = others.into_iter().nth(alike);
    Ok([plain.clone(), other.unwrap_or(plain)])
}

/// Plays a sequence on tenants that nobody used before.
async fn play<C: Calls>(context: &Context<Ports>, sequence: &Sequence<C>) -> Checked {
    context.transcript().restart();
    let tenants = tenants(context, sequence.alike)?;
    let reference = MemoryAdapter::new().ports();
    let handles = [context.stores(), context.second()];
    let looks = |size| {
        let looks = C::looks(size).into_iter();
        looks.map(|look| settle(look, &tenants)).collect::<Vec<C>>()
    };
    // All that these calls can have stored.
    let looks_at_theirs = looks(sequence.world);
    // The calls that were made, and through which handle.
    let mut made: Vec<(C, usize)> = Vec::new();
    let mut place = None;
    for Step { does, second } in &sequence.steps {
        let handle = usize::from(*second);
        let calls = match does {
            Does::Call(call) => vec![(call.clone(), handle)],
            Does::Again(before) => {
                let again = made.iter().rev().nth(*before);
                again
                    .map(|(call, _)| (call.clone(), handle))
                    .into_iter()
                    .collect()
            }
            Does::Around(call) => {
                let last = made.last().cloned();
                let other = last.as_ref().map_or(handle, |(_, handle)| 1 - handle);
                [(call.clone(), other)].into_iter().chain(last).collect()
            }
            Does::Look => {
                for look in &looks_at_theirs {
                    compare(&reference, handles[handle], look.clone()).await?;
                }
                continue;
            }
            Does::FromCursor(list, damage) => {
                let is_list = |(call, _): &&(C, usize)| call.clone().page_mut().is_some();
                let last = || {
                    made.iter()
                        .rev()
                        .find(is_list)
                        .map(|(call, _)| call.clone())
                };
                if let Some(list) = list.clone().or_else(last) {
                    let list = settle(list, &tenants);
                    compare_places(&reference, handles[handle], list, *damage, &mut place).await?;
                }
                continue;
            }
        };
        for (call, handle) in calls {
            made.push((call.clone(), handle));
            compare(&reference, handles[handle], settle(call, &tenants)).await?;
        }
    }
    context.transcript().begin_afterwards();
    // Through one handle also what was never stored, but is like what was.
    for look in looks(Size::SEQUENCE) {
        compare(&reference, context.stores(), look).await?;
    }
    for look in looks_at_theirs {
        compare(&reference, context.second(), look).await?;
    }
    Ok(())
}

/// Where a list goes on, on the reference and on the adapter.
type Place = (Cursor, Cursor);

/// Asks for a list from a cursor that it need not understand: its own, damaged, or the one of the
/// list before. What is refused must be refused alike; whether it was the same list, whose walk then
/// goes on beside changes, is not looked at.
async fn compare_places<C: Calls>(
    reference: &Ports,
    adapter: &Ports,
    mut list: C,
    damage: Option<usize>,
    before: &mut Option<Place>,
) -> Checked {
    let first = PageRequest::first(1)?;
    if let Some(page) = list.page_mut() {
        *page = first.clone();
    }
    let mut expected = list.clone().run(reference).await;
    let mut got = list.clone().run(adapter).await;
    let next = |answer: &mut PortResult<C::Answer>| answer.as_mut().ok().and_then(C::take_next);
    let place = next(&mut expected).zip(next(&mut got));
    let asked = match damage {
        Some(damage) => place
            .as_ref()
            .map(|(expected, got)| {
                Ok::<_, Failure>((damaged(expected, damage)?, damaged(got, damage)?))
            })
            .transpose()?,
        None => before.take(),
    };
    if place.is_some() {
        *before = place;
    }
    let Some(((from, to), page)) = asked.zip(list.page_mut()) else {
        return Ok(());
    };
    *page = first.following(from);
    let expected = list.clone().run(reference).await;
    if let Some(page) = list.page_mut() {
        *page = first.following(to);
    }
    let got = list.clone().run(adapter).await;
    if expected.is_ok() || is_unsupported([&got]) || alike(&expected, &got) {
        return Ok(());
    }
    let message = format!(
        "a list is asked for from a cursor that is not its own: {list:?}{}",
        expected_and_got(&expected, &got)
    );
    Err(differs(message, &got))
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
                "the adapter answers differently from the reference: {call:?}{}",
                expected_and_got(expected, got)
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
