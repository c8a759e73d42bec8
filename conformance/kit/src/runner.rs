//! Runs the cases of a target, one rule at a time.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    env, fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::OnceCell;

use crate::{
    Case, Cause, CauseKind, Context, Failure, Level, Manifest, Outcome, Profile, Rule, Stores,
    Suite, Target, Transcript, Verdict,
    case::Hooks,
    causes::{Causes, loss},
    transcript::Shown,
    verdict::BugReport,
    watch::Watchdog,
};

/// How long a call may be open without progress before it counts as hanging, in seconds, unless
/// `PORTPROOF_TIMEOUT_SECONDS` says otherwise.
const TIMEOUT_SECONDS: u64 = 60;

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

/// What came of a case, and the calls that it made.
type Ended = (crate::Checked, Transcript);

/// How a runner runs.
pub(crate) struct Options {
    /// The command that checks a rule again, up to the rule's id.
    pub(crate) again: String,
    /// Whether each rule is run, also when a cause that is known keeps it from being checked.
    pub(crate) apart: bool,
    /// Whether only the verdicts are asked for.
    pub(crate) verdicts_only: bool,
}

/// The rule of a port that runs before its others, and what came of it.
type Preflight<S> = (Case<S>, OnceCell<Ended>);

/// A target with its suites, opened when the first case runs.
pub(crate) struct Runner<S> {
    target: Arc<dyn Target<S>>,
    manifest: Manifest,
    problems: Vec<String>,
    /// The ports of the suites whose profiles the manifest does not claim.
    unclaimed: BTreeSet<(&'static str, Profile)>,
    opened: OnceCell<Result<(S, S), String>>,
    timeout: Duration,
    /// The rules that run before the others of their ports.
    preflights: BTreeMap<&'static str, Preflight<S>>,
    causes: Causes,
    options: Options,
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
    pub(crate) fn new(target: Arc<dyn Target<S>>, suites: &[Suite<S>], options: Options) -> Self {
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
        let cases = suites.iter().flat_map(|suite| &suite.cases);
        let preflights = cases
            .filter(|case| case.rule.is_preflight())
            .map(|case| (case.rule.port(), (case.clone(), OnceCell::new())))
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
            preflights,
            causes: Causes::default(),
            options,
        }
    }

    pub(crate) fn adapter(&self) -> &str {
        self.manifest.adapter()
    }

    /// What is wrong with the manifest, in one sentence.
    pub(crate) fn problem_of_manifest(&self) -> Option<String> {
        let problems = self.problems.join("; ");
        (!problems.is_empty()).then(|| format!("of the manifest: {problems}"))
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
        let mut outcome = Outcome::of(self.adapter(), rule.id);
        if let Plan::NotClaimed(reason) = &planned.plan {
            outcome.verdict = Verdict::NotClaimed;
            outcome.reason = Some(reason.clone());
            return outcome;
        }
        if let Some(cause) = self.hides(planned).await {
            outcome.not_run(cause);
            return outcome;
        }
        let (started, begun) = (Instant::now(), self.causes.begun());
        let (checked, transcript) = self.check_once(planned).await;
        outcome.millis = started.elapsed().as_secs_f64() * 1_000.0;
        outcome.calls = transcript.len();
        let is_case = matches!(planned.check, Check::Case(_));
        let (verdict, failure) = match (checked, &planned.plan) {
            (Ok(()), Plan::Waived(reason)) => (
                Verdict::Broken,
                Failure::new(format!(
                    "the manifest waives this rule ({reason}), but the adapter keeps it: remove the waiver"
                )),
            ),
            (Ok(()), _) => {
                outcome.verdict = Verdict::Held;
                if is_case {
                    self.causes.answered(begun);
                }
                return outcome;
            }
            (Err(failure), Plan::Waived(reason)) if !failure.unavailable => {
                outcome.reason = Some(reason.clone());
                (Verdict::Waived, failure)
            }
            (Err(failure), _) => (Verdict::Broken, failure),
        };
        // A race that lost the store half way through says what it counted.
        let is_lost = failure.unavailable || transcript.met_no_store();
        if is_case && !is_lost {
            self.causes.answered(begun);
        }
        outcome.verdict = verdict;
        outcome.unavailable = failure.unavailable;
        let message = transcript.plainly(&failure.message);
        if verdict == Verdict::Broken {
            outcome.cause = self.cause(rule.id, &failure, is_lost, &message);
            if let Some(cause) = &outcome.cause
                && cause.reported_by != rule.id
            {
                outcome.not_run(cause.clone());
                return outcome;
            }
        }
        let kind = outcome.cause.as_ref().map(|cause| cause.kind);
        let shown = match kind {
            _ if shows_all() => Shown::Whole,
            None | Some(CauseKind::Preflight) => Shown::Case,
            Some(CauseKind::StoreGone) if !failure.unavailable => Shown::Case,
            Some(_) => Shown::Last,
        };
        let transcript = transcript.shown(shown, failure.looked_at.as_deref());
        let report = BugReport {
            adapter: self.adapter(),
            rule,
            message: &message,
            at: is_case.then(|| failure.at.to_string()),
            transcript: &transcript,
            consequence: kind.map(CauseKind::consequence),
            again: &format!("{}{} {}", chosen(), self.options.again, rule.id),
        };
        outcome.failure = Some(report.to_string());
        outcome
    }

