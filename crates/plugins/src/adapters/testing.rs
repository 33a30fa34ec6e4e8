//! What stands for the agent and the person where a test runs `mimir replay`, which has neither.

use std::sync::Arc;

use async_trait::async_trait;
use mimir_api::{Asked, Asker, Question, QuestionKind, ToolAnswer, ToolCatalog, ToolRequest};
use mimir_registry::{Envelope, EventBus, Outcome};
use mimir_shared_config::EventName;
use mimir_shared_providers::ToolDefinition;
use serde_json::json;

/// Tools of these names, divided by commas. Each is run if a plugin permits it, and gives its name.
pub(crate) fn tools(names: &str, bus: &EventBus) -> Arc<dyn ToolCatalog> {
    Arc::new(Tools { names: names.split(',').map(str::to_owned).collect(), bus: bus.clone() })
}

/// A person who confirms everything, or says `answer`. `echo` says what the question looked like.
pub(crate) fn person(answer: &str) -> Arc<dyn Asker> {
    Arc::new(Person { answer: answer.to_owned() })
}

struct Tools {
    names: Vec<String>,
    bus: EventBus,
}

#[async_trait]
impl ToolCatalog for Tools {
    async fn list(&self) -> Vec<ToolDefinition> {
        let definition = |name: &String| ToolDefinition {
            name: name.clone(),
            description: "A tool of a test".to_owned(),
            input_schema: json!({ "type": "object" }),
        };
        self.names.iter().map(definition).collect()
    }

    async fn execute(&self, request: ToolRequest) -> ToolAnswer {
        let ToolRequest { name, session_id, chain, .. } = request;
        if !self.names.contains(&name) {
            return ToolAnswer { result: json!("there is no such tool"), is_error: true };
        }
        let session_id = session_id.unwrap_or_default();
        let payload =
            json!({ "timestamp": 0, "sessionId": &*session_id, "type": name, "command": name, "risk": "low" });
        let envelope = Envelope::new(EventName::PermissionAsk, payload.to_string(), session_id);
        let emission = self.bus.emit(envelope.caused_by(chain.iter().cloned().collect())).await;
        match emission.outcome {
            Outcome::Approved => ToolAnswer { result: json!(format!("{name} ran")), is_error: false },
            _ => ToolAnswer { result: json!("nobody permits it"), is_error: true },
        }
    }
}

struct Person {
    answer: String,
}

#[async_trait]
impl Asker for Person {
    async fn ask(&self, question: &Question) -> Asked {
        Asked::Answered(match &question.kind {
            QuestionKind::Confirm => Question::YES.to_owned(),
            _ if self.answer == "echo" => question.line(),
            _ => self.answer.clone(),
        })
    }
}
