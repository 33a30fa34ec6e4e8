//! Every bad example is rejected with the words in its `expected` file, and every rule has one.

#![allow(clippy::unwrap_used, reason = "a test that can't read its fixture fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::violation::Rule;
use super::workspace::Workspace;

/// `UPDATE_EXPECT=1` writes what the rules say now; read the difference before you commit it.
fn check(case: &Path, updating: bool) -> Vec<Rule> {
    let workspace = Workspace::read(&case.join("workspace")).unwrap();
    let violations = super::check(&workspace).unwrap();
    let said: String = violations.iter().map(|violation| format!("{violation}\n")).collect();
    let file = case.join("expected");
    if updating {
        fs::write(&file, &said).unwrap();
    }
    assert_eq!(said, fs::read_to_string(&file).unwrap_or_default(), "{}", case.display());
    violations.iter().map(|violation| violation.rule).collect()
}

#[test]
fn every_fixture_is_rejected_as_expected_and_every_rule_has_one() {
    let folder = crate::repository::root().join("fixtures/architecture");
    let updating = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut proven = BTreeSet::new();
    let mut accepted = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let case = entry.unwrap().path();
        if !case.is_dir() {
            continue;
        }
        let rules = check(&case, updating);
        if rules.is_empty() {
            accepted.push(case.file_name().unwrap().to_string_lossy().into_owned());
        }
        proven.extend(rules);
    }
    assert_eq!(accepted, ["good"], "only the good example may pass");
    let unproven: Vec<_> = Rule::ALL.iter().filter(|rule| !proven.contains(rule)).collect();
    assert!(unproven.is_empty(), "rules without a bad example: {unproven:?}");
}
