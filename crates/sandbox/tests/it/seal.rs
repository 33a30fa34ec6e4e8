//! What the kernel takes away from sandbox processes, and what happens where it can't.

use std::sync::Arc;

use mimir_sandbox::{CallFailure, HostCalls, Placement, PluginSandbox, SandboxOptions};
use mimir_shared_config::SandboxLayer;

use crate::host::{EchoHost, before, handler, options, process, sandbox};

/// Layers that any kernel has on which the tests run; Landlock and seccomp are in all that are supported.
#[tokio::test]
async fn every_layer_holds_here_and_plugins_run_behind_it() {
    let (sandbox, host) = sandbox();
    let layers = sandbox.layers().await.unwrap();
    let mut held: Vec<SandboxLayer> =
        layers.iter().filter(|report| report.is_enforced).map(|report| report.layer).collect();
    held.sort_unstable();
    let mut all = SandboxLayer::ALL.to_vec();
    all.sort_unstable();
    assert_eq!(held, all, "{layers:#?}");

    let plugin = sandbox.plugin(handler("p", "async () => ({ reason: 'ok' })"));
    assert_eq!(before(&plugin).await.result.as_deref(), Ok(r#"{"value":{"reason":"ok"}}"#));
    assert!(host.unsealed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_process_says_what_the_kernel_says_of_it() {
    let (sandbox, _host) = sandbox();
    let plugin = sandbox.plugin(handler("p", "async () => ({ reason: 'ok' })"));
    before(&plugin).await.result.unwrap();
    let pid = plugin.pid().unwrap();
    // Readable for everyone, whatever the process made of itself.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.map(|value| value.trim().to_owned()).unwrap_or_default()
    };
    assert_eq!((value("NoNewPrivs").as_str(), value("Seccomp").as_str()), ("1", "2"));
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        assert!(status.contains("Seccomp:\t2\n"), "a thread without a filter:\n{status}");
    }
}

#[tokio::test]
async fn in_process_holds_nothing_and_says_so() {
    let host = Arc::new(EchoHost::default());
    let sandbox = PluginSandbox::new(options(Placement::InProcess), host, None);
    assert!(sandbox.layers().await.unwrap().iter().all(|report| !report.is_enforced));
}

#[tokio::test]
async fn what_is_required_and_holds_is_no_hindrance() {
    let host = Arc::new(EchoHost::default());
    let options = SandboxOptions { required: SandboxLayer::ALL.to_vec(), ..options(process()) };
    let sandbox = PluginSandbox::new(options, Arc::clone(&host) as Arc<dyn HostCalls>, None);
    let plugin = sandbox.plugin(handler("p", "async () => ({ reason: 'ok' })"));
    assert!(before(&plugin).await.result.is_ok());
}

/// A binary that is no sandbox process says nothing.
#[tokio::test]
async fn a_process_that_ends_at_once_is_an_error() {
    let options = options(Placement::Process { exe: Some("/bin/true".into()) });
    let sandbox = PluginSandbox::new(options, Arc::new(EchoHost::default()), None);
    assert!(sandbox.layers().await.is_err());
    let plugin = sandbox.plugin(handler("p", "async () => ({})"));
    assert!(matches!(before(&plugin).await.result, Err(CallFailure::Lost | CallFailure::Unavailable { .. })));
}
