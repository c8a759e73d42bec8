//! The catalogue is committed: rules come, and neither go nor change their ids unnoticed.

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use portproof::{Environment, Rule, catalogue, suites};
use serde_json::Value;

fn committed() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("catalogue.json")
}

/// Ids that were rules once and are none any more; they are never used again.
const RETIRED: &[&str] = &[];

#[test]
fn the_committed_catalogue_is_the_one_that_runs() {
    let rules: Vec<Rule> = catalogue();
    let text = format!("{}\n", serde_json::to_string_pretty(&rules).unwrap());
    if env::var_os("PORTPROOF_BLESS").is_some() {
        fs::write(committed(), &text).unwrap();
    }
    let before = fs::read_to_string(committed()).unwrap();
    let before: Vec<Value> = serde_json::from_str(&before).unwrap();
    let now: Vec<Value> = serde_json::from_str(&text).unwrap();
    let ids = |rules: &[Value]| -> BTreeSet<String> {
        rules
            .iter()
            .filter_map(|rule| rule["id"].as_str().map(str::to_owned))
            .collect()
    };
    let lost: Vec<String> = ids(&before).difference(&ids(&now)).cloned().collect();
    assert!(
        lost.is_empty(),
        "rules that were published and do not run: {lost:#?}"
    );
    assert_eq!(
        before.len(),
        now.len(),
        "run `just catalogue` and commit what it writes"
    );
    for (before, now) in before.iter().zip(&now) {
        assert_eq!(
            before, now,
            "run `just catalogue` and commit what it writes"
        );
    }
}

#[test]
fn ids_are_unique_and_well_formed() {
    let mut seen = BTreeSet::new();
    for rule in catalogue() {
        assert!(seen.insert(rule.id), "{} is there twice", rule.id);
        assert!(!RETIRED.contains(&rule.id), "{} was retired", rule.id);
        let parts: Vec<&str> = rule.id.split("::").collect();
        assert_eq!(
            parts.len(),
            3,
            "{} is not port::subject::behaviour",
            rule.id
        );
        let plain = |part: &&str| {
            part.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        assert!(parts.iter().all(plain), "{} is not in lower case", rule.id);
    }
}

#[test]
fn every_rule_belongs_to_its_suite_and_says_what_and_why() {
    for suite in suites::all() {
        assert!(
            !suite.cases.is_empty(),
            "the suite of {} has no rules",
            suite.port
        );
        for case in &suite.cases {
            let rule = &case.rule;
            assert_eq!(rule.port(), suite.port, "{}", rule.id);
            assert!(rule.text.ends_with('.'), "{}: {}", rule.id, rule.text);
            assert!(rule.why.ends_with('.'), "{}: {}", rule.id, rule.why);
            assert!(!rule.source.trim().is_empty(), "{}", rule.id);
        }
    }
}

/// An environment in which no rule of a port runs would pass whatever the adapter does there.
#[test]
fn every_environment_has_rules_of_every_port() {
    for suite in suites::all() {
        for environment in Environment::ALL {
            let mut rules = suite.cases.iter().map(|case| &case.rule);
            // Transactions are no port: they hold none of their own instants, order or methods.
            let is_about_it = suite.port != "transactions"
                || matches!(environment, Environment::PoolOfOne | Environment::Isolation);
            assert!(
                !is_about_it || rules.any(|rule| rule.environments.contains(&environment)),
                "no rule of {} names {environment:?}",
                suite.port
            );
        }
    }
}
