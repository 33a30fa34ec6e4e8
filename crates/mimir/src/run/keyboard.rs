//! What the person types, a line at a time, for whoever asks.

use std::io::{self, BufRead, IsTerminal};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc};

/// The longest line that is taken, in bytes; what is longer is cut.
const LONGEST: usize = 1 << 20;
/// Nobody has read a question before that.
const READING: Duration = Duration::from_millis(50);
/// Nobody types a line so soon after another one: it was pasted with it.
const PASTING: Duration = Duration::from_millis(50);

/// Standard input, read on a thread of its own from the first question on: a read can't be given up, and the next one who
/// asks must not wait behind it.
#[derive(Clone)]
pub(crate) struct Keyboard {
    lines: Arc<Mutex<Option<Lines>>>,
    is_terminal: bool,
}

/// The lines that come in.
struct Lines {
    coming: mpsc::UnboundedReceiver<Line>,
    /// One that came and was none of those before it.
    kept: Option<Line>,
}

/// A line, and when it was there.
struct Line {
    at: Instant,
    text: String,
}

impl Keyboard {
    /// Reads nothing yet.
    pub(crate) fn new() -> Self {
        let is_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        Self { lines: Arc::default(), is_terminal }
    }

    /// Whether somebody sits there.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// The next line without its end, and those that were pasted with it; nothing at the end of the input. A line that is
    /// awaited is not lost if this is dropped.
    pub(crate) async fn text(&self) -> Option<String> {
        let mut lines = self.lines.lock().await;
        let lines = lines.get_or_insert_with(read);
        let Line { mut at, mut text } = lines.next().await?;
        while let Ok(Some(next)) = tokio::time::timeout(PASTING, lines.next()).await {
            if next.at > at + PASTING {
                lines.kept = Some(next);
                break;
            }
            at = next.at;
            text.push('\n');
            text.push_str(&next.text);
        }
        Some(text)
    }

    /// The next line that is typed as an answer to a question of this moment. What was typed before it is none, nor what the
    /// terminal had kept from before.
    pub(crate) async fn answer(&self, asked: Instant) -> Option<String> {
        let mut lines = self.lines.lock().await;
        let lines = lines.get_or_insert_with(read);
        loop {
            let line = lines.next().await?;
            if line.at > asked + READING {
                return Some(line.text);
            }
        }
    }
}

impl Lines {
    async fn next(&mut self) -> Option<Line> {
        match self.kept.take() {
            Some(line) => Some(line),
            None => self.coming.recv().await,
        }
    }
}

fn read() -> Lines {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            match stdin.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            line.truncate(LONGEST);
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            if sender.send(Line { at: Instant::now(), text }).is_err() {
                break;
            }
        }
    });
    Lines { coming: receiver, kept: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A keyboard at which this is typed, in milliseconds from a moment on, and nothing more.
    fn keyboard(from: Instant, typed: &[(u64, &str)]) -> Keyboard {
        let (sender, receiver) = mpsc::unbounded_channel();
        for (after, text) in typed {
            drop(sender.send(Line { at: from + Duration::from_millis(*after), text: (*text).to_owned() }));
        }
        let lines = Lines { coming: receiver, kept: None };
        Keyboard { lines: Arc::new(Mutex::new(Some(lines))), is_terminal: true }
    }

    #[tokio::test]
    async fn what_was_typed_before_a_question_is_no_answer_to_it() {
        let from = Instant::now();
        let keyboard = keyboard(from, &[(0, "y"), (1_000, "y"), (1_050, "y"), (2_000, "n"), (3_000, "next")]);
        let asked = from + Duration::from_secs(1);
        assert_eq!(keyboard.answer(asked).await.as_deref(), Some("n"));
        assert_eq!(keyboard.text().await.as_deref(), Some("next"));
        assert_eq!(keyboard.answer(asked).await, None);
    }

    #[tokio::test]
    async fn what_is_pasted_is_one_text() {
        let typed = [(0, "one"), (10, ""), (60, "two"), (1_000, "three"), (2_000, "y"), (3_000, "four")];
        let from = Instant::now();
        let keyboard = keyboard(from, &typed);
        assert_eq!(keyboard.text().await.as_deref(), Some("one\n\ntwo"));
        assert_eq!(keyboard.text().await.as_deref(), Some("three"));
        // What was kept is not lost to a question
        assert_eq!(keyboard.answer(from + Duration::from_millis(1_500)).await.as_deref(), Some("y"));
        assert_eq!(keyboard.text().await.as_deref(), Some("four"));
        assert_eq!(keyboard.text().await, None);
    }
}
