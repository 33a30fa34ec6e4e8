use mimir_shared_config::{EventName, EventSelector};
use serde::Deserialize;

/// All names, for slices of one.
static NAMES: [&str; EventName::ALL.len()] = {
    let mut names = [""; EventName::ALL.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = EventName::ALL[i].as_str();
        i += 1;
    }
    names
};

/// The names under which a plugin may handle this very event: its own, and `session.completed` for a `session.idle`
/// whose reason says so.
pub fn handler_names(event: EventName, payload: &str) -> &'static [&'static str] {
    const IDLE: &[&str] = &[EventName::SessionIdle.as_str(), EventName::SESSION_COMPLETED_ALIAS];
    if event == EventName::SessionIdle {
        return if is_completed(payload) { IDLE } else { &IDLE[..1] };
    }
    std::slice::from_ref(&NAMES[event as usize])
}

/// Whether a plugin that listens to `selector` wants this very event.
pub fn selects(selector: EventSelector, event: EventName, payload: &str) -> bool {
    selector.name == event && (!selector.only_completed || is_completed(payload))
}

fn is_completed(payload: &str) -> bool {
    #[derive(Deserialize)]
    struct Idle<'a> {
        #[serde(borrow)]
        reason: std::borrow::Cow<'a, str>,
    }
    serde_json::from_str::<Idle<'_>>(payload).is_ok_and(|idle| idle.reason == "completed")
}
