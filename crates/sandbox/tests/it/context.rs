//! What `ctx` offers: what the host is asked, and what the plugin gets.

use std::sync::Arc;

use mimir_sandbox::{CallKind, PluginImage};
use mimir_shared_config::Limits;
use serde_json::{Value, json};

use crate::host::{TOOL_CALL, event, handler, image};
use crate::recorder::{Bench, before_value, caused, named, value};

/// A plugin whose handler returns the value of `expression`, or `name: message` of what it rejects with.
fn evaluating(expression: &str) -> PluginImage {
    let body = format!(
        "async (event) => {{
            let made;
            try {{ made = ({expression}) }} catch (error) {{ return `at once: ${{error.name}}: ${{error.message}}` }}
            try {{ return (await made) ?? null }} catch (error) {{ return `${{error.name}}: ${{error.message}}` }}
        }}"
    );
    handler("context", &body)
}

/// Evaluates `expression`: the host must be asked for exactly `asked`, and the plugin get `expected`.
async fn check(expression: &str, asked: Option<(&str, Value)>, expected: Value) {
    let bench = Bench::new();
    let got = before_value(&bench.plugin(evaluating(expression))).await;
    assert_eq!(got, Ok(expected), "{expression}");
    let asked: Vec<(String, Value)> = asked.into_iter().map(|(op, args)| (op.to_owned(), args)).collect();
    assert_eq!(bench.host.take_calls(), asked, "{expression}");
}

#[tokio::test]
async fn files() {
    let path = json!({ "path": "a" });
    let data = |data: &str, encoding: &str| json!({ "path": "a", "data": data, "encoding": encoding });
    for (expression, op, args, expected) in [
        ("ctx.fs.readFile('a')", "fs.readFile", json!({ "path": "a", "encoding": "utf8" }), json!("text")),
        ("ctx.fs.readFile('a', 'utf8')", "fs.readFile", json!({ "path": "a", "encoding": "utf8" }), json!("text")),
        ("ctx.fs.readFile('a', 'utf-8')", "fs.readFile", json!({ "path": "a", "encoding": "utf8" }), json!("text")),
        (
            "ctx.fs.readFile('a', { encoding: 'utf-8' })",
            "fs.readFile",
            json!({ "path": "a", "encoding": "utf8" }),
            json!("text"),
        ),
        ("ctx.fs.readFile('a', {})", "fs.readFile", json!({ "path": "a", "encoding": "utf8" }), json!("text")),
        ("ctx.fs.readFile('a', 'base64')", "fs.readFile", json!({ "path": "a", "encoding": "base64" }), json!("aMOp")),
        (
            "ctx.fs.readFile('a', 'bytes').then((bytes) => [bytes.constructor.name, ...bytes])",
            "fs.readFile",
            json!({ "path": "a", "encoding": "base64" }),
            json!(["Uint8Array", 104, 195, 169]),
        ),
        (
            "ctx.fs.readFile('a', { encoding: null }).then((bytes) => bytes.length)",
            "fs.readFile",
            json!({ "path": "a", "encoding": "base64" }),
            json!(3),
        ),
        ("ctx.fs.writeFile('a', 'hé')", "fs.writeFile", data("hé", "utf8"), Value::Null),
        ("ctx.fs.writeFile('a', '')", "fs.writeFile", data("", "utf8"), Value::Null),
        ("ctx.fs.writeFile('a', 'aMOp', { encoding: 'base64' })", "fs.writeFile", data("aMOp", "base64"), Value::Null),
        ("ctx.fs.writeFile('a', new Uint8Array([104, 195, 169]))", "fs.writeFile", data("aMOp", "base64"), Value::Null),
        (
            "ctx.fs.writeFile('a', new Uint8Array([0, 104, 195, 169]).subarray(1))",
            "fs.writeFile",
            data("aMOp", "base64"),
            Value::Null,
        ),
        (
            "ctx.fs.writeFile('a', new Uint8Array([104, 195, 169]).buffer)",
            "fs.writeFile",
            data("aMOp", "base64"),
            Value::Null,
        ),
        ("ctx.fs.appendFile('a', 'b')", "fs.appendFile", data("b", "utf8"), Value::Null),
        ("ctx.fs.appendFile('a', new Uint8Array([104]))", "fs.appendFile", data("aA==", "base64"), Value::Null),
        ("ctx.fs.exists('a')", "fs.exists", path.clone(), json!(true)),
        (
            "ctx.fs.stat('a')",
            "fs.stat",
            path.clone(),
            json!({ "isFile": true, "isDirectory": false, "isSymlink": false, "size": 4, "mtimeMs": 1.5 }),
        ),
        ("ctx.fs.readdir('a')", "fs.readdir", path.clone(), json!(["a", "b"])),
        ("ctx.fs.mkdir('a')", "fs.mkdir", json!({ "path": "a", "recursive": false }), Value::Null),
        ("ctx.fs.mkdir('a', { recursive: true })", "fs.mkdir", json!({ "path": "a", "recursive": true }), Value::Null),
        ("ctx.fs.ensureDir('a')", "fs.mkdir", json!({ "path": "a", "recursive": true }), Value::Null),
        ("ctx.fs.remove('a')", "fs.remove", json!({ "path": "a", "recursive": false }), Value::Null),
        ("ctx.fs.remove('a', { recursive: 1 })", "fs.remove", json!({ "path": "a", "recursive": true }), Value::Null),
        ("ctx.fs.unlink('a')", "fs.remove", json!({ "path": "a", "recursive": false }), Value::Null),
    ] {
        check(expression, Some((op, args)), expected).await;
    }
}

