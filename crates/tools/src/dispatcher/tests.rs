#![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::poll;
use mimir_plugins::EventName;
use mimir_plugins::events::{Outcome, Raised, ToolSource};

use super::*;
use crate::testing::{Log, Stage, allowed, emitted, plugin};

/// A tool of any source that keeps a record.
struct Double {
    name: &'static str,
    source: ToolSource,
    schema: Value,
    log: Log,
    result: fn() -> Result<Value, ToolError>,
}

impl Double {
    fn new(name: &'static str, source: ToolSource) -> Self {
        let schema = json!({
            "type": "object",
            "properties": { "path": { "type": "string", "maxLength": 20 } },
            "required": ["path"],
            "additionalProperties": false,
        });
        Self { name, source, schema, log: Log::default(), result: || Ok(json!("done")) }
    }
}

#[async_trait]
impl Tool for Double {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition { name: self.name.to_owned(), description: String::new(), input_schema: self.schema.clone() }
    }

    fn source(&self) -> ToolSource {
        self.source.clone()
    }

    fn check(&self, args: &Map<String, Value>) -> Result<(), ToolError> {
        if args["path"] == "nonsense" { Err(ToolError::new("that makes no sense")) } else { Ok(()) }
    }

    fn need(&self, args: &Map<String, Value>) -> Option<Need> {
        assert_ne!(args["path"], "panic in need");
        Some(Need {
            kind: "write".to_owned(),
            command: format!("write {}", args["path"].as_str().unwrap()),
            path: None,
            tool: self.name.to_owned(),
            least_risk: None,
        })
    }

    async fn run(&self, pass: &Pass) -> Result<Value, ToolError> {
        assert_eq!((pass.call_id(), &*pass.context().session_id), ("c1", "s1"));
        assert!(pass.need().is_some());
        self.log.lock().unwrap().push(format!("run {} {}", self.name, pass.args()["path"]));
        (self.result)()
    }
}

const SOURCES: [ToolSource; 4] = [ToolSource::Builtin, ToolSource::Custom, ToolSource::Plugin, ToolSource::Mcp];

fn stage(
    mut double: Double,
    answer: impl Fn(&Raised) -> Option<mimir_plugins::events::Emitted> + Send + Sync + 'static,
    permission: fn() -> Permission,
) -> Stage {
    let stage = Stage::bare(Box::new(answer), Box::new(move |_| permission()));
    double.log = Arc::clone(&stage.log);
    assert_eq!(stage.dispatcher.register([Arc::new(double) as Arc<dyn Tool>]), []);
    stage
}

/// The payload with one key changed.
fn with(raised: &Raised, key: &str, value: Value) -> String {
    let mut payload: Value = serde_json::from_str(&raised.payload).unwrap();
    payload[key] = value;
    payload.to_string()
}

/// Who changes what is changed.
fn both() -> Vec<PluginId> {
    vec![plugin("guard"), plugin("second")]
}

fn denied() -> Permission {
    Permission { allowed: false, by: "you".to_owned(), plugin: None, reason: Some("not now".to_owned()) }
}

#[tokio::test]
async fn every_source_passes_before_permission_and_after() {
    for source in SOURCES {
        let stage = stage(Double::new("t", source.clone()), |_| None, allowed);
        let outcome = stage.call("t", json!({"path": "a"})).await;
        assert_eq!((outcome.result, outcome.is_error, outcome.remarks), (json!("done"), false, vec![]), "{source:?}");
        let expected = ["tool.execute.before t", "permission write a", "run t \"a\"", "tool.execute.after t"];
        assert_eq!(stage.log(), expected, "{source:?}");
    }
}

#[tokio::test]
async fn a_call_begins_once_everybody_allowed_it_and_before_it_runs() {
    let check =
        async |permission: fn() -> Permission, args: Value, begins: Result<(), String>, told: &str, log: &[&str]| {
            let stage = stage(Double::new("t", ToolSource::Builtin), |_| None, permission);
            assert_eq!(stage.call_journalled("t", args, begins).await.result, told);
            assert_eq!(stage.log(), log);
        };
    let args = || json!({"path": "a"});
    let all = ["tool.execute.before t", "permission write a", "begins", "run t \"a\"", "tool.execute.after t"];
    check(allowed, args(), Ok(()), "done", &all).await;
    check(allowed, args(), Err("the disk is full".to_owned()), "`t` did not run: the disk is full", &all[..3]).await;
    let refused = "`t` did not run: you refused the permission: not now";
    check(denied, args(), Ok(()), refused, &all[..2]).await;
    check(allowed, json!({"path": "nonsense"}), Ok(()), "that makes no sense", &all[..1]).await;
}

