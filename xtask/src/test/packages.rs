//! The npm packages under `packages/`: what each must hold, and its own scripts `check` (types) and `test`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::step::{TEST_HOOKS, run};
use crate::cargo;

pub(super) fn check(root: &Path) -> Result<()> {
    let folder = root.join("packages");
    let packages = packages(&folder)?;
    ensure!(!packages.is_empty(), "no package found in packages/");
    let mut problems = Vec::new();
    for package in &packages {
        problems.extend(package.problems());
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    let plugins: Vec<&Package> = packages.iter().filter(|package| package.is_plugin()).collect();
    println!("{} packages, {} of them plugins, hold what they must", packages.len(), plugins.len());
    for plugin in plugins {
        validate(root, plugin)?;
    }
    install(&folder)?;
    for script in ["check", "test"] {
        for package in packages.iter().filter(|package| package.script(script)) {
            let folder = &package.folder;
            println!("npm run {script} in packages/{folder}");
            let remedy = format!("`npm run {script}` fails in packages/{folder}");
            let arguments = ["run", "--silent", script];
            if let Err(error) = run(npm(&package.path)?.args(arguments), &remedy) {
                problems.push(error.to_string());
            }
        }
    }
    ensure!(problems.is_empty(), "{}", problems.join("; "));
    real_formatter(root)
}

/// The formatter with the real Prettier, which npm installs: needed nowhere else, so the test is passed over elsewhere.
fn real_formatter(root: &Path) -> Result<()> {
    println!("the formatter with the real Prettier, confined");
    let mut command = Command::new(cargo());
    command.args(["test", "--quiet", "--workspace", "--features", TEST_HOOKS, "--test", "it"]);
    command.args(["--", "--ignored", "the_real_prettier_does_its_work"]).current_dir(root);
    run(&mut command, "the formatter does not format with Prettier")
}

struct Package {
    folder: String,
    path: PathBuf,
    manifest: Value,
}

impl Package {
    fn is_plugin(&self) -> bool {
        self.path.join("plugin.yml").exists()
    }

    fn script(&self, name: &str) -> bool {
        self.manifest.pointer(&format!("/scripts/{name}")).is_some_and(Value::is_string)
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let Self { folder, path, manifest } = self;
        for key in ["name", "version", "description", "license"] {
            if manifest.get(key).and_then(Value::as_str).is_none_or(str::is_empty) {
                problems.push(format!("packages/{folder}/package.json has no `{key}`"));
            }
        }
        let readme = fs::read_to_string(path.join("README.md")).unwrap_or_default();
        if readme.trim().is_empty() {
            problems.push(format!("packages/{folder}/README.md is missing or empty"));
        }
        for key in ["main", "types"] {
            if let Some(file) = manifest.get(key).and_then(Value::as_str)
                && !path.join(file).is_file()
            {
                problems.push(format!("packages/{folder}/package.json: `{key}` names {file}, which does not exist"));
            }
        }
        problems
    }
}

/// The folders of `packages/` that are packages, by name.
fn packages(folder: &Path) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for entry in fs::read_dir(folder).context("packages/")? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !path.is_dir() || name == "node_modules" {
            continue;
        }
        let manifest = path.join("package.json");
        ensure!(manifest.exists(), "packages/{name} has no package.json: give it one, or move it elsewhere");
        let manifest = serde_json::from_str(&fs::read_to_string(&manifest)?)
            .with_context(|| format!("packages/{name}/package.json"))?;
        packages.push(Package { folder: name, path, manifest });
    }
    packages.sort_by(|one, other| one.folder.cmp(&other.folder));
    Ok(packages)
}

/// The product's own word on the plugin: what it would not load is not shipped.
fn validate(root: &Path, plugin: &Package) -> Result<()> {
    let folder = format!("packages/{}", plugin.folder);
    let mut command = Command::new(cargo());
    command.args(["run", "--quiet", "--package", "mimir", "--", "plugin", "validate", &folder]).current_dir(root);
    run(&mut command, &format!("`mimir plugin validate {folder}` refuses it"))
}

/// `npm ci`, unless what it installed is newer than the lock file. What the packages are checked with (the TypeScript
/// compiler) is in the lock of `packages/`, a workspace of all of them.
fn install(folder: &Path) -> Result<()> {
    let lock = folder.join("package-lock.json");
    ensure!(lock.exists(), "packages/package-lock.json is missing: run `npm install` there and commit it");
    let modified = |file: &Path| fs::metadata(file).and_then(|it| it.modified()).ok();
    let installed = modified(&folder.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= modified(&lock) {
        return Ok(());
    }
    println!("npm ci in packages/");
    run(npm(folder)?.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]), "npm ci failed in packages/")
}

fn npm(folder: &Path) -> Result<Command> {
    let name = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let found = Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    ensure!(found, "npm is not found: the packages need Node.js 20 or newer (https://nodejs.org)");
    let mut command = Command::new(name);
    command.current_dir(folder);
    Ok(command)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that can't set up its folder fails")]

    use super::*;

    #[test]
    fn a_package_without_its_papers_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let good = r#"{"name": "a", "version": "1.0.0", "description": "d", "license": "MIT", "main": "index.ts"}"#;
        for (name, manifest, readme) in [("good", good, "# a\n"), ("bad", r#"{"name": "b", "main": "b.ts"}"#, " ")] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("package.json"), manifest).unwrap();
            fs::write(folder.path().join(name).join("README.md"), readme).unwrap();
            fs::write(folder.path().join(name).join("index.ts"), "").unwrap();
        }
        let problems: Vec<String> = packages(folder.path()).unwrap().iter().flat_map(Package::problems).collect();
        assert_eq!(
            problems,
            [
                "packages/bad/package.json has no `version`",
                "packages/bad/package.json has no `description`",
                "packages/bad/package.json has no `license`",
                "packages/bad/README.md is missing or empty",
                "packages/bad/package.json: `main` names b.ts, which does not exist",
            ]
        );
        fs::create_dir(folder.path().join("stray")).unwrap();
        assert!(packages(folder.path()).is_err());
    }
}
