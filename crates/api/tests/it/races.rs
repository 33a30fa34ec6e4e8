//! A path that is swapped while it is opened: somebody else in the project (a program that runs there, another plugin's
//! program) makes of the checked path another one at the worst moment. Every attempt ends at the file that was allowed or
//! in a refusal, and both are seen.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use mimir_api::{ApiError, ErrorCode};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::{Value, json};

use crate::harness::{Options, World, world_with};

const ATTEMPTS: usize = 100_000;

/// The project: `folder/secret` and `link`, which leads there, are harmless. What they change places with leads to the
/// folder outside, to a closed folder and to a restricted one, each with a `secret` that is one.
fn world() -> World {
    let world = world_with(Options { remembers: false, ..Options::default() });
    for (folder, text) in
        [("folder", "harmless"), (".git/hooks", "secret"), ("restricted/.env", "secret"), ("harmless", "harmless")]
    {
        fs::create_dir_all(world.root.join(folder)).unwrap();
        fs::write(world.root.join(folder).join("secret"), text).unwrap();
    }
    symlink("harmless/secret", world.root.join("link")).unwrap();
    for (name, target) in [("outside", "../outside"), ("hooks", ".git/hooks"), ("restricted", "restricted/.env")] {
        symlink(target, world.root.join(format!("folder-{name}"))).unwrap();
        symlink(format!("{target}/secret"), world.root.join(format!("link-{name}"))).unwrap();
    }
    world
}

/// How attempts ended.
#[derive(Debug, Default)]
struct Outcomes {
    allowed: usize,
    refused: usize,
    /// Neither: what was opened moved away under it.
    failed: usize,
}

/// Calls `op` on `folder/secret` and on `link` in turn while both are swapped as fast as it goes. What may come out of it
/// is told by `is_allowed`.
fn race(world: &World, op: &str, data: &str, is_allowed: fn(&Value) -> bool) {
    let stop = AtomicBool::new(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut outcomes = [Outcomes::default(), Outcomes::default()];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for (swapped, other) in ["folder", "link"]
                    .iter()
                    .flat_map(|name| ["outside", "hooks", "restricted"].map(|other| (*name, format!("{name}-{other}"))))
                {
                    // There and back, so that each has its own name again
                    for _ in 0..2 {
                        let [swapped, other] = [swapped, &other].map(|name| world.root.join(name));
                        renameat_with(CWD, &swapped, CWD, &other, RenameFlags::EXCHANGE).unwrap();
                    }
                }
            }
        });
        runtime.block_on(async {
            for attempt in 0..ATTEMPTS {
                let path = ["folder/secret", "link"][attempt % 2];
                let outcomes = &mut outcomes[attempt % 2];
                match world.call(op, json!({"path": path, "data": data})).await {
                    Ok(value) => {
                        assert!(is_allowed(&value), "{op} escaped: {value}");
                        outcomes.allowed += 1;
                    }
                    Err(ApiError { code: ErrorCode::CapabilityDenied, .. }) => outcomes.refused += 1,
                    Err(_) => outcomes.failed += 1,
                }
            }
        });
        stop.store(true, Ordering::Relaxed);
    });
    for outcomes in &outcomes {
        assert_eq!(outcomes.allowed + outcomes.refused + outcomes.failed, ATTEMPTS / 2);
        assert!(outcomes.allowed > 0 && outcomes.refused > 0, "both ends of the race are seen: {outcomes:?}");
    }
    for folder in [world.outside(), world.root.join(".git/hooks"), world.root.join("restricted/.env")] {
        is_only_secret(&folder, "secret");
    }
}

/// The folder holds the file `secret` alone, with this text.
fn is_only_secret(folder: &Path, text: &str) {
    let names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["secret"], "{}", folder.display());
    assert_eq!(fs::read_to_string(folder.join("secret")).unwrap(), text, "{}", folder.display());
}

#[test]
fn what_is_swapped_while_it_is_read() {
    race(&world(), "fs.readFile", "", |text| text == "harmless");
}

#[test]
fn what_is_swapped_while_it_is_written() {
    let world = world();
    race(&world, "fs.writeFile", "written", Value::is_null);
    for folder in ["folder", "harmless"] {
        is_only_secret(&world.root.join(folder), "written");
    }
}