#[tokio::test]
async fn what_a_plugin_blocks_does_not_run_whatever_its_source() {
    for source in SOURCES {
        let block = |raised: &Raised| Some(emitted(Outcome::Blocked, Some("too bold"), &raised.payload));
        let stage = stage(Double::new("t", source), block, allowed);
        let outcome = stage.call("t", json!({"path": "a"})).await;
        assert_eq!(outcome.result, "`t` did not run: the plugin `guard` blocked it: too bold");
        assert!(outcome.is_error);
        assert_eq!(outcome.remarks, [Remark::Blocked { by: Some(plugin("guard")), reason: "too bold".to_owned() }]);
        assert_eq!(stage.log(), ["tool.execute.before t"]);
    }
}

#[tokio::test]
async fn what_is_refused_does_not_run_whatever_its_source() {
    for source in SOURCES {
        let stage = stage(Double::new("t", source), |_| None, denied);
        let outcome = stage.call("t", json!({"path": "a"})).await;
        assert_eq!(outcome.result, "`t` did not run: you refused the permission: not now");
        assert_eq!(outcome.remarks, [Remark::Denied { by: "you".to_owned(), reason: Some("not now".to_owned()) }]);
        assert_eq!(stage.log(), ["tool.execute.before t", "permission write a"]);
    }
}

#[tokio::test]
async fn changed_arguments_are_checked_again() {
    let change = |args: Value| {
        move |raised: &Raised| {
            let is_before = raised.event == EventName::ToolExecuteBefore;
            is_before.then(|| emitted(Outcome::Changed, None, &with(raised, "args", args.clone())))
        }
    };
    let check = async |args: Value, result: &str, log: &[&str]| {
        let stage = stage(Double::new("t", ToolSource::Mcp), change(args), allowed);
        let outcome = stage.call("t", json!({"path": "a"})).await;
        assert_eq!(outcome.result, result);
        assert_eq!(stage.log(), log);
        outcome
    };
    let all = [
        "tool.execute.before t",
        "permission write b, changed by guard, changed by second",
        "run t \"b\"",
        "tool.execute.after t",
    ];
    let outcome = check(json!({"path": "b"}), "done", &all).await;
    let before = json!({"path": "a"}).as_object().cloned().unwrap();
    assert_eq!(outcome.remarks, [Remark::ChangedArgs { by: both(), before }]);
    assert_eq!(Value::Object(outcome.args), json!({"path": "b"}));

    let why = "`t` did not run: the plugins `guard` and `second` changed its arguments, and they are wrong now: ";
    check(json!({"path": 1}), &format!("{why}at `/path`: 1 is not of type \"string\""), &all[..1]).await;
    check(json!({}), &format!("{why}\"path\" is a required property"), &all[..1]).await;
    check(json!({"path": "nonsense"}), "that makes no sense", &all[..1]).await;
    check(json!({"path": "panic in need"}), "the tool broke down", &all[..1]).await;
    check(json!({"path": "a"}), "done", &["tool.execute.before t", "permission write a", "run t \"a\"", all[3]]).await;
}

#[tokio::test]
async fn what_the_model_sends_is_checked_before_anybody_sees_it() {
    let check = async |tool: &str, args: Value, start: &str| {
        let stage = stage(Double::new("t", ToolSource::Builtin), |_| None, allowed);
        let outcome = stage.call(tool, args).await;
        let text = outcome.result.as_str().unwrap();
        assert!(outcome.is_error && text.starts_with(start) && text.len() < 1_500, "{text}");
        assert!(!text.contains('\u{1b}'));
        assert_eq!(stage.log(), [""; 0]);
    };
    check("u", json!({}), "there is no tool `u`. There are: t").await;
    check("T", json!({}), "there is no tool `T`").await;
    check("\u{1b}[2J", json!({}), "there is no tool `\\u{1b}[2J`").await;
    check("t", Value::Null, "the arguments of `t` are wrong: \"path\" is a required property").await;
    check("t", json!([]), "the arguments of `t` are wrong: [] is not of type \"object\"").await;
    check("t", json!({"path": "x".repeat(100_000)}), "the arguments of `t` are wrong: at `/path`: \"xxx").await;
    check("t", json!({"path": "x", "y": 1}), "the arguments of `t` are wrong: Additional properties").await;
}

