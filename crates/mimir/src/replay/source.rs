//! Where a recording comes from, and how far it was read.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mimir_commands::CommandError;
use tokio::sync::mpsc;

use super::read::{Found, ReadError, Reader};
use super::unreadable;

/// Steps that are read ahead.
const AHEAD: usize = 64;
/// How often the bar is drawn at most.
const REDRAWS_A_SECOND: u8 = 10;

/// An open recording.
pub(crate) struct Source {
    input: Box<dyn Read + Send>,
    /// Its length in bytes, if that is known.
    pub(crate) length: Option<u64>,
}

impl Source {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(path: &Path) -> Result<Self, CommandError> {
        if path == Path::new("-") {
            return Ok(Self { input: Box::new(io::stdin()), length: None });
        }
        let open = || {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(io::Error::from(io::ErrorKind::IsADirectory));
            }
            Ok((file, metadata.is_file().then_some(metadata.len())))
        };
        let (file, length) = open().map_err(|error| unreadable(path, &ReadError::Io(error)))?;
        Ok(Self { input: Box::new(file), length })
    }

    /// Reads on a thread of its own. It is never waited for: standard input may stay silent for ever.
    pub(crate) fn read(self) -> mpsc::Receiver<Result<Found, ReadError>> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        std::thread::spawn(move || {
            for found in Reader::new(BufReader::with_capacity(1 << 16, self.input)) {
                if sender.blocking_send(found).is_err() {
                    break;
                }
            }
        });
        receiver
    }
}

/// A bar on standard error, where somebody watches that and not the output itself.
#[derive(Clone)]
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    /// A bar for so many bytes; none without.
    pub(crate) fn new(length: Option<u64>) -> Self {
        let bar = length.map(|length| {
            let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_A_SECOND);
            let style = ProgressStyle::with_template("{bar:30} {percent:>3} % of {total_bytes}, {eta} left");
            let bar = ProgressBar::with_draw_target(Some(length), target);
            bar.enable_steady_tick(Duration::from_millis(200));
            match style {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Self(bar)
    }

    pub(crate) fn at(&self, offset: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(offset);
        }
    }

    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }

    /// Prints something without the bar in the way.
    pub(crate) fn aside(&self, print: impl FnOnce()) {
        match &self.0 {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}
