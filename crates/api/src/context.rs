use std::path::{Path, PathBuf};
use std::sync::Arc;

use mimir_shared_config::PluginIdentity;
use mimir_shared_platform::{AuditLog, Clock, Directory, FileSystem, HttpClient, Notifier, ProcessExecutor};
use serde_json::Value;

use crate::call::Call;
use crate::ops;
use crate::storage::Storage;
use crate::{
    ApiError, ApiLimits, Effects, ErrorCode, EventSink, Gate, HostRequest, LogLine, LogSink, Origin, PluginProfile,
    SessionView,
};

/// The host's side of `ctx.*`, for all plugins of one project.
///
/// Cloning it is cheap; all clones are the same.
#[derive(Clone)]
pub struct PluginContext {
    shared: Arc<Shared>,
}

/// What calls are answered with.
#[derive(Clone)]
pub struct ContextPorts {
    /// Decides what a plugin may do.
    pub gate: Arc<dyn Gate>,
    /// Files: the project's, through a [`Directory`], and those of the plugins' storage.
    pub files: Arc<dyn FileSystem>,
    /// Runs programs.
    pub processes: Arc<dyn ProcessExecutor>,
    /// Makes requests.
    pub http: Arc<dyn HttpClient>,
    /// The time, for measuring.
    pub clock: Arc<dyn Clock>,
    /// Shows what plugins tell the user.
    pub notifier: Arc<dyn Notifier>,
    /// Remembers every call.
    pub audit: Arc<dyn AuditLog>,
    /// The sessions.
    pub sessions: Arc<dyn SessionView>,
    /// Takes the events that calls raise.
    pub events: Arc<dyn EventSink>,
    /// Takes what plugins log.
    pub logs: Arc<dyn LogSink>,
}

/// For which project, and how.
#[derive(Debug, Clone)]
pub struct ContextSettings {
    /// The project's root.
    pub project_root: PathBuf,
    /// Where the plugins' storage lies: `~/.mimir/storage`.
    pub storage: PathBuf,
    /// How much a call may move.
    pub limits: ApiLimits,
    /// Whether calls act on the world.
    pub effects: Effects,
}

pub(crate) struct Shared {
    pub(crate) ports: ContextPorts,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) root_as_given: PathBuf,
    pub(crate) storage: Storage,
    pub(crate) limits: ApiLimits,
    pub(crate) effects: Effects,
}

impl PluginContext {
    /// Opens the project.
    ///
    /// # Errors
    /// If the project's root is no folder that can be opened.
    pub fn new(ports: ContextPorts, settings: ContextSettings) -> Result<Self, ApiError> {
        let directory = ports.files.open_directory(&settings.project_root)?;
        let storage = Storage::new(
            Arc::clone(&ports.files),
            &settings.storage,
            directory.root(),
            settings.limits.storage,
            matches!(settings.effects, Effects::Recorded(_)),
        );
        let shared = Shared {
            ports,
            directory,
            root_as_given: settings.project_root,
            storage,
            limits: settings.limits,
            effects: settings.effects,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The project's root without links: the one that paths given to the [`Gate`] begin with.
    pub fn root(&self) -> &Path {
        self.shared.directory.root()
    }

    /// Answers one call. It must be made within a tokio runtime; when it is dropped, a program or request under way is
    /// stopped (work on a file is finished).
    ///
    /// # Errors
    /// [`ApiError`], made for the plugin.
    pub async fn call(&self, request: HostRequest<'_>) -> Result<Value, ApiError> {
        let HostRequest { plugin, origin, op, args } = request;
        if op == "log" {
            // Not worth a line in the audit log, which would have as many lines as the log
            let line = ops::notify::log_line(args, self.shared.limits.message)?;
            self.log(&plugin, &origin, line);
            return Ok(Value::Null);
        }
        let call = Call::new(Arc::clone(&self.shared), plugin, origin, op, args);
        let result = answer(&call, op).await;
        call.finish(&result);
        result
    }

    /// Takes a line that a plugin logged; the text is cut at the limit.
    pub fn log(&self, plugin: &PluginProfile, origin: &Origin, mut line: LogLine) {
        ops::notify::truncate(&mut line.message, self.shared.limits.message);
        self.shared.ports.logs.log(plugin, origin, line);
    }

    /// Removes what a plugin stored, in all projects: part of its removal.
    ///
    /// # Errors
    /// If the files can't be removed.
    pub fn forget_storage(&self, plugin: &PluginIdentity) -> Result<(), ApiError> {
        self.shared.storage.forget(plugin)
    }
}

async fn answer(call: &Arc<Call>, op: &str) -> Result<Value, ApiError> {
    match op {
        "notify" => ops::notify::notify(call),
        "fs.readFile" => ops::files::read_file(call).await,
        "fs.writeFile" => ops::files::write_file(call).await,
        "fs.appendFile" => ops::files::append_file(call).await,
        "fs.exists" => ops::files::exists(call).await,
        "fs.stat" => ops::files::stat(call).await,
        "fs.readdir" => ops::files::read_dir(call).await,
        "fs.mkdir" => ops::folders::mkdir(call).await,
        "fs.remove" => ops::folders::remove(call).await,
        "exec" => ops::exec::exec(call).await,
        "fetch" => ops::fetch::fetch(call).await,
        "storage.get" => ops::storage::get(call).await,
        "storage.set" => ops::storage::set(call).await,
        "storage.delete" => ops::storage::delete(call).await,
        "storage.keys" => ops::storage::keys(call).await,
        "storage.clear" => ops::storage::clear(call).await,
        "session.get" => ops::session::get(call).await,
        "session.messages" => ops::session::messages(call).await,
        unknown => {
            let shown: String = unknown.chars().take(80).collect();
            Err(ApiError::new(ErrorCode::Unsupported, format!("there is no call `{}`", shown.escape_debug())))
        }
    }
}
