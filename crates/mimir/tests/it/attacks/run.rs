//! One run of the real binary in a case's world.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use mimir_shared_platform::{Guard, WITHOUT_GUARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::case::Case;
use super::world::{SECRET_VARIABLE, World};
use crate::place::event;

/// Longer than any case may take, also on a busy machine.
const TOO_LONG: Duration = Duration::from_secs(90);
/// How long processes may take to go once Mimir has ended.
const PATIENCE: Duration = Duration::from_secs(5);
/// Names the company's policy in builds for tests; otherwise it lies where only an administrator writes.
const POLICY_VARIABLE: &str = "MIMIR_TEST_POLICY";

/// What a run left behind, beside the world itself.
pub(super) struct Ran {
    /// Whether it came to its end by itself, and well.
    pub(super) is_done: bool,
    pub(super) out: String,
    pub(super) err: String,
    /// Processes that outlived it.
    pub(super) left: Vec<String>,
}

/// The event and its payload, if the header says one.
pub(super) fn event_of(case: &Case) -> (&str, Option<&str>) {
    let text = case.value("event").unwrap_or("tool.execute.before");
    text.split_once(char::is_whitespace).map_or((text, None), |(name, payload)| (name, Some(payload.trim())))
}

/// The binary in the world, without anything of the real user's.
pub(super) fn command(world: &World, without: Option<Guard>) -> Command {
    let mut command = Command::new(&world.mimir);
    command
        .current_dir(world.path("project"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", world.root())
        .env("MIMIR_HOME", world.path("home"))
        .env("TMPDIR", world.path("tmp"))
        .env(SECRET_VARIABLE, &world.canaries["environment"])
        .stdin(Stdio::null())
        .process_group(0);
    if let Some(guard) = without {
        command.env(WITHOUT_GUARD, guard.name());
    }
    command.env(POLICY_VARIABLE, world.path("policy.yml"));
    command
}

/// Emits the case's event, with a guard or without.
pub(super) fn run(case: &Case, world: &mut World, without: Option<Guard>) -> Ran {
    // Outside of the world, which is compared afterwards
    let folder = TempDir::new().unwrap();
    let recording = folder.path().join("recording.ndjson");
    let times = case.value("times").map_or(1, |times| times.parse().unwrap());
    fs::write(&recording, recorded(case, world).repeat(times)).unwrap();

    let mut command = command(world, without);
    if let Some(guard) = without {
        command.env(WITHOUT_GUARD, [&[guard.name()], case.also.as_slice()].concat().join(","));
    }
    command.args(["replay", "--json"]).arg(&recording);
    let default =
        if case.plugin().starts_with("plugins/") { "--live --yes --plugins {world}/plugins" } else { "--live --yes" };
    command.args(world.filled(case.value("run").unwrap_or(default)).split_whitespace());
    for line in case.lines("env") {
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{}: `NAME=value`: {line}", case.name));
        command.env(name, world.filled(value));
    }
    let output = |name: &str| folder.path().join(name);
    command.stdout(File::create(output("out")).unwrap()).stderr(File::create(output("err")).unwrap());

    let mut child = command.spawn().unwrap();
    let process = child.id();
    let (sender, ended) = channel();
    thread::spawn(move || drop(sender.send(child.wait())));
    let status = ended.recv_timeout(TOO_LONG);
    if status.is_err() {
        kill(&format!("-{process}"));
    }
    world.rest();
    let left = left_over(world);
    let read = |name: &str| String::from_utf8_lossy(&fs::read(output(name)).unwrap()).into_owned();
    let is_done = status.is_ok_and(|status| status.unwrap().code().is_some_and(|code| code < 100));
    Ran { is_done, out: read("out"), err: read("err"), left }
}

fn recorded(case: &Case, world: &World) -> String {
    let path = |path: &str| world.path(path).display().to_string();
    let args = json!({
        "outside": path("outside"), "project": path("project"), "home": path("home"),
        "port": world.server.port, "port2": world.other.port,
    });
    let (name, payload) = event_of(case);
    let payload: Value = match payload {
        None => json!({"tool": "bash", "args": args, "callId": "call_1", "source": "builtin"}),
        Some(text) => {
            serde_json::from_str(&world.filled(text)).unwrap_or_else(|error| panic!("{}: {error}", case.name))
        }
    };
    event(name, &payload)
}

/// Waits until no process of this world is left, and ends those that stay.
fn left_over(world: &World) -> Vec<String> {
    let start = Instant::now();
    loop {
        let found = processes(world);
        if found.is_empty() || start.elapsed() > PATIENCE {
            found.iter().for_each(|(process, _)| kill(process));
            return found.into_iter().map(|(_, line)| line).collect();
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Those that run the world's program, stand in one of its folders, or name one in their arguments.
fn processes(world: &World) -> Vec<(String, String)> {
    let is_here = |path: &Path| fs::read_link(path).is_ok_and(|target| target.starts_with(world.root()));
    let mut found = Vec::new();
    for folder in fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()) {
        let id = folder.file_name().unwrap().to_string_lossy().into_owned();
        if !id.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let line = fs::read(folder.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if is_here(&folder.join("exe"))
            || is_here(&folder.join("cwd"))
            || line.contains(&*world.root().to_string_lossy())
        {
            found.push((id, line));
        }
    }
    found
}

fn kill(process: &str) {
    // Gone meanwhile is as good
    let _ = Command::new("kill").args(["-KILL", "--", process]).stderr(Stdio::null()).status();
}
