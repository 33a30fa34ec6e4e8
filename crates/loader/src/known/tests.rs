#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mimir_shared_config::Config;
use tempfile::TempDir;

use super::*;
use crate::adapters::clock;
use crate::bundle::protocol::{Bundled, Confinement, Input};
use crate::cache::{unseal, write_sealed};
use crate::discovery::Places;
use crate::identity::sha256;
use crate::ports::Bundler;

const MANIFEST: &str = "name: p\nversion: 1.0.0\ndescription: A test\nevents: [file.modified]\n";

/// Takes the module as it is.
struct OneModule;

impl Bundler for OneModule {
    fn bundle(&self, root: &Path, request: &BundleRequest) -> Result<Bundled, LoadError> {
        let code = fs::read_to_string(root.join(&request.entry)).unwrap();
        let sha256 = sha256(code.as_bytes());
        let inputs = vec![Input { path: request.entry.clone(), sha256, is_module: true }];
        Ok(Bundled { code, source_map: String::new(), inputs, warnings: Vec::new(), confinement: Confinement::Full })
    }
}

/// A project whose repository brings a plugin, and a user who trusts it.
struct World(TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(world.plugin().join("src")).unwrap();
        world.write("plugin.yml", MANIFEST);
        world.write("src/index.ts", "one");
        world.loader().trust().trust(&world.path("work")).unwrap();
        world
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(path)
    }

    fn plugin(&self) -> PathBuf {
        self.path("work/.mimir/plugins/p")
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.plugin().join(path), text).unwrap();
    }

    fn index(&self) -> PathBuf {
        let mut files = fs::read_dir(self.path("home/cache/indexes")).unwrap();
        files.next().unwrap().unwrap().path()
    }

    /// Changes the text of the index, as someone does who knows how it is sealed.
    fn forge(&self, change: impl Fn(String) -> String) {
        let text = String::from_utf8(unseal(fs::read(self.index()).unwrap()).unwrap()).unwrap();
        let forged = change(text.clone());
        assert_ne!(forged, text);
        write_sealed(&self.index(), forged.as_bytes()).unwrap();
    }

    /// A loader of another run, at a time when all that was written is settled.
    fn loader(&self) -> PluginLoader {
        let mut loader = self.loader_now();
        Arc::get_mut(&mut loader.inner).unwrap().now_ns = || clock::now_ns() + 2 * 2_000_000_000;
        loader
    }

    fn loader_now(&self) -> PluginLoader {
        let places = Places::new(&self.path("work"), self.path("home"));
        PluginLoader::with_bundler(places, Config::default(), "0.1.0", Box::new(OneModule))
    }
}

/// Starts, and tells whether the plugin came from the index.
async fn start(loader: &PluginLoader) -> (bool, Arc<LoadedPlugin>) {
    let found = loader.discover_known().await.unwrap().found;
    let mut examined = loader.load_all(found).await.unwrap();
    let Examined { found, loaded } = examined.pop().unwrap();
    (matches!(found.origin, Origin::Index(_)), Arc::new(loaded.unwrap()))
}

/// Changes something between two starts, of which the second reads the plugin unless it `is_known`. Either way it knows what a
/// loader says that reads everything, and the third start knows it again.
async fn check(change: impl Fn(&World), is_known: bool) {
    let world = World::new();
    assert!(!start(&world.loader()).await.0);
    assert!(start(&world.loader()).await.0);
    change(&world);
    let (was_known, plugin) = start(&world.loader()).await;
    assert_eq!(was_known, is_known);
    let read = world.loader().load_folder(world.plugin()).await.unwrap();
    assert_eq!((&plugin.identity, &plugin.manifest), (&read.identity, &read.manifest));
    assert_eq!(world.loader().code(&plugin).await.unwrap(), read.code().unwrap());
}

