use std::time::Duration;

use mimir_api::ApiLimits;
use serde_json::{Value, json};

use crate::harness::{Options, world, world_with};

fn output(stdout: &str) -> Value {
    json!({"exitCode": 0, "stdout": stdout, "stderr": ""})
}

#[tokio::test]
async fn runs_programs_without_a_shell() {
    let world = world();
    world
        .check("exec", json!({"command": "printf", "args": ["%s|", "$(id)", "a b", ";"]}), Ok(output("$(id)|a b|;|")))
        .await;
    world.check("exec", json!({"command": "printf '%s|' 'a b' c"}), Ok(output("a b|c|"))).await;
    world.check("exec", json!({"command": "cat", "args": [], "input": "in ü"}), Ok(output("in ü"))).await;
    world.check("exec", json!({"command": "pwd -P"}), Ok(output(&format!("{}\n", world.root.display())))).await;
    let cwd = json!({"command": "pwd", "args": ["-P"], "cwd": "src"});
    world.check("exec", cwd, Ok(output(&format!("{}/src\n", world.root.display())))).await;
    let env = json!({"command": "sh", "args": ["-c", "echo $CI"], "env": {"CI": "1"}});
    world.check("exec", env, Ok(output("1\n"))).await;
    let failed = json!({"command": "sh", "args": ["-c", "echo no >&2; exit 4"]});
    world.check("exec", failed, Ok(json!({"exitCode": 4, "stdout": "", "stderr": "no\n"}))).await;
    let killed = json!({"command": "sh", "args": ["-c", "kill -9 $$"]});
    world.check("exec", killed, Ok(json!({"exitCode": 137, "stdout": "", "stderr": ""}))).await;
    let bytes = json!({"command": "printf", "args": ["\\377"]});
    world.check("exec", bytes, Ok(output("\u{fffd}"))).await;
}

#[tokio::test]
async fn refuses_what_it_can_not_or_must_not_run() {
    let world = world();
    world.check("exec", json!({"command": "ls | wc"}), Err(("INVALID_ARGUMENT", "`|` is shell syntax"))).await;
    world.check("exec", json!({"command": ""}), Err(("INVALID_ARGUMENT", "empty"))).await;
    world.check("exec", json!({"command": "", "args": []}), Err(("INVALID_ARGUMENT", "empty"))).await;
    world.check("exec", json!({"command": "a", "args": ["\u{0}"]}), Err(("INVALID_ARGUMENT", "zero byte"))).await;
    world.check("exec", json!({"command": "ls", "args": [1]}), Err(("INVALID_ARGUMENT", "exec: "))).await;
    world.check("exec", json!({"command": "no-such-program"}), Err(("NOT_FOUND", "can't start"))).await;
    world
        .check("exec", json!({"command": "ls", "env": {"LD_PRELOAD": "x"}}), Err(("INVALID_ARGUMENT", "LD_PRELOAD")))
        .await;
    world.check("exec", json!({"command": "ls", "cwd": "out"}), Err(("CAPABILITY_DENIED", "outside"))).await;
    world.check("exec", json!({"command": "ls", "cwd": ".."}), Err(("CAPABILITY_DENIED", "outside"))).await;
    world.check("exec", json!({"command": "ls", "cwd": "src/a.ts"}), Err(("INVALID_ARGUMENT", "is no folder"))).await;
    world.check("exec", json!({"command": "./x"}), Err(("CAPABILITY_DENIED", "names `./x`"))).await;
    world.check("exec", json!({"command": "ls", "timeoutMs": 0}), Err(("INVALID_ARGUMENT", "timeoutMs"))).await;
    let slow = json!({"command": "sleep", "args": ["1000"], "timeoutMs": 100});
    world.check("exec", slow, Err(("TIMEOUT", "longer than 100 ms"))).await;

    let limits = ApiLimits { output: 100, input: 10, exec_max: Duration::from_millis(200), ..ApiLimits::default() };
    let small = world_with(Options { limits, ..Options::default() });
    small.check("exec", json!({"command": "yes"}), Err(("LIMIT", "the output of `yes`"))).await;
    small.check("exec", json!({"command": "cat", "input": "x".repeat(11)}), Err(("LIMIT", "input"))).await;
    let slow = json!({"command": "sleep", "args": ["1000"], "timeoutMs": 1e9});
    small.check("exec", slow, Err(("TIMEOUT", "longer than 200 ms"))).await;
}

#[tokio::test]
async fn a_program_of_the_project_is_named_by_its_path() {
    let capabilities = json!({"exec": {"enabled": true, "allowlist": ["./tool *", "out/tool", "*"]}});
    let world = world_with(Options { capabilities, ..Options::default() });
    let tool = world.root.join("tool");
    std::fs::copy("/bin/echo", &tool).unwrap();
    world.check("exec", json!({"command": "./tool hi"}), Ok(output("hi\n"))).await;
    world
        .check("exec", json!({"command": "./tool hi", "cwd": "src"}), Err(("INVALID_ARGUMENT", "could mean two")))
        .await;
    world.check("exec", json!({"command": "tool"}), Err(("NOT_FOUND", "can't start"))).await;
    std::fs::copy("/bin/echo", world.root.join("../outside/tool")).unwrap();
    world.check("exec", json!({"command": "out/tool"}), Err(("CAPABILITY_DENIED", "out of the project"))).await;
}

#[tokio::test]
async fn the_allowlist_matches_the_whole_command_line() {
    let capabilities = json!({"exec": {"enabled": true, "allowlist": ["printf *", "git status"]}});
    let world = world_with(Options { capabilities, ..Options::default() });
    world.check("exec", json!({"command": "printf x"}), Ok(output("x"))).await;
    world
        .check("exec", json!({"command": "git", "args": ["status", "-s"]}), Err(("CAPABILITY_DENIED", "git status -s")))
        .await;
    world.check("exec", json!({"command": "git status", "args": []}), Err(("CAPABILITY_DENIED", ""))).await;
    world.check("exec", json!({"command": "sh -c printf"}), Err(("CAPABILITY_DENIED", ""))).await;
}