#[tokio::test]
async fn a_failure_is_a_result_that_plugins_hear_of() {
    let check = async |result: fn() -> Result<Value, ToolError>, told: &str| {
        let heard = Arc::new(Mutex::new(Value::Null));
        let hears = Arc::clone(&heard);
        let listen = move |raised: &Raised| {
            *hears.lock().unwrap() = serde_json::from_str(&raised.payload).unwrap();
            None
        };
        let stage = stage(Double { result, ..Double::new("t", ToolSource::Custom) }, listen, allowed);
        let outcome = stage.call("t", json!({"path": "a"})).await;
        assert_eq!((outcome.result, outcome.is_error), (json!(told), true));
        let heard = heard.lock().unwrap();
        assert_eq!(heard["result"], json!({ "error": told }));
        assert_eq!((&heard["callId"], &heard["durationMs"]), (&json!("c1"), &json!(0)));
        assert_eq!(stage.log().last().unwrap(), "tool.execute.after t");
    };
    check(|| Err(ToolError::new("no such file")), "no such file").await;
    check(|| panic!("a bug"), "the tool broke down").await;
}

#[tokio::test]
async fn plugins_have_the_last_word_on_results() {
    let check = async |outcome: Outcome, result: Value, told: &str, is_error: bool, remark: Remark| {
        let answer = move |raised: &Raised| {
            let is_after = raised.event == EventName::ToolExecuteAfter;
            is_after.then(|| emitted(outcome, Some("why"), &with(raised, "result", result.clone())))
        };
        let stage = stage(Double::new("t", ToolSource::Plugin), answer, allowed);
        let outcome = stage.call("t", json!({"path": "a"})).await;
        assert_eq!((outcome.result, outcome.is_error), (json!(told), is_error));
        assert_eq!(outcome.remarks, [remark]);
    };
    let by = Some(plugin("guard"));
    check(Outcome::Changed, json!("less"), "less", false, Remark::ChangedResult { by: both() }).await;
    let told = "`t` ran, but the plugin `guard` withholds what came of it: why";
    check(Outcome::Blocked, json!("x"), told, true, Remark::Blocked { by, reason: "why".to_owned() }).await;
}

#[tokio::test]
async fn long_results_are_cut() {
    let result = || Ok(json!({"text": "x".repeat(1_000_000)}));
    let stage = stage(Double { result, ..Double::new("t", ToolSource::Mcp) }, |_| None, allowed);
    let outcome = stage.call("t", json!({"path": "a"})).await;
    let text = outcome.result.as_str().unwrap();
    assert!(text.len() < 101_000 && text.contains("bytes are left out here"));
}

#[tokio::test]
async fn a_permission_given_by_somebody_is_worth_a_remark() {
    let by_you = || Permission { by: "you".to_owned(), ..allowed() };
    let stage = stage(Double::new("t", ToolSource::Builtin), |_| None, by_you);
    let outcome = stage.call("t", json!({"path": "a"})).await;
    assert_eq!(outcome.remarks, [Remark::Allowed { by: "you".to_owned(), reason: None }]);
}

#[tokio::test]
async fn events_carry_the_chain_of_causes_and_the_agent() {
    let stage = stage(
        Double::new("t", ToolSource::Mcp),
        |raised| {
            assert_eq!(*raised.cause, [plugin("a"), plugin("b")]);
            if raised.event == EventName::ToolExecuteBefore {
                let payload: Value = serde_json::from_str(&raised.payload).unwrap();
                assert_eq!((&payload["agentId"], &payload["source"]), (&json!("explore-1"), &json!("mcp")));
            }
            None
        },
        allowed,
    );
    let call = ToolCall { id: "c1".to_owned(), name: "t".to_owned(), args: json!({"path": "a"}) };
    let context = CallContext {
        session_id: "s1".to_owned(),
        agent_id: Some("explore-1".to_owned()),
        cause: vec![plugin("a"), plugin("b")],
        changed_by: Vec::new(),
    };
    assert!(!stage.dispatcher.dispatch(call, context).await.is_error);
}

