//! The plugin system as other programs use it: in this process, with the binary as its helper.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mimir_plugins::{
    ApiError, EventName, Level, Message, Outcome, PluginId, Plugins, PluginsBuilder, Reply, ReportKind, SessionInfo,
    SessionView, Subscription, subscriber_fn,
};
use serde_json::json;

use crate::place::Place;

/// A builder for this test's own places.
fn builder(place: &Place) -> PluginsBuilder {
    Plugins::builder()
        .project(place.project())
        .home(place.home())
        .policy(place.home().join("no-policy.yml"))
        .environment([])
        .helper(env!("CARGO_BIN_EXE_mimir"))
        .plugins([place.home().join("../plugins")])
        .grant_for_this_run(true)
}

fn payload(command: &str) -> String {
    json!({"timestamp": 1, "sessionId": "s", "tool": "bash", "args": {"command": command}, "callId": "c", "source": "builtin"})
        .to_string()
}

#[tokio::test]
async fn rust_code_and_plugins_answer_together() {
    let place = Place::new();
    let module = "export default async () => ({ on: { 'tool.execute.before': (event: any) => { event.args.command += ' -l'; } } });\n";
    place.plugin("plugins/lister", "events: [tool.execute.before]\n", module);
    let plugins = builder(&place).build().await.unwrap();
    assert_eq!(plugins.running(), [PluginId::new("lister").unwrap()]);

    let guard = PluginId::new("our-guard").unwrap();
    let subscription = Subscription::code(guard.clone(), [EventName::ToolExecuteBefore]);
    let id = plugins.subscribe(
        subscription,
        subscriber_fn(|envelope| async move {
            let is_bad = envelope.payload.contains("rm ");
            Ok(if is_bad { Reply::value(json!({"block": true, "reason": "no deleting"})) } else { Reply::NOTHING })
        }),
    );
    let emission = plugins.emit(EventName::ToolExecuteBefore, payload("rm x")).await.unwrap();
    assert_eq!((emission.outcome, emission.by), (Outcome::Blocked, Some(guard)));
    let emission = plugins.emit(EventName::ToolExecuteBefore, payload("ls")).await.unwrap();
    assert_eq!(emission.outcome, Outcome::Changed);
    assert!(emission.payload.contains("ls -l"), "{}", emission.payload);

    assert!(plugins.unsubscribe(id));
    let emission = plugins.emit(EventName::ToolExecuteBefore, payload("rm x")).await.unwrap();
    assert_eq!(emission.outcome, Outcome::Changed);
    assert!(plugins.emit(EventName::ToolExecuteBefore, "[]").await.is_err());
    assert_eq!(plugins.stats().await.processes.len(), 1);
    plugins.shutdown().await;
    assert_eq!(plugins.stats().await.processes.len(), 0);
}

#[tokio::test]
async fn what_a_plugin_writes_reaches_the_others_and_not_itself() {
    let place = Place::new();
    let manifest = "events: [file.modified]\ncapabilities: { filesystem: { read: true, write: true } }\n";
    // Each answers a change by a change: without the chain of causes this would never end
    let module = |name: &str| {
        format!(
            "export default async (ctx: any) => ({{ on: {{ 'file.modified': async (event: any) => {{\n\
             await ctx.fs.appendFile('{name}.log', `${{event.path}}\\n`);\n}} }} }});\n"
        )
    };
    place.plugin("plugins/ping", manifest, &module("ping"));
    place.plugin("plugins/pong", manifest, &module("pong"));
    let plugins = builder(&place).build().await.unwrap();
    let payload = json!({"timestamp": 1, "sessionId": "s", "path": "start.txt"}).to_string();
    plugins.emit(EventName::FileModified, payload).await.unwrap();
    plugins.drain().await;
    assert_eq!(place.read("project/ping.log"), "start.txt\npong.log\n");
    assert_eq!(place.read("project/pong.log"), "start.txt\nping.log\n");
    plugins.shutdown().await;
    let audit: Vec<PathBuf> = crate::place::files_in(&place.home().join("audit"), ".ndjson");
    let lines = std::fs::read_to_string(&audit[0]).unwrap();
    assert_eq!(lines.lines().filter(|line| line.contains("fs.appendFile")).count(), 4, "{lines}");
}

