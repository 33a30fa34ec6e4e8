use mimir_api::{LogLevel, LogLine, LogSink, Origin, PluginProfile};
use mimir_shared_platform::Level;

use crate::report::{Report, ReportKind, Reports};

/// The context's [`LogSink`] over the reports. What is for the plugin's author alone stays out of them.
pub(crate) struct ReportedLogs(pub(crate) Reports);

impl LogSink for ReportedLogs {
    fn log(&self, plugin: &PluginProfile, _origin: &Origin, line: LogLine) {
        let level = match line.level {
            LogLevel::Debug => return,
            LogLevel::Info => Level::Info,
            LogLevel::Warn => Level::Warning,
            LogLevel::Error => Level::Error,
        };
        let message = match line.fields.is_empty() {
            true => line.message,
            false => format!("{} {}", line.message, serde_json::Value::Object(line.fields)),
        };
        let plugin = Some(plugin.id.clone());
        self.0.push(Report { level, kind: ReportKind::Log, plugin, message, hint: None });
    }
}
