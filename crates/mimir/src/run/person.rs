//! Questions to whoever sits at the terminal, one at a time.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use mimir_agent::permissions::{Person, Prompt, Reply, Scope, render};
use mimir_commands::{Theme, printable};
use mimir_plugins::{Asked, Asker, Question, QuestionKind};
use tokio::sync::Mutex;

use super::keyboard::Keyboard;
use super::screen::TerminalScreen;

/// Asks at the terminal. Where nobody sits there, nobody answers.
#[derive(Clone)]
pub(crate) struct AtKeyboard {
    keyboard: Keyboard,
    screen: Arc<TerminalScreen>,
    /// Held while a question is open: answers must not go to somebody else's.
    turn: Arc<Mutex<()>>,
}

impl AtKeyboard {
    pub(crate) fn new(keyboard: Keyboard, screen: Arc<TerminalScreen>) -> Self {
        Self { keyboard, screen, turn: Arc::default() }
    }

    /// Asks until the answer is one that is understood.
    async fn ask<T>(&self, question: &str, keys: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        if !self.keyboard.is_terminal() {
            return None;
        }
        let _turn = self.turn.lock().await;
        self.screen.make_room();
        self.screen.notice(question);
        let _open = Open(&self.screen);
        // What somebody typed for something else must not answer this
        let asked = Instant::now();
        loop {
            let typed = Theme::TYPE;
            self.screen.prompt(&format!("  {typed}{keys}{typed:#} "));
            let line = self.keyboard.answer(asked).await?;
            self.screen.answered();
            if let Some(answer) = read(line.trim()) {
                return Some(answer);
            }
        }
    }
}

/// A question that is open. Whoever is interrupted gives it up.
struct Open<'a>(&'a TerminalScreen);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.given_up();
    }
}

#[async_trait]
impl Asker for AtKeyboard {
    async fn ask(&self, question: &Question) -> Asked {
        let strong = Theme::STRONG;
        let mut shown = format!("  {strong}{}{strong:#}", printable(&question.line()));
        let keys = match &question.kind {
            QuestionKind::Text => "›".to_owned(),
            QuestionKind::Confirm => "[y]es, [n]o ›".to_owned(),
            QuestionKind::Choice(choices) => {
                for (at, choice) in choices.iter().enumerate() {
                    shown.push_str(&format!("\n    {} {}", at + 1, printable(choice)));
                }
                format!("[1-{}] ›", choices.len())
            }
        };
        let default = question.default.as_deref();
        let answer = AtKeyboard::ask(self, &shown, &keys, |line| match (&question.kind, line, default) {
            (_, "", Some(default)) => Some(Some(default.to_owned())),
            (_, "", None) => Some(None),
            (QuestionKind::Text, line, _) => Some(Some(line.to_owned())),
            (QuestionKind::Confirm, line, _) => match line.to_lowercase().as_str() {
                "y" | "yes" => Some(Some(Question::YES.to_owned())),
                "n" | "no" => Some(Some("no".to_owned())),
                _ => None,
            },
            (QuestionKind::Choice(choices), line, _) => {
                let number = line.parse::<usize>().ok().and_then(|number| choices.get(number.checked_sub(1)?));
                number.or_else(|| choices.iter().find(|choice| *choice == line)).map(|choice| Some(choice.clone()))
            }
        })
        .await;
        match answer {
            Some(Some(answer)) => Asked::Answered(answer),
            Some(None) => Asked::Declined,
            None => Asked::Nobody,
        }
    }
}

#[async_trait]
impl Person for AtKeyboard {
    async fn ask(&self, prompt: &Prompt) -> Option<Reply> {
        let scopes = prompt.scopes();
        let (can_session, can_last) = (scopes.contains(&Scope::Session), scopes.contains(&Scope::Always));
        let keys = match (can_session, can_last) {
            (true, true) => "[y]es, [s]ession, [a]lways, [n]o ›",
            (true, false) => "[y]es, [s]ession, [n]o ›",
            (false, _) => "[y]es, [n]o ›",
        };
        let reply = |allowed, scope, reason: Option<&str>| {
            Some(Reply { allowed, scope, reason: reason.filter(|it| !it.is_empty()).map(str::to_owned) })
        };
        let question = render(prompt, self.screen.width(), true);
        AtKeyboard::ask(self, &question, keys, |line| {
            let (word, reason) = line.split_once(' ').unwrap_or((line, ""));
            match word.to_lowercase().as_str() {
                "y" | "yes" => reply(true, Scope::Once, None),
                "s" | "session" if can_session => reply(true, Scope::Session, None),
                "a" | "always" if can_last => reply(true, Scope::Always, None),
                "n" | "no" => reply(false, Scope::Once, Some(reason.trim())),
                _ => None,
            }
        })
        .await
    }
}
