//! Recorded histories: whether calls that overlapped can be put into one order that explains them.
//!
//! This is the search of Wing and Gong: of the calls that may come next (nothing that is left ended
//! before they began) one is tried after the other, and a way that led to the same state with the
//! same calls done is not gone twice. It is for the few calls of one race.

use std::collections::HashMap;

/// What calls do when they happen one after another.
pub trait Sequential {
    /// What is stored.
    type State: Clone + PartialEq;
    /// A call.
    type Call;
    /// What it answers.
    type Answer;

    /// Does what the call says, and answers as it should.
    fn apply(&self, state: &mut Self::State, call: &Self::Call) -> Self::Answer;

    /// Whether a caller that got `seen` got what it should.
    fn is_answer(&self, expected: &Self::Answer, seen: &Self::Answer) -> bool;
}

/// A call of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran<C, A> {
    /// What was called.
    pub call: C,
    /// What it answered; `None` when nobody knows. Such a call may have happened at any time since
    /// it began, with any answer, or not at all.
    pub answer: Option<A>,
    /// When it began, on a clock that counts the beginnings and the ends of all calls.
    pub began: u64,
    /// When it ended.
    pub ended: u64,
}

impl<C, A> Ran<C, A> {
    /// When it is known to have happened by.
    const fn happened_by(&self) -> u64 {
        match self.answer {
            Some(_) => self.ended,
            None => u64::MAX,
        }
    }
}

/// An order of the history's calls (their places in it) in which they answer what they did when they
/// happen one after another, from `state` on; `None` when there is none.
///
/// A call is in its place between its beginning and its end: one that ended before another began
/// comes first.
pub fn explain<S: Sequential>(
    sequential: &S,
    state: &S::State,
    history: &[Ran<S::Call, S::Answer>],
) -> Option<Vec<usize>> {
    let mut search = Search {
        sequential,
        history,
        done: vec![false; history.len()],
        order: Vec::with_capacity(history.len()),
        in_vain: HashMap::new(),
    };
    search.succeeds_from(state).then_some(search.order)
}

/// The part of an inexplicable history that is so by itself: the places of calls whose answers no
/// order explains, whatever the others answered. Leaving one more answer open would explain the rest.
pub fn witness<S>(
    sequential: &S,
    state: &S::State,
    history: &[Ran<S::Call, S::Answer>],
) -> Vec<usize>
where
    S: Sequential,
    S::Call: Clone,
    S::Answer: Clone,
{
    let mut left = history.to_vec();
    let mut places: Vec<usize> = (0..history.len()).collect();
    // The last ones first: what a prefix shows needs no looking further.
    for place in (0..history.len()).rev() {
        let answer = left[place].answer.take();
        if explain(sequential, state, &left).is_some() {
            left[place].answer = answer;
        } else {
            places.retain(|kept| *kept != place);
        }
    }
    places
}

struct Search<'a, S: Sequential> {
    sequential: &'a S,
    history: &'a [Ran<S::Call, S::Answer>],
    done: Vec<bool>,
    order: Vec<usize>,
    /// The states that were reached with these calls done, and led nowhere.
    in_vain: HashMap<Vec<bool>, Vec<S::State>>,
}

