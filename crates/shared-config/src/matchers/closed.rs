use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use super::path::normalise;
use super::spelling::fold_name;

/// Why a path stays closed to every plugin, whatever it is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Mimir's own: who could write there would grant itself anything.
    Mimir,
    /// A plugin's folder: who could write there would be that plugin.
    Plugin,
    /// Git runs or obeys what stands there; it may hold credentials too.
    Git,
    /// Keys and credentials.
    Secrets,
    /// The kernel's face: processes, devices, settings.
    System,
}

impl Closed {
    /// As a clause: "belongs to Mimir itself".
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Mimir => "belongs to Mimir itself",
            Self::Plugin => "belongs to a plugin",
            Self::Git => "decides what git runs",
            Self::Secrets => "is a usual place of keys and credentials",
            Self::System => "belongs to the operating system",
        }
    }
}

/// Folders and files that hold keys, by the end of their path.
const SECRETS: &[&[&str]] = &[
    &[".ssh"],
    &[".gnupg"],
    &[".aws"],
    &[".azure"],
    &[".kube"],
    &[".oci"],
    &[".password-store"],
    &[".local", "share", "keyrings"],
    &["library", "keychains"],
    &[".config", "gcloud"],
    &[".config", "gh"],
    &[".config", "glab-cli"],
    &[".config", "hub"],
    &[".config", "doctl"],
    &[".config", "op"],
    &[".config", "age"],
    &[".config", "sops"],
    &[".config", "containers", "auth.json"],
    &[".config", "composer", "auth.json"],
    &[".composer", "auth.json"],
    &[".docker", "config.json"],
    &[".netrc"],
    &["_netrc"],
    &[".git-credentials"],
    &[".config", "git", "credentials"],
    &[".npmrc"],
    &[".pypirc"],
    &[".pgpass"],
    &[".my.cnf"],
    &[".mylogin.cnf"],
    &[".s3cfg"],
    &[".boto"],
    &[".vault-token"],
    &[".terraformrc"],
    &[".terraform.d", "credentials.tfrc.json"],
    &[".cargo", "credentials"],
    &[".cargo", "credentials.toml"],
    &[".gem", "credentials"],
    &[".m2", "settings.xml"],
    &[".m2", "settings-security.xml"],
    &[".gradle", "gradle.properties"],
    &[".nuget", "nuget.config"],
    &[".huggingface", "token"],
    &[".cache", "huggingface", "token"],
    &[".kaggle", "kaggle.json"],
    &[".bash_history"],
    &[".zsh_history"],
];

/// What git reads of a user's own, by the end of its path.
const GIT_OF_THE_USER: &[&[&str]] = &[&[".gitconfig"], &[".config", "git"]];

/// Whether a path is closed to all plugins by its name, and why. `relative` is relative to the project's root and
/// normalised.
///
/// Closed at any depth: `.mimir` (configuration, plugins, lockfile), and where keys usually lie. Inside `.git`, hooks and
/// configuration are closed, submodules' and worktrees' included; the rest of it may be read (`for_change` false) but not
/// changed. Packages that the loader takes for plugins may not be made or changed. Other spellings of a name that some
/// file system takes for the same, and its short form on FAT, are closed like the name.
pub fn closed_path(relative: &Path, for_change: bool) -> Option<Closed> {
    closed_names(&names_of(relative), for_change)
}

