//! The programs that measure: built in release, each run prints one line of JSON a key.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::figures::{Key, SAME, SAME_AGENT};
use crate::cargo;

/// The reference programs, by folder under `xtask/reference`.
pub(crate) const REFERENCES: &[&str] = &["bare-v8", "echo", "empty"];

/// Where the built programs are.
pub(super) struct Programs {
    references: PathBuf,
    ours: PathBuf,
}

/// Builds the references and ours, as far as `keys` need them.
pub(super) fn build(root: &Path, keys: &[&Key]) -> Result<Programs> {
    // Apart from the workspace's own builds: the references share neither lock file nor features with them.
    let references = root.join("target/reference");
    for name in REFERENCES.iter().filter(|name| keys.iter().any(|key| key.reference == Some(**name))) {
        eprintln!("building xtask/reference/{name}");
        let manifest = format!("xtask/reference/{name}/Cargo.toml");
        let mut command = Command::new(cargo());
        command.args(["build", "--quiet", "--release", "--locked", "--manifest-path", &manifest]).current_dir(root);
        run(command.env("CARGO_TARGET_DIR", &references))?;
    }
    let named = |name: &str| keys.iter().any(|key| key.name == name);
    let is_same = |key: &Key| key.reference == Some(SAME);
    if keys.iter().any(|key| is_same(key)) {
        eprintln!("building crates/api/examples/calls.rs");
        let arguments = ["build", "--quiet", "--release", "--package", "mimir-api", "--example", "calls"];
        run(Command::new(cargo()).args(arguments).current_dir(root))?;
    }
    let is_agent = |key: &Key| key.reference == Some(SAME_AGENT);
    let is_sandbox = |key: &Key| key.reference.is_some() && !is_same(key) && !is_agent(key) && key.name != "version_ms";
    if keys.iter().any(|key| is_sandbox(key)) {
        eprintln!("building crates/sandbox/examples/measure.rs");
        let arguments = ["build", "--quiet", "--release", "--package", "mimir-sandbox", "--example", "measure"];
        run(Command::new(cargo()).args(arguments).current_dir(root))?;
    }
    if named("version_ms") || named("replay_answers_per_s") || keys.iter().any(|key| is_agent(key)) {
        eprintln!("building mimir");
        run(Command::new(cargo()).args(["build", "--quiet", "--release", "--package", "mimir"]).current_dir(root))?;
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder));
    Ok(Programs { references: references.join("release"), ours: target.join("release") })
}

impl Programs {
    pub(super) fn mimir(&self) -> Command {
        Command::new(self.ours.join("mimir"))
    }

    pub(super) fn empty(&self) -> Command {
        Command::new(self.references.join("reference-empty"))
    }

    /// The reference's value of `key`, then ours.
    pub(super) fn measure(&self, key: &Key) -> Result<(f64, f64)> {
        let Key { name: key, reference, .. } = *key;
        if reference == Some(SAME) {
            let lines = answer(&self.ours.join("examples/calls"), key)?;
            let of = |key: &str| value(&lines, key).with_context(|| format!("`calls {key}`"));
            return Ok((of(&format!("{key}_without"))?, of(key)?));
        }
        let name = if key.starts_with("echo") { "reference-echo" } else { "reference-bare-v8" };
        let reference = ask(&self.references.join(name), key)?;
        let ours = ask(&self.ours.join("examples/measure"), key)?;
        Ok((reference, ours))
    }
}

/// Runs `program KEY` and reads the value from its line.
fn ask(program: &Path, key: &str) -> Result<f64> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    value(&answer(program, key)?, key).with_context(|| format!("`{name} {key}`"))
}

/// What `program KEY` prints.
fn answer(program: &Path, key: &str) -> Result<String> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let output = Command::new(program)
        .arg(key)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{} can't be started", program.display()))?;
    ensure!(output.status.success(), "`{name} {key}` failed ({})", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The value of `key` in lines of `{"key": …, "value": …}`.
fn value(lines: &str, key: &str) -> Result<f64> {
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
        if line.get("key").and_then(Value::as_str) == Some(key) {
            let value = line.get("value").and_then(Value::as_f64).context("`value` is no number")?;
            ensure!(value.is_finite() && value > 0.0, "{value} can't be a measured value");
            return Ok(value);
        }
    }
    bail!("it printed no line for {key}")
}

/// The criterion benchmarks of the crates that have some.
pub(super) fn micro(root: &Path) -> Result<()> {
    let mut found = false;
    for entry in std::fs::read_dir(root.join("crates"))? {
        let entry = entry?;
        if entry.path().join("benches").is_dir() {
            found = true;
            let manifest = entry.path().join("Cargo.toml");
            let mut command = Command::new(cargo());
            command.args(["bench", "--benches", "--manifest-path"]).arg(manifest).current_dir(root);
            run(&mut command)?;
        }
    }
    ensure!(found, "no crate has a folder `benches`");
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().context("cargo can't be started")?;
    ensure!(status.success(), "cargo failed ({status})");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_measured_value_counts() {
        let cases = [
            (r#"{"key": "a_us", "value": 1.5, "samples": 3}"#, Some(1.5)),
            ("{\"key\": \"b_us\", \"value\": 9}\n{\"key\": \"a_us\", \"value\": 2}", Some(2.0)),
            (r#"{"key": "a_us", "value": 0}"#, None),
            (r#"{"key": "a_us", "value": "1"}"#, None),
            (r#"{"key": "b_us", "value": 1}"#, None),
            ("", None),
            ("done", None),
        ];
        for (lines, expected) in cases {
            assert_eq!(value(lines, "a_us").ok(), expected, "{lines}");
        }
    }
}
