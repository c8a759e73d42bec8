//! Runs the cases of a target, one rule at a time.

use std::{
    collections::BTreeSet,
    env, fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use portproof_ports::Ports;
use tokio::sync::OnceCell;

use crate::{
    Case, Context, Failure, Level, Manifest, Outcome, Profile, Rule, Stores, Suite, Target,
    Transcript, Verdict, case::Hooks, verdict::BugReport,
};

/// How long a case may take before it counts as hanging, in seconds, unless
/// `PORTPROOF_TIMEOUT_SECONDS` says otherwise.
const TIMEOUT_SECONDS: u64 = 60;
/// After so many cases in a row that met no store, the rest is not tried any more: each would wait
/// for the same timeouts.
const GIVE_UP_AFTER: usize = 8;

/// What a manifest makes of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Run,
    /// It runs, and must be broken.
    Waived(String),
    NotClaimed(String),
}

/// A check of the kit's own: of the manifest, and of what it disclaims.
#[derive(Clone, Copy, Debug)]
enum OwnCheck {
    Manifest,
    Disclaimed,
}

/// A rule of a target, planned.
pub(crate) struct Planned<S> {
    pub(crate) rule: Rule,
    pub(crate) plan: Plan,
    check: Check<S>,
}

enum Check<S> {
    Case(Case<S>),
    Own(OwnCheck),
}

/// The command that checks a rule of an adapter again.
type Again = fn(adapter: &str, rule: &str) -> String;

/// A target with its suites, opened when the first case runs.
pub(crate) struct Runner<S> {
    target: Arc<dyn Target<S>>,
    manifest: Manifest,
    problems: Vec<String>,
    /// The ports of the suites whose profiles the manifest does not claim.
    unclaimed: BTreeSet<(&'static str, Profile)>,
    opened: OnceCell<Result<(S, S), String>>,
    timeout: Duration,
    /// How many cases in a row met no store.
    unavailable: AtomicUsize,
    /// What a person types to run a rule again.
    again: Again,
    verdicts_only: bool,
}

/// The hooks of a target, erased for cases.
struct TargetHooks<S>(Arc<dyn Target<S>>);

impl<S> fmt::Debug for TargetHooks<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TargetHooks")
    }
}

#[async_trait::async_trait]
impl<S: Stores> Hooks<S> for TargetHooks<S> {
    async fn reopen(&self) -> Result<S, Failure> {
        hooked("reopen", self.0.reopen().await)
    }

    async fn dump(&self) -> Result<Vec<u8>, Failure> {
        hooked("dump", self.0.dump().await)
    }
}

fn hooked<T>(hook: &str, answer: Option<crate::Opened<T>>) -> Result<T, Failure> {
    match answer {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(error)) => Err(Failure::new(format!(
            "the target's hook {hook} failed: {error}"
        ))),
        None => Err(Failure::new(format!(
            "the target claims `{hook}` and has no such hook; write it, or disclaim it with a reason"
        ))),
    }
}

impl<S: Stores> Runner<S> {
    pub(crate) fn new(target: Arc<dyn Target<S>>, suites: &[Suite<S>], again: Again) -> Self {
        let manifest = target.manifest();
        let problems = manifest.problems(suites);
        let unclaimed = suites
            .iter()
            .flat_map(|suite| {
                suite
                    .cases
                    .iter()
                    .map(|case| (suite.port, case.rule.profile))
            })
            .filter(|(_, profile)| !manifest.claims(*profile))
            .collect();
        let seconds = env::var("PORTPROOF_TIMEOUT_SECONDS")
            .ok()
            .and_then(|seconds| seconds.parse().ok())
            .unwrap_or(TIMEOUT_SECONDS);
        Self {
            target,
            manifest,
            problems,
            unclaimed,
            opened: OnceCell::new(),
            timeout: Duration::from_secs(seconds),
            unavailable: AtomicUsize::new(0),
            again,
            verdicts_only: false,
        }
    }

    /// The same, but for whether only verdicts are asked for.
    pub(crate) fn verdicts_only(self, verdicts_only: bool) -> Self {
        Self {
            verdicts_only,
            ..self
        }
    }

    pub(crate) fn adapter(&self) -> &str {
        self.manifest.adapter()
    }

