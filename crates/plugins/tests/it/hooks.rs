//! `hooks.PreCompact`: real commands, in a shell, with what they read and what their words do.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::Command;
use std::sync::{Arc, Mutex};

use mimir_plugins::events::{CompactionTrigger, Decision, SessionCompacting};
use mimir_plugins::{
    Effects, EventName, PluginId, Plugins, RecordedCalls, RecordedEvent, Recorder, RecorderError, Reply, ReportKind,
    Subscription, subscriber_fn,
};
use serde_json::{Map, Value, json};

use crate::place::Place;

fn event(trigger: CompactionTrigger) -> SessionCompacting {
    SessionCompacting {
        timestamp: 1,
        session_id: "s1".to_owned(),
        trigger,
        instructions: Some("keep the plan".to_owned()),
        message_count: 12,
        tokens: 90_000,
        context: vec!["from before".to_owned()],
        extra: Map::new(),
    }
}

async fn compact(plugins: &Plugins, trigger: CompactionTrigger) -> Result<Vec<String>, String> {
    match plugins.sessions().compacting(event(trigger)).await {
        Decision::Proceed(event) => Ok(event.context),
        Decision::Blocked { by, reason } => Err(format!("{}: {reason}", by.unwrap())),
    }
}

/// What hooks of the user's add at a trigger, or why they keep it from happening.
async fn check(place: &Place, hooks: &str, trigger: CompactionTrigger, expected: Result<&[&str], &str>) -> Vec<String> {
    place.write("home/config.yml", &format!("hooks:\n  PreCompact:\n{hooks}"));
    let (builder, reports) = place.builder();
    let plugins = builder.build().await.unwrap();
    let came = compact(&plugins, trigger).await;
    plugins.shutdown().await;
    let expected = expected.map(|added| ["from before"].iter().chain(added).copied().map(str::to_owned).collect());
    assert_eq!(came, expected.map_err(str::to_owned), "{hooks}");
    let reports = reports.lock().unwrap();
    reports.iter().map(|report| format!("{report} ({})", report.hint.as_deref().unwrap_or_default())).collect()
}

#[tokio::test]
async fn what_a_command_says_is_obeyed() {
    use CompactionTrigger::{Auto, Manual};
    let place = Place::new();
    // As it was written, in a shell, with the user's environment, in the project
    let hooks = "  - command: 'printf \"%s|\" \"$HOOK_SAYS\" $(basename \"$PWD\") | tr a-z A-Z'\n";
    assert_eq!(check(&place, hooks, Auto, Ok(&["HELLO|PROJECT|"])).await, [""; 0]);
    // A hook runs where its matcher is the trigger or `auto`
    let hooks = "  - { matcher: manual, command: echo by hand }\n  - { matcher: auto, command: echo always }\n";
    check(&place, hooks, Auto, Ok(&["always"])).await;
    check(&place, hooks, Manual, Ok(&["by hand", "always"])).await;
    check(&place, "  - { matcher: other, command: echo never }\n", Manual, Ok(&[])).await;
    // Nothing to say, and too much
    check(&place, "  - command: 'true'\n", Auto, Ok(&[])).await;
    let long = format!("{}…", "x".repeat(32_768));
    check(&place, "  - command: 'head -c 40000 /dev/zero | tr \"\\0\" x'\n", Auto, Ok(&[&long])).await;
    // 2 blocks, and nothing runs behind it
    let hooks = "  - command: 'echo kept; echo not now >&2; exit 2'\n  - command: touch ran\n";
    assert_eq!(check(&place, hooks, Manual, Err("precompact-hooks: not now")).await, [""; 0]);
    assert!(!place.path("project/ran").exists());
    check(&place, "  - command: exit 2\n", Auto, Err("precompact-hooks: `exit 2` says so")).await;
    // Anything else is told, and the others run
    let hooks = "  - command: 'echo left; echo broken >&2; exit 3'\n  - command: echo fine\n";
    let reports = check(&place, hooks, Auto, Ok(&["fine"])).await;
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].starts_with("precompact-hooks: `echo left; echo broken >&2; exit 3` ended with 3: broken"));
    assert!(reports[0].contains("config.yml:3"), "{reports:?}");
    let reports = check(&place, "  - command: kill -9 $$\n", Auto, Ok(&[])).await;
    assert!(reports[0].contains("was ended by signal 9"), "{reports:?}");
    let reports = check(&place, "  - command: yes\n", Auto, Ok(&[])).await;
    assert!(reports[0].contains("`yes` failed: the output"), "{reports:?}");

    let audit = place.audit();
    let lines: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let hooks: Vec<_> = lines.iter().filter(|line| line["kind"] == "hook").collect();
    assert!(hooks.iter().all(|line| line["plugin"] == "precompact-hooks" && line["detail"]["session"] == "s1"));
    for (outcome, code) in [("ok", json!(0)), ("blocked", json!(2)), ("failed", json!(3)), ("failed", json!(null))] {
        let is_it = |line: &&&Value| line["detail"]["outcome"] == outcome && line["detail"]["exitCode"] == code;
        assert!(hooks.iter().any(|line| is_it(&line)), "{outcome} {code}: {audit}");
    }
}

