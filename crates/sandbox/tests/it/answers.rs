//! What handlers answer, and how it comes out.

use std::sync::Arc;
use std::time::Duration;

use mimir_sandbox::{CallFailure, PluginSandbox, SandboxOptions};

use crate::host::{EchoHost, TOOL_CALL, before, event, handler, image, options, process, sandbox};

async fn check(body: &str, expected: Result<&str, &str>) {
    let (sandbox, _host) = sandbox();
    let reply = before(&sandbox.plugin(handler("plugin", body))).await;
    let actual = reply.result.map_err(|failure| failure.to_string());
    match expected {
        Ok(json) => assert_eq!(actual.as_deref(), Ok(json), "{body}"),
        Err(part) => assert!(actual.as_ref().is_err_and(|error| error.contains(part)), "{body}: {actual:?}"),
    }
}

#[tokio::test]
async fn answers_come_out_as_json() {
    for (body, expected) in [
        ("() => {}", Ok("{}")),
        ("async () => {}", Ok("{}")),
        ("() => null", Ok(r#"{"value":null}"#)),
        ("() => ({ block: true, reason: 'no' })", Ok(r#"{"value":{"block":true,"reason":"no"}}"#)),
        (
            "async (event) => ({ args: { command: event.args.command + ' -l' } })",
            Ok(r#"{"value":{"args":{"command":"ls -l"}}}"#),
        ),
        ("(event) => { event.args.command = 'pwd' }", Ok(r#"{"changed":{"args":{"command":"pwd"}}}"#)),
        ("async (event) => { await null; delete event.args }", Ok(r#"{"changed":{"args":null}}"#)),
        ("() => ({ then(resolve) { resolve({ reason: 'thenable' }) } })", Ok(r#"{"value":{"reason":"thenable"}}"#)),
        ("() => { throw new TypeError('no') }", Err("TypeError: no")),
        ("async () => { throw 'text' }", Err("Error: text")),
        ("() => () => {}", Err("no valid answer")),
        ("() => 10n", Err("no valid answer")),
        ("() => { const a = {}; a.a = a; return a }", Err("no valid answer: Converting circular")),
        ("() => ({ get reason() { throw new Error('getter') } })", Err("no valid answer: getter")),
        ("() => 'x'.repeat(9 << 20)", Err("answered with more than 8 MiB")),
        (
            "async () => { await new Promise((resolve) => setTimeout(resolve, 5)); return { reason: 'late' } }",
            Ok(r#"{"value":{"reason":"late"}}"#),
        ),
    ] {
        check(body, expected).await;
    }
}

#[tokio::test]
async fn host_calls_are_answered_and_logs_arrive() {
    let (sandbox, host) = sandbox();
    let plugin = sandbox.plugin(handler(
        "caller",
        "async () => {
            console.log('hello', { a: [1, 'b'] });
            const echoed = await ctx.notify('hi');
            try { await ctx.fs.writeFile('a', 'b') } catch (error) {
                return { reason: `${echoed.message} ${error.name} ${error.code} ${error.capability}` };
            }
        }",
    ));
    let reply = before(&plugin).await;
    let expected = r#"{"value":{"reason":"hi MimirError CAPABILITY_DENIED filesystem.write"}}"#;
    assert_eq!(reply.result.as_deref(), Ok(expected));
    assert_eq!(*host.logs.lock().unwrap(), ["info: hello {a: [1, \"b\"]}"]);
    assert!(host.calls.lock().unwrap().iter().all(|call| call.origin.is_some()));
}

#[tokio::test]
async fn plugins_that_do_not_start_say_why() {
    for (code, expected) in [
        ("export default {", "SyntaxError"),
        ("export const a = 1", "the module exports no plugin"),
        ("export default async () => { throw new Error('boom') }", "boom"),
        ("throw new Error('top')", "top"),
        ("import 'fs'; export default () => ({})", "cannot import fs"),
        ("export default () => 5", "the plugin returned number"),
        ("export default () => ({ on: { x: 1 } })", "on['x'] is number"),
        ("await new Promise(() => {}); export default () => ({})", "did not start within 1000 ms"),
        ("for (;;);", "did not start within 1000 ms"),
    ] {
        let (sandbox, _host) = sandbox();
        let mut image = image("broken", code);
        if expected.starts_with("did not start") {
            image.limits.init = Duration::from_secs(1);
        }
        let plugin = sandbox.plugin(image);
        let failure = before(&plugin).await.result.unwrap_err();
        assert!(failure.to_string().contains(expected), "{code}: {failure}");
        assert_eq!(plugin.declared().await.unwrap_err().to_string(), failure.to_string(), "{code}");
    }
}

#[tokio::test]
async fn a_limit_ends_the_isolate_and_the_next_call_starts_it_anew() {
    let (sandbox, _host) = sandbox();
    let plugin =
        sandbox.plugin(handler("runaway", "(event) => { if (!ctx.restarted) for (;;); return { reason: 'new' } }"));
    let neighbour = sandbox.plugin(handler("neighbour", "() => ({ reason: 'fine' })"));
    assert!(before(&neighbour).await.result.is_ok());
    let failure = before(&plugin).await.result.unwrap_err();
    assert_eq!(failure.to_string(), "took more than 100 ms of CPU time");
    assert_eq!(before(&plugin).await.result.as_deref(), Ok(r#"{"value":{"reason":"new"}}"#));
    assert!(before(&neighbour).await.result.is_ok());
    assert_eq!(plugin.pid(), neighbour.pid());
}

#[tokio::test]
async fn what_cannot_be_stopped_costs_the_process_and_names_the_plugin() {
    // The prelude's guards would hold this one.
    let options = SandboxOptions { has_guards: false, ..options(process()) };
    let sandbox = PluginSandbox::new(options, Arc::new(EchoHost::default()), None);
    let plugin = sandbox.plugin(handler("runaway", "() => Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1)"));
    let neighbour = sandbox.plugin(handler("neighbour", "() => ({ reason: 'fine' })"));
    assert!(before(&neighbour).await.result.is_ok());
    let first = neighbour.pid();
    let failure = before(&plugin).await.result.unwrap_err();
    assert!(matches!(failure, CallFailure::Crashed { .. }), "{failure}");
    assert!(before(&neighbour).await.result.is_ok());
    assert_ne!(first, neighbour.pid());
}

#[tokio::test]
async fn the_signal_fires_when_the_time_is_up() {
    let (sandbox, host) = sandbox();
    let mut image = handler(
        "slow",
        "async () => { ctx.signal.addEventListener('abort', () => console.log('aborted')); await ctx.exec('sleep', ['9']) }",
    );
    image.limits.event = Duration::from_millis(200);
    let plugin = sandbox.plugin(image);
    let failure = before(&plugin).await.result.unwrap_err();
    assert_eq!(failure.to_string(), "did not answer within 200 ms");
    // It lives on, and its log came before its answer.
    assert_eq!(*host.logs.lock().unwrap(), ["info: aborted"]);
    assert!(plugin.call(&event("session.idle", TOOL_CALL)).await.result.is_ok());
}

#[tokio::test]
async fn many_plugins_share_a_process() {
    let (sandbox, _host) = sandbox();
    let plugins: Vec<_> = (0..60)
        .map(|number| sandbox.plugin(handler(&format!("plugin-{number}"), "() => ({ reason: 'fine' })")))
        .collect();
    for plugin in &plugins {
        assert_eq!(before(plugin).await.result.as_deref(), Ok(r#"{"value":{"reason":"fine"}}"#));
    }
    let stats = sandbox.stats().await;
    assert_eq!((stats.processes.len(), stats.isolates), (1, 60));
}
