//! A sandbox with a host whose answers the tests set.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mimir_sandbox::{
    Call, CallFailure, CallKind, CallOrigin, CallReply, HostCall, HostCallError, HostCalls, LayerReport, LogLine,
    Placement, PluginHandle, PluginImage, PluginSandbox, SandboxOptions,
};
use mimir_shared_config::{Limits, PluginId};

/// The binary that serves as the sandbox process in these tests.
pub(crate) const PROCESS: &str = env!("CARGO_BIN_EXE_mimir-sandbox-process");

/// Answers `echo` with its arguments, `fail` with an error, and never answers `hang`.
#[derive(Default)]
pub(crate) struct EchoHost {
    pub(crate) logs: Mutex<Vec<String>>,
    pub(crate) failures: Mutex<Vec<(PluginId, CallFailure)>>,
    pub(crate) calls: Mutex<Vec<HostCall>>,
    pub(crate) ends: Mutex<Vec<String>>,
    pub(crate) unsealed: Mutex<Vec<LayerReport>>,
}

#[async_trait]
impl HostCalls for EchoHost {
    async fn call(&self, call: HostCall) -> Result<String, HostCallError> {
        self.calls.lock().unwrap().push(call.clone());
        match call.op.as_str() {
            "notify" => Ok(call.args),
            "fs.readFile" => Ok("\"text\"".into()),
            "exec" => std::future::pending().await,
            op => Err(HostCallError {
                code: "CAPABILITY_DENIED".into(),
                message: format!("{op} is not granted"),
                capability: Some("filesystem.write".into()),
                hint: None,
            }),
        }
    }

    fn log(&self, line: LogLine) {
        self.logs.lock().unwrap().push(format!("{}: {}", line.level, line.message));
    }

    fn process_ended(&self, _plugins: &[PluginId], reason: &str) {
        self.ends.lock().unwrap().push(reason.to_owned());
    }

    fn unsealed(&self, missing: &[LayerReport]) {
        self.unsealed.lock().unwrap().extend_from_slice(missing);
    }

    fn failed(&self, plugin: &PluginId, failure: &CallFailure) {
        self.failures.lock().unwrap().push((plugin.clone(), failure.clone()));
    }
}

pub(crate) fn process() -> Placement {
    Placement::Process { exe: Some(PROCESS.into()) }
}

pub(crate) fn options(placement: Placement) -> SandboxOptions {
    SandboxOptions { placement, ..SandboxOptions::default() }
}

pub(crate) fn sandbox() -> (PluginSandbox, Arc<EchoHost>) {
    let host = Arc::new(EchoHost::default());
    (PluginSandbox::new(options(process()), Arc::clone(&host) as Arc<dyn HostCalls>, None), host)
}

/// With much more time than by default: a test that is about a limit of time sets it.
pub(crate) fn image(name: &str, code: &str) -> PluginImage {
    PluginImage {
        id: PluginId::new(name).unwrap(),
        code: code.into(),
        context: "{}".into(),
        limits: Limits { event: Duration::from_secs(30), init: Duration::from_secs(10), ..Limits::default() },
        wasm: false,
        group: "".into(),
    }
}

/// A plugin with one handler, for `tool.execute.before`, whose body is `body`.
pub(crate) fn handler(name: &str, body: &str) -> PluginImage {
    image(name, &format!("export default async (ctx) => ({{ on: {{ 'tool.execute.before': {body} }} }})"))
}

pub(crate) fn event(name: &str, payload: &str) -> Call {
    Call { kind: CallKind::Event, name: name.into(), payload: payload.into(), origin: CallOrigin::default() }
}

pub(crate) const TOOL_CALL: &str =
    r#"{"timestamp":1,"sessionId":"s1","tool":"bash","args":{"command":"ls"},"callId":"c1"}"#;

pub(crate) async fn before(plugin: &PluginHandle) -> CallReply {
    plugin.call(&event("tool.execute.before", TOOL_CALL)).await
}
