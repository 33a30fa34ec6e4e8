//! Every program in `fixtures/runaways` is held: it is answered for within its limits, says which limit it was, and the
//! plugin beside it answers its next event. Once with the prelude's guards and once without, so that it is known what
//! the outer wall holds alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs};

use mimir_sandbox::{CallFailure, HostCalls, Limit, PluginSandbox, SandboxOptions};

use crate::host::{EchoHost, before, handler, image, process};

/// What a report about a program may say, as the programs' headers name it.
fn outcome(result: &Result<String, CallFailure>) -> &'static [&'static str] {
    match result {
        // Whether an answer makes sense is decided outside the sandbox.
        Ok(_) => &["passed", "invalid"],
        Err(CallFailure::Threw(_)) => &["threw"],
        Err(CallFailure::Start(_)) => &["init", "rejected", "threw"],
        Err(CallFailure::Limit { limit: Limit::Cpu, .. }) => &["cpu"],
        // On a busy machine the wall clock may be faster than the CPU clock.
        Err(CallFailure::Limit { limit: Limit::Time, .. }) => &["time", "cpu"],
        Err(CallFailure::Limit { limit: Limit::Init, .. }) => &["init"],
        Err(CallFailure::Limit { limit: Limit::Heap | Limit::OffHeap, .. }) => &["memory"],
        Err(CallFailure::Limit { limit: Limit::Output, .. }) => &["invalid"],
        Err(CallFailure::Invalid { .. }) => &["invalid"],
        Err(CallFailure::Crashed { .. }) => &["crashed"],
        Err(CallFailure::Lost | CallFailure::Interrupted | CallFailure::Unavailable { .. }) => &[],
    }
}

/// Which limit a program meets first is a race: what takes CPU time often takes memory too, and a built-in that reacts to
/// being stopped today may be in the middle of a collection tomorrow.
const LIMITS: [&str; 4] = ["cpu", "time", "memory", "crashed"];

fn is_expected(seen: &[&str], expected: &[String]) -> bool {
    let meets_limits = expected.iter().any(|word| LIMITS.contains(&word.as_str()));
    seen.iter().any(|word| expected.iter().any(|expected| expected == word) || (meets_limits && LIMITS.contains(word)))
}

struct Program {
    path: PathBuf,
    code: String,
    expected: Vec<String>,
}

fn programs() -> Vec<Program> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/runaways");
    let only = env::var("RUNAWAY").ok();
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "js"))
        .filter(|path| only.as_ref().is_none_or(|only| path.to_string_lossy().contains(only.as_str())))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let code = fs::read_to_string(&path).unwrap();
            let header = code.lines().find_map(|line| line.strip_prefix("// expect: "));
            let expected = header.unwrap_or_else(|| panic!("{} has no `// expect:`", path.display()));
            let expected = expected.split('|').map(|word| word.trim().to_owned()).collect();
            Program { path, code, expected }
        })
        .collect()
}

/// Limits of a tenth of the usual wall time, so that the programs that do nothing for ever end sooner.
const EVENT: Duration = Duration::from_millis(500);
const START: Duration = Duration::from_secs(1);

const TRIES: usize = 3;

async fn check(program: &Program, has_guards: bool) -> Result<(), String> {
    let options = SandboxOptions { placement: process(), keeps_spare: false, has_guards, ..SandboxOptions::default() };
    let host = Arc::new(EchoHost::default());
    let sandbox = PluginSandbox::new(options, Arc::clone(&host) as Arc<dyn HostCalls>, None);
    let neighbour = sandbox.plugin(handler("neighbour", "() => ({ reason: 'fine' })"));
    let mut image = image("runaway", &program.code);
    (image.limits.event, image.limits.init) = (EVENT, START);
    let runaway = sandbox.plugin(image);
    let healthy = |reply: &Result<String, CallFailure>| reply.as_deref() == Ok(r#"{"value":{"reason":"fine"}}"#);
    if !healthy(&before(&neighbour).await.result) {
        return Err("the neighbour did not start".into());
    }
    for round in 0..2 {
        let start = Instant::now();
        let reply = before(&runaway).await;
        let took = start.elapsed();
        let seen = outcome(&reply.result);
        if !is_expected(seen, &program.expected) {
            return Err(format!("round {round}: {seen:?} instead of {:?}: {:?}", program.expected, reply.result));
        }
        // Start and event have a limit each; the watchdog needs its grace, and the machine may be busy.
        let bound = START + EVENT + Duration::from_millis(500);
        if took > bound * 2 {
            return Err(format!("round {round}: took {took:?}: {:?}", reply.result));
        }
        let reply = before(&neighbour).await;
        if !healthy(&reply.result) {
            return Err(format!("round {round}: the neighbour's next event: {:?}", reply.result));
        }
    }
    Ok(())
}

async fn check_all(has_guards: bool) {
    let programs = programs();
    assert!(programs.len() >= 60 || env::var_os("RUNAWAY").is_some(), "only {} programs were found", programs.len());
    let mut failures = Vec::new();
    for program in &programs {
        let start = Instant::now();
        // Again where the machine was too busy for a program that is expected to be done within its limits.
        let mut result = check(program, has_guards).await;
        for _ in 1..TRIES {
            if result.is_err() {
                result = check(program, has_guards).await;
            }
        }
        if let Err(problem) = result {
            let name = program.path.file_name().unwrap().to_string_lossy().into_owned();
            failures.push(format!("{name}: {}", problem.chars().take(300).collect::<String>()));
        }
        if env::var_os("RUNAWAY_TIMES").is_some() {
            eprintln!("{:?} {:?}", program.path.file_name().unwrap(), start.elapsed());
        }
    }
    assert!(failures.is_empty(), "{} of {} were not held:\n{}", failures.len(), programs.len(), failures.join("\n"));
}

#[tokio::test]
async fn runaways_are_held() {
    check_all(true).await;
}

#[tokio::test]
async fn runaways_are_held_by_the_outer_wall_alone() {
    check_all(false).await;
}
