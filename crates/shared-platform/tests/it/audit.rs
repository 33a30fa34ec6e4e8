//! The audit log: what is written, what of a change is found, and what a killed process leaves.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mimir_shared_platform::{
    AuditEntry, AuditFolder, AuditLine, AuditLog, AuditReader, AuditRecord, AuditVerdict, Clock, FileAuditLog,
    SystemClock, verify_audit, verify_segment,
};
use serde_json::json;

fn folder(temp: &Path) -> AuditFolder {
    AuditFolder::in_home(&temp.canonicalize().unwrap())
}

fn log(folder: &AuditFolder) -> FileAuditLog {
    FileAuditLog::new(folder.clone(), Arc::new(SystemClock))
}

fn record(log: &FileAuditLog, count: u32) {
    for n in 0..count {
        log.record(AuditRecord::new("p", "call", json!({"op": "fs.readFile", "n": n})));
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|it| it == "ndjson")).collect();
    files.sort();
    files
}

fn verify(folder: &AuditFolder) -> AuditVerdict {
    verify_audit(folder, &SystemClock).unwrap()
}

/// The problems, each as `line: what`, and that each names an existing or missing file of the log.
fn problems(folder: &AuditFolder) -> Vec<String> {
    let verdict = verify(folder);
    let said = |problem: &mimir_shared_platform::AuditProblem| {
        assert!(problem.file.starts_with(&folder.segments) || problem.file.starts_with(&folder.heads));
        match problem.line {
            Some(line) => format!("{line}: {}", problem.problem),
            None => problem.problem.clone(),
        }
    };
    verdict.problems.iter().map(said).collect()
}

fn read_all(folder: &AuditFolder, since: u64) -> Vec<AuditEntry> {
    let mut reader = AuditReader::new(folder, since);
    let mut all = reader.read(3).unwrap();
    while !reader.is_at_end() {
        all.extend(reader.read(3).unwrap());
    }
    all
}

/// A log as a killed process leaves it: nothing is ended, and nobody holds its lock.
fn abandoned(folder: &AuditFolder, count: u32) -> PathBuf {
    let mut own = folder.clone();
    own.segments = folder.segments.join("elsewhere");
    let log = log(&own);
    record(&log, count);
    log.flush().unwrap();
    let segment = log.segment().unwrap();
    let here = folder.segments.join(segment.file_name().unwrap());
    fs::copy(&segment, &here).unwrap();
    let heads = files(&folder.heads).pop().unwrap();
    let before = fs::read(&heads).unwrap();
    drop(log);
    fs::write(heads, before).unwrap();
    fs::remove_dir_all(own.segments).unwrap();
    here
}

#[test]
fn records_of_all_threads_form_one_chain() {
    let temp = tempfile::tempdir().unwrap();
    let folder = folder(temp.path());
    let log = log(&folder);
    log.flush().unwrap();
    assert!(!folder.segments.exists() && !folder.heads.exists(), "nothing recorded, nothing written");

    std::thread::scope(|scope| {
        for thread in 0..4 {
            let log = &log;
            scope.spawn(move || {
                for n in 0..2_000 {
                    log.record(AuditRecord::new("p", "call", json!({"thread": thread, "n": n, "text": "ü\n🎉"})));
                }
            });
        }
    });
    log.flush().unwrap();
    let segment = log.segment().unwrap();
    let text = fs::read_to_string(&segment).unwrap();
    let head = verify_segment(text.as_bytes()).unwrap();
    assert_eq!(head.lines, 8_001, "one that begins the segment beside them");
    let first: AuditLine = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((first.seq, first.kind.as_str(), first.prev.as_str()), (1, "segment", "0".repeat(64).as_str()));
    assert!(first.time > 1_600_000_000_000);
    for (path, mode) in [(&segment, 0o600), (&folder.segments, 0o700), (&folder.heads, 0o700)] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
    }
    let verdict = verify(&folder);
    assert_eq!((verdict.segments, verdict.open, verdict.lines), (1, 1, 8_001));
    assert!(verdict.is_intact() && verdict.gaps.is_empty() && verdict.anchors >= 2, "{verdict:?}");

    // What is recorded last is written when the log goes
    log.record(AuditRecord::of_mimir("end", json!(null)));
    drop(log);
    assert_eq!(verify_segment(BufReader::new(File::open(segment).unwrap())).unwrap().lines, 8_002);
    let verdict = verify(&folder);
    assert!(verdict.is_intact() && verdict.open == 0 && verdict.gaps.is_empty(), "{verdict:?}");
}

