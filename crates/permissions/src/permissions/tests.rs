#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::time::Duration;

use mimir_plugins::PluginId;
use mimir_plugins::events::{Emit, Emitted, Outcome, Raised};
use mimir_shared_config::{Layer, Origin, PermissionRules};
use mimir_shared_platform::PlatformError;
use tokio::sync::Notify;

use super::*;
use crate::AnswersError;
use crate::ports::{MockAnswerStore, MockPerson};

struct At;

impl Clock for At {
    fn now_ms(&self) -> u64 {
        42
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

mockall::mock! {
    Plugins {}
    #[async_trait::async_trait]
    impl Emit for Plugins {
        async fn emit(&self, event: Raised) -> Emitted;
        fn emit_background(&self, event: Raised);
    }
}

fn plugin(name: &str) -> PluginId {
    PluginId::new(name).unwrap()
}

/// What plugins say to `permission.ask`, and what they are told at the end.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

fn hooks(says: Outcome, by: Option<&'static str>, heard: &Arc<Heard>) -> Hooks {
    let mut port = MockPlugins::new();
    let heard = Arc::clone(heard);
    port.expect_emit().returning(move |raised| {
        let event = raised.event.as_str();
        let payload: serde_json::Value = serde_json::from_str(&raised.payload).unwrap();
        let cause = raised.cause.iter().map(|own| format!(" caused by {own}")).collect::<String>();
        let what = match event {
            "permission.ask" => format!("ask {} {}{cause}", payload["type"], payload["risk"]),
            _ => format!("replied {} {} {}{cause}", payload["allowed"], payload["by"], payload["request"]["risk"]),
        };
        held(&heard.0).push(what.replace('"', ""));
        let asked = event == "permission.ask";
        Emitted {
            outcome: if asked { says } else { Outcome::Passed },
            by: by.filter(|_| asked).map(plugin),
            changed_by: Vec::new(),
            reason: asked.then(|| "why".to_owned()),
            payload: raised.payload,
        }
    });
    Hooks::new(Arc::new(port))
}

fn person(reply: Option<Reply>, times: usize) -> Arc<MockPerson> {
    let mut person = MockPerson::new();
    person.expect_ask().times(times).returning(move |_| reply.clone());
    Arc::new(person)
}

#[allow(clippy::unnecessary_wraps, reason = "a person who is there is one of two cases")]
fn reply(allowed: bool, scope: Scope) -> Option<Reply> {
    Some(Reply { allowed, scope, reason: None })
}

fn nothing_kept() -> Arc<MockAnswerStore> {
    let mut answers = MockAnswerStore::new();
    answers.expect_load().returning(|| Ok(Vec::new()));
    Arc::new(answers)
}

fn bash(command: &str) -> Request {
    Request {
        session_id: "s".to_owned(),
        kind: "bash".to_owned(),
        command: command.to_owned(),
        path: None,
        tool: Some("bash".to_owned()),
        least_risk: None,
        cause: Vec::new(),
        changed_by: Vec::new(),
    }
}

fn settings(allow: &[&str], block: &[&str]) -> Settings {
    let said = |text: &&str| {
        let (layer, text) = match text.split_once(": ") {
            Some(("policy", text)) => (Layer::Policy, text),
            _ => (Layer::User, *text),
        };
        SaidRule {
            rule: text.parse().unwrap(),
            origin: Origin { layer, place: "config.yml".to_owned(), line: Some(3) },
        }
    };
    let mut rules = PermissionRules::default();
    rules.allow = allow.iter().map(said).collect();
    rules.block = block.iter().map(said).collect();
    Settings { rules, home: Some(PathBuf::from("/home/u")), ..Settings::new("/code/app") }
}

struct World {
    settings: Settings,
    says: Outcome,
    by: Option<&'static str>,
    reply: Option<Reply>,
    asked: usize,
}

impl Default for World {
    fn default() -> Self {
        Self { settings: settings(&[], &[]), says: Outcome::Passed, by: None, reply: None, asked: 0 }
    }
}

async fn check(world: World, request: Request, expected: (bool, Decider), told: &[&str]) -> Verdict {
    let heard = Arc::new(Heard::default());
    let hooks = hooks(world.says, world.by, &heard);
    let permissions =
        Permissions::new(world.settings, hooks, person(world.reply, world.asked), nothing_kept(), Arc::new(At));
    let verdict = permissions.ask(request.clone()).await;
    assert_eq!((verdict.allowed, verdict.by.clone()), expected, "{}: {:?}", request.command, verdict.reason);
    assert_eq!(*held(&heard.0), told, "{}", request.command);
    verdict
}

#[tokio::test]
async fn rules_come_first() {
    let world = || World {
        settings: settings(&["bash(make *)", "policy: bash(npm publish)"], &["bash(make clean)"]),
        ..World::default()
    };
    let verdict = check(world(), bash("make all"), (true, Decider::Policy), &["replied true policy medium"]).await;
    assert_eq!(verdict.reason.unwrap(), "the rule `bash(make *)` in config.yml:3 allows it");
    let verdict =
        check(world(), bash("ls; make clean"), (false, Decider::Policy), &["replied false policy medium"]).await;
    assert_eq!(verdict.reason.unwrap(), "the rule `bash(make clean)` in config.yml:3 blocks it");
    check(world(), bash("npm publish"), (true, Decider::Policy), &["replied true policy critical"]).await;
    // What only reads needs no question, unless a rule blocks it
    check(world(), bash("ls"), (true, Decider::Harmless), &["replied true policy low"]).await;
    let blocked = World { settings: settings(&["bash(ls)"], &["bash(ls)"]), ..World::default() };
    check(blocked, bash("ls"), (false, Decider::Policy), &["replied false policy low"]).await;
    let asked = World {
        settings: Settings { always_ask: vec!["bash".to_owned()], ..settings(&[], &[]) },
        reply: reply(true, Scope::Once),
        asked: 1,
        ..World::default()
    };
    check(asked, bash("ls"), (true, Decider::User), &["ask bash low", "replied true user low"]).await;
}

#[tokio::test]
async fn plugins_then_yes_then_the_person() {
    let by = || Some(plugin("guard"));
    let world = |says, by| World { says, by, ..World::default() };
    check(
        world(Outcome::Denied, Some("guard")),
        bash("make"),
        (false, Decider::Plugin(by())),
        &["ask bash medium", "replied false guard medium"],
    )
    .await;
    check(
        world(Outcome::Approved, Some("guard")),
        bash("make"),
        (true, Decider::Plugin(by())),
        &["ask bash medium", "replied true guard medium"],
    )
    .await;
    let yes = || World { settings: Settings { yes: true, ..settings(&[], &[]) }, ..World::default() };
    check(yes(), bash("make"), (true, Decider::Yes), &["ask bash medium", "replied true user medium"]).await;
    let above = World { asked: 1, ..yes() };
    check(
        above,
        bash("npm test && rm -r x"),
        (false, Decider::Nobody),
        &["ask bash high", "replied false policy high"],
    )
    .await;
    let denied = World { says: Outcome::Denied, ..yes() };
    check(denied, bash("make"), (false, Decider::Plugin(None)), &["ask bash medium", "replied false policy medium"])
        .await;
    let person = |allowed| World { reply: reply(allowed, Scope::Once), asked: 1, ..World::default() };
    check(person(true), bash("rm -rf /"), (true, Decider::User), &["ask bash critical", "replied true user critical"])
        .await;
    check(person(false), bash("make"), (false, Decider::User), &["ask bash medium", "replied false user medium"]).await;
}

#[tokio::test]
async fn nobody_is_a_no_with_a_hint() {
    let check = async |line: &str, expected: &str| {
        let world = World { asked: 1, ..World::default() };
        let risk = risk::assess(&bash(line), &Project { root: "/code/app".into(), home: None }).assessment.risk;
        let told = [format!("ask bash {risk}"), format!("replied false policy {risk}")];
        let verdict = check(world, bash(line), (false, Decider::Nobody), &told.each_ref().map(String::as_str)).await;
        assert_eq!(verdict.reason.unwrap(), expected);
    };
    check(
        "make all",
        "nobody is there to be asked, and the risk is medium (runs what the project says); `bash(make all *)` under \
         `permissions.allow` in ~/.mimir/config.yml would allow it, and so would --yes",
    )
    .await;
    check("rm -r x", "nobody is there to be asked, and the risk is high (deletes folders with all that is in them)")
        .await;
    check("npm publish", "nobody is there to be asked, and the risk is critical (publishes something for everyone)")
        .await;
}

/// What a plugin's host call led to is never answered by what was said about something else.
#[tokio::test]
async fn plugins_gain_nothing_by_calling_tools() {
    let by =
        |names: &[&str], line: &str| Request { cause: names.iter().map(|name| plugin(name)).collect(), ..bash(line) };
    let yes = Settings { yes: true, ..settings(&[], &[]) };
    let nobody = |says, by| World { says, by, asked: 1, settings: yes.clone(), ..World::default() };
    let told: &[_] = &["ask bash medium caused by evil", "replied false policy medium caused by evil"];
    check(nobody(Outcome::Passed, None), by(&["evil"], "make"), (false, Decider::Nobody), told).await;
    check(nobody(Outcome::Approved, Some("evil")), by(&["evil"], "make"), (false, Decider::Nobody), told).await;
    check(nobody(Outcome::Approved, None), by(&["evil"], "make"), (false, Decider::Nobody), told).await;
    let told: &[_] = &["ask bash low caused by evil", "replied false policy low caused by evil"];
    check(nobody(Outcome::Passed, None), by(&["evil"], "ls"), (false, Decider::Nobody), told).await;
    let other = World { says: Outcome::Approved, by: Some("guard"), ..World::default() };
    let told: &[_] = &["ask bash medium caused by evil", "replied true guard medium caused by evil"];
    check(other, by(&["evil"], "make"), (true, Decider::Plugin(Some(plugin("guard")))), told).await;
    // Nor by changing what somebody else asked for
    let changed = || Request { changed_by: vec![plugin("other"), plugin("evil")], ..bash("make") };
    let own = |by| World { says: Outcome::Approved, by, asked: 1, ..World::default() };
    let told: &[_] = &["ask bash medium", "replied false policy medium"];
    check(own(Some("evil")), changed(), (false, Decider::Nobody), told).await;
    check(own(None), changed(), (false, Decider::Nobody), told).await;
    let told: &[_] = &["ask bash medium", "replied true guard medium"];
    let other = World { asked: 0, ..own(Some("guard")) };
    check(other, changed(), (true, Decider::Plugin(Some(plugin("guard")))), told).await;
    // An answer for the session is neither taken nor given
    let heard = Arc::new(Heard::default());
    let always = person(reply(true, Scope::Always), 3);
    let permissions = Permissions::new(
        settings(&[], &[]),
        hooks(Outcome::Passed, None, &heard),
        always,
        nothing_kept(),
        Arc::new(At),
    );
    let session = Permissions::new(
        settings(&[], &[]),
        hooks(Outcome::Passed, None, &heard),
        person(reply(true, Scope::Session), 2),
        nothing_kept(),
        Arc::new(At),
    );
    for _ in 0..3 {
        assert_eq!(permissions.ask(by(&["evil"], "make")).await.by, Decider::User);
    }
    assert_eq!(session.ask(bash("make")).await.by, Decider::User);
    assert_eq!(session.ask(bash("make")).await.by, Decider::Remembered);
    assert_eq!(session.ask(by(&["evil"], "make")).await.by, Decider::User);
}

#[tokio::test]
async fn answers_are_remembered_as_long_as_was_said() {
    let heard = Arc::new(Heard::default());
    let make = |reply: Option<Reply>, times: usize, answers: Arc<MockAnswerStore>| {
        Permissions::new(
            settings(&[], &[]),
            hooks(Outcome::Passed, None, &heard),
            person(reply, times),
            answers,
            Arc::new(At),
        )
    };
    let once = make(reply(true, Scope::Once), 2, nothing_kept());
    assert_eq!(once.ask(bash("cargo test")).await.by, Decider::User);
    assert_eq!(once.ask(bash("cargo test")).await.by, Decider::User);

    let session = make(reply(true, Scope::Session), 4, nothing_kept());
    assert_eq!(session.ask(bash("cargo test")).await.by, Decider::User);
    assert_eq!(session.ask(bash("cargo test -p x")).await.by, Decider::Remembered);
    // Another session, another line, another risk
    assert_eq!(session.ask(Request { session_id: "t".to_owned(), ..bash("cargo test") }).await.by, Decider::User);
    assert_eq!(session.ask(bash("cargo test; rm -r x")).await.by, Decider::User);
    assert_eq!(session.ask(bash("cargo test; rm -r x")).await.by, Decider::Remembered);
    session.forget_session("s");
    assert_eq!(session.ask(bash("cargo test")).await.by, Decider::User);

    // What is critical is asked each time
    let critical = make(reply(true, Scope::Session), 2, nothing_kept());
    assert_eq!(critical.ask(bash("npm publish")).await.by, Decider::User);
    assert_eq!(critical.ask(bash("npm publish")).await.by, Decider::User);

    // A no is about this action alone
    let no = make(reply(false, Scope::Session), 2, nothing_kept());
    assert_eq!(no.ask(bash("cargo test")).await.by, Decider::User);
    let again = no.ask(bash("cargo test")).await;
    assert_eq!((again.allowed, again.by), (false, Decider::Remembered));
    assert_eq!(no.ask(bash("cargo test -p x")).await.by, Decider::User);

    let mut answers = MockAnswerStore::new();
    answers.expect_load().once().returning(|| Ok(Vec::new()));
    answers
        .expect_add()
        .once()
        .withf(|answer| answer.about.shown() == "bash(cargo test *)" && answer.given_ms == 42)
        .returning(|_| Ok(()));
    let always = make(reply(true, Scope::Always), 1, Arc::new(answers));
    assert_eq!(always.ask(bash("cargo test")).await.by, Decider::User);
    assert_eq!(
        always.ask(Request { session_id: "t".to_owned(), ..bash("cargo test -q") }).await.by,
        Decider::Remembered
    );
}

/// `always` for what is dangerous is no more than the session, and an answer from before does not reach further.
#[tokio::test]
async fn what_is_dangerous_is_never_always() {
    let heard = Arc::new(Heard::default());
    let mut answers = MockAnswerStore::new();
    answers.expect_add().never();
    answers.expect_load().returning(|| {
        Ok(vec![
            Answer { about: About::Rule("bash(rm *)".parse().unwrap()), allowed: true, given_ms: 1 },
            Answer { about: About::Rule("bash".parse().unwrap()), allowed: true, given_ms: 1 },
        ])
    });
    let person = person(reply(true, Scope::Always), 2);
    let permissions = Permissions::new(
        settings(&[], &[]),
        hooks(Outcome::Passed, None, &heard),
        person,
        Arc::new(answers),
        Arc::new(At),
    );
    assert_eq!(permissions.ask(bash("rm -r build")).await.by, Decider::User);
    assert_eq!(permissions.ask(bash("rm -r build")).await.by, Decider::Remembered);
    assert_eq!(permissions.ask(bash("rm -r other")).await.by, Decider::User);
    assert_eq!(permissions.ask(bash("rm a")).await.by, Decider::Remembered);
}

#[tokio::test]
async fn answers_that_can_t_be_read_or_kept_are_told() {
    let heard = Arc::new(Heard::default());
    let mut answers = MockAnswerStore::new();
    let broken = || AnswersError::Corrupt { path: "f.json".into(), line: 1, column: 2 };
    answers.expect_load().once().returning(move || Err(broken()));
    let full = || AnswersError::File(PlatformError::NotPrivate { path: "f.json".into() });
    answers.expect_add().once().returning(move |_| Err(full()));
    let mut person = MockPerson::new();
    person.expect_ask().once().returning(|prompt| {
        let expected = "answers that you gave before do not count: f.json is no list of answers (line 1, column 2); correct or remove it";
        assert_eq!(prompt.notices, [expected]);
        reply(true, Scope::Always)
    });
    let permissions = Permissions::new(
        settings(&[], &[]),
        hooks(Outcome::Passed, None, &heard),
        Arc::new(person),
        Arc::new(answers),
        Arc::new(At),
    );
    assert!(permissions.ask(bash("make")).await.allowed);
    assert!(permissions.take_notices()[0].starts_with("your answer counts for this session only: "));
    assert_eq!(permissions.ask(bash("make")).await.by, Decider::Remembered);
    assert!(permissions.take_notices().is_empty());
}

/// A person who answers when told to, and counts how many questions there are at once.
struct Slow {
    go: Notify,
    asked: Mutex<Vec<String>>,
    at_once: AtomicU64,
    most: AtomicU64,
}

#[async_trait::async_trait]
impl Person for Slow {
    async fn ask(&self, prompt: &Prompt) -> Option<Reply> {
        held(&self.asked).push(prompt.request.command.clone());
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        self.go.notified().await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        reply(true, Scope::Once)
    }
}

#[tokio::test]
async fn one_question_at_a_time_and_the_same_one_once() {
    let heard = Arc::new(Heard::default());
    let slow = Arc::new(Slow {
        go: Notify::new(),
        asked: Mutex::default(),
        at_once: AtomicU64::new(0),
        most: AtomicU64::new(0),
    });
    let person: Arc<dyn Person> = slow.clone();
    let permissions = Arc::new(Permissions::new(
        settings(&[], &[]),
        hooks(Outcome::Passed, None, &heard),
        person,
        nothing_kept(),
        Arc::new(At),
    ));
    let tasks = ["make a", "make b", "make a", "npm publish", "npm publish"].map(|line| {
        let permissions = Arc::clone(&permissions);
        tokio::spawn(async move { permissions.ask(bash(line)).await.allowed })
    });
    let mut tasks = tasks.into_iter().collect::<Vec<_>>();
    let asking = || held(&heard.0).iter().filter(|what| what.starts_with("ask")).count();
    while asking() < tasks.len() {
        tokio::task::yield_now().await;
    }
    // Until all of them are through, whoever is asked may answer
    while tasks.iter().any(|task| !task.is_finished()) {
        slow.go.notify_one();
        tokio::task::yield_now().await;
    }
    for task in tasks.drain(..) {
        assert!(task.await.unwrap());
    }
    let mut asked = held(&slow.asked).clone();
    asked.sort();
    // What is critical is agreed to each time
    assert_eq!(asked, ["make a", "make b", "npm publish", "npm publish"]);
    assert_eq!(slow.most.load(Ordering::SeqCst), 1);
    // Not at once, but later, it is asked anew
    let again = permissions.ask(bash("make a"));
    tokio::pin!(again);
    while futures_poll(&mut again).await.is_none() {
        slow.go.notify_one();
    }
    assert_eq!(held(&slow.asked).len(), 5);
}

/// Whether a future is ready after one more turn of the others.
async fn futures_poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    tokio::select! {
        biased;
        done = future => Some(done),
        () = tokio::task::yield_now() => None,
    }
}

/// A question that nobody waits for any more does not hold up the next.
#[tokio::test]
async fn a_dropped_question_is_gone() {
    let heard = Arc::new(Heard::default());
    let slow = Arc::new(Slow {
        go: Notify::new(),
        asked: Mutex::default(),
        at_once: AtomicU64::new(0),
        most: AtomicU64::new(0),
    });
    let person: Arc<dyn Person> = slow.clone();
    let permissions = Arc::new(Permissions::new(
        settings(&[], &[]),
        hooks(Outcome::Passed, None, &heard),
        person,
        nothing_kept(),
        Arc::new(At),
    ));
    let task = tokio::spawn({
        let permissions = Arc::clone(&permissions);
        async move { permissions.ask(bash("make a")).await }
    });
    while held(&slow.asked).is_empty() {
        tokio::task::yield_now().await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    slow.go.notify_one();
    assert!(permissions.ask(bash("make b")).await.allowed);
}
