//! A segment of the audit log as somebody may have left it.

use mimir_shared_platform::verify_segment;

/// A segment is verified or said to be broken at a line that it has.
pub(crate) fn check(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n').count() as u64;
    match verify_segment(data) {
        Ok(head) => assert_eq!(head.lines, data.iter().filter(|byte| **byte == b'\n').count() as u64),
        Err(broken) => assert!(broken.line >= 1 && broken.line <= lines, "{broken} of {lines}"),
    }
    // What was verified is not the same any more with a byte changed
    if let Ok(head) = verify_segment(data)
        && head.lines > 0
    {
        let mut changed = data.to_vec();
        let at = changed.len() / 2;
        changed[at] ^= 1;
        assert_ne!(verify_segment(changed.as_slice()).ok(), Some(head));
    }
}
