//! The runner on toys with a short limit: what hangs, and what was found before that.

use std::sync::atomic::{AtomicU32, Ordering};

use portproof_memory::MemoryAdapter;
use portproof_ports::{
    Port, PortError, PortResult, Ports, SessionStore, SessionStoreAnswer as Answer,
    SessionStoreCall as Call, Span, async_trait,
};

use super::*;
use crate::{Checked, Opened, cases, model::Nothing, mutants::faulty, rule};

const IN_TURN: &str = "session::random::calls_in_turn";
const LONG: Duration = Duration::from_secs(60);

mod random {
    crate::random_rules!(
        portproof_ports::SessionStoreCall,
        "session::random::calls_in_turn",
        "session::random::calls_at_once"
    );
}

/// The dump comes.
///
/// Otherwise there is nothing to look into.
#[rule("toy::hook::dumps", source = "this test", capability = "dump")]
async fn dumps(w: &Nothing) -> Checked {
    w.0.dump().await.map(drop)
}

/// Opens these ports.
struct Opens(Ports);

#[async_trait]
impl Target for Opens {
    fn manifest(&self) -> Manifest {
        Manifest::new("toy")
            .lacks("reopen", "a toy")
            .profiles(Profile::ALL)
    }

    async fn open(&self) -> Opened<Ports> {
        Ok(self.0.clone())
    }

    async fn dump(&self) -> Option<Opened<Vec<u8>>> {
        std::future::pending().await
    }
}

/// What becomes of a rule when a call may hang for so long.
async fn checked(rule: &str, limit: Duration, ports: Ports) -> Outcome {
    let suites = vec![
        Suite::new("session", random::cases()),
        Suite::new("toy", cases![dumps]),
    ];
    let options = Options {
        again: "check the rule".to_owned(),
        apart: false,
        verdicts_only: false,
    };
    let mut runner = Runner::new(Arc::new(Opens(ports)), &suites, options);
    runner.timeout = limit;
    let mut planned = runner.plan(suites).into_iter();
    let planned = planned.find(|planned| planned.rule.id == rule).unwrap();
    runner.run(&planned).await
}

/// The memory adapter, with sessions that answer as `fault` says.
fn sessions<A>(fault: impl Fn(Arc<dyn SessionStore>, Call) -> A + Send + Sync + 'static) -> Ports
where
    A: Future<Output = PortResult<Answer>> + Send + 'static,
{
    let mut ports = MemoryAdapter::new().ports();
    ports.session = ports.session.map(|port| faulty(port, fault));
    ports
}

/// Answers that a session was seen later than it was.
async fn touch_answers_wrongly(store: Arc<dyn SessionStore>, call: Call) -> PortResult<Answer> {
    let answer = store.call(call).await?;
    Ok(match answer {
        Answer::Touch(Some(mut session)) => {
            session.seen_at = session.seen_at.after(Span::MICROSECOND);
            Answer::Touch(Some(session))
        }
        answer => answer,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_test_ends_with_the_first_call_that_meets_no_store() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let ports = sessions(move |store, call| {
        let is_gone = counted.fetch_add(1, Ordering::SeqCst) >= 100;
        async move {
            if is_gone {
                return Err(PortError::Unavailable("gone".into()));
            }
            store.call(call).await
        }
    });
    let outcome = checked(IN_TURN, LONG, ports).await;
    assert!(outcome.unavailable, "{:?}", outcome.failure);
    assert_eq!(calls.load(Ordering::SeqCst), 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_test_reports_what_it_found_before_a_call_hung() {
    let wrong = Arc::new(AtomicU32::new(0));
    let ports = sessions(move |store, call| {
        let wrong = Arc::clone(&wrong);
        async move {
            let answer = touch_answers_wrongly(store, call).await;
            if matches!(answer, Ok(Answer::Touch(Some(_))))
                && wrong.fetch_add(1, Ordering::SeqCst) >= 2
            {
                std::future::pending::<()>().await;
            }
            answer
        }
    });
    let outcome = checked(IN_TURN, Duration::from_secs(1), ports).await;
    let text = outcome.failure.unwrap();
    for part in [
        "the adapter answers differently from the reference: Touch",
        "(shrinking stopped: a call hangs: for 1 s",
        "a: session.touch: open for",
    ] {
        assert!(text.contains(part), "expected {part:?} in {text}");
    }
    assert!(!text.contains("never answered"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_test_shows_no_call_that_can_be_left_out() {
    let outcome = checked(IN_TURN, LONG, sessions(touch_answers_wrongly)).await;
    let text = outcome.failure.unwrap();
    let calls = text.lines().filter(|line| line.contains(": session."));
    let calls: Vec<_> = calls.map(str::trim).collect();
    let is = |place: usize, call| calls.get(place).is_some_and(|line| line.contains(call));
    assert!(is(0, "session.create") && is(1, "session.touch"), "{text}");
    assert_eq!(calls.len(), 2, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shrinking_has_a_time_of_its_own() {
    let ports = sessions(|store, call| async move {
        let answer = touch_answers_wrongly(store, call).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        answer
    });
    let outcome = checked(IN_TURN, Duration::from_secs(2), ports).await;
    let text = outcome.failure.unwrap();
    assert!(text.contains("shrinking stopped: it took 1 s"), "{text}");
    assert!(
        text.contains("differently from the reference: Touch"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_hangs_is_named() {
    let outcome = checked("toy::hook::dumps", LONG, MemoryAdapter::new().ports()).await;
    let text = outcome.failure.unwrap();
    assert!(text.contains("hook dump did not end within 60 s"), "{text}");
}
