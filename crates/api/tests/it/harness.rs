use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mimir_api::{
    ApiError, ApiLimits, Asker, Browser, ContextPorts, ContextSettings, Effects, EventSink, FileChange, FileEvent,
    Gate, HostRequest, LogLine, LogSink, Models, Origin, PluginContext, PluginProfile, SecretStore, SecretValue,
    SessionInfo, SessionView, ToolCatalog,
};
use mimir_shared_config::{
    Access, Capabilities, ClosedPlaces, Denial, FileAccess, Llm, PluginId, PluginIdentity, PluginSource,
};
use mimir_shared_platform::testing::{ManualClock, MemoryAuditLog, MemoryNotifier};
use mimir_shared_platform::{
    AuditLog, AuditRecord, DockerEngine, FileSystem, HostProcesses, OsFileSystem, PlatformError, ReqwestClient,
};
use mimir_shared_providers::{Message, Role};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A project in a temporary folder, with `outside/secret` beside it, and a context for it.
pub(crate) struct World {
    pub(crate) temp: TempDir,
    pub(crate) root: PathBuf,
    pub(crate) context: PluginContext,
    pub(crate) audit: Arc<MemoryAuditLog>,
    pub(crate) notifier: Arc<MemoryNotifier>,
    pub(crate) events: Arc<Events>,
    pub(crate) logs: Arc<Logs>,
}

/// How a [`World`] differs from the usual one.
pub(crate) struct Options {
    pub(crate) capabilities: Value,
    pub(crate) limits: ApiLimits,
    pub(crate) effects: Effects,
    /// Whether the audit log keeps its records: those of many calls need much memory.
    pub(crate) remembers: bool,
    pub(crate) browser: Option<Arc<dyn Browser>>,
    pub(crate) models: Option<Models>,
    pub(crate) tools: Option<Arc<dyn ToolCatalog>>,
    pub(crate) asker: Option<Arc<dyn Asker>>,
    pub(crate) files: Arc<dyn FileSystem>,
}

impl Default for Options {
    fn default() -> Self {
        let capabilities = json!({
            "filesystem": {"read": true, "write": true, "delete": true, "restricted": [".env"]},
            "exec": {"enabled": true, "allowlist": ["*"]},
            "network": {"enabled": true, "allowlist": ["127.0.0.1", "http://127.0.0.1:*", "http://localhost:*"]},
        });
        Self {
            capabilities,
            limits: ApiLimits::default(),
            effects: Effects::Live,
            remembers: true,
            browser: None,
            models: None,
            tools: None,
            asker: None,
            files: Arc::new(OsFileSystem),
        }
    }
}

/// Decides by capabilities, as the real one does.
struct CapabilityGate {
    capabilities: Capabilities,
    files: FileAccess,
    closed: ClosedPlaces,
}

impl Gate for CapabilityGate {
    fn check(&self, plugin: &PluginProfile, access: &Access) -> Result<(), Denial> {
        let verdict = self.files.permits(access, &self.closed, |_| true);
        let verdict = verdict.unwrap_or_else(|| self.capabilities.permits(access, self.closed.root()));
        verdict.map_err(|denial| denial.for_plugin(&plugin.id))
    }

    fn llm(&self, _: &PluginProfile) -> Llm {
        self.capabilities.llm.clone()
    }
}

/// Forgets everything.
struct NoAudit;

impl AuditLog for NoAudit {
    fn record(&self, _: AuditRecord) {}

    fn flush(&self) -> Result<(), PlatformError> {
        Ok(())
    }
}

#[derive(Default)]
pub(crate) struct Events(Mutex<Vec<FileEvent>>);

impl EventSink for Events {
    fn raise(&self, event: FileEvent) {
        self.0.lock().unwrap().push(event);
    }
}

#[derive(Default)]
pub(crate) struct Logs(pub(crate) Mutex<Vec<LogLine>>);

impl LogSink for Logs {
    fn log(&self, _: &PluginProfile, _: &Origin, line: LogLine) {
        self.0.lock().unwrap().push(line);
    }
}

/// Knows the secret `TOKEN` alone.
struct OneSecret;

impl SecretStore for OneSecret {
    fn value(&self, name: &str) -> Result<Option<SecretValue>, ApiError> {
        Ok(matches!(name, "TOKEN").then(|| SecretValue::new(SECRET)))
    }
}

/// The value of the secret `TOKEN`.
pub(crate) const SECRET: &str = "t0p/secret+value";

/// Knows the session `s1` alone.
struct OneSession;

#[async_trait]
impl SessionView for OneSession {
    async fn session(&self, id: &str) -> Result<Option<SessionInfo>, ApiError> {
        let metadata = json!({"title": "a session"}).as_object().unwrap().clone();
        Ok((id == "s1").then(|| SessionInfo { id: id.to_owned(), metadata }))
    }

    async fn messages(&self, id: &str) -> Result<Option<Vec<Message>>, ApiError> {
        Ok((id == "s1").then(|| vec![Message::text(Role::User, "hi"), Message::text(Role::Assistant, "hello")]))
    }
}