/// Runs for ever, and knows when it is dropped.
struct Endless(Arc<AtomicBool>);

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl Tool for Endless {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition { name: "endless".to_owned(), description: String::new(), input_schema: json!({}) }
    }

    fn source(&self) -> ToolSource {
        ToolSource::Builtin
    }

    fn need(&self, _: &Map<String, Value>) -> Option<Need> {
        None
    }

    async fn run(&self, _: &Pass) -> Result<Value, ToolError> {
        let _guard = SetOnDrop(Arc::clone(&self.0));
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_dropped_call_stops_its_tool() {
    let stopped = Arc::new(AtomicBool::new(false));
    let stage = Stage::new([Arc::new(Endless(Arc::clone(&stopped))) as Arc<dyn Tool>]);
    let mut call = Box::pin(stage.call("endless", json!({})));
    assert!(poll!(&mut call).is_pending());
    assert!(!stopped.load(Ordering::SeqCst));
    drop(call);
    assert!(stopped.load(Ordering::SeqCst));
}

#[test]
fn names_are_unique_and_built_in_tools_can_not_be_replaced() {
    let tool = |name, source| Arc::new(Double::new(name, source)) as Arc<dyn Tool>;
    let stage = Stage::new([tool("bash", ToolSource::Builtin), tool("a", ToolSource::Mcp)]);
    assert_eq!(stage.conflicts, []);
    let conflicts = stage.dispatcher.register([
        tool("Bash", ToolSource::Plugin),
        tool("a", ToolSource::Custom),
        tool("A", ToolSource::Builtin),
        tool("b", ToolSource::Plugin),
        tool("no name", ToolSource::Plugin),
    ]);
    let said: Vec<_> = conflicts.iter().map(ToString::to_string).collect();
    let expected = [
        "the tool `Bash` of a plugin is not used: Mimir itself has one of that name",
        "the tool `a` of a custom tool is not used: an MCP server has one of that name",
        "the tool `a` of an MCP server is not used: Mimir itself has one of that name",
        "the tool `no name` of a plugin is not used: a tool's name is 1 to 64 letters, digits, `-` and `_`",
    ];
    assert_eq!(said, expected);
    let names = || stage.dispatcher.definitions(|_| true).into_iter().map(|it| it.name).collect::<Vec<_>>();
    assert_eq!(names(), ["bash", "A", "b"]);
    assert_eq!(stage.dispatcher.remove(|info| info.source == ToolSource::Plugin), 1);
    assert_eq!(names(), ["bash", "A"]);
    assert_eq!(stage.dispatcher.definitions(|info| info.definition.name == "A").len(), 1);
    assert!(stage.dispatcher.get("b").is_none());
}

#[tokio::test]
async fn a_disabled_tool_is_not_there_whoever_brings_it() {
    let tool = |name, source| Arc::new(Double::new(name, source)) as Arc<dyn Tool>;
    let stage = Stage::new([]);
    let dispatcher = stage.dispatcher.without(vec!["bash".to_owned(), "mcp__docs__write".to_owned()]);
    let tools =
        [tool("Bash", ToolSource::Plugin), tool("mcp__docs__write", ToolSource::Mcp), tool("b", ToolSource::Mcp)];
    assert_eq!(dispatcher.register(tools), []);
    let names: Vec<_> = dispatcher.definitions(|_| true).into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["b"]);
}

#[tokio::test]
async fn a_schema_from_elsewhere_is_hostile() {
    let check = |schema: Value, reason: &str| {
        let double = Double { schema, ..Double::new("t", ToolSource::Mcp) };
        let conflicts = Stage::new([Arc::new(double) as Arc<dyn Tool>]).conflicts;
        let said = conflicts.first().map(ToString::to_string).unwrap_or_default();
        assert!(said.contains(reason) && said.len() < 600, "{said}");
    };
    check(json!("x"), "its schema is no object");
    check(json!({"type": "nonsense"}), "its schema is not valid");
    check(json!({"$ref": "http://127.0.0.1:1/schema.json"}), "its schema is not valid");
    check(json!({"$ref": "file:///etc/passwd"}), "its schema is not valid");
    check(json!({"description": "x".repeat(300_000)}), "its schema has more than");

    // A pattern that would take for ever
    let schema = json!({"properties": {"path": {"pattern": "^(?=(a+)+$)(a|aa)+\\1$"}}});
    let stage = stage(Double { schema, ..Double::new("t", ToolSource::Mcp) }, |_| None, allowed);
    let outcome = stage.call("t", json!({"path": format!("{}!", "a".repeat(5_000))})).await;
    assert!(outcome.is_error);
}
