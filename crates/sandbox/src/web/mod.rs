//! The native half of the web APIs in `prelude/`: what JavaScript can't do, or can't do fast.
//!
//! The prelude calls one function, `native(op, …)`; operations 1 to 99 come here. They keep four rules:
//!
//! * They take strings, numbers and typed arrays and never call back into JavaScript, so no plugin code runs while they
//!   look at a buffer.
//! * They don't allocate buffers. The prelude makes the typed array (held by the isolate's counting allocator, a
//!   `RangeError` when there is no room) and they fill it.
//! * Their work is bounded by [`MAX_TEXT`], because nothing terminates native code: a longer text or buffer is a
//!   `RangeError`.
//! * Failure that a standard gives a name is `undefined`; the prelude knows the error that belongs there.

mod classify;
mod crypto;
mod encoding;
mod url;
mod values;

use std::time::{Duration, Instant, SystemTime};

use mimir_shared_platform::Guard;

/// The longest text (UTF-16 units) and buffer (bytes) that an operation takes.
///
/// As long as twice the largest host answer: 16 Mi. Decoding that much takes some 20 ms.
pub(crate) const MAX_TEXT: usize = 1 << 24;

/// What the operations remember for an isolate. It lives in one of the isolate's slots from [`install`] on, or from the
/// first operation that needs it.
pub(crate) struct WebState {
    started: Instant,
    time_origin: SystemTime,
    decoders: encoding::StreamingDecoders,
}

impl Default for WebState {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            time_origin: SystemTime::now(),
            decoders: encoding::StreamingDecoders::default(),
        }
    }
}

/// Starts the isolate's clock (`performance.timeOrigin`). Call it when the isolate boots; without it the clock starts
/// at the first look at it.
pub(crate) fn install(isolate: &mut v8::Isolate) {
    isolate.set_slot(WebState::default());
}

/// Performs a web operation: `args` are those of `native(op, …)`, so its own begin at index 1.
///
/// An operation outside of the web APIs' range, or unknown there, throws a `TypeError`.
pub(crate) fn call<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    op: u32,
    args: &v8::FunctionCallbackArguments<'s>,
    rv: &mut v8::ReturnValue<'_>,
) {
    match op {
        1 => encoding::utf8_length(scope, args, rv),
        2 => encoding::utf8_write(scope, args, rv),
        3 => encoding::encoding_of_label(scope, args, rv),
        4 => encoding::decode(scope, args, rv),
        5 => encoding::decoder_new(scope, args, rv),
        6 => encoding::decoder_push(scope, args, rv),
        10 => url::parse(scope, args, rv),
        11 => url::parts(scope, args, rv),
        12 => url::set(scope, args, rv),
        13 => url::form_parse(scope, args, rv),
        14 => url::form_serialize(scope, args, rv),
        20 => crypto::random_fill(scope, args, rv),
        21 => crypto::random_uuid(scope, args, rv),
        22 => crypto::digest(scope, args, rv),
        23 => crypto::hmac_sign(scope, args, rv),
        24 => crypto::hmac_verify(scope, args, rv),
        30 => rv.set_int32(classify::kind(args.get(1))),
        31 => rv.set_double(coarse_milliseconds(state(scope).started.elapsed())),
        32 => {
            let origin = state(scope).time_origin.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            rv.set_double(coarse_milliseconds(origin));
        }
        _ => {
            let message = format!("there is no operation {op}");
            values::throw_type_error(scope, &message);
        }
    }
}

fn state<'a>(scope: &'a mut v8::PinScope<'_, '_>) -> &'a mut WebState {
    if scope.get_slot::<WebState>().is_none() {
        install(scope);
    }
    scope.get_slot_mut::<WebState>().expect("the slot was filled above")
}

/// Milliseconds in steps of 0.1. A finer clock serves those who measure what the neighbouring isolates do.
fn coarse_milliseconds(time: Duration) -> f64 {
    if !Guard::RealmClock.stands() {
        return time.as_nanos() as f64 / 1e6;
    }
    let steps = time.as_micros() / 100;
    // 2^53 steps of 100 µs are 28,000 years.
    steps as f64 / 10.0
}
