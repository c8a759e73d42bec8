//! The kit compared with a model of what it should say: a port that it has never heard of, and
//! targets that hold, break, waive, disclaim, hang, panic, lie and lose their store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portproof::{
    Checked, Context, Failure, Manifest, Opened, Outcome, Profile, Report, Selection, Suite,
    Target, Verdict, World, cases,
    check::{equal, fails},
    check_suites,
    mutants::{Mutant, faulty, score},
    rule,
};
use portproof_memory::MemoryAdapter;
use portproof_ports::{ErrorKind, Port, PortError, PortResult, Ports, TenantId, async_trait, port};

/// Counts, by tenant.
#[port("counter")]
#[async_trait]
pub trait Counter: Send + Sync {
    /// Counts one; answers the count.
    async fn count(&self, tenant: &TenantId) -> PortResult<u64>;

    /// Starts again at none.
    async fn reset(&self, tenant: &TenantId) -> PortResult<()>;
}

/// A counter that is right, for one tenant at a time.
#[derive(Default)]
struct Right(std::sync::Mutex<std::collections::HashMap<TenantId, u64>>);

#[async_trait]
impl Counter for Right {
    async fn count(&self, tenant: &TenantId) -> PortResult<u64> {
        let mut counts = self.0.lock().unwrap();
        let count = counts.entry(tenant.clone()).or_default();
        *count += 1;
        Ok(*count)
    }

    async fn reset(&self, tenant: &TenantId) -> PortResult<()> {
        self.0.lock().unwrap().remove(tenant);
        Ok(())
    }
}

struct Counters {
    counter: Arc<dyn Counter>,
    tenant: TenantId,
    other: TenantId,
}

impl World for Counters {
    type Stores = Arc<dyn Counter>;

    async fn build(context: Context<Self::Stores>) -> Result<Self, Failure> {
        let (tenant, other) = (context.tenant()?, context.tenant()?);
        let counter = context.stores().clone();
        equal(
            "the first count elsewhere",
            &counter.count(&other).await?,
            &1,
        )?;
        Ok(Self {
            counter,
            tenant,
            other,
        })
    }

    async fn bystanders_unchanged(&self) -> Checked {
        equal(
            "the next count elsewhere",
            &self.counter.count(&self.other).await?,
            &2,
        )
    }
}

/// Counts go up by one.
///
/// Otherwise somebody is counted twice.
#[rule("counter::count::goes_up_by_one", source = "this test")]
async fn goes_up(w: &Counters) -> Checked {
    equal("the first count", &w.counter.count(&w.tenant).await?, &1)?;
    equal("the second count", &w.counter.count(&w.tenant).await?, &2)
}

/// After a reset counting starts again.
///
/// Otherwise nothing ever starts again.
#[rule(
    "counter::reset::starts_again",
    source = "this test",
    capability = "counter.reset"
)]
async fn starts_again(w: &Counters) -> Checked {
    w.counter.count(&w.tenant).await?;
    w.counter.reset(&w.tenant).await?;
    equal(
        "the count after a reset",
        &w.counter.count(&w.tenant).await?,
        &1,
    )
}

/// A reset that is disclaimed is refused.
///
/// Otherwise it is used, and does who knows what.
#[rule(
    "counter::reset::is_refused",
    source = "this test",
    capability = "counter.reset",
    disclaimed
)]
async fn is_refused(w: &Counters) -> Checked {
    fails(
        "a reset",
        w.counter.reset(&w.tenant).await,
        ErrorKind::Unsupported,
    )
}

fn suites() -> Vec<Suite<Arc<dyn Counter>>> {
    vec![Suite::new(
        "counter",
        cases![goes_up, starts_again, is_refused],
    )]
}

type Open = Box<dyn Fn() -> Opened<Arc<dyn Counter>> + Send + Sync>;

struct Toy {
    manifest: Manifest,
    open: Open,
}

fn toy(open: impl Fn() -> Opened<Arc<dyn Counter>> + Send + Sync + 'static) -> Toy {
    Toy {
        manifest: Manifest::new("toy")
            .lacks("reopen", "a toy")
            .lacks("dump", "a toy"),
        open: Box::new(open),
    }
}

fn right() -> Arc<dyn Counter> {
    Arc::new(Right::default())
}

/// A right counter whose answers `fault` replaces.
fn with<F, A>(fault: F) -> Toy
where
    F: Fn(Arc<dyn Counter>, CounterCall) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = PortResult<CounterAnswer>> + Send + 'static,
{
    toy(move || Ok(faulty(right(), fault.clone())))
}

