use std::io::{self, BufRead, IsTerminal, Write};

use async_trait::async_trait;
use mimir_commands::Person;

/// Whoever sits at the terminal, if anyone does.
pub(crate) struct AtTerminal;

#[async_trait]
impl Person for AtTerminal {
    async fn confirm(&self, question: &str) -> Option<bool> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        let question = question.to_owned();
        let ask = move || {
            let mut stderr = io::stderr();
            write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush()).ok()?;
            let mut answer = String::new();
            io::stdin().lock().read_line(&mut answer).ok()?;
            Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
        };
        tokio::task::spawn_blocking(ask).await.ok().flatten()
    }
}