    /// All rules of the suites, with what the manifest makes of them.
    pub(crate) fn plan(&self, suites: Vec<Suite<S>>) -> Vec<Planned<S>> {
        let mut planned = vec![own_rule(OwnCheck::Manifest)];
        if self.manifest.disclaimed().next().is_some() || !self.unclaimed.is_empty() {
            planned.push(own_rule(OwnCheck::Disclaimed));
        }
        for suite in suites {
            for case in suite.cases {
                planned.push(Planned {
                    plan: self.plan_rule(suite.port, &case.rule),
                    rule: case.rule.clone(),
                    check: Check::Case(case),
                });
            }
        }
        planned
    }

    fn plan_rule(&self, port: &str, rule: &Rule) -> Plan {
        let lacking = |what| self.manifest.reason_for_lacking(what);
        if let Some(reason) = lacking(port) {
            return Plan::NotClaimed(reason.to_owned());
        }
        if !self.manifest.claims(rule.profile) {
            return Plan::NotClaimed(format!(
                "the manifest does not claim the profile {}",
                rule.profile
            ));
        }
        if let Some(capability) = rule.capability {
            match (lacking(capability), rule.disclaimed) {
                (Some(reason), false) => return Plan::NotClaimed(reason.to_owned()),
                (None, true) => {
                    return Plan::NotClaimed(format!("it is for adapters without {capability}"));
                }
                _ => {}
            }
        }
        self.manifest
            .waiver(rule.id)
            .map_or(Plan::Run, |reason| Plan::Waived(reason.to_owned()))
    }

    /// Checks one rule.
    pub(crate) async fn run(&self, planned: &Planned<S>) -> Outcome {
        let rule = &planned.rule;
        let mut outcome = Outcome {
            adapter: self.adapter().to_owned(),
            rule: rule.id.to_owned(),
            verdict: Verdict::Held,
            reason: None,
            failure: None,
            unavailable: false,
            millis: 0.0,
            calls: 0,
        };
        if let Plan::NotClaimed(reason) = &planned.plan {
            outcome.verdict = Verdict::NotClaimed;
            outcome.reason = Some(reason.clone());
            return outcome;
        }
        let started = Instant::now();
        let (checked, transcript) = self.check(&planned.check).await;
        outcome.millis = started.elapsed().as_secs_f64() * 1_000.0;
        outcome.calls = transcript.len();
        let broken = match (checked, &planned.plan) {
            (Ok(()), Plan::Waived(reason)) => Some((
                Verdict::Broken,
                Failure::new(format!(
                    "the manifest waives this rule ({reason}), but the adapter keeps it: remove the waiver"
                )),
            )),
            (Ok(()), _) => None,
            (Err(failure), Plan::Waived(reason)) => {
                outcome.reason = Some(reason.clone());
                Some((Verdict::Waived, failure))
            }
            (Err(failure), _) => Some((Verdict::Broken, failure)),
        };
        if let Some((_, failure)) = &broken
            && failure.unavailable
        {
            outcome.unavailable = true;
            self.unavailable.fetch_add(1, Ordering::Relaxed);
        } else if matches!(planned.check, Check::Case(_)) {
            self.unavailable.store(0, Ordering::Relaxed);
        }
        if let Some((verdict, failure)) = broken {
            let whole = env::var("PORTPROOF_TRANSCRIPT").is_ok_and(|value| value == "whole");
            outcome.verdict = verdict;
            outcome.failure = Some(
                BugReport {
                    adapter: self.adapter(),
                    rule,
                    message: &transcript.plainly(&failure.message),
                    at: matches!(planned.check, Check::Case(_)).then(|| failure.at.to_string()),
                    transcript: &transcript.to_text(whole),
                    again: &format!("{}{}", chosen(), (self.again)(self.adapter(), rule.id)),
                }
                .to_string(),
            );
        }
        outcome
    }

