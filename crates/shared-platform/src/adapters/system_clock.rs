use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use crate::Clock;

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        super::os_file_system::to_ms(SystemTime::now())
    }

    fn monotonic(&self) -> Duration {
        START.elapsed()
    }
}
