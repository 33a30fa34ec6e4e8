//! What is left of a process that was killed.

use std::collections::HashSet;

use mimir_chat::SessionStore;

use super::child::Player;
use super::{Place, assert_sound, begin, text, user};

const KILLS: usize = 50;

#[tokio::test]
async fn what_was_told_is_there_and_nothing_is_half() {
    let place = Place::new();
    let store = place.store().await;
    let session = begin(&store).await.id;
    store.shutdown().await;
    let (mut messages, mut removed, mut started, mut ended) =
        (HashSet::new(), HashSet::new(), HashSet::new(), HashSet::new());
    let (mut spent, mut cut) = (0_u32, 0);
    for round in 0..KILLS {
        let mut player = Player::start("converse", &place.sessions(), &session);
        // After so many steps it is killed in the midst of the next ones, wherever it is
        let mut said: Vec<_> = (0..=(round * 5) % 13).map(|_| player.says().unwrap()).collect();
        said.extend(player.kill());
        for line in said {
            let (what, which) = line.split_once(' ').unwrap_or((&line, ""));
            let _ = match what {
                "message" => messages.insert(which.to_owned()),
                "removed" => removed.insert(which.to_owned()),
                "started" => started.insert(which.to_owned()),
                "ended" => ended.insert(which.to_owned()),
                _ => {
                    spent += 1;
                    true
                }
            };
        }
        let store = place.store().await;
        // Nobody holds it any more
        store.open(&session).await.unwrap();
        let found = store.export(&session).await.unwrap();
        let there: HashSet<_> = found.messages.iter().filter_map(|stored| stored.message.id.clone()).collect();
        assert!(messages.is_subset(&there), "round {round}");
        assert!(removed.is_disjoint(&there), "round {round}");
        let conversation = store.conversation(&session, None).await.unwrap();
        assert_eq!(conversation.len() as u64, found.session.messages, "round {round}");
        let summaries = conversation.iter().filter(|stored| text(stored).starts_with("summary")).count();
        assert!(summaries <= 1, "round {round}");
        assert_eq!(
            found.messages.iter().any(|stored| stored.is_compacted),
            summaries == 1,
            "round {round}: put away and summed up together"
        );
        let calls: HashSet<_> = found.calls.iter().map(|call| call.id.clone()).collect();
        assert!(started.is_subset(&calls), "round {round}");
        for call in &found.calls {
            assert!(call.ended_at.is_some() || !ended.contains(&call.id), "round {round}: {call:?}");
            assert_eq!(call.ended_at.is_some(), call.message_id.is_some());
            assert!(call.message_id.as_ref().is_none_or(|message| there.contains(message)), "round {round}: {call:?}");
        }
        let told = found.messages.iter().filter(|stored| text(stored).starts_with("told")).count();
        let with_outcome = found.calls.iter().filter(|call| call.outcome.is_some()).count();
        assert_eq!(told, with_outcome, "round {round}");
        // One step may be done and not told
        let totals = store.totals(&session).await.unwrap();
        assert!(totals.session >= f64::from(spent), "round {round}");
        assert_eq!((totals.session, totals.usage.input_tokens as f64), (totals.day, totals.session), "round {round}");
        let open = store.cut_calls(&session).await.unwrap();
        assert!(open.len() <= 1, "round {round}: {open:?}");
        for call in open {
            let message = store.call_cut(&session, &call, user("outcome unknown")).await.unwrap();
            messages.extend(message.message.id);
            cut += 1;
        }
        store.shutdown().await;
    }
    assert_sound(&place.database()).await;
    eprintln!("{} messages, {} calls, {cut} of them cut", messages.len(), started.len());
    assert!(messages.len() > KILLS && started.len() > KILLS / 2, "something happened");
}
