use std::io::{self, Write};

use serde::Serialize;

use crate::text::json_text;
use crate::{CommandError, Exit, Person, PluginCommand, PluginStore, grant, info, list, switch, trust, validate};

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
        PluginCommand::Trust { revoke, json } => trust::run(store, screen, revoke, json).await,
        PluginCommand::Grant { name, revoke: true, json, .. } => grant::revoke(store, screen, &name, json).await,
        PluginCommand::Grant { name, yes, json, .. } => grant::run(store, person, screen, &name, yes, json).await,
    }
}
