//! What each method promises.

use mimir_chat::{CallOutcome, CallRemark, Journalled, SessionStore, StoreError, ToolCall, ToolRemark};
use mimir_plugins::events::AgentInfo;
use mimir_shared_providers::{Content, KnownPart, Message, Part, Role, Usage};
use serde_json::{Map, Value, json};

use super::{DAY_MS, Place, START, begin, call, id, new_session, outcome, text, texts, user};

#[tokio::test]
async fn a_session_is_begun_found_and_changed() {
    let place = Place::new();
    let store = place.store().await;
    let mut session = begin(&store).await;
    assert_eq!((session.created_at, session.updated_at, session.messages, session.cost), (START, START, 0, 0.0));
    place.clock.advance(5);
    (session.title, session.model) = ("another".to_owned(), "anthropic/x".to_owned());
    session.metadata.insert("branch".to_owned(), json!("main"));
    store.update(&session).await.unwrap();
    session.updated_at = START + 5;
    assert_eq!(store.find(&session.id[..4]).await.unwrap(), session);
    assert_eq!(store.find(&session.id.to_uppercase()).await.unwrap(), session);
    for unknown in ["", "zzzz", "../../x", "%", "k_"] {
        assert!(matches!(store.find(unknown).await, Err(StoreError::Unknown { id }) if id == unknown), "{unknown}");
    }
    store.shutdown().await;
    assert_eq!(place.store().await.open(&session.id).await.unwrap(), session);
}

#[tokio::test]
async fn a_beginning_that_several_share_is_ambiguous() {
    let place = Place::new();
    let store = place.store().await;
    // By the pigeons: 28 letters, 29 sessions
    let mut begun = Vec::new();
    for _ in 0..29 {
        begun.push(begin(&store).await.id);
    }
    let shared = begun.iter().find_map(|id| {
        let count = begun.iter().filter(|other| other[..1] == id[..1]).count();
        (count > 1).then(|| (id[..1].to_owned(), count))
    });
    let (letter, expected) = shared.unwrap();
    let error = store.open(&letter).await.unwrap_err();
    assert!(matches!(error, StoreError::Ambiguous { count, .. } if count == expected), "{error}");
}

#[tokio::test]
async fn sessions_are_listed_by_project_the_latest_first() {
    let place = Place::new();
    let store = place.store().await;
    let first = begin(&store).await;
    place.clock.advance(10);
    let second =
        store.create(mimir_chat::NewSession { project: "/other".to_owned(), ..new_session("b") }).await.unwrap();
    place.clock.advance(10);
    store.append(&first.id, None, user("a")).await.unwrap();
    store.append(&first.id, Some("a1"), user("of a sub-agent")).await.unwrap();
    store.spend(&first.id, "m", Usage::new(1, 2), 0.25).await.unwrap();
    store.spend(&first.id, "n", Usage::new(1, 2), 0.5).await.unwrap();
    let listed = store.list(None).await.unwrap();
    assert_eq!(listed.iter().map(|session| &session.id).collect::<Vec<_>>(), [&first.id, &second.id]);
    assert_eq!((listed[0].messages, listed[0].cost, listed[0].updated_at), (1, 0.75, START + 20));
    assert_eq!((listed[1].messages, listed[1].cost), (0, 0.0));
    assert_eq!(store.list(Some("/other")).await.unwrap(), [second]);
    assert_eq!(store.list(Some("/othe")).await.unwrap(), []);
}