#[test]
fn a_log_that_cannot_be_written_says_so() {
    for (in_the_way, makes_segments) in [("audit", false), ("audit-heads", true)] {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join(in_the_way), "a file in the way").unwrap();
        let folder = folder(temp.path());
        let log = log(&folder);
        record(&log, 3);
        let error = log.flush().unwrap_err().to_string();
        assert!(error.starts_with("the audit log "), "{error}");
        assert_eq!(folder.segments.is_dir(), makes_segments, "lines without anchors are better than none");
    }
}

#[test]
fn what_was_lost_is_said_once_there_is_room_again() {
    let temp = tempfile::tempdir().unwrap();
    let folder = folder(temp.path());
    fs::write(&folder.segments, "a file in the way").unwrap();
    let log = log(&folder);
    record(&log, 3);
    assert!(log.flush().is_err());
    fs::remove_file(&folder.segments).unwrap();
    record(&log, 2);
    let _ = log.close();
    let entries = read_all(&folder, 0);
    let kinds: Vec<_> = entries.iter().map(|entry| entry.kind.as_deref().unwrap()).collect();
    assert_eq!(kinds, ["segment", "gap", "call", "call"]);
    assert!(entries[1].detail.contains("\"lost\":3"), "{}", entries[1].detail);
    let verdict = verify(&folder);
    assert!(verdict.is_intact() && verdict.gaps.len() == 1, "{verdict:?}");
}

#[test]
fn a_record_that_cannot_be_put_together_is_a_gap() {
    let temp = tempfile::tempdir().unwrap();
    let folder = folder(temp.path());
    let log = log(&folder);
    log.record_later(Box::new(|| AuditRecord::new("p", "call", json!({}))));
    log.record_later(Box::new(|| panic!("on purpose")));
    record(&log, 1);
    log.close().unwrap();
    let kinds: Vec<_> = read_all(&folder, 0).into_iter().map(|entry| entry.kind.unwrap()).collect();
    assert_eq!(kinds, ["segment", "call", "gap", "call"]);
}

#[test]
fn segments_are_ended_by_their_size_and_linked() {
    let temp = tempfile::tempdir().unwrap();
    let mut folder = folder(temp.path());
    (folder.segment_bytes, folder.heads_bytes) = (4_000, 2_000);
    let log = log(&folder);
    for _ in 0..40 {
        record(&log, 5);
        log.flush().unwrap();
    }
    drop(log);
    let segments = files(&folder.segments);
    assert!(segments.len() > 5, "{segments:?}");
    assert!(files(&folder.heads).len() > 3);
    let verdict = verify(&folder);
    assert!(verdict.is_intact(), "{verdict:?}");
    assert_eq!(verdict.lines, 200 + segments.len() as u64);
    let entries = read_all(&folder, 0);
    let numbers = entries.iter().filter(|entry| entry.kind.as_deref() == Some("call"));
    assert_eq!(numbers.count(), 200);
    // Whoever says that it goes on from another end is found
    let header = entries.iter().filter(|entry| entry.kind.as_deref() == Some("segment")).nth(1).unwrap();
    assert!(header.detail.contains("\"follows\":{\"file\":"), "{}", header.detail);
}

