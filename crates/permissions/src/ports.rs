//! What this crate needs and does not know.

use async_trait::async_trait;

use crate::{Answer, AnswersError, Prompt};

/// Whoever sits at the terminal, if anyone does.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Person: Send + Sync {
    /// Asks. Nothing where nobody can answer.
    async fn ask(&self, prompt: &Prompt) -> Option<Reply>;
}

/// Keeps answers that count in a project from now on.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait AnswerStore: Send + Sync {
    /// The answers for this project.
    ///
    /// # Errors
    /// If they can't be read. Then none counts.
    async fn load(&self) -> Result<Vec<Answer>, AnswersError>;

    /// Keeps one more.
    ///
    /// # Errors
    /// If it can't be kept. What was kept before stays as it is.
    async fn add(&self, answer: &Answer) -> Result<(), AnswersError>;
}

/// What the person said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Whether the action may happen.
    pub allowed: bool,
    /// For how long that counts.
    pub scope: Scope,
    /// Why, for the model.
    pub reason: Option<String>,
}

/// For how long an answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This time.
    Once,
    /// As long as the session.
    Session,
    /// In this project from now on.
    Always,
}
