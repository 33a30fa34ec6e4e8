//! What `console` and `ctx.log` make of their arguments, and what is logged without being asked for.

use mimir_shared_config::Limits;
use serde_json::json;

use crate::host::{TOOL_CALL, event, handler};
use crate::recorder::{Bench, before_value};

/// Runs `statements` in a handler; the log must be `expected`.
async fn check(statements: &str, expected: &[&str]) {
    let bench = Bench::new();
    let plugin = bench.plugin(handler("logger", &format!("async () => {{ {statements} }}")));
    let answer = before_value(&plugin).await;
    assert!(answer.is_ok(), "{statements}: {answer:?}");
    assert_eq!(bench.host.lines(), expected, "{statements}");
}

#[tokio::test]
async fn levels() {
    for (statements, expected) in [
        ("ctx.log.debug('a')", "debug: a"),
        ("ctx.log.info('a')", "info: a"),
        ("ctx.log.warn('a')", "warn: a"),
        ("ctx.log.error('a')", "error: a"),
        ("console.debug('a')", "debug: a"),
        ("console.log('a')", "info: a"),
        ("console.info('a')", "info: a"),
        ("console.warn('a')", "warn: a"),
        ("console.error('a')", "error: a"),
        ("console.dir({ a: 1 })", "info: {a: 1}"),
        ("console.assert(false, 'why')", "error: assertion failed why"),
        ("console.assert(true, 'why'); console.log('then')", "info: then"),
        ("console.groupEnd(); console.group('title')", "info: title"),
        ("const { log } = console; log('unbound')", "info: unbound"),
    ] {
        check(statements, &[expected]).await;
    }
    check(
        "console.count(); console.count(); console.count('x'); console.countReset(); console.count()",
        &["info: default: 1", "info: default: 2", "info: x: 1", "info: default: 1"],
    )
    .await;
    check("reportError(new RangeError('told').message)", &["error: uncaught: told"]).await;
}

#[tokio::test]
async fn values_are_shown() {
    for (values, expected) in [
        ("", ""),
        ("'a', 'b'", "a b"),
        ("'a\\nb'", "a\nb"),
        ("1, 1.5, NaN, -0, [-0], true, null, undefined", "1 1.5 NaN -0 [-0] true null undefined"),
        ("10n, Symbol('s')", "10n Symbol(s)"),
        ("function named() {}, () => {}, class Some {}", "[function named] [function anonymous] [function Some]"),
        ("{ a: 1, b: 'text', c: [1, 'b'], d: undefined }", "{a: 1, b: \"text\", c: [1, \"b\"], d: undefined}"),
        ("[], {}, Object.create(null)", "[] {} {}"),
        ("new (class Point { x = 1 })(), new (class extends Map {})()", "Point {x: 1} Map(0) {}"),
        (
            "new Map([[1, { a: 1 }], ['k', [2]]]), new Set(['a', {}])",
            "Map(2) {1 => {a: 1}, \"k\" => [2]} Set(2) {\"a\", {}}",
        ),
        ("new Date(0), new Date(NaN), /a\\/b/gi", "1970-01-01T00:00:00.000Z Invalid Date /a\\/b/gi"),
        (
            "new Uint8Array([1, 2]), new Float64Array(1), new ArrayBuffer(3)",
            "Uint8Array(2) [1, 2] Float64Array(1) [0] ArrayBuffer {byteLength: 3}",
        ),
        ("Promise.resolve(1), new WeakMap(), new Headers({ a: 'b' })", "Promise {} WeakMap {} Headers {}"),
        ("new URL('http://a/b'), new URLSearchParams('a=b')", "URL \"http://a/b\" URLSearchParams \"a=b\""),
        (
            "Object(1), Object('a'), Object(true), Object(1n)",
            "[Number: 1] [String: \"a\"] [Boolean: true] [BigInt: 1n]",
        ),
        ("{ a: { b: { c: { d: { e: 1 } } } } }", "{a: {b: {c: {d: {…}}}}}"),
        ("[[[[[1]]]]]", "[[[[[…]]]]]"),
        ("(() => { const a = { b: {} }; a.b.a = a; return a })()", "{b: {a: [circular]}}"),
        ("(() => { const a = []; a.push(a, a); return a })()", "[[circular], [circular]]"),
        ("(() => { const a = new Map(); a.set(a, a); return a })()", "Map(1) {[circular] => [circular]}"),
        // The same thing twice is no circle.
        ("(() => { const a = { x: 1 }; return [a, a] })()", "[{x: 1}, {x: 1}]"),
        ("{ get a() { throw new Error('no') } }", "{a: [getter]}"),
        ("new Proxy({}, { ownKeys() { throw new Error('no') } })", "[cannot be shown]"),
        (
            "Proxy.revocable({}, {}).proxy, (() => { const r = Proxy.revocable({}, {}); r.revoke(); return r.proxy })()",
            "{} [cannot be shown]",
        ),
        ("Object.assign(new Error('e'), { stack: 'its stack' })", "its stack"),
        ("Object.assign(new Error('e', { cause: 'why' }), { stack: 'its stack' })", "its stack\n  caused by \"why\""),
        ("Object.assign(new TypeError('e'), { stack: undefined })", "TypeError: e"),
        (
            "'%s is %d of %i, %f, %j, %o%%', 'a', 1.5, 2.5, 3.5, [1], { b: 1 }, 'more'",
            "a is 1 of 2, 3.5, [1], {b: 1}% more",
        ),
        ("'%cred', 'color: red'", "red"),
        ("'100%', 'done'", "100% done"),
        ("'%s and %s', 'one'", "one and %s"),
        ("'%s'", "%s"),
        ("'%d %d', {}, Symbol('s')", "NaN NaN"),
    ] {
        check(&format!("console.log({values})"), &[&format!("info: {expected}")]).await;
    }
}

