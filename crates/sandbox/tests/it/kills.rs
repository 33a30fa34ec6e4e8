//! Sandbox processes that are killed from outside, and what is left of them.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mimir_sandbox::{CallFailure, HostCalls, PluginSandbox, SandboxOptions};
use rustix::process::{Pid, Signal, kill_process};

use crate::host::{EchoHost, PROCESS, before, handler, image, process, sandbox};

/// Process ids of this process's children that run (or ran) the sandbox binary, zombies included.
fn children() -> Vec<u32> {
    let own = std::process::id().to_string();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
            // The name is in parentheses and may hold anything; state and parent follow it.
            let Some((name, rest)) = stat.rsplit_once(')') else { return false };
            name.contains("mimir-sandbox") && rest.split_whitespace().nth(1) == Some(&own)
        })
        .collect()
}

fn kill(pid: u32) {
    let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL);
}

#[tokio::test]
async fn kills_cost_no_more_than_what_was_under_way() {
    const PLUGINS: usize = 10;
    const EVENTS: usize = 1_000;
    let (sandbox, host) = sandbox();
    let plugins: Vec<_> = (0..PLUGINS)
        .map(|number| sandbox.plugin(handler(&format!("plugin-{number}"), "async () => ({ reason: 'ok' })")))
        .collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut kills = 0;
    let mut lost = 0;
    let mut answered = 0;
    // A fixed sequence of gaps that looks random enough: the moment within an event differs each time.
    let mut gaps = (0u64..).map(|step| 2_000 + step * 7_919 % 9_973);
    let killer = {
        let is_over = Arc::clone(&is_over);
        let (sender, receiver) = std::sync::mpsc::channel::<u32>();
        let thread = std::thread::spawn(move || {
            let mut kills = 0;
            while let Ok(pid) = receiver.recv() {
                std::thread::sleep(Duration::from_micros(gaps.next().unwrap() % 1_500));
                if is_over.load(Ordering::SeqCst) {
                    break;
                }
                kill(pid);
                kills += 1;
            }
            kills
        });
        (thread, sender)
    };
    for event in 0..EVENTS {
        if event % 20 == 10
            && let Some(pid) = plugins[0].pid()
        {
            killer.1.send(pid).unwrap();
        }
        let mut tasks = Vec::new();
        for plugin in &plugins {
            let plugin = plugin.clone();
            tasks.push(tokio::spawn(async move { before(&plugin).await.result }));
        }
        for task in tasks {
            match task.await.unwrap() {
                Ok(json) => {
                    assert_eq!(json, r#"{"value":{"reason":"ok"}}"#);
                    answered += 1;
                }
                Err(CallFailure::Lost) => lost += 1,
                Err(other) => panic!("{other}"),
            }
        }
    }
    is_over.store(true, Ordering::SeqCst);
    drop(killer.1);
    kills += killer.0.join().unwrap();
    assert!(kills > 20, "only {kills} kills");
    assert_eq!(answered + lost, PLUGINS * EVENTS);
    assert!(lost <= kills * PLUGINS, "{lost} lost in {kills} kills");
    assert!(host.failures.lock().unwrap().is_empty(), "nobody is to blame for a kill from outside");
    assert!(before(&plugins[3]).await.result.is_ok());
}

#[tokio::test]
async fn no_process_outlives_its_sandbox() {
    let before_all = children();
    {
        let (sandbox, _host) = sandbox();
        let plugin = sandbox.plugin(handler("one", "() => {}"));
        assert!(before(&plugin).await.result.is_ok());
        let ours: Vec<u32> = children().into_iter().filter(|pid| !before_all.contains(pid)).collect();
        assert!(!ours.is_empty(), "{PROCESS} was not found among the children");
        let pid = plugin.pid().unwrap();
        drop(sandbox);
        assert!(!children().contains(&pid));
        assert!(matches!(before(&plugin).await.result, Err(CallFailure::Interrupted)));
    }
}

#[tokio::test]
async fn loads_and_disposals_leave_memory_flat() {
    const ROUNDS: usize = 1_000;
    let options = SandboxOptions { placement: process(), keeps_spare: false, lanes: 1, ..SandboxOptions::default() };
    let sandbox = PluginSandbox::new(options, Arc::new(EchoHost::default()) as Arc<dyn HostCalls>, None);
    let anchor = sandbox.plugin(handler("anchor", "() => {}"));
    assert!(before(&anchor).await.result.is_ok());
    let pid = anchor.pid().unwrap();
    let resident = || -> u64 {
        // Without the pages of the binary, whose share depends on who else runs it at the time.
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = text.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let mut after_first_100 = 0;
    for round in 0..ROUNDS {
        let plugin = sandbox.plugin(image(
            "short-lived",
            "export default () => ({ on: { 'tool.execute.before': () => { new Array(1000).fill({}); new URL('https://a.b/c') } }, dispose() {} })",
        ));
        assert!(before(&plugin).await.result.is_ok());
        assert_eq!(plugin.pid(), Some(pid), "round {round}");
        plugin.dispose().await;
        if round == 100 {
            after_first_100 = resident();
        }
    }
    assert_eq!(sandbox.stats().await.isolates, 1);
    let after_all = resident();
    assert!(
        after_all * 10 <= after_first_100 * 11,
        "{after_first_100} KiB after 100 rounds, {after_all} KiB after {ROUNDS}"
    );
}

/// Host calls of an isolate that was stopped go on; they are no reason to doubt the one that comes after it.
#[tokio::test]
async fn a_plugin_that_left_calls_behind_starts_anew_in_the_same_process() {
    let (sandbox, host) = sandbox();
    let body = "async () => {
        if (ctx.restarted) return { reason: await ctx.notify('back') }
        ctx.exec('slow'); ctx.exec('slower'); await ctx.notify('sent');
        for (;;);
    }";
    let plugin = sandbox.plugin(handler("leaver", body));
    assert!(matches!(before(&plugin).await.result, Err(CallFailure::Limit { .. })));
    let pid = plugin.pid();
    for _ in 0..3 {
        assert!(before(&plugin).await.result.is_ok(), "{:?}", host.ends.lock().unwrap());
    }
    assert_eq!(*host.ends.lock().unwrap(), [""; 0], "the process was sound");
    assert!(pid.is_none() || pid == plugin.pid());
}

#[tokio::test]
async fn who_asks_a_process_that_ends_is_answered() {
    let (sandbox, _host) = sandbox();
    let plugin = sandbox.plugin(handler("one", "() => {}"));
    assert!(before(&plugin).await.result.is_ok());
    kill(plugin.pid().unwrap());
    // Nothing was awaited since, so the agent does not know yet.
    let stats = tokio::time::timeout(Duration::from_secs(20), sandbox.stats()).await;
    assert_eq!(stats.unwrap().isolates, 0);
    assert!(before(&plugin).await.result.is_ok());
}
