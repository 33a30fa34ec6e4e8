//! How much of one plugin is done at once, and what becomes of the rest.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use futures::future::{BoxFuture, join_all};
use mimir_api::{ApiError, PluginProfile};
use mimir_shared_platform::{
    DirEntry, Directory, FileSystem, Links, Metadata, OsFileSystem, Place, PlatformError, UpdateFn,
};
use serde_json::{Value, json};

use crate::harness::{Options, World, profile, world, world_with};

/// More threads than one plugin may have, and fewer than its calls.
const THREADS: usize = 8;
const FLOOD: usize = 10_000;

/// Keeps whoever comes until it is opened.
#[derive(Default)]
struct Barrier {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_open: bool,
    inside: usize,
    most: usize,
    all: usize,
}

impl Barrier {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        (state.inside, state.all) = (state.inside + 1, state.all + 1);
        state.most = state.most.max(state.inside);
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| !state.is_open).unwrap();
        state.inside -= 1;
    }

    /// Waits until so many are inside.
    fn wait_for(&self, inside: usize) {
        drop(self.changed.wait_while(self.state.lock().unwrap(), |state| state.inside < inside).unwrap());
    }

    fn open(&self) {
        self.state.lock().unwrap().is_open = true;
        self.changed.notify_all();
    }

    /// The most that were inside at once, and how many came at all.
    fn seen(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        (state.most, state.all)
    }
}

/// The real files, but stores and `held` are behind a barrier.
struct Held(Arc<Barrier>);

struct HeldDirectory(Arc<dyn Directory>, Arc<Barrier>);

impl Directory for HeldDirectory {
    fn root(&self) -> &Path {
        self.0.root()
    }

    fn place(&self, path: &Path, links: Links) -> Result<Box<dyn Place>, PlatformError> {
        if path.ends_with("held") {
            self.1.pass();
        }
        self.0.place(path, links)
    }
}

impl FileSystem for Held {
    fn read(&self, path: &Path) -> Result<Vec<u8>, PlatformError> {
        OsFileSystem.read(path)
    }

    fn write_atomic(&self, path: &Path, contents: &[u8], mode: Option<u32>) -> Result<(), PlatformError> {
        OsFileSystem.write_atomic(path, contents, mode)
    }

    fn update(&self, path: &Path, mode: Option<u32>, change: UpdateFn<'_>) -> Result<(), PlatformError> {
        self.0.pass();
        OsFileSystem.update(path, mode, change)
    }

    fn create_dir_all(&self, path: &Path, mode: Option<u32>) -> Result<(), PlatformError> {
        OsFileSystem.create_dir_all(path, mode)
    }

    fn remove(&self, path: &Path) -> Result<(), PlatformError> {
        OsFileSystem.remove(path)
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<DirEntry>, PlatformError> {
        OsFileSystem.read_dir(path)
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, PlatformError> {
        OsFileSystem.metadata(path)
    }

    fn canonicalize(&self, path: &Path) -> Result<PathBuf, PlatformError> {
        OsFileSystem.canonicalize(path)
    }

    fn open_directory(&self, root: &Path) -> Result<Arc<dyn Directory>, PlatformError> {
        Ok(Arc::new(HeldDirectory(OsFileSystem.open_directory(root)?, Arc::clone(&self.0))))
    }
}

fn held() -> (World, Arc<Barrier>) {
    let barrier = Arc::<Barrier>::default();
    (world_with(Options { files: Arc::new(Held(Arc::clone(&barrier))), ..Options::default() }), barrier)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(THREADS).enable_all().build();
    runtime.unwrap().block_on(work)
}

type Flood<'a> = BoxFuture<'a, Vec<Result<Value, ApiError>>>;

/// Many calls of a plugin, all of them under way.
async fn flood<'a>(
    world: &'a World,
    plugin: &'a Arc<PluginProfile>,
    count: usize,
    op: &'static str,
    args: impl Fn(usize) -> Value,
) -> Flood<'a> {
    let calls: Vec<_> = (0..count).map(|n| world.call_as(plugin, op, args(n))).collect();
    let mut flood: Flood<'a> = Box::pin(join_all(calls));
    // Those that wait to begin do so between others
    for _ in 0..2 * count {
        assert!(futures::poll!(&mut flood).is_pending());
        tokio::task::yield_now().await;
    }
    flood
}