#[tokio::test]
async fn what_a_command_reads() {
    let place = Place::new();
    let check = async |input: &str, trigger, expected: Value| {
        let hooks = format!("  - command: cat > read.json\n{input}");
        check(&place, &hooks, trigger, Ok(&[])).await;
        let read: Value = serde_json::from_str(&place.read("project/read.json")).unwrap();
        assert_eq!(read, expected);
    };
    let (session_id, custom_instructions) = ("s1", "keep the plan");
    check(
        "",
        CompactionTrigger::Auto,
        json!({"trigger": "auto", "session_id": session_id, "custom_instructions": custom_instructions}),
    )
    .await;
    check(
        "    input: { depth: 3, trigger: mine }\n",
        CompactionTrigger::Manual,
        json!({"depth": 3, "trigger": "manual", "session_id": session_id, "custom_instructions": custom_instructions}),
    )
    .await;
}

#[tokio::test]
async fn a_repositorys_commands_wait_for_trust() {
    let place = Place::new();
    place.write("project/.mimir/config.yml", "hooks:\n  PreCompact: [{ command: touch ran; echo said }]\n");
    let said = async || {
        let (builder, _) = place.builder();
        let plugins = builder.build().await.unwrap();
        let said = compact(&plugins, CompactionTrigger::Auto).await.unwrap();
        let names: Vec<_> = plugins.list().into_iter().map(|record| record.name.to_string()).collect();
        let trust = plugins.loader().trust().clone();
        plugins.shutdown().await;
        (said, names, trust)
    };
    let (before, names, trust) = said().await;
    assert_eq!((before.len(), names.len()), (1, 0));
    assert!(!place.path("project/ran").exists());
    trust.trust(&place.path("project").canonicalize().unwrap()).unwrap();
    let (after, names, _) = said().await;
    assert_eq!((after[1].as_str(), names), ("said", vec!["precompact-hooks".to_owned()]));
    assert!(place.path("project/ran").exists());
}

#[tokio::test]
async fn a_plugin_that_cancels_is_asked_first() {
    let place = Place::new();
    place.write("home/config.yml", "hooks:\n  PreCompact: [{ command: touch ran }]\n");
    let plugins = place.builder().0.build().await.unwrap();
    let cancels = subscriber_fn(|_| async { Ok(Reply::value(json!({"cancel": true, "reason": "wait"}))) });
    let name = PluginId::new("a-guard").unwrap();
    plugins.subscribe(Subscription::code(name, [EventName::SessionCompacting]), cancels);
    assert_eq!(compact(&plugins, CompactionTrigger::Auto).await, Err("a-guard: wait".to_owned()));
    assert!(!place.path("project/ran").exists());
    plugins.shutdown().await;
}

#[tokio::test]
async fn when_nothing_runs() {
    let place = Place::new();
    let hooks = "hooks:\n  PreCompact: [{ command: touch ran }]\n";
    place.write("home/config.yml", hooks);
    // A replay does nothing
    let (builder, _) = place.builder();
    let plugins = builder.effects(Effects::Recorded(Arc::new(RecordedCalls::default()))).build().await.unwrap();
    assert_eq!(compact(&plugins, CompactionTrigger::Auto).await.unwrap().len(), 1);
    plugins.shutdown().await;
    // It can be switched off as a plugin can, and that is said
    place.write("home/config.yml", &format!("{hooks}plugins:\n  disabled: [precompact-hooks]\n"));
    let (builder, reports) = place.builder();
    let plugins = builder.build().await.unwrap();
    assert_eq!(compact(&plugins, CompactionTrigger::Auto).await.unwrap().len(), 1);
    plugins.shutdown().await;
    let told = reports.lock().unwrap()[0].to_string();
    assert!(told.contains("`hooks.PreCompact` has no effect: `precompact-hooks` is disabled in"), "{told}");
    assert!(!place.path("project/ran").exists());
    // Without plugins it goes on, as it did before there were any
    place.write("home/config.yml", hooks);
    let plugins = place.builder().0.without_plugins(true).build().await.unwrap();
    compact(&plugins, CompactionTrigger::Auto).await.unwrap();
    plugins.shutdown().await;
    assert!(place.path("project/ran").exists());
}

