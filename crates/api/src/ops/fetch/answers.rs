use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mimir_shared_config::PluginId;
use mimir_shared_platform::{HttpBody, PlatformError};
use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore, watch};

use crate::call::Call;
use crate::secrets::Cover;
use crate::{ApiError, ErrorCode};

/// How many requests of one plugin are under way at once; more wait.
const REQUESTS: usize = 32;

/// How many answers of one plugin are open at once. The one that has not been read for longest makes room for another,
/// since most bodies that nobody reads were never meant to be read.
const OPEN: usize = 16;

/// How many requests are remembered as given up before they were seen.
const EARLY: usize = 64;

/// The requests of plugins that are under way, and the answers whose bodies are still to be read. Each belongs to one
/// plugin, which gave it its number.
#[derive(Default)]
pub(crate) struct Answers {
    plugins: Mutex<HashMap<PluginId, OfPlugin>>,
}

struct OfPlugin {
    requests: Arc<Semaphore>,
    /// Whoever was read last is the last.
    entries: Vec<Entry>,
    /// Given up before the request came: calls of one plugin may overtake each other.
    early: VecDeque<u64>,
}

struct Entry {
    id: u64,
    /// Dropped, it ends what is under way.
    alive: Arc<watch::Sender<()>>,
    body: Option<Arc<AsyncMutex<OpenBody>>>,
}

impl Default for OfPlugin {
    fn default() -> Self {
        let requests = Arc::new(Semaphore::new(REQUESTS));
        Self { requests, entries: Vec::new(), early: VecDeque::new() }
    }
}

impl OfPlugin {
    fn take(&mut self, id: u64) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.id == id)?;
        Some(self.entries.remove(at))
    }
}

impl Answers {
    fn plugins(&self) -> MutexGuard<'_, HashMap<PluginId, OfPlugin>> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a request, once there is room for it.
    pub(crate) async fn begin(&self, plugin: &PluginId, id: Option<u64>) -> Underway<'_> {
        let (sender, alive) = watch::channel(());
        let sender = Arc::new(sender);
        let requests = {
            let mut plugins = self.plugins();
            let of_plugin = plugins.entry(plugin.clone()).or_default();
            if let Some(id) = id {
                of_plugin.take(id);
                let early = of_plugin.early.iter().position(|early| *early == id);
                if early.and_then(|at| of_plugin.early.remove(at)).is_none() {
                    of_plugin.entries.push(Entry { id, alive: Arc::clone(&sender), body: None });
                }
            }
            Arc::clone(&of_plugin.requests)
        };
        let sender = id.is_none().then_some(sender);
        // Never closed
        let permit = requests.acquire_owned().await.ok();
        Underway { answers: self, plugin: plugin.clone(), id, alive, _sender: sender, _permit: permit }
    }

    /// The next bytes of an answer; nothing at its end.
    pub(crate) async fn read(&self, plugin: &PluginId, id: u64) -> Result<Option<Vec<u8>>, ApiError> {
        let gone = || ApiError::new(ErrorCode::Io, "the answer was given up: it was cancelled, or too many are open");
        let (body, mut alive) = {
            let mut plugins = self.plugins();
            let of_plugin = plugins.get_mut(plugin).ok_or_else(gone)?;
            let entry = of_plugin.take(id).ok_or_else(gone)?;
            let found = entry.body.clone().map(|body| (body, entry.alive.subscribe()));
            of_plugin.entries.push(entry);
            found.ok_or_else(gone)?
        };
        let read = tokio::select! {
            read = async { body.lock().await.read().await } => read,
            // It never changes, so this is its end
            _ = alive.changed() => return Err(gone()),
        };
        if !matches!(read, Ok(Some(_))) {
            self.end(plugin, id);
        }
        read
    }

    /// Gives up a request or an answer.
    pub(crate) fn cancel(&self, plugin: &PluginId, id: u64) {
        if !self.end(plugin, id) {
            let mut plugins = self.plugins();
            let early = &mut plugins.entry(plugin.clone()).or_default().early;
            early.push_back(id);
            if early.len() > EARLY {
                early.pop_front();
            }
        }
    }

    fn end(&self, plugin: &PluginId, id: u64) -> bool {
        let ended = self.plugins().get_mut(plugin).and_then(|of_plugin| of_plugin.take(id));
        // Not under the lock: to close a connection and to write a line takes a moment
        ended.is_some()
    }

    /// Gives up everything of a plugin.
    pub(crate) fn forget(&self, plugin: &PluginId) {
        let forgotten = self.plugins().remove(plugin);
        drop(forgotten);
    }
}

