//! A lane: one thread, one socket to the agent, and the isolates that are pinned to it.
//!
//! The thread sleeps in a read from its socket (or in `poll`, while a timer or a deadline is pending), handles one
//! message at a time, and writes what came of it back before it sleeps again. Nothing is shared with other lanes, so a
//! message crosses one thread on its way to V8 and back.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Arc, mpsc};

use mimir_shared_config::Limits;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::image::{CallFailure, CallKind, Limit, Thrown};
use crate::isolate::natives::Status;
use crate::isolate::{Dispatch, Entered, PluginIsolate, compile_for_cache, engine};
use crate::message::{Inbox, Load, Message};
use crate::watchdog::{Allowance, LaneWatch, STALL_NS, monotonic_ns};

/// How much is read at once.
const READ_CHUNK: usize = 64 << 10;

/// What becomes due at some time.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Start { plugin: u32 },
    Call { plugin: u32, call: u64 },
    Timer { plugin: u32, timer: u32 },
}

/// A call that has not answered at once.
struct Running {
    deadline_ns: u64,
    wall_ms: u64,
    cpu_ns: u64,
}

/// A call that came before the plugin's start was over.
struct Queued {
    call: u64,
    kind: CallKind,
    name: String,
    session: String,
    payload: String,
    wall_ms: u64,
}

enum Phase {
    /// Its function has not returned yet.
    Starting {
        queued: Vec<Queued>,
        cpu_ns: u64,
    },
    Ready,
}

struct Plugin {
    isolate: PluginIsolate,
    limits: Limits,
    phase: Phase,
    running: HashMap<u64, Running>,
}

/// What an entry was made for.
#[derive(Clone, Copy)]
struct Entry {
    plugin: u32,
    call: Option<u64>,
    /// The call's time in milliseconds, for the report.
    wall_ms: u64,
}

pub(crate) struct Lane {
    socket: UnixStream,
    inbox: Inbox,
    outgoing: Rc<RefCell<Vec<u8>>>,
    watch: Arc<LaneWatch>,
    plugins: HashMap<u32, Plugin>,
    due: BinaryHeap<Reverse<(u64, Due)>>,
    /// Until when it is known whether the lane had its time.
    accounted_ns: u64,
    spare: Option<PluginIsolate>,
    ran_a_plugin: bool,
}

impl Lane {
    pub(crate) fn new(socket: UnixStream, watch: Arc<LaneWatch>) -> Self {
        Self {
            socket,
            inbox: Inbox::default(),
            outgoing: Rc::default(),
            watch,
            plugins: HashMap::new(),
            due: BinaryHeap::new(),
            accounted_ns: 0,
            spare: None,
            ran_a_plugin: false,
        }
    }

    /// Keeps an isolate ready for the first plugin that comes.
    pub(crate) fn warm_up(&mut self) {
        self.spare = Some(PluginIsolate::new(&Limits::default(), Rc::clone(&self.outgoing)));
    }

    /// Serves until the agent closes its end.
    pub(crate) fn run(mut self) -> io::Result<()> {
        while self.turn()? {}
        Ok(())
    }

