use std::sync::Arc;

use mimir_shared_config::PluginId;

use crate::{
    AgentEvents, CommandEvents, CostEvents, Decision, Emit, Emitted, FileEvents, MessageEvents, Payload,
    PermissionEvents, Raised, SessionEvents, ToolEvents,
};

/// The typed way to raise events. Whether a method waits is the event's rule: those that are `async` do.
#[derive(Clone)]
pub struct Hooks {
    port: Arc<dyn Emit>,
    cause: Arc<[PluginId]>,
}

impl Hooks {
    /// Raises events through `port`.
    pub fn new(port: Arc<dyn Emit>) -> Self {
        Self { port, cause: Arc::default() }
    }

    /// The same for what the host calls of a chain of plugins raise, the first cause first.
    #[must_use]
    pub fn caused_by(&self, chain: impl IntoIterator<Item = PluginId>) -> Self {
        Self { port: Arc::clone(&self.port), cause: chain.into_iter().collect() }
    }

    /// Events about tool calls.
    pub fn tools(&self) -> ToolEvents {
        ToolEvents(self.clone())
    }

    /// Events about permissions.
    pub fn permissions(&self) -> PermissionEvents {
        PermissionEvents(self.clone())
    }

    /// Events about the session.
    pub fn sessions(&self) -> SessionEvents {
        SessionEvents(self.clone())
    }

    /// Events about messages.
    pub fn messages(&self) -> MessageEvents {
        MessageEvents(self.clone())
    }

    /// Events about agents.
    pub fn agents(&self) -> AgentEvents {
        AgentEvents(self.clone())
    }

    /// Events about files.
    pub fn files(&self) -> FileEvents {
        FileEvents(self.clone())
    }

    /// Events about commands.
    pub fn commands(&self) -> CommandEvents {
        CommandEvents(self.clone())
    }

    /// Events about money.
    pub fn costs(&self) -> CostEvents {
        CostEvents(self.clone())
    }

    /// Raises an event that asks, and reads the decision.
    pub(crate) async fn decide<T: Payload>(&self, event: T) -> Decision<T> {
        self.decide_named(event).await.0
    }

    /// The same, and who changed it, in their order.
    pub(crate) async fn decide_named<T: Payload>(&self, event: T) -> (Decision<T>, Vec<PluginId>) {
        let mut emitted = self.ask(&event).await;
        let changed_by = std::mem::take(&mut emitted.changed_by);
        (Decision::read(event, emitted), changed_by)
    }

    /// Raises an event and waits for what becomes of it.
    pub(crate) async fn ask<T: Payload>(&self, event: &T) -> Emitted {
        self.port.emit(self.raised(event)).await
    }

    /// Raises an event in the background.
    pub(crate) fn tell<T: Payload>(&self, event: &T) {
        self.port.emit_background(self.raised(event));
    }

