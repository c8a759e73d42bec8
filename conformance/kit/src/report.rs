//! Reports: the verdicts of a run, checked against the catalogue.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    Cause, CauseKind, Environment, Hidden, Outcome, Profile, Rule, Stores, Suite, Target, Verdict,
    causes::{hidden, report_once},
    runner::{Options, Planned, Runner},
};

/// The version of the verdict files' format.
const FORMAT: u32 = 1;
/// How many cases of one target run at once, unless a selection says otherwise.
const AT_ONCE: usize = 8;
/// How many runs' verdicts are kept.
const RUNS_KEPT: usize = 8;

/// Which rules to check.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Those of the ports of these profiles; none for all.
    pub profiles: Vec<Profile>,
    /// Those of these ports; none for all.
    pub ports: Vec<String>,
    /// Those whose ids begin with one of these; none for all.
    pub rules: Vec<String>,
    /// Those that name this environment; none for all.
    pub environment: Option<Environment>,
    /// The command that checks a rule again, up to the rule's id, for the bug reports.
    pub again: Option<String>,
    /// Whether each rule is run and reported by itself, also when a cause that another rule has
    /// reported keeps it from being checked.
    pub apart: bool,
    /// How many cases run at once; 8 unless it says otherwise.
    pub at_once: Option<usize>,
    /// Whether only the verdicts are asked for: then what random calls find is not shrunk to the
    /// fewest calls that show it.
    pub verdicts_only: bool,
}

impl Selection {
    /// Whether it holds this rule.
    #[must_use]
    pub fn holds(&self, rule: &Rule) -> bool {
        let (port, id) = (rule.port(), rule.id);
        let has_profile = self.profiles.is_empty() || self.profiles.contains(&rule.profile);
        let has_port = self.ports.is_empty() || self.ports.iter().any(|p| p == port);
        let has_rule = self.rules.is_empty() || self.rules.iter().any(|r| id.starts_with(&**r));
        let has_environment = self
            .environment
            .is_none_or(|environment| rule.environments.contains(&environment));
        has_profile && has_port && has_rule && has_environment
    }
}

/// The verdicts of a run on one adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The adapter's name.
    pub adapter: String,
    /// What came of each rule, in the order of the suites.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// Whether at least one rule held, and every other did or is not claimed.
    #[must_use]
    pub fn is_green(&self) -> bool {
        self.count(Verdict::Held) > 0
            && self
                .outcomes
                .iter()
                .all(|o| matches!(o.verdict, Verdict::Held | Verdict::NotClaimed))
    }

    /// How many rules have this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.outcomes
            .iter()
            .filter(|o| o.verdict == verdict)
            .count()
    }

    /// The rules that are broken, with their bug reports.
    pub fn broken(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes
            .iter()
            .filter(|o| o.verdict == Verdict::Broken)
    }

    /// Why the store could not be opened: then no rule was checked.
    #[must_use]
    pub fn not_opened(&self) -> Option<&Cause> {
        let mut causes = self.outcomes.iter().filter_map(|one| one.cause.as_ref());
        causes.find(|cause| cause.kind == CauseKind::NotOpened)
    }

    /// The causes that rules were not run for, each with those rules. The rule that reports a cause
    /// is among the [broken](Self::broken) ones.
    #[must_use]
    pub fn hidden(&self) -> Vec<Hidden<'_>> {
        hidden(self)
    }

    /// All bug reports, each cause once, and what it hides; empty when nothing is broken.
    #[must_use]
    pub fn failures(&self) -> String {
        let broken = self.broken().filter_map(|one| one.failure.clone());
        let hidden = self.hidden();
        let hidden = hidden
            .iter()
            .map(|hidden| hidden.to_string().trim_end().to_owned());
        broken.chain(hidden).collect::<Vec<_>>().join("\n\n")
    }

    /// Merges the verdict files of a run, one report an adapter; a rule of `rules` without a file
    /// is [`Verdict::NotRun`].
    ///
    /// # Errors
    ///
    /// When the folder or a file cannot be read, or was written in another format.
    pub fn merge(folder: &Path, rules: &[&str]) -> io::Result<Vec<Self>> {
        let mut found: BTreeMap<String, BTreeMap<String, Outcome>> = BTreeMap::new();
        for adapter in fs::read_dir(folder)? {
            for file in fs::read_dir(adapter?.path())? {
                let path = file?.path();
                if path.extension().is_none_or(|extension| extension != "json") {
                    continue;
                }
                let fragment: Fragment = serde_json::from_slice(&fs::read(&path)?)?;
                if fragment.format != FORMAT {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!(
                            "{} has format {}, expected {FORMAT}",
                            path.display(),
                            fragment.format
                        ),
                    ));
                }
                let outcome = fragment.outcome;
                found
                    .entry(outcome.adapter.clone())
                    .or_default()
                    .insert(outcome.rule.clone(), outcome);
            }
        }
        Ok(found
            .into_iter()
            .map(|(adapter, mut outcomes)| {
                let ids: BTreeSet<&str> = rules.iter().copied().collect();
                let extra: Vec<String> = outcomes
                    .keys()
                    .filter(|id| !ids.contains(&***id))
                    .cloned()
                    .collect();
                let order = rules.iter().map(|&id| id.to_owned()).chain(extra);
                let mut outcomes: Vec<Outcome> = order
                    .map(|id| {
                        outcomes
                            .remove(&id)
                            .unwrap_or_else(|| Outcome::of(&adapter, &id))
                    })
                    .collect();
                report_once(&mut outcomes);
                Self { adapter, outcomes }
            })
            .collect())
    }
}

