use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The limits as people write them. An absent one is left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LimitSettings {
    /// Memory in V8's heap, and as much again outside it: `128MB`, or a number of megabytes. 64 MB by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// CPU time of one entry into the plugin: `200ms`, or a number of milliseconds. 100 ms by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Millis>,
    /// Time of one event, host calls included: `10s`, or a number of milliseconds. 5 s by default. A tool or a command
    /// has twelve times as long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Millis>,
    /// Time that the plugin may take to start: `2s`, or a number of milliseconds. 1 s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<Millis>,
}

impl LimitSettings {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The narrower of both, key by key.
    #[must_use]
    pub fn narrowest(&self, other: &Self) -> Self {
        fn min<T: Copy + Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
            a.into_iter().chain(b).min()
        }
        Self {
            memory: min(self.memory, other.memory),
            cpu: min(self.cpu, other.cpu),
            time: min(self.time, other.time),
            init: min(self.init, other.init),
        }
    }

    /// The later's value where it has one, else this one's.
    #[must_use]
    pub(crate) fn overridden_by(&self, later: &Self) -> Self {
        Self {
            memory: later.memory.or(self.memory),
            cpu: later.cpu.or(self.cpu),
            time: later.time.or(self.time),
            init: later.init.or(self.init),
        }
    }

    pub(crate) fn memory_bytes(&self) -> Option<usize> {
        self.memory.map(|memory| usize::try_from(memory.0).unwrap_or(usize::MAX))
    }

    pub(crate) fn cpu(&self) -> Option<Duration> {
        self.cpu.map(Millis::duration)
    }

    pub(crate) fn time(&self) -> Option<Duration> {
        self.time.map(Millis::duration)
    }

    pub(crate) fn init(&self) -> Option<Duration> {
        self.init.map(Millis::duration)
    }
}

/// A text that is no amount with one of the known units.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no {what}")]
pub struct InvalidAmount {
    /// The text as it was written.
    pub text: String,
    /// What was expected, with an example.
    pub what: &'static str,
}

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident, $unit:literal, $pattern:literal, $what:literal, [$($suffix:literal => $factor:expr),+]) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl FromStr for $name {
            type Err = InvalidAmount;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let invalid = || InvalidAmount { text: text.to_owned(), what: $what };
                let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
                let factor = match text[digits.len()..].trim_start() {
                    $($suffix => $factor,)+
                    _ => return Err(invalid()),
                };
                let number = digits.parse::<u64>().map_err(|_| invalid())?;
                number.checked_mul(factor).filter(|amount| *amount > 0).map(Self).ok_or_else(invalid)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(Deserialize)]
                #[serde(untagged)]
                enum Written {
                    Number(u64),
                    Text(String),
                }
                match Written::deserialize(deserializer)? {
                    Written::Number(number) => format!("{number}{}", $unit).parse(),
                    Written::Text(text) => text.parse(),
                }
                .map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let units = [$(($suffix, $factor)),+];
                // The largest unit that leaves no rest; the list runs from the smallest to the largest.
                let (suffix, factor) = units.into_iter().rev().find(|(_, factor)| self.0 % factor == 0).unwrap_or(units[0]);
                write!(f, "{}{suffix}", self.0 / factor)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "description": $what,
                    "type": ["integer", "string"],
                    "minimum": 1,
                    "pattern": $pattern,
                })
            }
        }
    };
}

amount!(
    /// An amount of memory, in bytes. A megabyte is 1,048,576 bytes, as it is for V8.
    Bytes, "MB", "^[0-9]+ ?(B|KB|MB|GB)$", "amount of memory such as `128MB`",
    ["B" => 1, "KB" => 1 << 10, "MB" => 1 << 20, "GB" => 1 << 30]
);

amount!(
    /// A time, in milliseconds.
    Millis, "ms", "^[0-9]+ ?(ms|s|min)$", "time such as `200ms` or `5s`",
    ["ms" => 1, "s" => 1_000, "min" => 60_000]
);

impl Millis {
    /// The same as a duration.
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}
