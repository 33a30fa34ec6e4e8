//! One plugin as the sandbox keeps it: its image, where it runs, and the way to call it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use mimir_shared_platform::within;
use parking_lot::Mutex;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{oneshot, watch};

use crate::host::{Host, Outcome};
use crate::image::{Call, CallFailure, CallKind, CallReply, PluginImage};
use crate::message::{Load, Message};
use crate::sandbox::Sandbox;

/// What a plugin returned at its start, as JSON text, or why it did not start.
type Declared = Result<Arc<str>, CallFailure>;

/// How long after a call's limit the agent gives up on the process. The watchdog inside is faster; this is for a
/// process in which nothing can be relied on any more.
const GRACE: Duration = Duration::from_millis(450);

/// How long an auth provider may take.
const SIGN_IN: Duration = Duration::from_secs(10 * 60);

/// How often a call that waits behind another plugin's on its lane gets more time.
const EXTENSIONS: u32 = 20;

/// How long a caller looks out for the answer itself before it goes to sleep. Most handlers answer within a few
/// microseconds, and to wake a sleeping thread on another core costs ten times that; in between the caller yields its core,
/// which is what the lane needs if it shares it.
const LOOK_OUT: Duration = Duration::from_micros(80);

/// A plugin whose last answer took longer is only looked out for every so many calls.
const LOOK_OUT_ANYWAY: u64 = 16;

/// How often a call is tried anew when its plugin turned out to be gone before the call began.
const ATTEMPTS: u32 = 4;

pub(crate) struct Plugin {
    /// Its number in frames; unique in its sandbox.
    pub(crate) number: u32,
    pub(crate) image: PluginImage,
    /// Whether it may have brought a process down: it shares one with nobody then.
    pub(crate) runs_alone: AtomicBool,
    /// Whether its last answer came while its caller looked out for it.
    is_quick: AtomicBool,
    place: Mutex<Place>,
    declared: watch::Sender<Option<Declared>>,
}

#[derive(Default)]
struct Place {
    host: Option<Arc<Host>>,
    lane: usize,
    /// How often it was sent somewhere.
    loads: u64,
    /// Whether it ran before and was not disposed of, so that what it remembered is lost.
    has_run: bool,
}

impl Plugin {
    pub(crate) fn new(number: u32, image: PluginImage) -> Arc<Self> {
        Arc::new(Self {
            number,
            image,
            runs_alone: AtomicBool::new(false),
            is_quick: AtomicBool::new(true),
            place: Mutex::default(),
            declared: watch::Sender::new(None),
        })
    }

    /// Its start is over; false if it was over before.
    pub(crate) fn was_started(&self, result: Declared) -> bool {
        self.declared.send_if_modified(|declared| {
            let is_awaited = declared.is_none();
            if is_awaited {
                *declared = Some(result);
            }
            is_awaited
        })
    }

    /// Its isolate is gone, and another one is on its way.
    pub(crate) fn starts_anew(&self) {
        self.declared.send_replace(None);
    }

    /// Its isolate is gone.
    pub(crate) fn was_removed(&self) {
        self.place.lock().host = None;
        self.declared.send_if_modified(|declared| {
            // A start that failed stays known until the next one.
            let is_stale = !matches!(declared, Some(Err(_)));
            if is_stale {
                *declared = Some(Err(CallFailure::Lost));
            }
            is_stale
        });
    }

    /// Where it runs; starts it if it does not.
    fn ensure(self: &Arc<Self>, sandbox: &Arc<Sandbox>) -> Result<(Arc<Host>, usize, u64), CallFailure> {
        let mut place = self.place.lock();
        if let Some(host) = &place.host
            && !host.is_dead()
        {
            return Ok((Arc::clone(host), place.lane, place.loads));
        }
        let host = sandbox.host_for(self)?;
        let lane = host.assign_lane();
        self.declared.send_replace(None);
        host.admit(self);
        let cached = sandbox.code_cache(&self.image);
        host.send(
            lane,
            &Message::Load(Load {
                plugin: self.number,
                name: self.image.id.as_str(),
                code: &self.image.code,
                code_cache: cached.as_deref(),
                context: &self.image.context,
                limits: self.image.limits.clone(),
                wasm: self.image.wasm,
                restarted: place.has_run,
                guards: sandbox.has_guards(),
            }),
        );
        let loads = place.loads + 1;
        *place = Place { host: Some(Arc::clone(&host)), lane, loads, has_run: true };
        Ok((host, lane, loads))
    }

    /// What it returned at its start; starts it if it does not run.
    pub(crate) async fn declared(self: &Arc<Self>, sandbox: &Arc<Sandbox>) -> Declared {
        let (host, lane, _) = self.ensure(sandbox)?;
        let mut receiver = self.declared.subscribe();
        let limit = self.image.limits.init + GRACE;
        let wait = receiver.wait_for(Option::is_some);
        let Some(declared) = within(limit, wait).await else {
            host.end_unresponsive(lane, self.number);
            return Err(CallFailure::Crashed { reason: "it did not start, and did not react to being stopped".into() });
        };
        match declared.as_deref() {
            Ok(Some(declared)) => declared.clone(),
            _ => Err(CallFailure::Lost),
        }
    }