/// The bug reports, and a last line that says how many rules have which verdict.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures = self.failures();
        if !failures.is_empty() {
            writeln!(f, "{failures}\n")?;
        }
        let count = |verdict| self.count(verdict);
        write!(
            f,
            "{}: {} held, {} broken, {} waived, {} not claimed, {} not run",
            self.adapter,
            count(Verdict::Held),
            count(Verdict::Broken),
            count(Verdict::Waived),
            count(Verdict::NotClaimed),
            count(Verdict::NotRun),
        )
    }
}

/// Checks the selected rules of any suites on a target. `seen` gets each verdict as it falls.
pub async fn check_suites<S: Stores>(
    target: impl Target<S>,
    suites: Vec<Suite<S>>,
    selection: &Selection,
    mut seen: impl FnMut(&Outcome),
) -> Report {
    let options = Options {
        again: selection
            .again
            .clone()
            .unwrap_or_else(|| "check the rule".to_owned()),
        apart: selection.apart,
        verdicts_only: selection.verdicts_only,
    };
    let runner = Arc::new(Runner::new(Arc::new(target), &suites, options));
    let planned: Vec<Planned<S>> = runner
        .plan(suites)
        .into_iter()
        .filter(|planned| selection.holds(&planned.rule))
        .collect();
    let order: Vec<&'static str> = planned.iter().map(|planned| planned.rule.id).collect();
    let gate = Arc::new(Semaphore::new(selection.at_once.unwrap_or(AT_ONCE).max(1)));
    let mut tasks = JoinSet::new();
    for planned in planned {
        let (runner, gate) = (Arc::clone(&runner), Arc::clone(&gate));
        tasks.spawn(async move {
            // The gate is never closed; without a permit the case runs all the same.
            let _permit = gate.acquire().await;
            runner.run(&planned).await
        });
    }
    let mut outcomes = BTreeMap::new();
    while let Some(ended) = tasks.join_next().await {
        if let Ok(outcome) = ended {
            seen(&outcome);
            outcomes.insert(outcome.rule.clone(), outcome);
        }
    }
    let adapter = runner.adapter().to_owned();
    let outcomes = order
        .into_iter()
        .map(|id| {
            outcomes
                .remove(id)
                .unwrap_or_else(|| Outcome::of(&adapter, id))
        })
        .collect();
    Report { adapter, outcomes }
}

