//! The page of known failures names rules that there are, and can be read as text.

use portproof::catalogue;

const PAGE: &str = include_str!("../COVERAGE.md");

/// Whether this is written as a rule's id is, or as a pattern of ids: `port::subject::behaviour`.
fn looks_like_a_rule(token: &str) -> bool {
    let named = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '*')
    };
    token.split("::").count() == 3 && token.split("::").all(named)
}

/// Whether a pattern names this id; a part that is `*` stands for any.
fn names(pattern: &str, id: &str) -> bool {
    pattern
        .split("::")
        .zip(id.split("::"))
        .all(|(pattern, part)| pattern == "*" || pattern == part)
}

#[test]
fn the_rules_that_are_named_exist() {
    let rules = catalogue();
    let named: Vec<&str> = PAGE
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|token| looks_like_a_rule(token))
        .collect();
    assert!(named.len() > 200, "only {} rules are named", named.len());
    let unknown: Vec<&&str> = named
        .iter()
        .filter(|pattern| !rules.iter().any(|rule| names(pattern, rule.id)))
        .collect();
    assert!(unknown.is_empty(), "no rules: {unknown:#?}");
}

#[test]
fn no_line_is_long() {
    for (number, line) in PAGE.lines().enumerate() {
        let length = line.chars().count();
        assert!(length <= 400, "line {} has {length} characters", number + 1);
        assert!(
            line.matches('`').count() % 2 == 0,
            "line {} has a backtick too many",
            number + 1
        );
    }
}
