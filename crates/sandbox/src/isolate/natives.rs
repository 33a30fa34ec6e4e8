//! The one native function that the prelude holds, and what it shares with the lane.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use mimir_shared_config::Limits;
use mimir_shared_platform::Guard;

use crate::message::Message;
use crate::web;

const HOST_CALL: u32 = 100;
const LOG: u32 = 101;
const SETTLE: u32 = 102;
const SET_CURRENT: u32 = 103;
const GET_CURRENT: u32 = 104;
const SET_TIMER: u32 = 105;
const CLEAR_TIMER: u32 = 106;
const STARTED: u32 = 107;

/// Operations below this one are the web APIs'.
const FIRST_OF_RUNTIME: u32 = HOST_CALL;

/// How an answer or a start ended, as the prelude says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Done,
    Threw,
    Invalid,
    NoPlugin,
}

impl Status {
    fn from_raw(raw: u32) -> Self {
        match raw {
            0 => Self::Done,
            1 => Self::Threw,
            3 => Self::NoPlugin,
            _ => Self::Invalid,
        }
    }
}

/// An answer that the plugin gave.
pub(crate) struct Settled {
    pub(crate) call: u64,
    pub(crate) status: Status,
    /// Nothing if it was too large.
    pub(crate) text: Option<String>,
}

/// A host call under way.
struct Request {
    /// The call on whose behalf it was made.
    call: Option<u64>,
    bytes: usize,
}

/// A timer that was set.
pub(crate) struct NewTimer {
    pub(crate) timer: u32,
    pub(crate) milliseconds: f64,
}

/// What the native function and the lane share about one isolate; it hangs on the isolate.
pub(crate) struct Shared {
    plugin: Cell<u32>,
    limits: RefCell<Limits>,
    /// Frames to send, of all isolates of the lane.
    outgoing: Rc<RefCell<Vec<u8>>>,
    pub(crate) settled: RefCell<Vec<Settled>>,
    pub(crate) started: RefCell<Option<(Status, Option<String>)>>,
    requests: RefCell<HashMap<u64, Request>>,
    /// Bytes of the arguments of all host calls under way.
    request_bytes: Cell<usize>,
    pub(crate) new_timers: RefCell<Vec<NewTimer>>,
    /// Timers that are set, with their period in nanoseconds if they repeat.
    pub(crate) timers: RefCell<HashMap<u32, Option<u64>>>,
    /// Bytes that may still be logged during the event at hand.
    log_left: Cell<usize>,
    pub(crate) rejections: RefCell<Vec<(v8::Global<v8::Promise>, v8::Global<v8::Value>)>>,
}

/// Numbers host calls for all isolates of the process: an answer that comes late finds nobody, also where the plugin has been
/// loaded anew meanwhile.
static NEXT_REQUEST: AtomicU64 = AtomicU64::new(1);

/// Rejections that are kept for the report, an entry.
const MAX_REJECTIONS: usize = 16;

impl Shared {
    pub(crate) fn new(outgoing: Rc<RefCell<Vec<u8>>>) -> Rc<Self> {
        Rc::new(Self {
            plugin: Cell::new(0),
            limits: RefCell::default(),
            outgoing,
            settled: RefCell::default(),
            started: RefCell::default(),
            requests: RefCell::default(),
            request_bytes: Cell::new(0),
            new_timers: RefCell::default(),
            timers: RefCell::default(),
            log_left: Cell::new(0),
            rejections: RefCell::default(),
        })
    }

    /// Says whose isolate this is from now on.
    pub(crate) fn assign(&self, plugin: u32, limits: Limits) {
        self.plugin.set(plugin);
        *self.limits.borrow_mut() = limits;
        self.refill_log();
    }

    /// A new event begins.
    pub(crate) fn refill_log(&self) {
        self.log_left.set(self.limits.borrow().output);
    }

    /// A host call was answered; gives the call on whose behalf it was made. Nothing if there is none of that number.
    pub(crate) fn end_request(&self, request: u64) -> Option<Option<u64>> {
        let request = self.requests.borrow_mut().remove(&request)?;
        self.request_bytes.set(self.request_bytes.get() - request.bytes);
        Some(request.call)
    }

