//! What the manifests declare, read without cargo, so that a workspace which cargo rejects can be checked too.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml::{Table, Value};

/// The sections of a manifest, and of each of its `target` tables, that declare dependencies. Cargo still knows the
/// spelling with underscores.
const SECTIONS: &[&str] =
    &["dependencies", "dev-dependencies", "build-dependencies", "dev_dependencies", "build_dependencies"];

/// A workspace as its files say.
pub(super) struct Workspace {
    pub(super) root: PathBuf,
    /// The root manifest.
    pub(super) manifest: Table,
    /// The crates under `crates/` and `xtask`, by folder.
    pub(super) members: Vec<Member>,
    /// Folders under `crates/` that hold no manifest.
    pub(super) empty_folders: Vec<String>,
    /// `xtask/uses.toml`: what each crate does use.
    pub(super) uses: BTreeMap<String, Uses>,
}

/// One crate.
pub(super) struct Member {
    /// `hooks` for `crates/hooks`, and `xtask`.
    pub(super) folder: String,
    pub(super) path: PathBuf,
    pub(super) manifest: Table,
    pub(super) dependencies: Vec<Dependency>,
}

/// One declared dependency.
pub(super) struct Dependency {
    /// The key in the manifest: the name under which the crate's code knows it.
    pub(super) key: String,
    /// The package that the key stands for, renames undone.
    pub(super) package: String,
    /// For messages: `dev-dependencies`, `target.'cfg(unix)'.dependencies`.
    pub(super) section: String,
    pub(super) value: Value,
}

/// One table of `xtask/uses.toml`.
#[derive(Default)]
pub(super) struct Uses {
    /// Workspace crates, by folder.
    pub(super) crates: Vec<String>,
    /// External packages that are restricted to some crates.
    pub(super) restricted: Vec<String>,
}

impl Workspace {
    /// Reads the workspace whose root manifest is in `root`.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let manifest = read_toml(&root.join("Cargo.toml"))?;
        let mut folders = Vec::new();
        let crates = root.join("crates");
        if crates.is_dir() {
            for entry in fs::read_dir(&crates)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
                }
            }
        }
        folders.sort();
        let xtask = root.join("xtask");
        if xtask.join("Cargo.toml").exists() {
            folders.push(("xtask".to_owned(), xtask));
        }
        let shared = manifest.get("workspace").and_then(|it| it.get("dependencies")).and_then(Value::as_table);
        let mut members = Vec::new();
        let mut empty_folders = Vec::new();
        for (folder, path) in folders {
            if path.join("Cargo.toml").exists() {
                members.push(Member::read(folder, path, shared)?);
            } else {
                empty_folders.push(folder);
            }
        }
        let uses = read_uses(&root.join("xtask/uses.toml"))?;
        Ok(Self { root: root.to_path_buf(), manifest, members, empty_folders, uses })
    }

    /// The root manifest's `[workspace.dependencies]`: key and declaration.
    pub(super) fn shared_dependencies(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.manifest
            .get("workspace")
            .and_then(|it| it.get("dependencies"))
            .and_then(Value::as_table)
            .into_iter()
            .flatten()
    }

    /// The folder of the workspace crate whose package is `package`, whether or not it exists yet.
    pub(super) fn folder_of(&self, package: &str) -> Option<String> {
        let existing = self.members.iter().find(|member| member.package() == package);
        if let Some(member) = existing {
            return Some(member.folder.clone());
        }
        let folder = package.strip_prefix("mimir-").unwrap_or(package);
        let known = super::table::Role::of(folder).is_some() && super::table::package_name(folder) == package;
        known.then(|| folder.to_owned())
    }
}

impl Member {
    fn read(folder: String, path: PathBuf, shared: Option<&Table>) -> Result<Self> {
        let manifest = read_toml(&path.join("Cargo.toml"))?;
        let mut dependencies = sections(&manifest, "", shared);
        if let Some(targets) = manifest.get("target").and_then(Value::as_table) {
            for (target, tables) in targets {
                if let Some(tables) = tables.as_table() {
                    dependencies.extend(sections(tables, &format!("target.'{target}'."), shared));
                }
            }
        }
        Ok(Self { folder, path, manifest, dependencies })
    }

    /// The declared package name, or nothing.
    pub(super) fn package(&self) -> &str {
        self.manifest.get("package").and_then(|it| it.get("name")).and_then(Value::as_str).unwrap_or_default()
    }

    /// The manifest's path from the root.
    pub(super) fn file(&self) -> String {
        self.relative("Cargo.toml")
    }

    /// The path from the root of `file` in this crate.
    pub(super) fn relative(&self, file: &str) -> String {
        let folder = if self.folder == "xtask" { "xtask".to_owned() } else { format!("crates/{}", self.folder) };
        format!("{folder}/{file}")
    }
}

fn sections(tables: &Table, prefix: &str, shared: Option<&Table>) -> Vec<Dependency> {
    let mut dependencies = Vec::new();
    for section in SECTIONS {
        let Some(table) = tables.get(*section).and_then(Value::as_table) else { continue };
        for (key, value) in table {
            let declared =
                if value.get("workspace").is_some() { shared.and_then(|it| it.get(key)) } else { Some(value) };
            let renamed = value.get("package").or_else(|| declared.and_then(|it| it.get("package")));
            dependencies.push(Dependency {
                key: key.clone(),
                package: renamed.and_then(Value::as_str).unwrap_or(key).to_owned(),
                section: format!("{prefix}{section}"),
                value: value.clone(),
            });
        }
    }
    dependencies
}

fn read_uses(file: &Path) -> Result<BTreeMap<String, Uses>> {
    let mut uses = BTreeMap::new();
    for (folder, table) in read_toml(file)? {
        let mut entry = Uses::default();
        let table = table.as_table().with_context(|| format!("{}: `{folder}` is no table", file.display()))?;
        for (key, value) in table {
            let names = value
                .as_array()
                .and_then(|names| names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>())
                .with_context(|| format!("{}: `{folder}.{key}` is no list of names", file.display()))?;
            match key.as_str() {
                "crates" => entry.crates = names,
                "restricted" => entry.restricted = names,
                _ => anyhow::bail!("{}: `{folder}` has `crates` and `restricted`, not `{key}`", file.display()),
            }
        }
        uses.insert(folder, entry);
    }
    Ok(uses)
}

fn read_toml(file: &Path) -> Result<Table> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    text.parse::<Table>().with_context(|| file.display().to_string())
}
