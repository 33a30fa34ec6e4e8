use mimir_shared_config::PluginId;
use mimir_shared_platform::{Notice, Notifier};

use crate::report::{Report, ReportKind, Reports};

/// The context's [`Notifier`] over the reports: whoever shows those shows the user what plugins say.
pub(crate) struct ReportedNotices(pub(crate) Reports);

impl Notifier for ReportedNotices {
    fn notify(&self, notice: &Notice<'_>) {
        self.0.push(Report {
            level: notice.level,
            kind: ReportKind::Notified,
            plugin: notice.from.and_then(|from| PluginId::new(from).ok()),
            message: notice.message.to_owned(),
            hint: None,
        });
    }
}
