//! The web APIs do what their standards say: every file of `prelude/tests` runs inside a plugin, in a sandbox process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use mimir_sandbox::{HostCalls, PluginImage, PluginSandbox, SandboxOptions};
use mimir_shared_config::Limits;
use serde::Deserialize;

use crate::host::{EchoHost, before, image, process};

/// Fewer checks than this, and something was not run.
const LEAST_CHECKS: usize = 1_750;

/// What `runTests()` of the harness gives.
#[derive(Deserialize)]
struct Outcome {
    passed: usize,
    failures: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    value: Outcome,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("prelude/tests")
}

/// The test files, without the harness.
fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().is_some_and(|name| name != "harness.js"))
        .collect();
    files.sort();
    files
}

/// A plugin that runs the tests of a file when it is called. They look at huge values, and on a busy machine.
fn tests_image(path: &Path) -> PluginImage {
    let harness = fs::read_to_string(folder().join("harness.js")).unwrap();
    let tests = fs::read_to_string(path).unwrap();
    let code =
        format!("{harness}\n{tests}\nexport default () => ({{ on: {{ 'tool.execute.before': () => runTests() }} }});");
    let name = path.file_stem().unwrap().to_str().unwrap();
    let limits = Limits {
        cpu: Duration::from_secs(20),
        event: Duration::from_secs(40),
        init: Duration::from_secs(10),
        heap: 256 << 20,
        off_heap: 256 << 20,
        ..Limits::default()
    };
    PluginImage { limits, ..image(name, &code) }
}

/// The checks of one file that passed, and what is wrong with the others.
async fn check(path: &Path, has_guards: bool) -> Outcome {
    let options = SandboxOptions { placement: process(), keeps_spare: false, has_guards, ..SandboxOptions::default() };
    let sandbox = PluginSandbox::new(options, Arc::new(EchoHost::default()) as Arc<dyn HostCalls>, None);
    match before(&sandbox.plugin(tests_image(path))).await.result {
        Ok(answer) => serde_json::from_str::<Answer>(&answer).unwrap_or_else(|error| panic!("{error}: {answer}")).value,
        Err(failure) => Outcome { passed: 0, failures: vec![format!("did not run: {failure:?}")] },
    }
}

async fn check_all(files: &[PathBuf], has_guards: bool) -> usize {
    let mut passed = 0;
    let mut failures = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy();
        let outcome = check(path, has_guards).await;
        println!("{name}: {} checks passed", outcome.passed);
        if outcome.passed == 0 && outcome.failures.is_empty() {
            failures.push(format!("{name}: has no checks"));
        }
        passed += outcome.passed;
        failures.extend(outcome.failures.iter().map(|failure| format!("{name}: {failure}")));
    }
    assert!(failures.is_empty(), "{} failed beside {passed} that passed:\n{}", failures.len(), failures.join("\n"));
    passed
}

#[tokio::test]
async fn web_standards_hold() {
    let files = files();
    let strangers: Vec<_> = files.iter().filter(|path| path.extension().is_none_or(|it| it != "js")).collect();
    assert!(strangers.is_empty(), "what runs them? {strangers:?}");
    let passed = check_all(&files, true).await;
    println!("{passed} checks in {} files passed", files.len());
    assert!(passed >= LEAST_CHECKS, "only {passed} checks were run");
}

#[tokio::test]
async fn web_standards_hold_without_guards() {
    let files: Vec<PathBuf> = files().into_iter().filter(|path| !path.ends_with("guards.js")).collect();
    check_all(&files, false).await;
}

#[tokio::test]
async fn failing_checks_are_told() {
    let path = env::temp_dir().join(format!("mimir-sandbox-{}-failing.js", std::process::id()));
    fs::write(
        &path,
        "test('sums', () => { check(1 + 1, 3, 'one and one'); check(1, 1); throws(() => 5, 'TypeError') });",
    )
    .unwrap();
    let outcome = check(&path, true).await;
    fs::remove_file(&path).unwrap();
    assert_eq!(outcome.passed, 1);
    assert_eq!(outcome.failures, ["sums: one and one got 2, wanted 3", "sums:  gave 5, wanted a TypeError"]);
}
