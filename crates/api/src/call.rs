use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mimir_shared_config::{Access, Denial};
use mimir_shared_platform::{AuditRecord, Links, Place, PlatformError};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use url::Url;

use crate::context::Shared;
use crate::project_path::{PathProblem, ProjectPath};
use crate::secrets::{REDACTED, looks_like_secret, redacted_argv};
use crate::{ApiError, Effects, ErrorCode, FileChange, FileEvent, Origin, PluginProfile};

/// One call on its way: who makes it, what was asked on its behalf, and its line in the audit log, which is written when
/// the call ends, whichever way: a call that is dropped half-way has a line too.
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    pub(crate) plugin: Arc<PluginProfile>,
    pub(crate) origin: Origin,
    op: String,
    args: String,
    started: Duration,
    entry: Mutex<Entry>,
}

#[derive(Default)]
struct Entry {
    accesses: Vec<String>,
    /// What must not stand in the log even where the gate's reason repeats it.
    secrets: Vec<String>,
    facts: Map<String, Value>,
    outcome: Option<Result<(), ApiError>>,
    is_replayed: bool,
}

impl Call {
    pub(crate) fn new(
        shared: Arc<Shared>,
        plugin: Arc<PluginProfile>,
        origin: Origin,
        op: &str,
        args: &str,
    ) -> Arc<Self> {
        let started = shared.ports.clock.monotonic();
        let entry = Mutex::default();
        Arc::new(Self { shared, plugin, origin, op: op.to_owned(), args: args.to_owned(), started, entry })
    }

