use std::fmt::Write as _;
use std::io::Write as _;

use crate::{Level, Notice, Notifier};

/// Shows notices on standard error, one line each (more if the message has more).
#[derive(Debug, Clone, Copy, Default)]
pub struct StderrNotifier;

impl Notifier for StderrNotifier {
    fn notify(&self, notice: &Notice<'_>) {
        // Whoever closed standard error does not want to hear it
        let _ = std::io::stderr().lock().write_all(line(notice).as_bytes());
    }
}

fn line(notice: &Notice<'_>) -> String {
    let mut line = match notice.level {
        Level::Info => String::new(),
        Level::Warning => "warning: ".to_owned(),
        Level::Error => "error: ".to_owned(),
    };
    if let Some(from) = notice.from {
        push_plain(&mut line, from);
        line.push_str(": ");
    }
    push_plain(&mut line, notice.message.trim_end());
    line.push('\n');
    line
}

/// A plugin must not be able to move the cursor, retitle the window or pose as Mimir on a line of its own.
fn push_plain(line: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\n    "),
            '\t' => line.push(' '),
            c if c.is_control() || is_bidi_control(c) => {
                let _ = write!(line, "{}", c.escape_unicode());
            }
            c => line.push(c),
        }
    }
}

/// Characters that change the direction in which what follows is shown, and so its apparent meaning.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{061c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(level: Level, from: Option<&str>, message: &str, expected: &str) {
        assert_eq!(line(&Notice { level, from, message }), expected);
    }

    #[test]
    fn a_message_stays_a_message() {
        check(Level::Info, Some("formatter"), "formatted 3 files", "formatter: formatted 3 files\n");
        check(Level::Warning, None, "no config", "warning: no config\n");
        check(Level::Error, Some("p"), "größer 🎉\n", "error: p: größer 🎉\n");
        check(Level::Info, Some("p"), "\u{1b}[2J\rmimir: ok", "p: \\u{1b}[2J\\u{d}mimir: ok\n");
        check(Level::Info, Some("p"), "a\nerror: b", "p: a\n    error: b\n");
        check(Level::Info, Some("p"), "a\u{202e}b", "p: a\\u{202e}b\n");
    }
}
