#![no_main]

#[path = "../properties/manifest.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
