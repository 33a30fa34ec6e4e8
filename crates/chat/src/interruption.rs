use tokio::sync::watch;

use crate::ended::Halt;

/// Takes a person's interruption to whatever waits just now.
#[derive(Debug)]
pub(crate) struct Interrupter(watch::Sender<u64>);

impl Interrupter {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    pub(crate) fn interrupt(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// What hears of interruptions from now on. Those before are over.
    pub(crate) fn listen(&self) -> Interruption {
        Interruption(Some(self.0.subscribe()))
    }
}

/// Hears of an interruption.
#[derive(Debug, Clone)]
pub(crate) struct Interruption(Option<watch::Receiver<u64>>);

impl Interruption {
    /// For whoever is dropped instead, as sub-agents are.
    pub(crate) const fn never() -> Self {
        Self(None)
    }

    /// Waits for `future`, which is dropped if the person interrupts. What must not be dropped half-way, such as writing to the
    /// store, is not waited for here.
    pub(crate) async fn race<T>(&self, future: impl Future<Output = T>) -> Result<T, Halt> {
        let Some(mut changes) = self.0.clone() else { return Ok(future.await) };
        let interrupted = async {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = interrupted => Err(Halt::Interrupted),
            done = future => Ok(done),
        }
    }
}
