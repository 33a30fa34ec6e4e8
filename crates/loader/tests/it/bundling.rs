use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use mimir_loader::{BundleRequest, Bundled, Bundler, BundlerLimits, LoadError};

use crate::project::{Project, bundle, bundler};

/// Bundles files (path, text) from `src/index.ts`.
fn bundle_files(files: &[(&str, &str)]) -> Result<Bundled, LoadError> {
    let project = Project::new();
    for (path, text) in files {
        project.write(&format!("plugin/{path}"), text);
    }
    bundle(&project.path("plugin"), "src/index.ts")
}

/// What Node says when it runs a bundle and then `script`; the plugin's module is `plugin`.
fn run(bundled: &Bundled, script: &str) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("plugin.mjs"), &bundled.code).unwrap();
    std::fs::write(
        dir.path().join("main.mjs"),
        format!(
            "import path from 'node:path'; globalThis.path = path;\nconst plugin = await import('./plugin.mjs');\n{script}"
        ),
    )
    .unwrap();
    let output = Command::new("node").arg(dir.path().join("main.mjs")).output().ok()?;
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), bundled.code);
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
fn several_files_a_dependency_json_and_an_enum_become_one_module() {
    let bundled = bundle_files(&[
        (
            "src/index.ts",
            "import { tool, type Plugin } from '@mimir/plugin';\n\
             import { basename } from 'node:path';\n\
             import { Level } from './level.js';\n\
             import ms from 'ms';\n\
             import data from './data.json';\n\
             import note from './note.txt';\n\
             export const level: Level = Level.High;\n\
             export const MyPlugin: Plugin = async (ctx) => ({ on: {} });\n\
             export const all = [Level[level], ms('2 h'), data.answer, basename('/a/b.ts'), note.trim(),\n\
               tool({ name: 'x', description: 'd', execute: () => 1 }).name, (await import('./late')).late];\n",
        ),
        ("src/level.ts", "export enum Level { Low = 1, High = 2 }\nexport namespace N { export const a = 1 }\n"),
        ("src/late.ts", "export const late: string = 'late';\n"),
        ("src/data.json", "{ \"answer\": 42 }"),
        ("src/note.txt", "a note\n"),
        ("node_modules/ms/package.json", r#"{ "name": "ms", "version": "1.0.0", "main": "./lib" }"#),
        ("node_modules/ms/lib/index.js", "module.exports = (text) => require('./unit').hour * parseInt(text, 10);\n"),
        ("node_modules/ms/lib/unit.js", "exports.hour = 3600000;\ntry { require('fs') } catch { exports.none = 1 }\n"),
    ])
    .unwrap();
    assert!(!bundled.code.contains("import "), "{}", bundled.code);
    let script = "console.log(JSON.stringify([Object.keys(plugin).sort(), plugin.all]))";
    if let Some(said) = run(&bundled, script) {
        assert_eq!(said, r#"[["MyPlugin","all","level"],["High",7200000,42,"b.ts","a note","x","late"]]"#);
    }
    let modules: Vec<_> =
        bundled.inputs.iter().filter(|input| input.is_module).map(|input| input.path.as_str()).collect();
    assert_eq!(
        modules,
        [
            "node_modules/ms/lib/index.js",
            "node_modules/ms/lib/unit.js",
            "src/data.json",
            "src/index.ts",
            "src/late.ts",
            "src/level.ts",
            "src/note.txt"
        ]
    );
    let others: Vec<_> =
        bundled.inputs.iter().filter(|input| !input.is_module).map(|input| input.path.as_str()).collect();
    assert_eq!(others, ["node_modules/ms/package.json"]);
    let map: serde_json::Value = serde_json::from_str(&bundled.source_map).unwrap();
    let sources: Vec<_> = map["sources"].as_array().unwrap().iter().filter_map(|source| source.as_str()).collect();
    assert!(sources.contains(&"src/index.ts"), "{sources:?}");
    assert!(sources.contains(&"node_modules/ms/lib/index.js"), "{sources:?}");
}

#[test]
fn exports_stay_as_they_are() {
    let check = |code: &str, expected: &str| {
        let bundled = bundle_files(&[("src/index.ts", code)]).unwrap();
        if let Some(said) = run(&bundled, "console.log(Object.keys(plugin).sort().join(), typeof plugin.default)") {
            assert_eq!(said, expected, "{code}");
        }
    };
    check("export default async () => ({})", "default function");
    check("export const One = () => ({})", "One undefined");
    check("export const One = () => ({}); export type T = string; export interface I {}", "One undefined");
    check("const f = () => ({}); export { f as default, f as named }", "default,named function");
    check("module.exports = () => ({})", "default function");
}

/// Whoever writes a plugin learns what is wrong, where, and what to do.
#[test]
fn what_is_wrong_is_named_with_its_place() {
    let check = |files: &[(&str, &str)], place: (&str, Option<u32>), message: &str, hint: &str| {
        let error = bundle_files(files).expect_err(message);
        assert!(matches!(error, LoadError::Bundle { .. }), "{error:?}");
        let problem = &error.problems()[0];
        assert_eq!((problem.file.as_str(), problem.line), place, "{problem:?}");
        assert!(problem.message.contains(message), "{problem:?}");
        assert!(problem.hint.as_deref().unwrap_or_default().contains(hint), "{problem:?}");
        assert!(
            !problem.message.contains('\0') && !format!("{:?}", problem.excerpt).contains("refused"),
            "{problem:?}"
        );
    };
    let index = |line: &'static str| format!("const a = 1;\n\n{line}\nexport default () => [a, x];\n");
    let one = |line: &'static str, message: &str, hint: &str| {
        check(&[("src/index.ts", &index(line))], ("src/index.ts", Some(3)), message, hint);
    };
    one("const = 3;", "xpected", "syntax");
    one("import { x } from './nowhere';", "`./nowhere` was not found", "must lie in the plugin's folder");
    one("import x from 'zod';", "`zod` was not found", "npm install zod");
    one("import x from '@scope/pkg/deep';", "`@scope/pkg/deep` was not found", "npm install @scope/pkg");
    one("import x from 'node:fs';", "`node:fs` does not exist in a plugin", "ctx.fs");
    one("import { x } from 'child_process';", "`node:child_process` does not exist", "ctx.exec");
    one("const x = require('fs');", "`node:fs` does not exist in a plugin", "ctx.fs");
    one("import x from '../../outside';", "`../../outside` was not found", "must lie in the plugin's folder");
    one("import x from '/etc/passwd';", "is an absolute path", "relative path");
    one("import x from 'file:///etc/passwd';", "can't be imported", "node_modules");
    one("import x from 'https://example.com/x.js';", "without a network", "node_modules");
    one("const x = import('https://example.com/x.js');", "without a network", "node_modules");
    one("const x = import('lodash');", "`lodash` was not found", "npm install lodash");
    one("import x from 'data:text/javascript,export default 1';", "can't be imported", "node_modules");
    one("import x from '@mimir/plugin/deep';", "there is no `@mimir/plugin/deep`", "`@mimir/plugin` itself");
    one("export { nothing } from '@mimir/plugin';", "nothing", "");
    check(
        &[("src/index.ts", "import './other';\n"), ("src/other.ts", "\n\n  import os from 'os';\nos;\n")],
        ("src/other.ts", Some(3)),
        "`node:os` does not exist in a plugin",
        "node:path",
    );
    check(
        &[("src/index.ts", "import x from './picture.png';\nx;\n"), ("src/picture.png", "png")],
        ("src/index.ts", Some(1)),
        "`src/picture.png` is neither",
        "type: 'text'",
    );
}

#[test]
fn several_problems_are_told_at_once() {
    let error = bundle_files(&[("src/index.ts", "import a from 'one';\nimport b from 'two';\na(b);\n")]).unwrap_err();
    let places: Vec<_> = error.problems().iter().map(|problem| (problem.line, problem.message.as_str())).collect();
    assert_eq!(places, [(Some(1), "`one` was not found"), (Some(2), "`two` was not found")]);
    assert_eq!(error.to_string(), "src/index.ts:1:15: `one` was not found (and 1 more)");
}

#[test]
fn nothing_is_taken_from_outside() {
    let check = |import: &str, arrange: fn(&Project)| {
        let project = Project::new();
        project.write("outside/secret.ts", "export default 'SECRET';\n");
        project
            .write("plugin/src/index.ts", &format!("import secret from '{import}';\nexport default () => secret;\n"));
        arrange(&project);
        let error = bundle(&project.path("plugin"), "src/index.ts").expect_err(import);
        let problem = &error.problems()[0];
        assert_eq!((problem.file.as_str(), problem.line), ("src/index.ts", Some(1)), "{import}: {problem:?}");
        assert!(!format!("{error:?}").contains("SECRET"), "{import}: {error:?}");
    };
    check("../../outside/secret", |_| {});
    check("../../outside/secret.ts", |_| {});
    check("./link", |project| {
        symlink(project.path("outside/secret.ts"), project.path("plugin/src/link.ts")).unwrap();
    });
    check("./folder/secret", |project| symlink(project.path("outside"), project.path("plugin/src/folder")).unwrap());
    check("dependency", |project| {
        project.write("node_modules/dependency/index.js", "export default 'SECRET';\n");
    });
    check("dependency", |project| {
        project.write("outside/package.json", r#"{"main": "secret.ts"}"#).write("plugin/node_modules/x/index.js", "");
        symlink(project.path("outside"), project.path("plugin/node_modules/dependency")).unwrap();
    });
    check("dependency", |project| {
        project.write("plugin/node_modules/dependency/package.json", r#"{"main": "../../../outside/secret.ts"}"#);
    });
    check("#secret", |project| {
        project.write("plugin/package.json", r##"{"imports": {"#secret": "../outside/secret.ts"}}"##);
    });
}

#[test]
fn a_tsconfig_leads_nowhere() {
    let project = Project::new();
    project
        .write("outside/secret.ts", "export default 'SECRET';\n")
        .write(
            "plugin/tsconfig.json",
            r#"{"extends": "../outside.json", "compilerOptions": {"paths": {"s": ["../outside/secret.ts"]}}}"#,
        )
        .write("plugin/src/index.ts", "import s from 's';\nexport default s;\n");
    let error = bundle(&project.path("plugin"), "src/index.ts").unwrap_err();
    assert!(error.to_string().contains("`s` was not found"), "{error}");
}

#[test]
fn deep_nesting_is_an_error_and_not_the_end() {
    let deep = format!("\nexport default () => {}1{};\n", "(".repeat(5_000), ")".repeat(5_000));
    let error = bundle_files(&[("src/index.ts", "import './deep';\n"), ("src/deep.ts", &deep)]).unwrap_err();
    assert!(matches!(error, LoadError::BundlerCrashed { .. }), "{error:?}");
    let problem = &error.problems()[0];
    assert_eq!((problem.file.as_str(), problem.line), ("src/deep.ts", Some(2)), "{error}");
    assert!(error.hint().contains("nested"), "{}", error.hint());
}

#[test]
fn ordinary_nesting_is_fine() {
    let nested = format!("export default () => {}1{};\n", "(".repeat(60), ")".repeat(60));
    bundle_files(&[("src/index.ts", &nested)]).unwrap();
}

#[test]
fn limits_hold() {
    let project = Project::new();
    project.write("plugin/src/index.ts", &format!("export default () => '{}';\n", "x".repeat(100_000)));
    let root = project.path("plugin");
    let request = BundleRequest { root: root.clone(), entry: "src/index.ts".into(), name: "test".into() };
    let limited = |limits| bundler().with_limits(limits).bundle(&root, &request).unwrap_err();
    let error = limited(BundlerLimits { output: 10_000, ..BundlerLimits::default() });
    assert!(matches!(error, LoadError::BundleTooLarge { limit: 10_000 }), "{error:?}");
    let error = limited(BundlerLimits { time: Duration::from_millis(1), ..BundlerLimits::default() });
    assert!(matches!(error, LoadError::BundlerTimeout { .. }), "{error:?}");
}

#[test]
fn a_program_that_is_no_bundler_is_told_apart() {
    let project = Project::new();
    project.write("plugin/src/index.ts", "export default 1;\n");
    let root = project.path("plugin");
    let request = BundleRequest { root: root.clone(), entry: "src/index.ts".into(), name: "test".into() };
    let with = |program: &str| mimir_loader::BundlerProcess::at(program).bundle(&root, &request).unwrap_err();
    assert!(matches!(with("/no/such/program"), LoadError::BundlerStart { .. }));
    assert!(matches!(with("/bin/true"), LoadError::BundlerAnswer { .. }));
    assert!(matches!(with("/bin/false"), LoadError::BundlerCrashed { .. }));
}
