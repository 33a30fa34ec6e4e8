//! `cargo xtask test`: everything that must hold, in one command.
//!
//! The tools print as they go, their own closing lines too; what is ours are a heading before each step and the table
//! at the end. A failing step does not stop the others, so that one run tells all.

mod packages;
mod step;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use step::Step;

use crate::terminal::{Paint, seconds};

/// What to run.
#[derive(Args)]
pub(crate) struct Selection {
    /// Steps to run, in this order [default: all of them]
    steps: Vec<Step>,
    /// What a change of a few lines needs: fmt, architecture, clippy, unit
    #[arg(long, conflicts_with = "steps")]
    quick: bool,
    /// Stop at the first step that fails
    #[arg(long)]
    fail_fast: bool,
}

impl Selection {
    fn steps(&self) -> &[Step] {
        if self.quick {
            Step::QUICK
        } else if self.steps.is_empty() {
            Step::ALL
        } else {
            &self.steps
        }
    }
}

struct Outcome {
    step: Step,
    time: Duration,
    /// What went wrong, if anything.
    failure: Option<String>,
}

/// Runs the selected steps and prints a table of them; fails if one of them did.
pub(crate) fn run(root: &Path, selection: &Selection) -> Result<()> {
    let paint = Paint::new();
    let steps = selection.steps();
    let mut outcomes = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let title = format!("━━ {step} ({} of {}): {}", index + 1, steps.len(), step.what());
        println!("{}", paint.bold(title));
        let start = Instant::now();
        let failure = step.run(root, selection.fail_fast).err().map(|error| format!("{error:#}"));
        if let Some(failure) = &failure {
            println!("{}", paint.bad(format!("{step}: {failure}")));
        }
        println!();
        let failed = failure.is_some();
        outcomes.push(Outcome { step: *step, time: start.elapsed(), failure });
        if failed && selection.fail_fast {
            break;
        }
    }
    print!("{}", table(paint, steps, &outcomes));
    let failed: Vec<String> = outcomes.iter().filter(|it| it.failure.is_some()).map(|it| it.step.to_string()).collect();
    if !failed.is_empty() {
        let again = failed.join(" ");
        bail!("{} of {} steps failed; run them alone with `cargo xtask test {again}`", failed.len(), steps.len());
    }
    Ok(())
}

fn table(paint: Paint, steps: &[Step], outcomes: &[Outcome]) -> String {
    let width = steps.iter().map(|step| step.to_string().len()).max().unwrap_or_default();
    let mut text = String::new();
    for step in steps {
        let name = format!("{:width$}", step.to_string());
        text += &match outcomes.iter().find(|outcome| outcome.step == *step) {
            None => format!("{name}  {}\n", paint.faint("not run")),
            Some(Outcome { time, failure: None, .. }) => {
                format!("{name}  {}      {:>12}\n", paint.good("ok"), seconds(*time))
            }
            Some(Outcome { time, failure: Some(failure), .. }) => {
                let told = failure.lines().next().unwrap_or_default();
                format!("{name}  {}  {:>12}  {told}\n", paint.bad("FAILED"), seconds(*time))
            }
        };
    }
    let total = outcomes.iter().map(|outcome| outcome.time).sum();
    text += &format!("{:width$}          {:>12}\n", "", seconds(total));
    text
}
