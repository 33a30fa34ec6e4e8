//! `mimir sessions`: what was kept, listed, shown, exported, deleted.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mimir_chat::{NewSession, Session, SessionStore, SqliteSessions, Stored, ToolCall, ToolOutcome, ToolRemark};
use mimir_commands::display_width;
use mimir_plugins::PluginId;
use mimir_shared_platform::{Clock, SystemClock};
use mimir_shared_providers::{Content, KnownPart, Message, Part, Role, Usage};
use serde_json::{Map, Value, json};

use crate::place::{Place, Ran};

/// 2025-03-04 05:06 UTC: longer ago than any time that is told in words.
const START: u64 = 1_741_064_760_000;
const HOUR: u64 = 3_600_000;

struct SetClock(AtomicU64);

impl Clock for SetClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}

/// The store as an agent would fill it.
struct Kept {
    store: SqliteSessions,
    clock: Arc<SetClock>,
    project: String,
}

impl Kept {
    async fn at(place: &Place) -> Self {
        let clock = Arc::new(SetClock(AtomicU64::new(START)));
        let store = SqliteSessions::open(&place.home().join("sessions"), clock.clone()).await.unwrap();
        let project = place.project().canonicalize().unwrap().to_string_lossy().into_owned();
        Self { store, clock, project }
    }

    async fn begin(&self, title: &str) -> Session {
        let model = "scripted/demo".to_owned();
        let new = NewSession { project: self.project.clone(), title: title.to_owned(), model };
        self.store.create(new).await.unwrap()
    }

    async fn say(&self, session: &Session, role: Role, text: &str) -> Stored {
        self.store.append(&session.id, None, Message::text(role, text)).await.unwrap()
    }

    async fn marked(&self, mark: &str, text: &str) -> Message {
        let mut message = Message::text(Role::User, text);
        message.extra.insert("mimir".to_owned(), mark.into());
        message
    }

    /// The model says something and asks for calls.
    async fn ask(&self, session: &Session, agent: Option<&str>, text: &str, calls: &[ToolCall]) {
        let mut parts = vec![Part::Known(KnownPart::Text { text: text.to_owned(), extra: Map::new() })];
        parts.extend(calls.iter().map(|call| {
            let ToolCall { id, name, args } = call.clone();
            Part::Known(KnownPart::ToolCall { id, name, args, extra: Map::new() })
        }));
        let message = Message { content: Content::Parts(parts), ..Message::text(Role::Assistant, "") };
        self.store.append(&session.id, agent, message).await.unwrap();
    }

    async fn run(&self, session: &Session, agent: Option<&str>, call: &ToolCall, outcome: ToolOutcome) {
        self.store.call_started(&session.id, agent, call).await.unwrap();
        let message = told(call, outcome.result.clone(), outcome.is_error);
        self.store.call_ended(&session.id, agent, call, &outcome, message).await.unwrap();
    }
}

fn told(call: &ToolCall, result: Value, is_error: bool) -> Message {
    let part = KnownPart::ToolResult { call_id: call.id.clone(), result, is_error, extra: Map::new() };
    Message { content: Content::Parts(vec![Part::Known(part)]), ..Message::text(Role::Tool, "") }
}

fn call(id: &str, name: &str, args: Value) -> ToolCall {
    ToolCall { id: id.to_owned(), name: name.to_owned(), args }
}

fn outcome(result: Value, is_error: bool, remarks: Vec<ToolRemark>) -> ToolOutcome {
    ToolOutcome { result, is_error, args: Map::new(), duration_ms: 1_250, remarks }
}

fn remark(plugin: Option<&str>, what: &str, reason: Option<&str>) -> ToolRemark {
    let plugin = plugin.map(|plugin| PluginId::new(plugin).unwrap());
    ToolRemark { plugin, what: what.to_owned(), reason: reason.map(str::to_owned) }
}