pub(crate) fn world() -> World {
    world_with(Options::default())
}

pub(crate) fn world_with(options: Options) -> World {
    let temp = tempfile::tempdir().unwrap();
    let base = temp.path().canonicalize().unwrap();
    let root = base.join("project");
    fs::create_dir_all(root.join("src")).unwrap();
    fs::create_dir_all(base.join("outside")).unwrap();
    fs::write(base.join("outside/secret"), "secret").unwrap();
    fs::write(root.join("src/a.ts"), "a").unwrap();
    fs::write(root.join(".env"), "KEY=1").unwrap();
    std::os::unix::fs::symlink(base.join("outside"), root.join("out")).unwrap();
    std::os::unix::fs::symlink(".env", root.join("innocent")).unwrap();

    let (audit, notifier) = (Arc::new(MemoryAuditLog::default()), Arc::new(MemoryNotifier::default()));
    let (events, logs) = (Arc::new(Events::default()), Arc::new(Logs::default()));
    let capabilities: Capabilities = serde_json::from_value(options.capabilities).unwrap();
    let files = FileAccess::new(&capabilities.filesystem);
    let docker_socket = base.join("docker.sock");
    let ports = ContextPorts {
        gate: Arc::new(CapabilityGate { capabilities, files, closed: ClosedPlaces::new(&root) }),
        files: options.files,
        processes: Arc::new(HostProcesses::from_env()),
        http: Arc::new(ReqwestClient::new()),
        docker: Arc::new(DockerEngine::new(Some(&format!("unix://{}", docker_socket.display())))),
        browser: options.browser,
        models: options.models,
        tools: options.tools,
        asker: options.asker,
        secrets: Arc::new(OneSecret),
        clock: Arc::new(ManualClock::at(1_700_000_000_000)),
        notifier: Arc::clone(&notifier) as _,
        audit: if options.remembers { Arc::clone(&audit) as _ } else { Arc::new(NoAudit) },
        sessions: Arc::new(OneSession),
        events: Arc::clone(&events) as _,
        logs: Arc::clone(&logs) as _,
    };
    let settings = ContextSettings {
        project_root: root.clone(),
        storage: base.join("home/storage"),
        limits: options.limits,
        effects: options.effects,
    };
    let context = PluginContext::new(ports, settings).unwrap();
    World { temp, root, context, audit, notifier, events, logs }
}

pub(crate) fn profile(name: &str, source: &str) -> Arc<PluginProfile> {
    let identity = json!({"source": {"folder": source}, "package": name, "hash": "a".repeat(64)});
    Arc::new(PluginProfile {
        id: PluginId::new(name).unwrap(),
        identity: PluginIdentity {
            source: PluginSource::Folder(source.to_owned()),
            ..serde_json::from_value(identity).unwrap()
        },
    })
}

impl World {
    pub(crate) async fn call(&self, op: &str, args: Value) -> Result<Value, ApiError> {
        self.call_as(&profile("p", "/plugins/p"), op, args).await
    }

    pub(crate) async fn call_as(&self, plugin: &Arc<PluginProfile>, op: &str, args: Value) -> Result<Value, ApiError> {
        let origin =
            Origin { chain: [PluginId::new("first").unwrap()].into(), session_id: Some("s1".into()), auth: None };
        let args = args.to_string();
        self.context.call(HostRequest { plugin: Arc::clone(plugin), origin, op, args: &args }).await
    }

    /// Makes a call, and compares what it gives, or the code of the error and a part of its message.
    pub(crate) async fn check(&self, op: &str, args: Value, expected: Result<Value, (&str, &str)>) {
        let shown = format!("{op} {args}");
        match (self.call(op, args).await, expected) {
            (Ok(value), Ok(expected)) => assert_eq!(value, expected, "{shown}"),
            (Err(error), Err((code, part))) => {
                assert_eq!(error.code.as_str(), code, "{shown}: {error}");
                assert!(error.message.contains(part), "{shown}: {error}");
            }
            (found, expected) => panic!("{shown}: {found:?} is not {expected:?}"),
        }
    }

    /// The events raised since the last look, as `+path` or `-path`.
    pub(crate) fn events(&self) -> Vec<String> {
        let events = std::mem::take(&mut *self.events.0.lock().unwrap());
        events
            .into_iter()
            .map(|event| {
                assert_eq!(event.chain.iter().map(PluginId::as_str).collect::<Vec<_>>(), ["first", "p"]);
                assert_eq!(event.session_id.as_deref(), Some("s1"));
                let path = event.path.strip_prefix(&self.root).unwrap().display().to_string();
                match event.change {
                    FileChange::Modified { bytes } => format!("+{path} {bytes}"),
                    FileChange::Deleted => format!("-{path}"),
                }
            })
            .collect()
    }

    /// Where this world's Docker engine would listen.
    pub(crate) fn docker_socket(&self) -> PathBuf {
        self.root.parent().unwrap().join("docker.sock")
    }

    pub(crate) fn outside(&self) -> PathBuf {
        self.root.parent().unwrap().join("outside")
    }

    pub(crate) fn read(&self, path: impl AsRef<Path>) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }
}
