use std::collections::HashMap;
use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use mimir_shared_config::SandboxLayer;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::error::SandboxError;
use crate::flags::V8_FLAGS;
use crate::host::{Common, Host};
use crate::image::{Call, CallFailure, CallReply, PluginImage};
use crate::layer::LayerReport;
use crate::limits;
use crate::plugin::{CallCounter, Plugin};
use crate::ports::{CodeCache, HostCalls};
use crate::process::spawn;

/// Where isolates live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// In sandbox processes: `exe` started again, or this binary where it is none. That binary calls
    /// [`sandbox_main_if_requested`](crate::sandbox_main_if_requested) first in `main`.
    Process {
        /// The binary that serves as the sandbox process.
        exe: Option<PathBuf>,
    },
    /// On threads of this process, with the inner wall alone: for embedding and for measuring. What brings V8 down
    /// brings this process down. Call [`initialize_v8`](crate::initialize_v8) before any thread exists.
    InProcess,
}

/// How a sandbox is set up.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// Where isolates live.
    pub placement: Placement,
    /// Threads that enter isolates, a process; 1 to 8.
    pub lanes: usize,
    /// Whether a process with a warm isolate is kept ready once the first one is in use.
    pub keeps_spare: bool,
    /// Whether the prelude bounds the built-ins that are known to run away. Off only in tests of the outer wall.
    pub has_guards: bool,
    /// Whether what V8 says before it gives up is shown on standard error.
    pub shows_stderr: bool,
    /// Layers of the outer wall without which no plugin runs: a process that the kernel does not seal so is ended.
    pub required: Vec<SandboxLayer>,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            placement: Placement::Process { exe: None },
            lanes: 2,
            keeps_spare: true,
            has_guards: true,
            shows_stderr: false,
            required: Vec::new(),
        }
    }
}

/// Runs plugins behind both walls. Nothing is started before the first call.
///
/// All of it must be used inside one tokio runtime. Dropping it ends every sandbox process.
pub struct PluginSandbox(Arc<Sandbox>);

/// A plugin that can be called. Clones are the same plugin.
#[derive(Clone)]
pub struct PluginHandle {
    plugin: Arc<Plugin>,
    sandbox: Arc<Sandbox>,
}

/// What a sandbox is made of right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxStats {
    /// Process ids of the sandbox processes in use, without the spare.
    pub processes: Vec<u32>,
    /// Isolates that exist in them.
    pub isolates: u32,
}

pub(crate) struct Sandbox {
    options: SandboxOptions,
    common: Arc<Common>,
    code_caches: Option<Arc<dyn CodeCache>>,
    next_plugin: AtomicU32,
    hosts: Mutex<Hosts>,
    /// One module is compiled for the cache at a time.
    compiler: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Hosts {
    by_group: HashMap<Arc<str>, Arc<Host>>,
    alone: HashMap<u32, Arc<Host>>,
    spare: Option<Arc<Host>>,
    is_shut_down: bool,
}

impl PluginSandbox {
    /// A sandbox that answers host calls by `host_calls`, and keeps V8's code caches in `code_caches` if there are any.
    pub fn new(
        options: SandboxOptions,
        host_calls: Arc<dyn HostCalls>,
        code_caches: Option<Arc<dyn CodeCache>>,
    ) -> Self {
        let common = Common {
            host_calls,
            calls: CallCounter::default(),
            required: options.required.clone(),
            has_reported_layers: AtomicBool::new(false),
            #[cfg(feature = "test-hooks")]
            everyone: Mutex::default(),
        };
        Self(Arc::new(Sandbox {
            options,
            common: Arc::new(common),
            code_caches,
            next_plugin: AtomicU32::new(0),
            hosts: Mutex::default(),
            compiler: tokio::sync::Mutex::default(),
        }))
    }

    /// Takes in a plugin. Its isolate starts with the first call.
    pub fn plugin(&self, mut image: PluginImage) -> PluginHandle {
        limits::standing(&mut image.limits);
        let number = self.0.next_plugin.fetch_add(1, Ordering::Relaxed);
        let plugin = Plugin::new(number, image);
        #[cfg(feature = "test-hooks")]
        self.0.common.everyone.lock().insert(number, Arc::downgrade(&plugin));
        PluginHandle { plugin, sandbox: Arc::clone(&self.0) }
    }

    /// What runs right now.
    pub async fn stats(&self) -> SandboxStats {
        let hosts: Vec<Arc<Host>> = {
            let hosts = self.0.hosts.lock();
            hosts.by_group.values().chain(hosts.alone.values()).filter(|host| !host.is_dead()).cloned().collect()
        };
        let mut isolates = 0;
        for host in &hosts {
            isolates += host.pulse().await.0;
        }
        SandboxStats { processes: hosts.iter().filter_map(|host| host.pid()).collect(), isolates }
    }

    /// What the kernel enforces on a sandbox process here. Starts one, and keeps it as the spare.
    ///
    /// # Errors
    /// [`SandboxError`] if none can be started.
    pub async fn layers(&self) -> Result<Vec<LayerReport>, SandboxError> {
        if self.0.options.placement == Placement::InProcess {
            return Ok(LayerReport::none("plugins run in Mimir's own process"));
        }
        let spare = self.0.hosts.lock().spare.clone().filter(|spare| !spare.is_dead());
        let host = match spare {
            Some(spare) => spare,
            None => self.0.start(true)?,
        };
        let layers = host.layers().await.ok_or(SandboxError::Silent)?;
        let mut hosts = self.0.hosts.lock();
        if !hosts.is_shut_down {
            hosts.spare.get_or_insert(host);
        }
        Ok(layers.to_vec())
    }