/// A session with all that can be in one.
async fn rich(kept: &Kept) -> Session {
    let session = kept.begin("Make the parser accept tabs \u{1b}]0;evil\u{7} and find out why the tests fail").await;
    let long = "The parser treats a tab as the end of a word, which is wrong in three places. ".repeat(3);
    kept.say(
        &session,
        Role::User,
        "Make the parser accept tabs\n\n    fn parse(text: &str)\n\nand find out why the tests fail",
    )
    .await;
    let read = call("c1", "read", json!({"path": "src/parser.rs"}));
    let gone = call("c2", "read", json!({"path": "src/gone.rs"}));
    kept.ask(&session, None, &long, &[read.clone(), gone.clone()]).await;
    kept.run(&session, None, &read, outcome(json!({"content": "fn parse() {}\n".repeat(12)}), false, vec![])).await;
    kept.run(&session, None, &gone, outcome(json!("there is no such file"), true, vec![])).await;
    let last = kept.say(&session, Role::Assistant, "That is all there is.").await;
    kept.store.spend(&session.id, "scripted/demo", Usage::new(12_345, 678), 0.25).await.unwrap();
    let summary = kept.marked("summary", "The person wants tabs in the parser.\nsrc/parser.rs was read.").await;
    kept.store.compact(&session.id, last.message.id.as_deref().unwrap(), summary).await.unwrap();

    kept.say(&session, Role::User, "Go on \u{202e}\u{1b}[2J").await;
    let danger = call("c3", "bash", json!({"command": "rm -rf / --no-preserve-root && echo \u{1b}[31mdone"}));
    let tests = call("c4", "bash", json!({"command": "cargo test"}));
    kept.ask(&session, None, "", &[danger.clone(), tests.clone()]).await;
    let blocked = vec![remark(
        Some("security-guard"),
        "blocked",
        Some("this removes everything, and a reason may be so long that it does not fit into one line of any window"),
    )];
    kept.run(&session, None, &danger, outcome(json!("blocked by security-guard"), true, blocked)).await;
    let allowed = vec![remark(None, "allowed", None), remark(Some("formatter"), "changed its result", None)];
    kept.run(&session, None, &tests, outcome(json!({"stdout": "12 passed\n", "exitCode": 0}), false, allowed)).await;

    let task = call("c5", "task", json!({"description": "Review the change", "role": "reviewer"}));
    kept.ask(&session, None, "Somebody else should look at it.", std::slice::from_ref(&task)).await;
    kept.store.call_started(&session.id, None, &task).await.unwrap();
    let agent = json!({"id": "a1", "role": "reviewer", "model": "scripted/demo", "parentId": "main", "task": "Review the change"});
    kept.store.agent_started(&session.id, &serde_json::from_value(agent).unwrap()).await.unwrap();
    kept.store.append(&session.id, Some("a1"), Message::text(Role::User, "Review the change")).await.unwrap();
    let look = call("c1", "grep", json!({"pattern": "\\t"}));
    kept.ask(&session, Some("a1"), "I look for tabs.", std::slice::from_ref(&look)).await;
    kept.run(&session, Some("a1"), &look, outcome(json!([1, 2, 3]), false, vec![])).await;
    kept.store.agent_ended(&session.id, "a1", None).await.unwrap();
    kept.store
        .call_ended(&session.id, None, &task, &outcome(json!("fine"), false, vec![]), told(&task, json!("fine"), false))
        .await
        .unwrap();

    let cut = call("c6", "bash", json!({"command": "make deploy"}));
    let never = call("c7", "bash", json!({"command": "make clean"}));
    let open = call("c8", "write", json!({"path": "README.md", "content": "x"}));
    kept.ask(&session, None, "Now it is deployed.", &[cut.clone(), never, open.clone()]).await;
    kept.store.call_started(&session.id, None, &cut).await.unwrap();
    let journalled = kept.store.cut_calls(&session.id).await.unwrap().pop().unwrap();
    let text = json!("outcome unknown: the process ended while this ran. It may or may not have had an effect");
    kept.store.call_cut(&session.id, &journalled, told(&cut, text, true)).await.unwrap();
    kept.store.call_started(&session.id, None, &open).await.unwrap();
    kept.store.spend(&session.id, "scripted/demo", Usage::new(1_000, 20), 1.5).await.unwrap();
    kept.clock.0.store(SystemClock.now_ms() - 3 * HOUR - 10_000, Ordering::SeqCst);
    kept.say(&session, Role::Assistant, "漢字 and \u{1f469}\u{200d}\u{1f467} are as wide as they are.").await;
    session
}

/// Puts names of the same length in place of the ids, and of the test's folder.
fn anonymous(place: &Place, text: &str, sessions: &[&Session]) -> String {
    let named = sessions
        .iter()
        .enumerate()
        .fold(text.to_owned(), |text, (index, session)| text.replace(&session.id, &format!("session-id-{index}")));
    place.anonymous(&named.replace(&*place.project().canonicalize().unwrap().to_string_lossy(), "@/project"))
}

