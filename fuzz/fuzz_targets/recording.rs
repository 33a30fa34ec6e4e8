//! The reader is a part of the program, which is no library: it is taken in as it is.

#![no_main]

#[path = "../../crates/mimir/src/replay/read.rs"]
#[allow(dead_code, reason = "the program uses the rest")]
mod read;
#[path = "../properties/recording.rs"]
mod recording;

use read::{Found, ReadError, Reader};

libfuzzer_sys::fuzz_target!(|data: &[u8]| recording::check(data));
