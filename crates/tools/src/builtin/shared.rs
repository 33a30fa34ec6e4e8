use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use mimir_plugins::Hooks;
use mimir_plugins::events::{FileDeleted, FileModified};
use mimir_shared_platform::{Clock, Links, Metadata};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::known::Known;
use super::workspace::{Action, Target, Workspace, moved, told};
use crate::{CallContext, Need, Pass, ToolError};

/// Bytes of a file that a tool reads or writes as a whole.
pub(super) const LARGEST_FILE: u64 = 32 << 20;

/// What the tools for files share.
pub(super) struct Shared {
    pub(super) workspace: Workspace,
    pub(super) known: Known,
    pub(super) hooks: Hooks,
    pub(super) clock: Arc<dyn Clock>,
    /// Held from looking at a file to changing it, so that two calls don't undo each other's changes.
    changing: Mutex<()>,
}

impl Shared {
    pub(super) fn new(workspace: Workspace, hooks: Hooks, clock: Arc<dyn Clock>) -> Self {
        Self { workspace, known: Known::default(), hooks, clock, changing: Mutex::default() }
    }

    /// What the path among the arguments names, if the action may be done to it at all.
    pub(super) fn target(&self, action: Action, path: &str) -> Result<Target, ToolError> {
        let links = if action == Action::Delete { Links::Keep } else { Links::Follow };
        let target = self.workspace.resolve(path, links)?;
        self.workspace.refuse(action, &target)?;
        Ok(target)
    }

    /// For [`crate::Tool::check`].
    pub(super) fn check(&self, action: Action, args: &Map<String, Value>) -> Result<(), ToolError> {
        self.target(action, path_of(args)).map(drop)
    }

    /// For [`crate::Tool::need`].
    pub(super) fn need(&self, tool: &str, action: Action, args: &Map<String, Value>) -> Option<Need> {
        let target = self.target(action, path_of(args)).ok()?;
        self.workspace.need(tool, action, &target)
    }

    /// What the path names now, if that is what the permission was given for.
    pub(super) fn allowed(&self, tool: &str, action: Action, pass: &Pass) -> Result<Target, ToolError> {
        let target = self.target(action, path_of(pass.args()))?;
        if self.workspace.need(tool, action, &target).as_ref() != pass.need() {
            return Err(moved(&target));
        }
        Ok(target)
    }

    /// What stands at the target, and its contents.
    pub(super) fn contents(&self, target: &Target) -> Result<Vec<u8>, ToolError> {
        if self.workspace.is_missing(target) {
            return Err(self.workspace.missing(target));
        }
        self.workspace.place(target, false)?.read(LARGEST_FILE).map_err(|error| told(&error))
    }