#[tokio::test]
async fn messages_come_back_as_they_went_in() {
    let place = Place::new();
    let store = place.store().await;
    let session = begin(&store).await.id;
    let cases = [
        json!({"role": "user", "content": "nul \u{0} bell \u{7} 漢字 \u{1f980}"}),
        json!({"role": "assistant", "content": [], "cost": 0.250, "far": u64::MAX, "near": i64::MIN}),
        json!({"role": "assistant", "content": [
            {"type": "thinking", "thinking": "…", "signature": "x"},
            {"type": "toolCall", "id": "c1", "name": "bash", "args": {"n": 1.50, "deep": [[{}]]}, "extra": 1},
        ]}),
        json!({"role": "tool", "content": [{"type": "toolResult", "callId": "c1", "result": null, "isError": true}]}),
        json!({"role": "developer", "content": "x".repeat(3_000_000)}),
    ];
    for input in &cases {
        let message: Message = serde_json::from_value(input.clone()).unwrap();
        let stored = store.append(&session, None, message).await.unwrap();
        assert_eq!(stored.message.timestamp, Some(START));
        let mut found =
            serde_json::to_value(&store.conversation(&session, None).await.unwrap().pop().unwrap().message).unwrap();
        assert_eq!(found, serde_json::to_value(&stored.message).unwrap());
        for given in ["id", "timestamp"] {
            found.as_object_mut().unwrap().shift_remove(given).unwrap();
        }
        assert_eq!(&found, input);
    }
    let places: Vec<_> = store.history(&session).await.unwrap().iter().map(|stored| stored.place).collect();
    assert_eq!(places, [1, 2, 3, 4, 5]);
}

