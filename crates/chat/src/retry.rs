use std::time::Duration;

use async_trait::async_trait;
use mimir_shared_providers::ProviderError;

use crate::Retries;

/// Lets time pass.
#[async_trait]
pub trait Sleeper: Send + Sync {
    /// Comes back after `duration`.
    async fn sleep(&self, duration: Duration);
}

/// Waits in tokio's time.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioSleeper;

#[async_trait]
impl Sleeper for TokioSleeper {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Retries {
    /// How long to wait before asking again after the `attempt`th attempt (from 1) failed so; nothing to give up. `chance` is
    /// from 0 to 255.
    pub(crate) fn wait(&self, attempt: u32, error: &ProviderError, chance: u8) -> Option<Duration> {
        if attempt >= self.attempts || !error.is_retryable() {
            return None;
        }
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
        let wait = self.first_wait.saturating_mul(doubled).min(self.longest_wait);
        // Clients that failed together should not come back together
        let wait = wait + wait / 4 * u32::from(chance) / 255;
        match error.retry_after() {
            Some(asked) if asked > self.patience => None,
            Some(asked) => Some(wait.max(asked)),
            None => Some(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(attempt: u32, error: &ProviderError, chance: u8, expected: Option<u64>) {
        let wait = Retries::default().wait(attempt, error, chance);
        assert_eq!(wait, expected.map(Duration::from_millis), "{attempt} {error}");
    }

    #[test]
    fn waits_longer_and_longer_and_gives_up() {
        let provider = || "p".to_owned();
        let limited = |after: Option<u64>| ProviderError::RateLimited {
            provider: provider(),
            retry_after: after.map(Duration::from_secs),
        };
        let rejected = |status| ProviderError::Rejected { provider: provider(), status, message: String::new() };
        let unavailable = |after| ProviderError::Unavailable {
            provider: provider(),
            status: 503,
            message: String::new(),
            retry_after: Some(Duration::from_secs(after)),
        };
        check(1, &limited(None), 0, Some(500));
        check(2, &limited(None), 0, Some(1_000));
        check(2, &limited(None), 255, Some(1_250));
        check(4, &limited(None), 0, Some(4_000));
        check(5, &limited(None), 0, None);
        check(1, &limited(Some(7)), 255, Some(7_000));
        check(4, &limited(Some(1)), 0, Some(4_000));
        check(1, &limited(Some(301)), 0, None);
        check(1, &unavailable(9), 0, Some(9_000));
        check(1, &rejected(400), 0, None);
        check(1, &ProviderError::Unauthorized { provider: provider() }, 0, None);
        let reset = Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        check(1, &ProviderError::Transport { provider: provider(), source: reset }, 0, Some(500));
        let long = Retries { attempts: 99, ..Retries::default() };
        assert_eq!(long.wait(40, &limited(None), 0), Some(Duration::from_secs(30)));
    }
}