fn closed_names(names: &[Cow<'_, str>], for_change: bool) -> Option<Closed> {
    // Most paths hold none of this, and whole projects are looked through
    if names.iter().all(|name| !may_begin_closed(name)) {
        return (for_change && is_plugin_package(names)).then_some(Closed::Plugin);
    }
    if names.iter().any(|name| is(name, ".mimir")) {
        return Some(Closed::Mimir);
    }
    if let Some(git) = names.iter().position(|name| is(name, ".git")) {
        let inside = &names[git + 1..];
        let is_obeyed = inside.iter().any(|name| name.starts_with("config") || is(name, "hooks"));
        if for_change || is_obeyed || (inside.len() == 2 && inside[0] == "info" && is(&inside[1], "attributes")) {
            return Some(Closed::Git);
        }
    }
    let begins = names.iter().enumerate().filter(|(_, name)| may_begin_closed(name)).map(|(at, _)| &names[at..]);
    let begins: Vec<&[Cow<'_, str>]> = begins.collect();
    let holds = |part: &&[&str]| {
        let is_part = |names: &[Cow<'_, str>]| names.iter().zip(*part).all(|(name, closed)| is(name, closed));
        begins.iter().any(|names| names.len() >= part.len() && is_part(names))
    };
    if SECRETS.iter().any(holds) {
        return Some(Closed::Secrets);
    }
    if GIT_OF_THE_USER.iter().any(holds) {
        return Some(Closed::Git);
    }
    (for_change && is_plugin_package(names)).then_some(Closed::Plugin)
}

/// Whether a folded name may be the first of those that close a path: these begin with a dot but two, and FAT writes them
/// with a `~`.
fn may_begin_closed(name: &str) -> bool {
    name.starts_with('.') || name.contains('~') || matches!(name, "_netrc" | "library")
}

/// Whether the path lies in a package of `node_modules` that has a plugin's name: `mimir-plugin-x`, `@scope/mimir-x`.
fn is_plugin_package(names: &[Cow<'_, str>]) -> bool {
    names.iter().enumerate().filter(|(_, name)| *name == "node_modules").any(|(at, _)| match &names[at + 1..] {
        [scope, name, ..] if scope.starts_with('@') => name.starts_with("mimir-"),
        [name, ..] => name.starts_with("mimir-plugin-"),
        [] => false,
    })
}

/// Folders on the way to `relative` that would be git's if they hold a `HEAD`: bare repositories, and such as lie apart
/// from their working tree. Then what the path names is obeyed by git. Only whoever can look at files can tell.
pub fn git_folders(relative: &Path) -> Vec<PathBuf> {
    let obeyed = |path: &&Path| {
        path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            let name = fold_name(&name);
            name.starts_with("config") || ["hooks", "commondir", "gitdir", "info"].iter().any(|own| is(&name, own))
        })
    };
    relative.ancestors().filter(obeyed).filter_map(Path::parent).map(Path::to_path_buf).collect()
}

/// Whether a file of this name makes a git repository of the folder in which it stands.
pub fn makes_git_folder(relative: &Path) -> bool {
    relative.file_name().is_some_and(|name| fold_name(&name.to_string_lossy()) == "head")
}

fn names_of(relative: &Path) -> Vec<Cow<'_, str>> {
    let normal = relative.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    normal
        .map(|name| match name.to_str() {
            Some(name) => fold_name(name),
            None => fold_name(&name.to_string_lossy()).into_owned().into(),
        })
        .collect()
}

/// Whether a folded name is `closed`, or what FAT makes of it: `GIT~1` for `.git`.
fn is(name: &str, closed: &str) -> bool {
    if name == closed {
        return true;
    }
    let Some((stem, number)) = name.split_once('~') else { return false };
    let base = closed.trim_start_matches('.').split('.').next().unwrap_or_default();
    number.starts_with(|c: char| c.is_ascii_digit()) && stem == &base[..base.len().min(6)]
}

/// Places that are closed in one project beside those that [`closed_path`] knows by name: Mimir's own folder wherever it
/// is, and the folders of plugins.
#[derive(Debug, Clone)]
pub struct ClosedPlaces {
    root: PathBuf,
    /// The folded names from the root to each.
    beneath: Vec<(Vec<String>, Closed)>,
    /// Why nothing in the project may be changed: it lies in such a place as a whole.
    around: Option<Closed>,
}

impl ClosedPlaces {
    /// Those of every project: what the operating system shows as files. `root` is the project's absolute root.
    pub fn new(root: &Path) -> Self {
        let mut places = Self { root: root.to_owned(), beneath: Vec::new(), around: None };
        for system in ["/proc", "/sys", "/dev"] {
            places.close(Path::new(system), Closed::System);
        }
        places
    }

    /// The project's root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Closes `path` (absolute) and everything beneath it, and keeps the way to it from being removed. If the whole
    /// project lies in there, it may be read and not changed.
    pub fn close(&mut self, path: &Path, closed: Closed) {
        let (Some(root), Some(path)) = (normalise(&self.root), normalise(path)) else { return };
        if let Ok(relative) = path.strip_prefix(&root) {
            if relative.as_os_str().is_empty() {
                self.around = Some(closed);
            } else {
                let names = names_of(relative).into_iter().map(Cow::into_owned).collect();
                self.beneath.push((names, closed));
            }
        } else if root.starts_with(&path) {
            self.around = Some(closed);
        }
    }

    /// Whether `relative` (to the root, normalised) is closed, by its name or as one of these places, and why.
    pub fn find(&self, relative: &Path, change: Change) -> Option<Closed> {
        let names = names_of(relative);
        let for_change = change != Change::None;
        closed_names(&names, for_change).or_else(|| self.around.filter(|_| for_change)).or_else(|| {
            let hit = self.beneath.iter().find(|(place, _)| {
                starts_with(&names, place)
                    || (change == Change::Remove && !names.is_empty() && starts_with(place, &names))
            });
            hit.map(|(_, closed)| *closed)
        })
    }
}

/// What would become of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it is read.
    None,
    /// It is created or changed.
    Write,
    /// It is removed.
    Remove,
}

