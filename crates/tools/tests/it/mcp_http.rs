//! MCP servers that answer over HTTP, against a real one in Node.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mimir_shared_config::Risk;
use mimir_shared_platform::ReqwestClient;
use mimir_shared_providers::Secret;
use mimir_tools::{McpLimits, McpPorts, McpReach, McpServer, McpServers};
use serde_json::{Value, json};

use crate::outside::{Notices, Stage};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/mcp/http.mjs");

struct Run {
    servers: Arc<McpServers>,
    notices: Arc<Notices>,
    stage: Stage,
    node: Child,
    folder: tempfile::TempDir,
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}

/// A server that behaves so, after it has told its tools or failed.
async fn started(how: &str, token: &str, limits: &McpLimits) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Command::new("node");
    node.arg(SERVER).arg(how).arg(folder.path().join("notes")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = node.spawn().unwrap();
    let mut port = String::new();
    BufReader::new(node.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let headers = vec![
        ("X-Team".to_owned(), Secret::new("a")),
        ("Authorization".to_owned(), Secret::new(format!("Bearer {token}"))),
    ];
    let reach = McpReach::Http { url: format!("http://127.0.0.1:{}/mcp?team=a", port.trim()), headers };
    let settings = McpServer { name: "fixture".to_owned(), reach, least_risk: Risk::Medium, allow: None };
    let notices = Arc::new(Notices::default());
    let client = Arc::new(ReqwestClient::new());
    let ports = McpPorts { environment: BTreeMap::new(), client, notifier: notices.clone(), trampoline: None };
    let servers = Arc::new(McpServers::start(vec![settings], ports, limits));
    servers.settled().await;
    let stage = Stage::new();
    assert_eq!(servers.update(&stage.dispatcher), []);
    Run { servers, notices, stage, node, folder }
}

impl Run {
    async fn said(&self, tool: &str, args: Value) -> String {
        self.stage.said(&format!("mcp__fixture__{tool}"), args).await
    }

    fn notes(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("notes")).unwrap_or_default()
    }

    fn problem(&self) -> String {
        self.servers.status()[0].problem.clone().unwrap_or_default()
    }
}

#[tokio::test]
async fn calls_the_tools_of_a_server() {
    let run = started("usual", "hunter2", &McpLimits::default()).await;
    assert_eq!(run.said("echo", json!({ "text": "größe\u{1b}[2J" })).await, "größe\u{fffd}[2J");
    let headers: Value = serde_json::from_str(&run.said("headers", json!({})).await).unwrap();
    assert_eq!((&headers["x-team"], &headers["mcp-session-id"]), (&json!("a"), &json!("session-1")));
    assert!(headers["mcp-protocol-version"].is_string(), "{headers}");
    let check = async |tool: &str, expected: &str| {
        let said = run.said(tool, json!({})).await;
        assert!(said.contains(expected), "{tool}: {said}");
    };
    check("nonsense", "its answer is none to what it was asked").await;
    check("refuse", "it answers HTTP 422: not \u{fffd}[31mnow").await;
    check("cut", "failed").await;
    check("flood", "left out").await;
    run.servers.stop().await;
    assert!(run.notes().contains("DELETE /mcp?team=a Bearer hunter2"), "{}", run.notes());
    assert_eq!(run.problem(), "the session has ended");
    assert_eq!(run.notices.texts(), Vec::<String>::new());
}

#[tokio::test]
async fn a_session_that_the_server_forgot_is_made_anew() {
    let run = started("usual", "hunter2", &McpLimits::default()).await;
    run.said("expire", json!({})).await;
    assert_eq!(run.said("echo", json!({ "text": "still here" })).await, "still here");
    let headers: Value = serde_json::from_str(&run.said("headers", json!({})).await).unwrap();
    assert_eq!(headers["mcp-session-id"], "session-2");
}

#[tokio::test]
async fn tools_come_when_the_server_says_so() {
    let run = started("usual", "hunter2", &McpLimits::default()).await;
    while !run.notes().contains("GET /mcp") {
        tokio::task::yield_now().await;
    }
    let mut changes = run.servers.changes();
    changes.mark_unchanged();
    assert_eq!(run.said("grow", json!({})).await, "grow is done");
    changes.changed().await.unwrap();
    run.servers.update(&run.stage.dispatcher);
    assert_eq!(run.said("grown", json!({})).await, "grown is done");
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_cancelled() {
    let limits = McpLimits { call: Duration::from_millis(300), ..McpLimits::default() };
    let run = started("usual", "hunter2", &limits).await;
    let said = run.said("hang", json!({})).await;
    assert!(said.ends_with("did not answer within 0 s and was told to stop"), "{said}");
    while !run.notes().contains("notifications/cancelled") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_that_is_gone_can_come_back() {
    let mut run = started("usual", "hunter2", &McpLimits::default()).await;
    run.node.kill().unwrap();
    run.node.wait().unwrap();
    let said = run.said("echo", json!({ "text": "a" })).await;
    assert!(said.contains("the MCP server fixture can't be asked: 127.0.0.1 can't be reached"), "{said}");
    assert!(said.ends_with("whether the call has done anything is not known"), "{said}");
}

#[tokio::test]
async fn servers_that_can_not_be_used_say_why() {
    let short = McpLimits { start: Duration::from_millis(500), ..McpLimits::default() };
    let check = async |how: &str, token: &str, limits: &McpLimits, expected: &str| {
        let run = started(how, token, limits).await;
        assert!(run.problem().starts_with(expected), "{how}: {}", run.problem());
        assert_eq!(run.servers.tools().len(), 0, "{how}");
        let told = run.notices.texts().join("\n");
        assert!(told.contains(expected) && !told.contains(token), "{told}");
        run
    };
    let usual = McpLimits::default();
    check("silent", "hunter2", &short, "it did not answer within 0 s").await;
    check("usual", "hunter3", &usual, "it refuses who asks (HTTP 401): name a token").await;
    check("page", "hunter2", &usual, "what it answers is no MCP: text/html").await;
    let run = check("redirect", "hunter2", &usual, "it answers HTTP 307").await;
    assert!(!run.notes().contains("elsewhere"), "no credential goes there: {}", run.notes());
}

#[tokio::test]
async fn large_answers_are_not_taken() {
    let small = McpLimits { message: 1 << 20, ..McpLimits::default() };
    let run = started("usual", "hunter2", &small).await;
    let said = run.said("flood", json!({})).await;
    assert!(said.contains("failed"), "{said}");
    assert_eq!(run.said("echo", json!({ "text": "go on" })).await, "go on");
}

#[tokio::test]
async fn a_server_keeps_nobody_busy() {
    let limits = McpLimits { call: Duration::from_millis(500), ..McpLimits::default() };
    let run = started("usual", "hunter2", &limits).await;
    while !run.notes().contains("GET /mcp") {
        tokio::task::yield_now().await;
    }
    assert!(run.said("again", json!({})).await.contains("did not answer"));
    let asked = run.notes().lines().filter(|line| line.starts_with("GET")).count();
    assert!(asked < 10, "it was asked {asked} times for what comes next");
    run.said("restless", json!({})).await;
    assert!(run.said("hang", json!({})).await.contains("did not answer"));
    let told = run.notices.texts().len();
    assert!(told < 10, "the person was told {told} times that a tool is left out");
    let said = run.said("asks", json!({})).await;
    assert!(said.contains("failed"), "{said}");
    assert_eq!(run.said("echo", json!({ "text": "go on" })).await, "go on");
}
