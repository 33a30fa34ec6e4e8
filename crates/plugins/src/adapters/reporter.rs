use std::borrow::Cow;
use std::sync::Arc;

use mimir_api::Redaction;
use mimir_registry::{AnswerRecord, Emission, Envelope, Notice, Outcome, Reporter};
use mimir_shared_platform::{AuditLog, AuditRecord, Level};
use serde_json::{Value, json};

use crate::recording::Tape;
use crate::report::{Report, ReportKind, Reports};
use crate::trace;

/// The bus's [`Reporter`] over the user's reports and the audit log.
pub(crate) struct BusReporter {
    pub(crate) reports: Reports,
    pub(crate) audit: Option<Arc<dyn AuditLog>>,
    pub(crate) redaction: Redaction,
    pub(crate) tape: Option<Arc<Tape>>,
}

impl BusReporter {
    fn audit(&self, record: impl FnOnce() -> AuditRecord) {
        if let Some(audit) = &self.audit {
            let (mut record, redaction) = (record(), self.redaction.clone());
            audit.record_later(Box::new(move || {
                redact(&mut record.detail, &redaction);
                record
            }));
        }
    }
}

/// Reasons and failures are a plugin's own text, and may repeat what it was asked about.
fn redact(value: &mut Value, redaction: &Redaction) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(redacted) = redaction.text(text) {
                *text = redacted;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, redaction)),
        Value::Object(fields) => fields.values_mut().for_each(|value| redact(value, redaction)),
        _ => {}
    }
}

impl Reporter for BusReporter {
    fn notice(&self, notice: &Notice) {
        let (level, kind) = match notice {
            Notice::Failed { plugin, event, failure, outcome } => {
                trace::failed(plugin);
                self.audit(|| {
                    let detail = json!({ "event": event, "failure": failure, "outcome": outcome });
                    AuditRecord::new(plugin.as_str(), "failure", detail)
                });
                (Level::Error, ReportKind::Failed)
            }
            Notice::FailedAlone { plugin, failure } => {
                self.audit(|| AuditRecord::new(plugin.as_str(), "failure", json!({ "failure": failure })));
                (Level::Error, ReportKind::FailedAlone)
            }
            Notice::Quarantined { plugin, reason } => {
                self.audit(|| AuditRecord::new(plugin.as_str(), "quarantine", json!({ "reason": reason })));
                (Level::Error, ReportKind::Quarantined)
            }
            Notice::Observed { .. } => (Level::Info, ReportKind::Observed),
            Notice::NotObeyed { plugin, event, message } => {
                self.audit(|| {
                    let detail = json!({ "event": event, "outcome": "not obeyed", "reason": message });
                    AuditRecord::new(plugin.as_str(), "decision", detail)
                });
                (Level::Warning, ReportKind::NotObeyed)
            }
            Notice::OrderCycle { .. } | Notice::OrderIgnored { .. } | Notice::State { .. } => {
                (Level::Warning, ReportKind::Warning)
            }
        };
        let (plugin, message, hint) = (notice.plugin().cloned(), notice.message(), notice.hint());
        self.reports.push(Report { level, kind, plugin, message, hint });
    }

    fn begun(&self, envelope: &Envelope) {
        if let Some(tape) = &self.tape {
            tape.begun(envelope);
        }
    }

    fn dropped(&self, envelope: &Envelope) {
        if let Some(tape) = &self.tape {
            tape.over(envelope);
        }
    }

    fn emitted(&self, envelope: &Envelope, emission: &Emission) {
        if let Some(tape) = &self.tape {
            tape.over(envelope);
        }
        let is_notable = |answer: &&AnswerRecord| answer.outcome != Outcome::Passed || answer.would.is_some();
        for answer in emission.answers.iter().filter(is_notable) {
            self.audit(|| {
                // Of a plugin that only observes it is what would have come of its answer
                let key = if answer.would.is_some() { "would" } else { "outcome" };
                let detail = json!({
                    "event": envelope.name,
                    "session": &*envelope.session_id,
                    key: answer.would.unwrap_or(answer.outcome),
                    "reason": answer.reason,
                    "ms": answer.elapsed.as_secs_f64() * 1e3,
                });
                let kind = if answer.would.is_some() { "observed" } else { "decision" };
                AuditRecord::new(answer.plugin.as_str(), kind, detail)
            });
        }
    }
}