/// A request that is under way.
pub(crate) struct Underway<'a> {
    answers: &'a Answers,
    plugin: PluginId,
    id: Option<u64>,
    alive: watch::Receiver<()>,
    /// Of a request without a number, which nobody can give up.
    _sender: Option<Arc<watch::Sender<()>>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Underway<'_> {
    /// Waits until the plugin gives up.
    pub(crate) async fn given_up(&self) {
        let mut alive = self.alive.clone();
        while alive.changed().await.is_ok() {}
    }

    /// Keeps the answer for the plugin to read. It is dropped if the plugin has given up by now.
    pub(crate) fn keep(mut self, body: OpenBody) {
        let Some(id) = self.id.take() else { return };
        let mut plugins = self.answers.plugins();
        let Some(of_plugin) = plugins.get_mut(&self.plugin) else { return };
        let Some(mut entry) = of_plugin.take(id) else { return };
        entry.body = Some(Arc::new(AsyncMutex::new(body)));
        of_plugin.entries.push(entry);
        let open = of_plugin.entries.iter().filter(|entry| entry.body.is_some()).count();
        let oldest = of_plugin.entries.iter().position(|entry| entry.body.is_some());
        let evicted = oldest.filter(|_| open > OPEN).map(|at| of_plugin.entries.remove(at));
        drop(plugins);
        drop(evicted);
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.answers.end(&self.plugin, id);
        }
    }
}

/// The body of an answer as the plugin gets it: without what must not be seen, and counted for the line in the audit log,
/// which is written when this is dropped.
pub(crate) struct OpenBody {
    call: Arc<Call>,
    /// None once it has ended.
    body: Option<Box<dyn HttpBody>>,
    /// Read already, and not yet handed out.
    ready: VecDeque<Vec<u8>>,
    cover: Option<Cover>,
    bytes: u64,
}

impl OpenBody {
    pub(crate) fn new(call: Arc<Call>, body: Box<dyn HttpBody>, cover: Option<Cover>) -> Self {
        Self { call, body: Some(body), ready: VecDeque::new(), cover, bytes: 0 }
    }

    /// Reads until `bytes` are there or the body is at its end, and keeps them. Whether the body is there as a whole.
    pub(crate) async fn fill(&mut self, bytes: usize) -> Result<bool, ApiError> {
        while self.ready.iter().map(Vec::len).sum::<usize>() <= bytes {
            let Some(chunk) = self.next().await? else { return Ok(true) };
            self.ready.push_back(chunk);
        }
        Ok(false)
    }

    /// What is left of a body that is there as a whole.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        std::mem::take(&mut self.ready).into_iter().flatten().collect()
    }

    async fn read(&mut self) -> Result<Option<Vec<u8>>, ApiError> {
        match self.ready.pop_front() {
            Some(chunk) => Ok(Some(chunk)),
            None => self.next().await,
        }
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, ApiError> {
        loop {
            let Some(body) = &mut self.body else { return Ok(None) };
            let chunk = body.chunk().await.map_err(|error| self.failed(error))?;
            let shown = match (chunk, &mut self.cover) {
                (Some(chunk), cover) => {
                    self.bytes += chunk.len() as u64;
                    cover.as_mut().map_or_else(|| chunk.clone(), |cover| cover.push(&chunk))
                }
                (None, cover) => {
                    self.body = None;
                    cover.as_mut().map(Cover::finish).unwrap_or_default()
                }
            };
            if !shown.is_empty() {
                return Ok(Some(shown));
            }
        }
    }

    fn failed(&mut self, error: PlatformError) -> ApiError {
        self.body = None;
        let error = ApiError::from(error);
        self.call.finish(&Err(error.clone()));
        error
    }
}

impl Drop for OpenBody {
    fn drop(&mut self) {
        self.call.note("bytes", self.bytes);
        if self.body.is_some() {
            self.call.note("body", "not read to its end");
        }
    }
}
