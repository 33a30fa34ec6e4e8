//! What people read when something is wrong: each snapshot shows the text and what is said about it.

use mimir_shared_config::{ConfigError, ConfigFile, PluginManifest};

fn check(name: &str, text: &str, parse: impl Fn(&str) -> Result<(), ConfigError>) {
    let error = parse(text).unwrap_err();
    for file in error.files() {
        assert!(!file.problems.is_empty());
        for problem in &file.problems {
            assert!(text.get(problem.span.clone()).is_some(), "the span lies in the text: {problem:?}");
        }
    }
    let marked = error.files().iter().flat_map(|file| &file.problems).map(|problem| {
        let line = text.lines().nth(problem.line - 1).unwrap_or_default();
        let width = text[problem.span.clone()].chars().count().max(1);
        format!("{line}\n{}{}", " ".repeat(problem.column - 1), "^".repeat(width))
    });
    let marked = marked.collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(name, format!("{error}\n\n{marked}"));
}

fn manifest(name: &str, text: &str) {
    check(name, text, |text| PluginManifest::parse("plugin.yml", text).map(drop));
}

fn config(name: &str, text: &str) {
    check(name, text, |text| ConfigFile::parse("config.yml", text).map(drop));
}

#[test]
fn manifests() {
    manifest("empty", "");
    manifest("not_a_mapping", "- name\n");
    manifest(
        "misspelt_keys",
        "name: my-plugin\nversion: 1.0.0\ncapabilites:\n  exec: {}\ncapabilities:\n  filesystem: { raed: true }\n  network:\n    \
         allow_list: [a.test]\nevent: []\ncolour: red\n",
    );
    manifest(
        "unknown_events",
        "name: my-plugin\nversion: 1.0.0\nevents:\n  - tool.execute.befor\n  - session.completed\n  - lunch.time\n",
    );
    manifest(
        "wrong_kinds",
        "name: my-plugin\nversion: 1.0\nevents: tool.execute.before\ncapabilities:\n  exec: true\nmain: [a]\n",
    );
    manifest(
        "wrong_values",
        "name: My Plugin\nversion: one\nmain: ../outside.ts\nengines: { mimir: 'newest' }\nfailure: ajar\nbefore: [My Plugin]\n\
         capabilities:\n  filesystem: { restricted: ['!.env', '[z-a]'] }\n  network: { enabled: true, allowlist: \
         ['https://a.test/path', 'ftp://a.test'] }\n  llm: { budget: -1, models: [''], maxTokens: 0 }\n  env: ['A=B', '*', TOKEN]\n  \
         docker: { images: ['https://a.test/x'] }\n  secrets: [{ name: TOKEN, hosts: [a.test/x] }, { name: 'A B', hosts: [] }, \
         { name: TOKEN, hosts: [a.test] }, { name: T }]\n  permissions: { approve: lo }\n\
         limits:\n  memory: 1GB\n  cpu: 5 hours\n  time: 0\noptions:\n  type: objekt\n",
    );
    manifest("broken_yaml", "name: my-plugin\nversion: 1.0.0\nevents: [a, b\nlicense: MIT\n");
    manifest("tab", "name: my-plugin\ncapabilities:\n\tfilesystem: {}\n");
    manifest("reserved_character", "name: @my-plugin\nversion: 1.0.0\n");
    manifest("duplicate_key", "name: my-plugin\nversion: 1.0.0\nname: other\n");
    manifest(
        "crlf_and_unicode",
        "# ünïcödé 🎉\r\nname: my-plugin\r\nversion: 1.0.0\r\ndescription: 'é🎉'\r\nlicence: MIT\r\n",
    );
    manifest("byte_order_mark", "\u{feff}name: my-plugin\nverson: 1.0.0\n");
}

#[test]
fn configurations() {
    config(
        "config_keys",
        "plugin:\n  enabled: []\nplugins:\n  enable: [a]\n  overrides:\n    Bad Name: {}\n    good-name:\n      limits: { memory: 2GB }\n      \
         failures: closed\nbudget: { max_cost: 3 }\nhooks:\n  precompact: []\n",
    );
    config(
        "config_after_scoped_names",
        "plugins:\n  enabled:\n    - @user/a\n    - @user/b # why\n    - Not A Plugin\n  isolaton: process\n",
    );
    config("config_in_line", "plugins: { enabled: [@user/a, @user/b, Not A Plugin], isolation: thread }\n");
    config(
        "config_agent",
        "model: gpt\npermission: {}\npermissions:\n  allow: [bsh(ls), 'bash(ls', git status, 'read(../x)']\nproviders:\n  Open AI: {}\n  \
         scripted: { baseUrl: 'https://a.test' }\n  corp: { baseUrl: 'http://models.example.com', apiKeyEnv: sk-123, kind: gemini }\n  a: { baseUrl: \
         'https://u:p@a.test', apiKeyEnv: A, secret: B, headers: { X Y: a, X-Token: b, X-Z: 'ä' } }\n  b: { baseUrl: 'ftp://a.test', api_key: \
         hunter2 }\nbudget: { maxCostPerday: 3 }\ncompaction: { contextTokens: 500, keepMessages: 0 }\nagents:\n  The Boss: { model: x, tools: \
         [''], maxTurn: 3 }\nmcp:\n  servers:\n    a/b: { args: [x] }\n    c: { command: '', env: { 'A-B': c }, riskLevel: none, alow: [] }\ntools: {{ \
         disabled: [''], bash: { timeoutMs: 1 } }\n".replace("{{", "{").as_str(),
    );
    config(
        "config_hooks",
        "hooks:\n  PreCompact:\n    - { matcher: auto }\n    - command: 5\nbudget: { maxCost: -1 }\n",
    );
}
