//! How events find their handlers, whatever a plugin did to its own globals; and what isolates do without.

use mimir_sandbox::{CallKind, CallOrigin};
use serde_json::{Value, json};

use crate::host::{TOOL_CALL, event, handler, image};
use crate::recorder::{Bench, before_value, caused, named, value};

const COMPLETED: &str = r#"{"sessionId":"s1","reason":"completed"}"#;
/// What every payload has.
const PLAIN: &str = r#"{"sessionId":"s1"}"#;
const WAITING: &str = r#"{"sessionId":"s1","reason":"waiting"}"#;

#[tokio::test]
async fn session_completed_is_session_idle_with_that_reason() {
    for (on, completed, waiting) in [
        ("'session.completed': (event) => event.reason", json!("completed"), Value::Null),
        ("'session.idle': (event) => event.reason", json!("completed"), json!("waiting")),
        // Both: in the order in which they stand, and the second one has the last word if it says anything.
        (
            "'session.completed': () => { console.log('alias') }, 'session.idle': (event) => { console.log('idle'); return event.reason }",
            json!("completed"),
            json!("waiting"),
        ),
        ("'session.completed': async () => 'alias', 'session.idle': () => {}", json!("alias"), Value::Null),
        ("'session.idle': async () => 'idle', 'session.completed': async () => 'alias'", json!("alias"), json!("idle")),
    ] {
        let bench = Bench::new();
        let plugin = bench.plugin(image("alias", &format!("export default () => ({{ on: {{ {on} }} }})")));
        for (payload, expected) in [(COMPLETED, &completed), (WAITING, &waiting)] {
            let reply = plugin.call(&event("session.idle", payload)).await;
            assert_eq!(value(&reply).as_ref(), Ok(expected), "{on}: {payload}");
        }
        if on.contains("console") {
            assert_eq!(bench.host.lines(), ["info: alias", "info: idle", "info: idle"]);
        }
        let declared: Value = serde_json::from_str(&plugin.declared().await.unwrap()).unwrap();
        let names: Vec<&str> =
            ["session.completed", "session.idle"].into_iter().filter(|name| on.contains(name)).collect();
        let events = declared["events"].as_array().unwrap();
        assert!(
            events.len() == names.len() && names.iter().all(|name| events.contains(&json!(name))),
            "{on}: {events:?}"
        );
    }
    let bench = Bench::new();
    let plugin = bench.plugin(image(
        "thrower",
        "export default () => ({ on: { 'session.completed': () => { throw new Error('no') } } })",
    ));
    assert_eq!(value(&plugin.call(&event("session.idle", COMPLETED)).await), Err("Error: no".into()));
    assert_eq!(value(&plugin.call(&event("session.idle", WAITING)).await), Ok(Value::Null));
}

#[tokio::test]
async fn handlers_get_the_event_and_the_context() {
    let bench = Bench::new();
    let plugin = bench.plugin(image(
        "both",
        "export default (outer) => ({ on: {
            'tool.execute.before': (event, inner) => [event, inner === outer],
            'cost.updated': () => {},
        } })",
    ));
    let payload: Value = serde_json::from_str(TOOL_CALL).unwrap();
    assert_eq!(before_value(&plugin).await, Ok(json!([payload, true])));
    assert_eq!(plugin.call(&event("cost.updated", "{}")).await.result.as_deref(), Ok("{}"));
    assert_eq!(plugin.call(&event("file.modified", "{}")).await.result.as_deref(), Ok("{}"), "nobody listens");
    for name in ["__proto__", "constructor", "toString", ""] {
        assert_eq!(plugin.call(&event(name, "{}")).await.result.as_deref(), Ok("{}"), "{name}");
    }
}