#[test]
fn a_neighbour_is_answered_while_a_plugin_floods_the_agent() {
    type Args = fn(usize) -> Value;
    let cases: [(&str, Args, usize); 3] = [
        ("storage.set", |n| json!({"key": format!("k{}", n % 10), "value": n}), 1),
        ("fs.readFile", |_| json!({"path": "held"}), 4),
        // What is on the way to starting a program waits as well
        ("exec", |_| json!({"command": "true", "args": [], "cwd": "held"}), 4),
    ];
    for (op, args, most) in cases {
        run(async {
            let (world, barrier) = held();
            let (attacker, neighbour) = (profile("attacker", "/a"), profile("neighbour", "/n"));
            let mut flood = flood(&world, &attacker, FLOOD, op, args).await;
            barrier.wait_for(most);
            let mut read = Box::pin(world.call_as(&neighbour, "fs.readFile", json!({"path": "src/a.ts"})));
            let read = tokio::select! {
                _ = &mut flood => panic!("{op}: it is held"),
                read = &mut read => read,
            };
            assert_eq!((read, barrier.seen()), (Ok(json!("a")), (most, most)), "{op}");
            drop(flood);
            barrier.open();
        });
    }
}

#[test]
fn ten_thousand_calls_are_all_answered_and_in_their_order() {
    run(async {
        let world = world();
        let plugin = profile("p", "/plugins/p");
        let set = |n: usize| world.call_as(&plugin, "storage.set", json!({"key": "last", "value": n}));
        let results = join_all((0..200).map(set)).await;
        assert!(results.iter().all(Result::is_ok));
        world.check("storage.get", json!({"key": "last"}), Ok(json!(199))).await;

        let denied = (0..FLOOD).map(|_| world.call_as(&plugin, "fs.readFile", json!({"path": ".env"})));
        assert!(join_all(denied).await.iter().all(Result::is_err));
    });
}

#[test]
fn what_was_dropped_before_its_turn_never_begins_and_is_counted() {
    run(async {
        let (world, barrier) = held();
        let plugin = profile("p", "/p");
        let flood = flood(&world, &plugin, 100, "storage.set", |n| json!({"key": format!("k{n}"), "value": n})).await;
        barrier.wait_for(1);
        drop(flood);
        world.context.forget_open(&plugin.id);
        barrier.open();
        // The store is free again once the one that had begun is done
        world.call_as(&plugin, "storage.keys", json!({})).await.unwrap();
        assert_eq!(barrier.seen(), (1, 1));
        world.context.forget_open(&plugin.id);
        let counted: Vec<_> = world
            .audit
            .records()
            .into_iter()
            .filter(|record| record.kind == "calls")
            .map(|record| record.detail)
            .collect();
        assert_eq!(counted.len(), 1, "{counted:?}");
        assert_eq!((&counted[0]["outcome"], &counted[0]["count"]), (&json!("skipped"), &json!(99)));
    });
}

#[test]
fn of_what_a_plugin_that_is_gone_has_waiting_the_first_is_done() {
    run(async {
        let (world, barrier) = held();
        let plugin = profile("p", "/p");
        let flood = flood(&world, &plugin, 500, "storage.set", |n| json!({"key": format!("k{n}"), "value": n})).await;
        barrier.wait_for(1);
        world.context.forget_open(&plugin.id);
        barrier.open();
        let results = flood.await;
        // One had begun
        assert_eq!(results.iter().take_while(|result| result.is_ok()).count(), 65);
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 65);
        // Started anew, it is as it was
        assert!(world.call_as(&plugin, "storage.set", json!({"key": "new", "value": 1})).await.is_ok());
    });
}

#[test]
fn a_flood_of_calls_that_change_nothing_fills_few_lines() {
    let allowed = json!({"path": "src/a.ts"});
    let cases = [
        ("fs.readFile", json!({"path": ".env"}), "CAPABILITY_DENIED", 100),
        ("fs.writeFile", json!({"path": ".env", "data": ""}), "CAPABILITY_DENIED", 100),
        ("fs.exists", allowed, "ok", 1_000),
        ("no.such", json!({}), "UNSUPPORTED", 1_000),
        ("fs.writeFile", json!({"path": "x", "data": ""}), "ok", 5_500),
    ];
    for (op, args, outcome, own) in cases {
        run(async {
            let world = world();
            let plugin = profile("p", "/p");
            for _ in 0..5_500 {
                let _ = world.call_as(&plugin, op, args.clone()).await;
            }
            world.context.forget_open(&plugin.id);
            let records = world.audit.records();
            let of_kind = |kind: &str| records.iter().filter(|record| record.kind == kind).collect::<Vec<_>>();
            assert_eq!(of_kind("call").len(), own, "{op} {outcome}");
            let counted = of_kind("calls");
            let count: u64 = counted.iter().map(|record| record.detail["count"].as_u64().unwrap()).sum();
            assert_eq!(count, 5_500 - own as u64, "nothing is lost");
            assert!(counted.len() <= 6 && counted.iter().all(|record| record.detail["outcome"] == outcome));
        });
    }
}
