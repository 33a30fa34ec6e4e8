use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

/// What came of delivering one event to one subscriber.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// What the handler said, or why it could not.
    pub reply: Result<Reply, Failure>,
    /// Wall time, host calls included.
    pub elapsed: Duration,
    /// CPU time of the subscriber's own code.
    pub cpu: Duration,
    /// The highest use of its heap so far, in bytes; 0 if that is not measured.
    pub heap_peak: usize,
}

impl Delivery {
    /// A reply whose cost was not measured, as Rust code gives it. The bus fills in the wall time.
    pub fn unmeasured(reply: Result<Reply, Failure>) -> Self {
        Self { reply, elapsed: Duration::ZERO, cpu: Duration::ZERO, heap_peak: 0 }
    }
}

/// What a handler said. What it means is the [`AnswerPolicy`](crate::AnswerPolicy)'s business.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// It returned.
    Returned {
        /// What it returned; `None` for `undefined`.
        value: Option<Value>,
        /// The fields of the event that it altered in place, each with its whole new value.
        changed: Option<Map<String, Value>>,
    },
    /// It threw.
    Threw {
        /// The error's message.
        message: String,
        /// The stack, if there is one, in lines of the source that the author wrote.
        stack: Option<String>,
    },
}

impl Reply {
    /// A handler that returned nothing and changed nothing.
    pub const NOTHING: Self = Self::Returned { value: None, changed: None };

    /// A handler that returned `value`.
    pub const fn value(value: Value) -> Self {
        Self::Returned { value: Some(value), changed: None }
    }
}

/// Why a subscriber gave no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What class of failure it is.
    pub kind: FailureKind,
    /// What happened, for people. Names the limit, with its value and unit, if one was exceeded.
    pub message: String,
}

impl Failure {
    /// A failure of `kind`, told by `message`.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Classes of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureKind {
    /// It used more CPU time than one entry may.
    Cpu,
    /// It did not answer in time.
    Time,
    /// It used more memory, in the heap or outside, than it may.
    Memory,
    /// It did not start: its code or its function failed, or took too long.
    Startup,
    /// Its answer or its logs were larger than they may be.
    Output,
    /// It exceeded another limit, such as the number of timers.
    Limit,
    /// It brought its process down, or hung so that the process had to be killed. It is quarantined at once.
    Crashed,
    /// It was at work when its process was killed by no fault of its own. Does not count towards quarantine.
    Lost,
    /// It threw in an event where a throw means nothing.
    Threw,
    /// Its answer is not one that the event takes.
    Invalid,
    /// The user interrupted it. Does not count towards quarantine.
    Interrupted,
    /// Rust code panicked.
    Panicked,
    /// It could not be reached: its queue is full, or it is being unloaded. Does not count towards quarantine.
    Unavailable,
}

impl FailureKind {
    /// Whether such a failure is the plugin's own fault and counts towards quarantine.
    pub const fn counts(self) -> bool {
        !matches!(self, Self::Lost | Self::Interrupted | Self::Unavailable)
    }

    /// Whether one such failure is enough for quarantine: it takes others down with it.
    pub const fn quarantines_at_once(self) -> bool {
        matches!(self, Self::Crashed)
    }
}
