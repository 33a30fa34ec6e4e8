use std::process::Command;

use mimir_loader::{Confinement, GrantState, LoadError, PluginValidator};

use crate::project::Project;

const CODE: &str = "export default () => ({});\n";

#[tokio::test]
async fn a_broken_plugin_is_reported_once_and_the_others_load() {
    let project = Project::new();
    project
        .plugin("work/.mimir/plugins/zeta", "zeta", CODE)
        .plugin("work/.mimir/plugins/alpha", "alpha", CODE)
        .plugin("work/.mimir/plugins/off", "off", CODE)
        .plugin("work/.mimir/plugins/syntax", "syntax", "export default () => {\n  return (;\n};\n")
        .plugin("work/.mimir/plugins/newer", "newer", CODE)
        .write("work/.mimir/plugins/newer/plugin.yml", "name: newer\nversion: 1.0.0\nengines: { mimir: '>=99' }\n")
        .write("work/.mimir/plugins/wrong/plugin.yml", "version: 1.0.0\n")
        .write("work/.mimir/plugins/no-main/plugin.yml", "name: no-main\nversion: 1.0.0\n")
        .write("work/.mimir/config.yml", "plugins:\n  enabled: [zeta, missing]\n  disabled: [off]\n");
    let report = project.loader().load_enabled().await.unwrap();
    let loaded: Vec<_> = report.plugins.iter().map(|plugin| plugin.id.as_str()).collect();
    assert_eq!(loaded, ["zeta", "alpha"], "listed ones first, then by name");
    let failed: Vec<_> = report.failed.iter().map(|(id, error)| format!("{id}: {error} [{}]", error.hint())).collect();
    let starts =
        ["newer: it needs Mimir >=99, and this is 0.1.0", "no-main: ", "syntax: index.ts:2:11: ", "wrong: plugin.yml"];
    assert_eq!(failed.len(), starts.len(), "{failed:#?}");
    for (line, start) in failed.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
        assert!(!line.ends_with("[]"), "{line}");
    }
    let problems: Vec<_> = report.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].ends_with("`missing` names no plugin"), "{problems:?}");
}

#[tokio::test]
async fn what_is_asked_for_must_be_granted() {
    let project = Project::new();
    let manifest = |capabilities: &str| {
        let text = format!("name: asks\nversion: 1.0.0\ndescription: A test\ncapabilities: {capabilities}\n");
        project.write("home/.mimir/plugins/asks/plugin.yml", &text);
    };
    project.plugin("home/.mimir/plugins/asks", "asks", CODE);
    let loader = project.loader();
    let load = async || {
        let report = loader.load_enabled().await.unwrap();
        assert!(report.failed.is_empty(), "{:?}", report.failed);
        report.plugins[0].clone()
    };
    let added = |state: &GrantState| match state {
        GrantState::NeedsGrant { added, .. } => added.clone(),
        other => panic!("{other:?}"),
    };
    let has_changed = |state: &GrantState| matches!(state, GrantState::NeedsGrant { granted_before: Some(_), .. });
    assert_eq!(load().await.grant.reason(), None, "what asks for nothing needs no grant");
    manifest("{ filesystem: { read: true } }");
    let plugin = load().await;
    assert_eq!(added(&plugin.grant), ["read files in the project"]);
    assert!(!has_changed(&plugin.grant));
    loader.grants().grant(&plugin.identity, &plugin.manifest).unwrap();
    let GrantState::Granted { grant } = load().await.grant.clone() else { panic!("granted, but does not run") };
    assert!(grant.is_for(&plugin.identity) && grant.capabilities.filesystem.read);
    // Other code that asks for the same
    project.write("home/.mimir/plugins/asks/index.ts", "export default () => ({ on: {} });\n");
    let state = load().await.grant.clone();
    assert_eq!(state.reason().unwrap(), "its content has changed since it was granted");
    assert!(has_changed(&state) && added(&state).is_empty());
    // And more
    manifest("{ filesystem: { read: true, write: true } }");
    let state = load().await.grant.clone();
    assert!(has_changed(&state));
    assert_eq!(added(&state), ["create and change files in the project"]);
    // Nothing any more: what was granted is not used, and what was taken out comes back by a grant alone
    manifest("{ }");
    let GrantState::Granted { grant } = load().await.grant.clone() else {
        panic!("asks for nothing, but does not run")
    };
    assert!(grant.capabilities.is_nothing());
    manifest("{ filesystem: { read: true } }");
    assert!(has_changed(&load().await.grant));
    // The content that was granted
    project.write("home/.mimir/plugins/asks/index.ts", CODE);
    assert_eq!(load().await.grant.reason(), None);
    // The same package in another place is another plugin
    project.plugin("elsewhere", "asks", CODE);
    manifest("{ filesystem: { read: true } }");
    std::fs::copy(project.path("home/.mimir/plugins/asks/plugin.yml"), project.path("elsewhere/plugin.yml")).unwrap();
    let stranger = loader.load_folder(project.path("elsewhere")).await.unwrap();
    assert_eq!(added(&stranger.grant), ["read files in the project"]);
    let plugin = load().await;
    assert!(loader.grants().revoke(&plugin.identity.source, "asks").unwrap());
    assert_eq!(added(&load().await.grant), ["read files in the project"]);
}

