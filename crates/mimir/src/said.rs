//! What is said about plugins beside a command's results.

use anstyle::Style;
use mimir_commands::{Theme, printable, printable_block, wrap};
use mimir_plugins::{Level, Report, ReportKind};

/// One notice.
pub(crate) struct Said {
    pub(crate) mark: &'static str,
    pub(crate) style: Style,
    pub(crate) plugin: Option<String>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Said {
    /// The notice in lines of a window: a mark, the plugin's name, the text, and beneath it what to do.
    pub(crate) fn lines(&self, width: usize, indent: usize) -> Vec<String> {
        let Self { mark, style, plugin, message, hint } = self;
        let (strong, typed) = (Theme::STRONG, Theme::TYPE);
        let width = width.saturating_sub(indent + 2);
        let name = plugin.as_ref().map(|plugin| format!("{plugin}: ")).unwrap_or_default();
        let text = printable_block(&format!("{name}{}", message.trim_end()));
        let mut lines = Vec::new();
        for line in text.lines().flat_map(|line| wrap(line, width)) {
            let (mark, line) = match lines.is_empty() {
                // The name is a plugin's id, which has nothing that would have been changed
                true => {
                    (*mark, line.replacen(&name, &format!("{strong}{name}{strong:#}"), usize::from(!name.is_empty())))
                }
                false => (" ", line),
            };
            lines.push(format!("{:indent$}{style}{mark}{style:#} {line}", ""));
        }
        for line in hint.iter().flat_map(|hint| wrap(&printable(hint), width)) {
            lines.push(format!("{:indent$}  {typed}{line}{typed:#}", ""));
        }
        lines
    }
}

impl From<&Report> for Said {
    fn from(report: &Report) -> Self {
        let (mark, style) = match (report.kind, report.level) {
            (ReportKind::Log, Level::Info) => ("·", Theme::DIM),
            (_, Level::Info) => ("i", Theme::TYPE),
            (_, Level::Warning) => ("!", Theme::WARN),
            (_, Level::Error) => ("✗", Theme::BAD),
        };
        let plugin = report.plugin.as_ref().map(ToString::to_string);
        Self { mark, style, plugin, message: report.message.clone(), hint: report.hint.clone() }
    }
}
