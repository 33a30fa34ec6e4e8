//! What a program may reach of the project: what the plugin that starts it may, as far as the kernel can hold it to that.
//!
//! The kernel opens folders with all that lies beneath them and can subtract nothing. So a folder is opened as a whole only
//! if nothing in it is closed to the plugin; else what lies in it is opened one by one. What comes into such a mixed folder
//! later is closed to the program: it can make no new files there.
//!
//! Meanwhile another program of the plugin may move things about. So each folder is looked at through one handle, and what
//! is granted is named by its path and by which file or folder it was: what else comes to stand there gets nothing.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mimir_shared_config::Access;
use mimir_shared_platform::{Directory, FileKind, Links, Located, Place, PlatformError, ProgramRights};

use crate::ApiError;
use crate::call::Call;

/// A registry's code by the ten thousand files, and between them what is closed, such as other plugins. Of what is not looked
/// at any more, a program can read all and change nothing: it is what other people published, and formatters lie there.
const PACKAGES: &str = "node_modules";

/// What [`rights`] found.
pub(super) struct Found {
    pub(super) rights: ProgramRights,
    /// The project has more entries than were looked at; the rest is closed to the program, or opened for reading.
    pub(super) is_cut: bool,
}

/// What the gate says of one file or folder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Closed,
    Read,
    Write,
    Own,
}

struct Node {
    parent: usize,
    found: Located,
    /// What may be done with this one.
    level: Level,
    /// What may be done with this one and all beneath it.
    whole: Level,
    /// It is a folder of packages or lies in one.
    is_of_packages: bool,
}

/// Looks through the project and asks the gate about each file; blocks.
pub(super) fn rights(call: &Arc<Call>, program: &str) -> Result<Found, ApiError> {
    let shared = &call.shared;
    let gate = |access: &Access| shared.ports.gate.check(&call.plugin, access).is_ok();
    let network = gate(&Access::ProgramNetwork);
    let limit = shared.limits.project_entries;
    let directory = &*shared.directory;
    let mut walk = Walk { gate: &gate, directory, nodes: Vec::new(), limit, is_cut: false };
    let found = located(directory.place(Path::new(""), Links::Keep)?.as_ref());
    walk.all();
    let is_cut = walk.is_cut;
    let mut rights = ProgramRights { network, processes: shared.limits.processes, ..walk.rights() };
    rights.root = found;
    if program == "git" {
        let repository = located(shared.directory.place(Path::new(".git"), Links::Keep)?.as_ref());
        add_repository(&mut rights, repository);
    }
    Ok(Found { rights, is_cut })
}

/// Git is nothing without its configuration and its objects, which are closed to plugins; its `.git` is one folder to the
/// kernel. So who is granted the program `git` itself grants it that folder, to change where the plugin may change files.
fn add_repository(rights: &mut ProgramRights, repository: Located) {
    if !rights.write.is_empty() || !rights.own.is_empty() {
        rights.own.push(repository);
    } else if !rights.read.is_empty() || !rights.list.is_empty() {
        rights.read.push(repository);
    }
}

fn located(place: &dyn Place) -> Located {
    let id = place.metadata().ok().flatten().and_then(|found| found.id);
    Located { path: place.real_path().to_owned(), id }
}

struct Walk<'a, G: Fn(&Access) -> bool> {
    gate: &'a G,
    directory: &'a dyn Directory,
    nodes: Vec<Node>,
    /// Entries that are looked at, of the project and once more of packages.
    limit: usize,
    is_cut: bool,
}

