use std::fs;
use std::os::unix::fs::symlink;

use mimir_api::{ApiLimits, ErrorCode};
use serde_json::{Value, json};

use crate::harness::{Options, world, world_with};

#[tokio::test]
async fn reads_files() {
    let world = world();
    fs::write(world.root.join("größe 🎉.txt"), "ü").unwrap();
    fs::write(world.root.join("binary"), [0xff, 0x00]).unwrap();
    world.check("fs.readFile", json!({"path": "src/a.ts", "encoding": "utf8"}), Ok(json!("a"))).await;
    world.check("fs.readFile", json!({"path": "./src/../größe 🎉.txt"}), Ok(json!("ü"))).await;
    let absolute = world.root.join("src/a.ts");
    world.check("fs.readFile", json!({"path": absolute}), Ok(json!("a"))).await;
    world.check("fs.readFile", json!({"path": "binary", "encoding": "base64"}), Ok(json!("/wA="))).await;
    world.check("fs.readFile", json!({"path": "binary"}), Err(("IO", "is not UTF-8"))).await;
    world.check("fs.readFile", json!({"path": "missing"}), Err(("NOT_FOUND", "can't read"))).await;
    world.check("fs.readFile", json!({"path": "missing/x"}), Err(("NOT_FOUND", "can't find"))).await;
    world.check("fs.readFile", json!({"path": "src"}), Err(("INVALID_ARGUMENT", "is a folder"))).await;
    world.check("fs.readFile", json!({"path": "a\u{0}b"}), Err(("INVALID_ARGUMENT", "control characters"))).await;
    world.check("fs.readFile", json!({"path": "C:\\x"}), Err(("INVALID_ARGUMENT", "form of Windows"))).await;
    world.check("fs.readFile", json!({"path": 1}), Err(("INVALID_ARGUMENT", "fs.readFile: invalid type"))).await;
    world.check("fs.readFile", json!({"path": "x", "encoding": "latin1"}), Err(("INVALID_ARGUMENT", "latin1"))).await;
    world.check("fs.readFile", json!({}), Err(("INVALID_ARGUMENT", "missing field"))).await;
    assert!(world.events().is_empty());
}

#[tokio::test]
async fn nothing_leads_out_and_restricted_files_stay_closed() {
    let world = world();
    symlink(world.outside().join("secret"), world.root.join("src/link")).unwrap();
    for path in ["../outside/secret", "/etc/passwd", "out/secret", "src/link", "src/../../outside/secret", "out"] {
        for op in ["fs.readFile", "fs.exists", "fs.readdir"] {
            let error = world.call(op, json!({"path": path})).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::CapabilityDenied, "{op} {path}: {error}");
            assert_eq!(error.capability.as_deref(), Some("filesystem.read"));
        }
        if path != "src/link" && path != "out" {
            world
                .check("fs.writeFile", json!({"path": path, "data": "x"}), Err(("CAPABILITY_DENIED", "outside")))
                .await;
            world.check("fs.remove", json!({"path": path}), Err(("CAPABILITY_DENIED", "outside"))).await;
        }
    }
    // Under its own name, and under one that looks harmless
    for path in [".env", "innocent", "./src/../.env"] {
        world.check("fs.readFile", json!({"path": path}), Err(("CAPABILITY_DENIED", "restricted"))).await;
        world.check("fs.writeFile", json!({"path": path, "data": "x"}), Err(("CAPABILITY_DENIED", "restricted"))).await;
    }
    world
        .check("fs.writeFile", json!({"path": ".mimir/config.yml", "data": "x"}), Err(("CAPABILITY_DENIED", "")))
        .await;
    assert_eq!(world.read(".env"), "KEY=1");
    assert_eq!(fs::read_to_string(world.outside().join("secret")).unwrap(), "secret");
    assert!(world.events().is_empty());
}