#[tokio::test]
async fn disposing_calls_dispose_once() {
    for (dispose, expected) in [
        ("dispose() { console.log('bye', this.on !== undefined) }", &["info: bye true"][..]),
        (
            "dispose: async () => { console.log('first'); await null; console.log('second') }",
            &["info: first", "info: second"],
        ),
        ("dispose() { console.log('bye'); throw 'no' }", &["info: bye", "error: dispose threw: no"]),
        ("dispose() { ctx.log.warn('bye'); ctx.storage.set('k', 1) }", &["warn: bye"]),
        ("dispose() { console.log('bye'); for (;;); }", &["info: bye"]),
        ("dispose: undefined", &[]),
    ] {
        let bench = Bench::new();
        let code = format!("export default (ctx) => ({{ on: {{ 'tool.execute.before': () => 'fine' }}, {dispose} }})");
        let plugin = bench.plugin(image("disposed", &code));
        assert_eq!(before_value(&plugin).await, Ok(json!("fine")), "{dispose}");
        plugin.dispose().await;
        plugin.dispose().await;
        assert_eq!(bench.host.lines(), expected, "{dispose}");
        // It comes back when it is called.
        assert_eq!(before_value(&plugin).await, Ok(json!("fine")), "{dispose}");
    }
}

#[tokio::test]
async fn code_comes_from_the_bundle_alone() {
    for (attempt, expected) in [
        ("eval('1')", "EvalError"),
        ("(0, eval)('1')", "EvalError"),
        ("new Function('return 1')", "EvalError"),
        ("Function('return 1')", "EvalError"),
        ("(() => {}).constructor('return 1')", "EvalError"),
        ("(async () => {}).constructor('return 1')", "EvalError"),
        ("(function* () {}).constructor('yield 1')", "EvalError"),
        ("(async function* () {}).constructor('yield 1')", "EvalError"),
        ("Reflect.construct(Function, ['return 1'])", "EvalError"),
        ("Reflect.construct(Object, [], Function).constructor", "nothing"),
        ("new (class extends Function {})('return 1')", "EvalError"),
        ("setTimeout('globalThis.done = 1')", "TypeError"),
        ("await import('node:fs')", "TypeError"),
        ("await import('data:text/javascript,1')", "TypeError"),
        ("await import('mimir:plugin/closed')", "TypeError"),
        ("WebAssembly", "ReferenceError"),
        ("SharedArrayBuffer", "ReferenceError"),
        ("Atomics", "ReferenceError"),
        ("require('fs')", "ReferenceError"),
        ("Deno", "ReferenceError"),
        ("process.exit()", "TypeError"),
        ("process.binding('fs')", "TypeError"),
        ("new Worker('x')", "ReferenceError"),
        ("d8.file", "ReferenceError"),
        ("native", "ReferenceError"),
        ("fireTimer", "ReferenceError"),
        ("ctx.call('fs.readFile')", "TypeError"),
    ] {
        let bench = Bench::new();
        let body = format!(
            "async () => {{ try {{ const found = {attempt}; return found === undefined ? 'undefined' : 'nothing' }} catch (e) {{ return e.name }} }}"
        );
        let got = before_value(&bench.plugin(handler("closed", &body))).await;
        assert_eq!(got, Ok(json!(expected)), "{attempt}");
        assert!(bench.host.take_calls().is_empty(), "{attempt}");
    }
}

/// `(module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))`.
const ADD: &str =
    "new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100,
    100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11])";

#[tokio::test]
async fn webassembly_comes_with_its_grant() {
    let body = format!("() => new WebAssembly.Instance(new WebAssembly.Module({ADD})).exports.add(20, 22)");
    for (wasm, expected) in [(true, Ok(json!(42))), (false, Err("ReferenceError: WebAssembly is not defined".into()))] {
        let mut image = handler("wasm", &body);
        image.wasm = wasm;
        let bench = Bench::new();
        assert_eq!(before_value(&bench.plugin(image)).await, expected);
    }
}

