#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mimir_sandbox::check_frames(data));