#[tokio::test]
async fn a_denial_names_the_capability_and_the_line() {
    let world = world_with(Options { capabilities: json!({}), ..Options::default() });
    let error = world.call("fs.writeFile", json!({"path": "x", "data": ""})).await.unwrap_err();
    let text = serde_json::to_value(&error).unwrap();
    assert_eq!(text["code"], "CAPABILITY_DENIED");
    assert_eq!(text["capability"], "filesystem.write");
    let hint = text["hint"].as_str().unwrap();
    assert!(
        hint.contains("`write: true`") && hint.contains("plugin.yml") && hint.contains("mimir plugin grant p"),
        "{hint}"
    );
    for (op, args) in [
        ("fs.readFile", json!({"path": "src/a.ts"})),
        ("fs.stat", json!({"path": "src/a.ts"})),
        ("fs.appendFile", json!({"path": "x", "data": ""})),
        ("fs.mkdir", json!({"path": "x"})),
        ("fs.remove", json!({"path": "src/a.ts"})),
        ("exec", json!({"command": "ls"})),
        ("fetch", json!({"url": "http://127.0.0.1:9/"})),
    ] {
        world.check(op, args, Err(("CAPABILITY_DENIED", "denied"))).await;
    }
}

#[tokio::test]
async fn writes_and_appends() {
    let world = world();
    world.check("fs.writeFile", json!({"path": "src/b.ts", "data": "ü"}), Ok(Value::Null)).await;
    world
        .check("fs.appendFile", json!({"path": "src/b.ts", "data": "IQ==", "encoding": "base64"}), Ok(Value::Null))
        .await;
    world.check("fs.appendFile", json!({"path": "new.log", "data": "1"}), Ok(Value::Null)).await;
    assert_eq!((world.read("src/b.ts"), world.read("new.log")), ("ü!".to_owned(), "1".to_owned()));
    assert_eq!(world.events(), ["+src/b.ts 2", "+src/b.ts 1", "+new.log 1"]);

    symlink("a.ts", world.root.join("src/alias")).unwrap();
    world.check("fs.writeFile", json!({"path": "src/alias", "data": "new"}), Ok(Value::Null)).await;
    assert_eq!((world.read("src/a.ts"), world.events()), ("new".to_owned(), vec!["+src/a.ts 3".to_owned()]));

    world.check("fs.writeFile", json!({"path": "no/folder", "data": ""}), Err(("NOT_FOUND", "can't find"))).await;
    world.check("fs.writeFile", json!({"path": "src", "data": ""}), Err(("INVALID_ARGUMENT", "is a folder"))).await;
    world
        .check(
            "fs.writeFile",
            json!({"path": "x", "data": "!", "encoding": "base64"}),
            Err(("INVALID_ARGUMENT", "base64")),
        )
        .await;
    world.check("fs.writeFile", json!({"path": ".", "data": ""}), Err(("CAPABILITY_DENIED", "root"))).await;
    assert!(world.events().is_empty());
}

#[tokio::test]
async fn sizes_are_limited() {
    let limits = ApiLimits { read: 10, write: 10, entries: 3, ..ApiLimits::default() };
    let world = world_with(Options { limits, ..Options::default() });
    fs::write(world.root.join("big"), "x".repeat(11)).unwrap();
    world.check("fs.readFile", json!({"path": "big"}), Err(("LIMIT", "larger than the limit of 10"))).await;
    world.check("fs.writeFile", json!({"path": "x", "data": "x".repeat(11)}), Err(("LIMIT", "11 bytes"))).await;
    world.check("fs.appendFile", json!({"path": "big", "data": "x"}), Err(("LIMIT", "larger"))).await;
    world.check("fs.readdir", json!({"path": "."}), Err(("LIMIT", "larger than the limit of 3"))).await;
    fs::create_dir_all(world.root.join("many")).unwrap();
    for n in 0..3 {
        fs::write(world.root.join(format!("many/{n}")), "").unwrap();
    }
    world.check("fs.remove", json!({"path": "many", "recursive": true}), Err(("LIMIT", "at once"))).await;
    assert_eq!(fs::read_dir(world.root.join("many")).unwrap().count(), 3);
}

#[tokio::test]
async fn a_file_of_eight_megabytes_goes_both_ways() {
    let world = world();
    let data = "x".repeat(8 << 20);
    world.check("fs.writeFile", json!({"path": "big", "data": data}), Ok(Value::Null)).await;
    world.check("fs.readFile", json!({"path": "big"}), Ok(json!(data))).await;
}

