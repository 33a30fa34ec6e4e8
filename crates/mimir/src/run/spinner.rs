//! What is going on right now, on the last line of the terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often it is drawn at most.
const REDRAWS_A_SECOND: u8 = 12;

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
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(REDRAWS_A_SECOND));
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
