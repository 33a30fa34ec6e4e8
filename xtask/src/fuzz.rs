//! `cargo xtask fuzz`: the targets of `fuzz/`, each for a while, by `cargo fuzz`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

/// What to run, and for how long.
#[derive(Args)]
pub(crate) struct Selection {
    /// Targets [default: all of them]
    targets: Vec<String>,
    /// For each of them
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Fuzzes one target after the other; fails at the end if one of them found something.
pub(crate) fn run(root: &Path, selection: &Selection) -> Result<()> {
    let all = targets(root)?;
    if let Some(unknown) = selection.targets.iter().find(|name| !all.contains(name)) {
        bail!("there is no target `{unknown}`: {}", all.join(", "));
    }
    let installed = Command::new(crate::cargo()).args(["fuzz", "--version"]).output();
    ensure!(installed.is_ok_and(|output| output.status.success()), "run `cargo install cargo-fuzz` first");
    let mut found = Vec::new();
    for target in if selection.targets.is_empty() { &all } else { &selection.targets } {
        // What is found on the way is kept apart from what is part of the repository
        let (own, shared) = (format!("fuzz/target/corpus/{target}"), format!("fuzz/corpus/{target}"));
        fs::create_dir_all(root.join(&own)).context(own.clone())?;
        // There is no `unsafe` in what is read here, so no sanitizer is needed, and with none a stable compiler will do
        let status = Command::new(crate::cargo())
            .args(["fuzz", "run", "--sanitizer", "none", target, &own, &shared, "--"])
            .args([&format!("-max_total_time={}", selection.seconds), "-timeout=10", "-max_len=16384"])
            .current_dir(root)
            .status()
            .context("cargo can't be started")?;
        if !status.success() {
            found.push(target.as_str());
        }
    }
    ensure!(found.is_empty(), "something was found by {}: see fuzz/artifacts", found.join(", "));
    Ok(())
}

/// The names of the targets; each has a corpus.
fn targets(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().trim_end_matches(".rs").to_owned();
        let corpus = root.join("fuzz/corpus").join(&name);
        ensure!(corpus.read_dir().is_ok_and(|mut files| files.next().is_some()), "{} is empty", corpus.display());
        names.push(name);
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_corpus_and_every_corpus_a_target() {
        let root = crate::repository::root();
        let targets = targets(&root).unwrap_or_else(|error| panic!("{error:#}"));
        let corpora = fs::read_dir(root.join("fuzz/corpus")).into_iter().flatten().flatten();
        let mut corpora: Vec<String> = corpora.map(|it| it.file_name().to_string_lossy().into_owned()).collect();
        corpora.sort();
        assert_eq!(targets, corpora);
    }
}