#[test]
fn old_segments_are_removed_and_that_is_on_record() {
    let temp = tempfile::tempdir().unwrap();
    let mut folder = folder(temp.path());
    (folder.segment_bytes, folder.heads_bytes, folder.keep_bytes) = (2_000, 1_000, 8_000);
    let log = log(&folder);
    for _ in 0..60 {
        record(&log, 5);
        log.flush().unwrap();
    }
    let verdict = verify(&folder);
    assert!(verdict.is_intact(), "{verdict:?}");
    assert!(verdict.removed > 2 && verdict.segments < 8, "{verdict:?}");
    assert!(files(&folder.heads).len() < 40, "the anchors of what is gone go as well");
    drop(log);
    // One that is old goes at the next start
    folder.keep_ms = 0;
    struct Later;
    impl Clock for Later {
        fn now_ms(&self) -> u64 {
            SystemClock.now_ms() + 10_000
        }
        fn monotonic(&self) -> std::time::Duration {
            SystemClock.monotonic()
        }
    }
    let late = FileAuditLog::new(folder.clone(), Arc::new(Later));
    record(&late, 1);
    late.flush().unwrap();
    assert_eq!(files(&folder.segments).len(), 1);
    assert!(verify(&folder).is_intact());
}

#[test]
fn every_change_is_found() {
    type Change = fn(&AuditFolder, &Path);
    fn lines(path: &Path, change: impl FnOnce(&mut Vec<String>)) {
        let mut lines: Vec<_> = fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect();
        change(&mut lines);
        fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }
    let heads: fn(&AuditFolder) -> PathBuf = |folder| files(&folder.heads).pop().unwrap();
    let _ = heads;
    let cases: &[(&str, Change, &[&str])] = &[
        ("nothing", |_, _| {}, &[]),
        (
            "a line changed",
            |_, segment| lines(segment, |lines| lines[3] = lines[3].replace("readFile", "writeFile")),
            &["5: does not follow line 4: one of the two was changed"],
        ),
        (
            "the last line changed",
            |_, segment| lines(segment, |lines| lines[10] = lines[10].replace("readFile", "writeFile")),
            &["11: is not the one that was anchored"],
        ),
        (
            "a line taken out",
            |_, segment| lines(segment, |lines| drop(lines.remove(3))),
            &["4: is not the one after line 3"],
        ),
        ("lines swapped", |_, segment| lines(segment, |lines| lines.swap(3, 4)), &["4: is not the one after line 3"]),
        (
            "lines cut off",
            |_, segment| lines(segment, |lines| lines.truncate(4)),
            &["5: is missing, and 6 after it: 11 were anchored"],
        ),
        (
            "emptied",
            |_, segment| fs::write(segment, "").unwrap(),
            &["1: is missing, and 10 after it: 11 were anchored"],
        ),
        (
            "half a line cut off",
            |_, segment| {
                let length = fs::metadata(segment).unwrap().len();
                OpenOptions::new().write(true).open(segment).unwrap().set_len(length - 20).unwrap();
            },
            &["11: is missing, and 0 after it: 11 were anchored"],
        ),
        (
            "garbage behind the end",
            |_, segment| OpenOptions::new().append(true).open(segment).unwrap().write_all(b"half").unwrap(),
            &["12: is cut off, or was added after the end"],
        ),
        (
            "a line behind the end",
            |_, segment| {
                lines(segment, |lines| {
                    let other = lines[10].replace("\"seq\":11", "\"seq\":12");
                    lines.push(other);
                });
            },
            &["12: does not follow line 11: one of the two was changed"],
        ),
        ("a segment gone", |_, segment| fs::remove_file(segment).unwrap(), &["is missing: it had 11 lines"]),
        (
            "a segment under another name",
            |folder, segment| fs::rename(segment, folder.segments.join("0.ndjson")).unwrap(),
            &["was never anchored: it is not from Mimir, or the anchors were cut off", "is missing: it had 11 lines"],
        ),
        (
            "a segment in the place of another",
            |folder, segment| {
                let other = files(&folder.segments).into_iter().find(|file| file != segment).unwrap();
                fs::copy(other, segment).unwrap();
            },
            &["1: says that it is of "],
        ),
        (
            "a segment that nobody wrote",
            |folder, _| fs::write(folder.segments.join("x.ndjson"), "{}\n").unwrap(),
            &["was never anchored: it is not from Mimir, or the anchors were cut off"],
        ),
        (
            "an anchor changed",
            |folder, _| {
                lines(&files(&folder.heads)[0], |lines| lines[2] = lines[2].replace("\"lines\":11", "\"lines\":9"));
            },
            &["4: does not follow the line before it", ""],
        ),
        (
            "an anchor taken out",
            |folder, _| lines(&files(&folder.heads)[0], |lines| drop(lines.remove(0))),
            &["1: goes on from lines that are missing", "1: names another place of the anchors"],
        ),
        (
            "anchors cut off",
            |folder, _| lines(&files(&folder.heads)[0], |lines| lines.truncate(1)),
            &["was never anchored: it is not from Mimir, or the anchors were cut off"],
        ),
        (
            "anchors that are none",
            |folder, _| lines(&files(&folder.heads)[0], |lines| lines.insert(1, "{}".to_owned())),
            &["2: is no anchor"],
        ),
        (
            "no anchors at all",
            |folder, _| fs::remove_dir_all(&folder.heads).unwrap(),
            &["was never anchored: the folder of the anchors is gone", "was never anchored: the folder of"],
        ),
    ];
    for (name, change, expected) in cases {
        let temp = tempfile::tempdir().unwrap();
        let folder = folder(temp.path());
        let logs = [log(&folder), log(&folder)];
        let mut segments = Vec::new();
        for log in logs {
            record(&log, 10);
            log.flush().unwrap();
            segments.push(log.segment().unwrap());
        }
        change(&folder, &segments[0]);
        let found = problems(&folder);
        assert_eq!(found.len(), expected.len(), "{name}: {found:?}");
        for (found, expected) in found.iter().zip(*expected) {
            assert!(found.starts_with(expected), "{name}: {found}");
        }
        assert_eq!(problems(&folder), found, "{name}: a second look sees the same");
    }
}

