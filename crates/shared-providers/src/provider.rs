use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use thiserror::Error;

use crate::{BudgetExceeded, Message, ToolDefinition, Usage};

/// A service that runs language models. Adapters translate to its dialect; none retries or watches a budget by itself.
#[async_trait]
pub trait LlmProvider: Send + Sync {
    /// What configuration calls this provider.
    fn name(&self) -> &str;

    /// Asks for a whole answer.
    async fn complete(&self, request: &ChatRequest) -> Result<ChatResponse, ProviderError>;

    /// Asks for an answer piece by piece. The last event of a stream that did not fail is [`ChatEvent::Done`]; a stream
    /// that is dropped cancels the request.
    async fn stream(&self, request: &ChatRequest) -> Result<ChatStream, ProviderError>;

    /// How many tokens `request` has as input, by the provider's own count where it offers one.
    async fn count_tokens(&self, request: &ChatRequest) -> Result<u64, ProviderError>;
}

/// The pieces of an answer, in their order.
pub type ChatStream = BoxStream<'static, Result<ChatEvent, ProviderError>>;

/// What a model is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest {
    /// The model, as the provider names it.
    pub model: String,
    /// The conversation, instructions ([`Role::System`](crate::Role::System)) first.
    pub messages: Vec<Message>,
    /// The tools that the model may ask for.
    pub tools: Vec<ToolDefinition>,
    /// The most tokens that the answer may have.
    pub max_output_tokens: u64,
    /// How freely the model chooses its words, from 0 to 1; nothing leaves it to the provider.
    pub temperature: Option<f64>,
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatResponse {
    /// The answer.
    pub message: Message,
    /// Why it ends where it ends.
    pub stop: StopReason,
    /// What it used.
    pub usage: Usage,
    /// The model that answered, which may be a dated version of the one that was asked.
    pub model: String,
}

/// Why an answer ends. As text it is `end`, `toolCalls`, `maxTokens`, `refused`, or the provider's own word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// The model was done.
    End,
    /// The model asks for tools.
    ToolCalls,
    /// The limit on output tokens was reached.
    MaxTokens,
    /// The model or its provider declined.
    Refused,
    /// Any other reason, as the provider names it.
    Other(String),
}

impl StopReason {
    /// The reason as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::End => "end",
            Self::ToolCalls => "toolCalls",
            Self::MaxTokens => "maxTokens",
            Self::Refused => "refused",
            Self::Other(reason) => reason,
        }
    }
}

/// A piece of a streamed answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatEvent {
    /// More text.
    Text(String),
    /// The whole answer, after all its pieces.
    Done(Box<ChatResponse>),
}

impl ProviderError {
    /// Whether it is certain that nothing was used: the provider turned the request away. A connection that broke and an
    /// answer that can't be understood may have cost something.
    pub const fn is_free(&self) -> bool {
        match self {
            Self::Unauthorized { .. } | Self::RateLimited { .. } | Self::Rejected { .. } | Self::Budget(_) => true,
            Self::Transport { .. } | Self::InvalidReply { .. } => false,
        }
    }
}

/// Why a model could not be asked or gave no answer.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// The provider does not accept the credentials, or there are none.
    #[error("{provider} does not accept the credentials")]
    Unauthorized {
        /// The provider.
        provider: String,
    },
    /// The provider refuses further calls for a while.
    #[error("{provider} asks for fewer requests")]
    RateLimited {
        /// The provider.
        provider: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// The provider refused this request.
    #[error("{provider} refused the request with status {status}: {message}")]
    Rejected {
        /// The provider.
        provider: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// The provider could not be reached, or the connection broke.
    #[error("{provider} can't be reached")]
    Transport {
        /// The provider.
        provider: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The provider's answer can't be understood.
    #[error("{provider} sent an answer that can't be understood: {detail}")]
    InvalidReply {
        /// The provider.
        provider: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The call may cost more than is left.
    #[error(transparent)]
    Budget(#[from] BudgetExceeded),
}
