//! A session that is recorded and then replayed by the binary: the same decisions, also where the world has changed meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use mimir_plugins::{
    EventName, FileRecorder, Outcome, PluginId, Plugins, PluginsBuilder, RecordedEvent, Recorder, RecorderError,
    ScriptedAnswer, ScriptedProvider, ToolAnswer, ToolCatalog, ToolDefinition, ToolRequest, Usage,
};
use serde_json::{Value, json};

use crate::place::{Place, files_in, repository};

const PACKAGES: [&str; 5] = ["budget-alert", "formatter", "github-pr-comment", "precompact", "security-audit"];
const SECRET: &str = "tok-of-nobody-0123456789-abcdefghij";
const TOKEN: &str = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";

/// Asks for whatever there is, and answers with what it got.
const CURIOUS: &str = "\
let starts = 0;
export default async (ctx: any) => {
  starts = ((await ctx.storage.get('starts')) ?? 0) + 1;
  return { on: {
    'tool.execute.before': async (event: any) => {
      if (event.tool !== 'curious') return;
      const count = ((await ctx.storage.get('count')) ?? 0) + 1;
      await ctx.storage.set('count', count);
      const token = await ctx.secret('SOME_TOKEN');
      const answer = await fetch(`http://127.0.0.1:PORT/${event.args.n}`, { headers: { authorization: `Bearer ${token}` } });
      const word = await answer.text();
      const said = (await ctx.llm.chat({ model: 'claude-haiku-4-5', messages: 'hello' })).text;
      const tool = await ctx.tools.execute('count', { by: event.args.n });
      const file = (await ctx.fs.exists('a.txt')) ? await ctx.fs.readFile('a.txt') : 'none';
      let missing = 'read';
      try { await ctx.fs.readFile('not-there.txt'); } catch (error: any) { missing = error.code; }
      return { args: { starts, count, word: word.length, begin: word.slice(0, 12), said, tool, file, missing } };
    },
    'session.resumed': async () => { await ctx.fs.writeFile('made.txt', 'by curious'); },
    'file.modified': async ({ path }: any) => {
      if (path.endsWith('made.txt')) throw new Error('of what it did itself it hears nothing');
    },
  } };
};
";

/// Counts how often it was called, which the next run does not know.
struct Counter(AtomicU64);

#[async_trait]
impl ToolCatalog for Counter {
    async fn list(&self) -> Vec<ToolDefinition> {
        Vec::new()
    }

    async fn execute(&self, _request: ToolRequest) -> ToolAnswer {
        ToolAnswer { result: self.0.fetch_add(1, Ordering::SeqCst).into(), is_error: false }
    }
}

/// A server that answers a few requests, each longer than what fits into one answer, and never the same.
fn server(requests: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for number in 0..requests {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let body = format!("answer {number:05} {}", "lorem ipsum ".repeat(20_000));
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body.as_bytes()).unwrap();
        }
    });
    port
}

fn builder(place: &Place) -> PluginsBuilder {
    Plugins::builder()
        .project(place.project())
        .home(place.home())
        .policy(place.home().join("no-policy.yml"))
        .environment([("SOME_TOKEN".to_owned(), SECRET.to_owned())])
        .helper(env!("CARGO_BIN_EXE_mimir"))
        .plugins([place.home().join("../plugins")])
        .plugins(PACKAGES.map(|package| repository().join("packages").join(package)))
        .grant_for_this_run(true)
        .llm(Arc::new(ScriptedProvider::repeating(ScriptedAnswer::new("a word of the model's", Usage::new(10, 10)))))
        .tools(Arc::new(Counter(AtomicU64::new(40))))
}

fn curious(place: &Place, port: u16) {
    let manifest = format!(
        "events: [tool.execute.before, session.resumed, file.modified]\n\
         capabilities:\n  filesystem: {{ read: true, write: true }}\n  llm: {{ enabled: true }}\n  tools: [count]\n  \
         network: {{ enabled: true, allowlist: ['http://127.0.0.1:{port}'] }}\n  \
         secrets: [{{ name: SOME_TOKEN, hosts: ['http://127.0.0.1:{port}'] }}]\n"
    );
    place.plugin("plugins/curious", &manifest, &CURIOUS.replace("PORT", &port.to_string()));
}

/// What came of an event, as far as a replay has to come to the same.
#[derive(Debug, PartialEq)]
struct Decision {
    outcome: String,
    by: Option<String>,
    reason: Option<String>,
    payload: Value,
}

