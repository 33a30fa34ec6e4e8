//! What a host call costs, for `cargo xtask bench`: with and without the check of capabilities, and with and without the
//! audit log. One line of JSON for each of the two.
//!
//! Both are measured in turns of a few calls, so that whatever else the machine does falls on both.

#![allow(clippy::disallowed_methods, reason = "it measures the real thing, with a clock and files of its own")]

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use mimir_api::{
    ApiError, ApiLimits, ContextPorts, ContextSettings, Effects, EventSink, FileEvent, Gate, HostRequest, LogLine,
    LogSink, Origin, PluginContext, PluginProfile, SecretStore, SecretValue, SessionInfo, SessionView,
};
use mimir_shared_config::{Access, ClosedPlaces, Denial, FileAccess, Filesystem, Llm, PluginId};
use mimir_shared_platform::{
    AuditFolder, AuditLog, AuditRecord, DockerEngine, FileAuditLog, HostProcesses, MakeRecord, Notice, Notifier,
    OsFileSystem, PlatformError, ReqwestClient, SystemClock,
};
use mimir_shared_providers::Message;
use serde_json::json;

/// Turns of each kind, and calls in a turn.
const TURNS: usize = 400;
const CALLS: u32 = 100;
/// A turn is paused before, so that whoever writes the log has a moment, as between the events of a plugin.
const PAUSE: Duration = Duration::from_millis(2);
const PLUGIN: &str = "measured";

/// Everything that no call here asks for.
struct Nothing;

#[async_trait]
impl SessionView for Nothing {
    async fn session(&self, _: &str) -> Result<Option<SessionInfo>, ApiError> {
        Ok(None)
    }

    async fn messages(&self, _: &str) -> Result<Option<Vec<Message>>, ApiError> {
        Ok(None)
    }
}

impl EventSink for Nothing {
    fn raise(&self, _: FileEvent) {}
}

impl LogSink for Nothing {
    fn log(&self, _: &PluginProfile, _: &Origin, _: LogLine) {}
}

impl Notifier for Nothing {
    fn notify(&self, _: &Notice<'_>) {}
}

impl SecretStore for Nothing {
    fn value(&self, _: &str) -> Result<Option<SecretValue>, ApiError> {
        Ok(None)
    }
}

impl AuditLog for Nothing {
    fn record(&self, _: AuditRecord) {}

    fn record_later(&self, _: MakeRecord) {}

    fn flush(&self) -> Result<(), PlatformError> {
        Ok(())
    }
}

/// No check at all.
struct Open;

impl Gate for Open {
    fn check(&self, _: &PluginProfile, _: &Access) -> Result<(), Denial> {
        Ok(())
    }

    fn llm(&self, _: &PluginProfile) -> Llm {
        Llm::default()
    }
}

/// What the sandbox's `CapabilityControl` does for files: that crate is out of reach here.
struct Checked {
    closed: RwLock<ClosedPlaces>,
    effective: RwLock<HashMap<PluginId, FileAccess>>,
}

impl Gate for Checked {
    fn check(&self, plugin: &PluginProfile, access: &Access) -> Result<(), Denial> {
        let effective = self.effective.read().expect("nobody panicked");
        let files = effective.get(&plugin.id).expect("it is known");
        let verdict = files.permits(access, &self.closed.read().expect("nobody panicked"), |_| true);
        verdict.expect("only files are accessed").map_err(|denial| denial.for_plugin(&plugin.id))
    }

    fn llm(&self, _: &PluginProfile) -> Llm {
        Llm::default()
    }
}

fn checked(root: &Path) -> Arc<dyn Gate> {
    let restricted = [".env", "**/*.pem", "secrets/**"].map(str::to_owned).to_vec();
    let rights = FileAccess::new(&Filesystem { read: true, write: true, delete: false, restricted });
    let effective = RwLock::new([(PluginId::new(PLUGIN).expect("a name"), rights)].into());
    Arc::new(Checked { closed: RwLock::new(ClosedPlaces::new(root)), effective })
}

fn context(root: &Path, gate: Arc<dyn Gate>, audit: Arc<dyn AuditLog>) -> PluginContext {
    let ports = ContextPorts {
        gate,
        files: Arc::new(OsFileSystem),
        processes: Arc::new(HostProcesses::new([])),
        http: Arc::new(ReqwestClient::new()),
        secrets: Arc::new(Nothing),
        docker: Arc::new(DockerEngine::new(None)),
        browser: None,
        models: None,
        tools: None,
        asker: None,
        clock: Arc::new(SystemClock),
        notifier: Arc::new(Nothing),
        audit,
        sessions: Arc::new(Nothing),
        events: Arc::new(Nothing),
        logs: Arc::new(Nothing),
    };
    let (project_root, storage) = (root.to_owned(), root.join("../storage"));
    let settings = ContextSettings { project_root, storage, limits: ApiLimits::default(), effects: Effects::Live };
    PluginContext::new(ports, settings).expect("a project")
}

fn main() {
    let keys: Vec<String> = env::args().skip(1).collect();
    let asked = |key: &str| keys.is_empty() || keys.iter().any(|it| it == key);
    let temp = tempfile::tempdir().expect("a folder");
    let base = temp.path().canonicalize().expect("a folder");
    let root = base.join("project");
    fs::create_dir_all(root.join("src")).expect("a folder");
    fs::write(root.join("src/a.ts"), "a").expect("a file");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let none: Arc<dyn AuditLog> = Arc::new(Nothing);
    if asked("check_us") {
        let [without, with] = [Arc::new(Open) as Arc<dyn Gate>, checked(&root)];
        let pair = [without, with].map(|gate| context(&root, gate, Arc::clone(&none)));
        runtime.block_on(compare("check_us", &pair));
    }
    if asked("audit_us") {
        let log = FileAuditLog::new(AuditFolder::in_home(&base.join("home")), Arc::new(SystemClock));
        let pair = [none, Arc::new(log)].map(|audit| context(&root, checked(&root), audit));
        runtime.block_on(compare("audit_us", &pair));
    }
}

/// Prints microseconds a call: `KEY_without` of the first context, `KEY` of the second.
async fn compare(key: &str, pair: &[PluginContext; 2]) {
    let identity = json!({"source": "builtin", "package": PLUGIN, "hash": "0".repeat(64)});
    let identity = serde_json::from_value(identity).expect("an identity");
    let plugin = Arc::new(PluginProfile { id: PluginId::new(PLUGIN).expect("a name"), identity });
    let mut samples = [Vec::new(), Vec::new()];
    for turn in 0..TURNS + 20 {
        for (context, samples) in pair.iter().zip(&mut samples) {
            std::thread::sleep(PAUSE);
            let start = Instant::now();
            for _ in 0..CALLS {
                let (plugin, origin) = (Arc::clone(&plugin), Origin::default());
                let request = HostRequest { plugin, origin, op: "fs.exists", args: r#"{"path":"src/a.ts"}"# };
                assert_eq!(context.call(request).await, Ok(json!(true)));
            }
            if turn >= 20 {
                samples.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS));
            }
        }
    }
    for (name, mut samples) in [format!("{key}_without"), key.to_owned()].into_iter().zip(samples) {
        samples.sort_by(f64::total_cmp);
        // The call hops to another thread, which costs whatever the machine likes: what is compared are its best turns
        println!(r#"{{"key": "{name}", "value": {:.3}, "samples": {}}}"#, samples[samples.len() / 10], samples.len());
    }
}
