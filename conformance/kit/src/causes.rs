//! Causes that keep many rules from being checked: each is reported once, by the rule that met it
//! first, and the others are not run because of it.

use std::{
    env, fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{Outcome, Report, Verdict};

/// After so many cases in a row that met no store, the rest is not tried any more: each would wait
/// for the same timeouts.
const GIVE_UP_AFTER: usize = 8;
/// The most characters of a cause's text.
const LONGEST: usize = 240;
/// How wide a list of rules is printed.
const WIDTH: usize = 96;

/// What kind of thing keeps rules from being checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// The store could not be opened: no rule can be checked.
    NotOpened,
    /// The store does not answer any more.
    StoreGone,
    /// The manifest claims a port that the adapter does not offer.
    MissingPort,
    /// The records that the rules start from could not be stored.
    Fixture,
    /// A rule that comes before all others of its port is broken.
    Preflight,
}

impl CauseKind {
    /// What it does to other rules, for the report of the rule that met it.
    pub(crate) const fn consequence(self) -> &'static str {
        match self {
            Self::NotOpened => "no rule can be checked without a store",
            Self::StoreGone => "no rule can be checked until the store answers",
            Self::MissingPort => "no rule of the port can be checked without it",
            Self::Fixture => "no rule that starts from this fixture can be checked",
            Self::Preflight => "the other rules of the port are not run",
        }
    }
}

/// Why a rule was not run, and which rule reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Its kind.
    pub kind: CauseKind,
    /// Which port, fixture or store it is about: the same kind and subject are the same cause.
    pub subject: String,
    /// What happened, in one line.
    pub text: String,
    /// The id of the rule whose outcome has the whole report.
    pub reported_by: String,
}

impl Cause {
    /// Whether it is the same one, whichever rule reports it.
    fn is_same(&self, other: &Self) -> bool {
        (self.kind, &self.subject) == (other.kind, &other.subject)
    }

    /// What a rule that was not run because of it says, in one line.
    pub(crate) fn line(&self) -> String {
        format!("because of {}: {}", self.reported_by, self.text)
    }
}

/// The causes that a run met so far.
#[derive(Debug, Default)]
pub(crate) struct Causes(Mutex<Met>);

#[derive(Debug, Default)]
struct Met {
    causes: Vec<Cause>,
    /// How often cases met no store.
    losses: usize,
    gone: Option<Gone>,
}

/// Cases in a row that met no store.
#[derive(Debug)]
struct Gone {
    /// What the first reported.
    cause: Cause,
    /// How many there are.
    count: usize,
    /// How many losses there were with the first.
    since: usize,
}

/// When a case began, among the losses of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun(usize);

impl Causes {
    fn met(&self) -> MutexGuard<'_, Met> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cause of this kind about this subject, when a rule met it.
    pub(crate) fn known(&self, kind: CauseKind, subject: &str) -> Option<Cause> {
        let met = self.met();
        let mut causes = met.causes.iter();
        causes
            .find(|cause| cause.kind == kind && cause.subject == subject)
            .cloned()
    }

    /// Notes that `rule` met this; answers the cause as the first rule that met it reported it.
    pub(crate) fn note(&self, kind: CauseKind, subject: &str, rule: &str, text: &str) -> Cause {
        let cause = Cause {
            kind,
            subject: subject.to_owned(),
            text: one_line(text),
            reported_by: rule.to_owned(),
        };
        let mut met = self.met();
        if kind == CauseKind::StoreGone {
            met.losses += 1;
            let since = met.losses;
            let gone = met.gone.get_or_insert(Gone {
                cause,
                count: 0,
                since,
            });
            gone.count += 1;
            return gone.cause.clone();
        }
        if let Some(first) = met.causes.iter().find(|known| known.is_same(&cause)) {
            return first.clone();
        }
        met.causes.push(cause.clone());
        cause
    }

    /// A case begins.
    pub(crate) fn begun(&self) -> Begun {
        Begun(self.met().losses)
    }

    /// The store answered a case. It is not gone, unless the case began before it was.
    pub(crate) fn answered(&self, begun: Begun) {
        self.met().gone.take_if(|gone| gone.since <= begun.0);
    }

    /// Why no case is tried any more, when so many in a row met no store.
    pub(crate) fn given_up(&self) -> Option<Cause> {
        let met = self.met();
        let gone = met.gone.as_ref()?;
        (gone.count >= GIVE_UP_AFTER).then(|| gone.cause.clone())
    }
}

/// Which loss of the store it is that `rule` met first: there may be several in a run. Under nextest
/// each process sees one rule, and takes it for the first.
pub(crate) fn loss(rule: &str) -> &str {
    if env::var_os("NEXTEST").is_some() {
        "the store"
    } else {
        rule
    }
}

