//! What an isolate's names cost: V8 doubles its table of names when it is two thirds full, which is a sudden step of
//! 64 KiB an isolate.

use std::rc::Rc;

use mimir_shared_config::Limits;

use super::{PluginIsolate, engine};

/// Names that a plugin, and the parts of the prelude that it uses first, may bring before the table doubles. The measured
/// plugin of `docs/benchmarks.md` brings some 80.
const ROOM: usize = 120;

/// Half of the step: nothing else here asks for so much at once.
const STEP: usize = 32 << 10;

/// Bytes that the C allocator has given out.
fn allocated() -> usize {
    // SAFETY: it takes nothing and gives a plain structure.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

/// How many new names a fresh isolate takes before its table grows.
fn room() -> usize {
    let isolate = PluginIsolate::new(&Limits::default(), Rc::default());
    let mut locker = isolate.isolate.lock();
    v8::scope_with_context!(let scope, &mut *locker, &isolate.context);
    let mut before = allocated();
    for count in 0..5_000 {
        let name = format!("a name that nobody has, number {count}");
        assert!(v8::String::new_from_utf8(scope, name.as_bytes(), v8::NewStringType::Internalized).is_some());
        let now = allocated();
        if now > before + STEP {
            return count;
        }
        before = now;
    }
    panic!("the table of names did not grow");
}

#[test]
fn there_is_room_for_a_plugins_names() {
    engine::initialize();
    // More than once, since other tests of this process allocate as well.
    let room = (0..3).map(|_| room()).max();
    println!("room for {room:?} names");
    assert!(room >= Some(ROOM), "room for {room:?} names only: each isolate is about to be 64 KiB larger");
}
