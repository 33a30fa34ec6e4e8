//! 256 bytes over a pipe to another process and back: what a message to a process costs at the least.
//!
//! The other process is this program again. Both sides block in `read`, as a program without tricks would.

use std::env;
use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const MESSAGE: usize = 256;
const ECHO: &str = "--echo";

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.first().is_some_and(|it| it == ECHO) {
        return echo();
    }
    let mut other = Other::start()?;
    for (key, gap, rounds) in [("echo_us", None, 20_000), ("echo_gap_us", Some(Duration::from_millis(1)), 1_000)] {
        if !arguments.is_empty() && !arguments.iter().any(|it| it == key) {
            continue;
        }
        other.measure(gap, rounds / 10)?;
        let mut samples = other.measure(gap, rounds)?;
        samples.sort_by(f64::total_cmp);
        println!(r#"{{"key": "{key}", "value": {:.3}, "samples": {rounds}}}"#, samples[samples.len() / 2]);
    }
    other.stop()
}

/// The other side: sends back what comes, until the pipe ends.
fn echo() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut message = [0; MESSAGE];
    while input.read_exact(&mut message).is_ok() {
        output.write_all(&message)?;
        output.flush()?;
    }
    Ok(())
}

struct Other {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
}

impl Other {
    fn start() -> io::Result<Self> {
        let mut child =
            Command::new(env::current_exe()?).arg(ECHO).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let to = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let from = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { child, to, from })
    }

    /// Round trips in microseconds.
    fn measure(&mut self, gap: Option<Duration>, rounds: usize) -> io::Result<Vec<f64>> {
        let mut message = [7; MESSAGE];
        let mut samples = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            if let Some(gap) = gap {
                thread::sleep(gap);
            }
            let start = Instant::now();
            self.to.write_all(&message)?;
            self.from.read_exact(&mut message)?;
            samples.push(start.elapsed().as_secs_f64() * 1e6);
        }
        Ok(samples)
    }

    fn stop(mut self) -> io::Result<()> {
        drop(self.to);
        self.child.wait().map(drop)
    }
}
