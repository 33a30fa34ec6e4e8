use std::sync::atomic::Ordering;

use mimir_chat::{AgentRole, EndReason, Parent, SubTask};
use mimir_plugins::EventName;
use mimir_shared_providers::{ChatRequest, StopReason};
use serde_json::{Value, json};

use super::world::{Answer, World, line};

/// A role by that name.
pub(super) fn role(name: &str) -> AgentRole {
    AgentRole { name: name.to_owned(), prompt: format!("{name} well"), ..AgentRole::default() }
}

fn task(id: &str, role: &str) -> (String, String, Value) {
    (id.to_owned(), "task".to_owned(), json!({"role": role, "prompt": format!("the task of {role}")}))
}

fn is_of(request: &ChatRequest, role: &str) -> bool {
    request.messages.iter().any(|message| line(message).ends_with(&format!("{role} well")))
}

/// The main agent gives these tasks in one answer and is done then; its sub-agents play `agents`.
fn world(tasks: &[&str], agents: impl Fn(&ChatRequest, usize) -> Answer + Send + Sync + 'static) -> World {
    let tasks: Vec<_> = tasks.iter().enumerate().map(|(at, role)| task(&format!("t{at}"), role)).collect();
    let world = World::new(move |request, number| {
        if request.messages.iter().any(|message| line(message).starts_with("system: ")) {
            return agents(request, number);
        }
        if number == 0 { Answer::Says(Vec::new(), tasks.clone()) } else { Answer::text("done") }
    });
    world.with(|it| it.roles = vec![role("explore"), role("write")])
}

#[tokio::test]
async fn a_sub_agent_does_its_task() {
    let world =
        world(
            &["explore"],
            |_, number| {
                if number == 1 { Answer::call("b", "bash", json!({})) } else { Answer::text("found") }
            },
        );
    let world = world.with(|it| it.roles[0].model = Some("fake/small".to_owned()));
    let (_chat, conversation) = world.begin().await;
    assert_eq!(conversation.send("do it").await.unwrap().text, "done");
    assert_eq!(world.lines(), ["user: do it", "assistant: task(t0)", "tool: t0=found", "assistant: done"]);

    let created = &world.payloads(EventName::AgentCreated)[0]["agent"];
    let id = created["id"].as_str().unwrap();
    assert_eq!(
        (&created["role"], &created["model"], &created["task"]),
        (&json!("explore"), &json!("fake/small"), &json!("the task of explore"))
    );
    let its: Vec<String> = world.store.messages("s1", Some(id)).iter().map(line).collect();
    assert_eq!(its, ["user: the task of explore", "assistant: bash(b)", "tool: b=bash ran", "assistant: found"]);
    let agents: Vec<String> = world.events().into_iter().filter(|event| event.starts_with("agent.")).collect();
    assert_eq!(agents, ["agent.created", "agent.started", "agent.completed"]);
    assert_eq!(world.payloads(EventName::AgentCompleted)[0]["result"], "found");
    let marked: Vec<Value> =
        world.payloads(EventName::MessageAdded).iter().map(|event| event["agentId"].clone()).collect();
    let marks = marked.iter().map(Value::is_string).collect::<Vec<_>>();
    assert_eq!(marks, [false, false, true, true, true, true, false, false]);
    let asked = world.payloads(EventName::ChatMessage);
    assert_eq!((&asked[1]["agentId"], &asked[1]["model"]), (&json!(id), &json!("fake/small")));
    assert_eq!(world.store.agents("s1"), [Some(None)]);
    assert!(world.shown().contains(&"agent text found".to_owned()));
    // What it cost is the session's
    assert_eq!(world.payloads(EventName::CostUpdated).len(), 4);
}