#[tokio::test]
async fn errors_are_shown_with_their_stack() {
    let bench = Bench::new();
    before_value(&bench.plugin(handler("thrower", "() => { console.log('got', new RangeError('far')) }")))
        .await
        .unwrap();
    let line = bench.host.wait_for_log("far").await.message;
    assert!(line.starts_with("got RangeError: far\n    at "), "{line}");
    assert!(line.contains("mimir:plugin/thrower:1:"), "{line}");
}

#[tokio::test]
async fn long_things_are_cut() {
    let bench = Bench::new();
    let plugin = bench.plugin(handler(
        "long",
        "() => {
            console.log(new Array(101).fill(0));
            console.log(Object.fromEntries(new Array(102).fill(0).map((_, i) => [`k${i}`, i])));
            console.log('x'.repeat(1e6));
            console.log({ text: 'y'.repeat(1e6) }, 'and', 'more');
        }",
    ));
    before_value(&plugin).await.unwrap();
    let lines = bench.host.lines();
    assert!(lines[0].ends_with("0, 0, … 1 more]"), "{}", lines[0]);
    assert!(lines[1].ends_with("k99: 99, … 2 more}"), "{}", lines[1]);
    for line in &lines[2..] {
        assert_eq!(line.chars().count(), "info: ".len() + 65_536 + 1);
        assert!(line.ends_with('…'));
    }
    assert_eq!(lines.len(), 4);
}

/// A line of the log does not cost a plugin its time, however much hangs on what it shows.
#[tokio::test]
async fn large_things_are_shown_in_little_time() {
    for make in [
        "let a = 0; for (let i = 0; i < 8; i++) a = new Array(100).fill(a)",
        "let a = {}; for (let i = 0; i < 8; i++) a = Object.fromEntries(new Array(100).fill(0).map((_, k) => [k, a]))",
        "let a = 0; for (let i = 0; i < 8; i++) a = new Map(new Array(100).fill(0).map((_, k) => [k, a]))",
        "const a = new Array(100).fill('x'.repeat(1e6))",
    ] {
        let bench = Bench::new();
        let plugin = bench.plugin(handler("large", &format!("() => {{ {make}; console.log(a) }}")));
        assert_eq!(before_value(&plugin).await, Ok(json!(null)), "{make}");
        let line = bench.host.lines().remove(0);
        assert!(line.contains('…') && line.len() < 100_000, "{make}: {} bytes", line.len());
    }
}

