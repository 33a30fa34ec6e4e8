//! What plugins cost an agent: `mimir run` and `mimir plugin list` with them and without.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::median;
use super::programs::Programs;

/// Plugins that are enabled and listen to nothing that happens.
const IDLE: usize = 50;
/// Starts of each in a round.
const STARTS: usize = 10;
/// How long a plugin's files must have been as they are until a start relies on that, and a little more.
const SETTLED: Duration = Duration::from_millis(2500);
/// Calls of a tool in a run.
const CALLS: usize = 60;
/// The plugins that ship.
const SHIPPED: [&str; 5] = ["budget-alert", "formatter", "github-pr-comment", "precompact", "security-audit"];

/// A project, and a home of Mimir's with some plugins.
struct World {
    project: PathBuf,
    home: PathBuf,
}

impl World {
    /// An empty one, in place of what was there.
    fn new(folder: &Path) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        let world = Self { project: folder.join("project"), home: folder.join("home") };
        fs::create_dir_all(world.project.join(".git"))?;
        fs::create_dir_all(world.home.join("plugins"))?;
        fs::write(world.project.join("a.txt"), "one\ntwo\n")?;
        fs::write(world.home.join("config.yml"), "permissions: { allow: [bash] }\n")?;
        Ok(world)
    }

    fn mimir(&self, programs: &Programs, args: &[&str]) -> Command {
        let mut command = programs.mimir();
        command.args(args).current_dir(&self.project).env("MIMIR_HOME", &self.home).stdin(Stdio::null());
        command
    }

    fn grant(&self, programs: &Programs, plugin: &str) -> Result<()> {
        let output = self.mimir(programs, &["plugin", "grant", plugin, "--yes"]).output()?;
        ensure!(output.status.success(), "{plugin}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Milliseconds from start to end.
    fn time(&self, programs: &Programs, args: &[&str]) -> Result<f64> {
        let mut command = self.mimir(programs, args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let status = command.status()?;
        ensure!(status.success(), "`mimir {}` failed ({status})", args.join(" "));
        Ok(start.elapsed().as_secs_f64() * 1e3)
    }
}

/// Milliseconds of a command without plugins, and with fifty that it has no use for: medians of one round. The first runs,
/// which bundle the plugins, learn what they add and remember them, do not count.
pub(super) fn idle(root: &Path, programs: &Programs, key: &str) -> Result<(f64, f64)> {
    let folder = root.join("target/bench").join(key);
    let (without, with) = (World::new(&folder.join("without"))?, World::new(&folder.join("with"))?);
    for number in 0..IDLE {
        let name = format!("idle-{number}");
        let plugin = with.home.join("plugins").join(&name);
        fs::create_dir_all(&plugin)?;
        fs::write(plugin.join("plugin.yml"), format!("name: {name}\nversion: 1.0.0\nevents: [session.compacting]\n"))?;
        let code = "export default async () => ({ on: { 'session.compacting': () => {} } });\n";
        fs::write(plugin.join("index.ts"), code)?;
        with.grant(programs, &name)?;
    }
    let scenario = folder.join("scenario.yml");
    fs::write(&scenario, json!({ "turns": [{ "say": "done" }] }).to_string())?;
    let scenario = scenario.to_str().context("a folder whose name is no text")?;
    let args: &[&str] = match key {
        "plugin_list_ms" => &["plugin", "list"],
        _ => &["run", "hello", "--scenario", scenario],
    };
    without.time(programs, args)?;
    with.time(programs, args)?;
    // Plugins that were written a moment ago are read at every start. What is measured is all the starts after that
    thread::sleep(SETTLED);
    with.time(programs, args)?;
    let (mut reference, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        reference.push(without.time(programs, args)?);
        ours.push(with.time(programs, args)?);
    }
    Ok((median(&reference).context("no start")?, median(&ours).context("no start")?))
}

/// Milliseconds of a tool call without plugins, and with the five that ship, of which none makes a host call about it:
/// medians of one run each.
pub(super) fn tool_call(root: &Path, programs: &Programs) -> Result<(f64, f64)> {
    let folder = root.join("target/bench/tool_call_ms");
    let (without, with) = (World::new(&folder.join("without"))?, World::new(&folder.join("with"))?);
    for package in SHIPPED {
        copy(&root.join("packages").join(package), &with.home.join("plugins").join(package))?;
        with.grant(programs, package)?;
    }
    let call = json!({ "tool": "read", "args": { "path": "a.txt" } });
    let scenario = json!({ "turns": [{ "repeat": CALLS, "calls": [call] }, { "say": "done" }] });
    fs::write(folder.join("scenario.yml"), scenario.to_string())?;
    calls(&with, programs, &folder)?;
    Ok((calls(&without, programs, &folder)?, calls(&with, programs, &folder)?))
}

/// The median of what a call takes, from when it is announced until its end is told.
fn calls(world: &World, programs: &Programs, folder: &Path) -> Result<f64> {
    let scenario = folder.join("scenario.yml");
    let mut command = world.mimir(programs, &["run", "go", "--json", "--scenario"]);
    let mut child = command.arg(&scenario).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let (mut begun, mut took) = (None, Vec::new());
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let line: Value = serde_json::from_str(&line?)?;
        match line["type"].as_str() {
            Some("toolStarted") => begun = Some(Instant::now()),
            Some("toolEnded") => took.extend(begun.take().map(|begun: Instant| begun.elapsed().as_secs_f64() * 1e3)),
            _ => {}
        }
    }
    ensure!(child.wait()?.success() && took.len() == CALLS, "{} of {CALLS} calls ended", took.len());
    median(&took).context("no call")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if name == "src" {
                copy(&entry.path(), &to.join(name))?;
            }
        } else {
            fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}
