//! An event's number, and what its handler said as JSON, or anything else for a throw.

use mimir_hooks::{PluginEvent, Reply, Verdict, judge};
use mimir_shared_config::{EventName, Risk};
use serde_json::Value;

use crate::samples::sample;

/// An answer is judged or refused, and what it changes is still an event.
pub(crate) fn check(data: &[u8]) {
    let Some((number, said)) = data.split_first() else { return };
    let Ok(said) = std::str::from_utf8(said) else { return };
    let event = EventName::ALL[usize::from(*number) % EventName::ALL.len()];
    let payload = sample(event);
    let reply = match serde_json::from_str::<Value>(said) {
        // Half of the answers come in place: what differs in the event itself
        Ok(Value::Object(changed)) if number & 0x80 != 0 => Reply::Returned { value: None, changed: Some(changed) },
        Ok(value) => Reply::Returned { value: Some(value), changed: None },
        Err(_) => Reply::Threw { message: said.to_owned(), stack: Some(said.to_owned()) },
    };
    let approve_up_to = Some(Risk::Low).filter(|_| number & 0x40 != 0);
    match judge(event, &payload, reply, approve_up_to) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(judgement) => match judgement.verdict {
            Verdict::Changed { payload: changed, .. } => {
                let read = PluginEvent::parse(event, &changed);
                assert!(read.is_ok(), "{event} became {changed}");
                let kept =
                    |text: &str| serde_json::from_str::<Value>(text).map(|value| value["sessionId"].clone()).ok();
                assert_eq!(kept(&changed), kept(&payload), "{event} changed its session");
            }
            // The request in the payload is of high risk
            Verdict::Approved { .. } => panic!("approved above {approve_up_to:?}"),
            Verdict::Blocked { reason } => assert!(!reason.is_empty() && reason.len() <= 4_200, "{}", reason.len()),
            Verdict::Denied { .. } | Verdict::Passed => {}
        },
    }
}
