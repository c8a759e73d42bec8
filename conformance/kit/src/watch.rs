//! Watching a case: it distinguishes a call that hangs from a machine that is slow.
//!
//! What a case waits for is not always its adapter's fault. So time counts only while a case could
//! go on and does not: a call waits to be woken, or runs without an end. It does not count while a
//! call was woken and waits for its turn on the executor, or while the executor has no thread for
//! anything.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use tokio::{task::JoinHandle, time::Instant};

/// So many times the limit may a call take that is polled again and again, or that was woken and is
/// not polled although the executor has threads.
const PATIENCE_WITH_POLLS: u32 = 5;
/// So many times the limit may the executor have no thread for anything.
const PATIENCE_WITH_EXECUTOR: u32 = 10;
/// The most open calls that a message names.
const MOST_NAMED: usize = 8;

/// How far an open call has come: a waker that notes that it woke.
pub(crate) struct Progress {
    task: Waker,
    polls: AtomicU32,
    /// The adapter's code is running.
    runs: AtomicBool,
    /// It was woken since its last poll began.
    woken: AtomicBool,
}

impl Wake for Progress {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl Progress {
    /// What stands for this task in a call's polls: `before` as long as the task is the same.
    pub(crate) fn of(task: &Context<'_>, before: Option<Arc<Self>>) -> Arc<Self> {
        let polls = before.as_ref().map_or(0, |before| before.polls());
        match before {
            Some(before) if before.task.will_wake(task.waker()) => before,
            _ => Arc::new(Self {
                task: task.waker().clone(),
                polls: AtomicU32::new(polls),
                runs: AtomicBool::new(false),
                woken: AtomicBool::new(false),
            }),
        }
    }

    /// Polls once.
    pub(crate) fn poll<T>(
        self: &Arc<Self>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.woken.store(false, Ordering::Release);
        self.runs.store(true, Ordering::Release);
        self.polls.fetch_add(1, Ordering::Relaxed);
        let polled = poll(&mut Context::from_waker(&Waker::from(Arc::clone(self))));
        self.runs.store(false, Ordering::Release);
        polled
    }

    pub(crate) fn polls(&self) -> u32 {
        self.polls.load(Ordering::Relaxed)
    }

    pub(crate) fn state(&self) -> OpenState {
        if self.runs.load(Ordering::Acquire) {
            OpenState::Runs
        } else if self.woken.load(Ordering::Acquire) {
            OpenState::Woken
        } else {
            OpenState::Waits
        }
    }
}

/// What an open call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenState {
    /// It is being polled.
    Runs,
    /// It waits for something that wakes it.
    Waits,
    /// It was woken and waits for its turn.
    Woken,
}

/// A call that has not ended.
pub(crate) struct OpenCall {
    /// Which call through which handle.
    pub(crate) name: String,
    pub(crate) open_for: Duration,
    pub(crate) polls: u32,
    pub(crate) state: OpenState,
}

impl fmt::Display for OpenCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, polls, .. } = self;
        let seconds = self.open_for.as_secs_f64();
        let times = if *polls == 1 { "time" } else { "times" };
        let state = match self.state {
            OpenState::Runs => "it runs and does not give its thread back",
            OpenState::Waits => "it was not woken since",
            OpenState::Woken => "it was woken and waits for its turn",
        };
        write!(
            f,
            "{name}: open for {seconds:.1} s, polled {polls} {times}, {state}"
        )
    }
}

/// What a case does at a moment.
pub(crate) struct Activity {
    /// How many calls began and ended.
    pub(crate) steps: u64,
    /// The hook of the target that it waits for.
    pub(crate) hook: Option<&'static str>,
    /// Which call ended last, if any did.
    pub(crate) last: Option<String>,
    pub(crate) open: Vec<OpenCall>,
}

/// Looks at a case now and then, and says when it hangs.
pub(crate) struct Watchdog {
    limit: Duration,
    looked: Instant,
    /// The steps and polls of the last look.
    seen: (u64, u64),
    /// For how long there was no progress although there could have been.
    still: Duration,
    /// For how long no call began or ended although one could have.
    without_step: Duration,
    /// Ends when the executor has a thread for it.
    probe: JoinHandle<()>,
    /// For how long it has had none.
    without_thread: Duration,
}

