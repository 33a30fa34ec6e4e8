//! `mimir sessions …`: what was kept of conversations. No plugin and no model is started for it, and no configuration read.

mod args;
mod delete;
mod export;
mod list;
mod markdown;
mod money;
mod sheet;
mod show;
mod transcript;
mod when;

use std::path::PathBuf;
use std::sync::Arc;

use mimir_chat::{Session, SessionStore as _, SqliteSessions, StoreError};
use mimir_commands::{CommandError, Exit, StoreError as CommandFailed, printable, with_causes};
use mimir_plugins::{Folders, PluginsError};
use mimir_shared_platform::SystemClock;

pub(crate) use self::args::SessionsCommand;
use crate::cli::Global;
use crate::runtime::runtime;
use crate::terminal::Terminal;

/// The folder of sessions in Mimir's own.
const FOLDER: &str = "sessions";

/// What the commands work on.
struct Kept {
    /// Nothing if there never was a session.
    store: Option<SqliteSessions>,
    /// The project's folder, as sessions have it.
    project: String,
}

pub(crate) fn run(command: &SessionsCommand, global: &Global, terminal: &mut Terminal) -> Result<Exit, CommandError> {
    let folders = Folders::find(global.project.as_deref())?;
    let result = runtime()?.block_on(async {
        let kept = Kept::open(folders).await?;
        let exit = match command {
            SessionsCommand::List(list) => list::run(&kept, list, terminal).await,
            SessionsCommand::Show(show) => show::run(&kept, show, terminal).await,
            SessionsCommand::Export(export) => export::run(&kept, export, terminal).await,
            SessionsCommand::Delete(delete) => delete::run(&kept, delete, terminal).await,
        };
        if let Some(store) = kept.store {
            store.shutdown().await;
        }
        exit
    });
    terminal.out.flush()?;
    result
}

impl Kept {
    async fn open(Folders { project, home }: Folders) -> Result<Self, CommandError> {
        let project = text(project)?;
        let store = SqliteSessions::existing(&home.join(FOLDER), Arc::new(SystemClock))
            .await
            .map_err(|error| failed(&error))?;
        Ok(Self { store, project })
    }

    /// The sessions, of the project or of all.
    async fn list(&self, is_all: bool) -> Result<Vec<Session>, CommandError> {
        let Some(store) = &self.store else { return Ok(Vec::new()) };
        store.list((!is_all).then_some(self.project.as_str())).await.map_err(|error| failed(&error))
    }

    /// The session that was named, or else the latest of the project, and where it is kept.
    async fn find(&self, id: Option<&str>) -> Result<(&SqliteSessions, Session), CommandError> {
        let none = |id: &str| failed(&StoreError::Unknown { id: id.to_owned() });
        match (&self.store, id) {
            (Some(store), Some(id)) => Ok((store, store.find(id).await.map_err(|error| failed(&error))?)),
            (None, Some(id)) => Err(none(id)),
            (Some(store), None) => match self.list(false).await?.into_iter().next() {
                Some(latest) => Ok((store, latest)),
                None => Err(self.nothing()),
            },
            (None, None) => Err(self.nothing()),
        }
    }

    fn nothing(&self) -> CommandError {
        let message = format!("there are no sessions in {} yet", printable(&self.project));
        CommandFailed::failed(message, Some(BEGIN.to_owned())).into()
    }
}

/// How a session begins.
const BEGIN: &str = "`mimir run \"what to do\"` begins one";

/// An error of the store, for the person.
fn failed(error: &StoreError) -> CommandError {
    CommandFailed::failed(with_causes(error), error.hint()).into()
}

fn text(project: PathBuf) -> Result<String, PluginsError> {
    project.into_os_string().into_string().map_err(|path| PluginsError::NoProject { path: path.into() })
}
