//! V8 without anything around it: what an isolate, a call and its memory cost at the least.
//!
//! An isolate from a snapshot of a tiny prelude (`prelude.js`), a context, the plugin's source compiled with its code
//! cache, and an event as JSON in, an answer as JSON out, behind V8's lock as any program with threads would have it.

mod isolate;
mod memory;

use std::env;
use std::error::Error;
use std::time::Instant;

use isolate::{Plugin, Ready};

/// 100 bytes.
const EVENT: &str =
    r#"{"tool":"read","args":{"path":"src/a.rs"},"callId":"c17","sessionId":"s1","timestamp":1760000000000}"#;
const ANSWER: &str = r#"{"value":{"allow":true}}"#;
const _: () = assert!(EVENT.len() == 100);

fn main() -> Result<(), Box<dyn Error>> {
    let keys: Vec<String> = env::args().skip(1).collect();
    let asked = |key: &str| keys.is_empty() || keys.iter().any(|it| it == key);
    // The platform's threads must start after V8 does, so this comes first.
    let platform = v8::new_default_platform(0, false).make_shared();
    v8::V8::initialize_platform(platform);
    v8::V8::initialize();
    let ready = Ready::new()?;
    if asked("load_first_answer_us") {
        let samples = load_first_answer(&ready, 400)?;
        print("load_first_answer_us", &samples);
    }
    if asked("dispatch_us") {
        let samples = dispatch(&ready, 400)?;
        print("dispatch_us", &samples);
    }
    if asked("pss_per_plugin_kib") {
        let slope = memory_slope(&ready)?;
        print("pss_per_plugin_kib", &[slope]);
    }
    Ok(())
}

/// Microseconds from nothing to the answer to the first event, `count` times.
fn load_first_answer(ready: &Ready, count: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut samples = Vec::with_capacity(count);
    for round in 0..count + 20 {
        let start = Instant::now();
        let plugin = Plugin::load(ready)?;
        let answer = plugin.dispatch(EVENT)?;
        let elapsed = start.elapsed();
        check(&answer)?;
        // The first rounds warm up the allocator and the processor's caches.
        if round >= 20 {
            samples.push(elapsed.as_secs_f64() * 1e6);
        }
    }
    Ok(samples)
}

/// Microseconds a call, as means of batches: a single call is too short for the clock.
fn dispatch(ready: &Ready, batches: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    const BATCH: u32 = 500;
    let plugin = Plugin::load(ready)?;
    let mut samples = Vec::with_capacity(batches);
    for batch in 0..batches + 100 {
        let start = Instant::now();
        for _ in 0..BATCH {
            check(&plugin.dispatch(EVENT)?)?;
        }
        if batch >= 100 {
            samples.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(BATCH));
        }
    }
    Ok(samples)
}

/// KiB of proportional set size that an isolate which has answered adds, from the 100th to the 400th.
fn memory_slope(ready: &Ready) -> Result<f64, Box<dyn Error>> {
    let mut plugins = Vec::new();
    let mut at_100 = 0.0;
    while plugins.len() < 400 {
        let plugin = Plugin::load(ready)?;
        check(&plugin.dispatch(EVENT)?)?;
        plugins.push(plugin);
        if plugins.len() == 100 {
            at_100 = memory::pss_kib()?;
        }
    }
    Ok((memory::pss_kib()? - at_100) / 300.0)
}

fn check(answer: &str) -> Result<(), Box<dyn Error>> {
    if answer == ANSWER { Ok(()) } else { Err(format!("unexpected answer: {answer}").into()) }
}

fn print(key: &str, samples: &[f64]) {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    println!(r#"{{"key": "{key}", "value": {:.3}, "samples": {}}}"#, sorted[sorted.len() / 2], sorted.len());
}