/// Keeps what is recorded.
#[derive(Default)]
struct Kept(Mutex<Vec<RecordedEvent>>);

impl Recorder for Kept {
    fn event(&self, event: RecordedEvent) -> Result<(), RecorderError> {
        self.0.lock().unwrap().push(event);
        Ok(())
    }
}

#[tokio::test]
async fn a_recording_says_what_became_of_them() {
    let check = async |hooks: &str| {
        let place = Place::new();
        place.write("home/config.yml", &format!("hooks:\n  PreCompact:\n{hooks}"));
        let kept = Arc::new(Kept::default());
        let plugins = place.builder().0.record(kept.clone()).build().await.unwrap();
        let live = compact(&plugins, CompactionTrigger::Auto).await;
        plugins.shutdown().await;
        let recorded = kept.0.lock().unwrap().remove(0);
        assert!(!recorded.calls.is_empty());
        let before = place.read("project/ran");
        let calls = Arc::new(RecordedCalls::default());
        calls.replace(recorded.calls);
        let plugins = place.builder().0.effects(Effects::Recorded(calls)).build().await.unwrap();
        assert_eq!(compact(&plugins, CompactionTrigger::Auto).await, live);
        plugins.shutdown().await;
        assert_eq!(place.read("project/ran"), before);
        live
    };
    let said = check("  - command: 'echo x >> ran; cat ran'\n  - command: 'cat ran; exit 7'\n").await;
    assert_eq!(said.unwrap()[1], "x");
    assert!(check("  - command: 'echo x >> ran; echo no >&2; exit 2'\n").await.is_err());
}

#[tokio::test]
async fn nobody_takes_its_name() {
    let place = Place::new();
    place.write("home/config.yml", "hooks:\n  PreCompact: [{ command: echo ours }]\n");
    let folder = "home/plugins/precompact-hooks";
    place.write(
        &format!("{folder}/plugin.yml"),
        "name: precompact-hooks\nversion: 1.0.0\nevents: [session.compacting]\n",
    );
    place.write(&format!("{folder}/index.ts"), "export default () => ({ on: { 'session.compacting': () => {} } });\n");
    let (builder, reports) = place.builder();
    let plugins = builder.build().await.unwrap();
    assert_eq!(compact(&plugins, CompactionTrigger::Auto).await.unwrap()[1], "ours");
    assert!(plugins.running().is_empty());
    plugins.shutdown().await;
    let reports = reports.lock().unwrap();
    assert_eq!(reports[0].kind, ReportKind::NotLoaded);
    assert!(reports[0].message.contains("its name is that of a part of Mimir"), "{reports:?}");
}

/// A command that says when it has begun, and its end of a pipe, which closes when all that it started are dead.
fn hanging(place: &Place) -> std::path::PathBuf {
    let pipe = place.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let command = format!("exec > {}; echo begun; sleep 1000 & sleep 1000", pipe.display());
    place.write("home/config.yml", &format!("hooks:\n  PreCompact: [{{ command: '{command}' }}]\n"));
    pipe
}

#[tokio::test]
async fn an_interruption_kills_it_with_all_that_it_started() {
    let place = Place::new();
    let pipe = hanging(&place);
    let plugins = place.builder().0.build().await.unwrap();
    let (tell, begun) = tokio::sync::oneshot::channel();
    let ended = std::thread::spawn(move || {
        let mut pipe = BufReader::new(File::open(pipe).unwrap());
        let mut line = String::new();
        pipe.read_line(&mut line).unwrap();
        tell.send(line).unwrap();
        pipe.read_to_string(&mut String::new()).unwrap()
    });
    let interrupt = async {
        assert_eq!(begun.await.unwrap(), "begun\n");
        plugins.interrupt();
    };
    let (came, ()) = tokio::join!(compact(&plugins, CompactionTrigger::Auto), interrupt);
    assert_eq!(came, Ok(vec!["from before".to_owned()]));
    assert_eq!(ended.join().unwrap(), 0);
    plugins.shutdown().await;
    assert!(place.audit().contains(r#""outcome":"dropped""#));
}
