use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mimir_loader::{BundleRequest, Bundled, Bundler, LoadError, PluginCache, PluginLoader, ToolLanguage};
use mimir_shared_config::PluginId;

use crate::project::{Project, VERSION, bundler};

/// The real bundler, and how often it was started.
struct Counted(Arc<AtomicUsize>);

impl Bundler for Counted {
    fn bundle(&self, root: &Path, request: &BundleRequest) -> Result<Bundled, LoadError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        bundler().bundle(root, request)
    }
}

fn counted(project: &Project) -> (PluginLoader, Arc<AtomicUsize>) {
    let started = Arc::new(AtomicUsize::new(0));
    let bundler = Box::new(Counted(started.clone()));
    (PluginLoader::with_bundler(project.places(), project.config(true), VERSION, bundler), started)
}

fn plugin(project: &Project) {
    project
        .plugin(
            "plugin",
            "cached",
            "import { a } from './lib/a';\nimport { d } from 'dep';\nexport default () => a + d;\n",
        )
        .write("plugin/lib/a.js", "export const a = 'A1';\n")
        .write("plugin/node_modules/dep/package.json", r#"{"name": "dep", "main": "./main.js"}"#)
        .write("plugin/node_modules/dep/main.js", "exports.d = 'D1';\n")
        .write("plugin/node_modules/dep/other.js", "exports.d = 'D2';\n");
}

#[tokio::test]
async fn only_a_change_that_matters_starts_the_bundler() {
    let project = Project::new();
    plugin(&project);
    let (loader, started) = counted(&project);
    let check = async |is_cached: bool, contains: &str| {
        let before = started.load(Ordering::Relaxed);
        let plugin = loader.load_folder(project.path("plugin")).await.unwrap();
        assert_eq!(plugin.is_from_cache, is_cached, "{contains}");
        assert_eq!(started.load(Ordering::Relaxed) - before, usize::from(!is_cached), "{contains}");
        assert!(plugin.code().unwrap().contains(contains), "{contains}: {}", plugin.code().unwrap());
        plugin.identity.hash
    };
    let first = check(false, "A1").await;
    assert_eq!(check(true, "A1").await, first);
    project.write("plugin/lib/a.js", "export const a = 'A2';\n");
    let second = check(false, "A2").await;
    assert_ne!(second, first);
    assert_eq!(check(true, "A2").await, second);
    // A file that was not there, and comes before the one that was taken
    project.write("plugin/lib/a.ts", "export const a: string = 'A3';\n");
    check(false, "A3").await;
    check(true, "A3").await;
    project.write("plugin/node_modules/dep/package.json", r#"{"name": "dep", "main": "./other.js"}"#);
    check(false, "D2").await;
    // A nearer package of the same name
    project.write("plugin/node_modules/dep/node_modules/unrelated/index.js", "");
    project.write("plugin/lib/notes.txt", "");
    check(false, "A3").await;
    check(true, "A3").await;
    fs::remove_file(project.path("plugin/lib/a.ts")).unwrap();
    let last = check(false, "A2").await;
    // `a` is as it was at the second, `dep` is not
    assert_ne!(last, second);
    // The manifest is part of the identity, not of the bundle
    project.write("plugin/plugin.yml", "name: cached\nversion: 2.0.0\ndescription: A test\n");
    assert_ne!(check(true, "A2").await, last);
}

#[tokio::test]
async fn a_damaged_entry_is_made_anew() {
    let project = Project::new();
    plugin(&project);
    let (loader, started) = counted(&project);
    let load = async || loader.load_folder(project.path("plugin")).await.unwrap();
    load().await;
    let entry = fs::read_dir(project.path("home/.mimir/cache/bundles")).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&entry).unwrap();
    let damages: [&dyn Fn(Vec<u8>) -> Vec<u8>; 5] = [
        &|_| Vec::new(),
        &|bytes| bytes[..bytes.len() / 2].to_vec(),
        &|bytes| String::from_utf8(bytes).unwrap().replace("A1", "X1").into_bytes(),
        &|_| vec![b'\n'; 65],
        &|_| b"garbage".to_vec(),
    ];
    for (index, damage) in damages.into_iter().enumerate() {
        fs::write(&entry, damage(whole.clone())).unwrap();
        let plugin = load().await;
        assert!(!plugin.is_from_cache && plugin.code().unwrap().contains("A1"), "{index}");
        assert!(load().await.is_from_cache, "{index}");
    }
    assert_eq!(started.load(Ordering::Relaxed), 6);
}

#[tokio::test]
async fn an_input_that_becomes_a_link_out_of_the_folder_is_no_input() {
    let project = Project::new();
    plugin(&project);
    let (loader, _) = counted(&project);
    loader.load_folder(project.path("plugin")).await.unwrap();
    fs::rename(project.path("plugin/lib/a.js"), project.path("a.js")).unwrap();
    std::os::unix::fs::symlink(project.path("a.js"), project.path("plugin/lib/a.js")).unwrap();
    let error = loader.load_folder(project.path("plugin")).await.unwrap_err();
    assert!(error.to_string().contains("leads outside"), "{error}");
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_no_obstacle() {
    let project = Project::new();
    plugin(&project);
    project.write("home/.mimir/cache", "a file where the folder should be");
    let (loader, started) = counted(&project);
    for _ in 0..2 {
        assert!(!loader.load_folder(project.path("plugin")).await.unwrap().is_from_cache);
    }
    assert_eq!(started.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn two_at_once_both_get_the_plugin() {
    let project = Project::new();
    plugin(&project);
    let loads: Vec<_> = (0..4)
        .map(|_| {
            let (loader, _) = counted(&project);
            let dir = project.path("plugin");
            tokio::spawn(async move { loader.load_folder(dir).await.unwrap() })
        })
        .collect();
    for load in loads {
        assert!(load.await.unwrap().code().unwrap().contains("A1"));
    }
    let entries = fs::read_dir(project.path("home/.mimir/cache/bundles")).unwrap().count();
    assert_eq!(entries, 1, "no temporary file is left");
}

#[test]
fn compiled_code_is_kept_by_its_key() {
    let project = Project::new();
    let cache = PluginCache::in_home(&project.path("home/.mimir"));
    assert_eq!(cache.code_cache("v8 15.2/abc"), None);
    cache.store_code_cache("v8 15.2/abc", &[0, 1, 255]).unwrap();
    assert_eq!(cache.code_cache("v8 15.2/abc"), Some(vec![0, 1, 255]));
    assert_eq!(cache.code_cache("v8 15.2/abd"), None);
    cache.store_code_cache("v8 15.2/abc", &[2]).unwrap();
    assert_eq!(cache.code_cache("v8 15.2/abc"), Some(vec![2]));
    let file = fs::read_dir(project.path("home/.mimir/cache/code")).unwrap().next().unwrap().unwrap().path();
    fs::write(&file, [fs::read(&file).unwrap(), vec![3]].concat()).unwrap();
    assert_eq!(cache.code_cache("v8 15.2/abc"), None);
    cache.remove_code_cache("v8 15.2/abc").unwrap();
    cache.remove_code_cache("v8 15.2/abc").unwrap();
    assert!(!file.exists());
}

#[tokio::test]
async fn what_was_declared_is_kept_by_its_key_unless_it_is_huge() {
    let project = Project::new();
    let loader = project.loader();
    let (mine, others) = (loader.declarations().await.unwrap(), loader.declarations().await.unwrap());
    let check = async |key: &str, expected: Option<&str>| {
        assert_eq!(loader.declarations().await.unwrap().get(key).as_deref(), expected, "{key}");
    };
    assert_eq!(mine.get("p"), None);
    mine.put("p", "{\"tools\": []}").unwrap();
    others.put("q", "{}").unwrap();
    assert_eq!(mine.get("p").as_deref(), Some("{\"tools\": []}"));
    check("p", Some("{\"tools\": []}")).await;
    check("q", Some("{}")).await;
    check("r", None).await;
    mine.put("p", &"x".repeat((1 << 20) + 1)).unwrap();
    check("p", None).await;
    // What nobody asked for in this run makes room
    let large = "x".repeat(1 << 20);
    for number in 0..8 {
        mine.put(&format!("large {number}"), &large).unwrap();
    }
    check("large 7", Some(&large)).await;
    check("q", None).await;
    let file = fs::read_dir(project.path("home/.mimir/cache/declared")).unwrap().next().unwrap().unwrap().path();
    fs::write(&file, "damaged").unwrap();
    check("large 7", None).await;
}

#[tokio::test]
async fn the_code_of_a_tool_is_one_text() {
    let project = Project::new();
    let (loader, started) = counted(&project);
    let id = || PluginId::new("@mimir-custom-tools/t.1").unwrap();
    let load = async |text: &str, language| loader.load_tool(id(), text.to_owned(), language).await;
    let text = "export const execute = (args: { n: number }): number => args.n;";
    for _ in 0..2 {
        let tool = load(text, ToolLanguage::TypeScript).await.unwrap();
        assert!(tool.code.contains("args.n") && !tool.code.contains("number"), "{}", tool.code);
    }
    assert_eq!(started.load(Ordering::Relaxed), 1, "the second time it comes from the cache");
    let refused = async |text: &str, language, expected: &str| {
        let error = load(text, language).await.unwrap_err();
        let problems: Vec<_> =
            error.problems().iter().map(|problem| format!("{}: {}", problem.file, problem.message)).collect();
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{problems:?}");
    };
    refused(text, ToolLanguage::JavaScript, "tool.js").await;
    refused("import fs from 'node:fs'; export const execute = () => fs;", ToolLanguage::TypeScript, "tool.ts").await;
    refused("export { execute } from '../../etc/tool.js';", ToolLanguage::JavaScript, "tool.js").await;
    assert!(load("import '@mimir/plugin'; export const execute = () => 1;", ToolLanguage::JavaScript).await.is_ok());
}
