//! Plugins that do not end by themselves, through the whole program: who is named, which limit, and what comes of it.

use serde_json::{Value, json};

use crate::place::{Place, event};

fn idle() -> String {
    event("session.idle", &json!({"reason": "waiting", "session": {"id": "ses_1"}}))
}

#[test]
fn failures_outside_of_events_quarantine_too() {
    let place = Place::new();
    // Every event is answered; what fails is what it leaves behind
    let module = "\
export default async () => ({
  on: { 'session.idle': () => { setTimeout(() => { for (;;) {} }, 0); } },
});
";
    place.plugin("home/plugins/restless", "events: [session.idle]\n", module);
    place.write("x.ndjson", idle().repeat(3_000));
    let ran = place.run("replay @/x.ndjson --json --live").done();
    let failed = "restless: plugin `restless` failed outside of any event: it took more than 100 ms of CPU time";
    let err = ran.err.replace("\n  ", " ");
    // The event that came in the middle of the third one was answered by a fourth isolate
    assert!((3..=4).contains(&err.matches(failed).count()), "{}", ran.err);
    assert!(err.contains("is in quarantine (3 failures outside of any event, the last: it took more than"), "{err}");
    let lines = ran.json();
    assert_eq!(lines[0]["answers"][0]["outcome"], "passed");
    assert_eq!(lines[2_999]["answers"], json!([]), "not asked any more");

    let state = || place.run("plugin list --json").done().json()[0][0]["state"].clone();
    assert_eq!(state(), "quarantined");
    place.run("plugin enable restless").done();
    assert_eq!(state(), "ready");
}

#[test]
fn a_start_that_fails_is_one_failure() {
    let place = Place::new();
    let module = "for (;;) {}\nexport default async () => ({ on: { 'session.idle': () => {} } });\n";
    place.plugin("plugins/stuck", "events: [session.idle]\nlimits: { init: 100ms }\n", module);
    place.write("x.ndjson", idle().repeat(5));
    let ran = place.run("replay @/x.ndjson --json --plugins @/plugins").done();
    let lines = ran.json();
    let asked = |line: &&Value| line["answers"] != json!([]);
    assert_eq!(lines[..5].iter().filter(asked).count(), 3, "{}", ran.err);
    assert_eq!(lines[0]["reason"], "it did not start within 100 ms");
    assert!(!ran.err.contains("outside of any event"), "{}", ran.err);
}
