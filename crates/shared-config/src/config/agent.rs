//! What all layers come to about the agent itself.

use std::path::PathBuf;

use indexmap::IndexMap;

use super::{Layer, Origin, ProviderKind};
use crate::{PermissionRule, Risk};

/// The model that answers where none is said: it plays what stands in a file and needs no key.
pub const SCRIPTED_MODEL: &str = "scripted";

/// A provider of models. Only the user and the company can say anything about one: that is where conversations and keys go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderSettings {
    /// Which protocol it speaks.
    pub kind: ProviderKind,
    /// Where it is. `None` for the two that are built in: where their makers have it.
    pub base_url: Option<String>,
    /// Where its key is. `None`: it needs none.
    pub key: Option<KeySource>,
    /// The auth provider of a plugin that gives its token. Then it has no key.
    pub auth: Option<String>,
    /// Further headers of each request.
    pub headers: IndexMap<String, String>,
}

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// In this variable of Mimir's environment, else under the same name in `~/.mimir/secrets.yml`.
    Variable(String),
    /// Under this name in `~/.mimir/secrets.yml`.
    Secret(String),
}

/// What the agent may do without a question, and what it may not do, as all layers say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PermissionRules {
    /// What may happen without a question. Those of [`Layer::Project`] count up to low risk alone.
    pub allow: Vec<SaidRule>,
    /// What may not happen.
    pub block: Vec<SaidRule>,
}

/// A rule and who says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaidRule {
    /// The rule.
    pub rule: PermissionRule,
    /// Who says so.
    pub origin: Origin,
}

/// When a conversation is compacted.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Compaction {
    /// Whether it happens by itself.
    pub enabled: bool,
    /// From how many tokens on. `None`: as the agent sees fit.
    pub context_tokens: Option<ContextTokens>,
    /// How many of the last messages stay as they are. `None`: as the agent sees fit.
    pub keep_messages: Option<u32>,
}

impl Default for Compaction {
    fn default() -> Self {
        Self { enabled: true, context_tokens: None, keep_messages: None }
    }
}

/// How much context is too much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ContextTokens {
    /// So many tokens.
    Tokens(u64),
    /// This part of what the model can hold, above 0 and at most 1.
    Fraction(f64),
}

/// The fewest tokens that can be meant by a number.
pub(super) const LEAST_TOKENS: f64 = 1000.0;

impl ContextTokens {
    /// What is meant by a number in a file: up to 1 a part, from 1000 on tokens, and nothing in between.
    pub(super) fn read(number: f64) -> Option<Self> {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive number; what is above u64 becomes its largest value, which is never reached"
        )]
        match number {
            part if part > 0.0 && part <= 1.0 => Some(Self::Fraction(part)),
            tokens if tokens >= LEAST_TOKENS && tokens.is_finite() => Some(Self::Tokens(tokens as u64)),
            _ => None,
        }
    }
}

/// A role of sub-agents.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentSettings {
    /// What it is for, for the model that hands it tasks.
    pub description: Option<String>,
    /// Its model, `provider/model`. `None`: the main agent's.
    pub model: Option<String>,
    /// What it is told before its task.
    pub prompt: Option<String>,
    /// The only tools that it gets. `None`: all of the main agent's.
    pub tools: Option<Vec<String>>,
    /// How many turns it has at most. `None`: as the agent sees fit.
    pub max_turns: Option<u32>,
    /// Who says so: the strongest layer that does.
    pub origin: Origin,
}

/// An MCP server that is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct McpServer {
    /// How it is reached.
    pub reach: McpReach,
    /// Variables of its environment, or headers of requests to it, that hold a secret, with the secret's name. Never a
    /// repository's word.
    pub secrets: IndexMap<String, String>,
    /// The least risk that its tools are taken to have.
    pub risk: Risk,
    /// The only tools of it that the agent gets. `None`: all.
    pub allow: Option<Vec<String>>,
    /// Who names the program or the address. With [`Layer::Project`] it is the repository's own.
    pub origin: Origin,
}

/// How an MCP server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum McpReach {
    /// It is a program, talked to on its standard streams.
    Program {
        /// The program: found by the `PATH`, or a path. A relative one with a `/` is resolved against the folder of its file.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Variables of its environment.
        env: IndexMap<String, String>,
        /// The folder in which it runs. `None`: the project. `~/` is left for the caller, who knows the user's home.
        cwd: Option<PathBuf>,
    },
    /// It answers over HTTP.
    Http {
        /// Its address: `https`, or `http` in a network of one's own.
        url: String,
        /// Headers of each request.
        headers: IndexMap<String, String>,
    },
}

impl McpServer {
    /// Whether the repository brings it.
    pub fn is_repositorys(&self) -> bool {
        self.origin.layer == Layer::Project
    }
}

/// The agent's tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolSettings {
    /// Tools that the agent does not get, by name.
    pub disabled: Vec<String>,
    /// How long a command line may take, in milliseconds. `None`: as the tool sees fit.
    pub bash_timeout_ms: Option<u64>,
}
