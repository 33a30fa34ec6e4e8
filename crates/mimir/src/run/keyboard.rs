//! What the person types, a line at a time, for whoever asks.

use std::io::{self, BufRead, IsTerminal};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc};

/// The longest line that is taken, in bytes; what is longer is cut.
const LONGEST: usize = 1 << 20;
/// Nobody has read a question before that.
const READING: Duration = Duration::from_millis(50);

/// Standard input, read on a thread of its own from the first question on: a read can't be given up, and the next one who
/// asks must not wait behind it.
#[derive(Clone)]
pub(crate) struct Keyboard {
    lines: Arc<Mutex<Option<mpsc::UnboundedReceiver<Line>>>>,
    is_terminal: bool,
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

    /// The next line without its end; nothing at the end of the input. Dropping it loses no line.
    pub(crate) async fn line(&self) -> Option<String> {
        let mut lines = self.lines.lock().await;
        lines.get_or_insert_with(read).recv().await.map(|line| line.text)
    }

    /// The next line that is typed as an answer to a question of this moment. What was typed before it is none, nor what the
    /// terminal had kept from before.
    pub(crate) async fn answer(&self, asked: Instant) -> Option<String> {
        let mut lines = self.lines.lock().await;
        let lines = lines.get_or_insert_with(read);
        loop {
            let line = lines.recv().await?;
            if line.at > asked + READING {
                return Some(line.text);
            }
        }
    }
}

fn read() -> mpsc::UnboundedReceiver<Line> {
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
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_typed_before_a_question_is_no_answer_to_it() {
        let (sender, receiver) = mpsc::unbounded_channel();
        let asked = Instant::now();
        let typed = |at, text: &str| drop(sender.send(Line { at, text: text.to_owned() }));
        typed(asked.checked_sub(Duration::from_secs(1)).unwrap_or(asked), "y");
        typed(asked, "y");
        typed(asked + READING, "y");
        typed(asked + Duration::from_secs(1), "n");
        typed(asked + Duration::from_secs(2), "next");
        drop(sender);
        let keyboard = Keyboard { lines: Arc::new(Mutex::new(Some(receiver))), is_terminal: true };
        assert_eq!(keyboard.answer(asked).await.as_deref(), Some("n"));
        assert_eq!(keyboard.line().await.as_deref(), Some("next"));
        assert_eq!(keyboard.answer(asked).await, None);
    }
}