#[tokio::test]
async fn reports_say_what_plugins_do_wrong() {
    let place = Place::new();
    let module = "\
export default async (ctx: any) => ({
  on: {
    'session.idle': async () => {
      ctx.log.warn('careful');
      await ctx.fs.readFile('secret.txt');
    },
    'session.error': async () => {},
  },
});
";
    place.plugin("plugins/sloppy", "events: [session.idle, session.resumed]\n", module);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    let plugins =
        builder(&place).on_report(move |report| keep.lock().unwrap().push(report.clone())).build().await.unwrap();
    let payload = json!({"timestamp": 1, "sessionId": "s", "reason": "waiting", "session": {"id": "s"}}).to_string();
    let emission = plugins.emit(EventName::SessionIdle, payload).await.unwrap();
    let reason = emission.reason.unwrap();
    assert!(reason.contains("fs.readFile is denied") && reason.contains("`filesystem.read`"), "{reason}");
    let payload = json!({"timestamp": 1, "sessionId": "s", "session": {"id": "s"}}).to_string();
    plugins.emit(EventName::SessionResumed, payload).await.unwrap();
    plugins.shutdown().await;
    let seen = seen.lock().unwrap();
    let has = |kind, text: &str| seen.iter().any(|report| report.kind == kind && report.to_string().contains(text));
    assert!(has(ReportKind::Log, "sloppy: careful"), "{seen:?}");
    assert!(has(ReportKind::Failed, "fs.readFile is denied"), "{seen:?}");
    assert!(
        has(ReportKind::Warning, "there is a handler for `session.error`, but plugin.yml does not list it"),
        "{seen:?}"
    );
    assert!(has(ReportKind::Warning, "plugin.yml lists `session.resumed`, and there is no handler for it"), "{seen:?}");
    assert!(seen.iter().all(|report| report.level != Level::Info), "{seen:?}");
}

#[tokio::test]
async fn what_is_in_quarantine_does_not_run() {
    let place = Place::new();
    let module = "\
export default async () => {
  setInterval(() => {}, 1);
  return { on: { 'session.idle': () => { throw new Error('broken'); } } };
};
";
    place.plugin("plugins/busy", "events: [session.idle]\n", module);
    let plugins = builder(&place).build().await.unwrap();
    let payload = json!({"timestamp": 1, "sessionId": "s", "reason": "waiting", "session": {"id": "s"}}).to_string();
    for _ in 0..2 {
        plugins.emit(EventName::SessionIdle, payload.clone()).await.unwrap();
    }
    assert_eq!(plugins.stats().await.isolates, 1);
    plugins.emit(EventName::SessionIdle, payload.clone()).await.unwrap();
    let start = Instant::now();
    while plugins.stats().await.isolates > 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "its timers go on");
    }
    // It starts anew when it is put back to work
    let busy = PluginId::new("busy").unwrap();
    plugins.enable(&busy).await.unwrap();
    let emission = plugins.emit(EventName::SessionIdle, payload).await.unwrap();
    assert_eq!(emission.reason.as_deref().map(|reason| reason.starts_with("it threw: broken")), Some(true));
    plugins.shutdown().await;
}

#[tokio::test]
async fn nothing_is_left_of_a_system_that_was_let_go() {
    struct NoSessions;
    #[async_trait::async_trait]
    impl SessionView for NoSessions {
        async fn session(&self, _: &str) -> Result<Option<SessionInfo>, ApiError> {
            Ok(None)
        }
        async fn messages(&self, _: &str) -> Result<Option<Vec<Message>>, ApiError> {
            Ok(None)
        }
    }
    let place = Place::new();
    let module = "export default async () => ({ on: { 'session.idle': () => {} } });\n";
    place.plugin("plugins/idle", "events: [session.idle]\n", module);
    let sessions = Arc::new(NoSessions);
    let plugins = builder(&place).sessions(sessions.clone()).build().await.unwrap();
    let payload = json!({"timestamp": 1, "sessionId": "s", "reason": "waiting", "session": {"id": "s"}}).to_string();
    assert_eq!(plugins.emit(EventName::SessionIdle, payload).await.unwrap().outcome, Outcome::Passed);
    assert!(Arc::strong_count(&sessions) > 1);
    drop(plugins);
    let start = Instant::now();
    // Tasks that are under way let go of it when they get their turn
    while Arc::strong_count(&sessions) > 1 {
        assert!(start.elapsed() < Duration::from_secs(10), "something still holds the system");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_company_narrows_what_is_granted() {
    let place = Place::new();
    let module = "\
export default async (ctx: any) => ({
  on: { 'session.idle': async () => { await ctx.exec('echo', ['hello']); } },
});
";
    place.plugin(
        "plugins/runner",
        "events: [session.idle]\ncapabilities: { exec: { enabled: true, allowlist: ['echo *'] } }\n",
        module,
    );
    let policy = place.write(
        "home/policy.yml",
        "teams:\n  plugins:\n    capabilities: { filesystem: { read: true } }\n    blocklist: [spy]\n",
    );
    place.plugin("plugins/spy", "events: [session.idle]\n", module);
    let plugins = builder(&place).policy(policy).build().await.unwrap();
    assert_eq!(plugins.running(), [PluginId::new("runner").unwrap()]);
    let payload = json!({"timestamp": 1, "sessionId": "s", "reason": "waiting", "session": {"id": "s"}}).to_string();
    let emission = plugins.emit(EventName::SessionIdle, payload).await.unwrap();
    assert_eq!(emission.outcome, Outcome::Failed);
    assert!(emission.reason.unwrap().contains("exec is denied"));
    plugins.shutdown().await;
}
