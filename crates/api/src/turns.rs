//! Whose turn it is: how much of one plugin is done at once, so that none of them starves the others or the agent.
//!
//! What waits, waits as a future and not on a thread, in the order in which it came.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mimir_shared_config::PluginId;
use mimir_shared_platform::{AuditLog, AuditRecord, Guard};
use serde_json::json;
use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore};

use crate::lines::Lines;

/// Pieces of work on files of one plugin at once. Each has a thread, and all plugins together have 512 of them.
const JOBS: usize = 4;
/// Programs and containers of one plugin at once.
const PROGRAMS: usize = 16;
/// Calls of language models of one plugin at once.
const MODELS: usize = 16;
/// With more calls of one plugin under way than this, its next ones begin one by one, between those of other plugins.
const CROWD: usize = 64;
/// So much of what a plugin asked for is still done when it is gone: it may have asked for it as its last act.
const LAST: usize = 64;

/// Of all plugins.
pub(crate) struct Turns {
    audit: Arc<dyn AuditLog>,
    plugins: Mutex<HashMap<PluginId, OfPlugin>>,
}

struct OfPlugin {
    shares: Arc<Shares>,
    life: Arc<Life>,
}

/// What one plugin may have of the agent at once, also when it is started anew.
struct Shares {
    jobs: Arc<Semaphore>,
    programs: Arc<Semaphore>,
    models: Arc<Semaphore>,
}

/// One plugin from its start to its end.
struct Life {
    plugin: PluginId,
    audit: Arc<dyn AuditLog>,
    lines: Lines,
    entrance: AsyncMutex<()>,
    under_way: AtomicUsize,
    is_gone: AtomicBool,
    /// How much of what waits is still done although the plugin is gone.
    last: AtomicUsize,
    skipped: AtomicUsize,
}

/// The part that a call has in this, as long as it is under way.
pub(crate) struct Turn {
    shares: Arc<Shares>,
    life: Arc<Life>,
}

impl Turns {
    pub(crate) fn new(audit: Arc<dyn AuditLog>) -> Self {
        Self { audit, plugins: Mutex::default() }
    }

    /// Counts a call as under way.
    pub(crate) fn turn(&self, plugin: &PluginId) -> Turn {
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        if !plugins.contains_key(plugin) {
            let of = |most| Arc::new(Semaphore::new(most));
            let shares = Shares { jobs: of(JOBS), programs: of(PROGRAMS), models: of(MODELS) };
            plugins.insert(plugin.clone(), OfPlugin { shares: Arc::new(shares), life: self.life(plugin) });
        }
        let OfPlugin { shares, life } = &plugins[plugin];
        life.under_way.fetch_add(1, Ordering::Relaxed);
        Turn { shares: Arc::clone(shares), life: Arc::clone(life) }
    }

    fn life(&self, plugin: &PluginId) -> Arc<Life> {
        Arc::new(Life {
            plugin: plugin.clone(),
            audit: Arc::clone(&self.audit),
            lines: Lines::default(),
            entrance: AsyncMutex::default(),
            under_way: AtomicUsize::new(0),
            is_gone: AtomicBool::new(false),
            last: AtomicUsize::new(LAST),
            skipped: AtomicUsize::new(0),
        })
    }

    /// Skips most of what a plugin has waiting: it is gone. What it asks for after this is that of a new start.
    pub(crate) fn forget(&self, plugin: &PluginId) {
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(OfPlugin { life, .. }) = plugins.get_mut(plugin) else { return };
        life.is_gone.store(true, Ordering::Relaxed);
        let ended = std::mem::replace(life, self.life(plugin));
        drop(plugins);
        // Not under the lock: it may write its last lines
        drop(ended);
    }
}

impl Turn {
    /// Waits until the call may begin at all: while its plugin makes too many at once, and while the audit log is behind.
    pub(crate) async fn enter(&self) {
        if !Guard::LimitTurns.stands() {
            return;
        }
        let _first = self.life.entrance.lock().await;
        if self.life.under_way.load(Ordering::Relaxed) > CROWD {
            tokio::task::yield_now().await;
        }
        while let Some(caught_up) = self.life.audit.catching_up() {
            caught_up.await;
        }
    }

    /// Waits for a piece of work on files.
    pub(crate) async fn job(&self) -> Option<OwnedSemaphorePermit> {
        Self::share(&self.shares.jobs).await
    }

    /// Waits for a program or container.
    pub(crate) async fn program(&self) -> Option<OwnedSemaphorePermit> {
        Self::share(&self.shares.programs).await
    }

    /// Waits for a call of a language model.
    pub(crate) async fn model(&self) -> Option<OwnedSemaphorePermit> {
        Self::share(&self.shares.models).await
    }

    async fn share(share: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        if !Guard::LimitTurns.stands() {
            return None;
        }
        // Never closed
        Arc::clone(share).acquire_owned().await.ok()
    }

    /// Whether it is not too late: the plugin is still there, or this is among the last that is done for it.
    pub(crate) fn may_begin(&self) -> bool {
        let one_less = |last: usize| last.checked_sub(1);
        !self.life.is_gone.load(Ordering::Relaxed)
            || self.life.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }

    /// Whether the plugin is gone.
    pub(crate) fn is_last(&self) -> bool {
        self.life.is_gone.load(Ordering::Relaxed)
    }

    /// Takes note of a call that never began.
    pub(crate) fn skip(&self) {
        self.life.skipped.fetch_add(1, Ordering::Relaxed);
    }

    /// How many lines the audit log has of this plugin.
    pub(crate) fn lines(&self) -> &Lines {
        &self.life.lines
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.life.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        for line in self.lines.rest() {
            self.audit.record(line.record(&self.plugin));
        }
        let skipped = *self.skipped.get_mut();
        if skipped > 0 {
            let reason = "the plugin was gone before their turn";
            let detail = json!({ "op": "of any kind", "outcome": "skipped", "count": skipped, "reason": reason });
            self.audit.record(AuditRecord::new(self.plugin.as_str(), "calls", detail));
        }
    }
}