    fn raised<T: Payload>(&self, event: &T) -> Raised {
        // Payloads have text keys only and no fallible serialiser, which is all that can go wrong (a NaN becomes null).
        let payload = serde_json::to_string(event).unwrap_or_else(|_| "{}".to_owned());
        Raised {
            event: T::EVENT,
            payload: payload.into(),
            session_id: event.session_id().into(),
            cause: Arc::clone(&self.cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use mimir_shared_config::Risk;
    use serde_json::{Map, json};

    use super::*;
    use crate::ports::MockEmit;
    use crate::{
        BudgetDecision, BudgetExceeded, Emitted, FileModified, IdleReason, Outcome, PermissionAsk, PermissionDecision,
        SessionIdle, SessionInfo, ToolExecuteBefore, ToolSource,
    };

    fn guard() -> Option<PluginId> {
        PluginId::new("guard").ok()
    }

    /// Hooks whose port gives this for every event that is waited for.
    fn answered(outcome: Outcome, reason: Option<&'static str>, payload: Option<&'static str>) -> Hooks {
        let mut port = MockEmit::new();
        port.expect_emit().returning(move |raised| Emitted {
            outcome,
            by: (outcome != Outcome::Passed).then(guard).flatten(),
            changed_by: Vec::from_iter((outcome == Outcome::Changed).then(guard).flatten()),
            reason: reason.map(str::to_owned),
            payload: payload.map_or(raised.payload, Into::into),
        });
        Hooks::new(Arc::new(port))
    }

    fn before() -> ToolExecuteBefore {
        let args = [("command".to_owned(), json!("ls"))].into_iter().collect();
        ToolExecuteBefore {
            timestamp: 1,
            session_id: "s1".to_owned(),
            tool: "bash".to_owned(),
            args,
            call_id: "c1".to_owned(),
            source: ToolSource::Builtin,
            agent_id: None,
            extra: Map::new(),
        }
    }

    #[tokio::test]
    async fn the_decision_about_a_tool_call() {
        let decide = async |outcome, reason, payload| answered(outcome, reason, payload).tools().before(before()).await;
        for outcome in [Outcome::Passed, Outcome::Failed] {
            assert_eq!(decide(outcome, None, None).await, Decision::Proceed(before()));
        }
        assert_eq!(
            decide(Outcome::Blocked, Some("no"), None).await,
            Decision::Blocked { by: guard(), reason: "no".to_owned() }
        );
        assert_eq!(
            decide(Outcome::Blocked, None, None).await,
            Decision::Blocked { by: guard(), reason: "blocked without a reason".to_owned() }
        );
        let changed = r#"{"timestamp":1,"sessionId":"s1","tool":"bash","args":{},"callId":"c1","source":"builtin"}"#;
        let expected = Decision::Proceed(ToolExecuteBefore { args: Map::new(), ..before() });
        assert_eq!(decide(Outcome::Changed, None, Some(changed)).await, expected);
        let unreadable = decide(Outcome::Changed, None, Some("{}")).await;
        assert!(matches!(unreadable, Decision::Blocked { reason, .. } if reason.contains("could not be read")));
    }

    #[tokio::test]
    async fn the_decision_about_a_permission_and_a_budget() {
        let ask = PermissionAsk {
            timestamp: 1,
            session_id: "s1".to_owned(),
            kind: "bash".to_owned(),
            command: "ls".to_owned(),
            path: None,
            tool: None,
            risk: Risk::Low,
            extra: Map::new(),
        };
        let budget = BudgetExceeded {
            timestamp: 1,
            session_id: "s1".to_owned(),
            limit: 1.0,
            total_cost: 2.0,
            extra: Map::new(),
        };
        let (by, reason) = (guard(), Some("why".to_owned()));
        let allowed = PermissionDecision::Allowed { by: by.clone(), reason: reason.clone() };
        let denied = PermissionDecision::Denied { by: by.clone(), reason };
        let stop = BudgetDecision::Stop { by, reason: "why".to_owned() };
        for (outcome, permission, spending) in [
            (Outcome::Passed, PermissionDecision::AskUser, BudgetDecision::GoOn),
            (Outcome::Failed, PermissionDecision::AskUser, BudgetDecision::GoOn),
            (Outcome::Approved, allowed, BudgetDecision::GoOn),
            (Outcome::Denied, denied.clone(), stop.clone()),
            (Outcome::Blocked, denied, stop),
        ] {
            let hooks = answered(outcome, Some("why"), None);
            assert_eq!(hooks.permissions().ask(ask.clone()).await, permission);
            assert_eq!(hooks.costs().budget_exceeded(&budget).await, spending);
        }
    }

    #[tokio::test]
    async fn what_is_raised() {
        let mut port = MockEmit::new();
        let file = r#"{"timestamp":7,"sessionId":"s1","path":"a.rs","bytes":3,"own":true}"#;
        port.expect_emit().once().returning(move |raised| {
            assert_eq!((&*raised.payload, &*raised.session_id), (file, "s1"));
            assert_eq!(raised.event.as_str(), "file.modified");
            assert_eq!(raised.cause.first(), guard().as_ref());
            Emitted {
                outcome: Outcome::Passed,
                by: None,
                changed_by: Vec::new(),
                reason: None,
                payload: raised.payload,
            }
        });
        port.expect_emit_background().once().returning(|raised| {
            assert_eq!(raised.event.as_str(), "session.idle");
            assert!(raised.cause.is_empty());
        });
        let hooks = Hooks::new(Arc::new(port));
        let modified = FileModified {
            timestamp: 7,
            session_id: "s1".to_owned(),
            path: "a.rs".to_owned(),
            tool: None,
            bytes: Some(3),
            extra: [("own".to_owned(), json!(true))].into_iter().collect(),
        };
        hooks.caused_by(guard()).files().modified(&modified).await;
        hooks.sessions().idle(&SessionIdle {
            timestamp: 8,
            session_id: "s1".to_owned(),
            reason: IdleReason::Completed,
            session: SessionInfo::default(),
            extra: Map::new(),
        });
    }
}
