//! What this process holds.

use std::error::Error;
use std::fs;

/// The proportional set size in KiB, as the kernel counts it.
pub fn pss_kib() -> Result<f64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no Pss in smaps_rollup")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}