/// A text of several lines as one, without the end of a long one.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Makes one report of what several processes reported, each of which saw its own rule only: the
/// first in the order of the rules keeps it.
pub(crate) fn report_once(outcomes: &mut [Outcome]) {
    let mut reported: Vec<Cause> = Vec::new();
    for outcome in outcomes.iter_mut() {
        let Some(cause) = &outcome.cause else {
            continue;
        };
        if outcome.verdict != Verdict::Broken {
            continue;
        }
        match reported.iter().find(|known| known.is_same(cause)) {
            Some(first) => outcome.not_run(first.clone()),
            None => reported.push(cause.clone()),
        }
    }
}

/// A cause, and the rules that were not run because of it.
#[derive(Debug)]
pub struct Hidden<'a> {
    /// The cause.
    pub cause: &'a Cause,
    /// The outcomes of the rules, in the order of the report.
    pub outcomes: Vec<&'a Outcome>,
    report: &'a Report,
}

/// The causes of a report that hide rules, each with those.
pub(crate) fn hidden(report: &Report) -> Vec<Hidden<'_>> {
    let mut all: Vec<Hidden<'_>> = Vec::new();
    for outcome in &report.outcomes {
        let (Some(cause), Verdict::NotRun) = (&outcome.cause, outcome.verdict) else {
            continue;
        };
        match all.iter_mut().find(|known| known.cause.is_same(cause)) {
            Some(known) => known.outcomes.push(outcome),
            None => all.push(Hidden {
                cause,
                outcomes: vec![outcome],
                report,
            }),
        }
    }
    all
}

/// The cause once, how many rules it hides, and which: of each port by their names, or all that were
/// selected but those with these names.
impl fmt::Display for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cause, count) = (self.cause, self.outcomes.len());
        let rules = if count == 1 { "rule is" } else { "rules are" };
        writeln!(
            f,
            "{}: {count} {rules} not run {}",
            self.report.adapter,
            cause.line()
        )?;
        let mut ports: Vec<&str> = self.outcomes.iter().map(|one| one.port()).collect();
        ports.dedup();
        for port in ports {
            let here = self.outcomes.iter().filter(|one| one.port() == port);
            let names: Vec<&str> = here.map(|one| name_in_port(&one.rule)).collect();
            let others = self.report.outcomes.iter().filter(|one| {
                // The rule that reports it among them.
                let has_cause = one.cause.as_ref().is_some_and(|its| its.is_same(cause));
                one.port() == port && one.verdict != Verdict::NotClaimed && !has_cause
            });
            let others: Vec<&str> = others.map(|one| name_in_port(&one.rule)).collect();
            write!(f, "  {port} ({}): ", names.len())?;
            if others.is_empty() {
                writeln!(f, "all")?;
            } else if others.len() < names.len() {
                writeln!(f, "all but{}", wrapped(&others))?;
            } else {
                writeln!(f, "{}", wrapped(&names).trim_start())?;
            }
        }
        Ok(())
    }
}

/// `rotate::ends_the_old_id` of `session::rotate::ends_the_old_id`.
fn name_in_port(rule: &str) -> &str {
    rule.split_once("::").map_or(rule, |(_, name)| name)
}

/// Names with commas, on lines that are not too long.
fn wrapped(names: &[&str]) -> String {
    let (mut text, mut width) = (String::new(), WIDTH);
    for (number, name) in names.iter().enumerate() {
        let comma = if number + 1 < names.len() { "," } else { "" };
        if width + name.len() + 2 > WIDTH {
            text.push_str("\n   ");
            width = 3;
        }
        text.push_str(&format!(" {name}{comma}"));
        width += name.len() + 2;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(causes: &Causes, rule: &str) -> String {
        let cause = causes.note(CauseKind::StoreGone, rule, rule, "gone");
        cause.reported_by
    }

    #[test]
    fn a_store_that_answers_later_was_not_gone() {
        let causes = Causes::default();
        let before = causes.begun();
        assert_eq!(lost(&causes, "one"), "one");
        // What began before the loss says nothing of what came after it.
        causes.answered(before);
        assert_eq!(lost(&causes, "two"), "one");
        causes.answered(causes.begun());
        assert_eq!(lost(&causes, "three"), "three");
    }

    #[test]
    fn a_store_that_is_lost_so_often_is_given_up() {
        let causes = Causes::default();
        for number in 0..GIVE_UP_AFTER {
            assert_eq!(causes.given_up(), None, "{number}");
            lost(&causes, "one");
        }
        assert!(causes.given_up().is_some());
    }
}
