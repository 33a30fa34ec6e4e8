//! One sandbox process (or its stand-in on threads) as the agent sees it: its calls under way, its members, its end.

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::error::SandboxError;
use crate::image::{CallFailure, CallOrigin};
use crate::message::Message;
use crate::page::{Fatal, Page};
use crate::plugin::Plugin;
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

    fn origin(&self, plugin: u32, call: Option<u64>) -> Option<CallOrigin> {
        let call = call?;
        let of_call = match self.pending.get(&call) {
            Some(pending) => (pending.plugin, &pending.origin),
            None => self.ended.get(&call).map(|(plugin, origin)| (*plugin, origin))?,
        };
        // Another plugin's call is none of its business.
        (of_call.0 == plugin).then(|| of_call.1.clone())
    }
}

/// One sandbox process.
pub(crate) struct Host {
    child: Mutex<Option<Child>>,
    pid: Option<u32>,
    page: Arc<Page>,
    lifeline: Mutex<Option<OwnedFd>>,
    links: Vec<Arc<Link>>,
    calls: Mutex<Calls>,
    members: Mutex<HashMap<u32, Weak<Plugin>>>,
    /// Host calls under way, by plugin and request.
    requests: Mutex<HashMap<u32, HashMap<u64, JoinHandle<()>>>>,
    readers: Mutex<Vec<JoinHandle<()>>>,
    calls_of_host: Arc<dyn HostCalls>,
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
    pub(crate) fn new(spawned: Spawned, calls_of_host: Arc<dyn HostCalls>) -> Result<Arc<Self>, SandboxError> {
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
            readers: Mutex::default(),
            calls_of_host,
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
                // Whatever ended it, a torn frame too: a process that is not understood is replaced.
                let _ = link.receive(handle).await;
                if let Some(host) = weak.upgrade() {
                    host.end();
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
        self.members.lock().insert(plugin.number, Arc::downgrade(plugin));
    }

    pub(crate) fn dismiss(&self, plugin: u32) {
        self.members.lock().remove(&plugin);
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

    fn member(&self, plugin: u32) -> Option<Arc<Plugin>> {
        self.members.lock().get(&plugin)?.upgrade()
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
                let Some(member) = self.member(plugin) else { return };
                let level = ["debug", "info", "warn", "error"].get(usize::from(level)).copied().unwrap_or("info");
                let origin = self.calls.lock().origin(plugin, call);
                let plugin = member.image.id.clone();
                self.calls_of_host.log(LogLine { plugin, origin, level, message: message.to_owned() });
            }
            Message::Loaded { plugin, ref declared, .. } => {
                if let Some(member) = self.member(plugin) {
                    member.was_started(declared.as_ref().map(|json| (*json).into()).map_err(CallFailure::clone));
                }
            }
            Message::Disposed { plugin, ref failure } => {
                let Some(member) = self.member(plugin) else { return };
                self.dismiss(plugin);
                // What it asked for at its end still goes on; only the empty table is cleared away.
                self.requests.lock().retain(|_, of_plugin| !of_plugin.is_empty());
                member.was_removed();
                if let Some(failure) = failure {
                    self.calls_of_host.failed(&member.image.id, failure);
                }
            }
            Message::Pulse { isolates, heap } => {
                let mut pulses = self.pulses.lock();
                if !pulses.is_empty() {
                    let _ = pulses.remove(0).send((isolates, heap));
                }
            }
            Message::Compiled { cache } => {
                if let Some(reply) = self.compiled.lock().take() {
                    let _ = reply.send(cache.to_vec());
                }
            }
            // What only the agent sends.
            Message::Load(_)
            | Message::Call { .. }
            | Message::HostResult { .. }
            | Message::Abort { .. }
            | Message::Dispose { .. }
            | Message::Compile { .. } => self.end(),
        }
    }

    fn answer(&self, plugin: u32, call: u64, outcome: Outcome) {
        let mut calls = self.calls.lock();
        // An answer to a call of another plugin is forged; one to no call at all came too late.
        if calls.pending.get(&call).is_none_or(|pending| pending.plugin != plugin) {
            return;
        }
        if let Some(pending) = calls.end(call) {
            drop(calls);
            let _ = pending.reply.send(outcome);
        }
    }