/// Each event is known by its time.
fn time_of(payload: &Value) -> u64 {
    payload["timestamp"].as_u64().unwrap()
}

/// The events of the packages' own recordings, each at a time of its own, and some more.
fn session() -> Vec<(EventName, Value)> {
    let mut events = Vec::new();
    for package in PACKAGES {
        for recording in files_in(&repository().join("packages").join(package).join("tests"), ".ndjson") {
            for line in fs::read_to_string(recording).unwrap().lines() {
                let mut line: Value = serde_json::from_str(line).unwrap();
                if let Some(name) = line["event"].as_str() {
                    events.push((name.parse().unwrap(), line["payload"].take()));
                }
            }
        }
    }
    events.push((EventName::SessionResumed, json!({"sessionId": "s", "session": {"id": "s"}})));
    for n in 0..6 {
        let args = json!({"n": n, "note": format!("a token: {TOKEN}")});
        let payload = json!({"sessionId": "s", "tool": "curious", "args": args, "callId": "c", "source": "builtin"});
        events.push((EventName::ToolExecuteBefore, payload));
    }
    for (number, (_, payload)) in events.iter_mut().enumerate() {
        payload["timestamp"] = (1_767_603_600_000 + number as u64).into();
    }
    events
}

/// Emits a session: what is told as the features tell it, tool calls several at once.
async fn live(plugins: &Plugins, events: &[(EventName, Value)]) -> BTreeMap<u64, Decision> {
    let mut under_way = Vec::new();
    let mut decisions = BTreeMap::new();
    for (event, payload) in events {
        let (plugins, event, time, text) = (plugins.clone(), *event, time_of(payload), payload.to_string());
        let is_waited_for = mimir_plugins::events::waits(event);
        let emitted = async move {
            let emission = match is_waited_for {
                true => plugins.emit(event, text).await.unwrap(),
                false => plugins.emit_background(event, text).unwrap().await.unwrap(),
            };
            let decision = Decision {
                outcome: emission.outcome.to_string(),
                by: emission.by.map(|by| by.to_string()),
                reason: emission.reason,
                payload: serde_json::from_str(&emission.payload).unwrap(),
            };
            (time, decision)
        };
        if payload["tool"] == "curious" {
            under_way.push(tokio::spawn(emitted));
        } else {
            decisions.extend([emitted.await]);
        }
    }
    for emitted in under_way {
        decisions.extend([emitted.await.unwrap()]);
    }
    decisions
}

/// Takes over texts from which a secret was removed, and tells whether there are any.
fn like(live: &mut Value, replayed: &Value) -> bool {
    match (live, replayed) {
        (Value::String(live), Value::String(replayed)) if replayed.contains("[removed]") => {
            live.clone_from(replayed);
            true
        }
        (Value::Array(live), Value::Array(replayed)) => {
            live.iter_mut().zip(replayed).fold(false, |found, (live, replayed)| like(live, replayed) || found)
        }
        (Value::Object(live), Value::Object(replayed)) => {
            live.iter_mut().fold(false, |found, (name, live)| like(live, &replayed[name]) || found)
        }
        _ => false,
    }
}