#[async_trait]
impl Target<Arc<dyn Counter>> for Toy {
    fn manifest(&self) -> Manifest {
        self.manifest.clone()
    }

    async fn open(&self) -> Opened<Arc<dyn Counter>> {
        (self.open)()
    }
}

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

/// Fails unless the toy's three rules have these verdicts.
#[track_caller]
fn expect(report: &Report, goes_up: Verdict, starts_again: Verdict, is_refused: Verdict) {
    for (rule, expected) in [
        ("counter::count::goes_up_by_one", goes_up),
        ("counter::reset::starts_again", starts_again),
        ("counter::reset::is_refused", is_refused),
    ] {
        let outcome = outcome(report, rule);
        assert_eq!(outcome.verdict, expected, "{rule}: {:?}", outcome.failure);
    }
}

fn failure<'a>(report: &'a Report, rule: &str) -> &'a str {
    outcome(report, rule).failure.as_deref().unwrap()
}

use Verdict::{Broken, Held, NotClaimed, Waived};

#[tokio::test]
async fn a_right_adapter_is_green() {
    let report = verdicts(toy(|| Ok(right()))).await;
    expect(&report, Held, Held, NotClaimed);
    assert!(report.is_green());
}

#[tokio::test]
async fn a_broken_rule_is_a_bug_report() {
    let report = verdicts(with(|_, call| async move {
        Ok(match call {
            CounterCall::Count { .. } => CounterAnswer::Count(1),
            CounterCall::Reset { .. } => CounterAnswer::Reset(()),
        })
    }))
    .await;
    expect(&report, Broken, Broken, NotClaimed);
    assert!(!report.is_green());
    let text = failure(&report, "counter::count::goes_up_by_one");
    for said in [
        "toy breaks counter::count::goes_up_by_one",
        "Counts go up by one.",
        "Otherwise somebody is counted twice.",
        "the second count\n    expected 2\n    got      1",
        "harness.rs:",
        "counter.count { tenant: \"tenant-0\" }\n      -> 1",
    ] {
        assert!(text.contains(said), "expected {said:?} in {text}");
    }
}

/// Every case of this adapter does what it should; what it writes elsewhere gives it away.
#[tokio::test]
async fn what_happens_elsewhere_is_noticed() {
    let all = Arc::new(AtomicU64::new(0));
    let report = verdicts(with(move |store, call| {
        let all = Arc::clone(&all);
        async move {
            if let CounterCall::Count { tenant } = &call
                && all.fetch_add(1, Ordering::SeqCst) > 1
                && !tenant.as_str().ends_with(' ')
            {
                let neighbour = TenantId::new(format!("{} ", tenant.as_str()))?;
                store.count(&neighbour).await?;
            }
            store.call(call).await
        }
    }))
    .await;
    let text = failure(&report, "counter::count::goes_up_by_one");
    assert!(
        text.contains("everything else was checked to be unchanged"),
        "{text}"
    );
}

#[tokio::test]
async fn a_waiver_is_shown_and_must_be_needed() {
    let mut broken = with(|_, _| async { Err(PortError::not_found("anything")) });
    broken.manifest = broken
        .manifest
        .waives("counter::count::goes_up_by_one", "it is new");
    let report = verdicts(broken).await;
    expect(&report, Waived, Broken, NotClaimed);
    let waived = outcome(&report, "counter::count::goes_up_by_one");
    assert_eq!(waived.reason.as_deref(), Some("it is new"));
    let mut kept = toy(|| Ok(right()));
    kept.manifest = kept
        .manifest
        .waives("counter::count::goes_up_by_one", "it was new");
    let report = verdicts(kept).await;
    expect(&report, Broken, Held, NotClaimed);
    assert!(failure(&report, "counter::count::goes_up_by_one").contains("remove the waiver"));
}

#[tokio::test]
async fn what_is_disclaimed_must_be_refused() {
    let disclaim = |mut toy: Toy| {
        toy.manifest = toy.manifest.lacks("counter.reset", "it only goes up");
        toy
    };
    let honest = with(|store, call| async move {
        match call {
            CounterCall::Reset { .. } => Err(PortError::Unsupported("reset".into())),
            call => store.call(call).await,
        }
    });
    let report = verdicts(disclaim(honest)).await;
    expect(&report, Held, NotClaimed, Held);
    assert!(report.is_green());
    let over_modest = disclaim(toy(|| Ok(right())));
    expect(&verdicts(over_modest).await, Held, NotClaimed, Broken);
}

