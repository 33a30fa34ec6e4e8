use std::sync::Arc;

use mimir_registry::{Emission, Envelope, Notice, Outcome, Reporter};
use mimir_shared_platform::{AuditLog, AuditRecord, Level};
use serde_json::json;

use crate::report::{Report, ReportKind, Reports};
use crate::trace;

/// The bus's [`Reporter`] over the user's reports and the audit log.
pub(crate) struct BusReporter {
    pub(crate) reports: Reports,
    pub(crate) audit: Option<Arc<dyn AuditLog>>,
}

impl BusReporter {
    fn audit(&self, record: impl FnOnce() -> AuditRecord) {
        if let Some(audit) = &self.audit {
            audit.record(record());
        }
    }
}

impl Reporter for BusReporter {
    fn notice(&self, notice: &Notice) {
        let (level, kind, plugin, hint) = match notice {
            Notice::Failed { plugin, event, failure, outcome } => {
                trace::failed(plugin);
                self.audit(|| {
                    let detail = json!({ "event": event, "failure": failure, "outcome": outcome });
                    AuditRecord::new(plugin.as_str(), "failure", detail)
                });
                (Level::Error, ReportKind::Failed, Some(plugin), None)
            }
            Notice::FailedAlone { plugin, failure } => {
                self.audit(|| AuditRecord::new(plugin.as_str(), "failure", json!({ "failure": failure })));
                (Level::Error, ReportKind::FailedAlone, Some(plugin), None)
            }
            Notice::Quarantined { plugin, reason } => {
                self.audit(|| AuditRecord::new(plugin.as_str(), "quarantine", json!({ "reason": reason })));
                let hint = format!("mimir plugin enable {plugin}");
                (Level::Error, ReportKind::Quarantined, Some(plugin), Some(hint))
            }
            Notice::NotObeyed { plugin, .. } => (Level::Warning, ReportKind::NotObeyed, Some(plugin), None),
            Notice::OrderCycle { .. } => (Level::Warning, ReportKind::Warning, None, None),
            Notice::OrderIgnored { plugin, .. } => (Level::Warning, ReportKind::Warning, Some(plugin), None),
            Notice::State { plugin, .. } => (Level::Warning, ReportKind::Warning, Some(plugin), None),
        };
        self.reports.push(Report { level, kind, plugin: plugin.cloned(), message: notice.to_string(), hint });
    }

    fn emitted(&self, envelope: &Envelope, emission: &Emission) {
        for answer in emission.answers.iter().filter(|answer| answer.outcome != Outcome::Passed) {
            self.audit(|| {
                let detail = json!({
                    "event": envelope.name,
                    "session": &*envelope.session_id,
                    "outcome": answer.outcome,
                    "reason": answer.reason,
                    "ms": answer.elapsed.as_secs_f64() * 1e3,
                });
                AuditRecord::new(answer.plugin.as_str(), "decision", detail)
            });
        }
    }
}
