//! Timers, and that what a plugin does later is still done for the call that caused it.

use std::collections::BTreeMap;

use mimir_shared_config::Limits;
use serde_json::{Value, json};

use crate::host::{TOOL_CALL, event, handler, image};
use crate::recorder::{Bench, Recorder, before_value, caused, value};

/// The value that `body`, the body of an async function, returns in a handler.
async fn check(body: &str, expected: Value) {
    let bench = Bench::new();
    let plugin = bench.plugin(handler("timers", &format!("async () => {{ {body} }}")));
    assert_eq!(before_value(&plugin).await, Ok(expected), "{body}");
    assert!(bench.host.lines().is_empty(), "{body}: {:?}", bench.host.lines());
}

#[tokio::test]
async fn timers() {
    for (body, expected) in [
        ("return new Promise((r) => setTimeout((...args) => r(args), 1, 'a', { b: 2 }, undefined))", json!(["a", { "b": 2 }, null])),
        ("return new Promise((r) => setTimeout(r))", Value::Null),
        ("return new Promise((r) => setTimeout(function () { r(this === undefined || this === globalThis) }, 1))", json!(true)),
        ("const id = setTimeout(() => {}, 1); clearTimeout(id); return [typeof id, id > 0]", json!(["number", true])),
        // The earlier one first, and those of one time in the order in which they were set.
        (
            "const seen = []; for (const [name, ms] of [['c', 30], ['a', 1], ['b', 1]]) setTimeout(() => seen.push(name), ms);
             await new Promise((r) => setTimeout(r, 40)); return seen",
            json!(["a", "b", "c"]),
        ),
        // What is no useful delay is the shortest one.
        (
            "const odd = [0, -5, NaN, undefined, 'x', Infinity, 2 ** 31, 2 ** 40]; let left = odd.length;
             return new Promise((r) => { for (const ms of odd) setTimeout(() => { left -= 1; if (left === 0) r('all') }, ms) })",
            json!("all"),
        ),
        ("return new Promise((r) => setTimeout(() => r('text'), '1'))", json!("text")),
        (
            "let count = 0; return new Promise((r) => { const id = setInterval((by) => { count += by; if (count === 6) { clearInterval(id); r(count) } }, 1, 2) })",
            json!(6),
        ),
        // Neither runs again once it is cleared, by itself or by another; each function clears both kinds.
        (
            "let count = 0; const id = setInterval(() => { count += 1 }, 1); clearTimeout(id);
             const other = setTimeout(() => { count += 1 }, 5); setTimeout(() => clearInterval(other), 1);
             await new Promise((r) => setTimeout(r, 15)); return count",
            json!(0),
        ),
        (
            "let count = 0; const id = setInterval(() => { count += 1; if (count === 2) clearInterval(id) }, 1);
             await new Promise((r) => setTimeout(r, 30)); return count",
            json!(2),
        ),
        // One that is due at the same moment.
        (
            "let ran = false; let second; setTimeout(() => clearTimeout(second), 5); second = setTimeout(() => { ran = true }, 5);
             const until = performance.now() + 10; while (performance.now() < until); await new Promise((r) => setTimeout(r, 5)); return ran",
            json!(false),
        ),
        ("clearTimeout(); clearTimeout(null); clearTimeout(12345); clearTimeout({}); clearInterval('1'); return 'fine'", json!("fine")),
        ("try { setTimeout('text', 1) } catch (e) { return e.name }", json!("TypeError")),
        ("try { setInterval() } catch (e) { return e.name }", json!("TypeError")),
        ("const start = performance.now(); await new Promise((r) => setTimeout(r, 20)); return performance.now() - start >= 19", json!(true)),
        // Microtasks before timers, and a chain of timers.
        (
            "const seen = []; setTimeout(() => seen.push('timer'), 0); queueMicrotask(() => seen.push('task')); seen.push('now');
             await new Promise((r) => setTimeout(() => setTimeout(r, 1), 1)); return seen",
            json!(["now", "task", "timer"]),
        ),
        // Microtasks of one timer before the next timer.
        (
            "const seen = []; setTimeout(() => { seen.push(1); Promise.resolve().then(() => seen.push(2)) }, 5); setTimeout(() => seen.push(3), 5);
             const until = performance.now() + 10; while (performance.now() < until); await new Promise((r) => setTimeout(r, 5)); return seen",
            json!([1, 2, 3]),
        ),
    ] {
        check(body, expected).await;
    }
}

#[tokio::test]
async fn timers_are_bounded() {
    let bench = Bench::new();
    let mut image = handler(
        "timers",
        "() => {
            const set = [];
            try { for (;;) set.push(setTimeout(() => {}, 1e6)) } catch (error) {
                clearTimeout(set[0]);
                const again = setInterval(() => {}, 1e6);
                for (const id of [...set, again]) clearInterval(id);
                return [set.length, error.name, error.message];
            }
        }",
    );
    image.limits = Limits { timers: 7, ..Limits::default() };
    let plugin = bench.plugin(image);
    for _ in 0..2 {
        assert_eq!(before_value(&plugin).await, Ok(json!([7, "RangeError", "more than 7 timers are set"])));
    }
}