impl<G: Fn(&Access) -> bool> Walk<'_, G> {
    /// The shallow ones first, so that a heap of generated files somewhere costs the rest of the project nothing, and
    /// packages last.
    fn all(&mut self) {
        let Ok(root) = self.directory.place(Path::new(""), Links::Keep) else { return };
        let found = located(root.as_ref());
        let base = found.path.clone();
        // The gate lets nobody write or remove the root itself, so it is opened for reading at most: no new files in it
        let level = self.level(&found.path);
        self.nodes.push(Node { parent: 0, found, level, whole: level, is_of_packages: false });
        if level == Level::Closed {
            return;
        }
        let (mut project, mut packages) = (VecDeque::from([0]), VecDeque::new());
        // Each kind has its own bound
        let mut left = [self.limit.saturating_sub(1), self.limit];
        while let Some(at) = project.pop_front().or_else(|| packages.pop_front()) {
            let left = &mut left[usize::from(self.nodes[at].is_of_packages)];
            // By its path again: as many open folders as the project has are too many. And one handle for all that is done
            // with it: what stands at the path when it is listed might be another one
            let relative = self.nodes[at].found.path.strip_prefix(&base).unwrap_or(Path::new(""));
            let opened = self.directory.place(relative, Links::Keep).and_then(|folder| folder.enter());
            let listed = opened.and_then(|folder| {
                let entries = folder.read_dir(*left)?;
                Ok((folder, entries))
            });
            let (folder, entries) = match listed {
                Ok(listed) => listed,
                Err(PlatformError::TooLarge { .. }) => {
                    self.is_cut = true;
                    let folder = &mut self.nodes[at];
                    folder.whole = if folder.is_of_packages { Level::Read } else { Level::Closed };
                    continue;
                }
                // Gone meanwhile, or closed to the user: closed to the program as well
                Err(_) => {
                    self.nodes[at].whole = Level::Closed;
                    continue;
                }
            };
            *left -= entries.len();
            if located(folder.as_ref()) != self.nodes[at].found {
                // Another one stands there by now, or a link that leads to another
                self.nodes[at].whole = Level::Closed;
                continue;
            }
            // A folder that is a repository without being called `.git` has what git obeys, too
            let is_repository = entries.iter().any(|entry| entry.name == "HEAD" && entry.kind != FileKind::Directory);
            for entry in entries {
                if matches!(entry.kind, FileKind::Symlink | FileKind::Other) {
                    // The kernel looks at where a link leads
                    continue;
                }
                let Ok(place) = folder.child(&entry.name) else {
                    self.nodes[at].whole = Level::Closed;
                    continue;
                };
                let path = place.real_path();
                let is_obeyed = is_repository && matches!(entry.name.as_str(), "config" | "config.worktree" | "hooks");
                let now = place.metadata().ok().flatten().filter(|now| now.kind == entry.kind);
                // It may be another one already, which has to be looked at in another way
                let level = if is_obeyed || now.is_none() { Level::Closed } else { self.level(path) };
                let found = Located { path: path.to_owned(), id: now.and_then(|now| now.id) };
                let index = self.nodes.len();
                let is_folder = entry.kind == FileKind::Directory;
                let is_of_packages = self.nodes[at].is_of_packages || (is_folder && entry.name == PACKAGES);
                self.nodes.push(Node { parent: at, found, level, whole: level, is_of_packages });
                if is_folder && level != Level::Closed {
                    if is_of_packages { &mut packages } else { &mut project }.push_back(index);
                }
            }
        }
    }

    fn level(&self, path: &Path) -> Level {
        let may = |access: fn(PathBuf) -> Access| (self.gate)(&access(path.to_owned()));
        match () {
            () if !may(|path| Access::FileRead { path }) => Level::Closed,
            () if !may(|path| Access::FileWrite { path }) => Level::Read,
            () if !may(|path| Access::FileDelete { path }) => Level::Write,
            () => Level::Own,
        }
    }

    fn rights(mut self) -> ProgramRights {
        // Children come after their folders
        for index in (1..self.nodes.len()).rev() {
            let Node { parent, whole, .. } = self.nodes[index];
            let folder = &mut self.nodes[parent];
            folder.whole = folder.whole.min(whole);
        }
        let mut rights = ProgramRights::default();
        // What a folder above has been granted already
        let mut granted = vec![Level::Closed; self.nodes.len()];
        for index in 0..self.nodes.len() {
            let node = &self.nodes[index];
            let above = if index == 0 { Level::Closed } else { granted[node.parent] };
            granted[index] = above.max(node.whole);
            if node.whole > above {
                let list = match node.whole {
                    Level::Closed => continue,
                    Level::Read => &mut rights.read,
                    Level::Write => &mut rights.write,
                    Level::Own => &mut rights.own,
                };
                list.push(node.found.clone());
            } else if index == 0 && node.level != Level::Closed {
                rights.list.push(node.found.clone());
            }
        }
        rights
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

    use std::fs;

    use mimir_shared_config::Capabilities;
    use mimir_shared_platform::{FileSystem, OsFileSystem};
    use serde_json::{Value, json};

    use super::*;

    /// What is opened, as paths from the root: read, write, own, list.
    #[allow(clippy::needless_pass_by_value, reason = "so that cases read well")]
    fn check(files: &[&str], filesystem: Value, limit: usize, expected: [&[&str]; 4]) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for file in files {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "").unwrap();
        }
        let capabilities: Capabilities = serde_json::from_value(json!({ "filesystem": filesystem })).unwrap();
        let gate = |access: &Access| capabilities.permits(access, &root).is_ok();
        let directory = OsFileSystem.open_directory(&root).unwrap();
        let mut walk = Walk { gate: &gate, directory: &*directory, nodes: Vec::new(), limit, is_cut: false };
        walk.all();
        let rights = walk.rights();
        let shown = |found: Vec<Located>| {
            assert!(found.iter().all(|found| found.id.is_some()));
            let relative = |found: &Located| found.path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            let mut paths: Vec<String> = found.iter().map(relative).collect();
            paths.sort();
            paths
        };
        let found = [rights.read, rights.write, rights.own, rights.list].map(shown);
        assert_eq!(found, expected.map(|paths| paths.iter().map(ToString::to_string).collect::<Vec<_>>()), "{files:?}");
    }

    #[test]
    fn folders_are_opened_whole_only_if_nothing_in_them_is_closed() {
        let (read, write) = (json!({"read": true}), json!({"read": true, "write": true}));
        let all = json!({"read": true, "write": true, "delete": true});
        check(&["a", "src/b"], json!({}), 99, [&[], &[], &[], &[]]);
        check(&["a", "src/b"], json!({"write": true}), 99, [&[], &[], &[], &[]]);
        check(&["a", "src/b"], read.clone(), 99, [&[""], &[], &[], &[]]);
        // The root itself stays, so nothing new comes into it
        check(&["a", "src/b"], write.clone(), 99, [&[""], &["a", "src"], &[], &[]]);
        check(&["a", "src/b"], all, 99, [&[""], &[], &["a", "src"], &[]]);
        let closed = ["a", ".mimir/config.yml", "src/b", "deep/er/.ssh/id", "deep/er/c", "deep/d"];
        check(&closed, read.clone(), 99, [&["a", "deep/d", "deep/er/c", "src"], &[], &[], &[""]]);
        let git = [".git/config", ".git/HEAD", ".git/hooks/x", ".git/objects/y", "a"];
        check(&git, write.clone(), 99, [&[".git/HEAD", ".git/objects"], &["a"], &[], &[""]]);
        let restricted = json!({"read": true, "restricted": [".env"]});
        check(&[".env", "src/.env", "src/b", "node_modules/x/.env"], restricted, 99, [&["src/b"], &[], &[], &[""]]);
        check(
            &["bare/HEAD", "bare/config", "bare/hooks/x", "bare/refs/y"],
            write,
            99,
            [&[], &["bare/HEAD", "bare/refs"], &[], &[""]],
        );
        // What was not looked at is closed
        check(&["a", "big/1", "big/2", "big/3"], read, 4, [&["a"], &[], &[], &[""]]);
    }

    #[test]
    fn packages_are_looked_through_after_the_rest() {
        let write = json!({"read": true, "write": true, "restricted": [".env"]});
        let plain = ["a", "node_modules/x/lib/i.js", "node_modules/y/i.js"];
        check(&plain, write.clone(), 99, [&[""], &["a", "node_modules"], &[], &[]]);
        let secret = ["a", "node_modules/x/.env", "node_modules/x/i.js", "node_modules/y/i.js"];
        check(&secret, write.clone(), 99, [&[], &["a", "node_modules/x/i.js", "node_modules/y"], &[], &[""]]);
        // Other plugins can be read and not changed, at any depth
        let plugins = [
            "node_modules/mimir-plugin-x/i.js",
            "node_modules/@me/mimir-x/i.js",
            "node_modules/@me/other/i.js",
            "node_modules/y/node_modules/mimir-plugin-z/i.js",
            "node_modules/y/i.js",
        ];
        let changed = ["node_modules/@me/other", "node_modules/y/i.js"];
        check(&plugins, write.clone(), 99, [&[""], &changed, &[], &[]]);
        let all = json!({"read": true, "write": true, "delete": true});
        check(&plugins, all, 99, [&[""], &[], &changed, &[]]);
        // They have a bound of their own, and what lies beyond it can be read
        let many = ["a", "node_modules/x/1", "node_modules/x/2", "node_modules/x/3", "node_modules/y/.env", "src/b"];
        check(&many, write.clone(), 6, [&[], &["a", "node_modules/x", "src"], &[], &[""]]);
        check(&many, write.clone(), 5, [&[""], &["a", "node_modules/x", "src"], &[], &[]]);
        check(&many, write, 4, [&["node_modules/x"], &["a"], &[], &[""]]);
    }

    #[test]
    fn a_project_of_many_folders_takes_few_handles() {
        let files: Vec<String> = (0..300).map(|n| format!("packages/{n}/src/i.ts")).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        check(&files, json!({"read": true, "write": true}), 50_000, [&[""], &["packages"], &[], &[]]);
    }
}