#[tokio::test]
async fn looks_at_files_and_folders() {
    let world = world();
    symlink("src", world.root.join("folder-link")).unwrap();
    symlink("nowhere", world.root.join("dangling")).unwrap();
    for (path, expected) in [
        ("src/a.ts", true),
        (".", true),
        ("folder-link/a.ts", true),
        ("missing", false),
        ("missing/x", false),
        ("dangling", false),
    ] {
        world.check("fs.exists", json!({"path": path}), Ok(json!(expected))).await;
    }
    let stat = world.call("fs.stat", json!({"path": "src/a.ts"})).await.unwrap();
    assert_eq!((&stat["isFile"], &stat["isSymlink"], &stat["size"]), (&json!(true), &json!(false), &json!(1)));
    assert!(stat["mtimeMs"].as_u64().unwrap() > 1_600_000_000_000);
    let stat = world.call("fs.stat", json!({"path": "folder-link"})).await.unwrap();
    assert_eq!((&stat["isDirectory"], &stat["isSymlink"]), (&json!(true), &json!(true)));
    world.check("fs.stat", json!({"path": "missing"}), Err(("NOT_FOUND", "there is no"))).await;
    world.check("fs.stat", json!({"path": "dangling"}), Ok(json!({"isFile": false, "isDirectory": false, "isSymlink": true, "size": 7, "mtimeMs": world.call("fs.stat", json!({"path": "dangling"})).await.unwrap()["mtimeMs"]}))).await;
    world.check("fs.readdir", json!({"path": "folder-link"}), Ok(json!(["a.ts"]))).await;
    world.check("fs.readdir", json!({"path": "src/a.ts"}), Err(("INVALID_ARGUMENT", "is a file"))).await;
}

#[tokio::test]
async fn makes_folders() {
    let world = world();
    world.check("fs.mkdir", json!({"path": "one"}), Ok(Value::Null)).await;
    world.check("fs.mkdir", json!({"path": "one"}), Err(("IO", "exists"))).await;
    world.check("fs.mkdir", json!({"path": "a/b/c"}), Err(("NOT_FOUND", ""))).await;
    for _ in 0..2 {
        world.check("fs.mkdir", json!({"path": "a/b/c", "recursive": true}), Ok(Value::Null)).await;
    }
    assert!(world.root.join("a/b/c").is_dir());
    world.check("fs.mkdir", json!({"path": "src/a.ts/x", "recursive": true}), Err(("IO", "in the way"))).await;
    world.check("fs.mkdir", json!({"path": "out/x", "recursive": true}), Err(("CAPABILITY_DENIED", "outside"))).await;
    world.check("fs.mkdir", json!({"path": "a/.mimir/x", "recursive": true}), Err(("CAPABILITY_DENIED", ""))).await;
    assert!(!world.root.join("a/.mimir").exists());
    assert_eq!(fs::read_dir(world.outside()).unwrap().count(), 1);
}

#[tokio::test]
async fn removes_what_it_may_and_nothing_if_something_is_closed() {
    let world = world();
    fs::create_dir_all(world.root.join("a/b")).unwrap();
    fs::write(world.root.join("a/b/f"), "").unwrap();
    symlink(world.outside(), world.root.join("a/link")).unwrap();

    world.check("fs.remove", json!({"path": "a"}), Err(("IO", "can't remove"))).await;
    world.check("fs.remove", json!({"path": "missing"}), Err(("NOT_FOUND", "there is no"))).await;
    world.check("fs.remove", json!({"path": ".", "recursive": true}), Err(("CAPABILITY_DENIED", "root"))).await;

    fs::write(world.root.join("a/b/.env"), "").unwrap();
    world.check("fs.remove", json!({"path": "a", "recursive": true}), Err(("CAPABILITY_DENIED", "restricted"))).await;
    assert!(world.root.join("a/b/f").exists() && world.root.join("a/link").is_symlink());
    assert!(world.events().is_empty());

    fs::remove_file(world.root.join("a/b/.env")).unwrap();
    world.check("fs.remove", json!({"path": "a", "recursive": true}), Ok(Value::Null)).await;
    assert!(!world.root.join("a").exists());
    assert!(world.outside().join("secret").exists());
    let mut events = world.events();
    events.sort();
    assert_eq!(events, ["-a/b/f", "-a/link"]);

    world.check("fs.remove", json!({"path": "out"}), Ok(Value::Null)).await;
    assert!(world.outside().join("secret").exists());
}