    pub(crate) async fn call(self: &Arc<Self>, sandbox: &Arc<Sandbox>, call: &Call) -> CallReply {
        let begin = Instant::now();
        for _ in 0..ATTEMPTS {
            match self.try_call(sandbox, call).await {
                Ok(Outcome::Answered { result, cpu_ns, heap_peak }) => {
                    return CallReply {
                        result,
                        cpu: Duration::from_nanos(cpu_ns),
                        wall: begin.elapsed(),
                        heap_peak: heap_peak as usize,
                    };
                }
                Ok(Outcome::NotLoaded) => {
                    // It did not start for this very call; to try again would end the same way.
                    if let Some(Err(failure)) = &*self.declared.borrow()
                        && *failure != CallFailure::Lost
                    {
                        return no_reply(failure.clone(), begin);
                    }
                }
                Err(failure) => return no_reply(failure, begin),
            }
        }
        no_reply(CallFailure::Lost, begin)
    }

    async fn try_call(self: &Arc<Self>, sandbox: &Arc<Sandbox>, call: &Call) -> Result<Outcome, CallFailure> {
        let (host, lane, loads) = self.ensure(sandbox)?;
        let outcome = self.call_at(&host, lane, sandbox.next_call(), call).await;
        if matches!(outcome, Ok(Outcome::NotLoaded)) {
            let mut place = self.place.lock();
            // Another call may have had it sent anew already.
            if place.loads == loads {
                place.host = None;
            }
        }
        outcome
    }

    async fn call_at(&self, host: &Arc<Host>, lane: usize, number: u64, call: &Call) -> Result<Outcome, CallFailure> {
        let Some(receiver) = host.expect(number, self.number, call.origin.clone()) else {
            return Ok(Outcome::NotLoaded);
        };
        let limits = &self.image.limits;
        let wall = match call.kind {
            CallKind::Event => limits.event,
            CallKind::Tool | CallKind::Command => limits.tool,
            // Somebody may have to sign in, which is a person's time and not the plugin's
            CallKind::Auth => SIGN_IN,
        };
        host.send(
            lane,
            &Message::Call {
                plugin: self.number,
                call: number,
                kind: call.kind,
                name: &call.name,
                session: &call.origin.session_id,
                payload: &call.payload,
                wall_ms: wall.as_millis() as u64,
            },
        );
        let mut guard = AbortOnDrop { host, lane, plugin: self.number, call: Some(number) };
        let mut receiver = receiver;
        if let Some(outcome) = self.look_out(host, lane, number, &mut receiver).await {
            guard.call = None;
            return outcome;
        }
        let patience = wall + GRACE + if self.has_started() { Duration::ZERO } else { limits.init };
        tokio::pin!(receiver);
        let mut outcome = within(patience, receiver.as_mut()).await;
        for _ in 0..EXTENSIONS {
            // Another plugin on the same lane is within its limits, or the watchdog is about to end it.
            let waits_behind_another = host.running(lane).is_some_and(|running| running != self.number);
            if outcome.is_some() || !waits_behind_another {
                break;
            }
            outcome = within(GRACE, receiver.as_mut()).await;
        }
        if outcome.is_none() {
            host.end_unresponsive(lane, self.number);
            outcome = Some(receiver.await);
        }
        guard.call = None;
        match outcome {
            Some(Ok(outcome)) => Ok(outcome),
            _ => Err(CallFailure::Lost),
        }
    }

    async fn look_out(
        &self,
        host: &Arc<Host>,
        lane: usize,
        call: u64,
        receiver: &mut oneshot::Receiver<Outcome>,
    ) -> Option<Result<Outcome, CallFailure>> {
        if !self.has_started() || !(self.is_quick.load(Ordering::Relaxed) || call.is_multiple_of(LOOK_OUT_ANYWAY)) {
            return None;
        }
        // An event that goes to many at once is sent to all of them before anyone looks out.
        let mut has_yielded = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut has_yielded, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        let begin = Instant::now();
        let outcome = loop {
            host.receive_now(lane);
            match receiver.try_recv() {
                Ok(outcome) => break Some(Ok(outcome)),
                Err(TryRecvError::Closed) => break Some(Err(CallFailure::Lost)),
                Err(TryRecvError::Empty) if begin.elapsed() > LOOK_OUT => break None,
                Err(TryRecvError::Empty) => rustix::thread::sched_yield(),
            }
        };
        self.is_quick.store(outcome.is_some(), Ordering::Relaxed);
        outcome
    }

    fn has_started(&self) -> bool {
        matches!(*self.declared.borrow(), Some(Ok(_)))
    }

    pub(crate) fn dispose(&self) {
        let mut place = self.place.lock();
        place.has_run = false;
        if let Some(host) = place.host.take() {
            host.send(place.lane, &Message::Dispose { plugin: self.number });
        }
    }

    pub(crate) async fn wait_until_removed(&self) {
        let mut receiver = self.declared.subscribe();
        let limit = self.image.limits.cpu + GRACE;
        let _ = within(limit, receiver.wait_for(|declared| matches!(declared, None | Some(Err(_))))).await;
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.place.lock().host.as_ref()?.pid()
    }
}

fn no_reply(failure: CallFailure, begin: Instant) -> CallReply {
    CallReply { result: Err(failure), cpu: Duration::ZERO, wall: begin.elapsed(), heap_peak: 0 }
}

/// Tells the plugin when the caller went away.
struct AbortOnDrop<'a> {
    host: &'a Arc<Host>,
    lane: usize,
    plugin: u32,
    call: Option<u64>,
}

impl Drop for AbortOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call
            && self.host.forget(call)
        {
            self.host.send(self.lane, &Message::Abort { plugin: self.plugin, call });
        }
    }
}

/// Counts calls. Numbers stay below 2^53, since they pass through JavaScript.
#[derive(Default)]
pub(crate) struct CallCounter(AtomicU64);

impl CallCounter {
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The latest number.
    pub(crate) fn last(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
