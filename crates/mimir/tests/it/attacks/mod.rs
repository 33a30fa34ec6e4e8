//! The attack suite: every file of `fixtures/attacks` against the real binary, once as it is and once with the guard
//! taken out that its header names. What comes of it is judged by what Mimir reports and by what has become of the world.

mod case;
mod judge;
mod run;
mod server;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use mimir_shared_platform::Guard;

use self::case::{CLASSES, Case};
use crate::place::repository;

/// Names the cases to run, by the start of their path in `fixtures/attacks`.
const FILTER: &str = "CASES";
const AT_ONCE: usize = 2;
const AT_LEAST: usize = 80;

/// All files of all classes, and what is wrong with the headers of those that can't be read.
fn cases() -> (Vec<Case>, Vec<String>) {
    let root = repository().join("fixtures/attacks");
    let mut files: Vec<PathBuf> = Vec::new();
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&root).unwrap() {
        let folder = entry.unwrap().path();
        if folder.is_dir() {
            files.extend(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
        } else if !folder.ends_with("README.md") {
            wrong.push(format!("{}: cases lie in the folder of their class", folder.display()));
        }
    }
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        match Case::parse(&name, &fs::read_to_string(&file).unwrap()) {
            Ok(case) => cases.push(case),
            Err(error) => wrong.push(error),
        }
    }
    (cases, wrong)
}

#[test]
fn every_attack_ends_as_its_header_says() {
    let (cases, wrong) = cases();
    let filter = std::env::var(FILTER).unwrap_or_default();
    let chosen: Vec<&Case> = cases.iter().filter(|case| case.name.starts_with(&filter)).collect();
    assert!(!chosen.is_empty() || !wrong.is_empty(), "no case starts with {filter:?}");
    let failures = Mutex::new(wrong);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // A panic is a failure of this case, and the others still run
                    let checked = std::panic::catch_unwind(|| judge::check(case));
                    let failed =
                        checked.unwrap_or_else(|_| Err(format!("{}: the harness failed, see above", case.name)));
                    failures.lock().unwrap().extend(failed.err());
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    assert!(
        failures.is_empty(),
        "{} of {} cases do not end as their headers say:\n\n{}\n",
        failures.len(),
        chosen.len(),
        failures.join("\n\n")
    );
    println!("{} attacks ended as their headers say", chosen.len());
}

#[test]
fn every_class_has_cases() {
    let (cases, wrong) = cases();
    let mut counts: BTreeMap<&str, usize> = CLASSES.iter().map(|class| (*class, 0)).collect();
    for case in &cases {
        *counts.entry(&case.class).or_default() += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let empty: Vec<&str> = counts.iter().filter(|(_, count)| **count == 0).map(|(class, _)| *class).collect();
    assert!(empty.is_empty(), "classes without a case: {}", empty.join(", "));
    assert!(cases.len() >= AT_LEAST, "{} cases, and there should be {AT_LEAST}: {counts:?}", cases.len());
}

/// The proof that no case is held by accident: something gets through where its guard is missing.
#[test]
fn every_guard_has_an_attack_that_succeeds_without_it() {
    let (cases, _) = cases();
    let proven: BTreeSet<&str> =
        cases.iter().filter(|case| case.without.is_some()).map(|case| case.guard.name()).collect();
    let all: BTreeSet<&str> = Guard::ALL.iter().map(|guard| guard.name()).collect();
    let unproven: Vec<&str> = all.difference(&proven).copied().collect();
    assert!(unproven.is_empty(), "guards without such a case: {}", unproven.join(", "));
}