#[tokio::test]
async fn webassembly_settles_its_promises() {
    const EMPTY: &str = "new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])";
    for (expression, expected) in [
        (format!("(await WebAssembly.instantiate({ADD})).instance.exports.add(20, 22)"), json!(42)),
        (format!("(await WebAssembly.instantiate({ADD}.buffer)).module instanceof WebAssembly.Module"), json!(true)),
        (format!("(await WebAssembly.instantiate(await WebAssembly.compile({ADD}))).exports.add(1, 2)"), json!(3)),
        (format!("(await WebAssembly.compile({EMPTY})) instanceof WebAssembly.Module"), json!(true)),
        ("await WebAssembly.compile(new Uint8Array(8)).catch((e) => e.name)".into(), json!("CompileError")),
        ("await WebAssembly.instantiate({}).catch((e) => e.name)".into(), json!("TypeError")),
        ("[WebAssembly.compile.length, WebAssembly.instantiate.length]".into(), json!([1, 1])),
    ] {
        let mut image = handler("wasm", &format!("async () => {expression}"));
        image.wasm = true;
        let bench = Bench::new();
        assert_eq!(before_value(&bench.plugin(image)).await, Ok(expected), "{expression}");
    }
}

/// What plugins do to their globals, by mistake or not. Later events are answered all the same.
const POLLUTIONS: &[&str] = &[
    "Object.prototype.value = 'polluted'; Object.prototype.changed = 'polluted'; Object.prototype.id = 'polluted'",
    "Object.prototype.then = function () {}",
    "Object.prototype.get = Object.prototype.set = () => { throw new Error('polluted') }",
    "Object.defineProperty(Object.prototype, 'sessionId', { set() { throw new Error('polluted') }, get() { throw new Error('polluted') } })",
    "Object.defineProperty(Object.prototype, 'resolve', { set() { throw new Error('polluted') } })",
    "Object.defineProperty(Object.prototype, 'record', { set() { throw new Error('polluted') }, get() { throw new Error('polluted') } })",
    "Object.prototype.controller = Object.prototype.messages = Object.prototype.aborted = Object.prototype.done = true",
    "Object.prototype.callback = Object.prototype.repeats = Object.prototype.args = 5",
    "Object.prototype.encoding = Object.prototype.recursive = 'polluted'",
    "Object.freeze(Object.prototype); Object.freeze(Array.prototype); Object.freeze(Promise.prototype)",
    "Object.defineProperty(Array.prototype, 0, { set() { throw new Error('polluted') }, get() { return 'polluted' } })",
    "Array.prototype.push = Array.prototype.concat = Array.prototype[Symbol.iterator] = () => { throw new Error('polluted') }",
    "Map.prototype.get = Map.prototype.set = Map.prototype.has = Map.prototype.delete = () => { throw new Error('polluted') }",
    "JSON.parse = JSON.stringify = () => 'polluted'; globalThis.JSON = undefined",
    "Promise.prototype.then = () => { throw new Error('polluted') }",
    "Promise.resolve = Promise.reject = () => { throw new Error('polluted') }",
    "globalThis.Promise = class {}",
    "Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => { throw new Error('polluted') }",
    "Reflect.apply = () => { throw new Error('polluted') }",
    "String.prototype.slice = String.prototype.charCodeAt = () => { throw new Error('polluted') }",
    "Object.keys = Object.freeze = Object.defineProperty = () => { throw new Error('polluted') }",
    "globalThis.Error = globalThis.TypeError = globalThis.Object = globalThis.Array = globalThis.Map = undefined",
    "Error.prepareStackTrace = () => { throw new Error('polluted') }",
    "Error.stackTraceLimit = 'polluted'",
    "globalThis.console = globalThis.setTimeout = globalThis.process = undefined",
    "for (const name of Object.getOwnPropertyNames(globalThis)) { try { delete globalThis[name] } catch {} }",
];

