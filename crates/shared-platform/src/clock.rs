use std::time::Duration;

/// The time.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970; may jump when someone sets the clock.
    fn now_ms(&self) -> u64;

    /// Time since some moment in this process; never goes back. For measuring.
    fn monotonic(&self) -> Duration;
}
