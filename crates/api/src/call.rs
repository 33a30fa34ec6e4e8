use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mimir_shared_config::{Access, Closed, Denial, git_folders, makes_git_folder};
use mimir_shared_platform::{AuditRecord, Guard, Links, Place, PlatformError};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use url::Url;

use crate::context::Shared;
use crate::project_path::{PathProblem, ProjectPath};
use crate::secrets::{REDACTED, looks_like_secret, redacted_argv, redacted_text};
use crate::turns::Turn;
use crate::{ApiError, Effects, ErrorCode, FileChange, FileEvent, Origin, PluginProfile, Redaction};

/// One call on its way: who makes it, what was asked on its behalf, and its line in the audit log, which is written when
/// the call ends, whichever way: a call that is dropped half-way has a line too.
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    pub(crate) plugin: Arc<PluginProfile>,
    pub(crate) origin: Origin,
    op: String,
    args: String,
    pub(crate) turn: Turn,
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
    /// It has not begun: nothing of it is done, and it may still be skipped.
    is_waiting: bool,
    /// It is done although its plugin is gone.
    is_last: bool,
}

impl Entry {
    /// In a word.
    fn outcome(&self) -> &'static str {
        match &self.outcome {
            None => "dropped",
            Some(Ok(())) => "ok",
            Some(Err(error)) => error.code.as_str(),
        }
    }
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
        let turn = shared.turns.turn(&plugin.id);
        let entry = Mutex::default();
        Arc::new(Self { shared, plugin, origin, op: op.to_owned(), args: args.to_owned(), turn, started, entry })
    }

    fn entry(&self) -> MutexGuard<'_, Entry> {
        self.entry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn args<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_str(&self.args).map_err(|error| ApiError::invalid(format!("{}: {error}", self.op)))
    }

    /// Waits for a turn. A call that is dropped meanwhile, or whose plugin is gone by then, is skipped: it is counted and
    /// has no line of its own in the audit log, since nothing was done.
    pub(crate) async fn wait<T>(&self, turn: impl Future<Output = T>) -> Result<T, ApiError> {
        self.entry().is_waiting = true;
        let taken = turn.await;
        let mut entry = self.entry();
        if !entry.is_last && !self.turn.may_begin() {
            return Err(ApiError::new(ErrorCode::Io, "the plugin was gone before the turn of this call"));
        }
        (entry.is_waiting, entry.is_last) = (false, self.turn.is_last());
        Ok(taken)
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

    /// Whether the gate would let something through that is not done.
    pub(crate) fn holds(&self, access: &Access) -> bool {
        self.shared.ports.gate.check(&self.plugin, access).is_ok()
    }

    /// A refusal that is somebody else's than the gate's.
    pub(crate) fn denied(&self, denial: Denial) -> ApiError {
        ApiError::denied(&self.op, denial)
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
        let root = self.shared.directory.root();
        let path = match ProjectPath::parse(root, &self.shared.root_as_given, text) {
            Ok(path) => path,
            Err(PathProblem::Unusable(error)) => return Err(error),
            Err(PathProblem::Outside) if Guard::FsBeneath.stands() => {
                return Err(self.outside(&access(text.into()), text));
            }
            Err(PathProblem::Outside) => ProjectPath { relative: text.into(), absolute: root.join(text) },
        };
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
        let access = access(place.real_path().to_owned());
        if Guard::FsOpened.stands() {
            self.check(&access)?;
        }
        self.check_git_folders(&access, place.real_path())?;
        Ok(place)
    }

    /// Refuses what git obeys in a folder that is a repository without being called `.git`. The gate can't tell, since
    /// only the files around it do.
    fn check_git_folders(&self, access: &Access, real_path: &Path) -> Result<(), ApiError> {
        if !Guard::FsClosed.stands() {
            return Ok(());
        }
        let directory = &self.shared.directory;
        let Ok(relative) = real_path.strip_prefix(directory.root()) else { return Ok(()) };
        for folder in git_folders(relative) {
            let Ok(head) = directory.place(&folder.join("HEAD"), Links::Keep) else { continue };
            if head.metadata()?.is_some_and(|found| !found.is_dir()) {
                return Err(ApiError::denied(&self.op, Denial::closed(access, real_path, Closed::Git)));
            }
        }
        Ok(())
    }

    /// Asks the same about what was found in a folder that was opened.
    pub(crate) fn check_child(&self, child: &dyn Place, access: fn(PathBuf) -> Access) -> Result<(), ApiError> {
        let access = access(child.real_path().to_owned());
        self.check(&access)?;
        self.check_git_folders(&access, child.real_path())
    }

    /// Refuses to make a git repository of a folder, since git would obey what the plugin wrote there before, or to make
    /// of one a folder like any other, in which nothing is closed.
    pub(crate) fn check_no_git_folder(&self, place: &dyn Place, access: fn(PathBuf) -> Access) -> Result<(), ApiError> {
        let path = place.real_path();
        if Guard::FsClosed.stands() && makes_git_folder(path) {
            let access = access(path.to_owned());
            return Err(ApiError::denied(&self.op, Denial::closed(&access, path, Closed::Git)));
        }
        Ok(())
    }

    /// The answer of the recording in a replay, and that to a plugin that only observes and would change the project's
    /// files: nothing if the call may go on.
    pub(crate) fn recorded(&self, has_effect: bool) -> Option<Result<Value, ApiError>> {
        let is_observed = has_effect && self.op.starts_with("fs.") && self.shared.is_observed(&self.plugin.id);
        let not_done = || {
            is_observed.then(|| {
                self.note("observed", true);
                Ok(Value::Null)
            })
        };
        let Effects::Recorded(recording) = &self.shared.effects else { return not_done() };
        let args: Value = match self.args() {
            Ok(args) => args,
            Err(error) => return Some(Err(error)),
        };
        match recording.answer(&self.plugin.id, &self.op, &args) {
            Some(answer) => {
                self.entry().is_replayed = true;
                Some(answer)
            }
            None if is_observed => not_done(),
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
        let now = self.shared.ports.clock.monotonic();
        let took = now.saturating_sub(self.started);
        let audit = &self.shared.ports.audit;
        let entry = self.entry.get_mut().unwrap_or_else(PoisonError::into_inner);
        if entry.is_waiting {
            return self.turn.skip();
        }
        let outcome = entry.outcome();
        let is_refused = outcome == ErrorCode::CapabilityDenied.as_str();
        let what = || json!(entry.accesses);
        let (is_counted, lines) = self.turn.lines().count((&self.op, outcome, is_refused), now, what);
        for line in lines {
            audit.record(line.record(&self.plugin.id));
        }
        if is_counted {
            return;
        }
        let ended = Ended {
            plugin: Arc::clone(&self.plugin),
            origin: std::mem::take(&mut self.origin),
            op: std::mem::take(&mut self.op),
            entry: std::mem::take(entry),
            redaction: self.shared.redaction.clone(),
            took,
        };
        // The plugin waits for its answer, so the line is put together where nobody does
        audit.record_later(Box::new(|| ended.record()));
    }
}

/// What is left of a call for its line in the audit log.
struct Ended {
    plugin: Arc<PluginProfile>,
    origin: Origin,
    op: String,
    entry: Entry,
    redaction: Redaction,
    took: Duration,
}

impl Ended {
    fn record(self) -> AuditRecord {
        let Self { plugin, origin, op, entry, redaction, took } = self;
        let outcome = entry.outcome();
        let reason = entry.outcome.as_ref().and_then(|outcome| outcome.as_ref().err()).map(|error| &error.message);
        let mut detail = Map::new();
        detail.insert("op".to_owned(), json!(op.chars().take(80).collect::<String>()));
        detail.insert("what".to_owned(), json!(entry.accesses));
        detail.insert("allowed".to_owned(), json!(outcome != ErrorCode::CapabilityDenied.as_str()));
        detail.insert("outcome".to_owned(), json!(outcome));
        if let Some(reason) = reason {
            let reason = entry.secrets.iter().fold(reason.clone(), |text, secret| text.replace(secret, REDACTED));
            detail.insert("reason".to_owned(), json!(redaction.text(&reason)));
        }
        detail.insert("us".to_owned(), json!(u64::try_from(took.as_micros()).unwrap_or(u64::MAX)));
        detail.insert("hash".to_owned(), json!(plugin.identity.hash));
        if entry.is_replayed {
            detail.insert("replayed".to_owned(), json!(true));
        }
        if let Some(session) = &origin.session_id {
            detail.insert("session".to_owned(), json!(session));
        }
        if !origin.chain.is_empty() {
            detail.insert("chain".to_owned(), json!(origin.chain));
        }
        detail.extend(entry.facts);
        AuditRecord::new(plugin.id.as_str(), "call", Value::Object(detail))
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
                // Some hosts take them in the path as well
                let path = redacted_text(parsed.path());
                (format!("request {}{path}", parsed.origin().ascii_serialization()), secrets)
            }
            Err(_) => ("request what is no URL".to_owned(), vec![url.clone()]),
        },
        other => (other.to_string(), Vec::new()),
    }
}
