//! The two streams of the command line: their width, and whether they take colours.

use std::io::{self, BufWriter, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice, StripStream};

use crate::cli::When;

/// Width where nothing says otherwise, in columns.
const DEFAULT_WIDTH: usize = 100;
/// No table is laid out for less.
const LEAST_WIDTH: usize = 40;

/// Where the command line prints.
pub(crate) struct Terminal {
    /// Results.
    pub(crate) out: Box<dyn Write + Send>,
    /// The window's width, in columns.
    pub(crate) width: usize,
    /// Whether somebody watches the results.
    pub(crate) is_watched: bool,
    /// Where notices go.
    pub(crate) errors: ErrorStream,
}

/// Standard error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorStream {
    is_colored: bool,
}

impl Terminal {
    /// The process's own streams.
    pub(crate) fn new(color: When) -> Self {
        let stdout = io::stdout();
        let is_watched = stdout.is_terminal();
        let out: Box<dyn Write + Send> = if has_color(color, AutoStream::choice(&stdout)) {
            Box::new(BufWriter::new(stdout))
        } else {
            let buffered: Box<dyn Write + Send> = Box::new(BufWriter::new(stdout));
            Box::new(StripStream::new(buffered))
        };
        let errors = ErrorStream { is_colored: has_color(color, AutoStream::choice(&io::stderr())) };
        Self { out, width: width(), is_watched, errors }
    }
}

impl ErrorStream {
    /// Prints a notice. One that can't be printed is lost: there is no one left to tell.
    pub(crate) fn notice(self, text: &str) {
        let mut stderr = io::stderr().lock();
        let _ = if self.is_colored {
            writeln!(stderr, "{text}")
        } else {
            writeln!(stderr, "{}", anstream::adapter::strip_str(text))
        };
    }
}

impl ErrorStream {
    /// Prints something behind which somebody types.
    pub(crate) fn prompt(self, text: &str) {
        let mut stderr = io::stderr().lock();
        let _ = match self.is_colored {
            true => write!(stderr, "{text}"),
            false => write!(stderr, "{}", anstream::adapter::strip_str(text)),
        };
        let _ = stderr.flush();
    }
}

fn has_color(wanted: When, detected: ColorChoice) -> bool {
    match wanted {
        When::Always => true,
        When::Never => false,
        When::Auto => detected != ColorChoice::Never,
    }
}

/// The window's width now, in columns.
pub(crate) fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let window = || {
        let sizes = [terminal_size::terminal_size_of(io::stdout()), terminal_size::terminal_size_of(io::stderr())];
        sizes.into_iter().flatten().next().map(|(width, _)| usize::from(width.0))
    };
    columns.or_else(window).unwrap_or(DEFAULT_WIDTH).max(LEAST_WIDTH)
}