#[tokio::test]
async fn dispatch_survives_what_plugins_do_to_their_globals() {
    for pollution in POLLUTIONS {
        let bench = Bench::new();
        let plugin = bench.plugin(image(
            "polluter",
            &format!(
                "export default (ctx) => {{
                    const later = setTimeout;
                    const {{ log }} = console;
                    return {{
                        on: {{
                            'cost.updated': () => {{ {pollution} }},
                            'session.idle': async () => {{ log('seen'); return (await ctx.fs.readFile('a')) + ctx.session.id }},
                            'tool.execute.before': (event) => {{ event.args.command += ' -l' }},
                            'session.error': (event) => {{ throw event.error }},
                            'file.modified': () => {{ later(() => ctx.notify('late'), 1) }},
                        }},
                        tools: [{{ name: 'plus', execute: ({{ a }}) => a + 1 }}],
                    }};
                }}"
            ),
        ));
        let call = |name: &str, payload: &str| {
            let (plugin, call) = (plugin.clone(), caused(name, payload, &["first"], "s1"));
            async move { plugin.call(&call).await.result.map_err(|failure| failure.to_string()) }
        };
        assert_eq!(call("cost.updated", PLAIN).await.as_deref(), Ok("{}"), "{pollution}");
        for (name, payload, expected) in [
            ("session.idle", PLAIN, Ok(r#"{"value":"texts1"}"#)),
            ("tool.execute.before", TOOL_CALL, Ok(r#"{"changed":{"args":{"command":"ls -l"}}}"#)),
            ("session.error", r#"{"sessionId":"s1","error":"text"}"#, Err("Error: text")),
            ("file.modified", PLAIN, Ok("{}")),
            ("message.added", PLAIN, Ok("{}")),
        ] {
            let result = call(name, payload).await;
            assert_eq!(result.as_deref().map_err(String::as_str), expected, "{pollution}: {name}");
        }
        let reply = plugin.call(&named(CallKind::Tool, "plus", r#"{"a":1}"#)).await;
        assert_eq!(reply.result.as_deref(), Ok("2"), "{pollution}");
        let late = bench
            .host
            .wait_for(pollution, |host| host.calls.lock().unwrap().iter().find(|call| call.op == "notify").cloned())
            .await;
        assert_eq!(late.origin.map(|CallOrigin { session_id, .. }| session_id).as_deref(), Some("s1"), "{pollution}");
        assert_eq!(bench.host.lines()[0], "info: seen", "{pollution}");
        // Nor does it reach a neighbour.
        let neighbour = bench.plugin(handler("neighbour", "() => [typeof JSON.parse, {}.value ?? null]"));
        assert_eq!(before_value(&neighbour).await, Ok(json!(["function", null])), "{pollution}");
        assert_eq!(neighbour.pid(), plugin.pid());
    }
}

/// What a plugin can't do without: it harms itself, and is told so.
const SELF_HARM: &[&str] = &[
    "Object.defineProperty(Promise, Symbol.species, { get() { throw new Error('polluted') } })",
    "Object.defineProperty(Promise, Symbol.species, { get() { return class { constructor(run) { run(() => {}, () => {}) } } } })",
    "Object.defineProperty(Promise.prototype, 'constructor', { get() { throw new Error('polluted') } })",
    "Object.prototype.toJSON = () => { throw new Error('polluted') }",
    "Object.prototype.toJSON = () => 'polluted'",
    "String.prototype.toJSON = Object.prototype.toJSON = () => undefined",
    "Object.setPrototypeOf(Object.prototype, null); Object.prototype.path = 'polluted'; delete Object.prototype.toString",
];

#[tokio::test]
async fn self_harm_is_answered_for() {
    for pollution in SELF_HARM {
        let bench = Bench::new();
        let plugin = bench.plugin(image(
            "self-harm",
            &format!(
                "export default (ctx) => ({{ on: {{
                    'cost.updated': () => {{ {pollution} }},
                    'session.idle': async () => ctx.fs.readFile('a'),
                    'tool.execute.before': async (event) => {{ event.args.command += ' -l'; return {{ reason: 'x' }} }},
                    'session.error': async () => {{ throw new RangeError('no') }},
                }} }})"
            ),
        ));
        let neighbour =
            bench.plugin(handler("neighbour", "async () => (await ctx.fs.readFile('a')) + JSON.stringify({})"));
        plugin.call(&event("cost.updated", PLAIN)).await.result.unwrap();
        for name in ["session.idle", "tool.execute.before", "session.error", "file.modified"] {
            let result = plugin.call(&event(name, TOOL_CALL)).await.result;
            let said = format!("{result:?}");
            assert!(
                !said.contains("Crashed") && !said.contains("Limit") && !said.contains("Lost"),
                "{pollution}: {said}"
            );
            assert_eq!(before_value(&neighbour).await, Ok(json!("text{}")), "{pollution}");
        }
    }
}
