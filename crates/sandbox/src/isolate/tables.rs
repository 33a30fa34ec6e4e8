//! What functions and scopes cost: V8 keeps them in tables that are as large as the next power of two, or grow by a thousand
//! entries at once. Each isolate has its own, so a function more in the prelude can cost 16 KiB.

use std::collections::HashSet;
use std::fs;
use std::process::Command;
use std::rc::Rc;

use mimir_shared_config::Limits;

use super::{PluginIsolate, engine};

/// Functions that a plugin, and the parts of the prelude that it uses first, may bring before V8's table of functions grows.
/// The measured plugin of `docs/benchmarks.md` brings 11.
const ROOM: usize = 48;

/// Entries that the table grows by.
const GROWTH: usize = 1024;

fn isolate_with(functions: usize) -> PluginIsolate {
    let made = PluginIsolate::new(&Limits::default(), Rc::default());
    {
        let mut locker = made.isolate.lock();
        v8::scope_with_context!(let scope, &mut *locker, &made.context);
        let code = format!("globalThis.functions = [{}];", "() => 0,".repeat(functions));
        let code = v8::String::new(scope, &code).expect("short");
        let script = v8::Script::compile(scope, code, None).and_then(|script| script.run(scope));
        assert!(script.is_some(), "{functions} functions");
    }
    made
}

/// The regions of 64 KiB that this process can write, in which V8 keeps its tables of functions: where they are, and how
/// many KiB of them are in use.
fn regions() -> Vec<(String, u64)> {
    const SIZE: usize = 64 << 10;
    let mut found: Vec<(String, u64)> = Vec::new();
    let mut is_one = false;
    for line in fs::read_to_string("/proc/self/smaps").expect("Linux lists them").lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some((start, end)) = first.split_once('-').filter(|_| !first.ends_with(':')) {
            let at = |hexadecimal| usize::from_str_radix(hexadecimal, 16).expect("an address");
            is_one = at(end) - at(start) == SIZE && words.next() == Some("rw-p");
            if is_one {
                found.push((start.to_owned(), 0));
            }
        } else if is_one && first == "Rss:" {
            found.last_mut().expect("just found").1 = words.next().and_then(|it| it.parse().ok()).expect("a size");
        }
    }
    found
}

/// How large the table is in an isolate with so many functions, in KiB.
fn table_with(functions: usize) -> u64 {
    let before: HashSet<String> = regions().into_iter().map(|(start, _)| start).collect();
    let _isolate = isolate_with(functions);
    regions().iter().filter(|(start, _)| !before.contains(start)).map(|(_, used)| used).sum()
}

/// Whether this process is there for one test alone. The others make isolates as well, at the same time.
fn is_alone(test: &str) -> bool {
    const ALONE: &str = "MIMIR_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut process = Command::new(std::env::current_exe().expect("this test's program"));
    let ended = process.args([test, "--exact", "--nocapture"]).env(ALONE, "1").status().expect("it starts");
    assert!(ended.success(), "{test} in a process of its own: {ended}");
    false
}

#[test]
fn there_is_room_for_a_plugins_functions() {
    if !is_alone("isolate::tables::there_is_room_for_a_plugins_functions") {
        return;
    }
    engine::initialize();
    // The first one makes what all share
    table_with(0);
    let [fresh, with_room, grown] = [0, ROOM, GROWTH].map(table_with);
    assert!(0 < fresh && fresh < grown, "the table is not where it was looked for: {fresh}, {grown} KiB");
    assert_eq!(with_room, fresh, "less room than for {ROOM} functions: each isolate is about to be 16 KiB larger");
}

#[test]
fn no_scope_of_the_prelude_has_a_table_of_names() {
    const TABLE: &str = "(context local names)";
    engine::initialize();
    let described = |code: &str| {
        let isolate = PluginIsolate::new(&Limits::default(), Rc::default());
        let mut locker = isolate.isolate.lock();
        {
            v8::scope_with_context!(let scope, &mut *locker, &isolate.context);
            let code = v8::String::new(scope, code).expect("short");
            assert!(v8::Script::compile(scope, code, None).and_then(|script| script.run(scope)).is_some());
        }
        let mut heap = Vec::new();
        locker.take_heap_snapshot(|part| {
            heap.extend_from_slice(part);
            true
        });
        String::from_utf8_lossy(&heap).into_owned()
    };
    assert!(!described("0").contains(TABLE), "a scope has more than 75 names: end it in `SCOPES` of build.rs");
    // A scope that has one, or nothing was seen.
    let names: String = (0..100).map(|number| format!("name{number},")).collect();
    let code = format!("globalThis.kept = (function ({names}) {{ return () => [{names}]; }})();");
    assert!(described(&code).contains(TABLE));
}