#[tokio::test]
async fn a_line_knows_what_it_was_logged_for() {
    let bench = Bench::new();
    let plugin = bench.plugin(handler("logger", "() => { console.log('x') }"));
    plugin.call(&crate::recorder::caused("tool.execute.before", TOOL_CALL, &["first"], "s7")).await.result.unwrap();
    let line = bench.host.wait_for_log("x").await;
    let origin = line.origin.unwrap();
    assert_eq!((line.plugin.as_str(), origin.session_id.as_ref(), origin.chain.len()), ("logger", "s7", 1));
}

#[tokio::test]
async fn what_nobody_handles_is_logged() {
    for (statements, level, expected) in [
        ("Promise.reject(new RangeError('lost'))", "warn", "unhandled rejection: RangeError: lost\n    at "),
        ("Promise.reject('text')", "warn", "unhandled rejection: text"),
        ("ctx.notify('hi', 'IO')", "warn", "unhandled rejection: MimirError: notify failed"),
        ("(async () => { await null; throw { odd: 1 } })()", "warn", "unhandled rejection: {odd: 1}"),
        ("setTimeout(() => { throw new RangeError('late') }, 1)", "error", "a timer threw: RangeError: late\n    at "),
        ("queueMicrotask(() => { throw new RangeError('soon') })", "error", "uncaught: RangeError: soon\n    at "),
        (
            "const t = new EventTarget(); t.addEventListener('x', () => { throw new RangeError('heard') }); t.dispatchEvent(new Event('x'))",
            "error",
            "uncaught: RangeError: heard\n    at ",
        ),
    ] {
        let bench = Bench::new();
        let plugin = bench.plugin(handler("careless", &format!("() => {{ {statements} }}")));
        assert_eq!(before_value(&plugin).await, Ok(json!(null)), "{statements}");
        let start = expected.split('\n').next().unwrap();
        let line = bench.host.wait_for_log(start).await;
        assert!(line.message.starts_with(expected), "{statements}: {}", line.message);
        assert_eq!(line.level, level, "{statements}");
        // It lives on.
        assert_eq!(before_value(&plugin).await, Ok(json!(null)), "{statements}");
    }
}

#[tokio::test]
async fn what_is_handled_in_time_is_not_logged() {
    for statements in [
        "const p = Promise.reject(1); p.catch(() => {})",
        "const p = Promise.reject(1); await null; await p.catch(() => {})",
        "const p = Promise.reject(1); queueMicrotask(() => p.catch(() => {}))",
        "await Promise.allSettled([Promise.reject(1), ctx.notify('hi', 'IO')])",
        "try { await ctx.notify('hi', 'IO') } catch {}",
        "await Promise.race([Promise.resolve(1), Promise.reject(2)])",
    ] {
        check(statements, &[]).await;
    }
}

#[tokio::test]
async fn the_log_of_an_event_is_bounded() {
    let bench = Bench::new();
    let mut image =
        handler("chatty", "(event) => { for (let i = 0; i < event.args.lines; i++) console.log('0123456789'); }");
    image.limits = Limits { output: 100, ..Limits::default() };
    let plugin = bench.plugin(image);
    for (lines, kept, is_cut) in [(3, 3, false), (9, 9, false), (50, 9, true), (1, 1, false)] {
        let payload = TOOL_CALL.replace(r#""command":"ls""#, &format!(r#""lines":{lines}"#));
        plugin.call(&event("tool.execute.before", &payload)).await.result.unwrap();
        let logged = std::mem::take(&mut *bench.host.logs.lock().unwrap());
        let (cuts, rest): (Vec<_>, Vec<_>) = logged.into_iter().partition(|line| line.message.contains("cut off"));
        assert_eq!((rest.len(), cuts.len()), (kept, usize::from(is_cut)), "{lines} lines");
        assert!(cuts.iter().all(|line| line.level == "warn"));
    }
}
