//! Verdicts, and the bug reports that broken rules make.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Cause, CauseKind, Rule};

/// What came of a rule. Only [`Held`](Self::Held) is green.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The adapter keeps it.
    Held,
    /// The adapter breaks it, or its case could not run.
    Broken,
    /// The adapter breaks it, and its manifest says so.
    Waived,
    /// It does not apply: the manifest disclaims what it is about.
    NotClaimed,
    /// It was not checked: because of a cause that another rule reports, or because nothing ran it.
    /// That counts as failed.
    NotRun,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Held => "held",
            Self::Broken => "broken",
            Self::Waived => "waived",
            Self::NotClaimed => "not claimed",
            Self::NotRun => "not run",
        })
    }
}

/// What came of one rule on one adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The adapter's name.
    pub adapter: String,
    /// The rule's id.
    pub rule: String,
    /// What came of it.
    pub verdict: Verdict,
    /// Why it was waived, not claimed or not run.
    pub reason: Option<String>,
    /// The bug report, when it was broken, waived or not.
    pub failure: Option<String>,
    /// Whether its case could not run, because the store did not open or did not answer. That
    /// counts as broken.
    pub unavailable: bool,
    /// What kept it from being checked, and maybe other rules with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// How long its case took, in milliseconds.
    pub millis: f64,
    /// How many calls on the adapter its case made.
    pub calls: usize,
}

impl Outcome {
    /// What is known of a rule that did not run.
    pub(crate) fn of(adapter: &str, rule: &str) -> Self {
        Self {
            adapter: adapter.to_owned(),
            rule: rule.to_owned(),
            verdict: Verdict::NotRun,
            reason: None,
            failure: None,
            unavailable: false,
            cause: None,
            millis: 0.0,
            calls: 0,
        }
    }

    /// Makes it one of a rule that was not run because of this.
    pub(crate) fn not_run(&mut self, cause: Cause) {
        self.verdict = Verdict::NotRun;
        self.reason = Some(cause.line());
        self.failure = None;
        self.unavailable = matches!(cause.kind, CauseKind::NotOpened | CauseKind::StoreGone);
        self.cause = Some(cause);
    }

    /// The port that the rule belongs to.
    #[must_use]
    pub fn port(&self) -> &str {
        self.rule.split("::").next().unwrap_or(&self.rule)
    }
}

/// The text that a broken rule gets.
#[derive(Debug)]
pub(crate) struct BugReport<'a> {
    pub(crate) adapter: &'a str,
    pub(crate) rule: &'a Rule,
    pub(crate) message: &'a str,
    /// The line of the suite that noticed.
    pub(crate) at: Option<String>,
    pub(crate) transcript: &'a str,
    /// What it does to other rules.
    pub(crate) consequence: Option<&'static str>,
    pub(crate) again: &'a str,
}

impl fmt::Display for BugReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            adapter,
            rule,
            message,
            at,
            transcript,
            consequence,
            again,
        } = self;
        writeln!(f, "{adapter} breaks {}", rule.id)?;
        writeln!(f, "  rule    {}", rule.text)?;
        writeln!(f, "  why     {}", rule.why.replace('\n', "\n          "))?;
        writeln!(f, "  source  {}", rule.source)?;
        writeln!(f, "\n  {}", message.replace('\n', "\n  "))?;
        if let Some(at) = at {
            writeln!(f, "  noticed at {at}")?;
        }
        if let Some(consequence) = consequence {
            writeln!(f, "  so {consequence}")?;
        }
        if !transcript.is_empty() {
            writeln!(f, "\n  the calls that show it:\n{transcript}")?;
        }
        write!(f, "  again   {again}")
    }
}
