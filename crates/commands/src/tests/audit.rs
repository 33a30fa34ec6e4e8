use std::collections::VecDeque;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{check, nobody};
use crate::ports::MockPluginStore;
use crate::{AuditEntry, AuditPlace, AuditQuery, AuditTrail, AuditVerdict, Exit, Since, StoreError, display_width};

/// 2026-11-01T09:30:00Z
const TIME: u64 = 1_793_525_400_000;

struct Entries(VecDeque<Vec<AuditEntry>>);

#[async_trait]
impl AuditTrail for Entries {
    async fn next(&mut self) -> Result<Option<Vec<AuditEntry>>, StoreError> {
        Ok(self.0.pop_front())
    }
}

fn entry(seconds: u64, plugin: Option<&str>, kind: &str, detail: Value) -> AuditEntry {
    let (time, plugin) = (TIME + seconds * 1_000, plugin.map(str::to_owned));
    let text =
        json!({"seq": 7, "time": time, "plugin": plugin, "kind": kind, "detail": detail, "prev": "0"}).to_string();
    AuditEntry { file: "a.ndjson".into(), line: 7, time, plugin, kind: Some(kind.to_owned()), detail, text }
}

/// One of each kind, some of them written by somebody who wants the terminal.
fn everything() -> Vec<AuditEntry> {
    let p = Some("formatter");
    let call = |op: &str, what: &str, outcome: &str, reason: Option<&str>| json!({"op": op, "what": [what], "allowed": outcome != "CAPABILITY_DENIED", "outcome": outcome, "reason": reason, "us": 12});
    let evil = "\u{1b}]0;title\u{7}\u{202e}\r\nfake line";
    let unreadable = AuditEntry { kind: None, text: String::new(), ..entry(90_000, None, "", Value::Null) };
    vec![
        entry(0, None, "segment", json!({"file": "a.ndjson"})),
        entry(0, p, "grant", json!({"capabilities": {"filesystem": {"read": true}}})),
        entry(1, None, "trust", json!({"project": "/home/ada/project"})),
        entry(2, p, "call", call("fs.readFile", "read /home/ada/project/src/main.rs", "ok", None)),
        entry(2, p, "call", call("fs.readFile", "read /x", "NOT_FOUND", Some("there is no /x"))),
        entry(
            3,
            Some("@acme/mimir-a-plugin-with-a-long-name"),
            "call",
            call("exec", "run git push", "CAPABILITY_DENIED", Some("exec is denied: no entry matches `git push`")),
        ),
        entry(3, p, "calls", json!({"op": "fs.readFile", "outcome": "CAPABILITY_DENIED", "count": 1_000})),
        entry(3, p, "tool", json!({"name": "open_issues", "ok": true, "outcome": "ok", "ms": 3})),
        entry(3, p, "command", json!({"name": "standup", "ok": false, "outcome": "threw", "reason": "no network"})),
        entry(3, None, "tool", json!({"name": "word_count", "ok": true, "outcome": "ok", "ms": 3})),
        entry(
            3,
            p,
            "hook",
            json!({"hook": "PreCompact", "outcome": "cancelled", "command": "./cleanup.sh", "exitCode": 2}),
        ),
        entry(3, Some(evil), "call", call(evil, evil, "CAPABILITY_DENIED", Some(evil))),
        entry(
            4,
            p,
            "decision",
            json!({"event": "tool.execute.before", "outcome": "blocked", "reason": "no force pushes"}),
        ),
        entry(4, p, "decision", json!({"event": "tool.execute.after", "outcome": "changed", "reason": null})),
        entry(4, p, "observed", json!({"event": "permission.ask", "would": "denied", "reason": "not this one"})),
        entry(
            5,
            p,
            "failure",
            json!({"event": "file.modified", "failure": {"kind": "timeout", "message": "took too long"}}),
        ),
        entry(5, p, "failure", json!({"failure": "threw"})),
        entry(6, p, "quarantine", json!({"reason": "3 failures in a row"})),
        entry(7, p, "release", json!({})),
        entry(7, p, "enable", json!({"where": ".mimir/config.yml"})),
        entry(7, p, "disable", json!({"where": ".mimir/config.yml"})),
        entry(8, p, "refused", json!({"reason": "does not run, since it asks for more than was granted"})),
        entry(8, None, "process-ended", json!({"plugins": ["a", "b"], "reason": "it sent a frame for another plugin"})),
        entry(8, None, "unsealed", json!({"landlock": "this kernel does not know it"})),
        entry(90_000, p, "revoke", json!({})),
        entry(90_000, None, "untrust", json!({"project": "/home/ada/project"})),
        entry(
            90_000,
            None,
            "gap",
            json!({"reason": "the process ended without closing its log", "torn": {"bytes": 12}}),
        ),
        entry(
            90_000,
            None,
            "gap",
            json!({"reason": "these records could not be written", "lost": 3, "error": "disk full"}),
        ),
        entry(90_000, p, "something-new", json!({"x": 1})),
        unreadable,
    ]
}