#[tokio::test]
async fn host_calls_under_way_are_bounded() {
    for call in ["ctx.notify('never')", "ctx.exec('x').then(() => ctx.notify('never'))"] {
        let bench = Bench::new();
        let body = format!(
            "async () => {{
                const under_way = [];
                const failed = new Promise((resolve) => {{
                    for (let i = 0; i < 8; i++) under_way.push({call}.catch(resolve));
                }});
                const error = await failed;
                return [error.name, error.message];
            }}"
        );
        let mut image = handler("busy", &body);
        image.limits = Limits { pending: 5, ..Limits::default() };
        let expected = json!(["RangeError", "more than 5 host calls are under way"]);
        assert_eq!(before_value(&bench.plugin(image)).await, Ok(expected), "{call}");
        assert!(bench.host.calls.lock().unwrap().len() <= 8);
    }
    // What was answered makes room.
    let bench = Bench::new();
    let mut image =
        handler("steady", "async () => { for (let i = 0; i < 50; i++) await ctx.notify('hi'); return 'all' }");
    image.limits = Limits { pending: 1, ..Limits::default() };
    assert_eq!(before_value(&bench.plugin(image)).await, Ok(json!("all")));
}

#[tokio::test]
async fn arguments_of_host_calls_are_bounded() {
    let bench = Bench::new();
    let mut image =
        handler("big", "() => ctx.storage.set('k', 'x'.repeat(2000)).catch((e) => `${e.name}: ${e.message}`)");
    image.limits = Limits { output: 1000, ..Limits::default() };
    let expected = json!("RangeError: storage.set: the arguments are larger than 0 MiB");
    assert_eq!(before_value(&bench.plugin(image)).await, Ok(expected));
    let mut image = handler(
        "many",
        "async () => { const text = 'never'; const big = 'x'.repeat(400_000); const all = [];
            for (let i = 0; i < 4; i++) all.push(ctx.notify(text, big).then(() => 'answered', (e) => e.message));
            return Promise.race(all) }",
    );
    image.limits = Limits { off_heap: 1 << 20, ..Limits::default() };
    let expected = json!("notify: host calls with more than 1 MiB of arguments are under way");
    assert_eq!(before_value(&bench.plugin(image)).await, Ok(expected));
}

/// Ways to come to a host call later. `go` makes the call; each must be made for the event whose handler began it.
const DETOURS: &[&str] = &[
    "go()",
    "await null; go()",
    "await ctx.storage.keys(); go()",
    "await ctx.storage.keys().then(() => ctx.fs.exists('a')); await null; go()",
    "try { await ctx.notify('x', 'IO') } catch { go() }",
    "await Promise.all([ctx.storage.keys(), ctx.fs.exists('a')]); go()",
    "await Promise.race([ctx.notify('never'), ctx.fs.exists('a')]); go()",
    "setTimeout(go, 1)",
    "setTimeout(async () => { await ctx.storage.keys(); go() }, 1)",
    "await new Promise((resolve) => setTimeout(resolve, 1)); go()",
    "const id = setInterval(() => { clearInterval(id); setTimeout(go, 1) }, 1)",
    "queueMicrotask(go)",
    "queueMicrotask(() => queueMicrotask(() => setTimeout(go)))",
    "Promise.resolve({ then(resolve) { resolve() } }).then(go)",
    "(async function* () { yield 1; await ctx.storage.keys(); go() })().next().then(async () => { for await (const x of (async function* () { await null; yield go() })()); })",
    "const target = new EventTarget(); target.addEventListener('x', () => setTimeout(go)); await ctx.fs.exists('a'); target.dispatchEvent(new Event('x'))",
    "AbortSignal.timeout(1).addEventListener('abort', go)",
    "const c = new AbortController(); c.signal.addEventListener('abort', go); await ctx.fs.exists('a'); c.abort()",
    "await new Response(new ReadableStream({ async pull(c) { await ctx.fs.exists('a'); go(); c.close() } })).text()",
    "await crypto.subtle.digest('SHA-256', new Uint8Array(1)); go()",
];