#[tokio::test]
async fn why_a_sub_agent_gives_up() {
    for (answer, turns, expected) in [
        (Answer::text(""), None, "t0!=it ended without a word"),
        (Answer::Stops("no", StopReason::Refused), None, "t0!=its model declined"),
        (Answer::call("b", "bash", json!({})), Some(1), "t0!=it was not done after 1 turns"),
        (
            Answer::Fails(mimir_shared_providers::ProviderError::NoCredentials { provider: "fake".to_owned() }),
            None,
            "t0!=the model `fake/m` gave no answer: fake needs a key, and there is none",
        ),
    ] {
        let answer = std::sync::Mutex::new(Some(answer));
        let world = world(&["explore"], move |_, _| answer.lock().unwrap().take().unwrap());
        let world = world.with(|it| it.roles[0].max_turns = turns);
        let (_chat, conversation) = world.begin().await;
        conversation.send("do it").await.unwrap();
        assert_eq!(world.lines()[2], format!("tool: {expected}"));
        assert_eq!(world.payloads(EventName::AgentFailed)[0]["error"]["message"], expected.trim_start_matches("t0!="));
        assert!(world.store.agents("s1")[0].as_ref().unwrap().is_some());
    }
}

#[tokio::test]
async fn a_role_has_its_tools_and_no_others() {
    let world = world(&["explore"], |request, number| {
        let tools: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(tools, ["read", "list"]);
        if number == 1 { Answer::call("b", "bash", json!({})) } else { Answer::text("found") }
    });
    let world = world.with(|it| it.roles[0].tools = Some(vec!["read".to_owned(), "list".to_owned()]));
    let (_chat, conversation) = world.begin().await;
    conversation.send("do it").await.unwrap();
    assert_eq!(world.tools.runs.lock().unwrap().as_slice(), ["t0"], "bash did not run");
    let agent = world.payloads(EventName::AgentCreated)[0]["agent"]["id"].as_str().unwrap().to_owned();
    assert_eq!(line(&world.store.messages("s1", Some(&agent))[2]), "tool: b!=this agent has no tool `bash`");
}

#[tokio::test]
async fn agents_of_agents_of_agents_do_not_exist() {
    let world = world(&["explore"], |request, number| {
        let may = request.tools.iter().any(|tool| tool.name == "task");
        assert_eq!(may, is_of(request, "explore"), "{request:#?}");
        match (is_of(request, "explore"), number) {
            (true, 1) => Answer::Says(Vec::new(), vec![task("t1", "write")]),
            (true, _) => Answer::text("explored"),
            (false, 2) => Answer::Says(Vec::new(), vec![task("t2", "explore")]),
            (false, _) => Answer::text("written"),
        }
    });
    let (_chat, conversation) = world.begin().await;
    conversation.send("do it").await.unwrap();
    let created = world.payloads(EventName::AgentCreated);
    assert_eq!(created.len(), 2);
    assert_eq!(created[1]["agent"]["parentId"], created[0]["agent"]["id"]);
    assert_eq!(world.tools.runs.lock().unwrap().as_slice(), ["t0", "t1"]);
}

#[tokio::test]
async fn tasks_of_one_answer_are_worked_on_at_once() {
    let world = world(&["explore", "write"], |_, _| Answer::text("found"));
    let (chat, conversation) = world.begin().await;
    conversation.send("do it").await.unwrap();
    assert_eq!(world.lines()[2..4], ["tool: t0=found", "tool: t1=found"]);
    assert_eq!(world.tools.most_at_once.load(Ordering::Relaxed), 2);
    let agents: Vec<String> = world.events().into_iter().filter(|event| event.starts_with("agent.")).collect();
    assert_eq!(agents[..2], ["agent.created", "agent.created"]);

    let run = |session: &str, role: &str| {
        let parent = Parent { session_id: session.to_owned(), ..Parent::default() };
        let task = SubTask { role: role.to_owned(), description: String::new(), prompt: "go".to_owned() };
        chat.run_agent(parent, task)
    };
    assert_eq!(run("s1", "dance").await.unwrap_err(), "there is no role `dance`; there is explore, write");
    assert_eq!(run("s9", "explore").await.unwrap_err(), "the session `s9` is not open");
}

#[tokio::test]
async fn a_budget_that_a_sub_agent_exceeds_stops_all() {
    let world = world(&["explore"], |_, number| Answer::call(&format!("n{number}"), "bash", json!({})));
    let world = world.with(|it| it.budget.session = Some(0.02));
    let (_chat, conversation) = world.begin().await;
    let ended = conversation.send("do it").await.unwrap();
    assert!(matches!(ended.reason, EndReason::Budget { .. }));
    assert_eq!(world.payloads(EventName::BudgetExceeded).len(), 1, "it is said once");
    assert!(world.lines()[2].contains("the budget of the session is exceeded"));
}
