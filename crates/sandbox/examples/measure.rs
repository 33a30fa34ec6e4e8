//! What plugins cost here, for `cargo xtask bench`: one line of JSON a key, like the programs in `xtask/reference`.
//!
//! It is its own sandbox process.

use std::env;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use mimir_sandbox::{
    Call, CallFailure, CallKind, CallOrigin, HostCall, HostCallError, HostCalls, LayerReport, LogLine, OnThisThread,
    Placement, PluginHandle, PluginImage, PluginSandbox, SandboxOptions, initialize_v8, sandbox_main_if_requested,
};
use mimir_shared_config::{Limits, PluginId};

/// 100 bytes, as in the reference programs.
const EVENT: &str =
    r#"{"tool":"read","args":{"path":"src/a.rs"},"callId":"c17","sessionId":"s1","timestamp":1760000000000}"#;
const _: () = assert!(EVENT.len() == 100);
const NAME: &str = "tool.execute.before";
const ANSWER: &str = r#"{"value":{"allow":true}}"#;

/// The reference's plugin of 2 KB: its tables and checks, with our way to listen.
const PLUGIN: &str = include_str!("plugin.js");

struct NoHost;

#[async_trait]
impl HostCalls for NoHost {
    async fn call(&self, call: HostCall) -> Result<String, HostCallError> {
        Err(HostCallError {
            code: "UNSUPPORTED".into(),
            message: format!("no {} here", call.op),
            capability: None,
            hint: None,
        })
    }

    fn log(&self, _line: LogLine) {}

    fn process_ended(&self, _plugins: &[PluginId], _reason: &str) {}

    fn unsealed(&self, _missing: &[LayerReport]) {}

    fn failed(&self, _plugin: &PluginId, _failure: &CallFailure) {}
}

fn image() -> PluginImage {
    PluginImage {
        id: PluginId::new("measured").expect("a valid name"),
        code: PLUGIN.into(),
        context: r#"{"plugin":{"name":"measured","version":"1.0.0"},"project":{"root":"/project"},"config":{}}"#.into(),
        limits: Limits::default(),
        wasm: false,
        group: "".into(),
    }
}

fn main() {
    sandbox_main_if_requested();
    let keys: Vec<String> = env::args().skip(1).collect();
    let asked = |key: &str| keys.is_empty() || keys.iter().any(|it| it == key);
    // Not one of the compared figures, so only by name. First of all: V8 wants to be older than the threads that use it.
    if keys.iter().any(|key| key == "in_process_us") {
        initialize_v8();
        print("in_process_us", echo(Placement::InProcess, Duration::ZERO, 2_000));
    }
    // What V8 alone takes after a rest: below that no transport can get `echo_gap_us`.
    if keys.iter().any(|key| key == "dispatch_gap_us") {
        print("dispatch_gap_us", dispatch_after(Duration::from_millis(1), 1_000));
    }
    if asked("load_first_answer_us") {
        print("load_first_answer_us", load_first_answer(400));
    }
    if asked("dispatch_us") {
        print("dispatch_us", dispatch(400));
    }
    if asked("pss_per_plugin_kib") {
        print("pss_per_plugin_kib", vec![memory_slope()]);
    }
    if asked("echo_us") {
        print("echo_us", echo(process(), Duration::ZERO, 20_000));
    }
    if asked("echo_gap_us") {
        print("echo_gap_us", echo(process(), Duration::from_millis(1), 1_000));
    }
}

fn load_first_answer(count: usize) -> Vec<f64> {
    let (mut thread, image) = (OnThisThread::new(), image());
    let cache = thread.code_cache(&image);
    let mut samples = Vec::with_capacity(count);
    for round in 0..count + 20 {
        let start = Instant::now();
        thread.load(0, &image, Some(&cache));
        let answer = thread.event(0, NAME, EVENT);
        let elapsed = start.elapsed();
        assert_eq!(answer.as_deref(), Some(ANSWER));
        thread.dispose(0);
        if round >= 20 {
            samples.push(elapsed.as_secs_f64() * 1e6);
        }
    }
    samples
}

fn dispatch(batches: usize) -> Vec<f64> {
    const BATCH: u32 = 500;
    let (mut thread, image) = (OnThisThread::new(), image());
    thread.load(0, &image, None);
    let mut samples = Vec::with_capacity(batches);
    for batch in 0..batches + 100 {
        let start = Instant::now();
        for _ in 0..BATCH {
            assert_eq!(thread.event(0, NAME, EVENT).as_deref(), Some(ANSWER));
        }
        if batch >= 100 {
            samples.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(BATCH));
        }
    }
    samples
}

fn dispatch_after(gap: Duration, count: usize) -> Vec<f64> {
    let (mut thread, image) = (OnThisThread::new(), image());
    thread.load(0, &image, None);
    let mut samples = Vec::with_capacity(count);
    for round in 0..count + 200 {
        std::thread::sleep(gap);
        let start = Instant::now();
        assert_eq!(thread.event(0, NAME, EVENT).as_deref(), Some(ANSWER));
        if round >= 200 {
            samples.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    samples
}

fn memory_slope() -> f64 {
    let (mut thread, image) = (OnThisThread::new(), image());
    let cache = thread.code_cache(&image);
    let mut at_100 = 0.0;
    for plugin in 0..400 {
        thread.load(plugin, &image, Some(&cache));
        assert_eq!(thread.event(plugin, NAME, EVENT).as_deref(), Some(ANSWER));
        if plugin == 99 {
            at_100 = pss_kib();
        }
    }
    (pss_kib() - at_100) / 300.0
}

fn pss_kib() -> f64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").expect("Linux counts it");
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).expect("it is listed");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}

fn process() -> Placement {
    Placement::Process { exe: None }
}

fn echo(placement: Placement, gap: Duration, count: usize) -> Vec<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let options = SandboxOptions { placement, keeps_spare: false, ..SandboxOptions::default() };
        let sandbox = PluginSandbox::new(options, Arc::new(NoHost), None);
        let plugin = sandbox.plugin(image());
        let mut samples = Vec::with_capacity(count);
        for round in 0..count + 200 {
            if !gap.is_zero() {
                std::thread::sleep(gap);
            }
            let start = Instant::now();
            call(&plugin).await;
            if round >= 200 {
                samples.push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
        samples
    })
}

async fn call(plugin: &PluginHandle) {
    let call = Call { kind: CallKind::Event, name: NAME.into(), payload: EVENT.into(), origin: CallOrigin::default() };
    assert_eq!(plugin.call(&call).await.result.as_deref(), Ok(ANSWER));
}

fn print(key: &str, mut samples: Vec<f64>) {
    samples.sort_by(f64::total_cmp);
    println!(r#"{{"key": "{key}", "value": {:.3}, "samples": {}}}"#, samples[samples.len() / 2], samples.len());
}
