//! What is going on right now, on the last line of the terminal.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// How often it is drawn at most.
const REDRAWS_A_SECOND: u8 = 12;
/// Columns that are left free at the right: terminals write `^C` there, and on a full line it would go to the next one, and
/// what stands on this one could not be taken off any more.
const FREE: u16 = 4;
/// The window's width where nothing says otherwise, in columns.
const DEFAULT_WIDTH: u16 = 80;

/// A line that turns while something is awaited. It stands on standard error, and only where that is a terminal.
pub(crate) struct Spinner {
    bar: Option<ProgressBar>,
    is_watched: bool,
}

impl Spinner {
    /// One that is shown only if somebody watches.
    pub(crate) fn new(is_watched: bool) -> Self {
        Self { bar: None, is_watched }
    }

    /// Shows what is awaited.
    pub(crate) fn wait_for(&mut self, what: String) {
        if !self.is_watched {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let line = ProgressDrawTarget::term_like_with_hz(Box::new(LastLine), REDRAWS_A_SECOND);
            let bar = ProgressBar::with_draw_target(None, line);
            if let Ok(style) = ProgressStyle::with_template("  {spinner:.cyan} {wide_msg:.dim}") {
                bar.set_style(style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        bar.set_message(what);
    }

    /// Takes it off the screen, so that something else can be written.
    pub(crate) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// Standard error, a little narrower than it is.
#[derive(Debug)]
struct LastLine;

impl LastLine {
    fn write(text: &str) -> io::Result<()> {
        io::stderr().write_all(text.as_bytes())
    }

    fn go(count: usize, direction: char) -> io::Result<()> {
        if count == 0 { Ok(()) } else { Self::write(&format!("\u{1b}[{count}{direction}")) }
    }
}

impl TermLike for LastLine {
    fn width(&self) -> u16 {
        terminal_size::terminal_size_of(io::stderr()).map_or(DEFAULT_WIDTH, |(width, _)| width.0).saturating_sub(FREE)
    }

    fn height(&self) -> u16 {
        terminal_size::terminal_size_of(io::stderr()).map_or(20, |(_, height)| height.0)
    }

    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        Self::go(count, 'A')
    }

    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        Self::go(count, 'B')
    }

    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        Self::go(count, 'C')
    }

    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        Self::go(count, 'D')
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        Self::write(line)?;
        Self::write("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        Self::write(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        Self::write("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        io::stderr().flush()
    }
}
