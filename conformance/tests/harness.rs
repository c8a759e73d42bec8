//! The kit compared with a model of what it should say: the toys, as values. `tests/runners.rs` of
//! the command line has the same model for the toys as test binaries.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod toys;

use std::{sync::Arc, time::Duration};

use portproof::{
    Checked, Context, Failure, Manifest, Opened, Outcome, Profile, Report, Selection, Suite,
    Target,
    Verdict::{self, Broken, Held, NotClaimed, Waived},
    World, cases, check_suites,
    mutants::{Mutant, faulty, score},
    rule,
};
use portproof_memory::MemoryAdapter;
use portproof_ports::{Port, Ports, async_trait};

use toys::{Counter, CounterAnswer, Liar, Toy, model, right, suites, toy, with};

async fn verdicts(toy: Toy) -> Report {
    check_suites(toy, suites(), &Selection::default(), |_| {}).await
}

fn outcome<'a>(report: &'a Report, rule: &str) -> &'a Outcome {
    report
        .outcomes
        .iter()
        .find(|outcome| outcome.rule == rule)
        .unwrap()
}

fn failure<'a>(report: &'a Report, rule: &str) -> &'a str {
    outcome(report, rule).failure.as_deref().unwrap()
}

/// Time is stopped and goes on only when everything waits: nobody waits a minute for what hangs.
#[tokio::test(start_paused = true)]
async fn every_toy_gets_the_verdicts_of_the_model() {
    for expected in model() {
        let name = expected.name;
        let says = |rule| expected.says_of(rule);
        let says: Vec<_> = expected.verdicts.map(|(rule, _)| says(rule)).into();
        let green = expected.count(Broken) + expected.count(Waived) == 0;
        let report = verdicts(expected.toy).await;
        assert_eq!(report.outcomes.len(), says.len(), "{name}");
        for ((rule, verdict), says) in expected.verdicts.into_iter().zip(says) {
            let found = outcome(&report, rule);
            assert_eq!(
                found.verdict, verdict,
                "{name}: {rule}: {:?}",
                found.failure
            );
            let Some(text) = &found.failure else {
                continue;
            };
            for said in says {
                assert!(text.contains(&said), "{name}: expected {said:?} in {text}");
            }
        }
        if let Some((rule, reason)) = expected.reason {
            assert_eq!(outcome(&report, rule).reason.as_deref(), Some(reason));
        }
        assert_eq!(report.is_green(), green, "{name}");
        let unavailable = expected.unavailable;
        assert!(
            report.broken().all(|one| one.unavailable == unavailable),
            "{name}"
        );
    }
}

/// What counts as long as a counter answers.
struct Endless(Context<Arc<dyn Counter>>);

impl World for Endless {
    type Stores = Arc<dyn Counter>;

    async fn build(context: Context<Self::Stores>) -> Result<Self, Failure> {
        Ok(Self(context))
    }

    async fn bystanders_unchanged(&self) -> Checked {
        Ok(())
    }
}

/// Counts reach three.
///
/// Otherwise there is no end.
#[rule("counter::count::reaches_three", source = "this test")]
async fn reaches_three(w: &Endless) -> Checked {
    let tenant = w.0.tenant()?;
    while w.0.stores().count(&tenant).await? < 3 {}
    Ok(())
}

