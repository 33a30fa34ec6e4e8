//! Where the names in a command line really lead: a repository may bring links, and settings of git, with it.

use std::path::{Path, PathBuf};

use mimir_shared_config::Risk;
use mimir_shared_platform::{FileKind, FileSystem};

use super::files::{self, Touch};
use super::{Found, Reasons};
use crate::paths::{Place, Project, normal};
use crate::rules::Glob;
use crate::shell::{Line, Simple, Word};

/// How many names of folders are looked at for one line.
const MOST_ENTRIES: usize = 5_000;
/// How many paths a line's words are taken to stand for.
const MOST_PATHS: usize = 500;

/// Adds to what was found about a command line what the disk says about its words.
pub(crate) fn follow(found: &mut Found, project: &Project, disk: &dyn FileSystem) {
    let Some(line) = &found.line else { return };
    let mut reasons = Reasons::default();
    let mut more = Vec::new();
    let root = disk.canonicalize(&project.root).unwrap_or_else(|_| project.root.clone());
    let mut look = Disk { project, disk, root, left: MOST_ENTRIES, is_cut: false };
    let folders = folders(line, project);
    for (touch, written) in written(line, found) {
        for folder in &folders {
            for path in look.expanded(folder, &written) {
                // A word is not the name of a file in every folder
                if touch == Touch::Read && *folder != project.root && !disk.exists(&path) {
                    continue;
                }
                let Some(place) = look.elsewhere(&path, touch) else { continue };
                let (risk, why) = files::risk(&place, touch);
                reasons.add(risk, why);
                more.push((touch, place));
            }
        }
    }
    for folder in folders.iter().skip(1) {
        if let Some(place) = look.elsewhere(folder, Touch::Read).filter(|place| place.inside.is_none()) {
            reasons.add(Risk::Medium, format!("goes to `{}`, outside of the project", place.path.display()));
        }
    }
    if line.commands.iter().any(|simple| simple.name() == "git") && look.has_own_git(line, &folders) {
        reasons.add(Risk::Medium, "works in another repository, whose settings decide what git runs");
    }
    if look.is_cut {
        reasons.add(Risk::Medium, "there are more files than can be looked at");
    }
    found.touches.extend(more);
    if reasons.risk().is_some() {
        reasons.add_to(&mut found.assessment);
    }
}

struct Disk<'a> {
    project: &'a Project,
    disk: &'a dyn FileSystem,
    /// The project's root without links.
    root: PathBuf,
    left: usize,
    is_cut: bool,
}