impl Watchdog {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            looked: Instant::now(),
            seen: (0, 0),
            still: Duration::ZERO,
            without_step: Duration::ZERO,
            probe: tokio::spawn(async {}),
            without_thread: Duration::ZERO,
        }
    }

    /// How long to wait between two looks.
    pub(crate) fn pause(&self) -> Duration {
        (self.limit / 4).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }

    /// What keeps the case from its end, if it hangs.
    pub(crate) fn look(&mut self, case: &Activity) -> Option<String> {
        // Time in which this did not run either is not the case's.
        let passed = self.looked.elapsed().min(2 * self.pause());
        self.looked = Instant::now();
        let has_thread = self.probe.is_finished();
        if has_thread {
            self.probe = tokio::spawn(async {});
            self.without_thread = Duration::ZERO;
        } else {
            self.without_thread += passed;
        }
        let polls = case.open.iter().map(|call| u64::from(call.polls)).sum();
        let seen = std::mem::replace(&mut self.seen, (case.steps, polls));
        let is = |state| case.open.iter().any(|call| call.state == state);
        // A call that runs has a thread; for all else one must have been free.
        let could_go_on = has_thread || is(OpenState::Runs);
        if seen.0 != self.seen.0 {
            self.without_step = Duration::ZERO;
        } else if could_go_on {
            self.without_step += passed;
        }
        if seen != self.seen {
            self.still = Duration::ZERO;
        } else if could_go_on && !is(OpenState::Woken) {
            self.still += passed;
        }
        self.judged(case)
    }

    fn judged(&self, case: &Activity) -> Option<String> {
        let limit = self.limit.as_secs_f64();
        if self.still >= self.limit {
            return Some(match (case.open.is_empty(), case.hook) {
                (false, _) => format!(
                    "a call hangs: for {limit} s none began, none ended, and none that is open went on{}",
                    named(&case.open)
                ),
                (true, Some(hook)) => {
                    format!("the target's hook {hook} did not end within {limit} s")
                }
                (true, None) => format!(
                    "the case is stuck: for {limit} s no call was open, and none began; the case itself does not go on, or the machine is busy\n  the last call that ended: {}",
                    case.last.as_deref().unwrap_or("none")
                ),
            });
        }
        if self.without_step >= self.limit * PATIENCE_WITH_POLLS {
            return Some(format!(
                "a call does not come to its end: for {} s none began and none ended{}",
                limit * f64::from(PATIENCE_WITH_POLLS),
                named(&case.open)
            ));
        }
        if self.without_thread >= self.limit * PATIENCE_WITH_EXECUTOR {
            return Some(format!(
                "no task of the process had its turn for {} s: calls of other cases keep all threads of the executor, or the machine is busy{}",
                limit * f64::from(PATIENCE_WITH_EXECUTOR),
                named(&case.open)
            ));
        }
        None
    }
}

/// The calls, a line each.
fn named(open: &[OpenCall]) -> String {
    let mut text: String = open
        .iter()
        .take(MOST_NAMED)
        .map(|call| format!("\n  {call}"))
        .collect();
    if open.len() > MOST_NAMED {
        text += &format!("\n  and {} more", open.len() - MOST_NAMED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn case(steps: u64, open: Vec<OpenCall>) -> Activity {
        Activity {
            steps,
            hook: None,
            last: Some("a: session.get".to_owned()),
            open,
        }
    }

    fn open(polls: u32, state: OpenState) -> Vec<OpenCall> {
        vec![OpenCall {
            name: "a: session.touch".to_owned(),
            open_for: LIMIT,
            polls,
            state,
        }]
    }

    /// Looks each second for so long; answers what it says, and after how many seconds.
    async fn watched(seconds: u64, now: impl Fn(u64) -> Activity) -> Option<(u64, String)> {
        let mut watchdog = Watchdog::new(LIMIT);
        for second in 1..=seconds {
            tokio::time::sleep(watchdog.pause()).await;
            if let Some(said) = watchdog.look(&now(second)) {
                return Some((second, said));
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_not_woken_hangs_after_the_limit() {
        let waits = |_| case(7, open(2, OpenState::Waits));
        let (seconds, said) = watched(100, waits).await.unwrap();
        assert_eq!(seconds, 61, "{said}");
        let call = "a: session.touch: open for 60.0 s, polled 2 times, it was not woken since";
        assert!(said.contains(call), "{said}");
        let runs = |_| case(7, open(1, OpenState::Runs));
        let (seconds, said) = watched(100, runs).await.unwrap();
        assert_eq!(seconds, 61, "{said}");
        assert!(said.contains("does not give its thread back"), "{said}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_for_its_turn_has_more_time() {
        let woken = |_| case(7, open(2, OpenState::Woken));
        let (seconds, said) = watched(1_000, woken).await.unwrap();
        assert_eq!(seconds, 301, "{said}");
        assert!(said.contains("woken and waits for its turn"), "{said}");
    }

    #[tokio::test]
    async fn time_does_not_count_while_the_executor_has_no_thread() {
        let mut watchdog = Watchdog::new(Duration::from_millis(40));
        let mut looks = 0;
        let waits = || case(7, open(2, OpenState::Waits));
        let said = loop {
            // It blocks the only thread: nothing else has its turn.
            std::thread::sleep(watchdog.pause());
            looks += 1;
            if let Some(said) = watchdog.look(&waits()) {
                break said;
            }
        };
        assert!(looks >= 20, "{looks}");
        assert!(
            said.contains("no task of the process had its turn"),
            "{said}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_case_that_makes_progress_does_not_hang() {
        let steps = |second| case(second / 50, open(1, OpenState::Waits));
        assert_eq!(watched(10_000, steps).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_polled_for_ever_comes_to_an_end_later() {
        let polled = |second| case(7, open(second as u32, OpenState::Waits));
        let (seconds, said) = watched(1_000, polled).await.unwrap();
        assert_eq!(seconds, 301, "{said}");
        assert!(said.contains("polled 301 times"), "{said}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_case_without_an_open_call_is_stuck() {
        let (seconds, said) = watched(100, |_| case(7, vec![])).await.unwrap();
        assert_eq!(seconds, 61, "{said}");
        assert!(said.contains("no call was open"), "{said}");
        assert!(said.ends_with("ended: a: session.get"), "{said}");
    }

    #[test]
    fn a_call_notes_that_it_was_woken() {
        let task = Context::from_waker(Waker::noop());
        let progress = Progress::of(&task, None);
        let mut waker = None;
        let polled = progress.poll(|task| {
            assert_eq!(progress.state(), OpenState::Runs);
            waker = Some(task.waker().clone());
            Poll::<()>::Pending
        });
        assert!(polled.is_pending());
        assert_eq!(progress.state(), OpenState::Waits);
        waker.unwrap().wake();
        assert_eq!(progress.state(), OpenState::Woken);
        let again = Progress::of(&task, Some(progress));
        assert!(again.poll(|_| Poll::Ready(())).is_ready());
        assert_eq!(again.polls(), 2);
    }
}