    async fn check(&self, check: &Check<S>) -> (crate::Checked, Transcript) {
        let nothing = Transcript::default();
        if let Check::Own(OwnCheck::Manifest) = check {
            return (self.check_manifest(), nothing);
        }
        let (first, second) = match self.opened().await {
            Ok(opened) => opened,
            Err(problem) => {
                let closed = format!("the store could not be opened: {problem}");
                return (Err(unavailable(closed)), nothing);
            }
        };
        let Check::Case(case) = check else {
            return (self.check_disclaimed(first).await, nothing);
        };
        if self.unavailable.load(Ordering::Relaxed) >= GIVE_UP_AFTER {
            let gone =
                format!("not tried: the store did not answer {GIVE_UP_AFTER} cases in a row");
            return (Err(unavailable(gone)), nothing);
        }
        let context = Context::new(
            first,
            second,
            Arc::new(TargetHooks(Arc::clone(&self.target))),
        )
        .verdict_only(self.verdicts_only);
        let transcript = context.transcript().clone();
        // A task of its own: a case that panics must not take the others down.
        let mut task = tokio::spawn(case.run(context));
        let checked = match tokio::time::timeout(self.timeout, &mut task).await {
            Ok(Ok(checked)) => checked,
            Ok(Err(panicked)) => Err(Failure::new(format!(
                "the case panicked: {}",
                panic_text(panicked)
            ))),
            Err(_) => {
                transcript.close();
                task.abort();
                Err(Failure::new(format!(
                    "the case did not end within {} s; the last call without an answer hangs",
                    self.timeout.as_secs()
                )))
            }
        };
        // What the case left running ends with its next call.
        transcript.close();
        let checked = match transcript.without_end() {
            Some(message) => Err(Failure::new(message)),
            None => checked,
        };
        (checked, transcript)
    }

    async fn opened(&self) -> Result<&(S, S), &String> {
        self.opened
            .get_or_init(|| async {
                let open = async {
                    let first = self.target.open().await?;
                    let second = self.target.second(&first).await?;
                    Ok::<_, Box<dyn std::error::Error + Send + Sync>>((first, second))
                };
                match tokio::time::timeout(self.timeout, open).await {
                    Ok(opened) => opened.map_err(|error| error.to_string()),
                    Err(_) => Err(format!(
                        "the target did not open it within {} s",
                        self.timeout.as_secs()
                    )),
                }
            })
            .await
            .as_ref()
    }

    fn check_manifest(&self) -> crate::Checked {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "of the manifest: {}",
            self.problems.join("; ")
        )))
    }

    /// Ports and hooks that are disclaimed must not be there, and neither must ports of profiles
    /// that are not claimed; what is disclaimed of a port has rules of its own.
    async fn check_disclaimed(&self, stores: &S) -> crate::Checked {
        for (what, _) in self.manifest.disclaimed() {
            let there = match what {
                "reopen" => self.target.reopen().await.is_some(),
                "dump" => self.target.dump().await.is_some(),
                port => stores.offers(port),
            };
            if there {
                return Err(Failure::new(format!(
                    "the manifest disclaims `{what}`, but the target has it: claim it"
                )));
            }
        }
        for (port, profile) in &self.unclaimed {
            if stores.offers(port) {
                return Err(Failure::new(format!(
                    "the manifest does not claim the profile `{profile}`, but the target offers its port `{port}`: claim it, with `.profile(Profile::{})`",
                    profile.variant()
                )));
            }
        }
        Ok(())
    }
}

/// A failure to reach the store at all.
fn unavailable(message: String) -> Failure {
    Failure {
        unavailable: true,
        ..Failure::new(message)
    }
}

/// What was chosen for random calls, for a command that makes the same ones again.
fn chosen() -> String {
    ["PORTPROOF_SEED", "PORTPROOF_SEQUENCES"]
        .iter()
        .filter_map(|name| Some(format!("{name}={} ", env::var(name).ok()?)))
        .collect()
}

fn own_rule<S>(check: OwnCheck) -> Planned<S> {
    let rule = match &check {
        OwnCheck::Manifest => Rule {
            id: "target::manifest::is_sound",
            profile: Profile::Core,
            level: Level::Must,
            capability: None,
            disclaimed: false,
            text: "The manifest names ports, capabilities and rules that exist, once and with a reason.",
            why: "A typing error in a manifest would hide what it was meant to admit.",
            source: "the kit",
        },
        OwnCheck::Disclaimed => Rule {
            id: "target::disclaimed::is_absent",
            profile: Profile::Core,
            level: Level::Must,
            capability: None,
            disclaimed: false,
            text: "The ports and hooks that the manifest disclaims, or does not claim, are not there.",
            why: "A port that is there and never checked is used all the same.",
            source: "the kit",
        },
    };
    Planned {
        rule,
        plan: Plan::Run,
        check: Check::Own(check),
    }
}

fn panic_text(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "without a text".to_owned()),
        Err(_) => "it was cancelled".to_owned(),
    }
}

/// All rules of all suites, in order: the catalogue.
#[must_use]
pub fn catalogue() -> Vec<Rule> {
    crate::suites::all()
        .into_iter()
        .flat_map(|suite: Suite<Ports>| suite.cases)
        .map(|case| case.rule)
        .collect()
}
