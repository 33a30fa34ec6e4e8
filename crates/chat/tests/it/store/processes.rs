//! Several processes at once.

use mimir_chat::{SessionStore, StoreError};

use super::child::Player;
use super::{Place, assert_sound, begin, texts, user};

#[tokio::test]
async fn a_session_belongs_to_one_process() {
    let place = Place::new();
    let store = place.store().await;
    let session = begin(&store).await.id;
    store.close(&session).await;
    let mut player = Player::start("hold", &place.sessions(), &session);
    assert_eq!(player.says().as_deref(), Some("held"));
    let holder = player.process.id();
    for refused in [store.open(&session).await.err(), store.delete(&session).await.err()] {
        assert!(matches!(&refused, Some(StoreError::InUse { pid, .. }) if *pid == Some(holder)), "{refused:?}");
    }
    // It may be read, and others may be written
    assert_eq!(store.history(&session).await.unwrap(), []);
    let other = begin(&store).await.id;
    store.append(&other, None, user("x")).await.unwrap();
    player.kill();
    store.open(&session).await.unwrap();
    store.close(&session).await;

    let mut player = Player::start("hold", &place.sessions(), &session);
    assert_eq!(player.says().as_deref(), Some("held"));
    player.end();
    store.open(&session).await.unwrap();
}

/// From a folder that is not there yet, so that they make the database together as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_write_at_once() {
    let place = Place::new();
    let mut players: Vec<_> = (0..5).map(|_| Player::start("write", &place.sessions(), "")).collect();
    let mut sessions: Vec<_> = players.iter_mut().map(|player| player.says().unwrap()).collect();
    players.into_iter().for_each(Player::end);
    let store = place.store().await;
    let numbers: Vec<_> = (0..100).map(|number: u32| number.to_string()).collect();
    for session in &sessions {
        assert_eq!(texts(&store.conversation(session, None).await.unwrap()), numbers);
    }
    let mut listed: Vec<_> = store.list(None).await.unwrap().into_iter().map(|session| session.id).collect();
    listed.sort();
    sessions.sort();
    assert_eq!(listed, sessions);
    store.shutdown().await;
    assert_sound(&place.database()).await;
}
