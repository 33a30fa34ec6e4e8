use async_trait::async_trait;
use mimir_hooks::{self as hooks, Emit, Emitted, Raised};
use mimir_registry::{Envelope, EventBus, Outcome};

/// The typed emitters' [`Emit`] over the bus.
pub(crate) struct BusEmit(pub(crate) EventBus);

#[async_trait]
impl Emit for BusEmit {
    async fn emit(&self, event: Raised) -> Emitted {
        let emission = self.0.emit(envelope(event)).await;
        let outcome = match emission.outcome {
            Outcome::Passed => hooks::Outcome::Passed,
            Outcome::Changed => hooks::Outcome::Changed,
            Outcome::Blocked => hooks::Outcome::Blocked,
            Outcome::Approved => hooks::Outcome::Approved,
            Outcome::Denied => hooks::Outcome::Denied,
            Outcome::Failed => hooks::Outcome::Failed,
        };
        let changes = emission.answers.into_iter().filter(|answer| answer.outcome == Outcome::Changed);
        let changed_by = changes.map(|answer| answer.plugin).collect();
        Emitted { outcome, by: emission.by, changed_by, reason: emission.reason, payload: emission.payload }
    }

    fn emit_background(&self, event: Raised) {
        drop(self.0.emit_background(envelope(event)));
    }
}

fn envelope(Raised { event, payload, session_id, cause }: Raised) -> Envelope {
    Envelope::new(event, payload, session_id).caused_by(cause.iter().cloned().collect())
}
