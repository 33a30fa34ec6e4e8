//! The order of messages against that of a list.

use mimir_chat::{SessionStore, SqliteSessions};
use mimir_shared_providers::Message;
use proptest::prelude::*;

use super::{Place, begin, id, text, user};

#[derive(Debug, Clone)]
enum Step {
    Append { is_sub: bool },
    Replace(usize),
    Remove(usize),
    RemoveTwo(usize, usize),
    Compact(usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<bool>().prop_map(|is_sub| Step::Append { is_sub }),
        2 => any::<usize>().prop_map(Step::Replace),
        2 => any::<usize>().prop_map(Step::Remove),
        1 => any::<(usize, usize)>().prop_map(|(a, b)| Step::RemoveTwo(a, b)),
        2 => any::<usize>().prop_map(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

/// A message as the list has it.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    id: String,
    text: String,
    is_sub: bool,
    is_compacted: bool,
}

async fn history(store: &SqliteSessions, session: &str) -> Vec<Entry> {
    let history = store.history(session).await.unwrap();
    let entry = |stored: &mimir_chat::Stored| Entry {
        id: id(stored),
        text: text(stored),
        is_sub: stored.agent_id.is_some(),
        is_compacted: stored.is_compacted,
    };
    history.iter().map(entry).collect()
}

async fn check(steps: Vec<Step>) {
    let place = Place::new();
    let mut store = place.store().await;
    let session = begin(&store).await.id;
    let mut list: Vec<Entry> = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        let new = number.to_string();
        match step {
            Step::Append { is_sub } => {
                let stored = store.append(&session, is_sub.then_some("a1"), user(&new)).await.unwrap();
                list.push(Entry { id: id(&stored), text: new, is_sub, is_compacted: false });
            }
            Step::Replace(which) if !list.is_empty() => {
                let which = which % list.len();
                let message = Message { id: Some(list[which].id.clone()), ..user(&new) };
                store.replace(&session, &message).await.unwrap().unwrap();
                list[which].text = new;
            }
            Step::Remove(which) if !list.is_empty() => {
                let gone = list.remove(which % list.len());
                store.remove(&session, &gone.id).await.unwrap().unwrap();
            }
            Step::RemoveTwo(one, two) if !list.is_empty() => {
                let ids = [one, two].map(|which| list[which % list.len()].id.clone());
                store.remove_all(&session, &ids).await.unwrap();
                list.retain(|entry| !ids.contains(&entry.id));
            }
            Step::Compact(which) if !list.is_empty() => {
                let which = which % list.len();
                let last = list[which].clone();
                let result = store.compact(&session, &last.id, user(&new)).await;
                if last.is_sub || last.is_compacted {
                    result.unwrap_err();
                    continue;
                }
                list[..=which].iter_mut().filter(|entry| !entry.is_sub).for_each(|entry| entry.is_compacted = true);
                let summary = Entry { id: id(&result.unwrap()), text: new, is_sub: false, is_compacted: false };
                list.insert(which + 1, summary);
            }
            Step::Reopen => {
                store.shutdown().await;
                store = place.store().await;
                store.open(&session).await.unwrap();
            }
            _ => {}
        }
        assert_eq!(history(&store, &session).await, list);
    }
    for (agent, is_sub) in [(None, false), (Some("a1"), true)] {
        let found: Vec<_> = store.conversation(&session, agent).await.unwrap().iter().map(id).collect();
        let live = list.iter().filter(|entry| entry.is_sub == is_sub && !entry.is_compacted);
        assert_eq!(found, live.map(|entry| entry.id.clone()).collect::<Vec<_>>());
    }
    let counted = list.iter().filter(|entry| !entry.is_sub && !entry.is_compacted).count();
    assert_eq!(store.find(&session).await.unwrap().messages, counted as u64);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn messages_are_read_in_the_order_of_a_list(steps in prop::collection::vec(step(), 1..30)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(check(steps));
    }
}
