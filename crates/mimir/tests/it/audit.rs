//! The audit log through the binary: what is on record, who finds a change, and what a kill leaves.

use std::fs;
use std::io::{BufRead, BufReader, Write};

use serde_json::{Value, json};

use crate::place::{Place, event, files_in};

/// Makes calls, some of them without the right to.
const PLUGIN: &str = "export default async (ctx) => ({ on: {
    'tool.execute.before': async (event) => {
        for (let i = 0; i < event.args.calls; i++) await ctx.fs.exists('src/a.ts');
        if (event.args.denied) await ctx.fs.writeFile('src/b.ts', 'x').catch(() => {});
        if (event.args.block) return { block: true, reason: 'not now' };
    },
} });";
const MANIFEST: &str = "capabilities: { filesystem: { read: true } }\nevents: [tool.execute.before]\n";

fn place() -> Place {
    let place = Place::new();
    place.write("project/src/a.ts", "a");
    place.plugin("plugins/caller", MANIFEST, PLUGIN);
    place
}

fn call(args: &Value) -> String {
    let payload = json!({"tool": "read", "args": args, "callId": "c", "source": "builtin"});
    event("tool.execute.before", &payload)
}

fn replay(place: &Place, lines: &str) {
    place.write("session.ndjson", lines);
    place.run("replay @/session.ndjson --live --yes --plugins @/plugins").done();
}

#[track_caller]
fn verify(place: &Place) -> Value {
    let ran = place.run("plugin audit --verify --json");
    let verdict = ran.json().remove(0);
    assert_eq!(ran.code == Some(0), verdict["intact"] == true, "{verdict} {}", ran.err);
    verdict
}

#[test]
fn what_plugins_did_is_shown_and_checked() {
    let place = place();
    assert_eq!(place.run("plugin audit").done().out, "nothing is on record\n");
    let lines = [json!({"calls": 3}), json!({"calls": 0, "denied": true}), json!({"calls": 0, "block": true})];
    replay(&place, &lines.iter().map(call).collect::<String>());
    place.run("plugin audit --verify").done();

    let shown = place.run("plugin audit").done().out;
    let count = |text: &str| shown.lines().filter(|line| line.contains(text)).count();
    assert_eq!(count("· fs.exists  read "), 3, "{shown}");
    assert_eq!((count("✗ fs.writeFile  write "), count("✗ tool.execute.before blocked: not now")), (1, 1), "{shown}");
    let refused = place.run("plugin audit --denied --since 1h --plugin caller").done().out;
    assert_eq!(refused.lines().count(), 3, "a day, a call and a block: {refused}");
    assert_eq!(place.run("plugin audit --plugin other").done().out, "nothing is on record\n");
    assert_eq!(place.run("plugin audit --since 2999-01-01").done().out, "nothing is on record\n");
    let wrong = place.run("plugin audit --since yesterday");
    assert!(wrong.code == Some(2) && wrong.err.contains("2026-11-01T09:30:00Z"), "{}", wrong.err);

    // The lines are those of the file
    let file = files_in(&place.home().join("audit"), ".ndjson").remove(0);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(place.run("plugin audit --json").done().out, text);

    // Somebody makes a denied call an allowed one
    let denied = text.lines().position(|line| line.contains("CAPABILITY_DENIED")).unwrap() + 1;
    fs::write(&file, text.replace("CAPABILITY_DENIED", "ok")).unwrap();
    let ran = place.run("plugin audit --verify");
    assert_eq!(ran.code, Some(1));
    let out = ran.out.replace("\n    ", " ");
    assert!(out.contains(&format!(".ndjson:{}", denied + 1)), "{out}");
    assert!(out.contains(&format!("does not follow line {denied}: one of the two was changed")), "{out}");
    fs::remove_file(&file).unwrap();
    assert!(place.run("plugin audit --verify").out.contains("is missing"));
    fs::write(&file, text).unwrap();
    place.run("plugin audit --verify").done();
}

#[test]
fn what_people_decide_is_on_record() {
    let place = Place::new();
    place.plugin("project/.mimir/plugins/own", MANIFEST, PLUGIN);
    for line in [
        "plugin trust --yes",
        "plugin grant own --yes",
        "plugin disable own",
        "plugin enable own",
        "plugin grant own --revoke",
    ] {
        place.run(line).done();
    }
    // It does not run now, and that is on record as well
    place.write("session.ndjson", call(&json!({"calls": 1})));
    place.run("replay @/session.ndjson --live").done();
    place.run("plugin trust --revoke").done();
    let lines = place.run("plugin audit --json").done().json();
    let kinds: Vec<_> =
        lines.iter().filter_map(|line| line["kind"].as_str()).filter(|kind| *kind != "segment").collect();
    assert_eq!(kinds, ["trust", "grant", "disable", "enable", "revoke", "refused", "untrust"]);
    let grant = lines.iter().find(|line| line["kind"] == "grant").unwrap();
    assert_eq!(
        (&grant["plugin"], &grant["detail"]["capabilities"]["filesystem"]["read"]),
        (&json!("own"), &json!(true))
    );
    assert_eq!(verify(&place)["gaps"], json!([]));
}

/// Kills at many moments: before anything is recorded, in the first calls, and after thousands. Whatever is on disk then is
/// intact once it is repaired, the gap is said, and everything that was on record before still is.
#[test]
fn a_kill_at_any_moment_leaves_a_log_that_is_intact() {
    let place = place();
    let (mut kills, mut kept) = (0, 0);
    for after in [0, 1, 1, 2, 3, 5, 8, 13, 21, 34] {
        let mut child = place.start("replay - --json --live --yes --plugins @/plugins");
        let mut stdin = child.stdin.take().unwrap();
        // A hundred calls an event
        let feeder =
            std::thread::spawn(move || while stdin.write_all(call(&json!({"calls": 100})).as_bytes()).is_ok() {});
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        for _ in 0..after {
            answers.next().unwrap().unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        feeder.join().unwrap();
        kills += usize::from(after > 0);

        let verdict = verify(&place);
        assert_eq!(verdict["intact"], true, "after {after}: {verdict:#}");
        assert_eq!(verdict["open"], 0, "{verdict:#}");
        let gaps = verdict["gaps"].as_array().unwrap().len();
        assert!(gaps >= kills, "{gaps} gaps after {kills} kills: {verdict:#}");
        let lines = verdict["lines"].as_u64().unwrap();
        // Of the events that were answered, at most the last moment is missing; and beyond a thousand calls in a minute
        // what is counted together and not written yet
        let least = kept + (100 * (after as u64).saturating_sub(1) / 2).min(900);
        assert!(lines >= least, "{lines} lines of at least {least} after {after} answers");
        kept = lines;
    }
    assert!(kept > 3_000, "{kept}");
    // What was repaired is as it is shown
    let gaps = place.run("plugin audit --json").done().json();
    assert!(gaps.iter().filter(|line| line["kind"] == "gap").count() >= kills);
}

#[test]
fn who_follows_sees_what_all_processes_record() {
    let place = place();
    replay(&place, &call(&json!({"calls": 1})));
    let mut follower = place.start("plugin audit --follow --json --plugin caller");
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["detail"]["op"], "fs.exists");
    for _ in 0..2 {
        replay(&place, &call(&json!({"calls": 0, "denied": true})));
        assert_eq!(next()["detail"]["outcome"], "CAPABILITY_DENIED");
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
}
