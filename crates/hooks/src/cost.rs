//! Money.

use mimir_shared_config::{EventName, PluginId};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;

use crate::answer::Asked;
use crate::decision::NO_REASON;
use crate::definition::{AnswerDefinition, ClosedEffect, Definition, Mode, OnThrow};
use crate::payload::payloads;
use crate::{Hooks, InvalidAnswer, Judgement, Outcome, Verdict};

payloads! {
    /// A call of a model was paid for.
    CostUpdated {
        /// Input tokens of the call.
        input_tokens: u64,
        /// Output tokens of the call.
        output_tokens: u64,
        /// What the call cost, in US dollars.
        cost: f64,
        /// What the session has cost so far, in US dollars.
        total_cost: f64,
        /// The model.
        model: String,
    }
    /// The session has cost more than its budget.
    BudgetExceeded {
        /// The budget, in US dollars.
        limit: f64,
        /// What the session has cost so far, in US dollars.
        total_cost: f64,
    }
}

/// An answer to `budget.exceeded`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "BudgetExceededAnswer", deny_unknown_fields, rename_all = "camelCase")]
struct BudgetAnswer {
    /// Whether the agent must stop.
    #[serde(default)]
    stop: Option<bool>,
    /// Why.
    #[serde(default)]
    reason: Option<String>,
}

pub(crate) static UPDATED: Definition =
    Definition::tells::<CostUpdated>(EventName::CostUpdated, "A call of a model was paid for.", false);

pub(crate) static BUDGET: Definition = Definition {
    event: EventName::BudgetExceeded,
    description: "The session has cost more than its budget. Plugins may stop the agent.",
    mode: Mode::Parallel,
    waits: true,
    on_throw: OnThrow::Fails,
    on_closed: ClosedEffect::Blocks,
    payload: SchemaGenerator::subschema_for::<BudgetExceeded>,
    answer: Some(AnswerDefinition {
        schema: SchemaGenerator::subschema_for::<BudgetAnswer>,
        forms: &[("{ stop: true, reason }", "the agent stops")],
        in_place: None,
        judge: judge_budget,
    }),
};

fn judge_budget(asked: &Asked<'_>) -> Result<Judgement, InvalidAnswer> {
    let BudgetAnswer { stop, reason } = asked.read()?;
    match stop {
        Some(true) => Ok(Verdict::blocked(reason).into()),
        Some(false) => Ok(Verdict::Passed.into()),
        None => asked.change([], reason),
    }
}

/// What the plugins decided about an exceeded budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BudgetDecision {
    /// No plugin stops the agent.
    GoOn,
    /// The agent must stop.
    Stop {
        /// Whose decision it is.
        by: Option<PluginId>,
        /// Why.
        reason: String,
    },
}

/// Raises the events about money.
#[derive(Clone)]
pub struct CostEvents(pub(crate) Hooks);

impl CostEvents {
    /// `cost.updated`, in the background.
    pub fn updated(&self, event: &CostUpdated) {
        self.0.tell(event);
    }

    /// `budget.exceeded`: whether the agent must stop.
    pub async fn budget_exceeded(&self, event: &BudgetExceeded) -> BudgetDecision {
        let emitted = self.0.ask(event).await;
        match emitted.outcome {
            Outcome::Blocked | Outcome::Denied => {
                let reason = emitted.reason.unwrap_or_else(|| NO_REASON.to_owned());
                BudgetDecision::Stop { by: emitted.by, reason }
            }
            Outcome::Passed | Outcome::Changed | Outcome::Approved | Outcome::Failed => BudgetDecision::GoOn,
        }
    }
}