    pub(super) fn send(&self, message: &Message<'_>) {
        message.encode(&mut self.outgoing.borrow_mut());
    }

    /// Whose isolate this is.
    #[cfg(feature = "test-hooks")]
    pub(super) fn plugin(&self) -> u32 {
        self.plugin.get()
    }

    /// Sends what is no message.
    #[cfg(feature = "test-hooks")]
    pub(super) fn send_bytes(&self, bytes: &[u8]) {
        self.outgoing.borrow_mut().extend_from_slice(bytes);
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the signature that V8's callbacks have")]
pub(crate) fn call<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    args: v8::FunctionCallbackArguments<'s>,
    mut rv: v8::ReturnValue<'_>,
) {
    let op = args.get(0).uint32_value(scope).unwrap_or(u32::MAX);
    if op < FIRST_OF_RUNTIME {
        web::call(scope, op, &args, &mut rv);
        return;
    }
    match op {
        SET_CURRENT => scope.set_continuation_preserved_embedder_data(args.get(1)),
        GET_CURRENT => rv.set(scope.get_continuation_preserved_embedder_data()),
        _ => {
            let Some(shared) = scope.get_slot::<Rc<Shared>>().map(Rc::clone) else { return };
            match op {
                SETTLE => settle(scope, &shared, &args),
                HOST_CALL => host_call(scope, &shared, &args, &mut rv),
                LOG => log(scope, &shared, &args),
                SET_TIMER => set_timer(scope, &shared, &args),
                CLEAR_TIMER => {
                    let timer = args.get(1).uint32_value(scope).unwrap_or(0);
                    shared.timers.borrow_mut().remove(&timer);
                }
                STARTED => {
                    let status = Status::from_raw(args.get(1).uint32_value(scope).unwrap_or(u32::MAX));
                    let text = bounded_text(scope, args.get(2), shared.limits.borrow().output);
                    shared.started.borrow_mut().get_or_insert((status, text));
                }
                _ => throw(scope, v8::Exception::type_error, "unknown operation"),
            }
        }
    }
}

fn settle(scope: &mut v8::PinScope<'_, '_>, shared: &Shared, args: &v8::FunctionCallbackArguments<'_>) {
    let status = Status::from_raw(args.get(2).uint32_value(scope).unwrap_or(u32::MAX));
    let bound = if Guard::LimitAnswer.stands() { shared.limits.borrow().output } else { usize::MAX };
    let text = bounded_text(scope, args.get(3), bound);
    shared.settled.borrow_mut().push(Settled { call: number(scope, args.get(1)), status, text });
}

fn host_call(
    scope: &mut v8::PinScope<'_, '_>,
    shared: &Shared,
    args: &v8::FunctionCallbackArguments<'_>,
    rv: &mut v8::ReturnValue<'_>,
) {
    let (pending, output, bound) = {
        let limits = shared.limits.borrow();
        (limits.pending, limits.output, limits.off_heap)
    };
    if shared.requests.borrow().len() >= pending {
        let message = format!("more than {pending} host calls are under way");
        throw(scope, v8::Exception::range_error, &message);
        return;
    }
    let op = args.get(1).to_rust_string_lossy(scope);
    let Some(text) = bounded_text(scope, args.get(2), output) else {
        throw(scope, v8::Exception::range_error, &format!("{op}: the arguments are larger than {} MiB", output >> 20));
        return;
    };
    // The agent holds them until they are answered.
    let bytes = shared.request_bytes.get() + text.len();
    if bytes > bound {
        let message = format!("{op}: host calls with more than {} MiB of arguments are under way", bound >> 20);
        throw(scope, v8::Exception::range_error, &message);
        return;
    }
    shared.request_bytes.set(bytes);
    let request = NEXT_REQUEST.fetch_add(1, Ordering::Relaxed);
    let call = current_call(scope);
    shared.requests.borrow_mut().insert(request, Request { call, bytes: text.len() });
    shared.send(&Message::HostCall { plugin: shared.plugin.get(), call, request, op: &op, args: &text });
    // Numbers of requests stay exact: 2^53 of them are not made in a process's life.
    rv.set_double(request as f64);
}

fn log(scope: &mut v8::PinScope<'_, '_>, shared: &Shared, args: &v8::FunctionCallbackArguments<'_>) {
    let left = shared.log_left.get();
    if left == 0 {
        return;
    }
    let level = args.get(1).uint32_value(scope).unwrap_or(1).min(3) as u8;
    let text = args.get(2).to_rust_string_lossy(scope);
    let call = current_call(scope);
    let plugin = shared.plugin.get();
    if text.len() >= left {
        shared.log_left.set(0);
        shared.send(&Message::Log { plugin, call, level: 2, message: "its log is cut off here: it reached its limit" });
        return;
    }
    shared.log_left.set(left - text.len() - 1);
    shared.send(&Message::Log { plugin, call, level, message: &text });
}

fn set_timer(scope: &mut v8::PinScope<'_, '_>, shared: &Shared, args: &v8::FunctionCallbackArguments<'_>) {
    let bound = shared.limits.borrow().timers;
    if shared.timers.borrow().len() >= bound {
        throw(scope, v8::Exception::range_error, &format!("more than {bound} timers are set"));
        return;
    }
    let timer = args.get(1).uint32_value(scope).unwrap_or(0);
    let milliseconds = args.get(2).number_value(scope).unwrap_or(1.0);
    let repeats = args.get(3).is_true();
    shared.timers.borrow_mut().insert(timer, repeats.then_some((milliseconds * 1e6) as u64));
    shared.new_timers.borrow_mut().push(NewTimer { timer, milliseconds });
}

/// The call on whose behalf JavaScript runs right now, also behind an `await` and in timers: the prelude's record of it
/// travels with the continuation.
fn current_call(scope: &mut v8::PinScope<'_, '_>) -> Option<u64> {
    let record: v8::Local<v8::Object> = scope.get_continuation_preserved_embedder_data().try_into().ok()?;
    let key = v8::String::new_from_one_byte(scope, b"id", v8::NewStringType::Internalized)?;
    let id = record.get(scope, key.into())?;
    id.is_number().then(|| number(scope, id))
}

/// Calls and requests are numbered below 2^53.
fn number(scope: &mut v8::PinScope<'_, '_>, value: v8::Local<'_, v8::Value>) -> u64 {
    value.number_value(scope).unwrap_or(0.0) as u64
}

fn bounded_text(scope: &mut v8::PinScope<'_, '_>, value: v8::Local<'_, v8::Value>, bound: usize) -> Option<String> {
    let text: v8::Local<v8::String> = value.try_into().ok()?;
    // UTF-8 is never shorter than the number of UTF-16 units.
    if text.length() > bound {
        return None;
    }
    Some(text.to_rust_string_lossy(scope)).filter(|text| text.len() <= bound)
}

fn throw(
    scope: &mut v8::PinScope<'_, '_>,
    kind: for<'s> fn(&v8::PinScope<'s, '_>, v8::Local<'_, v8::String>) -> v8::Local<'s, v8::Value>,
    message: &str,
) {
    if let Some(message) = v8::String::new(scope, message) {
        let error = kind(scope, message);
        scope.throw_exception(error);
    }
}

/// Keeps rejected promises that nobody handles, for the report at the end of the entry.
pub(crate) unsafe extern "C" fn promise_rejected(message: v8::PromiseRejectMessage<'_>) {
    // SAFETY: V8 calls this with a live message, in the isolate of its promise.
    v8::callback_scope!(unsafe scope, &message);
    let Some(shared) = scope.get_slot::<Rc<Shared>>().map(Rc::clone) else { return };
    let promise = v8::Global::new(scope, message.get_promise());
    let mut rejections = shared.rejections.borrow_mut();
    match message.get_event() {
        v8::PromiseRejectEvent::PromiseRejectWithNoHandler => {
            if rejections.len() < MAX_REJECTIONS
                && let Some(value) = message.get_value()
            {
                rejections.push((promise, v8::Global::new(scope, value)));
            }
        }
        v8::PromiseRejectEvent::PromiseHandlerAddedAfterReject => {
            rejections.retain(|(rejected, _)| *rejected != promise);
        }
        _ => {}
    }
}
