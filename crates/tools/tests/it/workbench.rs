//! The built-in tools in a project on the disk, with plugins and permissions that do as they are told.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mimir_plugins::events::{Emit, Emitted, Outcome, Raised};
use mimir_plugins::{EventName, Hooks, PluginId};
use mimir_shared_platform::testing::ManualClock;
use mimir_shared_platform::{HostProcesses, OsFileSystem};
use mimir_tools::{
    BuiltinPorts, BuiltinSettings, CallContext, Dispatcher, Need, Permission, Permissions, ProjectSearch, ToolCall,
    ToolOutcome, builtin_tools,
};
use serde_json::{Value, json};

/// What the plugin `guard` does about an event: what it decides, why, and the payload as it leaves it.
pub(crate) type Act = Box<dyn Fn(&Path, EventName, &mut Value) -> Option<(Outcome, &'static str)> + Send + Sync>;

/// What somebody else does while a permission is asked for.
type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// What happened, in its order.
type Log = Arc<Mutex<Vec<String>>>;

pub(crate) struct Workbench {
    folder: tempfile::TempDir,
    pub(crate) root: PathBuf,
    pub(crate) home: PathBuf,
    dispatcher: Dispatcher,
    log: Log,
    needs: Arc<Mutex<Vec<Need>>>,
    allows: Arc<Mutex<bool>>,
    meanwhile: Meanwhile,
}

struct Guard {
    root: PathBuf,
    log: Log,
    act: Act,
}

#[async_trait]
impl Emit for Guard {
    async fn emit(&self, event: Raised) -> Emitted {
        let mut payload: Value = serde_json::from_str(&event.payload).unwrap();
        let line = match (&payload["path"], &payload["bytes"]) {
            (Value::Null, _) => format!("{} {}", event.event, payload["tool"].as_str().unwrap()),
            (path, bytes) => format!("{} {} {bytes}", event.event, path.as_str().unwrap()),
        };
        self.log.lock().unwrap().push(line);
        match (self.act)(&self.root, event.event, &mut payload) {
            Some((outcome, reason)) => Emitted {
                outcome,
                by: PluginId::new("guard").ok(),
                changed_by: PluginId::new("guard").into_iter().collect(),
                reason: Some(reason.to_owned()),
                payload: payload.to_string().into(),
            },
            None => Emitted {
                outcome: Outcome::Passed,
                by: None,
                changed_by: Vec::new(),
                reason: None,
                payload: event.payload,
            },
        }
    }

    fn emit_background(&self, _: Raised) {}
}

struct Person {
    needs: Arc<Mutex<Vec<Need>>>,
    allows: Arc<Mutex<bool>>,
    meanwhile: Meanwhile,
}

#[async_trait]
impl Permissions for Person {
    async fn ask(&self, need: &Need, _: &CallContext) -> Permission {
        self.needs.lock().unwrap().push(need.clone());
        if let Some(act) = self.meanwhile.lock().unwrap().take() {
            act();
        }
        let allowed = *self.allows.lock().unwrap();
        Permission { allowed, by: Permission::RULE.to_owned(), plugin: None, reason: None }
    }
}

impl Workbench {
    pub(crate) fn new() -> Self {
        Self::with(Box::new(|_, _, _| None))
    }

    pub(crate) fn with(act: Act) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let (root, home) = (base.join("project"), base.join("home"));
        fs::create_dir(&root).unwrap();
        fs::create_dir_all(home.join(".mimir")).unwrap();
        let log = Log::default();
        let (needs, allows) = (Arc::default(), Arc::new(Mutex::new(true)));
        let hooks = Hooks::new(Arc::new(Guard { root: root.clone(), log: Arc::clone(&log), act }));
        let meanwhile = Meanwhile::default();
        let permissions =
            Person { needs: Arc::clone(&needs), allows: Arc::clone(&allows), meanwhile: Arc::clone(&meanwhile) };
        let clock = Arc::new(ManualClock::default());
        let dispatcher = Dispatcher::new(hooks.clone(), Arc::new(permissions), clock.clone());
        let environment = [("PATH".into(), std::env::var_os("PATH").unwrap()), ("OPENAI_API_KEY".into(), "x".into())];
        let settings = BuiltinSettings {
            root: root.clone(),
            home: Some(home.clone()),
            own: vec![home.join(".mimir")],
            environment: environment.into(),
            hidden: Vec::new(),
            bash_timeout_ms: None,
        };
        let ports = BuiltinPorts {
            files: Arc::new(OsFileSystem),
            shell: Arc::new(HostProcesses::from_env()),
            search: Arc::new(ProjectSearch),
            hooks,
            clock,
        };
        assert_eq!(dispatcher.register(builtin_tools(&settings, ports).unwrap()), []);
        Self { folder, root, home, dispatcher, log, needs, allows, meanwhile }
    }

    /// The folder in which project and home lie.
    pub(crate) fn base(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub(crate) fn refuse_all(&self) {
        *self.allows.lock().unwrap() = false;
    }

    /// Does this while the next permission is asked for.
    pub(crate) fn meanwhile(&self, act: impl FnOnce() + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::new(act));
    }

    pub(crate) fn put(&self, path: &str, contents: impl AsRef<[u8]>) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    pub(crate) fn get(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_else(|_| "(nothing)".to_owned())
    }

    pub(crate) async fn call(&self, tool: &str, args: Value) -> ToolOutcome {
        self.call_as(None, tool, args).await
    }

    pub(crate) async fn call_as(&self, agent: Option<&str>, tool: &str, args: Value) -> ToolOutcome {
        let call = ToolCall { id: "c".to_owned(), name: tool.to_owned(), args };
        let agent_id = agent.map(str::to_owned);
        let context = CallContext { session_id: "s".to_owned(), agent_id, ..CallContext::default() };
        self.dispatcher.dispatch(call, context).await
    }

    /// What the model gets to read.
    pub(crate) async fn said(&self, tool: &str, args: Value) -> String {
        let outcome = self.call(tool, args).await;
        outcome.result.as_str().unwrap().to_owned()
    }

    pub(crate) async fn read(&self, path: &str) -> String {
        self.said("read", json!({ "path": path })).await
    }

    /// The events since the last look.
    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    /// The events about files since the last look.
    pub(crate) fn files(&self) -> Vec<String> {
        self.log().into_iter().filter(|line| line.starts_with("file.")).collect()
    }

    /// What was asked for since the last look: the action with its least risk.
    pub(crate) fn needs(&self) -> Vec<String> {
        let shown = |need: Need| match need.least_risk {
            Some(risk) => format!("{} ({risk:?})", need.command),
            None => need.command,
        };
        std::mem::take(&mut *self.needs.lock().unwrap()).into_iter().map(shown).collect()
    }
}