    fn host_call(
        self: &Arc<Self>,
        lane: usize,
        (plugin, call, request): (u32, Option<u64>, u64),
        op: &str,
        args: &str,
    ) {
        // A frame in the name of a plugin that is not in this process.
        let Some(member) = self.member(plugin) else { return };
        let pending = member.image.limits.pending;
        let origin = self.calls.lock().origin(plugin, call);
        let call = HostCall { plugin: member.image.id.clone(), origin, op: op.to_owned(), args: args.to_owned() };
        let weak = Arc::downgrade(self);
        let calls_of_host = Arc::clone(&self.calls_of_host);
        // The table is held until the task is in it, so that the task does not take itself out before.
        let mut requests = self.requests.lock();
        let is_forged = requests.get(&plugin).is_some_and(|of_plugin| {
            // The isolate bounds them and numbers them in turn, so a frame that does not was not made by it.
            of_plugin.contains_key(&request) || of_plugin.len() > pending
        });
        // After its end nobody empties the table again.
        if is_forged || self.is_dead() {
            return;
        }
        let task = tokio::spawn(async move {
            let result = calls_of_host.call(call).await;
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
            if exited.is_none() && !self.has_last_words() {
                let _ = child.kill();
            }
            child.wait().ok()
        });
        for (_, of_plugin) in self.requests.lock().drain() {
            of_plugin.into_values().for_each(|task| task.abort());
        }
        // Whoever asked for these hears that there is no answer.
        self.pulses.lock().clear();
        self.compiled.lock().take();
        let verdict = self.judge(status);
        let members: Vec<Arc<Plugin>> = self.members.lock().drain().filter_map(|(_, weak)| weak.upgrade()).collect();
        for member in &members {
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
                None => CallFailure::Lost,
            };
            let _ = pending.reply.send(Outcome::Answered { result: Err(failure), cpu_ns: 0, heap_peak: 0 });
        }
        for member in members.iter().filter(|member| unreported.contains(&member.number)) {
            let reason = verdict.guilty.iter().find(|(plugin, _)| *plugin == member.number);
            if let Some((_, reason)) = reason {
                self.calls_of_host.failed(&member.image.id, &CallFailure::Crashed { reason: reason.clone() });
            }
        }
    }

    fn has_last_words(&self) -> bool {
        (0..self.links.len()).any(|lane| self.page.state(lane).fatal != Fatal::None)
    }

    fn reason_of(&self, fatal: Fatal, plugin: u32) -> Option<String> {
        let limits = self.member(plugin).map(|member| member.image.limits.clone()).unwrap_or_default();
        match fatal {
            Fatal::None => None,
            Fatal::StuckCpu => {
                Some(format!("it was past its {} ms of CPU time and could not be stopped", limits.cpu.as_millis()))
            }
            Fatal::StuckTime => Some("it was past its time and could not be stopped".to_owned()),
            Fatal::OutOfMemory => {
                Some(format!("V8 ran out of memory (the limit is {} MiB of heap)", limits.heap >> 20))
            }
            Fatal::Broken => Some("V8 stopped at a fatal error".to_owned()),
        }
    }

    fn judge(&self, status: Option<ExitStatus>) -> Verdict {
        let mut verdict = Verdict::default();
        if self.is_wanted_dead.load(Ordering::SeqCst) {
            return verdict;
        }
        let states = || (0..self.links.len()).map(|lane| self.page.state(lane));
        for state in states() {
            if let (Some(plugin), fatal) = (state.plugin, state.fatal)
                && let Some(reason) = self.reason_of(fatal, plugin)
            {
                verdict.guilty.push((plugin, reason));
            }
        }
        if let Some(plugin) = self.unresponsive.load(Ordering::SeqCst).checked_sub(1) {
            let reason = "it did not answer, and did not react to being stopped".to_owned();
            verdict.guilty.push((plugin as u32, reason));
        }
        if !verdict.guilty.is_empty() {
            return verdict;
        }
        let Some(status) = status else { return verdict };
        // Somebody else killed it; no plugin can do that to its own process.
        if status.signal() == Some(libc::SIGKILL) {
            return verdict;
        }
        let running: Vec<u32> = states().filter_map(|state| state.plugin).collect();
        match running[..] {
            [plugin] => verdict.guilty.push((plugin, format!("the process crashed ({status})"))),
            _ => verdict.suspects = running,
        }
        verdict
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

/// Who brought a process down.
#[derive(Default)]
struct Verdict {
    guilty: Vec<(u32, String)>,
    /// One of these did it.
    suspects: Vec<u32>,
}
