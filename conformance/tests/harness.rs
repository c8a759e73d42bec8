//! The kit compared with a model of what it should say: the toys, as values. `tests/runners.rs` of
//! the command line has the same model for the toys as test binaries.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod toys;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use portproof::{
    CauseKind, Checked, Context, Failure, Manifest, Opened, Outcome, Profile, Report, Selection,
    Suite, Target,
    Verdict::{self, Broken, Held, NotClaimed, NotRun, Waived},
    World, cases, check_suites,
    mutants::{Mutant, faulty, score},
    rule,
};
use portproof_memory::MemoryAdapter;
use portproof_ports::{
    Port, Ports, SessionStore, SessionStoreAnswer as Answer, SessionStoreCall, Timestamp,
    async_trait,
};

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
    for mut expected in model() {
        let name = expected.name;
        let says = |rule| expected.says_of(rule);
        let says: Vec<_> = expected.verdicts.map(|(rule, _)| says(rule)).into();
        let green = expected.count(Broken) + expected.count(Waived) == 0;
        let counts = expected.counts();
        let toy = std::mem::replace(&mut expected.toy, toy(|| Ok(right())));
        let report = verdicts(toy).await;
        assert_eq!(report.outcomes.len(), says.len(), "{name}");
        let reporter = expected.check_verdicts(&report);
        let reporter = reporter.unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        for ((rule, _), says) in expected.verdicts.into_iter().zip(says) {
            let Some(text) = &outcome(&report, rule).failure else {
                continue;
            };
            for said in says {
                assert!(text.contains(&said), "{name}: expected {said:?} in {text}");
            }
        }
        let hidden = report.hidden();
        assert_eq!(hidden.len(), usize::from(reporter.is_some()), "{name}");
        if let Some(reporter) = reporter {
            assert!(report.to_string().contains(&hidden[0].to_string()));
            let [.., not_run] = counts;
            let are = if not_run == 1 { "rule is" } else { "rules are" };
            let said = format!("toy: {not_run} {are} not run because of {reporter}: ");
            assert!(report.to_string().contains(&said), "{report}");
        }
        if let Some((rule, reason)) = expected.reason {
            assert_eq!(outcome(&report, rule).reason.as_deref(), Some(reason));
        }
        assert_eq!(report.is_green(), green, "{name}");
        let unavailable = expected.unavailable();
        let failed = report
            .outcomes
            .iter()
            .filter(|one| matches!(one.verdict, Broken | NotRun));
        for one in failed {
            assert_eq!(one.unavailable, unavailable, "{name}: {}", one.rule);
        }
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
    assert!(report.is_green(), "{report}");
}

#[tokio::test]
async fn a_claim_without_its_port_is_broken() {
    let report = portproof::check(Liar).await;
    assert_eq!(report.count(Held), 2, "only the kit's own two checks hold");
    let hidden = report.hidden();
    let claimed = ["identity", "session", "credentials", "keystore", "policies"];
    for port in claimed.into_iter().chain(["assignments", "transactions"]) {
        let of_port = |one: &&Outcome| one.port() == port;
        let reports: Vec<&Outcome> = report.broken().filter(of_port).collect();
        let [first] = *reports else {
            panic!("{port} has one report, got {reports:?}");
        };
        let text = first.failure.as_deref().unwrap();
        let missing = format!("claims the port `{port}`");
        assert!(text.contains(&missing), "{text}");
        let mut causes = hidden.iter();
        let cause = causes.find(|hidden| hidden.cause.subject == port).unwrap();
        assert_eq!(cause.cause.reported_by, first.rule);
        assert_eq!(cause.cause.kind, CauseKind::MissingPort);
        let not_run = report.outcomes.iter().filter(of_port);
        let not_run = not_run.filter(|one| one.verdict == NotRun).count();
        if port != "assignments" {
            // Two of its rules, of random calls, need policies first.
            let said = format!("  {port} ({not_run}): all\n");
            assert!(cause.to_string().contains(&said), "{cause}");
        }
    }
    assert_eq!(report.broken().count(), hidden.len());
}

/// A store that compares with the system's clock: one rule says so, and the others of the port are
/// not run because of it.
#[tokio::test]
async fn a_store_that_reads_a_clock_is_named_as_one() {
    struct Clocked(Manifest);

    #[async_trait]
    impl Target for Clocked {
        fn manifest(&self) -> Manifest {
            self.0.clone()
        }

        async fn open(&self) -> Opened<Ports> {
            let session: Arc<dyn SessionStore> = Arc::new(MemoryAdapter::new());
            let session = faulty(session, |store, call| async move {
                let SessionStoreCall::Get { tenant, id, .. } = call else {
                    return store.call(call).await;
                };
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                let now = Timestamp::from_micros(since.as_micros().try_into().unwrap())?;
                store.get(&tenant, &id, now).await.map(Answer::Get)
            });
            let mut ports = Ports::default();
            ports.session = Some(session);
            Ok(ports)
        }
    }

    let ports = ["identity", "credentials", "keystore", "policies"];
    let others = ["assignments", "transactions", "reopen", "dump"];
    let manifest = ports
        .iter()
        .chain(&others)
        .fold(Manifest::new("clocked"), |manifest, lacks| {
            manifest.lacks(*lacks, "it has sessions only")
        });
    let report = portproof::check(Clocked(manifest.clone())).await;
    let [preflight] = *report.broken().collect::<Vec<_>>() else {
        panic!("{report}");
    };
    assert_eq!(preflight.rule, "session::preflight::time_is_an_argument");
    let text = preflight.failure.as_deref().unwrap();
    assert!(
        text.contains("seems to read a clock, or to use a TTL"),
        "{text}"
    );
    let hidden = report.hidden();
    assert_eq!(hidden.len(), 1);
    assert_eq!(hidden[0].cause.kind, CauseKind::Preflight);
    assert_eq!(hidden[0].outcomes.len(), report.count(NotRun));
    assert!(report.count(NotRun) > 70, "{report}");
    // Only the kit's own two checks hold.
    assert_eq!(report.count(Held), 2, "{report}");
    assert!(report.to_string().lines().count() < 60, "{report}");
    // Who waives it sees what each of the others finds.
    let waives = "session::preflight::time_is_an_argument";
    let report = portproof::check(Clocked(manifest.waives(waives, "it is known"))).await;
    assert_eq!(report.count(NotRun), 0, "{report}");
    assert_eq!(report.count(Waived), 1, "{report}");
    assert!(report.broken().count() > 20, "{report}");
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
    assert!(report.is_green(), "{report}");
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
    assert!(report.is_green(), "{report}");
    let codes = report.outcomes.iter().filter(|o| o.port() == "codes");
    assert!(codes.clone().all(|outcome| outcome.verdict == NotClaimed));
    assert!(codes.count() > 50);
}
