//! A replay of 10,000 events with five plugins, as a person would run it: how many answers a second.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::programs::Programs;

const EVENTS: usize = 10_000;
const PLUGINS: usize = 5;

/// Answers a second, from the start of `mimir replay` to its end. The first run, which bundles the plugins, does not
/// count; it also shows that every plugin answers every event.
pub(super) fn answers_per_second(root: &Path, programs: &Programs) -> Result<f64> {
    let folder = root.join("target/bench/replay/project");
    let session = prepare(&folder)?;
    run(programs, &folder, &session)?;
    let start = Instant::now();
    let output = run(programs, &folder, &session)?;
    let elapsed = start.elapsed();
    let answers = answers(&output)?;
    ensure!(answers == EVENTS * PLUGINS, "{answers} answers to {EVENTS} events by {PLUGINS} plugins");
    // Both fit exactly.
    #[allow(clippy::cast_precision_loss, reason = "fifty thousand")]
    Ok(answers as f64 / elapsed.as_secs_f64())
}

/// Writes the session and the plugins, and gives the session's file.
fn prepare(folder: &Path) -> Result<PathBuf> {
    // A project of its own, so that nothing of this repository's configuration counts.
    fs::create_dir_all(folder.join(".mimir"))?;
    for number in 1..=PLUGINS {
        let name = format!("bench-{number}");
        let plugin = folder.join("plugins").join(&name);
        fs::create_dir_all(&plugin)?;
        let manifest = format!(
            "name: {name}\nversion: 1.0.0\nauthor: bench\ndescription: answers every tool call\nlicense: MIT\nmain: index.ts\n\
             capabilities: {{}}\nevents: [tool.execute.before]\n"
        );
        fs::write(plugin.join("plugin.yml"), manifest)?;
        let package = json!({"name": name, "version": "1.0.0", "type": "module", "main": "index.ts"});
        fs::write(plugin.join("package.json"), format!("{package}\n"))?;
        let code = "let seen: number = 0;\n\nexport const Bench = async () => ({\n  on: {\n    \
                    'tool.execute.before': async (event: { args: { command?: string } }) => {\n      seen += 1;\n      \
                    if (event.args.command === 'never') return { block: true, reason: `call ${seen}` };\n    },\n  \
                    },\n});\n";
        fs::write(plugin.join("index.ts"), code)?;
    }
    let mut session = String::new();
    for number in 0..EVENTS {
        let event = json!({
            "event": "tool.execute.before",
            "payload": {
                "tool": "bash",
                "args": {"command": format!("ls -l src/{number}")},
                "callId": format!("c{number}"),
                "source": "builtin",
                "sessionId": "s1",
                "timestamp": 1_760_000_000_000_u64 + number as u64,
            },
        });
        writeln!(session, "{event}")?;
    }
    let file = folder.join("session.ndjson");
    fs::write(&file, session)?;
    Ok(file)
}

fn run(programs: &Programs, folder: &Path, session: &Path) -> Result<String> {
    let mut command: Command = programs.mimir();
    command
        .arg("replay")
        .arg(session)
        .arg("--plugins")
        .arg(folder.join("plugins"))
        .args(["--yes", "--json"])
        // Beside the project: nobody's home lies in a repository
        .env("MIMIR_HOME", folder.with_file_name("home"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let output = command.output().context("mimir can't be started")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`mimir replay` failed ({}): {}", output.status, complaint.trim());
    String::from_utf8(output.stdout).context("`mimir replay --json` printed no UTF-8")
}

/// How many answers the lines hold; a failed one is an error.
fn answers(lines: &str) -> Result<usize> {
    let mut count = 0;
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
        for answer in line.get("answers").and_then(Value::as_array).into_iter().flatten() {
            let failed = answer.get("outcome").and_then(Value::as_str) == Some("failed");
            ensure!(!failed, "an answer failed: {answer}");
            count += 1;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_answers_do_not_count() {
        let passed = r#"{"event": "e", "answers": [{"outcome": "passed"}, {"outcome": "changed"}]}"#;
        let failed = r#"{"event": "e", "answers": [{"outcome": "failed", "reason": "too slow"}]}"#;
        assert_eq!(answers(&format!("{passed}\n{passed}\n{{\"summary\": {{}}}}\n")).ok(), Some(4));
        assert!(answers(failed).is_err());
    }
}
