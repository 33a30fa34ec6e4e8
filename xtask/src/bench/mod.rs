//! `cargo xtask bench`: ours against programs that share no code with it, in the same run.
//!
//! Each round measures the reference and ours one after the other, so that whatever else the machine does falls on
//! both; what counts are the medians of the rounds. A figure without its bound is no result, so a key that can't be
//! measured fails like one that is too slow.

mod agent;
mod figures;
mod process;
mod programs;
mod replay;

use std::path::Path;

use anyhow::{Result, bail, ensure};
use clap::Args;
use figures::{Figure, KEYS, Key};

use crate::terminal::Paint;

pub(crate) use programs::REFERENCES;

/// What to measure.
#[derive(Args)]
pub(crate) struct Selection {
    /// Keys to measure, such as `dispatch_us` [default: all of them]
    keys: Vec<String>,
    /// Rounds, each with the reference first and ours after it
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Print one JSON object a key instead of the table
    #[arg(long)]
    json: bool,
    /// Run the crates' own criterion benchmarks first, if they have any
    #[arg(long)]
    micro: bool,
}

/// Builds what is needed, measures, prints, and fails if a bound is missed.
pub(crate) fn run(root: &Path, selection: &Selection) -> Result<()> {
    let keys = chosen(&selection.keys)?;
    let programs = programs::build(root, &keys)?;
    if selection.micro {
        programs::micro(root)?;
    }
    eprintln!("{}", process::machine());
    let mut figures: Vec<Figure> = keys.iter().map(|key| Figure::new(key)).collect();
    for round in 1..=selection.rounds {
        for figure in &mut figures {
            eprintln!("round {round} of {}: {}", selection.rounds, figure.key.name);
            measure(root, &programs, figure);
        }
    }
    if selection.json {
        for figure in &figures {
            println!("{}", figure.json());
        }
    } else {
        print!("{}", figures::table(Paint::new(), &figures));
    }
    let missed: Vec<&str> = figures.iter().filter(|figure| !figure.holds()).map(|figure| figure.key.name).collect();
    if !missed.is_empty() {
        bail!("missed: {}", missed.join(", "));
    }
    Ok(())
}

/// One round of one key. What fails is kept with the figure and shown in the table: the other keys still count.
fn measure(root: &Path, programs: &programs::Programs, figure: &mut Figure) {
    let result = match figure.key.name {
        "version_ms" => process::starts(programs).map(|(reference, ours)| (Some(reference), ours)),
        "plugin_list_ms" | "run_start_ms" => {
            agent::idle(root, programs, figure.key.name).map(|(reference, ours)| (Some(reference), ours))
        }
        "tool_call_ms" => agent::tool_call(root, programs).map(|(reference, ours)| (Some(reference), ours)),
        "replay_answers_per_s" => replay::answers_per_second(root, programs).map(|ours| (None, ours)),
        _ => programs.measure(figure.key).map(|(reference, ours)| (Some(reference), ours)),
    };
    match result {
        Ok((reference, ours)) => {
            figure.reference.extend(reference);
            figure.ours.push(ours);
        }
        Err(error) => figure.failure = Some(format!("{error:#}")),
    }
}

fn chosen(names: &[String]) -> Result<Vec<&'static Key>> {
    for name in names {
        let known: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        ensure!(known.contains(&name.as_str()), "`{name}` is no key; there are {}", known.join(", "));
    }
    Ok(KEYS.iter().filter(|key| names.is_empty() || names.iter().any(|name| name == key.name)).collect())
}

/// The middle of the values; the mean of the two middle ones where their number is even.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.is_empty() {
        None
    } else if sorted.len() % 2 == 1 {
        Some(sorted[middle])
    } else {
        Some(f64::midpoint(sorted[middle - 1], sorted[middle]))
    }
}