    fn entry(&self) -> MutexGuard<'_, Entry> {
        self.entry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn args<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_str(&self.args).map_err(|error| ApiError::invalid(format!("{}: {error}", self.op)))
    }

    /// Asks the gate.
    pub(crate) fn check(&self, access: &Access) -> Result<(), ApiError> {
        self.ask(access).map_err(|denial| ApiError::denied(&self.op, denial))
    }

    /// Asks the gate, for who has to pass the reason through something else first.
    pub(crate) fn ask(&self, access: &Access) -> Result<(), Denial> {
        let mut entry = self.entry();
        let (description, secrets) = describe(access);
        entry.secrets.extend(secrets);
        if !entry.accesses.contains(&description) {
            entry.accesses.push(description);
        }
        drop(entry);
        self.shared.ports.gate.check(&self.plugin, access)
    }

    /// A refusal that needs no gate: nobody may.
    pub(crate) fn outside(&self, access: &Access, path: &str) -> ApiError {
        let path = path.chars().take(500).collect::<String>();
        ApiError::denied(
            &self.op,
            Denial {
                capability: access.capability().to_owned(),
                reason: format!("`{path}` lies outside the project"),
                hint: None,
            },
        )
    }

    /// Reads a path and asks the gate about it.
    pub(crate) fn path(&self, text: &str, access: fn(PathBuf) -> Access) -> Result<ProjectPath, ApiError> {
        let path = ProjectPath::parse(self.shared.directory.root(), &self.shared.root_as_given, text);
        let path = path.map_err(|problem| match problem {
            PathProblem::Unusable(error) => error,
            PathProblem::Outside => self.outside(&access(text.into()), text),
        })?;
        self.check(&access(path.absolute.clone()))?;
        Ok(path)
    }

    /// Opens the place that a path leads to and asks the gate about where that really is.
    pub(crate) fn place(
        &self,
        relative: &Path,
        links: Links,
        access: fn(PathBuf) -> Access,
    ) -> Result<Box<dyn Place>, ApiError> {
        let place = self.shared.directory.place(relative, links).map_err(|error| match error {
            PlatformError::Outside { path, .. } => self.outside(&access(path.clone()), &path.to_string_lossy()),
            error => error.into(),
        })?;
        self.check(&access(place.real_path().to_owned()))?;
        Ok(place)
    }

    /// The answer of the recording in a replay: nothing if the call may go on.
    pub(crate) fn recorded(&self, has_effect: bool) -> Option<Result<Value, ApiError>> {
        let Effects::Recorded(recording) = &self.shared.effects else { return None };
        let args: Value = match self.args() {
            Ok(args) => args,
            Err(error) => return Some(Err(error)),
        };
        match recording.answer(&self.plugin.id, &self.op, &args) {
            Some(answer) => {
                self.entry().is_replayed = true;
                Some(answer)
            }
            None if has_effect => Some(Err(ApiError::new(
                ErrorCode::NotRecorded,
                format!("{} is not in the recording, and a replay does not act", self.op),
            )
            .with_hint("replay with `--live` to let plugins act"))),
            None => None,
        }
    }

    /// Adds a fact to the line in the audit log. Sizes and codes, never contents.
    pub(crate) fn note(&self, fact: &str, value: impl Into<Value>) {
        self.entry().facts.insert(fact.to_owned(), value.into());
    }

    /// Raises an event for a file that this call changed.
    pub(crate) fn raise(&self, change: FileChange, path: PathBuf) {
        let chain = self.origin.chain.iter().chain([&self.plugin.id]).cloned().collect();
        let session_id = self.origin.session_id.clone();
        self.shared.ports.events.raise(FileEvent { change, path, chain, session_id });
    }

    pub(crate) fn finish(&self, result: &Result<Value, ApiError>) {
        self.entry().outcome = Some(result.as_ref().map(drop).map_err(Clone::clone));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let entry = std::mem::take(self.entry.get_mut().unwrap_or_else(PoisonError::into_inner));
        let (outcome, reason) = match &entry.outcome {
            None => ("dropped", None),
            Some(Ok(())) => ("ok", None),
            Some(Err(error)) => (error.code.as_str(), Some(&error.message)),
        };
        let mut detail = Map::new();
        detail.insert("op".to_owned(), json!(self.op.chars().take(80).collect::<String>()));
        detail.insert("what".to_owned(), json!(entry.accesses));
        detail.insert("allowed".to_owned(), json!(outcome != ErrorCode::CapabilityDenied.as_str()));
        detail.insert("outcome".to_owned(), json!(outcome));
        if let Some(reason) = reason {
            let reason = entry.secrets.iter().fold(reason.clone(), |text, secret| text.replace(secret, REDACTED));
            detail.insert("reason".to_owned(), json!(reason));
        }
        let took = self.shared.ports.clock.monotonic().saturating_sub(self.started);
        detail.insert("us".to_owned(), json!(u64::try_from(took.as_micros()).unwrap_or(u64::MAX)));
        detail.insert("hash".to_owned(), json!(self.plugin.identity.hash));
        if entry.is_replayed {
            detail.insert("replayed".to_owned(), json!(true));
        }
        if let Some(session) = &self.origin.session_id {
            detail.insert("session".to_owned(), json!(session));
        }
        if !self.origin.chain.is_empty() {
            detail.insert("chain".to_owned(), json!(self.origin.chain));
        }
        detail.extend(entry.facts);
        self.shared.ports.audit.record(AuditRecord::new(self.plugin.id.as_str(), "call", Value::Object(detail)));
    }
}

/// What is accessed, for the audit log, and the secrets that are left out of it.
fn describe(access: &Access) -> (String, Vec<String>) {
    match access {
        Access::Exec { argv } => {
            let shown = redacted_argv(argv);
            let secrets = argv.iter().zip(&shown).filter(|(arg, shown)| arg != shown).map(|(arg, _)| arg.clone());
            (format!("run {}", shell_words::join(&shown)), secrets.collect())
        }
        Access::Net { url } => match Url::parse(url) {
            // Queries carry tokens more often than not
            Ok(mut parsed) => {
                let secrets = parsed.query().filter(|query| looks_like_secret(query) || query.contains('='));
                let secrets = secrets.map(str::to_owned).into_iter().collect();
                if parsed.query().is_some() {
                    parsed.set_query(Some("…"));
                }
                (format!("request {}{}", parsed.origin().ascii_serialization(), parsed.path()), secrets)
            }
            Err(_) => ("request what is no URL".to_owned(), vec![url.clone()]),
        },
        other => (other.to_string(), Vec::new()),
    }
}
