//! What a configuration file says about the agent itself.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Risk;

/// A provider of models.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ProviderFile {
    /// Which protocol it speaks. `openai` unless it is said, which is what most compatible servers speak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ProviderKind>,
    /// Where it is: `https://models.example.com/v1`. Without TLS only on this machine and in private networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The environment variable that holds its key. The key itself never stands in this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// The name of its key in `~/.mimir/secrets.yml`, in place of a variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The auth provider of a plugin that gives its token, in place of a key: `custom-sso`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    /// Further headers of each request. None may hold a key.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, String>,
}

/// Which protocol a provider of models speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// Anthropic's messages.
    Anthropic,
    /// OpenAI's chat completions, which many servers speak.
    #[default]
    Openai,
}

/// What the agent may do without a question, and what it may not do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PermissionsFile {
    /// What may happen without a question: `bash(git status *)`, `write(src/**)`, `mcp(server/tool)`, or a kind alone. A
    /// repository's rules count up to low risk, and only once it is trusted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// What may not happen, written in the same way. Stronger than every rule that allows, whoever says it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub block: Vec<String>,
}

/// When a conversation is compacted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct CompactionFile {
    /// Whether it happens by itself. `true` unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// From how many tokens on: a number from 1000, or a part of what the model can hold, such as `0.8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub context_tokens: Option<f64>,
    /// How many of the last messages stay as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub keep_messages: Option<u32>,
}

/// A role of sub-agents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AgentFile {
    /// What it is for, for the model that hands it tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its model, `provider/model`. The main agent's unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What it is told before its task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The only tools that it gets. All of the main agent's unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// How many turns it has at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_turns: Option<u32>,
}

/// Servers that speak the Model Context Protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct McpFile {
    /// The servers, by name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub servers: IndexMap<String, McpServerFile>,
}

/// A server that speaks the Model Context Protocol: a program, on its standard input and output, or one that is reached over
/// HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct McpServerFile {
    /// The program. It runs with the user's rights. Where another layer names it, this entry only bounds that server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Where a server is that is reached over HTTP, instead of a program: `https://`, or `http://` in a network of one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Headers of each request to it. None may hold a key: `secrets` is for those.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, String>,
    /// The program's arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Variables of its environment. None may hold a key: `secrets` is for those.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<String, String>,
    /// Variables that hold a secret, or headers where there is a `url`: the variable or header, and the secret's name in
    /// Mimir's environment or `~/.mimir/secrets.yml`. A repository can't say this.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub secrets: IndexMap<String, String>,
    /// The folder in which it runs, relative to this file. The project unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Whether it runs. `true` unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How dangerous its tools are taken to be at least. `medium` unless it is said; a repository can't say less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk_level: Option<Risk>,
    /// The only tools of it that the agent gets. All unless it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
}

/// The agent's tools.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ToolsFile {
    /// Tools that the agent does not get, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disabled: Vec<String>,
    /// The tool that runs command lines.
    #[serde(skip_serializing_if = "BashFile::is_empty")]
    pub bash: BashFile,
}

/// The tool that runs command lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct BashFile {
    /// How long a command line may take, in milliseconds, unless the call says less.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 3_600_000))]
    pub timeout_ms: Option<u64>,
}

impl BashFile {
    fn is_empty(&self) -> bool {
        self.timeout_ms.is_none()
    }
}