#[test]
fn what_a_killed_process_left_is_ended_and_said() {
    let temp = tempfile::tempdir().unwrap();
    for (torn, what) in [(&b""[..], "\"torn\":null"), (b"{\"seq\":12,\"ti", "\"torn\":{\"bytes\":13,\"sha256\":\"")] {
        let folder = folder(&temp.path().canonicalize().unwrap());
        let _ = fs::remove_dir_all(&folder.segments);
        let _ = fs::remove_dir_all(&folder.heads);
        let segment = abandoned(&folder, 10);
        OpenOptions::new().append(true).open(&segment).unwrap().write_all(torn).unwrap();
        // By the next start, or by a check
        if torn.is_empty() {
            record(&log(&folder), 1);
        }
        let verdict = verify(&folder);
        assert!(verdict.is_intact(), "{verdict:?}");
        assert_eq!((verdict.gaps.len(), verdict.open), (1, 0), "{verdict:?}");
        assert!(verdict.gaps[0].detail.contains(what) && verdict.gaps[0].line == 12, "{verdict:?}");
        assert!(verdict.gaps[0].detail.contains("the process ended without closing its log"));
        let after = fs::read(&segment).unwrap();
        assert_eq!(verify(&folder), verdict, "once is enough");
        assert_eq!(fs::read(&segment).unwrap(), after);
    }
}

#[test]
fn who_lives_is_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let folder = folder(temp.path());
    let first = log(&folder);
    record(&first, 3);
    first.flush().unwrap();
    let second = log(&folder);
    record(&second, 3);
    second.flush().unwrap();
    record(&first, 3);
    first.flush().unwrap();
    let verdict = verify(&folder);
    assert!(verdict.is_intact() && verdict.open == 2 && verdict.gaps.is_empty(), "{verdict:?}");
}