/// One verdict as a file.
#[derive(Serialize, Deserialize)]
struct Fragment {
    format: u32,
    #[serde(flatten)]
    outcome: Outcome,
}

/// Where a run's verdicts are written: `target/portproof/<run>/<adapter>/<rule>.json`.
#[derive(Debug)]
pub(crate) struct VerdictFolder(Option<PathBuf>);

impl VerdictFolder {
    /// The folder of this run. All processes of one nextest run share it.
    pub(crate) fn of_this_run(adapter: &str) -> Self {
        let Some(root) = verdict_root() else {
            return Self(None);
        };
        let nextest = env::var("NEXTEST_RUN_ID").ok();
        let run = nextest
            .clone()
            .unwrap_or_else(|| format!("cargo-{}", runs_us()));
        let folder = root.join(file_name(&run)).join(file_name(adapter));
        if nextest.is_none() {
            // Here one process runs all rules; what is there is of an older run.
            let _ = fs::remove_dir_all(&folder);
        }
        if !folder.exists() {
            prune(&root);
        }
        Self(fs::create_dir_all(&folder).is_ok().then_some(folder))
    }

    /// Writes verdicts that are known beforehand. Under nextest every process comes by here, and
    /// the first one writes: where the last verdict is, all are.
    pub(crate) fn write_once(&self, outcomes: &[Outcome]) -> io::Result<()> {
        let last = outcomes.last().and_then(|outcome| self.file(outcome));
        if last.is_some_and(|file| file.exists()) {
            return Ok(());
        }
        outcomes.iter().try_for_each(|outcome| self.write(outcome))
    }

    fn file(&self, outcome: &Outcome) -> Option<PathBuf> {
        let name = format!("{}.json", file_name(&outcome.rule));
        self.0.as_ref().map(|folder| folder.join(name))
    }

    /// Writes one verdict, whole or not at all.
    pub(crate) fn write(&self, outcome: &Outcome) -> io::Result<()> {
        let Some(path) = self.file(outcome) else {
            return Ok(());
        };
        let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
        let fragment = Fragment {
            format: FORMAT,
            outcome: outcome.clone(),
        };
        fs::write(&unfinished, serde_json::to_vec(&fragment)?)?;
        fs::rename(unfinished, path)
    }
}

/// The process that runs the test binaries of one `cargo test` one after the other.
fn runs_us() -> u32 {
    #[cfg(unix)]
    return std::os::unix::process::parent_id();
    #[cfg(not(unix))]
    return std::process::id();
}

/// `PORTPROOF_VERDICTS`, or `portproof` in the target folder that the test binary is in.
fn verdict_root() -> Option<PathBuf> {
    if let Some(root) = env::var_os("PORTPROOF_VERDICTS") {
        return Some(root.into());
    }
    let binary = env::current_exe().ok()?;
    // Cargo marks its target folder with this file.
    let target = binary
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())?;
    Some(target.join("portproof"))
}

/// Keeps the folder from growing with every run.
fn prune(root: &Path) {
    let Ok(runs) = fs::read_dir(root) else {
        return;
    };
    let mut runs: Vec<(SystemTime, PathBuf)> = runs
        .filter_map(Result::ok)
        .filter_map(|run| Some((run.metadata().ok()?.modified().ok()?, run.path())))
        .collect();
    runs.sort();
    let surplus = runs.len().saturating_sub(RUNS_KEPT);
    for (_, run) in runs.into_iter().take(surplus) {
        // Another process may be pruning as well.
        let _ = fs::remove_dir_all(run);
    }
}

fn file_name(id: &str) -> String {
    id.replace("::", ".")
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect()
}
