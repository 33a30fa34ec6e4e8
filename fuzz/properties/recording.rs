//! A recording as somebody may hand it in for a replay.

use super::{Found, ReadError, Reader};

/// Reading ends, line by line, and what it gives is what an event needs.
pub(crate) fn check(data: &[u8]) {
    let (mut line, mut offset, mut is_over) = (0, 0, false);
    for found in Reader::new(data) {
        assert!(!is_over, "something follows the end");
        match found {
            Ok(Found::Step(step)) => {
                assert!(step.line > line && step.offset > offset && step.offset <= data.len() as u64);
                assert!(step.payload.get().starts_with('{'));
                (line, offset) = (step.line, step.offset);
            }
            Ok(Found::Torn { line: torn }) => {
                assert!(torn > line);
                is_over = true;
            }
            Err(error) => {
                let (ReadError::NotJson { line: wrong, why } | ReadError::NotAStep { line: wrong, why }) = error else {
                    panic!("bytes in memory can be read: {error}")
                };
                assert!(wrong > line && !why.is_empty());
                is_over = true;
            }
        }
    }
}