#[tokio::test]
async fn programs() {
    let result = || json!({ "exitCode": 1, "stdout": "out", "stderr": "err" });
    for (expression, args) in [
        ("ctx.exec('ls')", json!({ "command": "ls" })),
        ("ctx.exec('ls', [])", json!({ "command": "ls", "args": [] })),
        ("ctx.exec('ls', ['-l', 'ä b'])", json!({ "command": "ls", "args": ["-l", "ä b"] })),
        ("ctx.exec.execute('ls', ['-l'])", json!({ "command": "ls", "args": ["-l"] })),
        ("ctx.exec('jq', { a: [1, null] })", json!({ "command": "jq", "input": r#"{"a":[1,null]}"# })),
        ("ctx.exec('cat', ['-'], { input: 'text' })", json!({ "command": "cat", "args": ["-"], "input": "text" })),
        ("ctx.exec('cat', ['-'], { input: '' })", json!({ "command": "cat", "args": ["-"], "input": "" })),
        (
            "ctx.exec('jq', ['.'], { input: { a: 1 } })",
            json!({ "command": "jq", "args": ["."], "input": r#"{"a":1}"# }),
        ),
        (
            "ctx.exec('make', ['all'], { cwd: 'sub', env: { A: 'b' }, timeoutMs: 500, other: 1 })",
            json!({ "command": "make", "args": ["all"], "cwd": "sub", "env": { "A": "b" }, "timeoutMs": 500 }),
        ),
        ("ctx.exec('make all', undefined, { cwd: 'sub' })", json!({ "command": "make all", "cwd": "sub" })),
        (
            "ctx.exec('jq', { a: 1 }, { timeoutMs: 5 })",
            json!({ "command": "jq", "input": r#"{"a":1}"#, "timeoutMs": 5 }),
        ),
    ] {
        check(expression, Some(("exec", args)), result()).await;
    }
}

#[tokio::test]
async fn storage_notices_and_the_session() {
    let notice = |level: &str| json!({ "message": "hi", "level": level });
    for (expression, op, args, expected) in [
        ("ctx.storage.get('k')", "storage.get", json!({ "key": "k" }), json!({ "a": [1] })),
        (
            "ctx.storage.get('nothing').then((it) => it === undefined)",
            "storage.get",
            json!({ "key": "nothing" }),
            json!(true),
        ),
        ("ctx.storage.set('k', { a: 1 })", "storage.set", json!({ "key": "k", "value": { "a": 1 } }), Value::Null),
        ("ctx.storage.set('k')", "storage.set", json!({ "key": "k", "value": null }), Value::Null),
        ("ctx.storage.delete('k')", "storage.delete", json!({ "key": "k" }), Value::Null),
        ("ctx.storage.keys()", "storage.keys", json!({}), json!(["k"])),
        ("ctx.storage.clear()", "storage.clear", json!({}), Value::Null),
        ("ctx.notify('hi')", "notify", notice("info"), Value::Null),
        ("ctx.notify('hi', 'warn')", "notify", notice("warn"), Value::Null),
        ("ctx.session.metadata()", "session.get", json!({}), json!({ "title": "t" })),
        ("ctx.session.messages()", "session.messages", json!({}), json!([{ "role": "user", "text": "hi" }])),
    ] {
        check(expression, Some((op, args)), expected).await;
    }
}

#[tokio::test]
async fn tools_and_questions() {
    for (expression, op, args, expected) in [
        ("ctx.tools.list()", "tools.list", json!({}), json!([{ "name": "read" }])),
        ("ctx.tools.get('read')", "tools.get", json!({ "name": "read" }), json!({ "name": "read" })),
        ("ctx.tools.get('x').then((it) => it === undefined)", "tools.get", json!({ "name": "x" }), json!(true)),
        (
            "ctx.tools.execute('read', { path: 'a' })",
            "tools.execute",
            json!({ "name": "read", "args": { "path": "a" } }),
            json!({ "ran": "read" }),
        ),
        ("ctx.tools.execute('read')", "tools.execute", json!({ "name": "read" }), json!({ "ran": "read" })),
        ("ctx.ask('which?')", "ask", json!({ "question": "which?" }), json!("this")),
        (
            "ctx.ask('which?', { choices: ['this', 'that'], default: 'that', other: 1 })",
            "ask",
            json!({ "question": "which?", "choices": ["this", "that"], "default": "that" }),
            json!("this"),
        ),
        ("ctx.ask('?').then((it) => it === undefined)", "ask", json!({ "question": "?" }), json!(true)),
        ("ctx.confirm('sure?')", "confirm", json!({ "question": "sure?" }), json!(true)),
    ] {
        check(expression, Some((op, args)), expected).await;
    }
}

#[tokio::test]
async fn wrong_arguments_reject_and_never_reach_the_host() {
    for (expression, expected) in [
        ("ctx.fs.readFile()", "TypeError: the path must be a string"),
        ("ctx.fs.readFile(1, 'bytes')", "TypeError: the path must be a string"),
        ("ctx.fs.writeFile('a')", "TypeError: the data must be an ArrayBuffer or a view on one"),
        ("ctx.fs.writeFile('a', { b: 1 })", "TypeError: the data must be an ArrayBuffer or a view on one"),
        ("ctx.fs.writeFile({}, 'a')", "TypeError: the path must be a string"),
        ("ctx.fs.exists(null)", "TypeError: the path must be a string"),
        ("ctx.exec()", "TypeError: the command must be a string"),
        ("ctx.exec('ls', '-l')", "TypeError: the arguments must be an array, or an object for standard input"),
        ("ctx.exec('ls', 5)", "TypeError: the arguments must be an array, or an object for standard input"),
        ("ctx.exec('jq', { a: 1n })", "TypeError: Do not know how to serialize a BigInt"),
        ("ctx.notify({})", "TypeError: the message must be a string"),
        ("ctx.storage.get(1)", "TypeError: the key must be a string"),
        ("ctx.storage.set('k', 1n)", "TypeError: Do not know how to serialize a BigInt"),
        ("ctx.storage.delete()", "TypeError: the key must be a string"),
        ("ctx.tools.execute()", "TypeError: the name must be a string"),
        ("ctx.tools.get(1)", "TypeError: the name must be a string"),
        ("ctx.ask()", "TypeError: the question must be a string"),
        ("ctx.confirm({})", "TypeError: the question must be a string"),
    ] {
        check(expression, None, json!(expected)).await;
    }
}

#[tokio::test]
async fn refusals_are_errors_with_codes() {
    for code in ["NOT_RECORDED", "INVALID_ARGUMENT", "NOT_FOUND", "IO", "TIMEOUT", "LIMIT", "UNSUPPORTED"] {
        let expression = format!(
            "ctx.notify('hi', '{code}').catch((e) => [e instanceof Error, e.name, e.message, e.code, Object.keys(e), String(e)])"
        );
        let expected = json!([true, "MimirError", "notify failed", code, ["code"], "MimirError: notify failed"]);
        check(&expression, Some(("notify", json!({ "message": "hi", "level": code }))), expected).await;
    }
    check(
        "ctx.notify('hi', 'CAPABILITY_DENIED').catch((e) => ({ ...e }))",
        Some(("notify", json!({ "message": "hi", "level": "CAPABILITY_DENIED" }))),
        json!({ "code": "CAPABILITY_DENIED", "capability": "notify", "hint": "ask for it" }),
    )
    .await;
}

/// What needs no host.
#[tokio::test]
async fn what_a_plugin_knows_by_itself() {
    const CONTEXT: &str = r#"{"plugin":{"name":"context","version":"1.2.3"},"project":{"root":"/code/p","worktree":"/code"},
        "config":{"options":{"list":[{"a":1}]}},"env":{"HOME":"/home/u"}}"#;
    let refused = |expression: &str| {
        format!("(() => {{ try {{ {expression}; return 'allowed' }} catch (error) {{ return error.name }} }})()")
    };
    let frozen: Vec<(String, Value)> = [
        "ctx.other = 1",
        "ctx.fs = {}",
        "ctx.fs.readFile = 1",
        "ctx.exec.execute = 1",
        "ctx.storage.get = 1",
        "ctx.log.info = 1",
        "ctx.ask = 1",
        "ctx.tools = {}",
        "ctx.tools.execute = 1",
        "ctx.session.id = 'other'",
        "ctx.config.added = 1",
        "ctx.config.options.list.push(1)",
        "ctx.config.options.list[0].a = 2",
        "delete ctx.config.options",
        "ctx.project.root = '/'",
        "ctx.plugin.name = 'other'",
        "ctx.config = {}",
    ]
    .into_iter()
    .map(|expression| (refused(expression), json!("TypeError")))
    .collect();
    let known = [
        ("ctx.plugin", json!({ "name": "context", "version": "1.2.3" })),
        ("ctx.project", json!({ "root": "/code/p", "worktree": "/code" })),
        ("ctx.config", json!({ "options": { "list": [{ "a": 1 }] } })),
        ("ctx.config === ctx.config", json!(true)),
        ("process.env.HOME", json!("/home/u")),
        ("[process.env.PATH ?? null, 'PATH' in process.env, Object.keys(process.env)]", json!([null, false, ["HOME"]])),
        ("ctx.session.id", json!("s1")),
        ("ctx.restarted", json!(false)),
        ("ctx.signal instanceof AbortSignal && !ctx.signal.aborted && ctx.signal === ctx.signal", json!(true)),
        ("ctx.fs.join('a', '..', 'b')", json!("b")),
        ("ctx.fs.resolve('src', '../x')", json!("/code/p/x")),
        ("ctx.fs.relative('/code/p/a', '/code/p/b/c')", json!("../b/c")),
        ("[ctx.fs.dirname('a/b.c'), ctx.fs.basename('a/b.c', '.c'), ctx.fs.extname('a/b.c')]", json!(["a", "b", ".c"])),
        ("path.resolve('x')", json!("/code/p/x")),
    ];
    for (expression, expected) in known.into_iter().map(|(it, expected)| (it.to_owned(), expected)).chain(frozen) {
        let bench = Bench::new();
        let image = PluginImage { context: Arc::from(CONTEXT), ..evaluating(&expression) };
        assert_eq!(before_value(&bench.plugin(image)).await, Ok(expected), "{expression}");
        assert!(bench.host.take_calls().is_empty(), "{expression}");
    }
    // A plugin about which nothing is said.
    let bench = Bench::new();
    let image = evaluating("[ctx.plugin, ctx.project, ctx.config, process.env, path.resolve('x')]");
    assert_eq!(before_value(&bench.plugin(image)).await, Ok(json!([{}, {}, {}, {}, "/x"])));
}

#[tokio::test]
async fn messages_are_fetched_once_an_event() {
    let bench = Bench::new();
    let plugin = bench.plugin(handler(
        "reader",
        "async () => {
            const [first, second] = await Promise.all([ctx.session.messages(), ctx.session.messages()]);
            return [first === second, first === await ctx.session.messages(), first.length];
        }",
    ));
    for _ in 0..2 {
        assert_eq!(before_value(&plugin).await, Ok(json!([true, true, 1])));
        assert_eq!(bench.host.take_calls(), [("session.messages".to_owned(), json!({}))]);
    }
}

#[tokio::test]
async fn the_session_is_the_one_of_the_event_at_hand() {
    let bench = Bench::new();
    let plugin = bench.plugin(image(
        "sessions",
        "let atStart;
        export default (ctx) => {
            atStart = [ctx.session.id, ctx.signal ?? null];
            return { on: { 'session.idle': async (event) => {
                const first = ctx.session.id;
                await ctx.notify(event.sessionId);
                return [atStart, first, ctx.session.id];
            } } };
        }",
    ));
    let calls = ["s1", "s2", "s3"].map(|id| (id, event("session.idle", &json!({ "sessionId": id }).to_string())));
    let replies = tokio::join!(plugin.call(&calls[0].1), plugin.call(&calls[1].1), plugin.call(&calls[2].1));
    for (reply, (id, _)) in [replies.0, replies.1, replies.2].iter().zip(&calls) {
        assert_eq!(value(reply), Ok(json!([["", null], id, id])));
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_fires_the_signal() {
    let bench = Bench::new();
    let plugin = bench.plugin(handler(
        "patient",
        "async () => {
            const { signal } = ctx;
            signal.addEventListener('abort', () => console.log(`aborted: ${signal.reason.name}: ${signal.reason.message}`));
            console.log('waiting');
            await ctx.notify('never');
        }",
    ));
    let call = tokio::spawn({
        let plugin = plugin.clone();
        async move { plugin.call(&event("tool.execute.before", TOOL_CALL)).await }
    });
    bench.host.wait_for_log("waiting").await;
    call.abort();
    let line = bench.host.wait_for_log("aborted").await;
    assert_eq!(line.message, "aborted: AbortError: the caller gave up");
}

/// A plugin that was stopped knows that it lost its memory, one that was disposed of did not lose it unawares.
#[tokio::test]
async fn a_restart_is_told() {
    let bench = Bench::new();
    for (name, program) in
        [("cpu", "for (;;);"), ("heap", "const all = []; for (;;) all.push(new Array(1000).fill(1.5));")]
    {
        let mut image = handler(
            name,
            &format!("(event) => {{ if (event.args.command === 'stop') {{ {program} }} return ctx.restarted }}"),
        );
        // Memory is to run out before time does.
        image.limits = Limits { cpu: Limits::default().cpu * if name == "heap" { 40 } else { 1 }, ..image.limits };
        let plugin = bench.plugin(image);
        assert_eq!(before_value(&plugin).await, Ok(json!(false)), "{name}");
        let stop = TOOL_CALL.replace("\"ls\"", "\"stop\"");
        assert!(plugin.call(&event("tool.execute.before", &stop)).await.result.is_err(), "{name}");
        assert_eq!(before_value(&plugin).await, Ok(json!(true)), "{name}");
        plugin.dispose().await;
        assert_eq!(before_value(&plugin).await, Ok(json!(false)), "{name}");
    }
}

#[tokio::test]
async fn a_schema_that_is_none_is_refused_with_words() {
    let bench = Bench::new();
    let declared = async |schema: &str| {
        let tool = format!("{{ name: 'a', description: 'a', schema: {schema}, execute() {{}} }}");
        bench.plugin(image("schema", &format!("export default () => ({{ tools: [{tool}] }})"))).declared().await
    };
    let error = declared("new (class { '~standard' = {} })()").await.unwrap_err().to_string();
    assert!(error.contains("use tool() of @mimir/plugin, Zod 4.2 or later, or JSON Schema"), "{error}");
    // As Zod's JSON Schema is
    let made = "Object.defineProperty({ type: 'object' }, '~standard', { value: {}, enumerable: false })";
    assert!(declared(made).await.unwrap().contains(r#""schema":{"type":"object"}"#));
}

#[tokio::test]
async fn tools_and_commands_are_called_by_name() {
    let code = "
        const schema = { type: 'object', properties: { a: { type: 'number' } } };
        class Zod { toJSONSchema(options) { return { ...schema, options } } }
        export default () => ({
            tools: [
                { name: 'add', description: 'adds', schema: new Zod(), unit: 1, execute({ a }) { return a + this.unit } },
                { name: 'plain', schema, async execute(args, ctx) { await ctx.notify('hi'); return args } },
                { name: 'silent', execute() {} },
                { name: 'broken', execute() { throw new RangeError('no') } },
                { name: 'late', async execute() { await null; throw new RangeError('late') } },
                { name: 'function', execute: () => () => {} },
            ],
            commands: [{ name: 'add', description: 'a command', execute: (args) => `command ${args.text}` }],
            auth: { providers: { sso: () => {} } },
            on: { 'session.idle': () => {} },
        })";
    let bench = Bench::new();
    let plugin = bench.plugin(image("tools", code));
    let declared: Value = serde_json::from_str(&plugin.declared().await.unwrap()).unwrap();
    let schema = json!({ "type": "object", "properties": { "a": { "type": "number" } } });
    let mut with_options = schema.clone();
    with_options["options"] = json!({ "io": "input" });
    let bare = |name: &str| json!({ "name": name, "description": "" });
    assert_eq!(
        declared,
        json!({
            "events": ["session.idle"],
            "tools": [
                { "name": "add", "description": "adds", "schema": with_options },
                { "name": "plain", "description": "", "schema": schema },
                bare("silent"), bare("broken"), bare("late"), bare("function"),
            ],
            "commands": [{ "name": "add", "description": "a command" }],
            "auth": ["sso"],
        })
    );
    for (kind, name, args, expected) in [
        (CallKind::Tool, "add", r#"{"a":2}"#, Ok("3")),
        (CallKind::Tool, "plain", r#"{"ä":[1]}"#, Ok(r#"{"ä":[1]}"#)),
        (CallKind::Tool, "silent", "{}", Ok("null")),
        (CallKind::Tool, "broken", "{}", Err("RangeError: no")),
        (CallKind::Tool, "late", "{}", Err("RangeError: late")),
        (
            CallKind::Tool,
            "function",
            "{}",
            Err("gave no valid answer: the answer is a function, which is no JSON data"),
        ),
        (CallKind::Tool, "absent", "{}", Err("TypeError: this plugin has no tool absent")),
        (CallKind::Command, "add", r#"{"text":"x"}"#, Ok(r#""command x""#)),
        (CallKind::Command, "plain", "{}", Err("TypeError: this plugin has no command plain")),
    ] {
        let reply = plugin.call(&named(kind, name, args)).await;
        let result = reply.result.map_err(|failure| failure.to_string());
        assert_eq!(result.as_deref().map_err(String::as_str), expected, "{kind:?} {name}");
    }
    let origin = caused("plain", "{}", &["first"], "s9");
    plugin.call(&mimir_sandbox::Call { kind: CallKind::Tool, ..origin.clone() }).await.result.unwrap();
    let last = bench.host.calls.lock().unwrap().last().cloned().unwrap();
    assert_eq!(last.origin, Some(origin.origin));
}
