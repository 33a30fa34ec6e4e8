use std::collections::HashMap;
use std::sync::Arc;

use mimir_hooks::{self as hooks, Judgement as Judged};
use mimir_registry::{AnswerPolicy, ClosedEffect, Envelope, InvalidAnswer, Judgement, Mode, Reply, Verdict};
use mimir_shared_config::{EventName, PluginId, Risk};
use mimir_shared_platform::Guard;
use parking_lot::RwLock;

use crate::trace::{self, Change};

/// The bus's [`AnswerPolicy`] over the meaning of events in `hooks`.
#[derive(Default)]
pub(crate) struct EventPolicy {
    /// The highest risk that each plugin may approve. Whoever is not in here is Rust code, which may approve anything.
    approve: RwLock<HashMap<PluginId, Option<Risk>>>,
}

impl EventPolicy {
    pub(crate) fn set_approval(&self, plugin: PluginId, up_to: Option<Risk>) {
        self.approve.write().insert(plugin, up_to);
    }
}

impl AnswerPolicy for EventPolicy {
    fn mode(&self, event: EventName) -> Mode {
        match hooks::mode(event) {
            hooks::Mode::Sequential => Mode::Sequential,
            hooks::Mode::Parallel => Mode::Parallel,
        }
    }

    fn waits(&self, event: EventName) -> bool {
        hooks::waits(event)
    }

    fn on_closed_failure(&self, event: EventName) -> ClosedEffect {
        match hooks::on_closed_failure(event) {
            hooks::ClosedEffect::Blocks => ClosedEffect::Blocks,
            hooks::ClosedEffect::Denies => ClosedEffect::Denies,
            hooks::ClosedEffect::Nothing => ClosedEffect::Nothing,
        }
    }

    fn judge(&self, plugin: &PluginId, envelope: &Envelope, reply: Reply) -> Result<Judgement, InvalidAnswer> {
        let approve_up_to = self.approve.read().get(plugin).copied().unwrap_or(Some(Risk::Critical));
        let approve_up_to = if Guard::ApproveRisk.stands() { approve_up_to } else { Some(Risk::Critical) };
        let reply = match reply {
            Reply::Returned { value, changed } => hooks::Reply::Returned { value, changed },
            Reply::Threw { message, stack } => hooks::Reply::Threw { message, stack },
        };
        let Judged { verdict, notice } =
            hooks::judge(envelope.name, &envelope.payload, reply, approve_up_to).map_err(|invalid| match invalid {
                hooks::InvalidAnswer::Threw { .. } => InvalidAnswer::Threw(invalid.to_string()),
                wrong => InvalidAnswer::Wrong(wrong.to_string()),
            })?;
        let verdict = match verdict {
            hooks::Verdict::Passed => Verdict::Passed,
            hooks::Verdict::Changed { payload, reason } => {
                let payload: Arc<str> = payload.into();
                trace::changed(|| Change {
                    plugin: plugin.clone(),
                    before: Arc::clone(&envelope.payload),
                    after: Arc::clone(&payload),
                });
                Verdict::Changed { payload, reason }
            }
            hooks::Verdict::Blocked { reason } => Verdict::Blocked { reason },
            hooks::Verdict::Approved { reason } => Verdict::Approved { reason },
            hooks::Verdict::Denied { reason } => Verdict::Denied { reason },
        };
        Ok(Judgement { verdict, notice })
    }
}
