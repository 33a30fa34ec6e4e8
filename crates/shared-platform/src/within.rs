//! Limits of time that a machine which stands still does not use up.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

/// How much of a limit is waited for at once.
const STEP: Duration = Duration::from_millis(250);

/// Waits for a future for as long as the limit says; none if it takes longer.
///
/// It counts the time in which this process could run: who stops the program in a terminal and goes on later, or a virtual
/// machine that is paused, takes nothing away from what was under way. So the limit is waited for in steps, and a step
/// never counts for more than it should take.
pub async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = limit;
    loop {
        let step = left.min(STEP);
        if let Ok(done) = timeout(step, future.as_mut()).await {
            return Some(done);
        }
        left -= step;
        if left.is_zero() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tokio::time::{Instant, advance};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_as_long_as_it_says() {
        let begin = Instant::now();
        assert_eq!(within(Duration::from_millis(1_100), std::future::pending::<()>()).await, None);
        let took = begin.elapsed().as_millis();
        // The clock of the runtime has milliseconds
        assert!((1_100..1_110).contains(&took), "{took} ms");
        assert_eq!(within(Duration::ZERO, async { 1 }).await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_stopped_has_lost_nothing() {
        let (sender, receiver) = oneshot::channel();
        let waiting = tokio::spawn(within(Duration::from_secs(5), receiver));
        tokio::time::sleep(Duration::from_secs(4)).await;
        // The clock goes on, and nobody runs
        advance(Duration::from_secs(3_600)).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!waiting.is_finished());
        let _ = sender.send("done");
        assert_eq!(waiting.await.ok(), Some(Some(Ok("done"))));
    }
}
