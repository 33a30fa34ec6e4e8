use crate::place::Place;

#[test]
fn the_events_are_listed() {
    let place = Place::new();
    insta::assert_snapshot!("events", place.run("events").done().out);
}

#[test]
fn one_event_is_told_in_full() {
    let place = Place::new();
    insta::assert_snapshot!("events_one", place.run("events tool.execute.before").done().out);
    let json = place.run("events session.completed --json").done().json();
    assert_eq!(json[0]["name"], "session.idle");
    assert!(json[0]["payloadSchema"]["properties"]["reason"].is_object());
}

#[test]
fn an_unknown_event_suggests_the_nearest() {
    let ran = Place::new().run("events tool.execute.befor");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("there is no event `tool.execute.befor`"), "{}", ran.err);
    assert!(ran.err.contains("did you mean `tool.execute.before`?"), "{}", ran.err);
}

#[test]
fn schemas_are_printed() {
    let place = Place::new();
    for which in ["manifest", "config"] {
        let schema: serde_json::Value =
            serde_json::from_str(&place.run(&format!("schema {which}")).done().out).unwrap();
        assert!(schema["properties"].is_object(), "{which}");
    }
    assert!(place.run("schema events").done().out.contains("## `tool.execute.before`"));
    assert!(place.run("schema events-ts").done().out.contains("interface"));
    assert!(!place.run("--help").done().out.contains("schema"));
}