#[test]
fn a_killed_process_does_not_hide_a_change() {
    let temp = tempfile::tempdir().unwrap();
    let folder = folder(temp.path());
    let segment = abandoned(&folder, 10);
    let text = fs::read_to_string(&segment).unwrap();
    let short: String = text.lines().take(5).map(|line| format!("{line}\n")).collect();
    fs::write(&segment, short).unwrap();
    record(&log(&folder), 1);
    assert_eq!(problems(&folder), ["6: is missing, and 5 after it: 11 were anchored"]);
    fs::write(&segment, &text).unwrap();
    assert_eq!(problems(&folder), ["was found broken when its owner was gone, and is different now"]);
}

#[test]
fn torn_anchors_are_mended() {
    let temp = tempfile::tempdir().unwrap();
    let folder = folder(temp.path());
    record(&log(&folder), 1);
    let heads = files(&folder.heads).pop().unwrap();
    OpenOptions::new().append(true).open(&heads).unwrap().write_all(b"{\"seq\":9").unwrap();
    record(&log(&folder), 1);
    let verdict = verify(&folder);
    assert!(verdict.is_intact() && verdict.lines == 4, "{verdict:?}");
    assert!(fs::read_to_string(heads).unwrap().contains("\"torn\":{\"bytes\":8,"));
}

#[test]
fn lines_are_read_in_the_order_of_time_and_read_on() {
    let temp = tempfile::tempdir().unwrap();
    let folder = folder(temp.path());
    let (one, two) = (log(&folder), log(&folder));
    let mut expected = Vec::new();
    let mut last = 0;
    for n in 0..20 {
        // Each at a time of its own
        while SystemClock.now_ms() == last {
            std::hint::spin_loop();
        }
        last = SystemClock.now_ms();
        let log = if n % 3 == 0 { &one } else { &two };
        log.record(AuditRecord::new("p", "call", json!(n)));
        expected.push(n.to_string());
    }
    one.flush().unwrap();
    two.flush().unwrap();
    let mut reader = AuditReader::new(&folder, 0);
    let mut found = Vec::new();
    while found.is_empty() || !reader.is_at_end() {
        found.extend(reader.read(4).unwrap());
    }
    let calls = found.iter().filter(|entry| entry.kind.as_deref() == Some("call"));
    assert_eq!(calls.map(|entry| entry.detail.clone()).collect::<Vec<_>>(), expected);
    assert!(reader.read(4).unwrap().is_empty());
    record(&one, 1);
    one.flush().unwrap();
    let three = log(&folder);
    record(&three, 1);
    three.flush().unwrap();
    let more = reader.read(10).unwrap();
    assert_eq!(more.len(), 3, "a line, and a segment that begins with one: {more:?}");
    // From the middle on
    let since = found[10].time;
    let expected = found.iter().chain(&more).filter(|entry| entry.time >= since).count();
    assert_eq!(read_all(&folder, since).len(), expected);
}

#[test]
fn whatever_stands_there_is_read() {
    let temp = tempfile::tempdir().unwrap();
    let folder = folder(temp.path());
    fs::create_dir_all(&folder.segments).unwrap();
    let long = "x".repeat(3 << 20);
    let good = r#"{"seq":9,"time":5,"kind":"call","detail":{},"prev":""}"#;
    let bytes = [b"\xff\xfe\n", long.as_bytes(), b"\n", b"{}\n\n", good.as_bytes(), b"\nhalf"].concat();
    fs::write(folder.segments.join("a-b.ndjson"), bytes).unwrap();
    let entries = read_all(&folder, 0);
    let shown: Vec<_> = entries.iter().map(|entry| (entry.line, entry.kind.as_deref())).collect();
    assert_eq!(shown, [(1, None), (2, None), (3, None), (4, None), (9, Some("call"))]);
}
