#![no_main]

#[path = "../properties/answer.rs"]
mod property;
#[path = "../../crates/hooks/tests/it/samples.rs"]
mod samples;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
