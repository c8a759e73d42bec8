//! Every mutant is killed by the rule that it is made for, and every rule has a mutant.
//!
//! `PORTPROOF_MUTANTS=session` runs those of one port only, while one writes them.

use std::{collections::BTreeSet, env};

use portproof::{Report, Verdict, catalogue, check, mutants::score, suites};
use portproof_mutants::{Modest, Reference, all, its_rule, related, unfaulted};

fn selected(id: &str) -> bool {
    env::var("PORTPROOF_MUTANTS").map_or(true, |port| id.starts_with(&port))
}

fn held(report: &Report) -> impl Iterator<Item = &str> {
    report
        .outcomes
        .iter()
        .filter(|outcome| outcome.verdict == Verdict::Held)
        .map(|outcome| &*outcome.rule)
}

/// A mutant of an adapter that is not right itself would prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_references_keep_every_rule() {
    let reports = [
        check(Reference::default()).await,
        check(Modest::default()).await,
    ];
    for report in &reports {
        for broken in report.broken() {
            eprintln!("{}", broken.failure.as_deref().unwrap_or_default());
        }
        assert!(report.is_green());
    }
    let held: BTreeSet<&str> = reports.iter().flat_map(held).collect();
    for rule in catalogue() {
        assert!(held.contains(rule.id), "{} holds on no reference", rule.id);
    }
}

/// The same of what stands in for a port of the reference.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_for_a_port_keeps_its_rules() {
    let (suites, unfaulted) = (suites::all(), unfaulted());
    for result in score(Reference::default, &suites, &unfaulted, related, |_| {}).await {
        let none: [&str; 0] = [];
        assert_eq!(result.killed_by, none, "{}", result.id);
        let mut rules = catalogue().into_iter();
        assert!(rules.any(|rule| rule.id.starts_with(&format!("{}::", result.breaks))));
        assert_eq!(result.runs, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mutant_is_killed_by_its_rule() {
    let rules = catalogue();
    let disclaimed = |id| rules.iter().any(|rule| rule.id == id && rule.disclaimed);
    let (of_modest, of_reference): (Vec<_>, Vec<_>) = all()
        .into_iter()
        .filter(|mutant| selected(mutant.id))
        .partition(|mutant| disclaimed(mutant.breaks));
    assert!(!of_reference.is_empty());
    let suites = suites::all();
    let mut results = score(Reference::default, &suites, &of_reference, its_rule, |_| {}).await;
    results.extend(score(Modest::default, &suites, &of_modest, its_rule, |_| {}).await);
    let survivors: Vec<String> = results
        .iter()
        .filter(|result| !result.is_killed())
        .map(|result| {
            format!(
                "{} is not killed by {}, but by {:?}",
                result.id, result.breaks, result.killed_by
            )
        })
        .collect();
    assert!(survivors.is_empty(), "survivors:\n{}", survivors.join("\n"));
}

#[test]
fn every_rule_has_a_mutant() {
    let mutants = all();
    let broken: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.breaks).collect();
    let unbroken: Vec<&str> = catalogue()
        .iter()
        .map(|rule| rule.id)
        .filter(|id| selected(id) && !broken.contains(id))
        .collect();
    assert!(unbroken.is_empty(), "rules without a mutant: {unbroken:#?}");
}

#[test]
fn mutants_are_named_once_and_break_rules_that_exist() {
    let rules: BTreeSet<&str> = catalogue().iter().map(|rule| rule.id).collect();
    let mut names = BTreeSet::new();
    for mutant in all() {
        assert!(names.insert(mutant.id), "{} is there twice", mutant.id);
        assert!(
            rules.contains(mutant.breaks),
            "{} breaks an unknown rule",
            mutant.id
        );
    }
}
