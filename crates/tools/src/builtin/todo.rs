use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use mimir_plugins::events::ToolSource;
use mimir_shared_providers::ToolDefinition;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::shared::{read_args, schema};
use crate::plain::plain_line;
use crate::{CallContext, Need, Pass, Tool, ToolError};

/// What the agents have planned, by session and agent. It is kept in memory: each call carries the whole list, so that
/// whoever resumes a session restores it from the last one.
#[derive(Default)]
pub struct Todos(Mutex<Lists>);

#[derive(Default)]
struct Lists {
    by_agent: HashMap<Agent, Vec<TodoItem>>,
    order: VecDeque<Agent>,
}

/// The session, and the agent if it is not the main one.
type Agent = (String, Option<String>);

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TodoItem {
    /// What.
    pub content: String,
    /// How far it is.
    pub status: TodoStatus,
}

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TodoStatus {
    /// Not begun.
    Pending,
    /// Under way.
    InProgress,
    /// Done.
    Completed,
}

/// Lists that are kept; the oldest goes first.
const LISTS: usize = 500;

impl Todos {
    /// The list of an agent.
    pub fn snapshot(&self, context: &CallContext) -> Vec<TodoItem> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.by_agent.get(&agent(context)).cloned().unwrap_or_default()
    }

    /// Sets the list of an agent, for a session that is resumed: `args` are those of its last call of `todo`.
    ///
    /// # Errors
    /// If they are none.
    pub fn restore(&self, context: &CallContext, args: &Map<String, Value>) -> Result<(), ToolError> {
        let Args { items } = read_args(args)?;
        self.set(context, items);
        Ok(())
    }

    fn set(&self, context: &CallContext, items: Vec<TodoItem>) {
        let agent = agent(context);
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lists.by_agent.insert(agent.clone(), items).is_none() {
            lists.order.push_back(agent);
            if lists.order.len() > LISTS
                && let Some(oldest) = lists.order.pop_front()
            {
                lists.by_agent.remove(&oldest);
            }
        }
    }
}

fn agent(context: &CallContext) -> Agent {
    (context.session_id.clone(), context.agent_id.clone())
}

/// Keeps the agent's plan.
pub(super) struct Todo(pub(super) Arc<Todos>);

#[derive(Deserialize)]
struct Args {
    items: Vec<TodoItem>,
}

#[async_trait]
impl Tool for Todo {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: "todo".to_owned(),
            description:
                "Keeps the list of what there is to do in a task of several steps, for yourself and for the person \
                          to see. Each call replaces the whole list."
                    .to_owned(),
            input_schema: schema(
                &json!({
                    "items": {
                        "type": "array",
                        "maxItems": 100,
                        "items": {
                            "type": "object",
                            "properties": {
                                "content": { "type": "string", "minLength": 1, "maxLength": 500 },
                                "status": { "enum": ["pending", "in_progress", "completed"] },
                            },
                            "required": ["content", "status"],
                            "additionalProperties": false,
                        },
                    },
                }),
                &["items"],
            ),
        }
    }

    fn source(&self) -> ToolSource {
        ToolSource::Builtin
    }

    fn need(&self, _: &Map<String, Value>) -> Option<Need> {
        None
    }

    async fn run(&self, pass: &Pass) -> Result<Value, ToolError> {
        let Args { items } = read_args(pass.args())?;
        let text = shown(&items);
        self.0.set(pass.context(), items);
        Ok(Value::String(text))
    }
}

fn shown(items: &[TodoItem]) -> String {
    if items.is_empty() {
        return "nothing to do.".to_owned();
    }
    let lines = items.iter().map(|item| {
        let mark = match item.status {
            TodoStatus::Pending => " ",
            TodoStatus::InProgress => "~",
            TodoStatus::Completed => "x",
        };
        format!("[{mark}] {}", plain_line(&item.content, 500))
    });
    lines.collect::<Vec<_>>().join("\n")
}
