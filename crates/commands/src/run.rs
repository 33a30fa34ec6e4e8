use std::io::{self, Write};

use serde::Serialize;

use crate::audit::{self, Shown};
use crate::text::json_text;
use crate::{
    AuditQuery, CommandError, Exit, Person, PluginCommand, PluginStore, doctor, grant, info, list, switch, trust,
    validate,
};

/// Where a command prints.
pub struct Screen<'a> {
    /// The stream. Styles are written as escape sequences; it is the stream's business to remove them.
    pub out: &'a mut (dyn Write + Send),
    /// The window's width in columns.
    pub width: usize,
}

impl Screen<'_> {
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        writeln!(self.out, "{}", json_text(value)?)
    }

    pub(crate) fn line(&mut self, line: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.out, "{}", line.as_ref())
    }
}

/// Does what `command` says and prints what came of it. An error is for the caller to report.
pub async fn run(
    command: PluginCommand,
    store: &dyn PluginStore,
    person: &dyn Person,
    screen: &mut Screen<'_>,
) -> Result<Exit, CommandError> {
    match command {
        PluginCommand::List { json } => list::run(store, screen, json).await,
        PluginCommand::Info { name, start, json } => info::run(store, screen, &name, start, json).await,
        PluginCommand::Enable { name, global, json } => switch::run(store, screen, &name, true, global, json).await,
        PluginCommand::Disable { name, global, json } => switch::run(store, screen, &name, false, global, json).await,
        PluginCommand::Validate { path, json } => validate::run(store, screen, path.as_deref(), json).await,
        PluginCommand::Trust { revoke: true, json, .. } | PluginCommand::Untrust { json } => {
            trust::untrust(store, screen, json).await
        }
        PluginCommand::Trust { yes, json, .. } => trust::run(store, person, screen, yes, json).await,
        PluginCommand::Grant { name, revoke: true, json, .. } | PluginCommand::Revoke { name, json } => {
            grant::revoke(store, screen, &name, json).await
        }
        PluginCommand::Grant { name, only, yes, json, .. } => {
            grant::run(store, person, screen, &name, &only, yes, json).await
        }
        PluginCommand::Doctor { json } => doctor::run(store, screen, json).await,
        PluginCommand::Audit { verify: true, json, .. } => audit::verify(store, screen, json).await,
        PluginCommand::Audit { plugin, since, denied, follow, json, .. } => {
            let query = AuditQuery { plugin, since, follow };
            audit::run(store, screen, &Shown { query, denied, json }).await
        }
    }
}
