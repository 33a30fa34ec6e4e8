use mimir_shared_config::EventName;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

/// The payload of one event.
pub trait Payload: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The event that it belongs to.
    const EVENT: EventName;

    /// The session that the event belongs to.
    fn session_id(&self) -> &str;
}

/// A payload that is not of its event's shape.
#[derive(Debug, Error)]
#[error("this is no payload of `{event}`")]
pub struct InvalidPayload {
    /// The event.
    pub event: EventName,
    /// What is wrong with the text.
    #[source]
    pub source: serde_json::Error,
}

/// An error as events carry it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorInfo {
    /// What went wrong.
    pub message: String,
    /// The kind of error, such as `TimeoutError`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A code for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Declares payloads: each has `timestamp` and `sessionId`, and keeps the fields that it does not know.
macro_rules! payloads {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$field_doc:meta])* $field:ident: $type:ty, )* }
    )+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// When it happened, in milliseconds since 1970.
            pub timestamp: u64,
            /// The session that it belongs to.
            pub session_id: String,
            $( $(#[$field_doc])* pub $field: $type, )*
            /// Fields that this version does not know.
            #[serde(flatten)]
            pub extra: serde_json::Map<String, serde_json::Value>,
        }

        impl $crate::payload::Payload for $name {
            const EVENT: mimir_shared_config::EventName = mimir_shared_config::EventName::$name;

            fn session_id(&self) -> &str {
                &self.session_id
            }
        }
    )+};
}

pub(crate) use payloads;
