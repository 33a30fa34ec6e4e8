use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};

use mimir_shared_config::{PluginId, PluginIdentity};
use mimir_shared_platform::{
    AuditLog, Clock, Directory, DockerClient, FileSystem, Guard, HttpClient, Notifier, ProcessExecutor,
};
use serde_json::Value;

use crate::call::Call;
use crate::ledger::Ledger;
use crate::ops;
use crate::ops::ask::Asking;
use crate::ops::fetch::Answers;
use crate::ops::llm::Chats;
use crate::secrets::Handles;
use crate::storage::Storage;
use crate::turns::Turns;
use crate::{
    ApiError, ApiLimits, Asker, Browser, Effects, ErrorCode, EventSink, Gate, HostRequest, LogLine, LogSink, Models,
    Origin, PluginProfile, Redaction, SecretStore, SessionView, ToolCatalog, public_config,
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
    /// Knows the values of secrets.
    pub secrets: Arc<dyn SecretStore>,
    /// Runs containers.
    pub docker: Arc<dyn DockerClient>,
    /// Answers calls of language models; nothing where no provider is set up.
    pub models: Option<Models>,
    /// The agent's tools; nothing where no agent runs.
    pub tools: Option<Arc<dyn ToolCatalog>>,
    /// Puts questions to the person; nothing where there is none.
    pub asker: Option<Arc<dyn Asker>>,
    /// The way to a browser and back; nothing where there is none.
    pub browser: Option<Arc<dyn Browser>>,
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
    pub(crate) ledger: Ledger,
    pub(crate) turns: Turns,
    pub(crate) answers: Answers,
    pub(crate) chats: Chats,
    pub(crate) asking: Asking,
    pub(crate) handles: Handles,
    pub(crate) redaction: Redaction,
    pub(crate) limits: ApiLimits,
    pub(crate) effects: Effects,
    /// Plugins that change no file of the project.
    observed: RwLock<HashSet<PluginId>>,
    /// Whether the user knows that programs are not fully confined here.
    pub(crate) said_unconfined: AtomicBool,
}

impl Shared {
    pub(crate) fn is_observed(&self, plugin: &PluginId) -> bool {
        self.observed.read().unwrap_or_else(PoisonError::into_inner).contains(plugin)
    }
}

impl PluginContext {
    /// Opens the project.
    ///
    /// # Errors
    /// If the project's root is no folder that can be opened.
    pub fn new(ports: ContextPorts, settings: ContextSettings) -> Result<Self, ApiError> {
        Self::with_redaction(ports, settings, Redaction::default())
    }