#[tokio::test]
async fn a_manifest_that_is_wrong_is_broken() {
    type Change = fn(Manifest) -> Manifest;
    let cases: [(Change, &str); 5] = [
        (
            |m| m.lacks("counters", "a typing error"),
            "not something to lack",
        ),
        (|m| m.lacks("counter.reset", " "), "without a reason"),
        (
            |m| m.waives("counter::count::goes_down", "no such rule"),
            "not a rule",
        ),
        (
            |m| {
                m.lacks("counter.reset", "one")
                    .lacks("counter.reset", "two")
            },
            "twice",
        ),
        (|m| m.renamed(" "), "has no name"),
    ];
    for (change, said) in cases {
        let mut wrong = toy(|| Ok(right()));
        wrong.manifest = change(wrong.manifest);
        let report = verdicts(wrong).await;
        let text = failure(&report, "target::manifest::is_sound");
        assert!(text.contains(said), "expected {said:?} in {text}");
        assert!(!report.is_green());
    }
}

#[tokio::test]
async fn a_port_that_is_disclaimed_and_there_is_broken() {
    let mut modest = toy(|| Ok(right()));
    modest.manifest = modest.manifest.lacks("counter", "it has one all the same");
    let report = verdicts(modest).await;
    expect(&report, NotClaimed, NotClaimed, NotClaimed);
    assert!(failure(&report, "target::disclaimed::is_absent").contains("disclaims `counter`"));
    assert!(!report.is_green());
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
    expect(&report, NotClaimed, NotClaimed, NotClaimed);
    let reason = &outcome(&report, "counter::count::goes_up_by_one").reason;
    let said = "the manifest does not claim the profile oauth";
    assert_eq!(reason.as_deref(), Some(said));
    // It offers the port all the same.
    let text = failure(&report, "target::disclaimed::is_absent");
    assert!(text.contains(".profile(Profile::Oauth)"), "{text}");
    let mut claimed = toy(|| Ok(right()));
    claimed.manifest = claimed.manifest.profile(Profile::Oauth);
    let report = verdicts(claimed).await;
    expect(&report, Held, Held, NotClaimed);
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

#[tokio::test]
async fn a_panic_takes_one_case_down() {
    let report = verdicts(with(|store, call| async move {
        assert!(
            !matches!(call, CounterCall::Reset { .. }),
            "the adapter panics"
        );
        store.call(call).await
    }))
    .await;
    expect(&report, Held, Broken, NotClaimed);
    let text = failure(&report, "counter::reset::starts_again");
    assert!(text.contains("panicked: the adapter panics"), "{text}");
    assert!(text.contains("never answered"), "{text}");
}

/// Time is stopped and goes on only when everything waits: nobody waits a minute here.
#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_is_told() {
    let report = verdicts(with(|store, call| async move {
        if matches!(call, CounterCall::Reset { .. }) {
            std::future::pending::<()>().await;
        }
        store.call(call).await
    }))
    .await;
    expect(&report, Held, Broken, NotClaimed);
    let text = failure(&report, "counter::reset::starts_again");
    assert!(text.contains("did not end within"), "{text}");
    assert!(
        text.contains("counter.reset") && text.contains("never answered"),
        "{text}"
    );
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
async fn a_store_that_does_not_open_breaks_every_rule() {
    let report = verdicts(toy(|| Err("no server here".into()))).await;
    expect(&report, Broken, Broken, NotClaimed);
    let broken = outcome(&report, "counter::count::goes_up_by_one");
    assert!(broken.unavailable);
    assert!(failure(&report, "counter::count::goes_up_by_one").contains("no server here"));
}

#[tokio::test]
async fn a_store_that_goes_away_is_told_from_a_broken_one() {
    let report = verdicts(with(|_, _| async {
        Err(PortError::Unavailable("gone".into()))
    }))
    .await;
    expect(&report, Broken, Broken, NotClaimed);
    assert!(report.broken().all(|outcome| outcome.unavailable));
}

#[tokio::test]
async fn a_claim_without_its_port_is_broken() {
    /// Claims the core ports and offers none.
    struct Liar;

    #[async_trait]
    impl Target for Liar {
        fn manifest(&self) -> Manifest {
            Manifest::new("liar")
                .lacks("reopen", "a toy")
                .lacks("dump", "a toy")
        }

        async fn open(&self) -> Opened<portproof_ports::Ports> {
            Ok(portproof_ports::Ports::default())
        }
    }

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
