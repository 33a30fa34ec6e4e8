use std::fs::{self, File};
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use mimir_shared_platform::{AuditLine, AuditLog, AuditRecord, FileAuditLog, SystemClock, verify_segment};
use serde_json::json;

#[test]
fn records_of_all_threads_form_one_chain() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("audit");
    let log = FileAuditLog::new(&folder, Arc::new(SystemClock));
    log.flush().unwrap();
    assert!(!folder.exists(), "nothing recorded, nothing written");

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
    let text = fs::read_to_string(log.segment()).unwrap();
    let head = verify_segment(text.as_bytes()).unwrap();
    assert_eq!(head.lines, 8_000);
    let first: AuditLine = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((first.seq, first.prev.as_str()), (1, "0".repeat(64).as_str()));
    assert!(first.time > 1_600_000_000_000);
    assert_eq!(fs::metadata(log.segment()).unwrap().permissions().mode() & 0o777, 0o600);

    let changed = text.replacen("\"n\":1000", "\"n\":1001", 1);
    assert!(verify_segment(changed.as_bytes()).is_err());

    // What is recorded last is written when the log goes
    log.record(AuditRecord { plugin: None, kind: "end".to_owned(), detail: json!(null) });
    let segment = log.segment().to_owned();
    drop(log);
    assert_eq!(verify_segment(BufReader::new(File::open(segment).unwrap())).unwrap().lines, 8_001);
}

#[test]
fn two_logs_write_two_segments() {
    let temp = tempfile::tempdir().unwrap();
    let logs: Vec<_> = (0..2).map(|_| FileAuditLog::new(temp.path(), Arc::new(SystemClock))).collect();
    for log in &logs {
        log.record(AuditRecord::new("p", "call", json!({})));
        log.flush().unwrap();
    }
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 2);
}

#[test]
fn a_log_that_cannot_be_written_says_so() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("audit"), "a file in the way").unwrap();
    let log = FileAuditLog::new(&temp.path().join("audit"), Arc::new(SystemClock));
    log.record(AuditRecord::new("p", "call", json!({})));
    let error = log.flush().unwrap_err().to_string();
    assert!(error.starts_with("the audit log "), "{error}");
}