fn run(place: &Place, width: usize, line: &str) -> Ran {
    let folder = format!("{}/", place.project().parent().unwrap().display());
    let mut command = place.mimir();
    command.env("COLUMNS", width.to_string()).args(line.split_whitespace().map(|part| part.replace("@/", &folder)));
    Ran::of(&mut command)
}

/// It fits the window and holds nothing that steers a terminal.
#[track_caller]
fn check(text: &str, width: usize) {
    assert!(!text.is_empty());
    for line in text.lines() {
        assert!(display_width(line) <= width, "{width}: {line}");
        assert_eq!(line.trim_end(), line);
    }
    assert!(text.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')), "{text:?}");
}

#[tokio::test]
async fn nothing_was_kept_yet() {
    let place = Place::new();
    let say = |line: &str| {
        let Ran { code, out, err } = place.run(line);
        (code, format!("{out}{err}").split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" "))
    };
    let (code, said) = say("sessions list");
    assert!(code == Some(0) && said.contains("yet: `mimir run \"what to do\"` begins one"), "{said}");
    assert_eq!(place.run("sessions list --json").done().out, "[]\n");
    let (code, said) = say("sessions show");
    assert!(code == Some(1) && said.contains("there are no sessions in"), "{said}");
    let (code, said) = say("sessions delete k3f --yes");
    assert!(code == Some(1) && said.contains("there is no session `k3f`"), "{said}");
    assert_eq!(fs::read_dir(place.home()).unwrap().count(), 0, "to look makes nothing");
    // In another project there are some
    let kept = Kept::at(&place).await;
    let elsewhere = NewSession { project: "/elsewhere".to_owned(), ..NewSession::default() };
    kept.store.create(elsewhere).await.unwrap();
    kept.store.shutdown().await;
    let (code, said) = say("sessions list");
    assert!(code == Some(0) && said.contains("--all shows the 1 of other projects"), "{said}");
    for (line, code) in
        [("sessions", 2), ("sessions delete", 2), ("sessions nonsense", 2), ("sessions export x --format y", 2)]
    {
        assert_eq!(say(line).0, Some(code), "{line}");
    }
}

#[tokio::test]
async fn sessions_are_listed() {
    let place = Place::new();
    let kept = Kept::at(&place).await;
    let old = kept.begin("Say hello").await;
    kept.store.spend(&old.id, "m", Usage::new(1, 1), 0.0123).await.unwrap();
    let other =
        NewSession { project: "/srv/other".to_owned(), title: String::new(), model: "anthropic/some-model".to_owned() };
    let other = kept.store.create(other).await.unwrap();
    let session = rich(&kept).await;
    kept.store.shutdown().await;
    let sessions = [&session, &old, &other];
    for width in [60, 100] {
        for (name, line) in [("list", "sessions list"), ("list_all", "sessions list --all")] {
            let out = run(&place, width, line).done().out;
            check(&out, width);
            insta::assert_snapshot!(format!("sessions_{name}_{width}"), anonymous(&place, &out, &sessions));
        }
    }
    let listed = place.run("sessions list --json").done().json();
    assert_eq!(listed[0][0]["id"], session.id.as_str());
    assert_eq!((&listed[0][0]["messages"], &listed[0][0]["cost"]), (&json!(10), &json!(1.75)));
    assert_eq!(listed[0].as_array().unwrap().len(), 2);
    let limited = place.run("sessions list --limit 1").done().out;
    assert!(
        limited.contains(&session.id) && limited.contains("and 1 more: mimir sessions list --limit 0"),
        "{limited}"
    );
    // Another project, by name
    fs::create_dir_all(place.project().join("nested")).unwrap();
    assert_eq!(place.run("sessions list --project nested --json").done().json()[0], json!([]));
}

#[tokio::test]
async fn a_conversation_is_shown() {
    let place = Place::new();
    let kept = Kept::at(&place).await;
    let session = rich(&kept).await;
    // It may be looked at while it is open
    for width in [60, 100] {
        let out = run(&place, width, &format!("sessions show {}", &session.id[..6])).done().out;
        check(&out, width);
        insta::assert_snapshot!(format!("sessions_show_{width}"), anonymous(&place, &out, &[&session]));
    }
    let full = place.run("sessions show --full").done().out;
    insta::assert_snapshot!("sessions_show_full", anonymous(&place, &full, &[&session]));
    assert_eq!(place.run("sessions show --json").done().json()[0], place.run("sessions export").done().json()[0]);
    let colored = place.run("sessions show --color always").done().out;
    assert!(colored.contains("\u{1b}[1m") && !colored.contains("\u{1b}[2J"), "{colored:?}");
}

