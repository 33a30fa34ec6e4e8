use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{EventName, UnknownEvent};

/// Which deliveries of an event a plugin wants: all of them, or with the alias `session.completed` only those of
/// `session.idle` whose reason is `completed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventSelector {
    /// The event.
    pub name: EventName,
    /// Whether only a `session.idle` with reason `completed` is wanted. Always false for other events.
    pub only_completed: bool,
}

impl EventSelector {
    /// Every name that a manifest and a plugin's `on` may use: the events, then the alias.
    pub fn names() -> impl Iterator<Item = &'static str> {
        EventName::ALL.into_iter().map(EventName::as_str).chain([EventName::SESSION_COMPLETED_ALIAS])
    }

    /// The name as plugins write it, the alias included.
    pub const fn as_str(self) -> &'static str {
        if self.only_completed { EventName::SESSION_COMPLETED_ALIAS } else { self.name.as_str() }
    }

    /// Whether an event is to be delivered. `reason` is the payload's `reason`, if it has one.
    pub fn selects(self, event: EventName, reason: Option<&str>) -> bool {
        self.name == event && (!self.only_completed || reason == Some("completed"))
    }
}

impl From<EventName> for EventSelector {
    fn from(name: EventName) -> Self {
        Self { name, only_completed: false }
    }
}

impl FromStr for EventSelector {
    type Err = UnknownEvent;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == EventName::SESSION_COMPLETED_ALIAS {
            return Ok(Self { name: EventName::SessionIdle, only_completed: true });
        }
        name.parse::<EventName>().map(Self::from)
    }
}

impl fmt::Display for EventSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for EventSelector {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventSelector {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for EventSelector {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EventSelector".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An event, or `session.completed`: a `session.idle` whose reason is `completed`.",
            "type": "string",
            "enum": Self::names().collect::<Vec<_>>(),
        })
    }
}
