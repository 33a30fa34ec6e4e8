//! The one way to run a tool.

mod bounds;
mod pass;
mod registered;
mod registry;
#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mimir_plugins::events::{Decision, ToolExecuteAfter, ToolExecuteBefore};
use mimir_plugins::{Hooks, PluginId};
use mimir_shared_platform::Clock;
use mimir_shared_providers::ToolDefinition;
use serde_json::{Map, Value, json};

pub(crate) use bounds::{head_and_tail, shortened};
pub use pass::Pass;
use registered::Registered;
pub use registered::ToolInfo;
pub use registry::Conflict;
use registry::Registry;

use crate::{CallContext, Need, Permission, Permissions, Remark, Tool, ToolCall, ToolError, ToolOutcome};

/// Has the tools, and runs them. It hands none out.
pub struct Dispatcher {
    hooks: Hooks,
    permissions: Arc<dyn Permissions>,
    clock: Arc<dyn Clock>,
    disabled: Vec<String>,
    tools: RwLock<Registry>,
}

/// What is to be done before a tool runs, and after everything that may keep it from running.
pub type Begins<'a> = BoxFuture<'a, Result<(), String>>;

/// Why a call ended before its tool ran: what the model is told.
struct Refused(String);

/// How a run went.
struct Ran {
    result: Result<Value, ToolError>,
    took: Duration,
}

impl Dispatcher {
    /// Without any tools. Events go to the plugins through `hooks`.
    pub fn new(hooks: Hooks, permissions: Arc<dyn Permissions>, clock: Arc<dyn Clock>) -> Self {
        Self { hooks, permissions, clock, disabled: Vec::new(), tools: RwLock::default() }
    }

    /// Leaves out tools of these names, whatever their case, whoever brings them and whenever.
    #[must_use]
    pub fn without(mut self, disabled: Vec<String>) -> Self {
        self.disabled = disabled;
        self
    }

