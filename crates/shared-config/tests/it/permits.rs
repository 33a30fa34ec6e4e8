use std::path::{Path, PathBuf};

use mimir_shared_config::{Access, Capabilities, PluginId, Risk, check_access};
use serde_json::{Value, json};

fn capabilities(value: Value) -> Capabilities {
    serde_json::from_value(value).unwrap()
}

fn path(path: &str) -> PathBuf {
    path.into()
}

fn accesses() -> Vec<Access> {
    let argv = |line: &str| Access::Exec { argv: line.split(' ').map(str::to_owned).collect() };
    vec![
        Access::FileRead { path: path("src/main.rs") },
        Access::FileRead { path: path(".env") },
        Access::FileRead { path: path("/etc/passwd") },
        Access::FileRead { path: path(".mimir/config.yml") },
        Access::FileRead { path: path(".git/HEAD") },
        Access::FileWrite { path: path("src/main.rs") },
        Access::FileWrite { path: path(".git/HEAD") },
        Access::FileWrite { path: path(".git/hooks/pre-commit") },
        Access::FileDelete { path: path("src/main.rs") },
        Access::FileDelete { path: path(".") },
        argv("npm test"),
        Access::ProgramNetwork,
        argv("npm test --watch"),
        Access::Exec { argv: vec!["npm test".to_owned()] },
        Access::Exec { argv: vec!["npm".to_owned(), "test\0".to_owned()] },
        Access::Exec { argv: Vec::new() },
        Access::Net { url: "https://api.example.com/v1".to_owned() },
        Access::Net { url: "http://api.example.com/v1".to_owned() },
        Access::Net { url: "https://evil.test:8443/".to_owned() },
        Access::Net { url: "file:///etc/passwd".to_owned() },
        Access::Net { url: "not a url".to_owned() },
        Access::NetAddress { url: "https://api.example.com/".to_owned(), ip: "93.184.216.34".parse().unwrap() },
        Access::NetAddress { url: "https://api.example.com/".to_owned(), ip: "127.0.0.1".parse().unwrap() },
        Access::Env { name: "CI".to_owned() },
        Access::Env { name: "MY_NAME".to_owned() },
        Access::Llm { model: "claude-haiku-5-5".to_owned() },
        Access::Llm { model: "claude-opus-5".to_owned() },
        Access::Secret { name: "API_TOKEN".to_owned(), url: "https://api.example.com/v1".to_owned() },
        Access::Secret { name: "API_TOKEN".to_owned(), url: "https://api.example.com.evil.test/".to_owned() },
        Access::Secret { name: "API_TOKEN".to_owned(), url: "http://api.example.com/v1".to_owned() },
        Access::Secret { name: "OTHER".to_owned(), url: "https://api.example.com/v1".to_owned() },
        Access::Secret { name: "API_TOKEN".to_owned(), url: "api.example.com".to_owned() },
        Access::Docker { image: "node:22".to_owned() },
        Access::Docker { image: "docker.io/library/node:22".to_owned() },
        Access::Docker { image: "evil/node:22".to_owned() },
        Access::Docker { image: "--privileged".to_owned() },
        Access::Tool { name: "mcp_github_issues".to_owned() },
        Access::Tool { name: "bash".to_owned() },
        Access::Approve { risk: Risk::Low },
        Access::Approve { risk: Risk::High },
        Access::Notify,
        Access::Ask,
        Access::Log,
        Access::Storage,
        Access::Session,
    ]
}

fn all() -> Capabilities {
    capabilities(json!({
        "filesystem": { "read": true, "write": true, "delete": true, "restricted": [".env"] },
        "network": { "enabled": true, "allowlist": ["api.example.com"] },
        "exec": { "enabled": true, "allowlist": ["npm test"] },
        "llm": { "enabled": true, "models": ["claude-haiku-*"] },
        "secrets": [{ "name": "API_TOKEN", "hosts": ["api.example.com"] }],
        "docker": { "enabled": true, "images": ["node:*"] },
        "env": ["CI"],
        "tools": ["read", "mcp_github_*"],
        "permissions": { "approve": "medium" },
    }))
}

fn table(requested: &Capabilities, effective: &Capabilities) -> String {
    let plugin = PluginId::new("my-plugin").unwrap();
    let line = |access: Access| match check_access(&plugin, requested, effective, &access, Path::new("/code/project")) {
        Ok(()) => format!("{access}: yes"),
        Err(denial) => {
            assert_eq!(denial.capability, access.capability());
            format!("{access}: no, {denial}\n  {}", denial.hint.as_deref().unwrap_or("-"))
        }
    };
    accesses().into_iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_is_permitted_by_default() {
    let nothing = Capabilities::default();
    insta::assert_snapshot!(table(&nothing, &nothing));
}

#[test]
fn what_is_granted_is_permitted() {
    insta::assert_snapshot!(table(&all(), &all()));
}

#[test]
fn what_is_asked_but_not_granted_says_so() {
    insta::assert_snapshot!(table(&all(), &Capabilities::default()));
}

#[test]
fn an_empty_allowlist_permits_nothing() {
    let open = capabilities(json!({
        "network": { "enabled": true }, "exec": { "enabled": true }, "docker": { "enabled": true },
    }));
    let root = Path::new("/code/project");
    for access in accesses().iter().filter(|access| matches!(access.capability(), "network" | "exec" | "docker")) {
        assert!(open.permits(access, root).is_err(), "{access}");
    }
}
