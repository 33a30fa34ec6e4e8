//! What ends a run from outside: a closed terminal, a supervisor, a second Ctrl-C.

use std::io;

/// What shells expect of a program that a signal ended: this and the signal's number.
const ENDED_BY: u8 = 128;

/// Hears the signals that end a program. They do so by themselves until somebody listens, and then what the agent started
/// would live on.
pub(super) struct Signals {
    #[cfg(unix)]
    streams: [(u8, tokio::signal::unix::Signal); 2],
}

impl Signals {
    /// Listens from now on.
    pub(super) fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let stream = |kind: SignalKind| {
                let code = ENDED_BY.saturating_add(u8::try_from(kind.as_raw_value()).unwrap_or_default());
                signal(kind).map(|stream| (code, stream))
            };
            Ok(Self { streams: [stream(SignalKind::terminate())?, stream(SignalKind::hangup())?] })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for one, and gives the exit code that belongs to it.
    #[cfg(unix)]
    pub(super) async fn next(&mut self) -> u8 {
        let [(first, terminate), (second, hang_up)] = &mut self.streams;
        tokio::select! {
            Some(()) = terminate.recv() => *first,
            Some(()) = hang_up.recv() => *second,
            else => std::future::pending().await,
        }
    }

    /// Elsewhere there are none.
    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) -> u8 {
        std::future::pending().await
    }

    /// What shells expect of a program that was interrupted.
    pub(super) const INTERRUPTED: u8 = ENDED_BY + 2;
}