    /// Changes a file while no other tool does: `change` is given its contents, if there is such a file, and gives new
    /// ones.
    pub(super) fn change<T>(
        &self,
        target: &Target,
        context: &CallContext,
        change: impl FnOnce(Option<Vec<u8>>) -> Result<(Vec<u8>, T), ToolError>,
    ) -> Result<(Vec<u8>, T), ToolError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match self.stands(target)? {
            None => None,
            Some(_) => {
                let contents = self.contents(target)?;
                self.refuse_stale(target, context, &contents)?;
                Some(contents)
            }
        };
        let is_new = before.is_none();
        let (contents, more) = change(before)?;
        let place = self.workspace.place(target, is_new)?;
        if is_new && place.metadata().map_err(|error| told(&error))?.is_some() {
            return Err(moved(target));
        }
        place.write(&contents).map_err(|error| told(&error))?;
        Ok((contents, more))
    }

    /// Removes a file, a link or an empty folder. Gives its size in bytes.
    pub(super) fn remove(&self, target: &Target, context: &CallContext) -> Result<Metadata, ToolError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(found) = self.stands(target)? else { return Err(self.workspace.missing(target)) };
        if found.is_file() && found.len <= LARGEST_FILE {
            self.refuse_stale(target, context, &self.contents(target)?)?;
        }
        let place = self.workspace.place(target, false)?;
        place.remove().map_err(|error| told(&error))?;
        Ok(found)
    }

    fn stands(&self, target: &Target) -> Result<Option<Metadata>, ToolError> {
        if self.workspace.is_missing(target) {
            return Ok(None);
        }
        self.workspace.place(target, false)?.metadata().map_err(|error| told(&error))
    }

    fn refuse_stale(&self, target: &Target, context: &CallContext, contents: &[u8]) -> Result<(), ToolError> {
        if self.known.is_stale(context, &target.path, contents) {
            let name = target.shown();
            return Err(ToolError::new(format!("{name} has changed since you read it: read it again first")));
        }
        Ok(())
    }

    /// Tells the plugins of a file that was written, and waits for what they do with it. Gives a note if it is another one
    /// afterwards.
    pub(super) async fn written(&self, tool: &str, target: &Target, contents: Vec<u8>, pass: &Pass) -> Option<String> {
        self.modified(tool, &target.name(), contents.len() as u64, pass.context()).await;
        let now = self.contents(target);
        match now {
            Ok(now) if now == contents => {
                self.known.learn(pass.context(), &target.path, &now);
                None
            }
            Ok(now) => {
                self.known.learn(pass.context(), &target.path, &now);
                let bytes = now.len();
                Some(format!(
                    "A plugin has changed the file since (it has {bytes} bytes now): read it before you edit it."
                ))
            }
            Err(_) => Some("The file is gone again: a plugin may have removed it.".to_owned()),
        }
    }

    /// `file.modified`.
    pub(super) async fn modified(&self, tool: &str, path: &str, bytes: u64, context: &CallContext) {
        let event = FileModified {
            timestamp: self.clock.now_ms(),
            session_id: context.session_id.clone(),
            path: path.to_owned(),
            tool: Some(tool.to_owned()),
            bytes: Some(bytes),
            extra: Map::new(),
        };
        self.hooks.caused_by(context.cause.iter().cloned()).files().modified(&event).await;
    }

    /// `file.deleted`.
    pub(super) async fn deleted(&self, tool: &str, path: &str, bytes: u64, context: &CallContext) {
        let event = FileDeleted {
            timestamp: self.clock.now_ms(),
            session_id: context.session_id.clone(),
            path: path.to_owned(),
            tool: Some(tool.to_owned()),
            bytes: Some(bytes),
            extra: Map::new(),
        };
        self.hooks.caused_by(context.cause.iter().cloned()).files().deleted(&event).await;
    }
}

/// The arguments as the tool reads them. They match the schema, which can't say everything.
pub(super) fn read_args<T: DeserializeOwned>(args: &Map<String, Value>) -> Result<T, ToolError> {
    serde_json::from_value(Value::Object(args.clone())).map_err(|error| ToolError::new(error.to_string()))
}

fn path_of(args: &Map<String, Value>) -> &str {
    args.get("path").and_then(Value::as_str).unwrap_or(".")
}

/// Does what waits for the disk where it holds nobody up.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(ToolError::new("Mimir is about to end")),
    }
}

/// The schema of an object with these properties.
pub(super) fn schema(properties: &Value, required: &[&str]) -> Value {
    serde_json::json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Settings of the built-in tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuiltinSettings {
    /// The project's root: relative paths start there, and commands run there.
    pub root: PathBuf,
    /// The user's home, for paths with `~`.
    pub home: Option<PathBuf>,
    /// Mimir's own folders (`~/.mimir`), which no tool may change. What is called `.mimir` is closed without being named.
    pub own: Vec<PathBuf>,
    /// The user's environment, for commands.
    pub environment: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    /// Variables of it that commands must not get: the keys of the configured providers. Those of well-known providers and
    /// Mimir's own are left out without being named.
    pub hidden: Vec<String>,
    /// How long a command may take at most, in milliseconds. Without it, as long as the call says, up to ten minutes.
    pub bash_timeout_ms: Option<u64>,
}