#[tokio::test]
async fn later_calls_keep_their_cause() {
    for detour in DETOURS {
        let bench = Bench::new();
        let plugin = bench.plugin(image(
            "later",
            &format!(
                "export default (ctx) => ({{ on: {{ 'session.idle': async (event) => {{
                    const go = () => ctx.notify(event.sessionId);
                    {detour};
                }} }} }})"
            ),
        ));
        let sessions: Vec<String> = (0..4).map(|number| format!("s{number}")).collect();
        let calls: Vec<_> = sessions
            .iter()
            .map(|id| caused("session.idle", &json!({ "sessionId": id }).to_string(), &[&format!("cause-{id}")], id))
            .collect();
        // All at once, so that they are interleaved.
        let under_way: Vec<_> = calls
            .iter()
            .map(|call| {
                let (plugin, call) = (plugin.clone(), call.clone());
                tokio::spawn(async move { plugin.call(&call).await.result })
            })
            .collect();
        for reply in under_way {
            assert_eq!(reply.await.unwrap().as_deref(), Ok("{}"), "{detour}");
        }
        let said = |message: &Value| message.as_str().is_some_and(|it| it.starts_with('s'));
        let found: BTreeMap<String, Vec<String>> = bench
            .host
            .wait_for(detour, |host| {
                let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
                for call in host.calls.lock().unwrap().iter().filter(|call| call.op == "notify") {
                    let args: Value = serde_json::from_str(&call.args).unwrap();
                    if said(&args["message"]) {
                        let origin = call.origin.clone().unwrap();
                        let origins = found.entry(args["message"].as_str().unwrap().to_owned()).or_default();
                        origins.push(format!("{} {}", origin.session_id, origin.chain[0].as_str()));
                    }
                }
                (found.len() == sessions.len()).then_some(found)
            })
            .await;
        for (session, origins) in found {
            let own = format!("{session} cause-{session}");
            assert!(origins.iter().all(|origin| *origin == own), "{detour}: {session} called for {origins:?}");
        }
        // No host call of any event was anybody's else.
        let calls = bench.host.calls.lock().unwrap();
        assert!(calls.iter().all(|call| call.origin.is_some()), "{detour}");
    }
}

/// What the plugin does of its own accord since its start has no cause, whatever event came in between.
#[tokio::test]
async fn what_began_at_the_start_has_no_cause() {
    let bench = Bench::new();
    let plugin = bench.plugin(image(
        "early",
        "export default async (ctx) => {
            await ctx.notify('start');
            setTimeout(() => ctx.notify('timer'), 1);
            const id = setInterval(() => { if (seen) { clearInterval(id); ctx.notify('interval') } }, 1);
            let seen = false;
            return { on: { 'session.idle': () => { seen = true } } };
        }",
    ));
    plugin.call(&caused("session.idle", r#"{"sessionId":"s1"}"#, &["first"], "s1")).await.result.unwrap();
    let origins = bench
        .host
        .wait_for("three notices", |host| {
            let calls = host.calls.lock().unwrap();
            (calls.len() == 3).then(|| calls.iter().map(|call| call.origin.clone()).collect::<Vec<_>>())
        })
        .await;
    assert_eq!(origins, [None, None, None]);
}

#[tokio::test]
async fn a_promise_of_one_event_is_answered_for_each() {
    // The second event waits for what the first one began, and what it does then is its own.
    let bench = Bench::new();
    let plugin = bench.plugin(image(
        "shared",
        "let shared;
        export default (ctx) => ({ on: { 'session.idle': async (event) => {
            shared ??= ctx.storage.keys();
            const keys = await shared;
            await ctx.notify(event.sessionId);
            return keys;
        } } })",
    ));
    for id in ["s1", "s2"] {
        let reply = plugin.call(&caused("session.idle", &json!({ "sessionId": id }).to_string(), &[], id)).await;
        assert_eq!(value(&reply), Ok(json!(["k"])));
        let last = bench.host.calls.lock().unwrap().last().cloned().unwrap();
        assert_eq!(last.origin.unwrap().session_id.as_ref(), id);
    }
    assert!(plugin.call(&event("tool.execute.before", TOOL_CALL)).await.result.is_ok());
}

/// Listeners of a signal run when neither the event nor anything that it awaits is entered.
#[tokio::test]
async fn listeners_of_a_signal_act_for_their_event() {
    let bench = Bench::new();
    let plugin = bench.plugin(image(
        "aborted",
        "export default (ctx) => ({
            on: { 'session.idle': (event) => {
                if (event.sessionId !== 's1') return undefined;
                ctx.signal.addEventListener('abort', () => ctx.fs.exists('a'));
                return ctx.notify('never');
            } },
            dispose() { ctx.fs.exists('b') },
        })",
    ));
    let idle = |id: &str| caused("session.idle", &json!({ "sessionId": id }).to_string(), &[], id);
    let first = tokio::spawn({
        let (plugin, call) = (plugin.clone(), idle("s1"));
        async move { plugin.call(&call).await }
    });
    let exists = |path: &'static str| {
        move |host: &Recorder| {
            let calls = host.calls.lock().unwrap();
            let found = calls.iter().find(|call| call.op == "fs.exists" && call.args.contains(path));
            found.map(|call| call.origin.clone().map(|origin| origin.session_id.to_string()))
        }
    };
    bench.host.wait_for("the first event", |host| (!host.calls.lock().unwrap().is_empty()).then_some(())).await;
    plugin.call(&idle("s2")).await.result.unwrap();
    first.abort();
    assert_eq!(bench.host.wait_for("its end", exists("\"a\"")).await.as_deref(), Some("s1"));
    plugin.call(&idle("s3")).await.result.unwrap();
    plugin.dispose().await;
    assert_eq!(bench.host.wait_for("dispose", exists("\"b\"")).await, None);
}
