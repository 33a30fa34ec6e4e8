use std::path::Path;

use mimir_shared_config::{
    Access, Capabilities, ContentHash, Grant, GrantMode, LimitSettings, Llm, PluginIdentity, PluginManifest,
    PluginSource, effective, widened, widened_limits,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn capabilities(value: Value) -> Capabilities {
    serde_json::from_value(value).unwrap()
}

#[test]
fn effective_is_the_narrowest() {
    let check = |requested: Value, granted: Value, policy: Option<Value>, expected: Value| {
        let policy = policy.map(capabilities);
        let found = effective(&capabilities(requested.clone()), &capabilities(granted.clone()), policy.as_ref());
        assert_eq!(found, capabilities(expected), "{requested} with {granted}");
    };
    let files = |read: bool, restricted: &[&str]| json!({ "filesystem": { "read": read, "restricted": restricted } });
    check(files(true, &[]), files(false, &[]), None, files(false, &[]));
    check(files(true, &["a"]), files(true, &["b", "a"]), None, files(true, &["a", "b"]));
    check(files(true, &[]), files(true, &[]), Some(json!({})), files(false, &[]));
    check(files(true, &[]), files(true, &[]), Some(files(true, &["c"])), files(true, &["c"]));

    let net = |hosts: &[&str]| json!({ "network": { "enabled": true, "allowlist": hosts } });
    check(net(&["api.a.test", "b.test"]), net(&["*.a.test"]), None, net(&["api.a.test"]));
    check(net(&["*"]), net(&["a.test", "http://b.test"]), None, net(&["a.test"]));
    check(net(&["a.test"]), net(&["b.test"]), None, net(&[]));

    let exec = |globs: &[&str]| json!({ "exec": { "enabled": true, "allowlist": globs } });
    check(exec(&["npm *"]), exec(&["npm test", "git *"]), None, exec(&["npm test"]));
    check(exec(&["npm test"]), exec(&["npm *"]), None, exec(&["npm test"]));
    check(exec(&["npm *"]), exec(&["* test"]), None, exec(&[]));
    let open = json!({ "exec": { "enabled": true, "allowlist": ["npm *"], "network": true } });
    check(open.clone(), open.clone(), None, open.clone());
    check(open.clone(), exec(&["npm *"]), None, exec(&["npm *"]));
    check(exec(&["npm *"]), open.clone(), None, exec(&["npm *"]));
    check(open.clone(), open, Some(exec(&["npm *"])), exec(&["npm *"]));

    let llm = |budget: Option<f64>| json!({ "llm": { "enabled": true, "budget": budget } });
    check(llm(Some(5.0)), llm(Some(3.0)), None, llm(Some(3.0)));
    check(llm(None), llm(Some(3.0)), None, llm(Some(3.0)));
    check(llm(Some(5.0)), llm(None), Some(llm(Some(1.0))), llm(Some(1.0)));

    let llm =
        |more: Value| json!({ "llm": { "enabled": true, "models": more["models"], "maxTokens": more["maxTokens"] } });
    let haiku = json!({ "models": ["haiku-*"], "maxTokens": 9 });
    check(llm(haiku.clone()), llm(json!({})), None, llm(haiku.clone()));
    check(
        llm(haiku),
        llm(json!({ "models": ["haiku-5", "opus"], "maxTokens": 5 })),
        None,
        llm(json!({ "models": ["haiku-5"], "maxTokens": 5 })),
    );
    check(llm(json!({ "models": ["a"] })), llm(json!({ "models": ["b"] })), None, llm(json!({ "models": [] })));

    let images = |images: &[&str]| json!({ "docker": { "enabled": true, "images": images } });
    check(
        images(&["node"]),
        images(&["docker.io/library/node:latest"]),
        None,
        images(&["node", "docker.io/library/node:latest"]),
    );
    check(images(&["*"]), images(&["ghcr.io/a/*"]), None, images(&["ghcr.io/a/*"]));
    check(images(&["node:22"]), images(&["evil/node:22"]), None, images(&[]));

    let secrets = |secrets: &[(&str, &[&str])]| {
        let secrets = secrets.iter().map(|(name, hosts)| json!({ "name": name, "hosts": hosts })).collect::<Vec<_>>();
        json!({ "secrets": secrets })
    };
    let asked = secrets(&[("A", &["a.test", "b.test"]), ("B", &["b.test"])]);
    check(
        asked.clone(),
        secrets(&[("A", &["*.test"]), ("C", &["c.test"])]),
        None,
        secrets(&[("A", &["a.test", "b.test"])]),
    );
    check(
        asked.clone(),
        secrets(&[("A", &["a.test"]), ("A", &["b.test"])]),
        None,
        secrets(&[("A", &["a.test", "b.test"])]),
    );
    check(asked.clone(), secrets(&[("A", &["c.test"])]), None, json!({}));
    check(asked.clone(), asked, Some(secrets(&[("B", &["*"])])), secrets(&[("B", &["b.test"])]));

    let approve = |risk: &str| json!({ "permissions": { "approve": risk } });
    check(approve("high"), approve("low"), None, approve("low"));
    check(approve("high"), json!({}), None, json!({}));
    check(json!({ "env": ["A", "B"], "wasm": true }), json!({ "env": ["B", "C"] }), None, json!({ "env": ["B"] }));
}

#[test]
fn widened_says_what_is_new() {
    let all = capabilities(json!({
        "filesystem": { "read": true, "write": true, "delete": true },
        "network": { "enabled": true, "allowlist": ["api.a.test", "*"] },
        "exec": { "enabled": true, "allowlist": ["npm test", "*"], "network": true },
        "llm": { "enabled": true, "budget": 5.0, "models": ["haiku-*", "opus"], "maxTokens": 2000 },
        "docker": { "enabled": true, "images": ["node:22"] },
        "secrets": [{ "name": "TOKEN", "hosts": ["api.a.test", "*"] }],
        "env": ["CI"],
        "permissions": { "approve": "medium" },
        "wasm": true,
    }));
    let less = capabilities(json!({
        "filesystem": { "read": true, "restricted": [".env"] },
        "network": { "enabled": true, "allowlist": ["*.a.test"] },
        "exec": { "enabled": true, "allowlist": ["npm *"] },
        "llm": { "enabled": true, "budget": 2.0, "models": ["haiku-*"], "maxTokens": 1000 },
        "secrets": [{ "name": "TOKEN", "hosts": ["*.a.test"] }],
        "permissions": { "approve": "low" },
    }));
    let show = |granted: &Capabilities| widened(&all, granted).join("\n");
    insta::assert_snapshot!("widened_from_nothing", show(&Capabilities::default()));
    insta::assert_snapshot!("widened_from_less", show(&less));
    assert_eq!(show(&all), "");
    let mut unbounded = all.clone();
    unbounded.llm.models = None;
    unbounded.llm.max_tokens = None;
    let unbounded = widened(&unbounded, &all);
    assert_eq!(unbounded, ["call any language model", "use any number of tokens in one call of a model"]);
    assert!(Capabilities::default().is_nothing() && !all.is_nothing());
}

#[test]
fn widened_limits_are_those_beyond_the_defaults() {
    let limits = |text: &str| serde_json::from_str::<LimitSettings>(text).unwrap();
    let asked = limits(r#"{ "memory": "128MB", "cpu": "50ms", "time": "10s" }"#);
    assert_eq!(widened_limits(&asked, &limits("{}")), ["use 128MB of memory", "take 10s for an event"]);
    assert_eq!(widened_limits(&asked, &limits(r#"{ "memory": "256MB" }"#)), ["take 10s for an event"]);
    assert_eq!(widened_limits(&asked, &asked), Vec::<String>::new());
}

#[test]
fn a_grant_is_for_one_content_and_reads_again() {
    let manifest =
        PluginManifest::parse("plugin.yml", "name: p\nversion: 1.0.0\ncapabilities: { wasm: true }").unwrap();
    let identity = |hash: char, source: PluginSource| PluginIdentity {
        source,
        package: "p".to_owned(),
        hash: ContentHash::new(hash.to_string().repeat(64)).unwrap(),
    };
    let folder = || PluginSource::Folder("/p".to_owned());
    let grant = Grant::of_everything(identity('a', folder()), &manifest, 1_700_000_000_000, GrantMode::Lasting);
    assert!(grant.is_for(&identity('a', folder())));
    assert!(!grant.is_for(&identity('b', folder())));
    assert!(!grant.is_for(&identity('a', PluginSource::Registry("https://registry.npmjs.org".to_owned()))));
    let text = serde_json::to_string(&grant).unwrap();
    assert_eq!(serde_json::from_str::<Grant>(&text).unwrap(), grant);
    assert!(ContentHash::new("A".repeat(64)).is_err());
}

/// Capabilities whose lists are drawn from patterns that overlap in many ways.
fn any_capabilities() -> impl Strategy<Value = Capabilities> {
    let some = |choices: &'static [&'static str]| prop::sample::subsequence(choices, 0..=choices.len().min(4));
    let hosts = some(&[
        "*",
        "*.test",
        "a.test",
        "b.a.test",
        "*.a.test",
        "http://a.test",
        "a.test:*",
        "a.test:8443",
        "127.0.0.1",
    ]);
    let globs = some(&["*", "npm *", "npm test", "npm t?st", "* test", "git log", "n*t", "\\*"]);
    let globs2 =
        some(&["node:*", "node:22", "*", "node", "docker.io/library/node:latest", "*/x", "a.test/*", "evil/*"]);
    let models = prop::option::of(some(&["*", "haiku-*", "haiku-5", "opus"]));
    let secrets = prop::collection::vec(
        (prop::sample::select(vec!["A", "B"]), some(&["*", "*.test", "a.test", "b.a.test"])),
        0..3,
    );
    let tools = some(&["*", "mcp_*", "mcp_a", "read", "re?d"]);
    let tokens = prop::option::of(1u64..100);
    let restricted = some(&[".env", "src", "*.pem", "/build"]);
    let env = some(&["A", "B", "C"]);
    let risk = prop::sample::select(vec![Value::Null, json!("low"), json!("medium"), json!("critical")]);
    let flags = prop::array::uniform9(any::<bool>());
    let budget = prop::option::of(0.0..10.0f64);
    (hosts, globs, globs2, restricted, env, risk, flags, (budget, models, tokens, secrets, tools)).prop_map(
        |(hosts, globs, images, restricted, env, risk, on, (budget, models, tokens, secrets, tools))| {
            let secrets = secrets.into_iter().map(|(name, hosts)| json!({ "name": name, "hosts": hosts }));
            capabilities(json!({
                "filesystem": { "read": on[0], "write": on[1], "delete": on[2], "restricted": restricted },
                "network": { "enabled": on[3], "allowlist": hosts },
                "exec": { "enabled": on[4], "allowlist": globs, "network": on[8] },
                "llm": { "enabled": on[5], "budget": budget, "models": models, "maxTokens": tokens },
                "secrets": secrets.collect::<Vec<_>>(),
                "docker": { "enabled": on[6], "images": images },
                "env": env, "tools": tools, "permissions": { "approve": risk }, "wasm": on[7],
            }))
        },
    )
}

fn any_access() -> impl Strategy<Value = Access> {
    let path = prop::sample::select(vec![".env", "src/a", "a.pem", "build/x", "x", "src/.env"]);
    let url = prop::sample::select(vec![
        "https://a.test",
        "https://b.a.test",
        "https://c.test",
        "http://a.test",
        "https://a.test:8443",
        "https://127.0.0.1",
    ]);
    let line = prop::sample::select(vec!["npm test", "npm tast", "git log", "go test", "*", "nxt"]);
    let name = prop::sample::select(vec!["A", "B", "C", "D"]);
    let ip = prop::sample::select(vec!["127.0.0.1", "1.1.1.1"]);
    prop_oneof![
        path.clone().prop_map(|path| Access::FileRead { path: path.into() }),
        path.clone().prop_map(|path| Access::FileWrite { path: path.into() }),
        path.prop_map(|path| Access::FileDelete { path: path.into() }),
        url.prop_map(|url| Access::Net { url: url.to_owned() }),
        ip.prop_map(|ip| Access::NetAddress { url: "https://a.test/".to_owned(), ip: ip.parse().unwrap() }),
        line.prop_map(|line| Access::Exec { argv: line.split(' ').map(str::to_owned).collect() }),
        Just(Access::ProgramNetwork),
        name.prop_map(|name| Access::Env { name: name.to_owned() }),
        prop::sample::select(vec!["node:22", "node:20", "node", "x", "evil/x", "a.test/x:1", "docker.io/library/node"])
            .prop_map(|image| Access::Docker { image: image.to_owned() }),
        prop::sample::select(vec!["haiku-4", "haiku-5", "opus", "x"])
            .prop_map(|model| Access::Llm { model: model.to_owned() }),
        prop::sample::select(vec!["bash", "mcp_a", "mcp_b", "read", "reed"])
            .prop_map(|name| Access::Tool { name: name.to_owned() }),
        (
            prop::sample::select(vec!["A", "B", "C"]),
            prop::sample::select(vec!["https://a.test", "https://b.a.test", "https://x.y"])
        )
            .prop_map(|(name, url)| Access::Secret { name: name.to_owned(), url: url.to_owned() }),
    ]
}

proptest! {
    /// The rule that everything rests on: nothing is let through that any of the three would not let through.
    #[test]
    fn nothing_is_wider_than_any(a in any_capabilities(), b in any_capabilities(), c in any_capabilities(), access in any_access()) {
        let root = Path::new("/code/project");
        let both = effective(&a, &b, Some(&c));
        if both.permits(&access, root).is_ok() {
            for one in [&a, &b, &c] {
                prop_assert!(one.permits(&access, root).is_ok(), "{access} with {both:?}");
            }
        }
        prop_assert!(widened(&both, &a).is_empty(), "{:?}", widened(&both, &a));
        let bounds = |llm: &Llm| (llm.budget.unwrap_or(f64::MAX), llm.max_tokens.unwrap_or(u64::MAX));
        for one in [&a, &b, &c] {
            prop_assert!(bounds(&both.llm).0 <= bounds(&one.llm).0 && bounds(&both.llm).1 <= bounds(&one.llm).1);
        }
    }

    /// What is not said to a person is not let through either.
    #[test]
    fn what_is_not_new_was_granted(asked in any_capabilities(), granted in any_capabilities(), access in any_access()) {
        let root = Path::new("/code/project");
        if widened(&asked, &granted).is_empty() && asked.permits(&access, root).is_ok() {
            let is_still_restricted = granted.filesystem.restricted.iter().any(|glob| !asked.filesystem.restricted.contains(glob));
            prop_assert!(granted.permits(&access, root).is_ok() || is_still_restricted, "{access}");
        }
    }

    #[test]
    fn all_of_itself_is_itself(a in any_capabilities(), access in any_access()) {
        let root = Path::new("/code/project");
        prop_assert_eq!(effective(&a, &a, None).permits(&access, root).is_ok(), a.permits(&access, root).is_ok());
        prop_assert!(widened(&a, &a).is_empty());
        prop_assert_eq!(a.canonical(), effective(&a, &a, None).canonical());
    }
}