    /// Waits for something to do and does it; false once the agent has closed its end.
    fn turn(&mut self) -> io::Result<bool> {
        self.run_due();
        self.flush()?;
        if !self.wait()? {
            return Ok(true);
        }
        let buffer = self.inbox.buffer();
        buffer.reserve(READ_CHUNK);
        let read = match rustix::io::read(&self.socket, rustix::buffer::spare_capacity(buffer)) {
            Ok(read) => read,
            Err(rustix::io::Errno::INTR) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        if read == 0 {
            return Ok(false);
        }
        if self.due.is_empty() {
            // It may have slept for as long as it liked
            self.accounted_ns = monotonic_ns();
        }
        // The inbox is taken out for the time being: messages borrow from it while the lane changes.
        let mut inbox = std::mem::take(&mut self.inbox);
        loop {
            match inbox.next() {
                Ok(Some(message)) => self.handle(&message),
                Ok(None) => break,
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
            self.flush()?;
        }
        self.inbox = inbox;
        Ok(true)
    }

    /// Waits until there is something to read (true) or something is due (false).
    fn wait(&mut self) -> io::Result<bool> {
        // What is over by now is not waited for: a read costs less than a poll and a read.
        while self.due.peek().is_some_and(|Reverse((_, due))| self.is_over(due)) {
            self.due.pop();
        }
        let Some(at) = self.due.peek().map(|Reverse((at, _))| *at) else { return Ok(true) };
        let before = monotonic_ns();
        self.account(before);
        let mut left = at.saturating_sub(before);
        if self.plugins.values().any(|it| !it.running.is_empty() || matches!(it.phase, Phase::Starting { .. })) {
            // In steps, so that a time in which nobody ran is noticed
            left = left.min(STALL_NS);
        }
        let timeout =
            Timespec { tv_sec: (left / 1_000_000_000).cast_signed(), tv_nsec: (left % 1_000_000_000).cast_signed() };
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        let is_readable = match poll(&mut fds, Some(&timeout)) {
            Ok(ready) => ready > 0,
            Err(rustix::io::Errno::INTR) => false,
            Err(error) => return Err(error.into()),
        };
        self.accounted_ns = before + left;
        self.account(monotonic_ns());
        Ok(is_readable)
    }

    /// What the lane does beside waiting and running isolates takes no time worth speaking of, unless nobody runs meanwhile.
    fn account(&mut self, now: u64) {
        let lost = now.saturating_sub(self.accounted_ns);
        if lost > STALL_NS {
            self.postpone(lost);
        }
        self.accounted_ns = now;
    }

    /// Gives the starts and calls under way the time back that nobody had. A timer is about the time of day, which went on.
    fn postpone(&mut self, lost: u64) {
        let later = |Reverse((at, due)): Reverse<(u64, Due)>| match due {
            Due::Timer { .. } => Reverse((at, due)),
            Due::Start { .. } | Due::Call { .. } => Reverse((at + lost, due)),
        };
        self.due = std::mem::take(&mut self.due).into_iter().map(later).collect();
        for running in self.plugins.values_mut().flat_map(|plugin| plugin.running.values_mut()) {
            running.deadline_ns += lost;
        }
    }

    fn is_over(&self, due: &Due) -> bool {
        match *due {
            Due::Start { plugin } => {
                self.plugins.get(&plugin).is_none_or(|plugin| matches!(plugin.phase, Phase::Ready))
            }
            Due::Call { plugin, call } => {
                self.plugins.get(&plugin).is_none_or(|plugin| !plugin.running.contains_key(&call))
            }
            Due::Timer { plugin, timer } => self
                .plugins
                .get(&plugin)
                .is_none_or(|plugin| !plugin.isolate.shared().timers.borrow().contains_key(&timer)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut outgoing = self.outgoing.borrow_mut();
        if !outgoing.is_empty() {
            self.socket.write_all(&outgoing)?;
            outgoing.clear();
            outgoing.shrink_to(1 << 20);
        }
        Ok(())
    }

    fn send(&self, message: &Message<'_>) {
        message.encode(&mut self.outgoing.borrow_mut());
    }

    /// Moves what would be sent to `into`.
    pub(crate) fn take_outgoing(&self, into: &mut Vec<u8>) {
        into.append(&mut self.outgoing.borrow_mut());
    }

    pub(crate) fn handle(&mut self, message: &Message<'_>) {
        match *message {
            Message::Load(ref load) => self.load(load),
            Message::Call { plugin, call, kind, name, session, payload, wall_ms } => {
                self.call(plugin, call, Dispatch { kind, name, session, payload }, wall_ms);
            }
            Message::HostResult { plugin, request, result } => self.host_result(plugin, request, result),
            Message::Abort { plugin, call } => self.abort(plugin, call),
            Message::Dispose { plugin } => self.dispose(plugin),
            Message::Compile { name, code } => {
                // A cache is only worth trusting where no plugin can have touched V8's heap.
                let cache = if self.ran_a_plugin { None } else { compile_for_cache(name, code) };
                self.send(&Message::Compiled { cache: &cache.unwrap_or_default() });
            }
            Message::Pulse { .. } => {
                let heap = self.plugins.values().map(|plugin| plugin.isolate.heap_peak() as u64).sum();
                self.send(&Message::Pulse { isolates: self.plugins.len() as u32, heap });
            }
            // What only the sandbox sends.
            Message::Result { .. }
            | Message::HostCall { .. }
            | Message::Log { .. }
            | Message::Loaded { .. }
            | Message::NotLoaded { .. }
            | Message::Disposed { .. }
            | Message::Compiled { .. }
            | Message::Sealed { .. } => {}
        }
    }

    fn load(&mut self, load: &Load<'_>) {
        self.ran_a_plugin = true;
        // The agent disposes of a plugin before it sends it anew; two of one number would be one too many.
        self.remove(load.plugin, &CallFailure::Interrupted);
        let defaults = Limits::default();
        let fits_spare = load.limits.heap == defaults.heap && load.limits.off_heap == defaults.off_heap;
        let mut isolate = match self.spare.take() {
            Some(spare) if fits_spare => spare,
            _ => PluginIsolate::new(&load.limits, Rc::clone(&self.outgoing)),
        };
        isolate.assign(load, &self.watch);
        let deadline_ns = monotonic_ns() + nanoseconds(load.limits.init.as_millis());
        // Its start may take all of its time as CPU time: parsing a large bundle is no runaway.
        let allowance = Allowance { cpu_ns: nanoseconds(load.limits.init.as_millis()), deadline_ns };
        let (entered, compiled) = isolate.start(load, &self.watch, allowance);
        let plugin = Plugin {
            isolate,
            limits: load.limits.clone(),
            phase: Phase::Starting { queued: Vec::new(), cpu_ns: 0 },
            running: HashMap::new(),
        };
        self.plugins.insert(load.plugin, plugin);
        self.due.push(Reverse((deadline_ns, Due::Start { plugin: load.plugin })));
        if let Err(thrown) = compiled
            && entered.stopped.is_none()
        {
            self.start_failed(load.plugin, &CallFailure::Start(thrown), entered.cpu_ns);
            return;
        }
        self.after(Entry { plugin: load.plugin, call: None, wall_ms: 0 }, &entered);
    }

    fn call(&mut self, number: u32, call: u64, dispatch: Dispatch<'_>, wall_ms: u64) {
        let Some(plugin) = self.plugins.get_mut(&number) else {
            self.send(&Message::NotLoaded { plugin: number, call });
            return;
        };
        if let Phase::Starting { queued, .. } = &mut plugin.phase {
            let Dispatch { kind, name, session, payload } = dispatch;
            queued.push(Queued {
                call,
                kind,
                name: name.to_owned(),
                session: session.to_owned(),
                payload: payload.to_owned(),
                wall_ms,
            });
            return;
        }
        let deadline_ns = monotonic_ns() + nanoseconds(wall_ms.into());
        let allowance = Allowance { cpu_ns: nanoseconds(plugin.limits.cpu.as_millis()), deadline_ns };
        let entered = plugin.isolate.dispatch(dispatch, call, &self.watch, allowance);
        let has_answered = plugin.isolate.shared().settled.borrow().iter().any(|settled| settled.call == call);
        if !has_answered {
            plugin.running.insert(call, Running { deadline_ns, wall_ms, cpu_ns: 0 });
            self.due.push(Reverse((deadline_ns, Due::Call { plugin: number, call })));
        }
        self.after(Entry { plugin: number, call: Some(call), wall_ms }, &entered);
    }

    fn host_result(&mut self, number: u32, request: u64, result: Result<&str, &str>) {
        let Some(plugin) = self.plugins.get_mut(&number) else { return };
        let Some(call) = plugin.isolate.shared().end_request(request) else { return };
        let running = call.and_then(|call| plugin.running.get(&call));
        let now = monotonic_ns();
        let event = plugin.limits.event.as_millis();
        let deadline_ns = running.map_or(now + nanoseconds(event), |running| running.deadline_ns);
        let wall_ms = running.map_or(event as u64, |running| running.wall_ms);
        let allowance = Allowance { cpu_ns: nanoseconds(plugin.limits.cpu.as_millis()), deadline_ns };
        let entered = plugin.isolate.host_result(request, result, &self.watch, allowance);
        self.after(Entry { plugin: number, call, wall_ms }, &entered);
    }

    fn run_due(&mut self) {
        // What becomes due meanwhile waits: timers that set themselves again must not starve the socket.
        let now = monotonic_ns();
        self.account(now);
        while self.due.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Some(Reverse((_, due))) = self.due.pop() else { return };
            match due {
                Due::Start { plugin } => self.start_is_due(plugin),
                Due::Call { plugin, call } => self.call_is_due(plugin, call),
                Due::Timer { plugin, timer } => self.timer_is_due(plugin, timer, now),
            }
            if self.flush().is_err() {
                return;
            }
        }
    }

    fn start_is_due(&mut self, number: u32) {
        let Some(plugin) = self.plugins.get(&number) else { return };
        if let Phase::Starting { cpu_ns, .. } = plugin.phase {
            let bound = plugin.limits.init.as_millis() as u64;
            self.start_failed(number, &CallFailure::Limit { limit: Limit::Init, bound }, cpu_ns);
        }
    }

    fn call_is_due(&mut self, number: u32, call: u64) {
        let Some(plugin) = self.plugins.get_mut(&number) else { return };
        let Some(running) = plugin.running.get(&call) else { return };
        let bound = running.wall_ms;
        self.abort_running(number, call, "the time is up", CallFailure::Limit { limit: Limit::Time, bound });
    }

    fn abort(&mut self, number: u32, call: u64) {
        self.abort_running(number, call, "the caller gave up", CallFailure::Interrupted);
    }

    /// Fires the call's signal and answers for it. An answer that the plugin gives after this is dropped.
    fn abort_running(&mut self, number: u32, call: u64, reason: &str, failure: CallFailure) {
        let Some(plugin) = self.plugins.get_mut(&number) else { return };
        let Some(running) = plugin.running.remove(&call) else { return };
        let cpu = plugin.limits.cpu.as_millis();
        let allowance = Allowance { cpu_ns: nanoseconds(cpu), deadline_ns: monotonic_ns() + nanoseconds(cpu) };
        let entered = plugin.isolate.abort(call, reason, &self.watch, allowance);
        let heap_peak = plugin.isolate.heap_peak() as u64;
        let cpu_ns = running.cpu_ns + entered.cpu_ns;
        self.send(&Message::Result { plugin: number, call, result: Err(failure), cpu_ns, heap_peak });
        self.after(Entry { plugin: number, call: None, wall_ms: cpu as u64 }, &entered);
    }

    fn timer_is_due(&mut self, number: u32, timer: u32, now: u64) {
        let Some(plugin) = self.plugins.get_mut(&number) else { return };
        let shared = plugin.isolate.shared();
        let Some(period) = shared.timers.borrow().get(&timer).copied() else { return };
        match period {
            Some(period) => self.due.push(Reverse((now + period.max(1), Due::Timer { plugin: number, timer }))),
            None => {
                shared.timers.borrow_mut().remove(&timer);
            }
        }
        let wall = plugin.limits.event.as_millis();
        let deadline_ns = monotonic_ns() + nanoseconds(wall);
        let allowance = Allowance { cpu_ns: nanoseconds(plugin.limits.cpu.as_millis()), deadline_ns };
        let entered = plugin.isolate.fire_timer(timer, &self.watch, allowance);
        self.after(Entry { plugin: number, call: None, wall_ms: wall as u64 }, &entered);
    }

    fn dispose(&mut self, number: u32) {
        if let Some(plugin) = self.plugins.get_mut(&number) {
            if matches!(plugin.phase, Phase::Ready) {
                let cpu_ns = nanoseconds(plugin.limits.cpu.as_millis());
                let allowance = Allowance { cpu_ns, deadline_ns: monotonic_ns() + cpu_ns };
                plugin.isolate.dispose(&self.watch, allowance);
            }
            // Says that it is gone; where it was gone already, that has been said.
            self.remove(number, &CallFailure::Interrupted);
        }
    }

    /// Sends what an entry brought about, and ends the plugin if it was stopped.
    fn after(&mut self, entry: Entry, entered: &Entered) {
        let [began, ended] = entered.at_ns;
        self.account(began);
        self.accounted_ns = ended;
        if entered.lost_ns > 0 {
            self.postpone(entered.lost_ns);
        }
        let Some(plugin) = self.plugins.get_mut(&entry.plugin) else { return };
        let shared = plugin.isolate.shared();
        let now = monotonic_ns();
        for new in shared.new_timers.borrow_mut().drain(..) {
            let at = now + (new.milliseconds * 1e6) as u64;
            self.due.push(Reverse((at, Due::Timer { plugin: entry.plugin, timer: new.timer })));
        }
        if let Phase::Starting { cpu_ns, .. } = &mut plugin.phase {
            *cpu_ns += entered.cpu_ns;
        }
        if let Some(call) = entry.call
            && let Some(running) = plugin.running.get_mut(&call)
        {
            running.cpu_ns += entered.cpu_ns;
        }
        let heap_peak = plugin.isolate.heap_peak() as u64;
        let output = plugin.limits.output as u64;
        let settled = std::mem::take(&mut *shared.settled.borrow_mut());
        let started = if entered.stopped.is_none() { shared.started.borrow_mut().take() } else { None };
        for answer in settled {
            let is_of_entry = entry.call == Some(answer.call);
            let cpu_ns = match plugin.running.remove(&answer.call) {
                Some(running) => running.cpu_ns,
                None if is_of_entry => entered.cpu_ns,
                // It was answered for already, when its time was up.
                None => continue,
            };
            let result = match (&answer.text, answer.status) {
                (Some(text), Status::Done) => Ok(text.as_str()),
                (None, _) => Err(CallFailure::Limit { limit: Limit::Output, bound: output }),
                (Some(text), Status::Threw | Status::NoPlugin) => Err(CallFailure::Threw(thrown_from(text))),
                (Some(text), Status::Invalid) => Err(CallFailure::Invalid { message: thrown_from(text).message }),
            };
            Message::Result { plugin: entry.plugin, call: answer.call, result, cpu_ns, heap_peak }
                .encode(&mut self.outgoing.borrow_mut());
        }
        if let Some(limit) = entered.stopped {
            self.stopped(entry, limit);
            return;
        }
        if let Some(thrown) = &entered.thrown {
            self.prelude_threw(entry, thrown);
        }
        if let Some((status, text)) = started {
            self.started(entry.plugin, status, text);
        }
    }

    /// The prelude itself threw: the stack ran out, or memory did. The call has no answer from it.
    fn prelude_threw(&mut self, entry: Entry, thrown: &Thrown) {
        let Some(plugin) = self.plugins.get_mut(&entry.plugin) else { return };
        if let Phase::Starting { cpu_ns, .. } = plugin.phase {
            self.start_failed(entry.plugin, &CallFailure::Start(thrown.clone()), cpu_ns);
            return;
        }
        let Some(call) = entry.call else { return };
        if let Some(running) = plugin.running.remove(&call) {
            let heap_peak = plugin.isolate.heap_peak() as u64;
            let result = Err(CallFailure::Threw(thrown.clone()));
            self.send(&Message::Result { plugin: entry.plugin, call, result, cpu_ns: running.cpu_ns, heap_peak });
        }
    }

    fn started(&mut self, number: u32, status: Status, text: Option<String>) {
        let Some(plugin) = self.plugins.get_mut(&number) else { return };
        let Phase::Starting { cpu_ns, .. } = plugin.phase else { return };
        let text = text.unwrap_or_default();
        if status != Status::Done {
            self.start_failed(number, &CallFailure::Start(thrown_from(&text)), cpu_ns);
            return;
        }
        let phase = std::mem::replace(&mut plugin.phase, Phase::Ready);
        self.send(&Message::Loaded { plugin: number, declared: Ok(&text), cpu_ns });
        if let Phase::Starting { queued, .. } = phase {
            for queued in queued {
                let Queued { call, kind, name, session, payload, wall_ms } = &queued;
                self.call(number, *call, Dispatch { kind: *kind, name, session, payload }, *wall_ms);
            }
        }
    }

    fn start_failed(&mut self, number: u32, failure: &CallFailure, cpu_ns: u64) {
        self.send(&Message::Loaded { plugin: number, declared: Err(failure.clone()), cpu_ns });
        self.remove(number, failure);
    }

    /// A limit stopped the isolate in the middle of something: what is in it can't be trusted to make sense.
    fn stopped(&mut self, entry: Entry, limit: Limit) {
        let Some(plugin) = self.plugins.get(&entry.plugin) else { return };
        if let Phase::Starting { cpu_ns, .. } = plugin.phase {
            let bound = plugin.limits.init.as_millis() as u64;
            let failure = match limit {
                Limit::Heap => CallFailure::Limit { limit, bound: plugin.limits.heap as u64 },
                _ => CallFailure::Limit { limit: Limit::Init, bound },
            };
            self.start_failed(entry.plugin, &failure, cpu_ns);
            return;
        }
        let bound = match limit {
            Limit::Cpu => plugin.limits.cpu.as_millis() as u64,
            Limit::Time | Limit::Init => entry.wall_ms,
            Limit::Heap => plugin.limits.heap as u64,
            Limit::OffHeap => plugin.limits.off_heap as u64,
            Limit::Output => plugin.limits.output as u64,
        };
        self.remove(entry.plugin, &CallFailure::Limit { limit, bound });
    }

    /// Frees a plugin's isolate and answers its calls with `failure`. That it is gone is said first, so that the next
    /// call starts it anew.
    fn remove(&mut self, number: u32, failure: &CallFailure) {
        let Some(mut plugin) = self.plugins.remove(&number) else { return };
        self.watch.forget(number);
        let calls = std::mem::take(&mut plugin.running);
        // Why a start failed is said by `Loaded`, and whoever called is told so, also where the call comes too late.
        let (queued, is_told) = match &mut plugin.phase {
            Phase::Starting { queued, .. } => (std::mem::take(queued), true),
            Phase::Ready => (Vec::new(), !calls.is_empty()),
        };
        let is_failure = !matches!(failure, CallFailure::Interrupted);
        let reported = (!is_told && is_failure).then(|| failure.clone());
        self.send(&Message::Disposed { plugin: number, failure: reported });
        let heap_peak = plugin.isolate.heap_peak() as u64;
        let answer = |call, cpu_ns| {
            let result = Err(failure.clone());
            self.send(&Message::Result { plugin: number, call, result, cpu_ns, heap_peak });
        };
        for (call, running) in &calls {
            answer(*call, running.cpu_ns);
        }
        for queued in queued {
            answer(queued.call, 0);
        }
    }
}

fn nanoseconds(milliseconds: u128) -> u64 {
    u64::try_from(milliseconds * 1_000_000).unwrap_or(u64::MAX / 2)
}

/// The prelude's description of an error.
fn thrown_from(text: &str) -> Thrown {
    let fallback = || Thrown { name: "Error".into(), message: "an error without a description".into(), stack: None };
    serde_json::from_str(text).unwrap_or_else(|_| fallback())
}

/// Opens a lane of a sandbox process, once that process is sealed.
pub(crate) struct Gate {
    /// Frames to send before anything else.
    pub(crate) first_words: Vec<u8>,
    /// Whether it may read what the agent sends.
    pub(crate) is_open: bool,
}

/// Runs a lane on the calling thread until the agent closes its end. What is behind a gate waits for it.
pub(crate) fn run_on_this_thread(
    index: usize,
    socket: UnixStream,
    watch: Arc<LaneWatch>,
    warm: bool,
    gate: Option<&mpsc::Receiver<Gate>>,
) {
    engine::enter_lane(index);
    let mut lane = Lane::new(socket, watch);
    if warm {
        lane.warm_up();
    }
    if let Some(gate) = gate {
        let Ok(Gate { mut first_words, is_open }) = gate.recv() else { return };
        lane.outgoing.borrow_mut().append(&mut first_words);
        if !is_open {
            // The process ends next; whoever reads this knows why.
            let _ = lane.flush();
            return;
        }
    }
    // An agent that is gone, or talks nonsense, is nobody to tell about it.
    let _ = lane.run();
}
