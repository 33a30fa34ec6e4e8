//! Requests for permission.

use mimir_shared_config::{EventName, PluginId, Risk};
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answer::Asked;
use crate::definition::{AnswerDefinition, ClosedEffect, Definition, Mode, OnThrow};
use crate::payload::payloads;
use crate::{Hooks, InvalidAnswer, Judgement, Outcome, Verdict};

payloads! {
    /// Something needs a permission that no rule gives or refuses.
    PermissionAsk {
        /// The kind of action, such as `bash` or `write`.
        #[serde(rename = "type")]
        kind: String,
        /// What would be done: the command line, or the type and the path.
        command: String,
        /// The file that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// The tool that asks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool: Option<String>,
        /// How dangerous it is.
        risk: Risk,
    }
    /// A request for permission was answered.
    PermissionReplied {
        /// The request.
        request: PermissionRequest,
        /// Whether it was allowed.
        allowed: bool,
        /// Who answered: `user`, `policy`, or a plugin's name.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
}

/// A request for permission, as `permission.replied` repeats it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PermissionRequest {
    /// The kind of action.
    #[serde(rename = "type")]
    pub kind: String,
    /// What would be done: the command line, or the type and the path.
    pub command: String,
    /// The file that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The tool that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// How dangerous it is.
    pub risk: Risk,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl From<PermissionAsk> for PermissionRequest {
    fn from(ask: PermissionAsk) -> Self {
        let PermissionAsk { kind, command, path, tool, risk, extra, .. } = ask;
        Self { kind, command, path, tool, risk, extra }
    }
}

/// An answer to `permission.ask`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "PermissionAskAnswer", deny_unknown_fields, rename_all = "camelCase")]
struct AskAnswer {
    /// Whether the request is allowed.
    allow: bool,
    /// Why.
    #[serde(default)]
    reason: Option<String>,
}

pub(crate) static ASK: Definition = Definition {
    event: EventName::PermissionAsk,
    description: "Something needs a permission that no rule gives or refuses. Plugins may allow or deny it; deny wins \
                  over allow, and if nobody answers the user decides.",
    mode: Mode::Parallel,
    waits: true,
    on_throw: OnThrow::Fails,
    on_closed: ClosedEffect::Denies,
    payload: SchemaGenerator::subschema_for::<PermissionAsk>,
    answer: Some(AnswerDefinition {
        schema: SchemaGenerator::subschema_for::<AskAnswer>,
        forms: &[
            ("{ allow: true, reason? }", "the request is allowed, up to the risk that the plugin may approve"),
            ("{ allow: false, reason? }", "the request is refused"),
        ],
        in_place: None,
        judge: judge_ask,
    }),
};

pub(crate) static REPLIED: Definition = Definition::tells::<PermissionReplied>(
    EventName::PermissionReplied,
    "A request for permission was answered by the user, a rule or a plugin.",
    true,
);

fn judge_ask(asked: &Asked<'_>) -> Result<Judgement, InvalidAnswer> {
    let AskAnswer { allow, reason } = asked.read()?;
    if !allow {
        return Ok(Verdict::replied(false, reason).into());
    }
    // A recording without a readable risk is treated as the worst.
    let risk = serde_json::from_str::<AskedRisk>(asked.payload).map_or(Risk::Critical, |asked| asked.risk);
    let highest = match asked.approve_up_to {
        Some(highest) if risk <= highest => return Ok(Verdict::replied(true, reason).into()),
        Some(highest) => format!("only up to risk `{}`", word(highest)),
        None => "nothing at all".to_owned(),
    };
    let risk = word(risk);
    let notice = format!(
        "its approval is not obeyed: the risk is `{risk}`, and it may approve {highest} (`approve: {risk}` under \
         `capabilities.permissions` in plugin.yml would ask for it)"
    );
    Ok(Judgement { verdict: Verdict::Passed, notice: Some(notice) })
}

#[derive(Deserialize)]
struct AskedRisk {
    risk: Risk,
}

const fn word(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
        Risk::Critical => "critical",
    }
}

/// What the plugins decided about a request for permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionDecision {
    /// It is allowed.
    Allowed {
        /// Whose decision it is.
        by: Option<PluginId>,
        /// Why.
        reason: Option<String>,
    },
    /// It is refused.
    Denied {
        /// Whose decision it is.
        by: Option<PluginId>,
        /// Why.
        reason: Option<String>,
    },
    /// No plugin decided: the user does.
    AskUser,
}

/// Raises the events about permissions.
#[derive(Clone)]
pub struct PermissionEvents(pub(crate) Hooks);

impl PermissionEvents {
    /// `permission.ask`: what the plugins decide.
    pub async fn ask(&self, event: PermissionAsk) -> PermissionDecision {
        let emitted = self.0.ask(&event).await;
        let (by, reason) = (emitted.by, emitted.reason);
        match emitted.outcome {
            Outcome::Approved => PermissionDecision::Allowed { by, reason },
            Outcome::Denied | Outcome::Blocked => PermissionDecision::Denied { by, reason },
            Outcome::Passed | Outcome::Changed | Outcome::Failed => PermissionDecision::AskUser,
        }
    }

    /// `permission.replied`: waits until the plugins know.
    pub async fn replied(&self, event: PermissionReplied) {
        self.0.ask(&event).await;
    }
}
