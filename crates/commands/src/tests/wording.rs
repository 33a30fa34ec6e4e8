use mimir_shared_config::{Capabilities, Docker, Exec, Filesystem, Llm, Network, Permissions, Risk, Secret};

use crate::wording::{asks, short};

fn check(capabilities: &Capabilities, short_expected: &str, long_expected: &[&str]) {
    assert_eq!(short(capabilities), short_expected);
    let long: Vec<_> = asks(capabilities)
        .into_iter()
        .map(|ask| format!("{:?}: {}", ask.risk, [vec![ask.what], ask.items].concat().join(" | ")))
        .collect();
    assert_eq!(long, long_expected);
}

#[test]
fn every_capability_has_words() {
    let none = Capabilities::default;
    check(&none(), "nothing", &[]);
    check(
        &Capabilities { exec: Exec { enabled: true, allowlist: vec!["*".into()], network: false }, ..none() },
        "run *",
        &["Critical: run any program, with your rights"],
    );
    // Enabled without an allowlist lets nothing through, so it asks for nothing.
    check(&Capabilities { exec: Exec { enabled: true, allowlist: vec![], network: true }, ..none() }, "nothing", &[]);
    check(
        &Capabilities { exec: Exec { enabled: true, allowlist: vec!["ls".into()], network: true }, ..none() },
        "run ls with network",
        &[
            "High: run programs, with your rights: `ls`",
            "High: let the programs that it runs reach any host, this machine's own network too",
        ],
    );
    check(
        &Capabilities { network: Network { enabled: true, allowlist: vec!["*".into()] }, ..none() },
        "reach *",
        &["High: send requests to any host on the internet"],
    );
    check(
        &Capabilities {
            filesystem: Filesystem { read: true, write: true, delete: true, restricted: vec![".env".into()] },
            llm: Llm { enabled: true, budget: Some(5.0), models: Some(vec!["a-*".into()]), max_tokens: Some(1_000) },
            docker: Docker { enabled: true, images: vec!["node:22".into()] },
            env: vec!["A".into(), "B".into(), "C".into()],
            permissions: Permissions { approve: Some(Risk::Low) },
            secrets: vec![Secret { name: "TOKEN".into(), hosts: vec!["a.test".into(), "b.test".into()] }],
            tools: vec!["read".into()],
            wasm: true,
            ..none()
        },
        "read+write+delete files, containers node:22, models $5.00, env A, B +1, send TOKEN, approve ≤ low, tools read, wasm",
        &[
            "High: run containers from `node:22`",
            "High: delete files and folders of this project, except `.env`",
            "Medium: approve for you what is of low risk",
            "Medium: create and change files of this project, except `.env`",
            "Medium: read the environment variables | A | B | C",
            "Medium: send your secret `TOKEN`, without seeing it, to | a.test | b.test",
            "Medium: call language models, for at most $5.00 a session, with at most 1000 tokens a call: `a-*`",
            "Medium: have tools of the agent's called, with the permissions that the agent has: `read`",
            "Low: read files of this project, except `.env`",
            "Low: run WebAssembly inside its own isolate",
        ],
    );
}
