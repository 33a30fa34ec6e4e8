//! Whatever text a plugin gives as a path, what is reached is beneath the project's root, and not closed or restricted.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::harness::{World, world};

/// Names that mean something in the world below, some in a spelling that another file system would take for them, and
/// what is no name at all.
const NAMES: &[&str] = &[
    "",
    ".",
    "..",
    "...",
    "src",
    "SRC",
    "a.ts",
    "out",
    "innocent",
    "secret",
    "outside",
    "project",
    ".env",
    ".ENV",
    ".env.",
    ".git",
    ".GIT",
    ".g\u{ad}it",
    "．git",
    "git~1",
    "hooks",
    "HOOKS",
    "config",
    "HEAD",
    "objects",
    "bare",
    ".mimir",
    ".Mimir",
    "config.yml",
    ".ssh",
    ".\u{17f}sh",
    "id_rsa",
    "proc",
    "self",
    "cwd",
    "root",
    "fd",
    "3",
    "dev",
    "null",
    "etc",
    "passwd",
    "to-git",
    "to-mimir",
    "to-key",
    "to-nothing",
    "to-root",
    "to-proc",
    "chain",
    "loop",
    "deep",
    "new",
    "~",
    "$HOME",
    "%2e%2e",
    "\u{2024}\u{2024}",
    "a\0b",
    "C:",
    "\\",
    "x\u{202e}y",
    "größe",
    "gro\u{308}ße",
];

fn paths() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        8 => proptest::sample::select(NAMES).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    let start = prop_oneof![
        6 => Just(String::new()),
        1 => Just("/".to_owned()),
        1 => Just("ROOT/".to_owned()),
        1 => Just("ROOT/../".to_owned()),
        1 => Just("//".to_owned()),
    ];
    (start, proptest::collection::vec(name, 0..7), any::<bool>())
        .prop_map(|(start, names, is_folder)| format!("{start}{}{}", names.join("/"), if is_folder { "/" } else { "" }))
}

/// A project with everything in it that is closed, and links to all of it. All that no plugin may read says "secret".
fn hostile_world() -> World {
    let world = world();
    for (path, text) in [
        (".git/config", "secret"),
        (".git/hooks/pre-commit", "secret"),
        (".git/HEAD", "ref: refs/heads/main"),
        (".git/objects/pack", "secret"),
        ("bare/HEAD", "ref: refs/heads/main"),
        ("bare/config", "secret"),
        ("bare/hooks/post-commit", "secret"),
        (".mimir/config.yml", "secret"),
        (".ssh/id_rsa", "secret"),
        ("src/.env", "secret"),
        ("deep/.mimir/x", "secret"),
        ("src/deep/a.ts", "open"),
    ] {
        let path = world.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(world.root.join(".env"), "secret").unwrap();
    for (link, target) in [
        ("to-git", ".git/config"),
        ("to-mimir", ".mimir"),
        ("to-key", "src/../.ssh/id_rsa"),
        ("to-nothing", ".git/hooks/post-merge"),
        ("to-root", "."),
        ("to-proc", "/proc/self"),
        ("chain", "src/chain"),
        ("src/chain", "../to-git"),
        ("loop", "loop/loop"),
    ] {
        symlink(target, world.root.join(link)).unwrap();
    }
    world
}

/// What no plugin may change: all outside of the project, and in it what is closed.
fn closed(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![world.root.parent().unwrap().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type().unwrap())).unwrap();
            if kind.is_dir() {
                folders.push(path.clone());
            }
            let beneath = path.strip_prefix(&world.root).map(Path::to_path_buf);
            let is_closed = beneath.is_err()
                || beneath.is_ok_and(|path| {
                    let own = |name: &str| [".git", ".mimir", ".ssh", ".env"].contains(&name);
                    path.iter().any(|name| own(name.to_str().unwrap()))
                        || path.starts_with("bare/hooks")
                        || path == Path::new("bare/config")
                });
            if is_closed && !path.starts_with(world.root.parent().unwrap().join("home")) {
                let content = if kind.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
                found.insert(path, content);
            }
        }
    }
    found
}

/// How many of the paths led anywhere: a test in which all are refused would prove nothing.
fn check(world: &World, ops: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let before = closed(world);
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() });
    let reached = std::cell::Cell::new(0);
    let root = world.root.to_str().unwrap();
    let result = runner.run(&paths(), |path| {
        let path = path.replace("ROOT", root);
        for op in ops {
            let args = json!({"path": path, "data": "x", "recursive": true});
            if let Ok(value) = runtime.block_on(world.call(op, args)) {
                reached.set(reached.get() + 1);
                prop_assert!(!value.to_string().contains("secret"), "{op} {path:?} gives {value}");
            }
        }
        Ok(())
    });
    result.unwrap();
    assert!(reached.get() > 100, "{} paths led somewhere", reached.get());
    assert_eq!(closed(world), before);
}

#[test]
fn no_text_reads_what_is_closed() {
    let world = hostile_world();
    check(&world, &["fs.readFile", "fs.readdir", "fs.exists", "fs.stat"]);
}

#[test]
fn no_text_changes_what_is_closed() {
    let world = hostile_world();
    check(&world, &["fs.writeFile", "fs.appendFile", "fs.mkdir"]);
}

#[test]
fn no_text_removes_what_is_closed() {
    let world = hostile_world();
    check(&world, &["fs.mkdir", "fs.remove"]);
}