#[tokio::test]
async fn only_what_is_as_it_was_is_not_read() {
    check(|_| {}, true).await;
    check(|world| world.write("src/index.ts", "two"), false).await;
    check(|world| world.write("src/index.ts", "one"), false).await;
    check(|world| world.write("plugin.yml", &MANIFEST.replace("file.modified", "file.deleted")), false).await;
    check(|world| world.write("package.json", r#"{"name": "other"}"#), false).await;
    check(|world| world.write("index.ts", "another"), false).await;
    check(|world| world.write("src/other.ts", "added"), false).await;
    check(|world| world.write("src/index.mts", "comes after src/index.ts"), false).await;
    check(|world| fs::create_dir(world.plugin().join("node_modules")).unwrap(), false).await;
    let module = |world: &World| world.plugin().join("src/index.ts");
    check(|world| fs::rename(module(world), world.plugin().join("index.ts")).unwrap(), false).await;
    check(|world| fs::set_permissions(module(world), fs::Permissions::from_mode(0o600)).unwrap(), false).await;
    let another = |world: &World| {
        world.write("src/other.ts", "by a link");
        fs::remove_file(module(world)).unwrap();
        symlink("other.ts", module(world)).unwrap();
    };
    check(another, false).await;
    // Whoever sets the time of the content back does not set the time of the change back
    let in_secret = |world: &World| {
        let file = || fs::File::options().write(true).open(module(world)).unwrap();
        let modified = file().metadata().unwrap().modified().unwrap();
        world.write("src/index.ts", "two");
        file().set_modified(modified).unwrap();
        assert_eq!(file().metadata().unwrap().modified().unwrap(), modified);
    };
    check(in_secret, false).await;
    // What lies beside the plugin is none of its files
    check(|world| fs::write(world.path("work/.mimir/plugins/note.txt"), "").unwrap(), true).await;
}

#[tokio::test]
async fn an_index_that_is_no_good_is_made_again() {
    let with_mode = |world: &World, mode| {
        fs::set_permissions(world.index(), fs::Permissions::from_mode(mode)).unwrap();
    };
    check(|world| fs::remove_file(world.index()).unwrap(), false).await;
    check(|world| fs::write(world.index(), "").unwrap(), false).await;
    check(|world| fs::write(world.index(), fs::read(world.index()).unwrap().split_off(1)).unwrap(), false).await;
    check(|world| with_mode(world, 0o666), false).await;
    check(|world| world.forge(|text| text.replace("\"0.1.0 ", "\"0.0.9 ")), false).await;
    check(|world| world.forge(|text| text.replace("\"hash\":\"", "\"hash\":\"x")), false).await;
    check(|world| world.forge(|text| text.replacen('{', "[", 1)), false).await;
    let by_link = |world: &World| {
        fs::rename(world.index(), world.path("elsewhere")).unwrap();
        symlink(world.path("elsewhere"), world.path("home/cache/indexes/x")).unwrap();
        fs::rename(world.path("home/cache/indexes/x"), {
            let name = sha256(world.path("work").as_os_str().as_encoded_bytes());
            world.path("home/cache/indexes").join(name)
        })
        .unwrap();
    };
    check(by_link, false).await;
}

#[tokio::test]
async fn what_was_changed_a_moment_ago_is_read_again() {
    let world = World::new();
    for _ in 0..3 {
        assert!(!start(&world.loader_now()).await.0);
    }
    // And where the clock was set back
    let mut early = world.loader_now();
    Arc::get_mut(&mut early.inner).unwrap().now_ns = || 0;
    assert!(!start(&early).await.0);
    assert!(!start(&world.loader()).await.0);
    assert!(start(&world.loader_now()).await.0, "it had settled when it was read the last time");
}

#[tokio::test]
async fn a_cache_that_can_not_be_written_is_no_error() {
    let world = World::new();
    fs::write(world.path("home/cache"), "no folder").unwrap();
    for _ in 0..2 {
        assert!(!start(&world.loader()).await.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_at_once_leave_a_whole_index() {
    let world = World::new();
    let loaders: Vec<_> = (0..8).map(|_| world.loader()).collect();
    let starts: Vec<_> = loaders.into_iter().map(|loader| tokio::spawn(async move { start(&loader).await })).collect();
    for start in starts {
        assert_eq!(start.await.unwrap().1.id.as_str(), "p");
    }
    assert!(start(&world.loader()).await.0);
}

#[tokio::test]
async fn who_asks_about_plugins_reads_them() {
    let world = World::new();
    start(&world.loader()).await;
    let found = world.loader().discover().await.unwrap().found;
    assert!(matches!(found[0].origin, Origin::Files(_)));
    assert!(world.loader().load(&found[0]).await.unwrap().code().is_some());
}

/// The index says what a plugin is, and never that it may run.
#[tokio::test]
async fn trust_and_grants_are_not_remembered() {
    let world = World::new();
    world.write("plugin.yml", &format!("{MANIFEST}capabilities: {{ filesystem: {{ read: true }} }}\n"));
    let (_, plugin) = start(&world.loader()).await;
    assert!(matches!(plugin.grant, GrantState::NeedsGrant { granted_before: None, .. }));
    world.loader().grants().grant(&plugin.identity, &plugin.manifest).unwrap();
    let (is_known, plugin) = start(&world.loader()).await;
    assert!(is_known && matches!(plugin.grant, GrantState::Granted { .. }));
    world.loader().trust().distrust(&world.path("work")).unwrap();
    let (is_known, plugin) = start(&world.loader()).await;
    assert!(is_known && matches!(plugin.grant, GrantState::RepositoryUntrusted { .. }));
    world.loader().trust().trust(&world.path("work")).unwrap();
    world.write("src/index.ts", "another content");
    let (is_known, plugin) = start(&world.loader()).await;
    assert!(!is_known && matches!(plugin.grant, GrantState::NeedsGrant { granted_before: Some(_), .. }));
}

/// Whatever the index says: what runs has the content hash that was looked up among the grants.
#[tokio::test]
async fn a_forged_index_makes_nothing_run() {
    let world = World::new();
    let (_, granted) = start(&world.loader()).await;
    let hash = granted.identity.hash.as_str();
    world.write("src/index.ts", "evil");
    let (_, evil) = start(&world.loader()).await;
    assert_ne!(evil.identity, granted.identity);
    world.forge(|text| text.replace(evil.identity.hash.as_str(), hash));
    let loader = world.loader();
    let (is_known, forged) = start(&loader).await;
    assert!(is_known && forged.identity == granted.identity, "it passes for what was granted");
    assert!(matches!(loader.code(&forged).await, Err(LoadError::Changed { .. })));
    // Nor where the files are touched meanwhile: the bundle that was kept is the evil one's as well
    world.write("src/index.ts", "evil again");
    assert!(matches!(loader.code(&forged).await, Err(LoadError::Changed { .. })));
    assert!(forged.code().is_none());
}

/// A run goes on with what it began with, or without: never with what nobody looked at.
#[tokio::test]
async fn what_is_changed_during_a_run_counts_from_the_next_one() {
    let world = World::new();
    start(&world.loader()).await;
    let loader = world.loader();
    let (_, plugin) = start(&loader).await;
    let (_, later) = start(&loader).await;
    world.write("src/index.ts", "two");
    assert_eq!(&*loader.code(&plugin).await.unwrap(), "one");
    fs::remove_dir_all(world.path("home/cache/bundles")).unwrap();
    assert!(matches!(loader.code(&later).await, Err(LoadError::Changed { .. })));
    assert_eq!(&*loader.code(&plugin).await.unwrap(), "one");
    let (is_known, next) = start(&world.loader()).await;
    assert_eq!((is_known, &*next.code().unwrap()), (false, "two"));
}
