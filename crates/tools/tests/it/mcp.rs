use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mimir_shared_config::Risk;
use mimir_shared_platform::ReqwestClient;
use mimir_tools::{McpLimits, McpPorts, McpReach, McpServer, McpServers, server_environment};
use serde_json::{Value, json};

use crate::outside::{Notices, Stage};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/mcp/server.mjs");

struct Servers {
    servers: Arc<McpServers>,
    notices: Arc<Notices>,
    stage: Stage,
    folder: tempfile::TempDir,
}

fn server(how: &str, file: &Path) -> McpServer {
    McpServer {
        name: "fixture".to_owned(),
        reach: McpReach::Program {
            command: "node".to_owned(),
            args: vec![SERVER.to_owned(), how.to_owned(), file.display().to_string()],
            env: BTreeMap::from([("GIVEN".into(), "by the settings".into())]),
            cwd: PathBuf::from("/"),
        },
        least_risk: Risk::Medium,
        allow: None,
    }
}

fn limits() -> McpLimits {
    // What is to be too long is too long in any case; the rest has time on a slow machine
    McpLimits { end: Duration::from_secs(20), ..McpLimits::default() }
}

/// A server that behaves so, after it has told its tools or failed.
async fn started(how: &str, limits: &McpLimits, change: impl Fn(&mut McpServer)) -> Servers {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = server(how, &folder.path().join("notes"));
    change(&mut settings);
    let path = std::env::var_os("PATH").unwrap();
    let user = [("PATH".into(), path), ("OPENAI_API_KEY".into(), "hunter2".into()), ("HOME_OF".into(), "me".into())];
    let environment: BTreeMap<OsString, OsString> = server_environment(user, &[]);
    let notices = Arc::new(Notices::default());
    let ports =
        McpPorts { environment, client: Arc::new(ReqwestClient::new()), notifier: notices.clone(), trampoline: None };
    let servers = Arc::new(McpServers::start(vec![settings], ports, limits));
    servers.settled().await;
    let stage = Stage::new();
    assert_eq!(servers.update(&stage.dispatcher), []);
    Servers { servers, notices, stage, folder }
}

impl Servers {
    fn notes(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("notes")).unwrap_or_default()
    }

    /// Waits until the server has noted that.
    async fn until_noted(&self, what: &str) {
        while !self.notes().contains(what) {
            tokio::task::yield_now().await;
        }
    }

    fn problem(&self) -> String {
        self.servers.status()[0].problem.clone().unwrap_or_default()
    }
}

