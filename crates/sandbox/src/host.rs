//! One sandbox process (or its stand-in on threads) as the agent sees it: its calls under way, its members, its end.

mod verdict;

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use mimir_shared_config::SandboxLayer;
use mimir_shared_platform::Guard;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::error::SandboxError;
use crate::image::{CallFailure, CallOrigin};
use crate::layer::LayerReport;
use crate::message::Message;
use crate::page::Page;
use crate::plugin::{CallCounter, Plugin};
use crate::ports::{HostCall, HostCalls, LogLine};
use crate::process::link::Link;
use crate::process::spawn::Spawned;

/// What comes back for a call.
pub(crate) enum Outcome {
    Answered {
        result: Result<String, CallFailure>,
        cpu_ns: u64,
        heap_peak: u64,
    },
    /// The plugin was not there (any more); the call was not begun.
    NotLoaded,
}

struct Pending {
    plugin: u32,
    origin: CallOrigin,
    reply: oneshot::Sender<Outcome>,
}

/// How long a module may take to be compiled for the code cache.
const COMPILE_TIME: Duration = Duration::from_secs(10);

/// How many ended calls are remembered, so that what a plugin does after its answer still has its causes.
const REMEMBERED: usize = 4096;

#[derive(Default)]
struct Calls {
    pending: HashMap<u64, Pending>,
    ended: HashMap<u64, (u32, CallOrigin)>,
    ended_order: VecDeque<u64>,
}

impl Calls {
    fn end(&mut self, call: u64) -> Option<Pending> {
        let pending = self.pending.remove(&call)?;
        self.ended.insert(call, (pending.plugin, pending.origin.clone()));
        self.ended_order.push_back(call);
        if self.ended_order.len() > REMEMBERED
            && let Some(oldest) = self.ended_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
        Some(pending)
    }

    /// Whose call it is and what caused it, as long as it is remembered.
    fn get(&self, call: u64) -> Option<(u32, &CallOrigin)> {
        let pending = self.pending.get(&call).map(|pending| (pending.plugin, &pending.origin));
        pending.or_else(|| self.ended.get(&call).map(|(plugin, origin)| (*plugin, origin)))
    }
}

/// What the processes of one sandbox have in common.
pub(crate) struct Common {
    pub(crate) host_calls: Arc<dyn HostCalls>,
    pub(crate) calls: CallCounter,
    /// Without these no plugin runs.
    pub(crate) required: Vec<SandboxLayer>,
    /// Whether somebody was told about layers that are missing.
    pub(crate) has_reported_layers: AtomicBool,
    /// Every plugin, for the test that lets a process speak for all of them.
    #[cfg(feature = "test-hooks")]
    pub(crate) everyone: Mutex<HashMap<u32, Weak<Plugin>>>,
}

impl Common {
    /// A plugin of whichever process. There is no such thing outside of tests.
    fn anyone(&self, _plugin: u32) -> Option<Arc<Plugin>> {
        #[cfg(feature = "test-hooks")]
        return self.everyone.lock().get(&_plugin)?.upgrade();
        #[cfg(not(feature = "test-hooks"))]
        None
    }
}

/// A plugin of this process.
struct Member {
    plugin: Weak<Plugin>,
    /// How often it was sent here and has not been reported gone: the report about its last time may come after it was
    /// sent anew.
    loads: u32,
}

/// One sandbox process.
pub(crate) struct Host {
    child: Mutex<Option<Child>>,
    pid: Option<u32>,
    page: Arc<Page>,
    lifeline: Mutex<Option<OwnedFd>>,
    links: Vec<Arc<Link>>,
    calls: Mutex<Calls>,
    members: Mutex<HashMap<u32, Member>>,
    /// Host calls under way, by plugin and request.
    requests: Mutex<HashMap<u32, HashMap<u64, JoinHandle<()>>>>,
    /// Host calls under way of isolates that are gone: they go on, and nobody waits for them.
    orphaned: Mutex<Vec<JoinHandle<()>>>,
    readers: Mutex<Vec<JoinHandle<()>>>,
    common: Arc<Common>,
    /// What the kernel enforces on it, once it has said so.
    layers: watch::Sender<Option<Arc<[LayerReport]>>>,
    /// What it did that no sound sandbox process does.
    fault: Mutex<Option<String>>,
    is_dead: AtomicBool,
    /// Set when the agent itself ends it: nobody is guilty.
    is_wanted_dead: AtomicBool,
    /// The plugin that was found unresponsive by the agent, plus one.
    unresponsive: AtomicU64,
    next_lane: AtomicU64,
    pulses: Mutex<Vec<oneshot::Sender<(u32, u64)>>>,
    compiled: Mutex<Option<oneshot::Sender<Vec<u8>>>>,
}

