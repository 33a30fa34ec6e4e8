use mimir_chat::{Budget, EndReason};
use mimir_plugins::EventName;
use serde_json::{Value, json};

use super::world::{Answer, Reply, World};

/// A task of two requests: $0.015, then $0.035.
fn world(budget: Budget) -> World {
    let answers = [Answer::call("a", "bash", json!({})), Answer::text("done"), Answer::text("again")];
    World::playing(answers).with(|it| it.budget = budget)
}

fn budgets(world: &World) -> Vec<(Value, Value)> {
    world
        .payloads(EventName::BudgetExceeded)
        .iter()
        .map(|event| (event["budget"].clone(), event["limit"].clone()))
        .collect()
}

#[tokio::test]
async fn an_exceeded_budget_stops_the_agent() {
    let world = world(Budget { session: Some(0.01), ..Budget::default() });
    let (_chat, conversation) = world.begin().await;
    let ended = conversation.send("do it").await.unwrap();
    assert!(matches!(ended.reason, EndReason::Budget { limit: 0.01, by: None, .. }), "{ended:?}");
    assert_eq!(world.lines(), ["user: do it", "assistant: bash(a)", "tool: a=bash ran"], "what was asked for is done");
    assert!(world.shown().contains(&"budget 0.010 0.015 true".to_owned()));
    assert!(world.shown().iter().any(|line| line.contains("`/cost session AMOUNT`")));

    // Still exceeded, and said once
    assert!(matches!(conversation.go_on().await.unwrap().reason, EndReason::Budget { .. }));
    assert_eq!(budgets(&world), [(json!("session"), json!(0.01))]);
    conversation.send("/cost session 5").await.unwrap();
    assert_eq!(conversation.go_on().await.unwrap().reason, EndReason::Completed);
}

#[tokio::test]
async fn one_that_is_not_enabled_only_warns() {
    let world = world(Budget { enabled: false, session: Some(0.01), ..Budget::default() });
    let (_chat, conversation) = world.begin().await;
    assert_eq!(conversation.send("do it").await.unwrap().reason, EndReason::Completed);
    assert_eq!(budgets(&world).len(), 1);
    assert!(world.shown().contains(&"budget 0.010 0.015 false".to_owned()));
}

#[tokio::test]
async fn a_plugin_stops_it_until_the_person_says_otherwise() {
    let world = world(Budget { enabled: false, session: Some(0.01), ..Budget::default() });
    world.on(|event, _| (event == EventName::BudgetExceeded).then_some(Reply::Blocks("enough")));
    let (_chat, conversation) = world.begin().await;
    let ended = conversation.send("do it").await.unwrap();
    assert!(matches!(ended.reason, EndReason::Budget { by: Some(_), ref reason, .. } if reason.starts_with("enough")));
    assert!(matches!(conversation.go_on().await.unwrap().reason, EndReason::Budget { .. }));
    assert_eq!(budgets(&world).len(), 1);

    // Another process asks the plugin again
    let conversation = world.chat().resume("s1", None).await.unwrap();
    assert!(matches!(conversation.go_on().await.unwrap().reason, EndReason::Budget { .. }));
    assert_eq!(budgets(&world).len(), 2);
    conversation.send("/cost session 5").await.unwrap();
    assert_eq!(conversation.go_on().await.unwrap().reason, EndReason::Completed);
}

#[tokio::test]
async fn a_day_has_a_budget_of_its_own() {
    let world = world(Budget { day: Some(1.0), ..Budget::default() });
    world.store.spent_today(2.0);
    let (_chat, conversation) = world.begin().await;
    let ended = conversation.send("do it").await.unwrap();
    assert!(matches!(ended.reason, EndReason::Budget { limit: 1.0, total: 2.0, .. }));
    assert!(world.model.requests.lock().unwrap().is_empty(), "nothing is asked");
    assert_eq!(budgets(&world), [(json!("day"), json!(1.0))]);
    assert_eq!(conversation.send("/cost day 9").await.unwrap().reason, EndReason::Command { success: true });
    assert_eq!(conversation.go_on().await.unwrap().reason, EndReason::Completed);
}

#[tokio::test]
async fn a_last_answer_that_costs_too_much_is_told_and_kept() {
    let world = World::playing([Answer::text("done")]).with(|it| it.budget.session = Some(0.01));
    let (_chat, conversation) = world.begin().await;
    assert_eq!(conversation.send("do it").await.unwrap().reason, EndReason::Completed);
    assert_eq!(budgets(&world).len(), 1);
}

#[tokio::test]
async fn a_budget_that_the_person_may_not_raise() {
    let world = world(Budget { session: Some(0.01), may_be_raised: false, ..Budget::default() });
    let (_chat, conversation) = world.begin().await;
    let ended = conversation.send("do it").await.unwrap();
    assert!(matches!(ended.reason, EndReason::Budget { ref reason, .. } if reason.contains("can't be raised")));
    assert_eq!(conversation.send("/cost session 5").await.unwrap().reason, EndReason::Command { success: false });
    assert!(matches!(conversation.go_on().await.unwrap().reason, EndReason::Budget { .. }));
}

#[tokio::test]
async fn an_unknown_price_is_said_once() {
    let world = World::playing([Answer::call("a", "bash", json!({})), Answer::text("done")]);
    let world = world.with(|it| it.budget = Budget { session: Some(1.0), ..Budget::default() });
    let chat = world.chat();
    let conversation = chat.create("a test", Some("fake/unpriced")).await.unwrap();
    conversation.send("do it").await.unwrap();
    let said = world.shown().iter().filter(|line| line.contains("price of `fake/unpriced` is not known")).count();
    assert_eq!(said, 1);
    assert_eq!(world.payloads(EventName::CostUpdated)[1]["totalCost"], 0.0);
    assert!(world.shown().iter().any(|line| line.ends_with("counted as $0, and no budget ends its work")));
    conversation.send("/cost").await.unwrap();
    let cost = world.shown().pop().unwrap();
    assert!(cost.ends_with("\nnot known      what `fake/unpriced` costs: it is counted as $0"), "{cost}");
}
