//! To whom a session belongs.

use mimir_chat::{SessionStore, StoreError};
use mimir_shared_providers::Usage;

use super::{Place, begin, call, outcome, user};

#[tokio::test]
async fn only_who_holds_a_session_writes_to_it() {
    let place = Place::new();
    let (store, other) = (place.store().await, place.store().await);
    let mut session = begin(&store).await;
    let id = session.id.clone();
    let taken = other.open(&id[..5]).await.unwrap_err();
    assert!(matches!(&taken, StoreError::InUse { pid, .. } if *pid == Some(std::process::id())), "{taken}");
    assert_eq!(taken.to_string(), format!("the session `{id}` is open in another process ({})", std::process::id()));
    session.title = "mine".to_owned();
    for refused in [
        other.append(&id, None, user("x")).await.err(),
        other.replace(&id, &user("x")).await.err(),
        other.remove(&id, "x").await.err(),
        other.compact(&id, "x", user("x")).await.err(),
        other.call_started(&id, None, &call("c")).await.err(),
        other.call_ended(&id, None, &call("c"), &outcome(), user("x")).await.err(),
        other.spend(&id, "m", Usage::new(1, 1), 1.0).await.err(),
        other.update(&session).await.err(),
        other.agent_ended(&id, "a", None).await.err(),
    ] {
        assert!(matches!(&refused, Some(StoreError::NotOpen { .. })), "{refused:?}");
    }
    // To look at it is nobody's harm
    assert_eq!(other.conversation(&id, None).await.unwrap(), []);
    assert_eq!(other.list(None).await.unwrap()[0].title, "fix the parser");
    for store in [&store, &other] {
        let refused = store.delete(&id).await.unwrap_err();
        assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    }
    // Whoever holds it may open it again
    store.open(&id).await.unwrap();
    store.close(&id).await;
    other.open(&id).await.unwrap();
    other.append(&id, None, user("x")).await.unwrap();
}

#[tokio::test]
async fn a_store_holds_several_and_lets_go_of_all() {
    let place = Place::new();
    let store = place.store().await;
    let (one, two) = (begin(&store).await.id, begin(&store).await.id);
    store.append(&one, None, user("1")).await.unwrap();
    store.append(&two, None, user("2")).await.unwrap();
    drop(store);
    let store = place.store().await;
    store.open(&one).await.unwrap();
    store.open(&two).await.unwrap();
    store.shutdown().await;
    let names: Vec<_> = std::fs::read_dir(place.sessions()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["sessions.db"], "nothing is left beside it");
}