impl Disk<'_> {
    /// Where a path leads, if that is another place than it says.
    fn elsewhere(&self, path: &Path, touch: Touch) -> Option<Place> {
        let real = match (touch, path.parent(), path.file_name()) {
            // Who removes a link removes it, and not what it leads to
            (Touch::Delete, Some(folder), Some(name)) => self.disk.canonicalize(folder).ok()?.join(name),
            _ => self.real(path)?,
        };
        let inside = real.strip_prefix(&self.root).ok();
        let real = inside.map_or_else(|| real.clone(), |inside| self.project.root.join(inside));
        (real != normal(path)).then(|| self.project.place(&real.to_string_lossy()))
    }

    /// The nearest that exists, without links, and the names behind it.
    fn real(&self, path: &Path) -> Option<PathBuf> {
        path.ancestors().find_map(|existing| {
            let real = self.disk.canonicalize(existing).ok()?;
            Some(real.join(path.strip_prefix(existing).ok()?))
        })
    }

    /// What a word stands for in a folder: the paths that its wildcards find.
    fn expanded(&mut self, folder: &Path, written: &str) -> Vec<PathBuf> {
        let written = match (written.strip_prefix("~/"), &self.project.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => folder.join(written),
        };
        let mut paths = vec![PathBuf::new()];
        for part in written.components() {
            let name = part.as_os_str().to_string_lossy().into_owned();
            if !name.contains(['*', '?', '[']) {
                paths.iter_mut().for_each(|path| path.push(part));
                continue;
            }
            // What stands in brackets is one character, of whichever kind
            let pattern = name.split_once('[').map_or_else(|| name.clone(), |(before, _)| format!("{before}*"));
            let pattern = Glob::new(&pattern);
            let mut found = Vec::new();
            for path in paths {
                let entries = self.disk.read_dir(&path).unwrap_or_default();
                self.is_cut |= entries.len() > self.left;
                let entries = entries.into_iter().take(self.left).collect::<Vec<_>>();
                self.left -= entries.len();
                let entries = entries.into_iter().filter(|entry| pattern.matches(&entry.name));
                // A file leads where it is
                let entries = entries.filter(|entry| matches!(entry.kind, FileKind::Symlink | FileKind::Directory));
                found.extend(entries.map(|entry| path.join(entry.name)));
            }
            self.is_cut |= found.len() > MOST_PATHS;
            found.truncate(MOST_PATHS);
            paths = found;
        }
        paths
    }

    /// Whether git would find a repository of its own in one of the folders.
    fn has_own_git(&self, line: &Line, folders: &[PathBuf]) -> bool {
        let said = line.commands.iter().filter(|simple| simple.name() == "git").flat_map(|simple| {
            let pairs = simple.arguments().iter().zip(simple.arguments().iter().skip(1));
            let behind = pairs.filter(|(option, _)| matches!(&*option.text, "-C" | "--git-dir")).map(|(_, word)| word);
            let attached = simple.arguments().iter().filter_map(|word| word.text.strip_prefix("--git-dir="));
            behind.map(|word| word.text.clone()).chain(attached.map(str::to_owned)).collect::<Vec<_>>()
        });
        let said = said.flat_map(|said| folders.iter().map(|folder| folder.join(&said)).collect::<Vec<_>>());
        said.chain(folders.iter().cloned()).any(|folder| {
            let Some(folder) = self.real(&folder) else { return false };
            folder.ancestors().take_while(|it| it.starts_with(&self.root) && **it != self.root).any(|folder| {
                self.disk.exists(&folder.join(".git"))
                    || self.disk.exists(&folder.join("HEAD")) && !folder.starts_with(self.root.join(".git"))
            })
        })
    }
}

/// The folders in which a line's commands may stand.
fn folders(line: &Line, project: &Project) -> Vec<PathBuf> {
    let mut folders = vec![project.root.clone()];
    let goes = line.commands.iter().filter(|simple| matches!(simple.name(), "cd" | "pushd" | "chdir"));
    for simple in goes {
        let Some(word) = simple.arguments().iter().find(|word| !word.text.starts_with('-')) else { continue };
        let last = folders.last().unwrap_or(&project.root);
        let next = last.join(&word.text);
        // It may also be said from the root, in a part of the line of its own
        let other = project.root.join(&word.text);
        folders.extend([other, next]);
        folders.dedup();
        folders.truncate(16);
    }
    folders
}