impl Host {
    /// Takes over what was started. Must be called inside a tokio runtime.
    pub(crate) fn new(spawned: Spawned, common: Arc<Common>) -> Result<Arc<Self>, SandboxError> {
        let links = spawned
            .lanes
            .into_iter()
            .map(Link::new)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| SandboxError::Setup { what: "sockets", source })?;
        let pid = spawned.child.as_ref().map(Child::id);
        let host = Arc::new(Self {
            child: Mutex::new(spawned.child),
            pid,
            page: spawned.page,
            lifeline: Mutex::new(Some(spawned.lifeline)),
            links,
            calls: Mutex::default(),
            members: Mutex::default(),
            requests: Mutex::default(),
            orphaned: Mutex::default(),
            readers: Mutex::default(),
            common,
            layers: watch::Sender::new(None),
            fault: Mutex::default(),
            is_dead: AtomicBool::new(false),
            is_wanted_dead: AtomicBool::new(false),
            unresponsive: AtomicU64::new(0),
            next_lane: AtomicU64::new(0),
            pulses: Mutex::default(),
            compiled: Mutex::default(),
        });
        for (lane, link) in host.links.iter().enumerate() {
            let (weak, link) = (Arc::downgrade(&host), Arc::clone(link));
            let reader = tokio::spawn(async move {
                let handle = |message: Message<'_>| {
                    if let Some(host) = weak.upgrade() {
                        host.handle(lane, &message);
                    }
                };
                let received = link.receive(handle).await;
                let Some(host) = weak.upgrade() else { return };
                match received {
                    Ok(()) => host.end(),
                    Err(error) => host.broke_the_rules(&error.to_string()),
                }
            });
            host.readers.lock().push(reader);
        }
        Ok(host)
    }

    /// The operating system's number of the process; none if the lanes are threads of this one.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }

    /// Which lane the next plugin is pinned to.
    pub(crate) fn assign_lane(&self) -> usize {
        self.next_lane.fetch_add(1, Ordering::Relaxed) as usize % self.links.len()
    }

    /// Makes a plugin a member: frames in its name are accepted from now on.
    pub(crate) fn admit(&self, plugin: &Arc<Plugin>) {
        let mut members = self.members.lock();
        let member = members.entry(plugin.number).or_insert_with(|| Member { plugin: Weak::new(), loads: 0 });
        member.plugin = Arc::downgrade(plugin);
        member.loads += 1;
    }

    /// Takes note that an isolate of a plugin is gone; true if it was its last here.
    fn dismiss(&self, plugin: u32) -> bool {
        let mut members = self.members.lock();
        let Some(member) = members.get_mut(&plugin) else { return false };
        member.loads -= 1;
        let is_gone = member.loads == 0;
        if is_gone {
            members.remove(&plugin);
        }
        is_gone
    }

    /// What the kernel enforces on the process; none if it ended before it said so.
    pub(crate) async fn layers(&self) -> Option<Arc<[LayerReport]>> {
        let mut receiver = self.layers.subscribe();
        // `end` says so after it has set the flag, so either it is heard or the flag is seen here.
        let said = receiver.wait_for(|layers| layers.is_some() || self.is_dead()).await;
        said.ok().and_then(|layers| layers.clone())
    }

    /// Handles what has arrived from a lane by now.
    pub(crate) fn receive_now(self: &Arc<Self>, lane: usize) {
        self.links[lane].receive_now(|message| self.handle(lane, &message));
    }

    pub(crate) fn send(&self, lane: usize, message: &Message<'_>) {
        self.links[lane].send(message);
    }

    /// Registers a call; none if the process is dead already.
    pub(crate) fn expect(&self, call: u64, plugin: u32, origin: CallOrigin) -> Option<oneshot::Receiver<Outcome>> {
        let (reply, receiver) = oneshot::channel();
        self.calls.lock().pending.insert(call, Pending { plugin, origin, reply });
        // `end` empties the table after it has set the flag, so either it sees this call or the flag is seen here.
        if self.is_dead() {
            self.calls.lock().pending.remove(&call);
            return None;
        }
        Some(receiver)
    }

    /// The caller went away.
    pub(crate) fn forget(&self, call: u64) -> bool {
        self.calls.lock().end(call).is_some()
    }

    /// The plugin whose isolate is entered on `lane` right now.
    pub(crate) fn running(&self, lane: usize) -> Option<u32> {
        self.page.state(lane).plugin
    }

    /// Asks a lane for the number of its isolates and the bytes of their heaps.
    pub(crate) async fn pulse(&self) -> (u32, u64) {
        let mut total = (0, 0);
        for link in &self.links {
            let (reply, receiver) = oneshot::channel();
            self.pulses.lock().push(reply);
            // `end` empties the list after it has set the flag, so either it sees this one or the flag is seen here.
            if self.is_dead() {
                self.pulses.lock().clear();
                return total;
            }
            link.send(&Message::Pulse { isolates: 0, heap: 0 });
            if let Ok((isolates, heap)) = receiver.await {
                total = (total.0 + isolates, total.1 + heap);
            }
        }
        total
    }

    /// Has a module compiled that this process never runs; empty if it can't be, or takes too long: no limit holds inside.
    pub(crate) async fn compile(&self, name: &str, code: &str) -> Vec<u8> {
        let (reply, receiver) = oneshot::channel();
        *self.compiled.lock() = Some(reply);
        self.send(0, &Message::Compile { name, code });
        match tokio::time::timeout(COMPILE_TIME, receiver).await {
            Ok(Ok(cache)) => cache,
            _ => Vec::new(),
        }
    }

    /// The plugin in whose name a frame speaks. A frame in the name of one that is not here was not made by a sound
    /// process; the inner one is none if the agent itself has forgotten it meanwhile.
    fn member(&self, plugin: u32) -> Option<Option<Arc<Plugin>>> {
        self.members.lock().get(&plugin).map(|member| member.plugin.upgrade())
    }

    /// As [`Self::member`], and ends the process if there is none.
    fn speaker(&self, plugin: u32, frame: &str) -> Option<Arc<Plugin>> {
        match self.member(plugin) {
            Some(member) => member,
            None if Guard::FrameMember.stands() => {
                self.broke_the_rules(&format!("{frame} in the name of a plugin that is not in it"));
                None
            }
            None => self.common.anyone(plugin),
        }
    }

    /// Ends the process because of a frame that no sound sandbox process sends.
    fn broke_the_rules(&self, what: &str) {
        if !self.is_dead() && Guard::FrameNonsense.stands() {
            self.fault.lock().get_or_insert_with(|| format!("it sent {what}"));
            self.end();
        }
    }

    fn handle(self: &Arc<Self>, lane: usize, message: &Message<'_>) {
        match *message {
            Message::Result { plugin, call, ref result, cpu_ns, heap_peak } => {
                let result = result.as_ref().map(|json| (*json).to_owned()).map_err(CallFailure::clone);
                self.answer(plugin, call, Outcome::Answered { result, cpu_ns, heap_peak });
            }
            Message::NotLoaded { plugin, call } => self.answer(plugin, call, Outcome::NotLoaded),
            Message::HostCall { plugin, call, request, op, args } => {
                self.host_call(lane, (plugin, call, request), op, args);
            }
            Message::Log { plugin, call, level, message } => {
                let Some(member) = self.speaker(plugin, "a log line") else { return };
                let level = ["debug", "info", "warn", "error"].get(usize::from(level)).copied().unwrap_or("info");
                let Some(origin) = self.origin(plugin, call) else { return };
                let plugin = member.image.id.clone();
                self.common.host_calls.log(LogLine { plugin, origin, level, message: message.to_owned() });
            }
            Message::Loaded { plugin, ref declared, .. } => {
                let Some(member) = self.speaker(plugin, "the start") else { return };
                let is_awaited =
                    member.was_started(declared.as_ref().map(|json| (*json).into()).map_err(CallFailure::clone));
                // While it is sent here anew, the start of its last time may still be on its way.
                if !is_awaited && self.members.lock().get(&plugin).is_some_and(|member| member.loads == 1) {
                    self.broke_the_rules("the start of a plugin twice");
                }
            }
            Message::Disposed { plugin, ref failure } => {
                let Some(member) = self.speaker(plugin, "the end") else { return };
                self.common.host_calls.gone(&member.image.id);
                if self.dismiss(plugin) {
                    let of_plugin = self.requests.lock().remove(&plugin).unwrap_or_default();
                    let mut orphaned = self.orphaned.lock();
                    orphaned.retain(|task| !task.is_finished());
                    orphaned.extend(of_plugin.into_values());
                    drop(orphaned);
                    member.was_removed();
                } else {
                    member.starts_anew();
                }
                if let Some(failure) = failure {
                    self.common.host_calls.failed(&member.image.id, failure);
                }
            }
            Message::Pulse { isolates, heap } => {
                let mut pulses = self.pulses.lock();
                if pulses.is_empty() {
                    drop(pulses);
                    self.broke_the_rules("a pulse that it was not asked for");
                } else {
                    let _ = pulses.remove(0).send((isolates, heap));
                }
            }
            Message::Compiled { cache } => {
                let reply = self.compiled.lock().take();
                match reply {
                    Some(reply) => drop(reply.send(cache.to_vec())),
                    None => self.broke_the_rules("compiled code that it was not asked for"),
                }
            }
            Message::Sealed { ref layers } => self.was_sealed(layers),
            // What only the agent sends.
            Message::Load(_)
            | Message::Call { .. }
            | Message::HostResult { .. }
            | Message::Abort { .. }
            | Message::Dispose { .. }
            | Message::Compile { .. } => self.broke_the_rules("what only the agent says"),
        }
    }

    fn was_sealed(&self, layers: &[LayerReport]) {
        let is_first = self.layers.send_if_modified(|known| {
            let is_first = known.is_none();
            if is_first {
                *known = Some(layers.into());
            }
            is_first
        });
        if !is_first {
            self.broke_the_rules("twice what the kernel enforces on it");
            return;
        }
        let missing: Vec<LayerReport> = layers.iter().filter(|layer| !layer.is_enforced).cloned().collect();
        if !missing.is_empty() && !self.common.has_reported_layers.swap(true, Ordering::SeqCst) {
            self.common.host_calls.unsealed(&missing);
        }
        if self.missing_layer().is_some() {
            self.end();
        }
    }

    /// A layer that is required and not enforced.
    fn missing_layer(&self) -> Option<LayerReport> {
        let layers = self.layers.borrow().clone()?;
        layers.iter().find(|report| !report.is_enforced && self.common.required.contains(&report.layer)).cloned()
    }

    fn answer(&self, plugin: u32, call: u64, outcome: Outcome) {
        let mut calls = self.calls.lock();
        let whose = calls.get(call).map(|(whose, _)| whose);
        let is_forged = match whose {
            Some(whose) => whose != plugin,
            // One that is over for long; but not one that is yet to come.
            None => call > self.common.calls.last(),
        };
        if is_forged && Guard::FrameAnswer.stands() {
            drop(calls);
            self.broke_the_rules("an answer to what the plugin was not asked");
            return;
        }
        // It may come too late.
        if let Some(pending) = calls.end(call) {
            drop(calls);
            let _ = pending.reply.send(outcome);
        }
    }

    /// What caused a frame of `plugin`. `None` if it names the call of another plugin, which ends the process.
    fn origin(&self, plugin: u32, call: Option<u64>) -> Option<Option<CallOrigin>> {
        let Some(call) = call else { return Some(None) };
        let calls = self.calls.lock();
        match calls.get(call) {
            Some((whose, origin)) if whose == plugin || !Guard::FrameAnswer.stands() => Some(Some(origin.clone())),
            Some(_) => {
                drop(calls);
                self.broke_the_rules("a frame on behalf of another plugin's call");
                None
            }
            None => Some(None),
        }
    }

    fn host_call(
        self: &Arc<Self>,
        lane: usize,
        (plugin, call, request): (u32, Option<u64>, u64),
        op: &str,
        args: &str,
    ) {
        let Some(member) = self.speaker(plugin, "a host call") else { return };
        let Some(origin) = self.origin(plugin, call) else { return };
        let pending = member.image.limits.pending;
        let call = HostCall { plugin: member.image.id.clone(), origin, op: op.to_owned(), args: args.to_owned() };
        let weak = Arc::downgrade(self);
        let common = Arc::clone(&self.common);
        // The table is held until the task is in it, so that the task does not take itself out before.
        let mut requests = self.requests.lock();
        let is_forged = requests.get(&plugin).is_some_and(|of_plugin| {
            // The isolate bounds them and numbers them in turn, so a frame that does not was not made by it.
            of_plugin.contains_key(&request) || of_plugin.len() > pending
        });
        if is_forged {
            drop(requests);
            self.broke_the_rules("more host calls than an isolate makes");
            return;
        }
        // After its end nobody empties the table again.
        if self.is_dead() {
            return;
        }
        let task = tokio::spawn(async move {
            let result = common.host_calls.call(call).await;
            let Some(host) = weak.upgrade() else { return };
            let error = result.as_ref().err().map(|error| serde_json::to_string(error).unwrap_or_default());
            let result = match (&result, &error) {
                (Ok(json), _) => Ok(json.as_str()),
                (Err(_), error) => Err(error.as_deref().unwrap_or("{}")),
            };
            host.requests.lock().get_mut(&plugin).map(|of_plugin| of_plugin.remove(&request));
            host.send(lane, &Message::HostResult { plugin, request, result });
        });
        requests.entry(plugin).or_default().insert(request, task);
    }

    /// Ends the process because a call of `plugin` on `lane` is past every limit.
    pub(crate) fn end_unresponsive(&self, lane: usize, plugin: u32) {
        let guilty = self.running(lane).unwrap_or(plugin);
        let _ = self.unresponsive.compare_exchange(0, u64::from(guilty) + 1, Ordering::SeqCst, Ordering::SeqCst);
        self.end();
    }

    /// Ends the process because it is not needed any more.
    pub(crate) fn end_in_peace(&self) {
        self.is_wanted_dead.store(true, Ordering::SeqCst);
        self.end();
    }

    /// Ends the process if it has not ended yet, finds out who is to blame, and answers everything that waits for it.
    fn end(&self) {
        if self.is_dead.swap(true, Ordering::SeqCst) {
            return;
        }
        drop(self.lifeline.lock().take());
        let status = self.child.lock().take().and_then(|mut child| {
            // It may be in the middle of ending by itself; killing it then changes nothing.
            let exited = child.try_wait().ok().flatten();
            if exited.is_none() && !(self.has_last_words() && verdict::ends_by_itself(&mut child)) {
                let _ = child.kill();
            }
            child.wait().ok()
        });
        let requests: Vec<_> =
            self.requests.lock().drain().flat_map(|(_, of_plugin)| of_plugin.into_values()).collect();
        requests.into_iter().chain(self.orphaned.lock().drain(..)).for_each(|task| task.abort());
        // Whoever asked for these hears that there is no answer.
        self.pulses.lock().clear();
        self.compiled.lock().take();
        self.layers.send_modify(|_| ());
        let verdict = self.judge(status);
        let members: Vec<Arc<Plugin>> =
            self.members.lock().drain().filter_map(|(_, member)| member.plugin.upgrade()).collect();
        if let Some(reason) = &verdict.reason {
            let ids: Vec<_> = members.iter().map(|member| member.image.id.clone()).collect();
            self.common.host_calls.process_ended(&ids, reason);
        }
        for member in &members {
            self.common.host_calls.gone(&member.image.id);
            member.was_removed();
            if verdict.suspects.contains(&member.number) {
                member.runs_alone.store(true, Ordering::SeqCst);
            }
        }
        let pending = std::mem::take(&mut self.calls.lock().pending);
        let mut unreported: Vec<u32> = verdict.guilty.iter().map(|(plugin, _)| *plugin).collect();
        for (_, pending) in pending {
            let reason = verdict.guilty.iter().find(|(plugin, _)| *plugin == pending.plugin);
            unreported.retain(|plugin| *plugin != pending.plugin);
            let failure = match reason {
                Some((_, reason)) => CallFailure::Crashed { reason: reason.clone() },
                None => verdict.unavailable.clone().unwrap_or(CallFailure::Lost),
            };
            let _ = pending.reply.send(Outcome::Answered { result: Err(failure), cpu_ns: 0, heap_peak: 0 });
        }
        for member in members.iter().filter(|member| unreported.contains(&member.number)) {
            let reason = verdict.guilty.iter().find(|(plugin, _)| *plugin == member.number);
            if let Some((_, reason)) = reason {
                self.common.host_calls.failed(&member.image.id, &CallFailure::Crashed { reason: reason.clone() });
            }
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.end_in_peace();
        for reader in self.readers.get_mut().drain(..) {
            reader.abort();
        }
    }
}