fn starts_with(names: &[impl AsRef<str>], start: &[impl AsRef<str>]) -> bool {
    names.len() >= start.len() && names.iter().zip(start).all(|(name, other)| name.as_ref() == other.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_for_all() {
        let check = |path: &str, reading: Option<Closed>, changing: Option<Closed>| {
            assert_eq!(closed_path(Path::new(path), false), reading, "reading {path}");
            assert_eq!(closed_path(Path::new(path), true), changing, "changing {path}");
        };
        let both = |path: &str, closed: Closed| check(path, Some(closed), Some(closed));
        both(".mimir/config.yml", Closed::Mimir);
        both(".MIMIR/plugins/x/index.ts", Closed::Mimir);
        both(".mimir.", Closed::Mimir);
        both(".mimir::$INDEX_ALLOCATION/config.yml", Closed::Mimir);
        both(".mi\u{200d}mir/config.yml", Closed::Mimir);
        both(".mi\u{ad}mir/config.yml", Closed::Mimir);
        both("．ｍｉｍｉｒ/config.yml", Closed::Mimir);
        both("MIMIR~1/config.yml", Closed::Mimir);
        both("sub/.mimir", Closed::Mimir);
        both(".git/hooks/pre-commit", Closed::Git);
        both(".git/HOOKS/pre-commit", Closed::Git);
        both(".git/config", Closed::Git);
        both(".git/config.lock", Closed::Git);
        both("git~1/config", Closed::Git);
        both(".git/modules/x/config", Closed::Git);
        both(".git/worktrees/x/config.worktree", Closed::Git);
        both(".git/info/attributes", Closed::Git);
        both(".gitconfig", Closed::Git);
        both("home/.config/git/config", Closed::Git);
        check(".git/HEAD", None, Some(Closed::Git));
        check(".git", None, Some(Closed::Git));
        check("sub/.git", None, Some(Closed::Git));
        both(".ssh/id_ed25519", Closed::Secrets);
        both(".\u{17f}sh/id_ed25519", Closed::Secrets);
        both("home/.config/gh/hosts.yml", Closed::Secrets);
        both(".docker/config.json", Closed::Secrets);
        both("Library/Keychains/login.keychain-db", Closed::Secrets);
        both("_netrc", Closed::Secrets);
        check(".docker/Dockerfile", None, None);
        check(".github/workflows/ci.yml", None, None);
        check(".gitignore", None, None);
        check("src/mimir/config.yml", None, None);
        check("a~1/b~", None, None);
        check("node_modules/mimir-plugin-x/index.js", None, Some(Closed::Plugin));
        check("a/node_modules/@me/mimir-x", None, Some(Closed::Plugin));
        check("node_modules/prettier/index.js", None, None);
        check("", None, None);
    }

    #[test]
    fn nothing_that_is_closed_is_passed_over() {
        for part in SECRETS.iter().chain(GIT_OF_THE_USER) {
            assert!(may_begin_closed(part[0]), "{part:?}");
            let path: PathBuf = ["home", "node_modules"].iter().chain(*part).collect();
            assert!(closed_path(&path, false).is_some(), "{part:?}");
        }
    }

    #[test]
    fn closes_the_places_of_one_project() {
        let check = |place: &str, path: &str, expected: [bool; 3]| {
            let mut places = ClosedPlaces::new(Path::new("/code/project"));
            places.close(Path::new(place), Closed::Plugin);
            let found = [Change::None, Change::Write, Change::Remove]
                .map(|change| places.find(Path::new(path), change).is_some());
            assert_eq!(found, expected, "{path} where {place} is closed");
        };
        check("/code/project/tools/x", "tools/x/plugin.yml", [true, true, true]);
        check("/code/project/tools/x", "TOOLS/x", [true, true, true]);
        check("/code/project/tools/x", "tools/y", [false, false, false]);
        check("/code/project/tools/x", "tools/xy", [false, false, false]);
        check("/code/project/tools/x", "tools", [false, false, true]);
        check("/code/project/tools/x", "tools/new", [false, false, false]);
        check("/code/project", "src/a.ts", [false, true, true]);
        check("/code", "src/a.ts", [false, true, true]);
        check("/code/project-2", "src/a.ts", [false, false, false]);
        check("/elsewhere", "src/a.ts", [false, false, false]);
        let everything = ClosedPlaces::new(Path::new("/"));
        assert_eq!(everything.find(Path::new("proc/self/environ"), Change::None), Some(Closed::System));
        assert_eq!(everything.find(Path::new("home/me/a"), Change::None), None);
    }

    #[test]
    fn knows_where_a_git_folder_may_be() {
        let check = |path: &str, expected: &[&str]| {
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(git_folders(Path::new(path)), expected, "{path}");
        };
        check("x.git/config", &["x.git"]);
        check("a/b/hooks/post-commit", &["a/b"]);
        check("a/config/hooks/x", &["a/config", "a"]);
        check("config", &[""]);
        check("src/main.rs", &[]);
        assert!(makes_git_folder(Path::new("a/HEAD")) && makes_git_folder(Path::new("head")));
        assert!(!makes_git_folder(Path::new("head.ts")) && !makes_git_folder(Path::new("HEAD/a")));
    }
}
