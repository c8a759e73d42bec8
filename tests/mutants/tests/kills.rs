//! Every mutant is killed by the rule that it is made for, and every rule has a mutant.
//!
//! `PORTPROOF_MUTANTS=session` runs those of one port only, while one writes them.

use std::{collections::BTreeSet, env};

use portproof::{catalogue, mutants::score, suites};
use portproof_mutants::{Reference, all, related};

fn selected(id: &str) -> bool {
    env::var("PORTPROOF_MUTANTS").map_or(true, |port| id.starts_with(&port))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_keeps_every_rule() {
    let report = portproof::check(Reference::default()).await;
    for broken in report.broken() {
        eprintln!("{}", broken.failure.as_deref().unwrap_or_default());
    }
    assert!(report.is_green());
    assert_eq!(
        report.count(portproof::Verdict::Held),
        report.outcomes.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mutant_is_killed_by_its_rule() {
    let mutants: Vec<_> = all()
        .into_iter()
        .filter(|mutant| selected(mutant.id))
        .collect();
    assert!(!mutants.is_empty());
    let results = score(
        Reference::default,
        &suites::core(),
        &mutants,
        related,
        |_| {},
    )
    .await;
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
    let broken: BTreeSet<&str> = all().iter().map(|mutant| mutant.breaks).collect();
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