impl<S: Sequential> Search<'_, S> {
    fn succeeds_from(&mut self, state: &S::State) -> bool {
        let history = self.history;
        let left = || (0..history.len()).filter(|place| !self.done[*place]);
        if left().all(|place| history[place].answer.is_none()) {
            return true;
        }
        if self
            .in_vain
            .get(&self.done)
            .is_some_and(|states| states.contains(state))
        {
            return false;
        }
        let first_end = left().map(|place| history[place].happened_by()).min();
        let next: Vec<usize> = left()
            .filter(|place| first_end.is_none_or(|end| history[*place].began < end))
            .collect();
        for place in next {
            let Ran { call, answer, .. } = &history[place];
            let mut after = state.clone();
            let expected = self.sequential.apply(&mut after, call);
            let fits = answer
                .as_ref()
                .is_none_or(|seen| self.sequential.is_answer(&expected, seen));
            if fits {
                self.done[place] = true;
                self.order.push(place);
                if self.succeeds_from(&after) {
                    return true;
                }
                self.done[place] = false;
                self.order.pop();
            }
        }
        let states = self.in_vain.entry(self.done.clone()).or_default();
        states.push(state.clone());
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop, prop_assert, proptest};

    use super::*;

    /// A register that is read, written, and compared and swapped; and a counter.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Call {
        Read,
        Write(u8),
        Swap(u8, u8),
        Count,
    }

    struct Register;

    impl Sequential for Register {
        type State = u8;
        type Call = Call;
        type Answer = u8;

        fn apply(&self, state: &mut u8, call: &Call) -> u8 {
            match *call {
                Call::Read => *state,
                Call::Write(value) => {
                    *state = value;
                    0
                }
                Call::Swap(from, to) => {
                    let swaps = *state == from;
                    if swaps {
                        *state = to;
                    }
                    u8::from(swaps)
                }
                Call::Count => {
                    *state += 1;
                    *state
                }
            }
        }

        fn is_answer(&self, expected: &u8, seen: &u8) -> bool {
            expected == seen
        }
    }

    fn ran(call: Call, answer: u8, began: u64, ended: u64) -> Ran<Call, u8> {
        Ran {
            call,
            answer: Some(answer),
            began,
            ended,
        }
    }

    fn order(history: &[Ran<Call, u8>]) -> Option<Vec<usize>> {
        explain(&Register, &0, history)
    }

    #[test]
    fn what_happened_in_turn_is_explained_in_turn() {
        let history = [
            ran(Call::Write(1), 0, 0, 1),
            ran(Call::Read, 1, 2, 3),
            ran(Call::Swap(1, 2), 1, 4, 5),
            ran(Call::Read, 2, 6, 7),
        ];
        assert_eq!(order(&history), Some(vec![0, 1, 2, 3]));
        assert_eq!(order(&[]), Some(vec![]));
    }

    #[test]
    fn a_read_beside_a_write_may_see_either() {
        for seen in [0, 1] {
            let history = [ran(Call::Write(1), 0, 0, 3), ran(Call::Read, seen, 1, 2)];
            assert!(order(&history).is_some(), "{seen}");
        }
        let history = [ran(Call::Write(1), 0, 0, 3), ran(Call::Read, 2, 1, 2)];
        assert_eq!(order(&history), None);
    }

    #[test]
    fn a_read_after_a_write_sees_it() {
        let stale = [ran(Call::Write(1), 0, 0, 1), ran(Call::Read, 0, 2, 3)];
        assert_eq!(order(&stale), None);
    }

    #[test]
    fn what_was_seen_is_not_unseen() {
        // Two reads during one write: once the new value is seen, the old one is not seen again.
        let history = |first, second| {
            [
                ran(Call::Write(1), 0, 0, 9),
                ran(Call::Read, first, 1, 2),
                ran(Call::Read, second, 3, 4),
            ]
        };
        assert!(order(&history(0, 1)).is_some());
        assert_eq!(order(&history(1, 0)), None);
    }

    #[test]
    fn a_swap_has_one_winner() {
        let history = |second| {
            [
                ran(Call::Swap(0, 1), 1, 0, 3),
                ran(Call::Swap(0, 2), second, 1, 2),
                ran(Call::Read, 1, 4, 5),
            ]
        };
        assert!(order(&history(0)).is_some());
        assert_eq!(order(&history(1)), None);
    }

    #[test]
    fn a_counter_gives_each_number_once() {
        let history = |last| {
            [
                ran(Call::Count, 2, 0, 5),
                ran(Call::Count, 1, 1, 6),
                ran(Call::Count, last, 2, 7),
            ]
        };
        assert_eq!(order(&history(3)), Some(vec![1, 0, 2]));
        assert_eq!(order(&history(2)), None);
    }

    #[test]
    fn what_nobody_knows_may_have_happened_or_not() {
        for seen in [0, 1] {
            let mut lost = ran(Call::Write(1), 0, 0, 1);
            lost.answer = None;
            assert!(order(&[lost, ran(Call::Read, seen, 2, 3)]).is_some());
        }
    }

    #[test]
    fn the_witness_is_what_cannot_be_explained_and_no_more() {
        let history = [
            ran(Call::Write(1), 0, 0, 1),
            ran(Call::Read, 1, 2, 3),
            ran(Call::Swap(1, 2), 1, 4, 7),
            ran(Call::Swap(1, 3), 1, 5, 6),
            ran(Call::Read, 2, 8, 9),
        ];
        assert_eq!(order(&history), None);
        assert_eq!(witness(&Register, &0, &history), [2, 3]);
    }

    /// Calls with instants at which they happened, within their beginnings and ends.
    fn overlapping() -> impl Strategy<Value = Vec<(Call, u64, u64, u64)>> {
        let call = prop::sample::select(vec![
            Call::Read,
            Call::Write(1),
            Call::Write(2),
            Call::Swap(1, 2),
            Call::Count,
        ]);
        prop::collection::vec((call, 0_u64..20, 0_u64..20, 0_u64..20), 0..9)
    }

    proptest! {
        /// Whatever really happened one call after another is explained, however the callers
        /// overlapped.
        #[test]
        fn what_happened_is_explained(calls in overlapping()) {
            let mut calls = calls;
            calls.sort_by_key(|(_, at, ..)| *at);
            let mut state = 0;
            // Room between the instants, so that no beginning is also an end.
            let history: Vec<_> = calls
                .iter()
                .enumerate()
                .map(|(number, (call, _, early, late))| {
                    let at = 100 * (number as u64 + 1);
                    let answer = Register.apply(&mut state, call);
                    ran(*call, answer, at.saturating_sub(early * 30), at + 1 + late * 30)
                })
                .collect();
            prop_assert!(order(&history).is_some());
        }

        /// An order that is given explains: it keeps to the intervals, and its answers are right.
        #[test]
        fn an_explanation_explains(calls in overlapping(), answers in prop::collection::vec(0_u8..3, 9)) {
            let history: Vec<_> = calls
                .iter()
                .zip(answers)
                .map(|((call, at, early, late), answer)| {
                    let at = 100 + 100 * at;
                    ran(*call, answer, at - early, at + 1 + 30 * late)
                })
                .collect();
            if let Some(order) = order(&history) {
                let mut state = 0;
                for (number, place) in order.iter().enumerate() {
                    let Ran { call, answer, began, .. } = &history[*place];
                    prop_assert!(order[number..].iter().all(|later| *began < history[*later].ended));
                    prop_assert!(Some(Register.apply(&mut state, call)) == *answer);
                }
            }
        }
    }
}
