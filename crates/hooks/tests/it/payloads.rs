use mimir_hooks::{PluginEvent, catalogue, handler_names, selects};
use mimir_shared_config::{EventName, EventSelector};
use serde_json::Value;

use crate::samples::sample;

#[test]
fn every_payload_is_read_and_written_without_loss() {
    for event in EventName::ALL {
        let text = sample(event);
        let parsed = PluginEvent::parse(event, &text).unwrap_or_else(|error| panic!("{event}: {error:?}"));
        assert_eq!(parsed.name(), event);
        assert_eq!((parsed.timestamp(), parsed.session_id()), (1_760_000_000_000, "s1"), "{event}");
        let written: Value = serde_json::from_str(&parsed.to_json().unwrap()).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(&text).unwrap(), "{event}");
    }
}

#[test]
fn every_payload_fits_its_schema_and_needs_its_required_fields() {
    for entry in catalogue() {
        let mut payload: Value = serde_json::from_str(&sample(entry.name)).unwrap();
        let schema = jsonschema::validator_for(&entry.payload_schema).unwrap();
        assert!(schema.is_valid(&payload), "{}", entry.name);
        for field in &entry.fields {
            // The samples have all fields but those that only plugins add.
            if entry.name == EventName::SessionCompacting && field.name == "context" {
                continue;
            }
            let removed = payload.as_object_mut().unwrap().shift_remove(&field.name).unwrap();
            assert_eq!(schema.is_valid(&payload), field.optional, "{} without {}", entry.name, field.name);
            let parsed = PluginEvent::parse(entry.name, &payload.to_string());
            assert_eq!(parsed.is_ok(), field.optional, "{} without {}", entry.name, field.name);
            payload.as_object_mut().unwrap().insert(field.name.clone(), removed);
        }
    }
}

#[test]
fn a_wrong_payload_names_its_event() {
    let error = PluginEvent::parse(EventName::FileModified, "{}").unwrap_err();
    assert_eq!(error.to_string(), "this is no payload of `file.modified`");
}

#[test]
fn session_completed_is_a_session_idle_whose_reason_says_so() {
    let idle = |reason: &str| format!(r#"{{"reason":"{reason}"}}"#);
    let both = ["session.idle", "session.completed"];
    for (event, payload, names) in [
        (EventName::SessionIdle, idle("completed"), &both[..]),
        (EventName::SessionIdle, idle("compl\\u0065ted"), &both[..]),
        (EventName::SessionIdle, idle("waiting"), &both[..1]),
        (EventName::SessionIdle, "broken".to_owned(), &both[..1]),
        (EventName::SessionCreated, idle("completed"), &["session.created"][..]),
    ] {
        assert_eq!(handler_names(event, &payload), names, "{payload}");
        let alias: EventSelector = "session.completed".parse().unwrap();
        assert_eq!(selects(alias, event, &payload), names.len() == 2, "{payload}");
        assert!(selects(event.into(), event, &payload));
    }
    for event in EventName::ALL {
        assert_eq!(handler_names(event, "{}"), [event.as_str()]);
    }
}