#[tokio::test]
async fn a_session_is_exported() {
    let place = Place::new();
    let kept = Kept::at(&place).await;
    let session = rich(&kept).await;
    let exported = serde_json::to_value(kept.store.export(&session.id).await.unwrap()).unwrap();
    let ran = place.run(&format!("sessions export {}", session.id)).done();
    check(&ran.out, usize::MAX);
    assert_eq!(ran.json(), std::slice::from_ref(&exported), "everything, as it was kept");
    assert_eq!(exported["messages"].as_array().unwrap().len(), 18);
    assert_eq!(exported["calls"].as_array().unwrap().len(), 8);

    let markdown = place.run("sessions export --format markdown").done().out;
    assert!(markdown.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')));
    // When it was last written to depends on the day
    let lines = markdown.lines().filter(|line| !line.starts_with("- last written to: "));
    let markdown = lines.collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!("sessions_markdown", anonymous(&place, &markdown, &[&session]));

    let said = place.run("sessions export -o @/out.json").done().out;
    assert!(said.contains("was written to"), "{said}");
    assert_eq!(serde_json::from_str::<Value>(&place.read("out.json")).unwrap(), exported);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let file = place.project().parent().unwrap().join("out.json");
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    for file in ["@/out.json", "@/missing/out.json"] {
        let ran = place.run(&format!("sessions export -o {file} --format markdown"));
        assert_eq!(ran.code, Some(1));
        assert!(ran.err.contains("can't be written") && ran.err.contains("help: name a file"), "{}", ran.err);
    }
    assert_eq!(serde_json::from_str::<Value>(&place.read("out.json")).unwrap(), exported);
}

#[tokio::test]
async fn sessions_are_deleted() {
    let place = Place::new();
    let kept = Kept::at(&place).await;
    let mut sessions = Vec::new();
    for number in 0..4 {
        sessions.push(kept.begin(&format!("number {number}")).await);
    }
    kept.store.close(&sessions[0].id).await;
    kept.store.close(&sessions[1].id).await;
    let left = || {
        let listed = place.run("sessions list --json").done().json();
        listed[0].as_array().unwrap().len()
    };
    let ran = place.run(&format!("sessions delete {}", sessions[0].id));
    assert_eq!((ran.code, left()), (Some(1), 4));
    assert!(ran.err.contains("nobody is here to confirm") && ran.err.contains("--yes"), "{}", ran.err);
    // None of them where one is not known
    let ran = place.run(&format!("sessions delete --yes {} zzzzzzzzzzzzz", sessions[0].id));
    assert_eq!((ran.code, left()), (Some(1), 4), "{}", ran.err);
    let ran = place.run(&format!("sessions delete --yes {0} {0} {1}", sessions[0].id, sessions[1].id)).done();
    assert_eq!(ran.out.lines().count(), 2, "{}", ran.out);
    assert_eq!(left(), 2);
    // One that is open stays
    let ran = place.run(&format!("sessions delete --yes {}", sessions[2].id));
    assert_eq!((ran.code, left()), (Some(1), 2));
    let said = ran.err.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
    assert!(said.contains(&format!("is open in another process ({})", std::process::id())), "{said}");
    kept.store.shutdown().await;
    let ran = place.run(&format!("sessions delete --yes --json {}", sessions[2].id)).done();
    assert_eq!(ran.json(), [json!({ "deleted": [sessions[2].id] })]);
}

#[tokio::test]
async fn what_is_wrong_with_the_database() {
    let place = Place::new();
    Kept::at(&place).await.store.shutdown().await;
    let say = |line: &str| {
        let ran = place.run(line);
        assert_eq!(ran.code, Some(1), "{}", ran.out);
        let said = ran.err.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        place.anonymous(&said)
    };
    place.write("home/config.yml", "nonsense: [");
    place.run("sessions list").done();
    let file = place.write("home/sessions/sessions.db", "nothing of a database ".repeat(100));
    let said = say("sessions list");
    assert!(said.contains("the sessions in @/home/sessions/sessions.db are damaged"), "{said}");
    assert!(said.contains("help: nothing was changed or deleted") && said.contains(".recover"), "{said}");
    assert!(fs::read_to_string(file).unwrap().starts_with("nothing of a database"));
}
