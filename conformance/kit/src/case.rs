//! Cases: executable checks of rules, and the worlds that they run in.

use std::{
    any::type_name,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use portproof_ports::TenantId;

use crate::{CauseKind, Checked, Failure, Profile, Rule, Stores, Transcript};

/// What a case is while it runs.
pub type CaseFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a case gets: the target's stores, recorded, and tenants of its own.
///
/// All cases run at once on one store, each in its own tenants: that they do not meet is part of
/// what is proven.
#[derive(Clone, Debug)]
pub struct Context<S> {
    stores: S,
    second: S,
    transcript: Transcript,
    hooks: Arc<dyn Hooks<S>>,
    run: Arc<str>,
    tenants: Arc<AtomicU32>,
    /// For how long a call may hang.
    limit: Duration,
    verdict_only: bool,
}

impl<S: Stores> Context<S> {
    pub(crate) fn new(stores: &S, second: &S, hooks: Arc<dyn Hooks<S>>, limit: Duration) -> Self {
        let run: Arc<str> = format!("-{}", uuid::Uuid::new_v4().simple()).into();
        let transcript = Transcript::without(&run);
        Self {
            stores: stores.recorded(&transcript, "a"),
            second: second.recorded(&transcript, "b"),
            transcript,
            hooks,
            run,
            tenants: Arc::new(AtomicU32::new(0)),
            limit,
            verdict_only: false,
        }
    }

    /// For how long a call may hang.
    pub(crate) const fn limit(&self) -> Duration {
        self.limit
    }

    pub(crate) fn verdict_only(self, verdict_only: bool) -> Self {
        Self {
            verdict_only,
            ..self
        }
    }

    /// Whether a failure is to be shrunk to what shows it.
    pub(crate) const fn explains(&self) -> bool {
        !self.verdict_only
    }

    /// The stores, through the first handle.
    #[must_use]
    pub const fn stores(&self) -> &S {
        &self.stores
    }

    /// The same stores through a second handle, if the target opens one; else through the first.
    #[must_use]
    pub const fn second(&self) -> &S {
        &self.second
    }

    /// A tenant that nobody else uses. Ids of tenants of one case differ in case and in trailing
    /// spaces only, so that a backend that folds them is found out.
    ///
    /// # Errors
    ///
    /// None that a caller could cause.
    pub fn tenant(&self) -> Result<TenantId, Failure> {
        let number = self.tenants.fetch_add(1, Ordering::Relaxed);
        let base = format!("tenant-{}{}", number / 3, self.run);
        let id = match number % 3 {
            0 => base,
            1 => format!("{base} "),
            _ => base.to_uppercase(),
        };
        Ok(TenantId::new(id)?)
    }

    /// What the case did so far.
    #[must_use]
    pub const fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Opens the same store anew, as after a restart; what is read through it was kept.
    ///
    /// # Errors
    ///
    /// When the target has no such hook, or it fails.
    pub async fn reopen(&self) -> Result<S, Failure> {
        let reopened = self.hooks.reopen();
        let reopened = self.transcript.during("reopen", reopened).await?;
        Ok(reopened.recorded(&self.transcript, "reopened"))
    }

    /// All bytes that the backend keeps.
    ///
    /// # Errors
    ///
    /// When the target has no such hook, or it fails.
    pub async fn dump(&self) -> Result<Vec<u8>, Failure> {
        self.transcript.during("dump", self.hooks.dump()).await
    }
}

/// The hooks of a target, as a case reaches them.
#[async_trait::async_trait]
pub(crate) trait Hooks<S>: Send + Sync + fmt::Debug {
    async fn reopen(&self) -> Result<S, Failure>;
    async fn dump(&self) -> Result<Vec<u8>, Failure>;
}

/// What a case starts from: a store that holds more than the case needs.
///
/// A world is built for each case and checked after it: whatever a case does, the records that it
/// does not mean (the bystanders, in its own tenant and in another) must be as they were. So no
/// case can pass on an adapter that writes too much.
pub trait World: Sized + Send + Sync + 'static {
    /// What it is built on.
    type Stores: Stores;

    /// Stores what every case of the suite starts from.
    fn build(context: Context<Self::Stores>) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// Checks that every bystander is as it was.
    fn bystanders_unchanged(&self) -> impl Future<Output = Checked> + Send;
}

