use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use mimir_api::Redaction;
use mimir_commands::with_causes;
use mimir_loader::LoadError;
use mimir_sandbox::LayerReport;
use mimir_shared_config::PluginId;
use mimir_shared_platform::Level;
use parking_lot::Mutex;

/// Something that the user should know about the plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How serious it is.
    pub level: Level,
    /// What it is about.
    pub kind: ReportKind,
    /// Which plugin it is about; `None` if it is about none in particular.
    pub plugin: Option<PluginId>,
    /// What happened. May hold text of a plugin's author: make it printable before it reaches a terminal.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReportKind {
    /// The configuration says something that has no effect.
    Configuration,
    /// A plugin was not loaded, or may not run.
    NotLoaded,
    /// A plugin runs, and something about it should be changed.
    Warning,
    /// A plugin failed in an event; the event's emission tells so as well.
    Failed,
    /// A plugin failed while nobody waited for an answer: in a timer, or after it.
    FailedAlone,
    /// A plugin was put into quarantine.
    Quarantined,
    /// A part of what a plugin wanted was not done.
    NotObeyed,
    /// What an answer would have come to of a plugin that only observes; the event's emission tells so as well.
    Observed,
    /// A plugin wrote to its log.
    Log,
    /// A plugin tells the user something.
    Notified,
}

impl Report {
    /// The configuration says something that has no effect.
    pub(crate) fn configuration(message: &str) -> Self {
        let (level, kind) = (Level::Warning, ReportKind::Configuration);
        Self { level, kind, plugin: None, message: message.to_owned(), hint: None }
    }

    /// A plugin, or an entry that names one, is wrong.
    pub(crate) fn not_loaded(plugin: Option<&PluginId>, error: &LoadError) -> Self {
        let message = with_causes(error);
        let message = if plugin.is_some() { format!("could not be loaded: {message}") } else { message };
        let (level, kind) = (Level::Error, ReportKind::NotLoaded);
        Self { level, kind, plugin: plugin.cloned(), message, hint: Some(error.hint()) }
    }

    /// A plugin is right and may not run.
    pub(crate) fn off(plugin: &PluginId, message: String, hint: String) -> Self {
        let (level, kind) = (Level::Warning, ReportKind::NotLoaded);
        Self { level, kind, plugin: Some(plugin.clone()), message, hint: Some(hint) }
    }

    /// The plugins that a repository brings do not run, since nobody said that it is trusted.
    pub(crate) fn untrusted(project: &Path, plugins: &[PluginId]) -> Self {
        let names: Vec<_> = plugins.iter().map(PluginId::as_str).collect();
        let (verb, names) = (if names.len() == 1 { "does" } else { "do" }, names.join(", "));
        Self {
            level: Level::Warning,
            kind: ReportKind::NotLoaded,
            plugin: None,
            message: format!("{names} {verb} not run, since {} is not trusted", project.display()),
            hint: Some("`mimir plugin trust`".to_owned()),
        }
    }

    /// A plugin's author made a slip that shows when it runs.
    pub(crate) fn slip(plugin: &PluginId, message: String, hint: Option<String>) -> Self {
        let (level, kind) = (Level::Warning, ReportKind::Warning);
        Self { level, kind, plugin: Some(plugin.clone()), message, hint }
    }

    /// Something about a custom tool, which is no plugin.
    pub(crate) fn of_tool(tool: &str, level: Level, kind: ReportKind, message: &str) -> Self {
        let message = format!("the custom tool {tool:?}: {message}");
        Self { level, kind, plugin: None, message, hint: None }
    }

    /// A plugin is in quarantine since an earlier run.
    pub(crate) fn quarantined(plugin: &PluginId, reason: &str) -> Self {
        let message = format!("is in quarantine since an earlier run: {reason}");
        let hint = Some(format!("`mimir plugin enable {plugin}` puts it back to work"));
        Self { level: Level::Error, kind: ReportKind::Quarantined, plugin: Some(plugin.clone()), message, hint }
    }

    /// The audit log could not be written.
    pub(crate) fn unsealed(missing: &[LayerReport]) -> Self {
        let layers: Vec<_> =
            missing.iter().map(|report| format!("{} ({})", report.layer.name(), report.detail)).collect();
        Self {
            level: Level::Warning,
            kind: ReportKind::Warning,
            plugin: None,
            message: format!("the wall around plugins is thinner here, without {}", layers.join(", ")),
            hint: Some(
                "`mimir plugin doctor` says what that means; a company's policy can require these layers".to_owned(),
            ),
        }
    }

    /// The session is not recorded any more.
    pub(crate) fn not_recorded(error: &dyn std::error::Error) -> Self {
        Self {
            level: Level::Error,
            kind: ReportKind::Warning,
            plugin: None,
            message: with_causes(error),
            hint: Some("what was recorded so far can be replayed".to_owned()),
        }
    }

    pub(crate) fn audit_lost(error: &dyn std::error::Error) -> Self {
        Self {
            level: Level::Error,
            kind: ReportKind::Warning,
            plugin: None,
            message: error.to_string(),
            hint: Some("check the free space and the permissions of Mimir's folder".to_owned()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(plugin) = &self.plugin {
            write!(f, "{plugin}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Whoever wants to know at once. Must not block.
pub(crate) type OnReport = Arc<dyn Fn(&Report) + Send + Sync>;

/// How many reports are kept for [`Plugins::reports`](crate::Plugins::reports).
const KEPT: usize = 256;

/// Takes reports.
#[derive(Clone, Default)]
pub(crate) struct Reports {
    kept: Arc<Mutex<VecDeque<Report>>>,
    on_report: Option<OnReport>,
    redaction: Redaction,
}

impl Reports {
    pub(crate) fn new(on_report: Option<OnReport>, redaction: Redaction) -> Self {
        Self { kept: Arc::default(), on_report, redaction }
    }

    pub(crate) fn push(&self, mut report: Report) {
        if let Cow::Owned(message) = self.redaction.known(&report.message) {
            report.message = message;
        }
        if let Some(on_report) = &self.on_report {
            on_report(&report);
        }
        // A chatty log must not push out why a plugin did not load.
        if report.kind == ReportKind::Log && report.level < Level::Warning {
            return;
        }
        let mut kept = self.kept.lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(report);
    }

    /// The same, unless it was told already.
    pub(crate) fn push_once(&self, report: Report) {
        if !self.kept.lock().contains(&report) {
            self.push(report);
        }
    }

    pub(crate) fn all(&self) -> Vec<Report> {
        self.kept.lock().iter().cloned().collect()
    }
}
