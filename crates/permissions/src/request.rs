use std::path::PathBuf;

use mimir_plugins::PluginId;
use mimir_shared_config::Risk;

use crate::Scope;

/// An action that may need a permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The session that it belongs to.
    pub session_id: String,
    /// The kind of action: `bash`, `write`, `delete`, `read`, `mcp`, …: rules and plugins know it by that.
    pub kind: String,
    /// What would be done: the command line, or the type and the path.
    pub command: String,
    /// The file that it is about.
    pub path: Option<PathBuf>,
    /// The tool that asks.
    pub tool: Option<String>,
    /// The least risk that it has, whatever the assessment finds: a custom tool or an MCP server says so.
    pub least_risk: Option<Risk>,
    /// The plugins whose host calls led to it, the first cause first.
    pub cause: Vec<PluginId>,
    /// The plugins that changed what would be done, in their order. Their own word for it counts for nothing.
    pub changed_by: Vec<PluginId>,
}

/// How dangerous an action is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// The risk.
    pub risk: Risk,
    /// Why, one short sentence each, the gravest first.
    pub reasons: Vec<String>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the action may happen.
    pub allowed: bool,
    /// Who decided.
    pub by: Decider,
    /// Why.
    pub reason: Option<String>,
    /// How dangerous it was found.
    pub risk: Risk,
}

/// Who decided about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decider {
    /// The risk is so low that nobody is asked.
    Harmless,
    /// A rule of the configuration or of the company.
    Policy,
    /// An answer that the person gave before.
    Remembered,
    /// A plugin.
    Plugin(Option<PluginId>),
    /// The person.
    User,
    /// `--yes`, up to medium risk.
    Yes,
    /// Nobody was there to answer: refused.
    Nobody,
}

/// What the person is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What would be done.
    pub request: Request,
    /// How dangerous it is.
    pub assessment: Assessment,
    /// The rule that `always` would write, as text. Nothing where there is none: the risk is too high.
    pub rule: Option<String>,
    /// What the person should know beside it: answers that could not be read or kept.
    pub notices: Vec<String>,
}

impl Prompt {
    /// For how long a yes may count here. What is critical is asked every time, and so is what a plugin's host call led to.
    pub fn scopes(&self) -> &'static [Scope] {
        match (&self.rule, self.assessment.risk) {
            _ if !self.request.cause.is_empty() => &[Scope::Once],
            (_, Risk::Critical) => &[Scope::Once],
            (Some(_), Risk::Low | Risk::Medium) => &[Scope::Once, Scope::Session, Scope::Always],
            _ => &[Scope::Once, Scope::Session],
        }
    }
}
