//! A host that answers every operation of `ctx` with something of the right shape, and keeps what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mimir_sandbox::{
    Call, CallFailure, CallKind, CallOrigin, CallReply, HostCall, HostCallError, HostCalls, LayerReport, LogLine,
    PluginHandle, PluginImage, PluginSandbox,
};
use mimir_shared_config::PluginId;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::host::{TOOL_CALL, event, options, process};

/// Longer than anything that is waited for takes, on whatever machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What plugins did, in order.
pub(crate) struct Recorder {
    pub(crate) calls: Mutex<Vec<HostCall>>,
    pub(crate) logs: Mutex<Vec<LogLine>>,
    pub(crate) failures: Mutex<Vec<(PluginId, CallFailure)>>,
    changed: watch::Sender<()>,
}

/// `notify` with this message is never answered.
pub(crate) const NEVER: &str = "never";

impl Recorder {
    fn answer(op: &str, args: &Value) -> Value {
        match op {
            "fs.readFile" if args["encoding"] == "base64" => json!("aMOp"),
            "fs.readFile" => json!("text"),
            "fs.exists" => json!(true),
            "fs.stat" => json!({ "isFile": true, "isDirectory": false, "isSymlink": false, "size": 4, "mtimeMs": 1.5 }),
            "fs.readdir" => json!(["a", "b"]),
            "exec" => json!({ "exitCode": 1, "stdout": "out", "stderr": "err" }),
            "storage.get" if args["key"] == "nothing" => Value::Null,
            "storage.get" => json!({ "a": [1] }),
            "storage.keys" => json!(["k"]),
            "fetch" => json!({
                "status": 200, "statusText": "OK", "url": args["url"], "redirected": false,
                "headers": [["content-type", "text/plain"]], "body": "aGk=",
            }),
            "tools.list" => json!([{ "name": "read" }]),
            "tools.get" if args["name"] == "read" => json!({ "name": "read" }),
            "tools.execute" => json!({ "ran": args["name"] }),
            "ask" if args["question"] == "which?" => json!("this"),
            "confirm" => json!(true),
            "session.get" => json!({ "id": "s1", "metadata": { "title": "t" } }),
            "session.messages" => json!([{ "role": "user", "text": "hi" }]),
            _ => Value::Null,
        }
    }

    fn note(&self) {
        self.changed.send_replace(());
    }

    /// Waits until `look` finds something.
    pub(crate) async fn wait_for<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let mut changes = self.changed.subscribe();
        let wait = async {
            loop {
                if let Some(found) = look(self) {
                    return found;
                }
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}: it never came"))
    }

    /// Waits for a log line and gives it.
    pub(crate) async fn wait_for_log(&self, part: &str) -> LogLine {
        self.wait_for(part, |host| host.logs.lock().unwrap().iter().find(|line| line.message.contains(part)).cloned())
            .await
    }

    /// What was logged, each line with its level.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.logs.lock().unwrap().iter().map(|line| format!("{}: {}", line.level, line.message)).collect()
    }

    /// The operations and arguments that it was asked for, and forgets them.
    pub(crate) fn take_calls(&self) -> Vec<(String, Value)> {
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        calls.into_iter().map(|call| (call.op, serde_json::from_str(&call.args).unwrap())).collect()
    }
}

#[async_trait]
impl HostCalls for Recorder {
    async fn call(&self, call: HostCall) -> Result<String, HostCallError> {
        let args: Value = serde_json::from_str(&call.args).unwrap();
        self.calls.lock().unwrap().push(call.clone());
        self.note();
        if args["message"] == NEVER {
            return std::future::pending().await;
        }
        // `notify` with the level `CODE` fails with that code.
        if let Some(code) =
            args["level"].as_str().filter(|level| level.chars().all(|it| it.is_ascii_uppercase() || it == '_'))
        {
            let (capability, hint) = match code {
                "CAPABILITY_DENIED" => (Some("notify".into()), Some("ask for it".into())),
                _ => (None, None),
            };
            return Err(HostCallError { code: code.into(), message: format!("{} failed", call.op), capability, hint });
        }
        Ok(Self::answer(&call.op, &args).to_string())
    }

    fn log(&self, line: LogLine) {
        self.logs.lock().unwrap().push(line);
        self.note();
    }

    fn process_ended(&self, _plugins: &[PluginId], _reason: &str) {}

    fn unsealed(&self, _missing: &[LayerReport]) {}

    fn failed(&self, plugin: &PluginId, failure: &CallFailure) {
        self.failures.lock().unwrap().push((plugin.clone(), failure.clone()));
        self.note();
    }
}

/// A sandbox with a recorder.
pub(crate) struct Bench {
    sandbox: PluginSandbox,
    pub(crate) host: Arc<Recorder>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let host = Arc::new(Recorder {
            calls: Mutex::default(),
            logs: Mutex::default(),
            failures: Mutex::default(),
            changed: watch::Sender::new(()),
        });
        let sandbox = PluginSandbox::new(options(process()), Arc::clone(&host) as Arc<dyn HostCalls>, None);
        Self { sandbox, host }
    }

    pub(crate) fn plugin(&self, image: PluginImage) -> PluginHandle {
        self.sandbox.plugin(image)
    }
}

/// A call with causes.
pub(crate) fn caused(name: &str, payload: &str, chain: &[&str], session: &str) -> Call {
    let chain = chain.iter().map(|id| PluginId::new(id).unwrap()).collect();
    Call { origin: CallOrigin { chain, session_id: session.into(), ..CallOrigin::default() }, ..event(name, payload) }
}

/// A call of a tool or a command.
pub(crate) fn named(kind: CallKind, name: &str, args: &str) -> Call {
    Call { kind, ..event(name, args) }
}

/// The answer's `value`.
pub(crate) fn value(reply: &CallReply) -> Result<Value, String> {
    let answer = reply.result.as_ref().map_err(ToString::to_string)?;
    Ok(serde_json::from_str::<Value>(answer).unwrap()["value"].take())
}

/// The value that a plugin's handler for `tool.execute.before` returns.
pub(crate) async fn before_value(plugin: &PluginHandle) -> Result<Value, String> {
    value(&plugin.call(&event("tool.execute.before", TOOL_CALL)).await)
}
