//! `audit`: what plugins did and what was decided about it, and whether that is what was written.

mod entry;
mod model;
mod since;
mod time;
mod verify;

use std::io;

use serde_json::json;
use serde_json::value::RawValue;

use crate::table::cut;
use crate::{CommandError, Exit, PluginStore, Screen, Theme, display_width, printable};

pub use model::{AuditEntry, AuditPlace, AuditQuery, AuditVerdict};
pub use since::Since;
pub use time::day_and_hour;
pub(crate) use verify::verify;

/// What to show of the log, and how.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) query: AuditQuery,
    pub(crate) denied: bool,
    pub(crate) json: bool,
}

pub(crate) async fn run(store: &dyn PluginStore, screen: &mut Screen<'_>, shown: &Shown) -> Result<Exit, CommandError> {
    let mut trail = store.audit(&shown.query)?;
    let mut page = Page::new(screen.width);
    while let Some(entries) = trail.next().await? {
        for entry in entries.iter().filter(|entry| !shown.denied || entry.is_refusal()) {
            match shown.json {
                true => raw(screen, entry)?,
                false => page.print(screen, entry)?,
            }
        }
        if shown.query.follow {
            screen.out.flush()?;
        }
    }
    if !shown.json && page.is_empty() {
        screen.line(if shown.denied { "nothing was refused" } else { "nothing is on record" })?;
    }
    Ok(Exit::Done)
}

/// The line as it stands in the log, but for what could steer a terminal.
fn raw(screen: &mut Screen<'_>, entry: &AuditEntry) -> io::Result<()> {
    match RawValue::from_string(entry.text.clone()) {
        Ok(line) => screen.json(&line),
        Err(_) => screen.json(&json!({ "unreadable": { "file": entry.file, "line": entry.line } })),
    }
}

/// Where a day ends and which columns there are.
struct Page {
    width: usize,
    plugin_width: usize,
    has_ms: bool,
    day: String,
}

/// No plugin's name takes more of the window.
const WIDEST_PLUGIN: usize = 24;

impl Page {
    fn new(width: usize) -> Self {
        Self { width, plugin_width: (width / 5).clamp(8, WIDEST_PLUGIN), has_ms: width >= 80, day: String::new() }
    }

    fn is_empty(&self) -> bool {
        self.day.is_empty()
    }

    fn print(&mut self, screen: &mut Screen<'_>, entry: &AuditEntry) -> io::Result<()> {
        let Some(gist) = entry::gist(entry) else { return Ok(()) };
        let (dim, strong) = (Theme::DIM, Theme::STRONG);
        let (day, hour) = day_and_hour(entry.time);
        let hour = if self.has_ms { &hour[..] } else { &hour[..8] };
        let plugin_width = self.plugin_width;
        if self.day != day {
            let zone = if self.is_empty() { " (UTC)" } else { "" };
            screen.line(format!("{strong}{day}{strong:#}{dim}{zone}{dim:#}"))?;
            self.day = day;
        }
        let plugin = cut(&printable(entry.plugin.as_deref().unwrap_or("–")), plugin_width);
        let pad = " ".repeat(plugin_width.saturating_sub(display_width(&plugin)));
        let left = self.width.saturating_sub(hour.len() + plugin_width + 6);
        let (mark, style) = gist.mark;
        let text = cut(&printable(&gist.text), left);
        screen.line(
            format!("{dim}{hour}{dim:#}  {strong}{plugin}{strong:#}{pad}  {style}{mark} {text}{style:#}").trim_end(),
        )
    }
}
