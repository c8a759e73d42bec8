//! Toys: a port that the kit has never heard of, and targets that hold, break, waive, disclaim, hang,
//! panic, lie and lose their store, each with what the kit should say of it.
//!
//! One model for all ways to run them: as values, and as test binaries under both runners.

use std::sync::{
    Arc, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use portproof::{
    CauseKind, Checked, Context, Failure, Manifest, Opened, Report, Suite, Target,
    Verdict::{self, Broken, Held, NotClaimed, NotRun, Waived},
    World, cases,
    check::{equal, fails},
    mutants::faulty,
    rule,
};
use portproof_ports::{ErrorKind, Port, PortError, PortResult, Ports, TenantId, async_trait, port};

/// Counts, by tenant.
#[port("counter")]
#[async_trait]
pub(crate) trait Counter: Send + Sync {
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
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(tenant.clone()).or_default();
        *count += 1;
        Ok(*count)
    }

    async fn reset(&self, tenant: &TenantId) -> PortResult<()> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(tenant);
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

pub(crate) fn suites() -> Vec<Suite<Arc<dyn Counter>>> {
    vec![Suite::new(
        "counter",
        cases![goes_up, starts_again, is_refused],
    )]
}

type Open = Box<dyn Fn() -> Opened<Arc<dyn Counter>> + Send + Sync>;

/// A target of the counter's.
pub(crate) struct Toy {
    pub(crate) manifest: Manifest,
    open: Open,
}

/// A target that opens like this.
pub(crate) fn toy(open: impl Fn() -> Opened<Arc<dyn Counter>> + Send + Sync + 'static) -> Toy {
    Toy {
        manifest: Manifest::new("toy")
            .lacks("reopen", "a toy")
            .lacks("dump", "a toy"),
        open: Box::new(open),
    }
}

/// A counter that is right.
pub(crate) fn right() -> Arc<dyn Counter> {
    Arc::new(Right::default())
}

/// A right counter whose answers `fault` replaces.
pub(crate) fn with<F, A>(fault: F) -> Toy
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

pub(crate) const MANIFEST: &str = "target::manifest::is_sound";
pub(crate) const DISCLAIMED: &str = "target::disclaimed::is_absent";
pub(crate) const GOES_UP: &str = "counter::count::goes_up_by_one";
pub(crate) const STARTS_AGAIN: &str = "counter::reset::starts_again";
pub(crate) const IS_REFUSED: &str = "counter::reset::is_refused";

/// A toy, and what the kit should say of it.
pub(crate) struct Expected {
    /// What it is called here; as a target it is called `toy`, unless that is what is wrong with it.
    pub(crate) name: &'static str,
    pub(crate) toy: Toy,
    /// What becomes of each rule, the kit's own two first.
    pub(crate) verdicts: [(&'static str, Verdict); 5],
    /// What all that is broken comes from, if it is one thing: then any one of these rules reports
    /// it, and the others are not run.
    pub(crate) cause: Option<CauseKind>,
    /// What the bug reports of rules say.
    says: Vec<(&'static str, &'static str)>,
    /// The reason that is shown for a rule.
    pub(crate) reason: Option<(&'static str, &'static str)>,
}

impl Toy {
    /// The same, whose manifest says something else.
    fn but(mut self, change: impl FnOnce(Manifest) -> Manifest) -> Self {
        self.manifest = change(self.manifest);
        self
    }

    /// What the kit should say of its three rules; of its manifest, that it is sound.
    fn is(self, name: &'static str, [goes_up, starts_again, is_refused]: [Verdict; 3]) -> Expected {
        Expected {
            name,
            toy: self,
            verdicts: [
                (MANIFEST, Held),
                (DISCLAIMED, Held),
                (GOES_UP, goes_up),
                (STARTS_AGAIN, starts_again),
                (IS_REFUSED, is_refused),
            ],
            cause: None,
            says: Vec::new(),
            reason: None,
        }
    }
}

impl Expected {
    fn saying(mut self, rule: &'static str, text: &'static str) -> Self {
        self.says.push((rule, text));
        self
    }

    fn because(self, rule: &'static str, reason: &'static str) -> Self {
        Self {
            reason: Some((rule, reason)),
            ..self
        }
    }

    fn with(mut self, rule: &'static str, verdict: Verdict) -> Self {
        for (known, expected) in &mut self.verdicts {
            if *known == rule {
                *expected = verdict;
            }
        }
        self
    }

    fn of_one_cause(self, kind: CauseKind) -> Self {
        Self {
            cause: Some(kind),
            ..self
        }
    }

    /// Whether what is broken is so because there is no store.
    pub(crate) fn unavailable(&self) -> bool {
        matches!(
            self.cause,
            Some(CauseKind::NotOpened | CauseKind::StoreGone)
        )
    }

    /// Checks the verdicts that were found, in order; answers the rule that reports the one cause.
    pub(crate) fn check_verdicts(&self, report: &Report) -> Result<Option<String>, String> {
        let mut reporter = None;
        let mut hidden = Vec::new();
        for (rule, verdict) in self.verdicts {
            let mut outcomes = report.outcomes.iter();
            let found = outcomes.find(|outcome| outcome.rule == rule);
            let found = found.ok_or_else(|| format!("{rule} has no verdict"))?;
            let kind = found.cause.as_ref().map(|cause| cause.kind);
            if self.cause.is_some() && verdict == Broken && kind == self.cause {
                match (found.verdict, &reporter) {
                    (Broken, None) => reporter = Some(rule.to_owned()),
                    (NotRun, _) => hidden.push(found),
                    _ => return Err(format!("{rule} reports the cause again")),
                }
            } else if found.verdict != verdict || kind.is_some() {
                return Err(format!("{rule} is {verdict}, got {found:?}"));
            }
        }
        for one in &hidden {
            let of = one.cause.as_ref().map(|cause| &cause.reported_by);
            if of != reporter.as_ref() || one.failure.is_some() {
                return Err(format!("{} names {reporter:?}, got {one:?}", one.rule));
            }
        }
        let broken = self.count(Broken);
        if self.cause.is_some() && hidden.len() + 1 != broken {
            return Err(format!("one of {broken} rules reports the cause"));
        }
        Ok(reporter)
    }

    /// The counts of the verdicts: held, broken, waived, not claimed, not run.
    pub(crate) fn counts(&self) -> [usize; 5] {
        let [held, broken, waived, not_claimed] =
            [Held, Broken, Waived, NotClaimed].map(|verdict| self.count(verdict));
        match self.cause {
            Some(_) => [held, 1, waived, not_claimed, broken - 1],
            None => [held, broken, waived, not_claimed, 0],
        }
    }

    /// Everything that a bug report about this rule says, but for how to run it again.
    pub(crate) fn says_of(&self, id: &'static str) -> Vec<String> {
        let mut says = vec![format!("{} breaks {id}", self.toy.manifest.adapter())];
        let rules = suites().into_iter().flat_map(|suite| suite.cases);
        for rule in rules.map(|case| case.rule).filter(|rule| rule.id == id) {
            says.push(format!("  rule    {}", rule.text));
            says.push(format!("  why     {}", rule.why));
            says.push(format!("  source  {}", rule.source));
        }
        // Any rule may report what they have in common.
        let of_rule = self.says.iter();
        let of_rule = of_rule.filter(|(of, _)| *of == id || self.cause.is_some());
        says.extend(of_rule.map(|(_, said)| (*said).to_owned()));
        says
    }

    /// How many rules have this verdict.
    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        let verdicts = self.verdicts.iter();
        verdicts.filter(|(_, known)| *known == verdict).count()
    }
}

/// Always the same count.
fn stuck() -> Toy {
    with(|_, call| async move {
        Ok(match call {
            CounterCall::Count { .. } => CounterAnswer::Count(1),
            CounterCall::Reset { .. } => CounterAnswer::Reset(()),
        })
    })
}

/// A toy that is right but for its resets.
fn with_reset<A>(reset: impl Fn() -> A + Clone + Send + Sync + 'static) -> Toy
where
    A: Future<Output = PortResult<()>> + Send + 'static,
{
    with(move |store, call| {
        let reset = reset.clone();
        async move {
            match call {
                CounterCall::Reset { .. } => reset().await.map(CounterAnswer::Reset),
                call => store.call(call).await,
            }
        }
    })
}

/// Does what every case asks for, and counts elsewhere as well.
fn overflowing() -> Toy {
    let all = Arc::new(AtomicU64::new(0));
    with(move |store, call| {
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
    })
}

/// All toys.
pub(crate) fn model() -> Vec<Expected> {
    let fine = || toy(|| Ok(right()));
    let only_goes_up = |manifest: Manifest| manifest.lacks("counter.reset", "it only goes up");
    let lists = [
        vec![
            fine().is("right", [Held, Held, NotClaimed]),
            stuck()
                .is("stuck", [Broken, Broken, NotClaimed])
                .saying(GOES_UP, "the second count\n    expected 2\n    got      1")
                .saying(GOES_UP, "toys/mod.rs:")
                .saying(
                    GOES_UP,
                    "counter.count { tenant: \"tenant-0\" }\n      -> 1",
                ),
            overflowing()
                .is("overflowing", [Broken, Broken, NotClaimed])
                .saying(GOES_UP, "everything else was checked to be unchanged"),
        ],
        vec![
            with_reset(async || Ok(()))
                .but(|manifest| manifest.waives(STARTS_AGAIN, "it is new"))
                .is("waived", [Held, Waived, NotClaimed])
                .because(STARTS_AGAIN, "it is new"),
            fine()
                .but(|manifest| manifest.waives(GOES_UP, "it was new"))
                .is("waived in vain", [Broken, Held, NotClaimed])
                .saying(GOES_UP, "remove the waiver"),
            with_reset(async || Err(PortError::Unsupported("reset".into())))
                .but(only_goes_up)
                .is("modest", [Held, NotClaimed, Held])
                .because(STARTS_AGAIN, "it only goes up"),
            fine()
                .but(only_goes_up)
                .is("too modest", [Held, NotClaimed, Broken])
                .saying(IS_REFUSED, "expected the error Unsupported"),
            fine()
                .but(|manifest| manifest.lacks("counter", "it has one all the same"))
                .is("hiding", [NotClaimed, NotClaimed, NotClaimed])
                .with(DISCLAIMED, Broken)
                .saying(DISCLAIMED, "disclaims `counter`")
                .because(GOES_UP, "it has one all the same"),
        ],
        vec![
            with(|store, call| async move {
                let resets = matches!(call, CounterCall::Reset { .. });
                assert!(!resets, "the adapter panics");
                store.call(call).await
            })
            .is("panicking", [Held, Broken, NotClaimed])
            .saying(STARTS_AGAIN, "panicked: the adapter panics")
            .saying(STARTS_AGAIN, "never answered"),
            with_reset(async || std::future::pending().await)
                .is("hanging", [Held, Broken, NotClaimed])
                .saying(STARTS_AGAIN, "a call hangs: for ")
                .saying(STARTS_AGAIN, "\n    a: counter.reset: open for ")
                .saying(STARTS_AGAIN, " s, polled 1 time, it was not woken since")
                .saying(
                    STARTS_AGAIN,
                    "counter.reset { tenant: \"tenant-0\" }\n      -> never answered",
                ),
            toy(|| Err("no server here".into()))
                .is("closed", [Broken, Broken, NotClaimed])
                .with(DISCLAIMED, Broken)
                .saying(GOES_UP, "the store could not be opened: no server here")
                .of_one_cause(CauseKind::NotOpened),
            with(|_, _| async { Err(PortError::Unavailable("gone".into())) })
                .is("gone", [Broken, Broken, NotClaimed])
                .saying(GOES_UP, "while the fixture was being stored")
                .of_one_cause(CauseKind::StoreGone),
            with(|_, _| async { Err(PortError::Backend("a bad key".into())) })
                .is("without a fixture", [Broken, Broken, NotClaimed])
                .saying(GOES_UP, "while the fixture was being stored")
                .saying(GOES_UP, "no rule that starts from this fixture")
                .of_one_cause(CauseKind::Fixture),
        ],
        liars(),
    ];
    lists.into_iter().flatten().collect()
}

/// Toys whose manifests are wrong.
fn liars() -> Vec<Expected> {
    let fine = || toy(|| Ok(right()));
    let lacks =
        |what: &'static str, why: &'static str| move |manifest: Manifest| manifest.lacks(what, why);
    let mut liars = vec![
        fine()
            .but(lacks("counters", "a typing error"))
            .is("mistyped", [Held, Held, NotClaimed])
            .saying(MANIFEST, "not something to lack"),
        fine()
            .but(lacks("counter.reset", " "))
            .is("unreasoned", [Held, NotClaimed, Broken])
            .saying(MANIFEST, "without a reason"),
        fine()
            .but(|manifest| manifest.waives("counter::count::goes_down", "no such rule"))
            .is("waiving nothing", [Held, Held, NotClaimed])
            .saying(MANIFEST, "not a rule"),
        fine()
            .but(lacks("counter.reset", "one"))
            .but(lacks("counter.reset", "two"))
            .is("stuttering", [Held, NotClaimed, Broken])
            .saying(MANIFEST, "twice"),
        fine()
            .but(|manifest| manifest.renamed(" "))
            .is("nameless", [Held, Held, NotClaimed])
            .saying(MANIFEST, "has no name"),
    ];
    for liar in &mut liars {
        liar.verdicts[0].1 = Broken;
    }
    liars
}

/// Claims the core ports and offers none.
pub(crate) struct Liar;

#[async_trait]
impl Target for Liar {
    fn manifest(&self) -> Manifest {
        Manifest::new("liar")
            .lacks("reopen", "a toy")
            .lacks("dump", "a toy")
    }

    async fn open(&self) -> Opened<Ports> {
        Ok(Ports::default())
    }
}
