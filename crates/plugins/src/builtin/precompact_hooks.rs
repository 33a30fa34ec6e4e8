//! `hooks.PreCompact`: commands of the user's own that run before a conversation is compacted.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use mimir_api::{ApiError, Recording, redacted_text};
use mimir_commands::with_causes;
use mimir_hooks::{CompactionTrigger, SessionCompacting};
use mimir_registry::{Delivery, Envelope, Failure, FailureKind, Reply, Subscriber, Subscription};
use mimir_shared_config::{Candidate, Config, Decision, EventName, PluginId, PluginSource, PreCompactHook};
use mimir_shared_platform::{
    AuditLog, AuditRecord, Level, PlatformError, ProcessExecutor, ProcessOutput, ProcessRequest,
};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::recording::Tape;
use crate::report::{Report, ReportKind, Reports};

/// What it is called.
pub(crate) const NAME: &str = "precompact-hooks";

/// What its commands are called in recordings.
const OP: &str = "hook";

/// What it does, for people.
pub(crate) const DESCRIPTION: &str = "Runs the commands under `hooks.PreCompact` before a conversation is compacted";

/// How long a command may run.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What a command may print to either stream, in bytes.
const OUTPUT: usize = 1 << 20;

/// How much of what a command printed is added to the context, in characters.
const CONTEXT: usize = 32_768;

/// How much of what a command said about an error is shown, in characters.
const MESSAGE: usize = 2_000;

/// The exit code by which a command keeps the conversation from being compacted.
const BLOCKS: i32 = 2;

/// Where there is a better shell than `sh`, people write for that one.
#[cfg(unix)]
const SHELLS: &[(&str, &str)] = &[("bash", "-c"), ("sh", "-c")];
#[cfg(not(unix))]
const SHELLS: &[(&str, &str)] = &[("cmd", "/C")];

/// The commands, as the user wrote them.
pub(crate) struct PreCompactHooks {
    name: PluginId,
    hooks: Vec<PreCompactHook>,
    processes: Arc<dyn ProcessExecutor>,
    /// The user's own, all of it: the commands are the user's.
    environment: BTreeMap<OsString, OsString>,
    project: PathBuf,
    reports: Reports,
    audit: Option<Arc<dyn AuditLog>>,
    tape: Option<Arc<Tape>>,
    recording: Option<Arc<dyn Recording>>,
    interrupted: Notify,
}

/// Where and with what the commands run.
pub(crate) struct Place {
    pub(crate) processes: Arc<dyn ProcessExecutor>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) project: PathBuf,
    pub(crate) reports: Reports,
    pub(crate) audit: Option<Arc<dyn AuditLog>>,
    pub(crate) tape: Option<Arc<Tape>>,
    /// Says in a replay what became of the commands, which do not run then.
    pub(crate) recording: Option<Arc<dyn Recording>>,
}

/// What came of one command.
enum Outcome {
    /// It had this to say, which may be nothing.
    Context(String),
    /// The conversation must not be compacted.
    Blocked(String),
    /// It failed, and the others go on.
    Failed(String),
}

/// Who says that the commands don't run, if somebody does. An allowlist is about what others wrote, and this is Mimir's.
pub(crate) fn switched_off(config: &Config) -> Option<String> {
    let name = PluginId::new(NAME).ok()?;
    let candidate = Candidate { name: &name, source: &PluginSource::Builtin, enabled_by_place: true };
    match config.decide(&candidate) {
        Decision::Disabled(origin) => Some(format!("disabled in {origin}")),
        Decision::Blocked(origin) => Some(format!("blocked by {origin}")),
        _ => None,
    }
}

impl PreCompactHooks {
    /// Nothing if there is nothing to run, or if the user switched it off.
    pub(crate) fn new(config: &Config, place: Place) -> Option<Self> {
        let Place { processes, environment, project, reports, audit, tape, recording } = place;
        let hooks = config.hooks.pre_compact.clone();
        if hooks.is_empty() {
            return None;
        }
        if let Some(why) = switched_off(config) {
            reports.push(Report::configuration(&format!("`hooks.PreCompact` has no effect: `{NAME}` is {why}")));
            return None;
        }
        let environment = environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let (name, interrupted) = (PluginId::new(NAME).ok()?, Notify::new());
        Some(Self { name, hooks, processes, environment, project, reports, audit, tape, recording, interrupted })
    }