#[tokio::test]
async fn a_repository_must_be_trusted_first() {
    let project = Project::new();
    project.plugin("work/.mimir/plugins/theirs", "theirs", CODE).plugin("home/.mimir/plugins/own", "own", CODE);
    let loader = project.loader_of_stranger();
    let states = async || {
        let report = loader.load_enabled().await.unwrap();
        let state = |grant: &GrantState| matches!(grant, GrantState::RepositoryUntrusted { .. });
        report.plugins.iter().map(|plugin| (plugin.id.to_string(), state(&plugin.grant))).collect::<Vec<_>>()
    };
    assert_eq!(states().await, [("own".to_owned(), false), ("theirs".to_owned(), true)]);
    loader.trust().trust(&project.path("work")).unwrap();
    assert_eq!(states().await, [("own".to_owned(), false), ("theirs".to_owned(), false)]);
    assert!(loader.trust().distrust(&project.path("work/.mimir/..")).unwrap());
    assert_eq!(states().await, [("own".to_owned(), false), ("theirs".to_owned(), true)]);
    // Named for this run, by the user
    let named = loader.load_folder(project.path("work/.mimir/plugins/theirs")).await.unwrap();
    assert!(matches!(named.grant, GrantState::Granted { .. }));
}

/// What the validator says of a plugin with these files, and these links to files beside it.
fn validated(files: &[(&str, &str)], links: &[&str]) -> String {
    let project = Project::new();
    project.plugin("plugin", "p", CODE);
    for (path, text) in files {
        project.write(&format!("plugin/{path}"), text);
    }
    for path in links {
        let inside = project.path(&format!("plugin/{path}"));
        std::fs::rename(&inside, project.path("outside")).unwrap();
        std::os::unix::fs::symlink(project.path("outside"), &inside).unwrap();
    }
    match PluginValidator::new("0.1.0").validate(&project.path("plugin")) {
        Ok(validation) => {
            let warnings: Vec<_> = validation.warnings.iter().map(|warning| warning.message.as_str()).collect();
            format!("{} {}", validation.main, warnings.join(", "))
        }
        Err(LoadError::ManifestInvalid { problems, .. }) => problems[0].message.clone(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_main_module_is_found_and_stays_in_the_folder() {
    let check = |files: &[(&str, &str)], links: &[&str], expected: &str| {
        let said = validated(files, links);
        assert!(said.contains(expected), "{said:?} should say {expected:?}");
    };
    let named = |main: &str, file: &str, expected: &str| {
        let manifest = format!("name: p\nversion: 1.0.0\ndescription: d\nmain: {main}\n");
        check(&[("plugin.yml", &manifest), (file, CODE)], &[], expected);
    };
    named("lib/start.ts", "lib/start.ts", "lib/start.ts ");
    named("lib/start", "lib/start.ts", "lib/start.ts ");
    named("missing.ts", "unused.ts", "no module to load");
    named("../outside.ts", "unused.ts", "outside");
    named("lib/../../outside.ts", "unused.ts", "outside");
    named("/etc/passwd", "unused.ts", "/etc/passwd");
    let by_package = |package: &str, file: &str, expected: &str| {
        check(&[("package.json", package), (file, CODE)], &[], expected);
    };
    by_package(r#"{"exports": {"import": "./lib/x.mjs"}}"#, "lib/x.mjs", "lib/x.mjs ");
    by_package(r#"{"main": "lib/x"}"#, "lib/x.js", "lib/x.js ");
    by_package(r#"{"main": "../outside.ts"}"#, "unused.ts", "outside the plugin's folder");
    by_package(r#"{"main": "dist/x.js"}"#, "unused.ts", "`dist/x.js`, which does not exist");
    by_package(r#"{"version": "2.0.0"}"#, "unused.ts", "differs from package.json's");
    by_package("{", "unused.ts", "package.json is no JSON");
    check(&[], &[], "index.ts ");
    check(&[("src/index.js", CODE)], &[], "src/index.js ");
    check(&[], &["index.ts"], "outside the plugin's folder");
    check(&[], &["plugin.yml"], "outside the plugin's folder");
    check(&[("package.json", "{}")], &["package.json"], "outside the plugin's folder");
}

#[tokio::test]
async fn stack_traces_lead_to_typescript() {
    let project = Project::new();
    project
        .plugin(
            "plugin",
            "@user/traced",
            "import { fail } from './lib/fail';\n\ninterface Gone { a: number }\n\nexport default () => fail({ a: 1 } as Gone);\n",
        )
        .write(
            "plugin/lib/fail.ts",
            "// A comment\nexport type T = { a: number };\n\nexport function fail(t: T): never {\n  throw new Error(`no ${t.a}`);\n}\n",
        );
    let plugin = project.loader().load_folder(project.path("plugin")).await.unwrap();
    assert_eq!(plugin.script_name(), "mimir:plugin/@user/traced");
    // The stack as V8 has it, by way of Node: its file name is replaced by the one that the bundle has in the sandbox
    let file = project.path("bundle.mjs");
    std::fs::write(&file, plugin.code().unwrap().as_bytes()).unwrap();
    let script = format!("import('{}').then((m) => m.default()).catch((e) => console.log(e.stack))", file.display());
    let Ok(output) = Command::new("node").args(["-e", &script]).output() else { return };
    let stack = String::from_utf8(output.stdout).unwrap();
    let stack = stack.replace(&format!("file://{}", file.display()), &plugin.script_name());
    let mapped = plugin.map_stack(&stack);
    let lines: Vec<_> = mapped.lines().map(str::trim).collect();
    assert_eq!(lines[0], "Error: no 1");
    assert_eq!(lines[1], "at fail (lib/fail.ts:5:9)", "{mapped}");
    assert!(lines[2].contains("index.ts:5:22"), "{mapped}");
}

/// Where the kernel can confine it, the bundler is confined.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_bundler_is_confined() {
    let project = Project::new();
    project.plugin("plugin", "p", CODE);
    let plugin = project.loader().load_folder(project.path("plugin")).await.unwrap();
    let has_landlock = mimir_shared_platform::landlock_abi().is_some();
    assert_eq!(plugin.confinement != Confinement::None, has_landlock);
}

/// The plugins that come with Mimir are examples too: they load, and nothing is to be said about them.
#[tokio::test]
async fn the_shipped_plugins_load_without_a_warning() {
    let project = Project::new();
    let packages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packages");
    let mut seen = 0;
    for dir in std::fs::read_dir(packages).unwrap().map(|entry| entry.unwrap().path()) {
        if dir.join("plugin.yml").exists() {
            let plugin = project.loader().load_folder(&dir).await.unwrap_or_else(|error| panic!("{dir:?}: {error}"));
            assert!(plugin.warnings.is_empty(), "{dir:?}: {:?}", plugin.warnings);
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen}");
}