    /// The cause that is known to keep a rule from being checked.
    async fn hides(&self, planned: &Planned<S>) -> Option<Cause> {
        let Check::Case(case) = &planned.check else {
            return None;
        };
        if self.options.apart {
            return None;
        }
        if let Some(cause) = self.causes.given_up() {
            return Some(cause);
        }
        let port = planned.rule.port();
        if let Some(preflight) = self.preflights.get(port)
            && !planned.rule.is_preflight()
            // Who waives it wants to see the others.
            && self.plan_rule(port, &preflight.0.rule) == Plan::Run
            && let (Err(failure), transcript) = self.preflight(preflight).await
            && let Some((CauseKind::Preflight, _)) = failure.cause
        {
            let message = transcript.plainly(&failure.message);
            return self.cause(preflight.0.rule.id, failure, false, &message);
        }
        self.causes.known(CauseKind::Fixture, case.world()?)
    }

    /// The cause that a failure of `rule` shows, as the first rule that met it reported it.
    fn cause(&self, rule: &str, failure: &Failure, is_lost: bool, message: &str) -> Option<Cause> {
        let (kind, subject) = match &failure.cause {
            Some((kind, subject)) => (*kind, &**subject),
            None if is_lost => (CauseKind::StoreGone, loss(rule)),
            None => return None,
        };
        if self.options.apart {
            return None;
        }
        Some(self.causes.note(kind, subject, rule, message))
    }

    async fn check_once(&self, planned: &Planned<S>) -> Ended {
        match self.preflights.get(planned.rule.port()) {
            Some(preflight) if planned.rule.is_preflight() => {
                self.preflight(preflight).await.clone()
            }
            _ => self.check(&planned.check).await,
        }
    }

    /// Runs the rule that comes before the others of its port, once.
    async fn preflight<'a>(&self, (case, ended): &'a Preflight<S>) -> &'a Ended {
        let check = || async { self.check(&Check::Case(case.clone())).await };
        ended.get_or_init(check).await
    }

    async fn check(&self, check: &Check<S>) -> Ended {
        let nothing = Transcript::default();
        if let Check::Own(OwnCheck::Manifest) = check {
            return (self.check_manifest(), nothing);
        }
        let (first, second) = match self.opened().await {
            Ok(opened) => opened,
            Err(problem) => {
                let closed = Failure {
                    unavailable: true,
                    ..Failure::new(format!("the store could not be opened: {problem}"))
                };
                let closed = closed.because_of(CauseKind::NotOpened, "the store");
                return (Err(closed), nothing);
            }
        };
        let Check::Case(case) = check else {
            return (self.check_disclaimed(first).await, nothing);
        };
        let context = Context::new(
            first,
            second,
            Arc::new(TargetHooks(Arc::clone(&self.target))),
            self.timeout,
        )
        .verdict_only(self.options.verdicts_only);
        let transcript = context.transcript().clone();
        // A task of its own: a case that panics must not take the others down.
        let mut task = tokio::spawn(case.run(context));
        let mut watchdog = Watchdog::new(self.timeout);
        let checked = loop {
            match tokio::time::timeout(watchdog.pause(), &mut task).await {
                Ok(Ok(checked)) => break checked,
                Ok(Err(panicked)) => {
                    let text = panic_text(panicked);
                    break Err(Failure::new(format!("the case panicked: {text}")));
                }
                Err(_) => {
                    if let Some(hangs) = watchdog.look(&transcript.activity()) {
                        // Before the call that hangs is dropped, which would be noted as its end.
                        let found = transcript.close();
                        task.abort();
                        break Err(Failure::new(match found {
                            Some(found) => format!("{found}\n  (shrinking stopped: {hangs})"),
                            None => hangs,
                        }));
                    }
                }
            }
        };
        // What the case left running ends with its next call.
        transcript.end_case();
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
        let problem = self.problem_of_manifest();
        problem.map_or(Ok(()), |problem| Err(Failure::new(problem)))
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

/// Whether reports show all calls.
fn shows_all() -> bool {
    env::var("PORTPROOF_TRANSCRIPT").is_ok_and(|value| value == "whole")
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
            environments: &[],
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
            environments: &[],
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
        Ok(payload) => payload_text(&*payload),
        Err(_) => "it was cancelled".to_owned(),
    }
}

/// What a panic says.
pub(crate) fn payload_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a text").to_owned()
}

#[cfg(test)]
mod tests;