/// A task that the case leaves counts on.
///
/// Otherwise there is nothing to end.
#[rule("counter::count::goes_on_alone", source = "this test")]
async fn goes_on_alone(w: &Endless) -> Checked {
    let (tenant, counter) = (w.0.tenant()?, w.0.stores().clone());
    tokio::spawn(async move {
        while counter.count(&tenant).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    Ok(())
}

#[tokio::test]
async fn a_case_that_makes_calls_without_end_is_broken() {
    let endless = || vec![Suite::new("counter", cases![reaches_three])];
    let all = Selection::default();
    let report = check_suites(toy(|| Ok(right())), endless(), &all, |_| {}).await;
    assert!(report.is_green());
    let stuck = with(|_, _| async { Ok(CounterAnswer::Count(1)) });
    let report = check_suites(stuck, endless(), &all, |_| {}).await;
    let text = failure(&report, "counter::count::reaches_three");
    assert!(text.contains("calls and did not end"), "{text}");
}

/// A store that a forgotten task holds is never closed.
#[tokio::test]
async fn what_a_case_leaves_running_ends() {
    let store = right();
    let opened = Arc::clone(&store);
    let suite = vec![Suite::new("counter", cases![goes_on_alone])];
    let toy = toy(move || Ok(Arc::clone(&opened)));
    let report = check_suites(toy, suite, &Selection::default(), |_| {}).await;
    assert!(report.is_green());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(Arc::strong_count(&store), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_adapter_is_not_broken() {
    let report = verdicts(with(|store, call| async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        store.call(call).await
    }))
    .await;
    assert!(report.is_green());
}

#[tokio::test]
async fn a_claim_without_its_port_is_broken() {
    let report = portproof::check(Liar).await;
    let text = failure(&report, "session::ready::answers");
    assert!(text.contains("claims the port `session`"), "{text}");
    assert_eq!(report.count(Held), 2, "only the kit's own two checks hold");
}

#[tokio::test]
async fn nothing_selected_is_not_green() {
    let nothing = Selection {
        ports: vec!["no such port".to_owned()],
        ..Selection::default()
    };
    let report = check_suites(toy(|| Ok(right())), suites(), &nothing, |_| {}).await;
    assert!(report.outcomes.is_empty());
    assert!(!report.is_green());
}

#[tokio::test]
async fn a_custom_suite_is_scored_by_its_mutants() {
    let mutant = |id, breaks, fault: fn(CounterAnswer) -> CounterAnswer| {
        Mutant::new(id, breaks, move |store: Arc<dyn Counter>, _| {
            faulty(store, move |store, call| async move {
                store.call(call).await.map(fault)
            })
        })
    };
    let mutants = [
        mutant("counter::stuck", "counter::count::goes_up_by_one", |_| {
            CounterAnswer::Count(1)
        }),
        mutant(
            "counter::harmless",
            "counter::count::goes_up_by_one",
            |answer| answer,
        ),
    ];
    let results = score(
        || toy(|| Ok(right())),
        &suites(),
        &mutants,
        |_| Selection::default(),
        |_| {},
    )
    .await;
    assert!(results[0].is_killed());
    assert!(!results[1].is_killed());
    assert!(results[1].killed_by.is_empty());
}

/// Checks the verdicts of the two rules that a right counter keeps.
fn expect(report: &Report, count: Verdict, reset: Verdict) {
    let verdict = |rule| outcome(report, rule).verdict;
    assert_eq!(verdict("counter::count::goes_up_by_one"), count);
    assert_eq!(verdict("counter::reset::starts_again"), reset);
}

#[tokio::test]
async fn a_profile_is_claimed_by_name() {
    /// The verdicts of the counter as a port of another profile.
    async fn verdicts(toy: Toy) -> Report {
        let suites = suites()
            .into_iter()
            .map(|suite| suite.of_profile(Profile::Oauth));
        check_suites(toy, suites.collect(), &Selection::default(), |_| {}).await
    }

    let report = verdicts(toy(|| Ok(right()))).await;
    expect(&report, NotClaimed, NotClaimed);
    let reason = &outcome(&report, "counter::count::goes_up_by_one").reason;
    let said = "the manifest does not claim the profile oauth";
    assert_eq!(reason.as_deref(), Some(said));
    // It offers the port all the same.
    let text = failure(&report, "target::disclaimed::is_absent");
    assert!(text.contains(".profile(Profile::Oauth)"), "{text}");
    let mut claimed = toy(|| Ok(right()));
    claimed.manifest = claimed.manifest.profile(Profile::Oauth);
    let report = verdicts(claimed).await;
    expect(&report, Held, Held);
    assert!(report.is_green());
}

/// Whoever has the core ports need not know that there are profiles.
#[tokio::test]
async fn an_adapter_of_the_core_claims_nothing_else() {
    struct Core;

    #[async_trait]
    impl Target for Core {
        fn manifest(&self) -> Manifest {
            Manifest::new("core")
                .lacks("transactions", "its ports know nothing of each other")
                .lacks("reopen", "in memory")
                .lacks("dump", "in memory")
        }

        async fn open(&self) -> Opened<Ports> {
            let memory = MemoryAdapter::new();
            Ok(Ports::default()
                .with_identity(memory.clone())
                .with_session(memory.clone())
                .with_credentials(memory.clone())
                .with_keystore(memory.clone())
                .with_policies(memory.clone())
                .with_assignments(memory))
        }
    }

    let report = portproof::check(Core).await;
    assert!(report.is_green());
    let codes = report.outcomes.iter().filter(|o| o.port() == "codes");
    assert!(codes.clone().all(|outcome| outcome.verdict == NotClaimed));
    assert!(codes.count() > 50);
}