    /// Adds tools, and says which were not taken. Names are unique, whatever their case. A built-in tool can't be
    /// replaced, and takes its name from any other; else the tool that was there first stays.
    pub fn register(&self, tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Vec<Conflict> {
        // What a tool says of itself is asked before anything is locked
        let is_disabled = |name: &str| self.disabled.iter().any(|disabled| disabled.eq_ignore_ascii_case(name));
        let tools = tools.into_iter().filter(|tool| !is_disabled(&tool.definition().name));
        let tools: Vec<_> = tools.map(Registered::new).collect();
        let mut registry = self.tools.write().unwrap_or_else(PoisonError::into_inner);
        tools.into_iter().filter_map(|tool| registry.add(tool)).collect()
    }

    /// Takes tools out again: those of a plugin that was reloaded, of a server that went away. Calls that are under way
    /// go on. Gives how many there were.
    pub fn remove(&self, which: impl Fn(&ToolInfo) -> bool) -> usize {
        self.tools.write().unwrap_or_else(PoisonError::into_inner).remove(which)
    }

    /// The tools that `filter` wants, as a model is told of them: the built-in ones first, each group as it was
    /// registered.
    pub fn definitions(&self, filter: impl Fn(&ToolInfo) -> bool) -> Vec<ToolDefinition> {
        self.list().into_iter().filter(|info| filter(info)).map(|info| info.definition).collect()
    }

    /// All tools, in the same order.
    pub fn list(&self) -> Vec<ToolInfo> {
        self.tools.read().unwrap_or_else(PoisonError::into_inner).list()
    }

    /// About one tool.
    pub fn get(&self, name: &str) -> Option<ToolInfo> {
        self.find(name).map(|tool| tool.info.clone())
    }

    /// Whether the tool changes nothing, so that its call may run beside others that change nothing either.
    pub fn only_reads(&self, name: &str) -> bool {
        self.find(name).is_some_and(|tool| tool.info.only_reads)
    }

    /// The permission that a call would need, if its arguments make sense: to show what is about to happen. Nobody is
    /// asked.
    pub fn need(&self, call: &ToolCall) -> Option<Need> {
        let tool = self.find(&call.name)?;
        let args = tool.checked(call.args.clone()).ok()?;
        std::panic::catch_unwind(AssertUnwindSafe(|| tool.tool.need(&args))).ok().flatten()
    }

    /// Makes a call: checks the arguments, lets plugins change or block it, asks for the permission, runs the tool, and
    /// lets plugins change what came of it. If the future is dropped, the tool is stopped.
    pub async fn dispatch(&self, call: ToolCall, context: CallContext) -> ToolOutcome {
        self.dispatch_journalled(call, context, Box::pin(async { Ok(()) })).await
    }

    /// The same for a call that somebody keeps a journal of. `begins` is awaited once everybody has allowed it and right before
    /// the tool runs, so a call for which it was not polled has certainly not run. If it gives an error, the tool does not run,
    /// and the model is told the error.
    pub async fn dispatch_journalled(&self, call: ToolCall, context: CallContext, begins: Begins<'_>) -> ToolOutcome {
        let started_with = call.args.as_object().cloned().unwrap_or_default();
        let mut outcome = ToolOutcome {
            result: Value::Null,
            is_error: false,
            args: started_with,
            duration_ms: 0,
            remarks: Vec::new(),
        };
        if let Err(Refused(why)) = self.call(call, context, begins, &mut outcome).await {
            outcome.result = Value::String(shortened(&why, LONGEST_REFUSAL));
            outcome.is_error = true;
        }
        outcome
    }

    async fn call(
        &self,
        call: ToolCall,
        context: CallContext,
        begins: Begins<'_>,
        outcome: &mut ToolOutcome,
    ) -> Result<(), Refused> {
        let ToolCall { id, name, args } = call;
        let tool = self.find(&name).ok_or_else(|| self.unknown(&name))?;
        let name = &tool.info.definition.name;
        let wrong = |why: String| Refused(format!("the arguments of `{name}` are wrong: {why}"));
        let args = tool.checked(args).map_err(wrong)?;
        outcome.args.clone_from(&args);

        let args = self.before(&tool, &id, args, &context, outcome).await?;
        outcome.args.clone_from(&args);
        let changed_by = outcome.remarks.iter().find_map(|remark| match remark {
            Remark::ChangedArgs { by, .. } => Some(by.clone()),
            _ => None,
        });
        let context = CallContext { changed_by: changed_by.unwrap_or_default(), ..context };

        let need = asked(&tool, &args).map_err(|why| Refused(why.message))?;
        if let Some(need) = &need {
            self.permit(need, &context, outcome).await?;
        }

        begins.await.map_err(|why| Refused(format!("`{name}` did not run: {why}")))?;
        let pass = Pass::new(id, args, context, need);
        let ran = self.run(&tool, &pass).await;
        outcome.duration_ms = u64::try_from(ran.took.as_millis()).unwrap_or(u64::MAX);
        self.after(name, &pass, ran, outcome).await
    }

    /// `tool.execute.before`. Gives the arguments to run with.
    async fn before(
        &self,
        tool: &Registered,
        call_id: &str,
        args: Map<String, Value>,
        context: &CallContext,
        outcome: &mut ToolOutcome,
    ) -> Result<Map<String, Value>, Refused> {
        let name = &tool.info.definition.name;
        let event = ToolExecuteBefore {
            timestamp: self.clock.now_ms(),
            session_id: context.session_id.clone(),
            tool: name.clone(),
            args: args.clone(),
            call_id: call_id.to_owned(),
            source: tool.info.source.clone(),
            agent_id: context.agent_id.clone(),
            extra: Map::new(),
        };
        let (decision, by) = self.hooks_for(context).tools().before_named(event).await;
        let changed = match decision {
            Decision::Blocked { by, reason } => return Err(blocked(name, by, &reason, outcome)),
            Decision::Proceed(event) if event.args == args => return Ok(args),
            Decision::Proceed(event) => event.args,
        };
        let changed = tool.checked(Value::Object(changed)).map_err(|why| {
            let who = named(&by);
            Refused(format!("`{name}` did not run: {who} changed its arguments, and they are wrong now: {why}"))
        })?;
        outcome.remarks.push(Remark::ChangedArgs { by, before: args });
        Ok(changed)
    }

    async fn permit(&self, need: &Need, context: &CallContext, outcome: &mut ToolOutcome) -> Result<(), Refused> {
        let Permission { allowed, by, plugin, reason } = self.permissions.ask(need, context).await;
        let reason = reason.map(|reason| shortened(&reason, LONGEST_REFUSAL));
        if allowed {
            if plugin.is_some() || (by != Permission::RULE && !by.is_empty()) {
                outcome.remarks.push(Remark::Allowed { by, reason });
            }
            return Ok(());
        }
        let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let refused = Refused(format!("`{}` did not run: {by} refused the permission{why}", need.tool));
        outcome.remarks.push(Remark::Denied { by, reason });
        Err(refused)
    }

    async fn run(&self, tool: &Registered, pass: &Pass) -> Ran {
        let start = self.clock.monotonic();
        let result = AssertUnwindSafe(async { tool.tool.run(pass).await }).catch_unwind().await;
        let took = self.clock.monotonic().saturating_sub(start);
        // What a panic says may be anything; it is on standard error as well
        Ran { result: result.unwrap_or_else(|_| Err(ToolError::new("the tool broke down"))), took }
    }

    /// `tool.execute.after`, also for a call that failed.
    async fn after(&self, name: &str, pass: &Pass, ran: Ran, outcome: &mut ToolOutcome) -> Result<(), Refused> {
        let failure = ran.result.as_ref().err().map(|error| shortened(&error.message, LONGEST_REFUSAL));
        let result = match (ran.result, &failure) {
            (Ok(result), _) => bounds::bounded(result),
            (Err(_), failure) => json!({ "error": failure }),
        };
        let event = ToolExecuteAfter {
            timestamp: self.clock.now_ms(),
            session_id: pass.context().session_id.clone(),
            tool: name.to_owned(),
            args: pass.args().clone(),
            call_id: pass.call_id().to_owned(),
            result: result.clone(),
            duration_ms: outcome.duration_ms,
            extra: Map::new(),
        };
        let (decision, by) = self.hooks_for(pass.context()).tools().after_named(event).await;
        let seen = match decision {
            Decision::Blocked { by, reason } => {
                let reason = shortened(&reason, LONGEST_REFUSAL);
                outcome.remarks.push(Remark::Blocked { by: by.clone(), reason: reason.clone() });
                let who = by.map_or("a plugin".to_owned(), |by| format!("the plugin `{by}`"));
                return Err(Refused(format!("`{name}` ran, but {who} withholds what came of it: {reason}")));
            }
            Decision::Proceed(event) => event.result,
        };
        outcome.is_error = failure.is_some();
        outcome.result = match failure {
            Some(failure) if seen == result => Value::String(failure),
            _ if seen == result => seen,
            _ => {
                outcome.remarks.push(Remark::ChangedResult { by });
                bounds::bounded(seen)
            }
        };
        Ok(())
    }

    fn hooks_for(&self, context: &CallContext) -> Hooks {
        self.hooks.caused_by(context.cause.iter().cloned())
    }

    fn find(&self, name: &str) -> Option<Arc<Registered>> {
        self.tools.read().unwrap_or_else(PoisonError::into_inner).find(name)
    }

    fn unknown(&self, name: &str) -> Refused {
        let names: Vec<String> = self.list().into_iter().map(|info| info.definition.name).collect();
        let name = shortened(name, 80).escape_debug().to_string();
        Refused(format!("there is no tool `{name}`. There are: {}", names.join(", ")))
    }
}

/// How much of a refusal or a failure the model is told, in bytes.
const LONGEST_REFUSAL: usize = 8_000;

/// Plugins in a sentence.
fn named(plugins: &[PluginId]) -> String {
    let name = |plugin: &PluginId| format!("`{plugin}`");
    match plugins {
        [] => "a plugin".to_owned(),
        [one] => format!("the plugin {}", name(one)),
        [first @ .., last] => {
            format!("the plugins {} and {}", first.iter().map(name).collect::<Vec<_>>().join(", "), name(last))
        }
    }
}

fn blocked(name: &str, by: Option<PluginId>, reason: &str, outcome: &mut ToolOutcome) -> Refused {
    let who = by.as_ref().map_or("a plugin".to_owned(), |by| format!("the plugin `{by}`"));
    let reason = shortened(reason, LONGEST_REFUSAL);
    let refused = Refused(format!("`{name}` did not run: {who} blocked it: {reason}"));
    outcome.remarks.push(Remark::Blocked { by, reason });
    refused
}

/// The permission that the call needs. A tool that breaks down here does not run.
fn asked(tool: &Registered, args: &Map<String, Value>) -> Result<Option<Need>, ToolError> {
    let ask = || tool.tool.check(args).map(|()| tool.tool.need(args));
    std::panic::catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|_| Err(ToolError::new("the tool broke down")))
}