fn replayed(place: &Place) -> (BTreeMap<u64, Decision>, Vec<(String, u64)>) {
    let packages =
        PACKAGES.map(|package| format!("--plugins {}", repository().join("packages").join(package).display()));
    let line = format!("replay @/session.ndjson --json --yes --plugins @/plugins {}", packages.join(" "));
    let lines = place.run(&line).done().json();
    let mut decisions = BTreeMap::new();
    let mut order = Vec::new();
    for line in lines.iter().filter(|line| line.get("summary").is_none()) {
        let text = |key: &str| line[key].as_str().map(str::to_owned);
        order.push((text("event").unwrap(), time_of(&line["payload"])));
        let (outcome, by, reason) = (text("outcome").unwrap(), text("by"), text("reason"));
        decisions.insert(time_of(&line["payload"]), Decision { outcome, by, reason, payload: line["payload"].clone() });
    }
    (decisions, order)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_session_replays_to_the_same_decisions() {
    let place = Place::new();
    place.write("project/a.txt", "as it was");
    let events = session();
    // What was stored before is known from the first time that a plugin looks
    curious(&place, server(1));
    let plugins = builder(&place).build().await.unwrap();
    live(&plugins, &events[events.len() - 1..]).await;
    plugins.shutdown().await;
    curious(&place, server(6));
    let recorder = Arc::new(FileRecorder::create(place.home().join("../session.ndjson")).unwrap());
    let plugins = builder(&place).record(recorder).build().await.unwrap();
    // Plugins that are started to learn what they add have started before any event
    plugins.plugin_tools().await;
    assert!(plugins.running().contains(&PluginId::new("curious").unwrap()), "{:?}", plugins.reports());
    let live = live(&plugins, &events).await;
    plugins.shutdown().await;
    let curious: Vec<_> = live.values().filter(|decision| decision.payload["tool"] == "curious").collect();
    assert!(curious.iter().all(|decision| decision.payload["args"]["count"].is_u64()), "{curious:?}");

    let text = place.read("session.ndjson");
    assert!(!text.contains(SECRET) && !text.contains(TOKEN), "{text}");
    assert!(text.contains("[removed]"));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ops: Vec<_> = lines.iter().filter_map(|line| line["hostCall"]["op"].as_str()).collect();
    for op in ["storage.get", "storage.set", "fetch", "llm.chat", "tools.execute", "fs.readFile", "session.messages"] {
        assert!(ops.contains(&op), "{op}: {ops:?}");
    }
    assert!(!ops.contains(&"fetch.read"));
    // What curious wrote went to the others, and the recording says why it did not go to itself
    let caused = lines.iter().find(|line| line.get("cause").is_some()).unwrap();
    assert_eq!((&caused["event"], &caused["cause"]), (&json!("file.modified"), &json!(["curious"])));
    #[cfg(unix)]
    {
        let mode = fs::metadata(place.home().join("../session.ndjson")).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    }

    // Another world: no server, another file, nothing stored
    place.write("project/a.txt", "as it is now");
    fs::remove_dir_all(place.home().join("storage")).unwrap();
    let (replayed, order) = replayed(&place);
    let mut alike = 0;
    for (time, mut decision) in live {
        // Who looks for secrets finds none in a recording, which is the one thing that is not the same
        let is_about_secrets = like(&mut decision.payload, &replayed[&time].payload);
        if is_about_secrets && decision.by.as_deref() == Some("security-audit") {
            continue;
        }
        assert_eq!(replayed[&time], decision, "{time}");
        alike += 1;
    }
    assert!(alike * 10 > events.len() * 9, "{alike} of {}", events.len());
    let counts: Vec<_> = replayed.values().filter_map(|found| found.payload["args"]["count"].as_u64()).collect();
    assert_eq!(counts.len(), 6);
    assert!(counts.iter().all(|count| *count > 1), "{counts:?}");
    // In the order in which they were emitted; the last six were at once
    let mut own: Vec<_> = order.iter().map(|(_, time)| *time).filter(|time| *time < 1_767_603_700_000).collect();
    assert_eq!(own.len(), events.len());
    own.truncate(events.len() - 6);
    assert!(own.is_sorted(), "{own:?}");
}

#[tokio::test]
async fn a_recording_is_never_overwritten_and_never_stops_a_session() {
    struct Full;
    impl Recorder for Full {
        fn event(&self, _event: RecordedEvent) -> Result<(), RecorderError> {
            Err(RecorderError { problem: "stopped".to_owned(), source: std::io::ErrorKind::StorageFull.into() })
        }
    }
    let place = Place::new();
    let file = place.write("session.ndjson", "precious");
    assert!(FileRecorder::create(&file).is_err_and(|error| error.to_string().contains("would overwrite")));
    assert_eq!(place.read("session.ndjson"), "precious");
    place.plugin(
        "plugins/idle",
        "events: [session.idle]\n",
        "export default () => ({ on: { 'session.idle': () => {} } });\n",
    );
    let plugins = builder(&place).record(Arc::new(Full)).build().await.unwrap();
    let payload = json!({"timestamp": 1, "sessionId": "s", "reason": "waiting", "session": {"id": "s"}}).to_string();
    for _ in 0..3 {
        let emission = plugins.emit(EventName::SessionIdle, payload.clone()).await.unwrap();
        assert_eq!(emission.outcome, Outcome::Passed);
    }
    plugins.shutdown().await;
    let told = plugins.reports().into_iter().filter(|report| report.message.contains("the recording stopped")).count();
    assert_eq!(told, 1);
    assert!(plugins.running().contains(&PluginId::new("idle").unwrap()));
}