/// The words that may name files, and what is done to them.
fn written(line: &Line, found: &Found) -> Vec<(Touch, String)> {
    let touches = |path: &str| {
        let known = found.touches.iter().filter(|(_, place)| place.path.ends_with(path.trim_start_matches("./")));
        known.map(|(touch, _)| *touch).find(|touch| *touch != Touch::Read).unwrap_or(Touch::Read)
    };
    let words = line.commands.iter().flat_map(|simple: &Simple| {
        let redirects = simple.redirects.iter().map(|redirect| &redirect.target);
        simple
            .arguments()
            .iter()
            .chain(redirects)
            .chain(simple.words.first().filter(|program| program.text.contains('/')))
    });
    let names = |word: &Word| {
        let text = word.text.as_str();
        let value = text.split_once('=').map(|(_, value)| value);
        let attached = text.strip_prefix('-').filter(|rest| !rest.starts_with('-')).and_then(|rest| rest.get(1..));
        [Some(text).filter(|text| !text.starts_with('-')), value, attached]
            .into_iter()
            .flatten()
            .map(|name| name.trim_start_matches('@').to_owned())
            .filter(|name| !name.is_empty() && name.len() < 4_096 && !name.contains(['\0', '\n']))
            .collect::<Vec<_>>()
    };
    let words = words.filter(|word| !word.is_unknown).flat_map(names);
    let mut all = words.map(|name| (touches(&name), name)).collect::<Vec<_>>();
    all.sort_by(|(_, a), (_, b)| a.cmp(b));
    all.dedup();
    all.truncate(MOST_PATHS);
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    #![allow(clippy::disallowed_methods, reason = "the links are those of a real disk")]

    use std::fs;
    use std::os::unix::fs::symlink;

    use mimir_shared_platform::OsFileSystem;

    use super::*;
    use crate::Request;

    #[test]
    fn links_count_as_what_they_lead_to() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        let root = home.join("app");
        for name in [".ssh", "app/sub/inner", "app/vendor/.git", "app/bare"] {
            fs::create_dir_all(home.join(name)).unwrap();
        }
        for name in [".ssh/id_rsa", "other.txt", "app/a.txt", "app/sub/b.txt", "app/bare/HEAD"] {
            fs::write(home.join(name), "x").unwrap();
        }
        symlink(home.join(".ssh/id_rsa"), root.join("notes.txt")).unwrap();
        symlink(home.join(".ssh"), root.join("docs")).unwrap();
        symlink("../../other.txt", root.join("sub/up.txt")).unwrap();
        symlink("a.txt", root.join("same.txt")).unwrap();
        symlink("sub", root.join("near")).unwrap();
        let project = Project { root, home: Some(home) };
        let check = |expected: Risk, line: &str| {
            let request = Request {
                session_id: "s".to_owned(),
                kind: "bash".to_owned(),
                command: line.to_owned(),
                path: None,
                tool: None,
                least_risk: None,
                cause: Vec::new(),
                changed_by: Vec::new(),
            };
            let mut found = super::super::assess(&request, &project);
            follow(&mut found, &project, &OsFileSystem);
            assert_eq!(found.assessment.risk, expected, "{line}: {:?}", found.assessment.reasons);
        };
        check(Risk::Low, "cat a.txt same.txt near/b.txt");
        check(Risk::Low, "cat sub/b*.txt | grep x | head -5");
        check(Risk::Critical, "cat notes.txt");
        check(Risk::Critical, "cat < notes.txt");
        check(Risk::Critical, "cat no*");
        check(Risk::Critical, "cat n[o]tes.*");
        check(Risk::Critical, "cat ./sub/../notes.txt");
        check(Risk::Critical, "cd sub && cat ../notes.txt");
        check(Risk::Critical, "wc --files0-from=notes.txt");
        check(Risk::Critical, "cp notes.txt b.txt");
        check(Risk::Critical, "echo x >> docs/config");
        check(Risk::Medium, "cat sub/u*");
        check(Risk::Medium, "cat sub/up.txt");
        check(Risk::Medium, "cat sub/inner/../up.txt");
        check(Risk::Critical, "cd docs && ls");
        check(Risk::Critical, "cd docs && cat id_rsa");
        check(Risk::Critical, "cd docs && cat i*");
        check(Risk::Critical, "cd docs && echo x > y");
        check(Risk::Critical, "grep -r x docs/");
        check(Risk::Medium, "rm sub/up.txt");
        check(Risk::Low, "git -C sub status");
        check(Risk::Medium, "git -C vendor status");
        check(Risk::Medium, "git -C bare status");
        check(Risk::Medium, "cd vendor && git status");
        check(Risk::High, "git --git-dir=bare log");
    }
}
