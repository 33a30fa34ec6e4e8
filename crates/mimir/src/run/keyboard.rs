//! What the person types, a line at a time, for whoever asks.

use std::io::{self, BufRead, IsTerminal};
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};

/// The longest line that is taken, in bytes; what is longer is cut.
const LONGEST: usize = 1 << 20;

/// Standard input, read on a thread of its own from the first question on: a read can't be given up, and the next one who
/// asks must not wait behind it.
#[derive(Clone)]
pub(crate) struct Keyboard {
    lines: Arc<Mutex<Option<mpsc::Receiver<String>>>>,
    is_terminal: bool,
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
        lines.get_or_insert_with(read).recv().await
    }
}

fn read() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            match stdin.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            line.truncate(LONGEST);
            let line = String::from_utf8_lossy(&line);
            if sender.blocking_send(line.trim_end_matches(['\n', '\r']).to_owned()).is_err() {
                break;
            }
        }
    });
    receiver
}