#[tokio::test]
async fn calls_the_tools_of_a_server() {
    let run = started("usual", &limits(), |_| ()).await;
    let check = async |tool: &str, args: Value, expected: &str| {
        assert_eq!(run.stage.said(&format!("mcp__fixture__{tool}"), args).await, expected, "{tool}");
    };
    check("echo", json!({ "text": "größe\u{1b}[2J" }), "größe\u{fffd}[2J").await;
    check("structured", json!({}), r#"{"sum":3.5}"#).await;
    check("image", json!({}), "[image image/png, 3 bytes, not shown]").await;
    check("fail", json!({}), "error: `mcp__fixture__fail` failed: there is no such file\u{fffd}[1m").await;
    check("ask", json!({}), "refused: -32601").await;
    check("env", json!({ "name": "GIVEN" }), "by the settings").await;
    check("env", json!({ "name": "HOME_OF" }), "me").await;
    check("env", json!({ "name": "OPENAI_API_KEY" }), "nothing").await;
    let said = run.stage.said("mcp__fixture__nonsense", json!({})).await;
    assert!(said.contains("its answer is none to what it was asked"), "{said}");
    let said = run.stage.said("mcp__fixture__echo", json!({ "text": 5 })).await;
    assert!(said.contains("the arguments of `mcp__fixture__echo` are wrong"), "the schema is kept: {said}");

    run.stage.said("mcp__fixture__echo", json!({ "text": "a b" })).await;
    let need = run.stage.last_need();
    assert_eq!((need.kind.as_str(), need.command.as_str()), ("mcp", "fixture/echo text='a b'"));
    assert_eq!(need.least_risk, Some(Risk::Medium));
    assert!(
        run.stage.dispatcher.only_reads("mcp__fixture__echo") && !run.stage.dispatcher.only_reads("mcp__fixture__env")
    );
    let events = run.stage.events.lock().unwrap().clone();
    assert_eq!(events.last().unwrap(), r#"tool.execute.after "mcp__fixture__echo" null"#);
    run.servers.stop().await;
    assert_eq!(run.problem(), "the session has ended");
    assert!(run.notes().ends_with("ended by itself\n"), "it has time to put things in order: {}", run.notes());
    let said = run.stage.said("mcp__fixture__echo", json!({ "text": "a" })).await;
    assert_eq!(said, "error: `mcp__fixture__echo` failed: the MCP server fixture is not there: the session has ended");
    assert_eq!(run.notices.texts(), Vec::<String>::new());
}

#[tokio::test]
async fn tools_come_and_go() {
    let run = started("usual", &limits(), |_| ()).await;
    let mut changes = run.servers.changes();
    changes.mark_unchanged();
    assert_eq!(run.stage.said("mcp__fixture__grow", json!({})).await, "grown");
    changes.changed().await.unwrap();
    assert_eq!(run.servers.update(&run.stage.dispatcher), []);
    assert_eq!(run.stage.said("mcp__fixture__grown", json!({})).await, "here I am");

    let pages = started("pages", &limits(), |_| ()).await;
    let names =
        |run: &Servers| run.stage.dispatcher.list().into_iter().map(|info| info.definition.name).collect::<Vec<_>>();
    assert_eq!(names(&pages), ["mcp__fixture__echo", "mcp__fixture__env", "mcp__fixture__structured"]);
    let some = started("usual", &limits(), |server| server.allow = Some(vec!["env".to_owned()])).await;
    assert_eq!(names(&some), ["mcp__fixture__env"]);
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_cancelled() {
    let limits = McpLimits { call: Duration::from_millis(300), ..limits() };
    let run = started("usual", &limits, |_| ()).await;
    let said = run.stage.said("mcp__fixture__hang", json!({})).await;
    assert!(said.ends_with("did not answer within 0 s and was told to stop"), "{said}");
    run.until_noted("cancelled number").await;

    let run = started("usual", &McpLimits::default(), |_| ()).await;
    tokio::select! {
        said = run.stage.said("mcp__fixture__hang", json!({})) => panic!("it answered: {said}"),
        () = run.until_noted("call hang") => {}
    }
    run.until_noted("cancelled number").await;
}

#[tokio::test]
async fn a_server_that_dies_is_started_once_more() {
    let run = started("usual", &limits(), |_| ()).await;
    let mut changes = run.servers.changes();
    changes.mark_unchanged();
    let said = run.stage.said("mcp__fixture__die", json!({})).await;
    assert!(said.ends_with("ended during the call; whether the call has done anything is not known"), "{said}");
    changes.changed().await.unwrap();
    assert_eq!(run.stage.said("mcp__fixture__echo", json!({ "text": "back" })).await, "back");
    run.stage.said("mcp__fixture__die", json!({})).await;
    changes.changed().await.unwrap();
    run.servers.update(&run.stage.dispatcher);
    assert_eq!(run.stage.dispatcher.list(), []);
    let died = "the MCP server fixture: it ended (it said: out of memory\u{fffd}[31m)";
    let expected = [format!("{died}; it is started again"), format!("{died}; its tools can't be used any more")];
    assert_eq!(run.notices.texts(), expected);
}

#[tokio::test]
async fn servers_that_do_not_start_say_why() {
    let short = McpLimits { start: Duration::from_millis(500), ..limits() };
    let check = async |how: &str, limits: &McpLimits, expected: &str| {
        let run = started(how, limits, |_| ()).await;
        assert_eq!(run.problem(), expected, "{how}");
        assert_eq!(run.servers.tools().len(), 0, "{how}");
        let told = format!("the MCP server fixture: {expected}; its tools can't be used any more");
        assert_eq!(run.notices.texts(), [told], "{how}");
    };
    check("silent", &short, "it did not answer within 0 s").await;
    check("broken", &limits(), "it ended during the handshake (it said: can't find module `x`)").await;
    check("refuses", &limits(), "it refused the handshake: no licence").await;
    check("endless-line", &limits(), "it sent a message of more than 16777216 bytes").await;
    let missing = |server: &mut McpServer| {
        let McpReach::Program { command, .. } = &mut server.reach else { unreachable!("it is a program") };
        *command = "no-such-program".to_owned();
    };
    let run = started("usual", &limits(), missing).await;
    assert_eq!(run.problem(), "it can't be started: `no-such-program`: No such file or directory (os error 2)");
}

#[tokio::test]
async fn a_server_that_does_not_come_back_is_given_up() {
    let run = started("once", &limits(), |_| ()).await;
    let mut changes = run.servers.changes();
    changes.mark_unchanged();
    run.stage.said("mcp__fixture__die", json!({})).await;
    changes.changed().await.unwrap();
    assert_eq!(run.servers.tools().len(), 0);
    run.servers.settled().await;
    assert_eq!(run.problem(), "it ended during the handshake (it said: only once)");
}

#[tokio::test]
async fn hostile_servers_are_bounded() {
    let run = started("hostile", &limits(), |_| ()).await;
    let tools = run.stage.dispatcher.list();
    assert_eq!(tools.len(), limits().tools);
    for tool in &tools {
        let definition = &tool.definition;
        assert!(definition.name.len() <= 64 && definition.name.starts_with("mcp__fixture__"), "{}", definition.name);
        assert!(definition.description.len() <= 4_100, "{}", definition.name);
        assert!(!definition.description.contains(['\u{1b}', '\u{202e}']), "{}", definition.name);
    }
    let texts = run.notices.texts().join("\n");
    assert!(texts.contains("its tool `large` is not used: its schema has more than 65536 bytes"), "{texts}");
    assert!(texts.contains("it has two tools `twice`: the second is not used"), "{texts}");
    assert!(texts.contains("it has more than 128 tools: the rest is not used"), "{texts}");
    assert!(!texts.contains('\u{1b}'), "{texts:?}");

    let circle = started("circle", &limits(), |_| ()).await;
    assert_eq!(circle.servers.status()[0].problem, None, "a list that leads back into itself ends");
    let short = McpLimits { start: Duration::from_secs(2), ..limits() };
    let endless = started("endless", &short, |_| ()).await;
    assert_eq!(endless.problem(), "it did not tell its tools within 2 s");

    let small = McpLimits { message: 1 << 20, ..limits() };
    let flood = started("usual", &small, |_| ()).await;
    let said = flood.stage.said("mcp__fixture__flood", json!({})).await;
    assert!(said.contains("ended during the call"), "{said}");
    let flood = started("usual", &limits(), |_| ()).await;
    let said = flood.stage.said("mcp__fixture__flood", json!({})).await;
    assert!(said.len() < 110_000 && said.contains("left out"), "{}", said.len());
}

#[tokio::test]
async fn nothing_of_a_server_is_left() {
    let alive =
        |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    let check = async |is_dropped: bool| {
        let short = McpLimits { end: Duration::from_millis(200), ..limits() };
        let run = started("family", &short, |_| ()).await;
        let notes = run.notes();
        let pids: Vec<String> = notes.lines().next().unwrap().split(' ').skip(1).map(str::to_owned).collect();
        assert!(pids.len() == 2 && pids.iter().all(|pid| alive(pid)), "{pids:?}");
        if is_dropped {
            drop(run);
        } else {
            run.servers.stop().await;
        }
        while pids.iter().any(|pid| alive(pid)) {
            tokio::task::yield_now().await;
        }
    };
    check(false).await;
    check(true).await;
}