    /// After all plugins: a command should not clean up before what one of them keeps from happening.
    pub(crate) fn subscription(&self, others: &[PluginId], grace: Duration) -> Subscription {
        // It waits for processes and for nothing else, so it needs no task of its own, and ends with the emission
        let mut subscription = Subscription::plugin(self.name.clone(), [EventName::SessionCompacting]);
        subscription.rank.after = others.to_vec();
        subscription.deadline = TIMEOUT * u32::try_from(self.hooks.len()).unwrap_or(u32::MAX) + grace;
        subscription
    }

    /// Runs those that are meant, in the order of the configuration.
    async fn run(&self, envelope: &Envelope) -> Result<Reply, Failure> {
        let invalid = |error: serde_json::Error| Failure::new(FailureKind::Invalid, format!("the event: {error}"));
        let event: SessionCompacting = serde_json::from_str(&envelope.payload).map_err(invalid)?;
        let trigger = match event.trigger {
            CompactionTrigger::Auto => "auto",
            CompactionTrigger::Manual => "manual",
        };
        let mut context = Vec::new();
        for hook in self.hooks.iter().filter(|hook| hook.entry.matches(trigger)) {
            match self.run_one(hook, trigger, &event, envelope.number).await {
                Outcome::Context(text) if text.is_empty() => {}
                Outcome::Context(text) => context.push(text),
                Outcome::Blocked(reason) => return Ok(Reply::value(json!({ "cancel": true, "reason": reason }))),
                Outcome::Failed(why) => self.warn(hook, &why),
            }
        }
        Ok(if context.is_empty() { Reply::NOTHING } else { Reply::value(json!({ "context": context })) })
    }

    async fn run_one(&self, hook: &PreCompactHook, trigger: &str, event: &SessionCompacting, number: u64) -> Outcome {
        let call = json!({ "trigger": trigger, "command": hook.entry.command });
        if let Some(recording) = &self.recording {
            return recording.answer(&self.name, OP, &call).map_or_else(|| Outcome::Context(String::new()), recorded);
        }
        let pending = self.tape.as_ref().and_then(|tape| tape.call(&self.name, Some(number), OP, &call.to_string()));
        let mut line = Line::new(self, hook, trigger, event);
        let input = input(hook.entry.input.as_ref(), trigger, event).to_string();
        let ran = self.start(&hook.entry.command, input.into_bytes()).await;
        let (outcome, said) = match &ran {
            Ok(output) => {
                line.exit_code = output.exit_code;
                match output.exit_code {
                    Some(0) => ("ok", Outcome::Context(text_of(&output.stdout, CONTEXT))),
                    Some(BLOCKS) => {
                        let said = text_of(&output.stderr, MESSAGE);
                        let said = if said.is_empty() { format!("`{}` says so", hook.entry.command) } else { said };
                        ("blocked", Outcome::Blocked(said))
                    }
                    _ => ("failed", Outcome::Failed(ended(output))),
                }
            }
            Err(error) => ("failed", Outcome::Failed(format!("failed: {}", with_causes(error)))),
        };
        line.outcome = outcome;
        if let Some(pending) = pending {
            pending.answered(&match &said {
                Outcome::Context(text) => json!({ "context": text }),
                Outcome::Blocked(reason) => json!({ "blocked": reason }),
                Outcome::Failed(why) => json!({ "failed": why }),
            });
        }
        said
    }

