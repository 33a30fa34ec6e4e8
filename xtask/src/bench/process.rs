//! Starting processes, and the machine they start on.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::median;
use super::programs::Programs;

/// Starts a round, each of both programs in turn.
const STARTS: usize = 60;

/// Milliseconds from start to end of an empty program, and of `mimir --version`: medians of one round.
pub(super) fn starts(programs: &Programs) -> Result<(f64, f64)> {
    let (mut reference, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        reference.push(milliseconds(&mut programs.empty())?);
        ours.push(milliseconds(programs.mimir().arg("--version"))?);
    }
    Ok((median(&reference).context("no start")?, median(&ours).context("no start")?))
}

fn milliseconds(command: &mut Command) -> Result<f64> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status().with_context(|| command.get_program().to_string_lossy().into_owned())?;
    let elapsed = start.elapsed();
    ensure!(status.success(), "`{}` failed ({status})", command.get_program().to_string_lossy());
    Ok(elapsed.as_secs_f64() * 1e3)
}

/// One line about the machine, since a figure from a busy one is no more than an upper bound.
pub(super) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown");
    format!("{cores} cores, load {load}: on a busy machine the figures are upper bounds")
}