    /// Ends every sandbox process. Calls under way are answered by [`CallFailure::Lost`], later ones refused.
    pub fn shutdown(&self) {
        self.0.shut_down();
    }
}

impl Drop for PluginSandbox {
    fn drop(&mut self) {
        self.0.shut_down();
    }
}

impl PluginHandle {
    /// Calls into the plugin. Dropping the future fires the handler's `AbortSignal`.
    pub async fn call(&self, call: &Call) -> CallReply {
        self.plugin.call(&self.sandbox, call).await
    }

    /// What the plugin returned at its start, as JSON text: `{"events", "tools", "commands", "auth"}`. Starts it if it
    /// does not run.
    pub async fn declared(&self) -> Result<Arc<str>, CallFailure> {
        self.plugin.declared(&self.sandbox).await
    }

    /// Calls the plugin's `dispose` and frees its isolate. A later call starts it anew.
    pub async fn dispose(&self) {
        self.plugin.dispose();
        self.plugin.wait_until_removed().await;
    }

    /// The process that it runs in.
    pub fn pid(&self) -> Option<u32> {
        self.plugin.pid()
    }
}

impl Sandbox {
    pub(crate) fn next_call(&self) -> u64 {
        self.common.calls.next()
    }

    pub(crate) fn has_guards(&self) -> bool {
        self.options.has_guards
    }

    /// The process for `plugin`: its group's, or one of its own if it is under suspicion.
    pub(crate) fn host_for(self: &Arc<Self>, plugin: &Plugin) -> Result<Arc<Host>, CallFailure> {
        let mut hosts = self.hosts.lock();
        if hosts.is_shut_down {
            return Err(CallFailure::Interrupted);
        }
        let is_alone = plugin.runs_alone.load(Ordering::SeqCst);
        let existing = if is_alone { hosts.alone.get(&plugin.number) } else { hosts.by_group.get(&plugin.image.group) };
        if let Some(host) = existing
            && !host.is_dead()
        {
            return Ok(Arc::clone(host));
        }
        let spare = hosts.spare.take().filter(|spare| !spare.is_dead());
        let host = match spare {
            Some(spare) => spare,
            None => self.start(false).map_err(|error| unavailable(&error))?,
        };
        if is_alone {
            hosts.alone.insert(plugin.number, Arc::clone(&host));
        } else {
            hosts.by_group.insert(Arc::clone(&plugin.image.group), Arc::clone(&host));
        }
        drop(hosts);
        self.refill_spare();
        Ok(host)
    }

    fn start(&self, is_warm: bool) -> Result<Arc<Host>, SandboxError> {
        let lanes = self.options.lanes;
        let spawned = match &self.options.placement {
            Placement::Process { exe } => {
                let exe = match exe {
                    Some(exe) => exe.clone(),
                    None => env::current_exe().map_err(|source| SandboxError::Spawn { source })?,
                };
                spawn::process(&exe, lanes, is_warm, &self.options)?
            }
            Placement::InProcess => spawn::threads(lanes)?,
        };
        Host::new(spawned, Arc::clone(&self.common))
    }

    fn refill_spare(self: &Arc<Self>) {
        if !self.options.keeps_spare || self.options.placement == Placement::InProcess {
            return;
        }
        let sandbox = Arc::clone(self);
        tokio::spawn(async move {
            if sandbox.hosts.lock().spare.is_some() {
                return;
            }
            // Without a spare the next process takes a little longer; whoever needs it will meet the error.
            let Ok(host) = sandbox.start(true) else { return };
            let mut hosts = sandbox.hosts.lock();
            if !hosts.is_shut_down {
                hosts.spare.get_or_insert(host);
            }
        });
    }

    /// V8's code cache for a plugin. Where there is none yet, one is made in the background for the next time, in a
    /// process that never runs a plugin: what comes from a process that did could be forged.
    pub(crate) fn code_cache(self: &Arc<Self>, image: &PluginImage) -> Option<Arc<[u8]>> {
        let caches = self.code_caches.as_ref()?;
        let key = code_cache_key(&image.code);
        if let Some(cache) = caches.get(&key) {
            return Some(cache);
        }
        if self.options.placement != Placement::InProcess {
            let (sandbox, image, caches) = (Arc::clone(self), image.clone(), Arc::clone(caches));
            tokio::spawn(async move {
                let _one_at_a_time = sandbox.compiler.lock().await;
                if sandbox.hosts.lock().is_shut_down {
                    return;
                }
                let Ok(host) = sandbox.start(false) else { return };
                let cache = host.compile(image.id.as_str(), &image.code).await;
                host.end_in_peace();
                if !cache.is_empty() {
                    caches.put(&key, &cache);
                }
            });
        }
        None
    }

    fn shut_down(&self) {
        let ended = {
            let mut hosts = self.hosts.lock();
            hosts.is_shut_down = true;
            let Hosts { by_group, alone, spare, .. } = &mut *hosts;
            by_group
                .drain()
                .map(|(_, host)| host)
                .chain(alone.drain().map(|(_, host)| host))
                .chain(spare.take())
                .collect::<Vec<_>>()
        };
        for host in ended {
            host.end_in_peace();
        }
    }
}

fn unavailable(error: &SandboxError) -> CallFailure {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    CallFailure::Unavailable { reason: format!("{error}{source}") }
}

/// Under which key V8's code cache for a module is kept: its content, V8's version and V8's flags.
pub fn code_cache_key(code: &str) -> String {
    let mut hash = Sha256::new();
    for part in [v8::V8::get_version(), &V8_FLAGS.join(" "), code] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
