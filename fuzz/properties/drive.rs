//! A short run on stable of what `cargo fuzz` runs for as long as one likes: the corpus, and what becomes of its files by
//! small changes.

#![allow(clippy::disallowed_methods, reason = "a test reads its corpus")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;

/// Short pieces that mean something to one of the parsers.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b":",
    b": ",
    b"- ",
    b",",
    b"*",
    b"?",
    b"\\",
    b"'",
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b"..",
    b"../",
    b"/",
    b"~",
    b"@",
    b"#",
    b"%2e",
    b"&a",
    b"*a",
    b"<<",
    b"|",
    b"!",
    b"$",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"\x1b[",
    b".git",
    b".mimir",
    b"127.0.0.1",
    b"::1",
    b"localhost",
];

/// Checks every file of a target's corpus, then some changes of them.
pub(crate) fn drive(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    for bytes in &corpus {
        check(bytes);
    }
    let piece = prop_oneof![select(PIECES).prop_map(<[u8]>::to_vec), vec(any::<u8>(), 0..4)];
    let change = (any::<Index>(), 0_usize..8, piece);
    let other =
        prop_oneof![3 => Just(None), 1 => (select(corpus.clone()), any::<Index>(), any::<Index>()).prop_map(Some)];
    let inputs = (select(corpus), vec(change, 0..6), other).prop_map(|(mut bytes, changes, other)| {
        if let Some((other, from, to)) = other {
            // The beginning of one and the end of another
            bytes.truncate(from.index(bytes.len() + 1));
            bytes.extend_from_slice(&other[to.index(other.len() + 1)..]);
        }
        for (at, cut, piece) in changes {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..(at + cut).min(bytes.len()), piece);
        }
        bytes
    });
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) };
    let checked = TestRunner::new(config).run(&inputs, |bytes| {
        check(&bytes);
        Ok(())
    });
    if let Err(error) = checked {
        panic!("{target}: {error}");
    }
}