    async fn start(&self, command: &str, input: Vec<u8>) -> Result<ProcessOutput, PlatformError> {
        let mut shells = SHELLS.iter().peekable();
        loop {
            let Some((shell, option)) = shells.next() else {
                return Err(PlatformError::Start { program: "sh".to_owned(), source: io::ErrorKind::NotFound.into() });
            };
            let ran = self.processes.run(ProcessRequest {
                program: OsStr::new(shell).to_owned(),
                args: [option, command].map(OsString::from).to_vec(),
                input: Some(input.clone()),
                cwd: Some(self.project.clone()),
                env: self.environment.clone(),
                timeout: TIMEOUT,
                output_limit: OUTPUT,
                rights: None,
            });
            match ran.await {
                Err(PlatformError::Start { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && shells.peek().is_some() => {}
                ran => return ran,
            }
        }
    }

    fn warn(&self, hook: &PreCompactHook, why: &str) {
        self.reports.push(Report {
            level: Level::Warning,
            kind: ReportKind::Warning,
            plugin: Some(self.name.clone()),
            message: format!("`{}` {why}", redacted_text(&hook.entry.command)),
            hint: Some(format!("it stands in {}; the conversation is compacted all the same", hook.origin)),
        });
    }
}

#[async_trait]
impl Subscriber for PreCompactHooks {
    async fn deliver(&self, envelope: &Envelope) -> Delivery {
        let interrupted = || Failure::new(FailureKind::Interrupted, "it was interrupted");
        // A command that is dropped is killed, with all that it started
        let reply = tokio::select! {
            reply = self.run(envelope) => reply,
            () = self.interrupted.notified() => Err(interrupted()),
        };
        Delivery::unmeasured(reply)
    }

    fn interrupt(&self) {
        self.interrupted.notify_waiters();
    }
}

/// What became of a command when it was recorded.
fn recorded(answer: Result<Value, ApiError>) -> Outcome {
    let answer = answer.unwrap_or_default();
    let text = |key: &str| answer[key].as_str().map(str::to_owned);
    match (text("blocked"), text("failed")) {
        (Some(reason), _) => Outcome::Blocked(reason),
        (None, Some(why)) => Outcome::Failed(why),
        (None, None) => Outcome::Context(text("context").unwrap_or_default()),
    }
}

/// What a command reads: what it is about, beside what its entry says.
fn input(own: Option<&Value>, trigger: &str, event: &SessionCompacting) -> Value {
    let mut input = match own {
        Some(Value::Object(fields)) => fields.clone(),
        None | Some(Value::Null) => Map::new(),
        Some(other) => Map::from_iter([("input".to_owned(), other.clone())]),
    };
    input.insert("trigger".to_owned(), trigger.into());
    input.insert("session_id".to_owned(), event.session_id.as_str().into());
    input.insert("custom_instructions".to_owned(), event.instructions.as_deref().unwrap_or_default().into());
    input.into()
}

/// What a command printed, without the blanks around it.
fn text_of(bytes: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn ended(output: &ProcessOutput) -> String {
    let how = match (output.exit_code, output.signal) {
        (Some(code), _) => Cow::Owned(format!("ended with {code}")),
        (None, Some(signal)) => Cow::Owned(format!("was ended by signal {signal}")),
        (None, None) => Cow::Borrowed("was ended"),
    };
    let said = text_of(&output.stderr, MESSAGE);
    if said.is_empty() { how.into_owned() } else { format!("{how}: {said}") }
}

/// A command's line in the audit log, written when it has ended, whichever way.
struct Line<'a> {
    hooks: &'a PreCompactHooks,
    detail: Map<String, Value>,
    begin: Instant,
    exit_code: Option<i32>,
    outcome: &'static str,
}

impl<'a> Line<'a> {
    fn new(hooks: &'a PreCompactHooks, hook: &PreCompactHook, trigger: &str, event: &SessionCompacting) -> Self {
        let fields = [
            ("hook", "PreCompact".into()),
            ("command", redacted_text(&hook.entry.command).into()),
            ("from", hook.origin.to_string().into()),
            ("trigger", trigger.into()),
            ("session", event.session_id.as_str().into()),
        ];
        let detail = fields.map(|(name, value): (&str, Value)| (name.to_owned(), value)).into_iter().collect();
        Self { hooks, detail, begin: Instant::now(), exit_code: None, outcome: "dropped" }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let Some(audit) = &self.hooks.audit else { return };
        let mut detail = std::mem::take(&mut self.detail);
        detail.insert("outcome".to_owned(), self.outcome.into());
        detail.insert("exitCode".to_owned(), self.exit_code.into());
        detail.insert("ms".to_owned(), (self.begin.elapsed().as_secs_f64() * 1e3).into());
        audit.record(AuditRecord::new(NAME, "hook", Value::Object(detail)));
    }
}