fn store(query: AuditQuery, entries: &[AuditEntry]) -> MockPluginStore {
    let mut store = MockPluginStore::new();
    let batches = entries.chunks(4).map(<[_]>::to_vec).collect();
    store.expect_audit().withf(move |asked| *asked == query).return_once(move |_| Ok(Box::new(Entries(batches))));
    store
}

#[tokio::test]
async fn every_entry_is_one_line_that_fits() {
    for width in [60, 120] {
        let (out, exit) = check("audit", width, store(AuditQuery::default(), &everything()), nobody()).await;
        assert_eq!(exit.unwrap(), Exit::Done);
        for line in out.lines() {
            assert!(display_width(line) <= width, "{line}");
        }
        assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{out:?}");
        // One line each but for what is there for the log alone, and one for each of the two days
        assert_eq!(out.lines().count(), everything().len() + 1, "{out}");
        insta::assert_snapshot!(format!("audit_{width}"), out);
    }
}

#[tokio::test]
async fn what_was_refused_alone() {
    let (out, _) = check("audit --denied", 120, store(AuditQuery::default(), &everything()), nobody()).await;
    insta::assert_snapshot!(out);
    let (out, _) = check("audit --denied", 80, store(AuditQuery::default(), &[]), nobody()).await;
    assert_eq!(out, "nothing was refused\n");
    let (out, _) = check("audit", 80, store(AuditQuery::default(), &[]), nobody()).await;
    assert_eq!(out, "nothing is on record\n");
}

#[tokio::test]
async fn json_is_the_lines_themselves() {
    let (out, _) = check("audit --json", 60, store(AuditQuery::default(), &everything()), nobody()).await;
    assert!(out.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')), "{out:?}");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected: Vec<_> = everything();
    assert_eq!(lines.len(), expected.len());
    for (line, entry) in lines.iter().zip(&expected) {
        match serde_json::from_str::<Value>(&entry.text) {
            Ok(text) => assert_eq!(*line, text),
            Err(_) => assert_eq!(*line, json!({"unreadable": {"file": "a.ndjson", "line": 7}})),
        }
    }
}

#[tokio::test]
async fn what_is_wanted_reaches_the_store() {
    let cases = [
        ("audit --plugin p", AuditQuery { plugin: Some("p".into()), ..AuditQuery::default() }),
        ("audit --since 2h", AuditQuery { since: Some(Since::Ago(7_200_000)), ..AuditQuery::default() }),
        (
            "audit -f --since 2026-11-01T09:30:00Z",
            AuditQuery { since: Some(Since::At(TIME)), follow: true, ..AuditQuery::default() },
        ),
    ];
    for (line, query) in cases {
        assert_eq!(check(line, 80, store(query, &everything()), nobody()).await.1.unwrap(), Exit::Done, "{line}");
    }
}

fn verifying(verdict: AuditVerdict) -> MockPluginStore {
    let mut store = MockPluginStore::new();
    store.expect_verify_audit().return_once(move || Ok(verdict));
    store
}

fn intact() -> AuditVerdict {
    AuditVerdict {
        intact: true,
        segments: 3,
        lines: 4_021,
        anchors: 17,
        open: 1,
        removed: 2,
        ..AuditVerdict::default()
    }
}

fn broken() -> AuditVerdict {
    let folder = std::path::Path::new("/home/ada/.mimir/audit");
    let problem = |file: &str, line, message: &str| AuditPlace {
        file: folder.join(file),
        line,
        time: None,
        message: message.to_owned(),
    };
    AuditVerdict {
        intact: false,
        problems: vec![
            problem("a.ndjson", Some(5), "line 5 does not follow line 4: one of the two was changed"),
            problem("b\u{1b}[2J.ndjson", None, "it is missing: it had 120 lines"),
        ],
        gaps: vec![AuditPlace {
            time: Some(TIME),
            ..problem("c.ndjson", Some(12), r#"{"reason":"the process ended without closing its log","torn":null}"#)
        }],
        ..intact()
    }
}

#[tokio::test]
async fn a_check_says_where() {
    let (out, exit) = check("audit --verify", 80, verifying(intact()), nobody()).await;
    assert_eq!(exit.unwrap(), Exit::Done);
    insta::assert_snapshot!("audit_intact", out);
    let (out, exit) = check("audit --verify", 80, verifying(broken()), nobody()).await;
    assert_eq!(exit.unwrap(), Exit::Failed);
    assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{out:?}");
    insta::assert_snapshot!("audit_broken", out);
    let (out, exit) = check("audit --verify --json", 80, verifying(broken()), nobody()).await;
    assert_eq!(exit.unwrap(), Exit::Failed);
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&out["intact"], &out["problems"][0]["line"]), (&json!(false), &json!(5)));
}