/// Whatever a model sends can be stored, and what was stored can be read.
#[tokio::test]
async fn numbers_that_no_computer_counts_with_come_back() {
    let place = Place::new();
    let store = place.store().await;
    let session = begin(&store).await.id;
    let args: Value =
        serde_json::from_str(r#"{"a": 123456789012345678901234567890, "b": -1e400, "c": [1.10]}"#).unwrap();
    let part =
        KnownPart::ToolCall { id: "c1".to_owned(), name: "bash".to_owned(), args: args.clone(), extra: Map::new() };
    let message = Message { content: Content::Parts(vec![Part::Known(part)]), ..Message::text(Role::Assistant, "") };
    let stored = store.append(&session, None, message).await.unwrap();
    assert_eq!(store.conversation(&session, None).await.unwrap(), [stored]);
    let call = ToolCall { args, ..call("c1") };
    store.call_started(&session, None, &call).await.unwrap();
    assert_eq!(store.cut_calls(&session).await.unwrap()[0].call, call);
}

#[tokio::test]
async fn a_message_is_changed_and_removed() {
    let place = Place::new();
    let store = place.store().await;
    let session = begin(&store).await.id;
    let one = store.append(&session, None, user("one")).await.unwrap();
    let two = store.append(&session, None, user("two")).await.unwrap();
    place.clock.advance(7);
    let changed = Message { id: one.message.id.clone(), ..user("uno") };
    let replaced = store.replace(&session, &changed).await.unwrap().unwrap();
    assert_eq!((replaced.place, replaced.message.timestamp, text(&replaced)), (1, Some(START), "uno".to_owned()));
    assert_eq!(store.find(&session).await.unwrap().updated_at, START + 7);
    for other in [user("no id"), Message { id: Some("none".to_owned()), ..user("x") }] {
        assert_eq!(store.replace(&session, &other).await.unwrap(), None);
    }
    assert_eq!(store.remove(&session, &id(&two)).await.unwrap(), Some(two.clone()));
    assert_eq!(store.remove(&session, &id(&two)).await.unwrap(), None);
    // A place is not given twice
    let three = store.append(&session, None, user("three")).await.unwrap();
    assert_eq!(three.place, 3);
    let all = [id(&three), id(&two), id(&one)];
    let removed = store.remove_all(&session, &all).await.unwrap();
    assert_eq!(texts(&removed), ["three", "uno"]);
    assert_eq!(store.find(&session).await.unwrap().messages, 0);
    assert_eq!(store.history(&session).await.unwrap(), []);
}

#[tokio::test]
async fn a_summary_stands_before_what_is_left() {
    let place = Place::new();
    let store = place.store().await;
    let session = begin(&store).await.id;
    let mut stored = Vec::new();
    for text in ["1", "2", "3", "4"] {
        stored.push(store.append(&session, None, user(text)).await.unwrap());
        store.append(&session, Some("a1"), user(format!("sub {text}"))).await.unwrap();
    }
    let conversation = async || texts(&store.conversation(&session, None).await.unwrap());
    let first = store.compact(&session, &id(&stored[1]), user("S1")).await.unwrap();
    assert_eq!(conversation().await, ["S1", "3", "4"]);
    assert_eq!(store.find(&session).await.unwrap().messages, 3);
    // What was put away is part of the conversation no more
    let again = store.compact(&session, &id(&stored[0]), user("no")).await.unwrap_err();
    assert!(matches!(again, StoreError::NoMessage { .. }), "{again}");
    store.compact(&session, &id(&first), user("S2")).await.unwrap();
    assert_eq!(conversation().await, ["S2", "3", "4"]);
    store.compact(&session, &id(&stored[3]), user("S3")).await.unwrap();
    store.append(&session, None, user("5")).await.unwrap();
    assert_eq!(conversation().await, ["S3", "5"]);
    assert_eq!(texts(&store.conversation(&session, Some("a1")).await.unwrap()), ["sub 1", "sub 2", "sub 3", "sub 4"]);
    let history = store.history(&session).await.unwrap();
    let main: Vec<_> = history.iter().filter(|stored| stored.agent_id.is_none()).collect();
    let shown: Vec<_> =
        main.iter().map(|stored| format!("{}{}", text(stored), if stored.is_compacted { "-" } else { "" })).collect();
    assert_eq!(shown, ["1-", "2-", "S1-", "S2-", "3-", "4-", "S3", "5"]);
}

#[tokio::test]
async fn the_journal_knows_what_was_cut() {
    let place = Place::new();
    let store = place.store().await;
    let session = begin(&store).await.id;
    for (agent, id) in [(None, "c1"), (None, "c2"), (Some("a1"), "c1")] {
        store.call_started(&session, agent, &call(id)).await.unwrap();
        place.clock.advance(1);
    }
    let mut ended = outcome();
    ended.args = Map::from_iter([("command".to_owned(), json!("ls -a"))]);
    ended.remarks = vec![ToolRemark {
        plugin: Some(mimir_plugins::PluginId::new("guard").unwrap()),
        what: "allowed".to_owned(),
        reason: None,
    }];
    let told = store.call_ended(&session, None, &call("c1"), &ended, user("ended")).await.unwrap();
    store.shutdown().await;

    let store = place.store().await;
    store.open(&session).await.unwrap();
    let cut = store.cut_calls(&session).await.unwrap();
    let expected = [(None, "c2", START + 1), (Some("a1".to_owned()), "c1", START + 2)];
    assert_eq!(cut, expected.map(|(agent_id, id, started_at)| Journalled { agent_id, call: call(id), started_at }));
    let unknown = store.call_cut(&session, &cut[1], user("outcome unknown")).await.unwrap();
    assert_eq!(unknown.agent_id.as_deref(), Some("a1"));
    assert_eq!(store.cut_calls(&session).await.unwrap(), cut[..1]);
    // Told once, and never without its entry
    let again = store.call_cut(&session, &cut[1], user("again")).await.unwrap_err();
    assert!(matches!(&again, StoreError::NoCall { id } if id == "c1"), "{again}");
    let again = store.call_ended(&session, None, &call("c1"), &outcome(), user("again")).await.unwrap_err();
    assert!(matches!(again, StoreError::NoCall { .. }), "{again}");
    assert_eq!(texts(&store.history(&session).await.unwrap()), ["ended", "outcome unknown"]);

    let calls = store.export(&session).await.unwrap().calls;
    let remarks = vec![CallRemark { plugin: Some("guard".to_owned()), what: "allowed".to_owned(), reason: None }];
    assert_eq!(calls[0].outcome, Some(CallOutcome { is_error: false, args: ended.args, duration_ms: 3, remarks }));
    assert_eq!(calls[0].message_id, told.message.id);
    let states: Vec<_> =
        calls.iter().map(|call| (call.is_cut, call.ended_at.is_some(), call.outcome.is_some())).collect();
    assert_eq!(states, [(false, true, true), (false, false, false), (true, true, false)]);
}

#[tokio::test]
async fn a_call_that_was_refused_is_kept_and_never_under_way() {
    let place = Place::new();
    let store = place.store().await;
    let session = begin(&store).await.id;
    let told = store.call_refused(&session, Some("a1"), &call("c1"), &outcome(), user("refused")).await.unwrap();
    assert_eq!(store.cut_calls(&session).await.unwrap(), []);
    let found = store.export(&session).await.unwrap();
    assert_eq!(texts(&found.messages), ["refused"]);
    let [refused] = found.calls.as_slice() else { panic!("{:?}", found.calls) };
    assert_eq!((refused.agent_id.as_deref(), refused.is_cut, refused.ended_at), (Some("a1"), false, Some(START)));
    assert_eq!(refused.message_id, told.message.id);
    assert!(refused.outcome.is_some());
}

/// Who asks what was cut hears of a beginning that was given up half-way, or there is none, now and later.
#[tokio::test]
async fn a_beginning_that_is_given_up_is_decided_before_anybody_asks() {
    let place = Place::new();
    let store = place.store().await;
    let session = begin(&store).await.id;
    let (mut kept, mut polls) = (0, 0);
    // A busy machine begins later
    while polls < 60 || kept == 0 {
        let id = format!("c{polls}");
        {
            let begun = call(&id);
            let mut write = std::pin::pin!(store.call_started(&session, None, &begun));
            for _ in 0..polls {
                if futures::poll!(&mut write).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let found = store.cut_calls(&session).await.unwrap();
        store.append(&session, None, user("later")).await.unwrap();
        assert_eq!(store.cut_calls(&session).await.unwrap(), found, "after {polls} polls");
        kept = found.len();
        polls += 1;
    }
}

/// Nothing keeps a model from naming two calls alike.
#[tokio::test]
async fn calls_of_one_name_are_closed_one_by_one() {
    let place = Place::new();
    let store = place.store().await;
    let session = begin(&store).await.id;
    let (first, mut second) = (call("c"), call("c"));
    second.args = json!({"command": "pwd"});
    store.call_started(&session, None, &first).await.unwrap();
    store.call_started(&session, None, &second).await.unwrap();
    store.call_ended(&session, None, &second, &outcome(), user("2")).await.unwrap();
    assert_eq!(store.cut_calls(&session).await.unwrap()[0].call, first);
    store.call_ended(&session, None, &first, &outcome(), user("1")).await.unwrap();
    assert_eq!(store.cut_calls(&session).await.unwrap(), []);
}

#[tokio::test]
async fn spending_adds_up_by_session_and_day() {
    let place = Place::new();
    let store = place.store().await;
    let (one, two) = (begin(&store).await.id, begin(&store).await.id);
    store.spend(&one, "m", Usage::new(10, 1), 0.25).await.unwrap();
    let totals = store.spend(&two, "n", Usage { cache_read_tokens: 5, ..Usage::new(20, 2) }, 1.0).await.unwrap();
    assert_eq!((totals.session, totals.day, totals.usage.prompt_tokens()), (1.0, 1.25, 25));
    let totals = store.spend(&two, "m", Usage::new(1, 1), 0.5).await.unwrap();
    assert_eq!((totals.session, totals.day, totals.usage.output_tokens), (1.5, 1.75, 3));
    place.clock.advance(DAY_MS);
    assert_eq!(store.totals(&two).await.unwrap(), mimir_chat::Totals { day: 0.0, ..totals });
    // A server may say anything
    for _ in 0..3 {
        store.spend(&two, "m", Usage::new(u64::MAX, u64::MAX), 0.0).await.unwrap();
    }
    assert_eq!(store.totals(&two).await.unwrap().day, 0.0);
    for nonsense in [f64::NAN, f64::INFINITY, -1.0] {
        assert!(store.spend(&two, "m", Usage::new(1, 1), nonsense).await.is_err());
    }
    // What was spent stays spent
    store.close(&one).await;
    store.delete(&one).await.unwrap();
    let days = store.days().await.unwrap();
    let by_model: Vec<_> = days.iter().map(|day| (day.day, day.model.as_str(), day.cost)).collect();
    let day = START - START % DAY_MS;
    assert_eq!(by_model, [(day + DAY_MS, "m", 0.0), (day, "m", 0.75), (day, "n", 1.0)]);
}

#[tokio::test]
async fn sub_agents_are_written_down() {
    let place = Place::new();
    let store = place.store().await;
    let session = begin(&store).await.id;
    let agent = |id: &str| {
        let info = json!({"id": id, "role": "reviewer", "model": "m", "parentId": "main", "task": "look", "depth": 1});
        serde_json::from_value::<AgentInfo>(info).unwrap()
    };
    for id in ["a1", "a2", "a3"] {
        store.agent_started(&session, &agent(id)).await.unwrap();
    }
    place.clock.advance(3);
    store.agent_ended(&session, "a1", None).await.unwrap();
    store.agent_ended(&session, "a2", Some("no luck")).await.unwrap();
    let agents = store.export(&session).await.unwrap().agents;
    let ends: Vec<_> = agents.iter().map(|agent| (agent.ended_at, agent.error.as_deref())).collect();
    assert_eq!(ends, [(Some(START + 3), None), (Some(START + 3), Some("no luck")), (None, None)]);
    assert_eq!(agents[0].agent, agent("a1"));
}

#[tokio::test]
async fn a_deleted_session_is_gone() {
    let place = Place::new();
    let store = place.store().await;
    let (gone, kept) = (begin(&store).await.id, begin(&store).await.id);
    for session in [&gone, &kept] {
        store.append(session, None, user("the secret word is xylophone")).await.unwrap();
        store.call_started(session, None, &call("c")).await.unwrap();
    }
    store.remove_all(&kept, &[id(&store.history(&kept).await.unwrap()[0])]).await.unwrap();
    store.close(&gone).await;
    store.delete(&gone).await.unwrap();
    for result in [
        store.open(&gone).await.err(),
        store.delete(&gone).await.err(),
        store.history(&gone).await.err(),
        store.conversation(&gone, None).await.err(),
        store.cut_calls(&gone).await.err(),
        store.totals(&gone).await.err(),
        store.export(&gone).await.err(),
    ] {
        assert!(matches!(&result, Some(StoreError::Unknown { id }) if *id == gone), "{result:?}");
    }
    assert_eq!(store.list(None).await.unwrap().len(), 1);
    assert_eq!(store.cut_calls(&kept).await.unwrap().len(), 1);
    store.shutdown().await;
    // Not in what SQLite keeps for later use either
    for file in std::fs::read_dir(place.sessions()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(9).any(|window| window == b"xylophone"), "{}", path.display());
    }
}

/// A future that is dropped has written all or nothing, and the store goes on.
#[tokio::test]
async fn a_write_that_is_given_up_leaves_nothing_half() {
    let place = Place::new();
    let store = place.store().await;
    let session = begin(&store).await.id;
    for polls in 0..60 {
        store.call_started(&session, None, &call("c")).await.unwrap();
        {
            let ended = call("c");
            let outcome = outcome();
            let mut write = std::pin::pin!(store.call_ended(&session, None, &ended, &outcome, user("x")));
            for _ in 0..polls {
                if futures::poll!(&mut write).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let found = store.export(&session).await.unwrap();
        store.append(&session, None, user("y")).await.unwrap();
        drop(found);
    }
    let found = store.export(&session).await.unwrap();
    let ended = found.calls.iter().filter(|call| call.ended_at.is_some()).count();
    assert_eq!(texts(&found.messages).iter().filter(|text| *text == "x").count(), ended);
    assert_eq!(found.messages.len() as u64, found.session.messages);
    assert_eq!(found.calls.len(), 60);
}
