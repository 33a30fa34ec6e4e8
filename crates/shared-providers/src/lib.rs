//! Language models as the rest of Mimir sees them: messages, tool definitions, token usage, what it costs, and the port
//! through which a model is called.
//!
//! This crate knows no plugin, no event and no network: an adapter for a provider implements [`LlmProvider`], and whoever
//! calls one asks a [`BudgetMeter`] first. The JSON of every type is what plugins and recorded sessions contain.

#![forbid(unsafe_code)]

mod anthropic;
mod budget;
mod http;
mod message;
mod openai;
mod ports;
mod prices;
mod provider;
mod router;
mod scenario;
mod scripted;
mod secret;
mod settings;
mod usage;

pub use budget::{BudgetExceeded, BudgetMeter, Reservation};
pub use http::HttpProvider;
pub use message::{Content, KnownPart, Message, PROVIDER_STATE, Part, Role, ToolDefinition};
pub use ports::{
    Credentials, CredentialsError, NoCredentials, NoPause, Pause, ProviderHttpRequest, ProviderHttpResponse, Token,
    Transport, TransportError,
};
pub use prices::{InvalidPrices, LongPrompt, Price, PriceTable};
pub use provider::{ChatEvent, ChatRequest, ChatResponse, ChatStream, LlmProvider, ProviderError, StopReason};
pub use router::ProviderRouter;
pub use scenario::{InvalidScenario, Scenario, ScenarioModel};
pub use scripted::{ScriptedAnswer, ScriptedProvider};
pub use secret::Secret;
pub use settings::{AnswerLimits, InvalidProvider, ProviderKind, ProviderSettings};
pub use usage::Usage;
