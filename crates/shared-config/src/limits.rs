use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::LimitSettings;

/// How many times a default the user may raise a limit to.
pub const MAX_RAISE: u32 = 4;

/// The effective limits of one plugin.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time of one entry into the isolate.
    pub cpu: Duration,
    /// Wall time of one event, host calls included.
    pub event: Duration,
    /// Wall time of one tool or command, host calls included.
    pub tool: Duration,
    /// Wall time from the start of an isolate until the plugin's function has returned.
    pub init: Duration,
    /// V8 heap, in bytes.
    pub heap: usize,
    /// Memory outside the heap (array buffers), in bytes.
    pub off_heap: usize,
    /// Timers that may be pending at a time.
    pub timers: usize,
    /// Host calls that may be pending at a time, each with the promise that waits for it.
    pub pending: usize,
    /// Bytes of one answer, and of the log lines of one event.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_millis(100),
            event: Duration::from_secs(5),
            tool: Duration::from_secs(60),
            init: Duration::from_secs(1),
            heap: 64 << 20,
            off_heap: 64 << 20,
            timers: 1_000,
            pending: 10_000,
            output: 8 << 20,
        }
    }
}

impl Limits {
    /// What the four say together.
    ///
    /// The manifest lowers a limit by itself, but raises it only as far as it was granted. What the user sets for the
    /// plugin comes in place of that. Neither goes beyond [`MAX_RAISE`] times the default, and the company's value is
    /// a ceiling over all.
    pub fn effective(
        manifest: &LimitSettings,
        granted: &LimitSettings,
        user: &LimitSettings,
        company: &LimitSettings,
    ) -> Self {
        let defaults = Self::default();
        let time = |default: Duration, key: fn(&LimitSettings) -> Option<Duration>| {
            let asked = key(manifest).map_or(default, |asked| asked.min(key(granted).unwrap_or(default).max(default)));
            let value = key(user).unwrap_or(asked).min(default * MAX_RAISE);
            key(company).map_or(value, |ceiling| value.min(ceiling))
        };
        let memory = |default: usize| {
            let key = LimitSettings::memory_bytes;
            let asked = key(manifest).map_or(default, |asked| asked.min(key(granted).unwrap_or(default).max(default)));
            let value = key(user).unwrap_or(asked).min(default.saturating_mul(MAX_RAISE as usize));
            key(company).map_or(value, |ceiling| value.min(ceiling))
        };
        let event = time(defaults.event, LimitSettings::time);
        // `time` is the one key for both: a tool keeps the ratio to an event that the defaults have.
        let tool = defaults.tool.mul_f64(event.as_secs_f64() / defaults.event.as_secs_f64());
        Self {
            cpu: time(defaults.cpu, LimitSettings::cpu),
            event,
            tool,
            init: time(defaults.init, LimitSettings::init),
            heap: memory(defaults.heap),
            off_heap: memory(defaults.off_heap),
            ..defaults
        }
    }
}
