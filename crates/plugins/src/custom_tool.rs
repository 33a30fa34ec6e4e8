//! Custom tools whose code runs in an isolate of ours: no plugin, and without any capability.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mimir_loader::{LoadedTool, ToolLanguage};
use mimir_registry::{Failure, FailureKind};
use mimir_sandbox::{Call, CallFailure, CallKind, CallOrigin, PluginHandle, PluginImage};
use mimir_shared_config::{Capabilities, LimitSettings, Limits};
use mimir_shared_platform::Level;
use serde_json::{Value, json};

use crate::adapters::subscriber::{failure_in, threw_in};
use crate::plugin_calls::{CallError, Called, Invocation, Line, shorten};
use crate::plugins::System;
use crate::report::{Report, ReportKind};
use crate::{Plugins, PluginsError};

/// So many failures in a row end a custom tool for this run.
const FAILURES: u32 = 3;

/// The code of a custom tool.
#[derive(Debug, Clone)]
pub struct CustomToolCode {
    /// The tool's name.
    pub name: String,
    /// A module that exports `execute(args, context)`. It may import nothing but `@mimir/plugin`.
    pub text: String,
    /// Its language.
    pub language: ToolLanguage,
    /// Lower limits than the usual ones. Nothing in here raises one.
    pub limits: LimitSettings,
}

/// A custom tool that can be called. Clones are the same tool; its isolate starts with the first call and goes with the last
/// clone.
#[derive(Clone)]
pub struct CustomToolHandle(Arc<CustomTool>);

struct CustomTool {
    name: String,
    system: Arc<System>,
    loaded: LoadedTool,
    handle: PluginHandle,
    failures: AtomicU32,
}

impl Plugins {
    /// Makes the code of a custom tool ready to run. It is bundled where plugins are, and does not run yet.
    ///
    /// Its isolate lives in the sandbox process of those without any capability. It gets `{ sessionId, callId, signal, log }`
    /// as its `context`.
    ///
    /// # Errors
    /// What is wrong with the code: its syntax, or that it imports something.
    pub async fn custom_tool(&self, tool: CustomToolCode) -> Result<CustomToolHandle, PluginsError> {
        let CustomToolCode { name, text, language, limits } = tool;
        let system = &self.0;
        let invalid = |_| PluginsError::CustomTool { name: name.clone() };
        let id = system.calls.admit_tool(&name).map_err(invalid)?;
        let loaded = match system.loader.load_tool(id.clone(), text, language).await {
            Ok(loaded) => loaded,
            Err(error) => {
                system.calls.dismiss_tool(&id);
                return Err(PluginsError::Loader(error));
            }
        };
        let (none, most) = (LimitSettings::default(), &system.config.rules_in_repository.limits);
        let context = json!({ "plugin": { "name": name, "version": "" }, "project": {}, "config": {}, "env": {} });
        let image = PluginImage {
            id,
            code: Arc::clone(&loaded.code),
            context: context.to_string().into(),
            limits: Limits::effective(&limits, &none, &none, most),
            wasm: false,
            group: Capabilities::default().canonical().into(),
        };
        let handle = system.sandbox.plugin(image);
        let system = Arc::clone(system);
        Ok(CustomToolHandle(Arc::new(CustomTool { name, system, loaded, handle, failures: AtomicU32::new(0) })))
    }
}

impl CustomToolHandle {
    /// Calls the tool. Its arguments are checked by whoever knows its schema. Dropping the future fires the `AbortSignal`.
    ///
    /// # Errors
    /// [`CallError`], which a model gets to read.
    pub async fn call(&self, args: &Value, call: &Invocation) -> Result<Value, CallError> {
        let tool = &*self.0;
        let called = Called { kind: CallKind::Tool, name: &tool.name };
        let mut line = Line::new(tool.system.audit.clone(), None, called, call);
        let result = tool.call(args, call).await;
        line.outcome = Some(result.as_ref().map(drop).map_err(Clone::clone));
        result
    }
}

impl CustomTool {
    async fn call(&self, args: &Value, call: &Invocation) -> Result<Value, CallError> {
        if self.failures.load(Ordering::Relaxed) >= FAILURES {
            return Err(CallError::GivenUp { tool: self.name.clone() });
        }
        let payload = json!({ "args": args, "callId": call.call_id }).to_string();
        let call = Call {
            kind: CallKind::Tool,
            name: LoadedTool::NAME.into(),
            payload: payload.into(),
            origin: CallOrigin {
                chain: call.chain.as_slice().into(),
                session_id: call.session_id.as_str().into(),
                ..CallOrigin::default()
            },
        };
        let map = |stack: &str| self.loaded.map_stack(stack);
        let failure = match self.handle.call(&call).await.result {
            Ok(answer) => match serde_json::from_str(&answer) {
                Ok(value) => {
                    self.failures.store(0, Ordering::Relaxed);
                    return Ok(value);
                }
                Err(error) => Failure::new(FailureKind::Invalid, format!("its answer can't be read: {error}")),
            },
            Err(CallFailure::Threw(thrown)) => {
                let (mut message, at) = threw_in(&thrown, map);
                shorten(&mut message);
                return Err(CallError::Threw { message, at });
            }
            Err(failure) => failure_in(&failure, map),
        };
        if failure.kind.counts() {
            let count = if failure.kind.quarantines_at_once() { FAILURES } else { 1 };
            self.failures.fetch_add(count, Ordering::Relaxed);
        }
        if failure.kind != FailureKind::Interrupted {
            let message = format!("failed: {failure}");
            self.system.reports.push(Report::of_tool(&self.name, Level::Error, ReportKind::Failed, &message));
        }
        Err(CallError::CustomFailed { tool: self.name.clone(), failure })
    }
}

impl Drop for CustomTool {
    fn drop(&mut self) {
        self.system.calls.dismiss_tool(&self.loaded.id);
        let handle = self.handle.clone();
        // Without a runtime the process ends, and its isolate with it
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { handle.dispose().await });
        }
    }
}
