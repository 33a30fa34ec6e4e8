use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use thiserror::Error;

use crate::{BudgetExceeded, Message, ToolDefinition, Usage};

/// A service that runs language models. Adapters translate to its dialect; none watches a budget or asks again because a
/// service is busy or out of reach: [`ProviderError::is_retryable`] says where that may help, and whoever called decides.
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
    /// Whether the provider did not say what was used, so that `usage` is an estimate from the length of the texts.
    pub usage_is_estimated: bool,
    /// What it cost, in US dollars, where the provider says so itself; else a price table has to be asked.
    pub cost: Option<f64>,
}

impl ChatResponse {
    /// An answer whose usage is certain and whose cost the provider does not name.
    pub fn new(message: Message, stop: StopReason, usage: Usage, model: impl Into<String>) -> Self {
        Self { message, stop, usage, model: model.into(), usage_is_estimated: false, cost: None }
    }
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
    /// The model begins to write a call of a tool. Its arguments are part of the whole answer; until that has come, the
    /// call must not be made.
    ToolCall {
        /// Names the call.
        id: String,
        /// The tool.
        name: String,
    },
    /// The whole answer, after all its pieces.
    Done(Box<ChatResponse>),
}

/// Why a model could not be asked or gave no answer. What servers said is in the texts, bounded and without control
/// characters; credentials never are.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// The provider does not accept the credentials.
    #[error("{provider} does not accept the credentials")]
    Unauthorized {
        /// The provider.
        provider: String,
    },
    /// The provider wants credentials, and there are none.
    #[error("{provider} needs a key, and there is none")]
    NoCredentials {
        /// The provider.
        provider: String,
    },
    /// The credentials could not be fetched.
    #[error("the credentials for {provider} can't be had: {detail}")]
    Credentials {
        /// The provider.
        provider: String,
        /// Why not.
        detail: String,
    },
    /// The provider refuses further calls for a while.
    #[error("{provider} asks for fewer requests")]
    RateLimited {
        /// The provider.
        provider: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// The provider is overloaded or out of order, and used nothing.
    #[error("{provider} is not available (status {status}): {message}")]
    Unavailable {
        /// The provider.
        provider: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        message: String,
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
    /// The provider could not be reached.
    #[error("{provider} can't be reached")]
    Transport {
        /// The provider.
        provider: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer began and did not end: the connection broke, nothing came for too long, or the provider gave up.
    #[error("the answer of {provider} broke off: {detail}")]
    Interrupted {
        /// The provider.
        provider: String,
        /// What happened.
        detail: String,
        /// What had come until then: text, and calls of tools only if they were whole. Its usage is what is known of it,
        /// or an estimate.
        partial: Box<ChatResponse>,
    },
    /// The provider's answer can't be understood.
    #[error("{provider} sent an answer that can't be understood: {detail}")]
    InvalidReply {
        /// The provider.
        provider: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The model's name begins with no provider that there is.
    #[error("no provider is named in front of the model `{model}`; there is {}", known.join(", "))]
    UnknownProvider {
        /// The model as it was asked for.
        model: String,
        /// What a model's name can begin with.
        known: Vec<String>,
    },
    /// A provider is named, and none of its models.
    #[error("`{provider}` is a provider and no model: write `{provider}/` and the model's name")]
    NoModel {
        /// The provider.
        provider: String,
    },
    /// The call may cost more than is left.
    #[error(transparent)]
    Budget(#[from] BudgetExceeded),
}

impl ProviderError {
    /// Whether it is certain that nothing was used: the provider turned the request away. A connection that broke and an
    /// answer that can't be understood may have cost something.
    pub const fn is_free(&self) -> bool {
        match self {
            Self::Unauthorized { .. }
            | Self::NoCredentials { .. }
            | Self::Credentials { .. }
            | Self::RateLimited { .. }
            | Self::Unavailable { .. }
            | Self::Rejected { .. }
            | Self::UnknownProvider { .. }
            | Self::NoModel { .. }
            | Self::Budget(_) => true,
            Self::Transport { .. } | Self::Interrupted { .. } | Self::InvalidReply { .. } => false,
        }
    }

    /// Whether the same request may succeed a little later.
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. } | Self::Unavailable { .. } | Self::Transport { .. } | Self::Interrupted { .. }
        )
    }

    /// How long the provider asks to wait before the next request.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the request was refused because the conversation is longer than the model can read, so that a shorter one
    /// may be taken.
    pub fn is_too_long(&self) -> bool {
        let Self::Rejected { status: 400 | 413 | 422, message, .. } = self else { return false };
        let message = message.to_ascii_lowercase();
        ["prompt is too long", "context length", "context window", "context size", "context_length", "too many tokens"]
            .iter()
            .any(|words| message.contains(words))
    }

    /// What had come of an answer that broke off.
    pub fn partial(&self) -> Option<&ChatResponse> {
        match self {
            Self::Interrupted { partial, .. } => Some(partial),
            _ => None,
        }
    }
}
