use std::path::{Component, Path};

/// Why a path stays closed to every plugin, whatever it is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Mimir's own: who could write there would grant itself anything.
    Mimir,
    /// Git runs or obeys what stands there; it may hold credentials too.
    Git,
    /// Keys and credentials.
    Secrets,
}

impl Closed {
    /// As a clause: "belongs to Mimir itself".
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Mimir => "belongs to Mimir itself",
            Self::Git => "decides what git runs",
            Self::Secrets => "is a usual place of keys and credentials",
        }
    }
}

/// Folders and files that hold keys, by the end of their path.
const SECRETS: [&[&str]; 16] = [
    &[".ssh"],
    &[".gnupg"],
    &[".aws"],
    &[".azure"],
    &[".kube"],
    &[".password-store"],
    &[".config", "gcloud"],
    &[".config", "gh"],
    &[".docker", "config.json"],
    &[".netrc"],
    &["_netrc"],
    &[".git-credentials"],
    &[".npmrc"],
    &[".pypirc"],
    &[".pgpass"],
    &[".cargo", "credentials.toml"],
];

/// Whether a path is closed to all plugins, and why. `relative` is relative to the project's root and normalised.
///
/// Closed at any depth: `.mimir` (configuration, plugins, lockfile), and where keys usually lie. Inside `.git`, hooks and
/// configuration are closed, submodules' and worktrees' included; the rest of it may be read (`for_change` false) but not
/// changed. Case is ignored, since a file system may do so.
pub fn closed_path(relative: &Path, for_change: bool) -> Option<Closed> {
    let names = relative
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(canonical_name(&name.to_string_lossy())),
            _ => None,
        })
        .collect::<Vec<_>>();
    let names = names.iter().map(String::as_str).collect::<Vec<_>>();
    if names.contains(&".mimir") {
        return Some(Closed::Mimir);
    }
    if let Some(git) = names.iter().position(|name| *name == ".git") {
        let inside = &names[git + 1..];
        let is_obeyed = inside.iter().any(|name| matches!(*name, "hooks" | "config" | "config.worktree"));
        if for_change || is_obeyed || inside == ["info", "attributes"] {
            return Some(Closed::Git);
        }
    }
    let is_secret = SECRETS.iter().any(|secret| names.windows(secret.len()).any(|part| part == *secret));
    is_secret.then_some(Closed::Secrets)
}

/// The name without what some file systems ignore: case, and on Windows dots and spaces at the end and what follows a
/// colon; HFS+ ignores a number of invisible characters.
fn canonical_name(name: &str) -> String {
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    let visible = name.chars().filter(
        |c| !matches!(*c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'),
    );
    visible.collect::<String>().trim_end_matches(['.', ' ']).to_lowercase()
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
        both("sub/.mimir", Closed::Mimir);
        both(".git/hooks/pre-commit", Closed::Git);
        both(".git/config", Closed::Git);
        both(".git/modules/x/config", Closed::Git);
        both(".git/info/attributes", Closed::Git);
        check(".git/HEAD", None, Some(Closed::Git));
        check(".git", None, Some(Closed::Git));
        both(".ssh/id_ed25519", Closed::Secrets);
        both("home/.config/gh/hosts.yml", Closed::Secrets);
        both(".docker/config.json", Closed::Secrets);
        check(".docker/Dockerfile", None, None);
        check(".github/workflows/ci.yml", None, None);
        check(".gitignore", None, None);
        check("src/mimir/config.yml", None, None);
        check("", None, None);
    }
}