/// A rule and the check of it, over stores of type `S`.
pub struct Case<S> {
    /// The rule that it checks.
    pub rule: Rule,
    run: Run<S>,
    /// The name of the world that it starts from, if any.
    world: Option<&'static str>,
}

type Run<S> = Arc<dyn Fn(Context<S>) -> CaseFuture<'static, Checked> + Send + Sync>;

impl<S: Stores> Case<S> {
    /// A case over a world; written by [`#[rule]`](crate::rule).
    #[must_use]
    pub fn new<W: World<Stores = S>>(
        rule: Rule,
        check: for<'w> fn(&'w W) -> CaseFuture<'w, Checked>,
    ) -> Self {
        let run: Run<S> = Arc::new(move |context: Context<S>| -> CaseFuture<'static, Checked> {
            Box::pin(async move {
                let transcript = context.transcript().clone();
                let world = W::build(context).await.map_err(|failure| {
                    let of_fixture = failure.cause.is_none() && !failure.unavailable;
                    let failure = failure.while_("the fixture was being stored");
                    if of_fixture {
                        return failure.because_of(CauseKind::Fixture, type_name::<W>());
                    }
                    failure
                })?;
                transcript.begin_case();
                check(&world).await?;
                transcript.begin_afterwards();
                world.bystanders_unchanged().await.map_err(|failure| {
                    failure.while_("everything else was checked to be unchanged")
                })
            })
        });
        Self {
            rule,
            run,
            world: Some(type_name::<W>()),
        }
    }

    /// The name of the world that it starts from: one that could not be built once is not built
    /// again.
    pub(crate) const fn world(&self) -> Option<&'static str> {
        self.world
    }

    /// A case that looks after everything itself.
    #[must_use]
    pub fn of_context(
        rule: Rule,
        run: impl Fn(Context<S>) -> CaseFuture<'static, Checked> + Send + Sync + 'static,
    ) -> Self {
        Self {
            rule,
            run: Arc::new(run),
            world: None,
        }
    }

    pub(crate) fn run(&self, context: Context<S>) -> CaseFuture<'static, Checked> {
        (self.run)(context)
    }
}

impl<S> Clone for Case<S> {
    fn clone(&self) -> Self {
        Self {
            rule: self.rule.clone(),
            run: Arc::clone(&self.run),
            world: self.world,
        }
    }
}

impl<S> fmt::Debug for Case<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Case({})", self.rule.id)
    }
}

/// All the cases of a port, or of whatever else a custom suite is about.
#[derive(Clone, Debug)]
pub struct Suite<S> {
    /// The port's name: the first part of its rules' ids.
    pub port: &'static str,
    /// The cases, in the order in which they are read.
    pub cases: Vec<Case<S>>,
}

impl<S> Suite<S> {
    /// A suite of these cases; see [`cases!`](crate::cases).
    #[must_use]
    pub fn new(port: &'static str, cases: Vec<Case<S>>) -> Self {
        Self { port, cases }
    }

    /// The same suite, of a port that belongs to this profile instead of the core.
    #[must_use]
    pub fn of_profile(mut self, profile: Profile) -> Self {
        for case in &mut self.cases {
            case.rule.profile = profile;
        }
        self
    }
}

/// The cases of the rules with these names.
///
/// A rule that is left out is an unused function, which the compiler reports.
#[macro_export]
macro_rules! cases {
    ($($rule:path),* $(,)?) => { vec![$($rule()),*] };
}
