//! Running what a model asks for.

use std::sync::OnceLock;

use futures::future::join_all;
use mimir_shared_providers::Message;
use serde_json::{Map, Value};

use crate::agent::{Agent, TASK};
use crate::ended::Halt;
use crate::turn::Done;
use crate::{Shown, StoreError, ToolCall, ToolOutcome, ToolRemark, context};

/// Whether a call began, and if so, whether that could be written down.
type Begun = OnceLock<Result<(), StoreError>>;

impl Agent {
    /// Runs calls in their order; those next to each other that only read, or that are
    /// tasks for sub-agents, run at once. Each is in the journal before its tool runs and not before it was allowed, and its
    /// end and its result are written together.
    pub(crate) async fn run_calls(&self, calls: Vec<ToolCall>) -> Result<Vec<Done>, Halt> {
        let at_once = self.live.shared.settings.calls_at_once.max(1);
        let mut done = Vec::with_capacity(calls.len());
        let mut rest = calls.as_slice();
        while let Some(first) = rest.first() {
            if !self.has_tool(&first.name) {
                done.push(self.refuse(first).await?);
                rest = &rest[1..];
                continue;
            }
            let together =
                rest.iter().take(at_once).take_while(|call| self.has_tool(&call.name) && self.runs_beside(call));
            let (now, later) = rest.split_at(together.count().max(1));
            done.extend(self.run_at_once(now).await?);
            rest = later;
        }
        Ok(done)
    }

    /// Whether a call may run beside others. Sub-agents may: each asks for what it does by calls of its own, and a model that
    /// gives several tasks in one answer means them to be worked on at once.
    fn runs_beside(&self, call: &ToolCall) -> bool {
        call.name == TASK || self.live.shared.ports.toolbox.only_reads(&call.name)
    }

    async fn run_at_once(&self, calls: &[ToolCall]) -> Result<Vec<Done>, Halt> {
        let ports = &self.live.shared.ports;
        let session = self.live.id();
        for call in calls {
            self.live.show(Shown::ToolStarted { agent_id: self.id(), call });
        }
        let begun: Vec<Begun> = calls.iter().map(|_| Begun::new()).collect();
        let running = calls.iter().zip(&begun).map(|(call, begun)| {
            let begins = async move {
                let written = ports.store.call_started(session, self.id(), call).await;
                let told = written.as_ref().map_err(ToString::to_string).copied();
                let _ = begun.set(written);
                told
            };
            ports.toolbox.run(session, self.id(), call, Box::pin(begins))
        });
        let outcomes = self.interruption.race(join_all(running)).await?;
        let mut done = Vec::with_capacity(calls.len());
        for ((call, mut outcome), begun) in calls.iter().zip(outcomes).zip(begun) {
            outcome.result = context::clipped_result(outcome.result, self.live.shared.settings.max_result_bytes);
            let message = context::result_message(call, outcome.result.clone(), outcome.is_error);
            let stored = match begun.into_inner() {
                Some(Ok(())) => ports.store.call_ended(session, self.id(), call, &outcome, message).await?,
                Some(Err(error)) => return Err(error.into()),
                None => ports.store.call_refused(session, self.id(), call, &outcome, message).await?,
            };
            self.tell_end(call, &outcome, &stored.message);
            done.push(Done { call: call.clone(), result: outcome.result });
        }
        Ok(done)
    }

    /// A call of a tool that the agent was not told of. Nothing begins, so nothing is in the journal.
    async fn refuse(&self, call: &ToolCall) -> Result<Done, Halt> {
        let result = Value::from(format!("this agent has no tool `{}`", call.name));
        self.append(context::result_message(call, result.clone(), true)).await?;
        let remark =
            ToolRemark { plugin: None, what: "denied".to_owned(), reason: Some("not one of its tools".to_owned()) };
        let outcome = ToolOutcome {
            result: result.clone(),
            is_error: true,
            args: Map::new(),
            duration_ms: 0,
            remarks: vec![remark],
        };
        self.live.show(Shown::ToolEnded { agent_id: self.id(), call, outcome: &outcome });
        Ok(Done { call: call.clone(), result })
    }

    fn tell_end(&self, call: &ToolCall, outcome: &ToolOutcome, message: &Message) {
        self.announcer.added(message);
        self.live.show(Shown::ToolEnded { agent_id: self.id(), call, outcome });
    }
}
