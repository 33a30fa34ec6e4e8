//! The sessions of a recording as they stand at the event at hand: what `ctx.session` shows while it is replayed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use mimir_plugins::{ApiError, EventName, Message, SessionInfo, SessionView};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Follows the events of a recording.
#[derive(Default)]
pub(crate) struct RecordedSessions(Mutex<HashMap<String, Session>>);

#[derive(Default, Clone)]
struct Session {
    metadata: Map<String, Value>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Addressed {
    session_id: String,
    session: Option<Map<String, Value>>,
    message: Option<Message>,
}

impl RecordedSessions {
    /// Takes an event in before it is emitted: a plugin that hears of a message finds it in the session. What does not
    /// look like a message or a session changes nothing.
    pub(crate) fn follow(&self, event: EventName, payload: &str) {
        use EventName as E;
        let is_about_sessions = matches!(
            event,
            E::SessionCreated
                | E::SessionResumed
                | E::SessionIdle
                | E::MessageAdded
                | E::MessageUpdated
                | E::MessageRemoved
        );
        if !is_about_sessions {
            return;
        }
        let Ok(Addressed { session_id, session, message }) = serde_json::from_str(payload) else { return };
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = sessions.entry(session_id).or_default();
        if let Some(mut session) = session {
            session.shift_remove("id");
            // `metadata` holds what else is known, and all of it is metadata to a plugin
            if let Some(Value::Object(more)) = session.shift_remove("metadata") {
                session.extend(more);
            }
            known.metadata.extend(session);
        }
        let Some(message) = message else { return };
        let place =
            message.id.as_ref().and_then(|id| known.messages.iter().position(|held| held.id.as_ref() == Some(id)));
        match (event, place) {
            (E::MessageRemoved, Some(place)) => {
                known.messages.remove(place);
            }
            (E::MessageUpdated | E::MessageAdded, Some(place)) => known.messages[place] = message,
            (E::MessageUpdated | E::MessageAdded, None) => known.messages.push(message),
            _ => {}
        }
    }
}

#[async_trait]
impl SessionView for RecordedSessions {
    async fn session(&self, id: &str) -> Result<Option<SessionInfo>, ApiError> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let metadata = sessions.get(id).map(|session| session.metadata.clone()).unwrap_or_default();
        // Every event belongs to a session, also where the recording begins in the middle of it
        Ok(Some(SessionInfo { id: id.to_owned(), metadata }))
    }

    async fn messages(&self, id: &str) -> Result<Option<Vec<Message>>, ApiError> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(sessions.get(id).map(|session| session.messages.clone()).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

    use super::*;

    #[tokio::test]
    async fn messages_and_metadata_are_followed() {
        let sessions = RecordedSessions::default();
        let message = |id: &str, text: &str| {
            format!(r#"{{"sessionId":"s","message":{{"id":"{id}","role":"user","content":"{text}"}}}}"#)
        };
        sessions.follow(
            EventName::SessionCreated,
            r#"{"sessionId":"s","session":{"id":"s","title":"t","metadata":{"a":1}}}"#,
        );
        for (event, payload) in [
            (EventName::MessageAdded, message("m1", "one")),
            (EventName::MessageAdded, message("m2", "two")),
            (EventName::MessageUpdated, message("m1", "ONE")),
            (EventName::MessageAdded, message("m3", "three")),
            (EventName::MessageRemoved, message("m2", "two")),
            (EventName::MessageAdded, r#"{"sessionId":"s","message":17}"#.to_owned()),
            (EventName::ChatMessage, message("m9", "of no session")),
        ] {
            sessions.follow(event, &payload);
        }
        let held: Vec<_> =
            sessions.messages("s").await.unwrap().unwrap().into_iter().filter_map(|held| held.id).collect();
        assert_eq!(held, ["m1", "m3"]);
        let session = sessions.session("s").await.unwrap().unwrap();
        assert_eq!(Value::Object(session.metadata), serde_json::json!({"title": "t", "a": 1}));
        assert!(sessions.messages("other").await.unwrap().unwrap().is_empty());
    }
}