    /// The same, where others take out the secrets as well that plugins had sent for them.
    ///
    /// # Errors
    /// If the project's root is no folder that can be opened.
    pub fn with_redaction(
        ports: ContextPorts,
        settings: ContextSettings,
        redaction: Redaction,
    ) -> Result<Self, ApiError> {
        let directory = ports.files.open_directory(&settings.project_root)?;
        let storage = Storage::new(
            Arc::clone(&ports.files),
            &settings.storage,
            directory.root(),
            settings.limits.storage,
            matches!(settings.effects, Effects::Recorded(_)),
        );
        let turns = Turns::new(Arc::clone(&ports.audit));
        let shared = Shared {
            ports,
            directory,
            root_as_given: settings.project_root,
            storage,
            ledger: Ledger::default(),
            turns,
            answers: Answers::default(),
            chats: Chats::default(),
            asking: Asking::default(),
            handles: Handles::default(),
            redaction,
            limits: settings.limits,
            effects: settings.effects,
            observed: RwLock::default(),
            said_unconfined: AtomicBool::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Only observes a plugin from now on: what it would write, create or delete in the project is checked, recorded and
    /// answered as if it were done, and is not done. Its other calls act as they do.
    pub fn observe(&self, plugin: PluginId) {
        self.shared.observed.write().unwrap_or_else(PoisonError::into_inner).insert(plugin);
    }

    /// The project's root without links: the one that paths given to the [`Gate`] begin with.
    pub fn root(&self) -> &Path {
        self.shared.directory.root()
    }

    /// Answers one call. It must be made within a tokio runtime; when it is dropped, a program or request under way is
    /// stopped (work on a file is finished), and what waits for its turn never begins.
    ///
    /// Each plugin has a few turns at once. Work on its storage is done in the order in which it is asked for here.
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
        // Parts of a request, which has its line already
        match op {
            "fetch.read" => return ops::fetch::read(&self.shared, &plugin.id, args).await,
            "fetch.cancel" => return ops::fetch::cancel(&self.shared, &plugin.id, args),
            "llm.read" => return ops::llm::read(&self.shared, &plugin.id, args).await,
            "llm.cancel" => return ops::llm::cancel(&self.shared, &plugin.id, args),
            _ => {}
        }
        let call = Call::new(Arc::clone(&self.shared), plugin, origin, op, args);
        let result = match call.wait(call.turn.enter()).await {
            Ok(()) => answer(&call, op).await,
            Err(error) => Err(error),
        };
        call.finish(&result);
        result
    }

    /// Gives up what a plugin has open, since nobody is there any more to use it: its isolate is gone. Of what waits for
    /// its turn, the first 64 calls are still done, since it may have asked for them as its last act.
    pub fn forget_open(&self, plugin: &PluginId) {
        self.shared.turns.forget(plugin);
        self.shared.answers.forget(plugin);
        self.shared.chats.forget(plugin);
    }

    /// Takes a line that a plugin logged; the text is cut at the limit.
    pub fn log(&self, plugin: &PluginProfile, origin: &Origin, mut line: LogLine) {
        let most = self.shared.limits.message;
        if Guard::SecretRedacted.stands() {
            // What will be cut off need not be looked through, but what is cut in two has to be known for what it was
            ops::notify::truncate(&mut line.message, most.saturating_mul(2));
            line.message = self.shared.redaction.text(&line.message).into_owned();
            if let Value::Object(fields) = public_config(&Value::Object(std::mem::take(&mut line.fields))) {
                line.fields = fields;
                line.fields.values_mut().for_each(|value| self.shared.redaction.value(value));
            }
        }
        ops::notify::truncate(&mut line.message, most);
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
        "oauth.deviceCode" => ops::oauth::device_code(call).await,
        "oauth.browser" => ops::oauth::browser(call).await,
        "oauth.refresh" => ops::oauth::refresh(call).await,
        "secret.handle" => ops::secret::handle(call),
        "docker.run" => ops::docker::run(call).await,
        "tools.list" => ops::tools::list(call).await,
        "tools.get" => ops::tools::get(call).await,
        "tools.execute" => ops::tools::execute(call).await,
        "ask" => ops::ask::ask(call).await,
        "confirm" => ops::ask::confirm(call).await,
        "llm.chat" => ops::llm::chat(call).await,
        "llm.stream" => ops::llm::stream(call).await,
        "llm.countTokens" => ops::llm::count_tokens(call).await,
        "llm.calculateCost" => ops::llm::calculate_cost(call),
        "llm.budget" => ops::llm::budget(call),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use std::fmt::Write as _;
    use std::sync::Mutex;

    use mimir_shared_config::Denial;
    use mimir_shared_platform::testing::{ManualClock, MemoryAuditLog, MemoryNotifier};
    use mimir_shared_platform::{DockerEngine, HostProcesses, OsFileSystem, ReqwestClient};
    use mimir_shared_providers::{Message, Role};
    use serde_json::json;

    use super::*;
    use crate::ports::{MockEventSink, MockGate, MockLogSink, MockSecretStore, MockSessionView};
    use crate::recording::MockRecording;

    /// A gate that refuses what it is asked the `refused`-th time, and what it was asked.
    fn gate(refused: usize) -> (MockGate, Arc<Mutex<Vec<String>>>) {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&asked);
        let mut gate = MockGate::new();
        gate.expect_check().returning(move |plugin, access| {
            let mut asked = seen.lock().unwrap();
            asked.push(access.to_string());
            if asked.len() != refused {
                return Ok(());
            }
            let (capability, reason) = (access.capability().to_owned(), format!("not for {}", plugin.id));
            Err(Denial { capability, reason, hint: Some("ask".to_owned()) })
        });
        (gate, asked)
    }

    fn ports(gate: MockGate, sessions: MockSessionView) -> ContextPorts {
        let mut events = MockEventSink::new();
        events.expect_raise().never();
        ContextPorts {
            gate: Arc::new(gate),
            files: Arc::new(OsFileSystem),
            processes: Arc::new(HostProcesses::new([])),
            http: Arc::new(ReqwestClient::new()),
            docker: Arc::new(DockerEngine::new(None)),
            models: None,
            browser: None,
            tools: None,
            asker: None,
            secrets: Arc::new(MockSecretStore::new()),
            clock: Arc::new(ManualClock::at(0)),
            notifier: Arc::new(MemoryNotifier::default()),
            audit: Arc::new(MemoryAuditLog::default()),
            sessions: Arc::new(sessions),
            events: Arc::new(events),
            logs: Arc::new(MockLogSink::new()),
        }
    }

    async fn call(ports: ContextPorts, effects: Effects, op: &str, args: Value) -> (String, Result<Value, ApiError>) {
        let project = tempfile::tempdir().unwrap();
        let settings = ContextSettings {
            project_root: project.path().to_owned(),
            storage: project.path().join("storage"),
            limits: ApiLimits::default(),
            effects,
        };
        let identity = json!({"source": "builtin", "package": "p", "hash": "0".repeat(64)});
        let identity: PluginIdentity = serde_json::from_value(identity).unwrap();
        let plugin = Arc::new(PluginProfile { id: PluginId::new("p").unwrap(), identity });
        let origin = Origin { session_id: Some("s".into()), ..Origin::default() };
        let context = PluginContext::new(ports, settings).unwrap();
        let result = context.call(HostRequest { plugin, origin, op, args: &args.to_string() }).await;
        let mut left = String::new();
        for entry in OsFileSystem.read_dir(project.path()).unwrap() {
            let _ = write!(left, "{} ", entry.name);
        }
        (left, result)
    }

    #[tokio::test]
    async fn the_gate_is_asked_before_and_about_what_was_opened() {
        for refused in [1, 2] {
            let (gate, asked) = gate(refused);
            let ports = ports(gate, MockSessionView::new());
            let (left, result) = call(ports, Effects::Live, "fs.writeFile", json!({"path": "x", "data": ""})).await;
            let error = result.unwrap_err();
            assert_eq!(error.message, "fs.writeFile is denied: not for p");
            assert_eq!((error.capability.as_deref(), error.hint.as_deref()), (Some("filesystem.write"), Some("ask")));
            assert_eq!((asked.lock().unwrap().len(), left.as_str()), (refused, ""), "nothing is written");
        }
    }

    #[tokio::test]
    async fn nothing_is_done_that_the_gate_refuses() {
        let cases = [
            ("exec", json!({"command": "touch", "args": ["x"]}), "exec"),
            ("fetch", json!({"url": "http://127.0.0.1:9/"}), "network"),
            ("notify", json!({"message": "x"}), "notify"),
            ("storage.set", json!({"key": "x", "value": 1}), "storage"),
            ("session.messages", json!({}), "session"),
        ];
        for (op, args, capability) in cases {
            let (gate, asked) = gate(1);
            let mut sessions = MockSessionView::new();
            sessions.expect_messages().never();
            let (left, result) = call(ports(gate, sessions), Effects::Live, op, args).await;
            assert_eq!(result.unwrap_err().capability.as_deref(), Some(capability));
            assert_eq!((asked.lock().unwrap().len(), left.as_str()), (1, ""), "{op}");
        }
    }

    #[tokio::test]
    async fn an_address_that_the_gate_refuses_is_a_denial() {
        let (gate, asked) = gate(2);
        let args = json!({"url": "http://127.0.0.1:9/"});
        let (_, result) = call(ports(gate, MockSessionView::new()), Effects::Live, "fetch", args).await;
        assert_eq!(result.unwrap_err().message, "fetch is denied: not for p");
        assert_eq!(
            asked.lock().unwrap().as_slice(),
            ["request http://127.0.0.1:9/", "connect to 127.0.0.1 at 127.0.0.1"]
        );
    }

    #[tokio::test]
    async fn the_session_is_that_of_the_origin() {
        let mut sessions = MockSessionView::new();
        sessions
            .expect_messages()
            .withf(|id| id == "s")
            .once()
            .returning(|_| Ok(Some(vec![Message::text(Role::User, "hi")])));
        let (_, result) = call(ports(gate(0).0, sessions), Effects::Live, "session.messages", json!({})).await;
        assert_eq!(result.unwrap(), json!([{"role": "user", "content": "hi"}]));
    }

    #[tokio::test]
    async fn a_recording_is_asked_after_the_gate_and_with_the_same_arguments() {
        let args = json!({"path": "x", "data": "y"});
        let expected = args.clone();
        let mut recording = MockRecording::new();
        recording
            .expect_answer()
            .withf(move |plugin, op, args| plugin.as_str() == "p" && op == "fs.writeFile" && *args == expected)
            .once()
            .returning(|_, _, _| Some(Ok(Value::Null)));
        let (gate, asked) = gate(0);
        let effects = Effects::Recorded(Arc::new(recording));
        let (left, result) = call(ports(gate, MockSessionView::new()), effects, "fs.writeFile", args).await;
        assert_eq!((result, left.as_str(), asked.lock().unwrap().len()), (Ok(Value::Null), "", 1));
    }
}
