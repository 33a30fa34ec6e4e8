use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::spelling::{fold, fold_name};

/// `path` relative to `root` without `.` and `..`, or `None` if it leaves the root or `root` is not absolute.
///
/// Lexical: what a symlink leads to is for whoever opens the file. A `..` behind a symlink means something else to the
/// kernel than here, so the caller must open the normalised path and no other.
pub(crate) fn beneath<'a>(root: &Path, path: &'a Path) -> Option<Cow<'a, Path>> {
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return None;
    }
    // What comes from an open file needs no work: this is asked before and after each call
    if root.is_absolute()
        && let Ok(relative) = path.strip_prefix(root)
        && relative.components().chain(root.components().skip(1)).all(|part| matches!(part, Component::Normal(_)))
    {
        return Some(relative.into());
    }
    let root = normalise(root)?;
    let path = normalise(&root.join(path))?;
    path.strip_prefix(&root).ok().map(|relative| relative.to_path_buf().into())
}

/// An absolute path without `.` and `..`.
pub(super) fn normalise(path: &Path) -> Option<PathBuf> {
    if !path.is_absolute() {
        return None;
    }
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                // The root's parent is the root, as for the kernel
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    Some(normal)
}

/// `capabilities.filesystem.restricted`, compiled.
#[derive(Debug, Clone)]
pub(crate) struct RestrictedPaths {
    as_written: Gitignore,
    /// The same in one spelling, for paths in one spelling: a file system may hand out `.ENV`, or `Größe` in any of its
    /// Unicode forms.
    folded: Gitignore,
    is_empty: bool,
    is_ascii: bool,
}

impl RestrictedPaths {
    /// `None` if a glob is wrong, which must close everything.
    pub(crate) fn new(globs: &[String]) -> Option<Self> {
        let lines = globs.iter().map(|glob| line(glob)).collect::<Option<Vec<_>>>()?;
        let as_written = compile(lines.iter().map(String::as_str))?;
        // What is no glob any more in another spelling is kept as it was written
        let folded = lines.iter().map(|line| match fold(line) {
            folded if compile([&*folded]).is_some() => folded,
            _ => line.as_str().into(),
        });
        let folded = compile(folded.collect::<Vec<_>>().iter().map(|line| &**line))?;
        let (is_empty, is_ascii) = (globs.is_empty(), globs.iter().all(|glob| glob.is_ascii()));
        Some(Self { as_written, folded, is_empty, is_ascii })
    }

    /// Whether the path or a folder above it is closed. `relative` must be normalised.
    pub(crate) fn is_closed(&self, relative: &Path) -> bool {
        if self.is_empty || relative.as_os_str().is_empty() {
            return false;
        }
        // Whether it is a folder is not known here; a pattern for folders alone (`secrets/`) closes both.
        let closes = |globs: &Gitignore, path: &Path| globs.matched_path_or_any_parents(path, true).is_ignore();
        if closes(&self.as_written, relative) {
            return true;
        }
        // Case has been ignored already, so this would find nothing else
        let is_plain = |name: &OsStr| {
            let name = name.as_encoded_bytes();
            name.is_ascii() && !name.contains(&b':') && !name.ends_with(b".") && !name.ends_with(b" ")
        };
        if self.is_ascii && relative.iter().all(is_plain) {
            return false;
        }
        let folded: PathBuf = relative.iter().map(|name| fold_name(&name.to_string_lossy()).into_owned()).collect();
        closes(&self.folded, &folded)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.is_empty
    }
}

fn compile<'a>(lines: impl IntoIterator<Item = &'a str>) -> Option<Gitignore> {
    let mut builder = GitignoreBuilder::new("");
    builder.case_insensitive(true).ok()?;
    for line in lines {
        builder.add_line(None, line).ok()?;
    }
    builder.build().ok()
}

/// The line of a gitignore file for an entry. It can only close: a `!` would open what another entry closed.
fn line(glob: &str) -> Option<String> {
    // In a gitignore file `./x` matches nothing, but it is clear what is meant
    let (anchor, glob) = match glob.strip_prefix("./") {
        Some(rest) => ("/", rest.trim_start_matches('/')),
        None => ("", glob),
    };
    let closes_nothing =
        glob.trim_matches(['/', ' ']).is_empty() || glob.split('/').any(|name| matches!(name, "." | ".."));
    match glob.chars().next() {
        _ if closes_nothing => None,
        Some('!') if anchor.is_empty() => None,
        // A comment in a gitignore file, but what stands in a list is meant
        Some('#') if anchor.is_empty() => Some(format!("\\{glob}")),
        _ => Some(format!("{anchor}{glob}")),
    }
}

/// What is wrong with an entry of `restricted`, if anything.
pub(crate) fn restricted_problem(glob: &str) -> Option<String> {
    if glob.trim().is_empty() {
        return Some("an empty glob closes nothing".to_owned());
    }
    if glob.starts_with('!') {
        return Some(format!("`{glob}` would open what other entries close; `restricted` only closes"));
    }
    if line(glob).is_none() {
        return Some(format!("`{glob}` closes nothing: write it from the project's root on, without `.` and `..`"));
    }
    RestrictedPaths::new(&[glob.to_owned()]).is_none().then(|| format!("`{glob}` is no glob"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn finds_what_is_beneath() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(
                beneath(Path::new("/code/project"), Path::new(path)),
                expected.map(|path| PathBuf::from(path).into()),
                "{path}"
            );
        };
        check("src/main.rs", Some("src/main.rs"));
        check("./src/../README.md", Some("README.md"));
        check("/code/project/a", Some("a"));
        check("/code/project", Some(""));
        check(".", Some(""));
        check("..", None);
        check("../project/a", Some("a"));
        check("../other/a", None);
        check("/code/project2/a", None);
        check("/etc/passwd", None);
        check("a/../../../etc/passwd", None);
        check("a\0b", None);
        assert_eq!(beneath(Path::new("relative"), Path::new("a")), None);
    }

    #[test]
    fn closes_by_gitignores_rules() {
        let check = |globs: &[&str], path: &str, expected: bool| {
            let globs = globs.iter().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(
                RestrictedPaths::new(&globs).unwrap().is_closed(Path::new(path)),
                expected,
                "{globs:?} on {path}"
            );
        };
        check(&[".env"], ".env", true);
        check(&[".env"], "packages/a/.env", true);
        check(&[".env"], ".ENV", true);
        check(&[".env"], ".env.example", false);
        check(&[".env*"], ".env.local", true);
        check(&[".ssh/*"], ".ssh/id_rsa", true);
        check(&[".ssh/*"], ".ssh/keys/id_rsa", true);
        check(&[".ssh/*"], "a/.ssh/id_rsa", false);
        check(&["/build"], "a/build", false);
        check(&["secrets/"], "a/secrets/b/c", true);
        check(&["secrets/"], "secrets", true);
        check(&["**/*.pem"], "a/b/c.pem", true);
        check(&["#x"], "#x", true);
        check(&["./secrets"], "secrets/a", true);
        check(&["./secrets"], "a/secrets", false);
        check(&["Größe/*"], "gro\u{308}ße/x", true);
        check(&["gro\u{308}ße/*"], "GRÖSSE/x", true);
        check(&["[A-C]*.Pem"], "B1.pem", true);
        check(&[".env"], ".env.", true);
        check(&[".env"], "．ＥＮＶ", true);
        check(&[".env"], ".e\u{200b}nv", true);
        check(&["foo."], "foo.", true);
        check(&["a", "b"], "b", true);
        check(&["*"], "anything", true);
        check(&["*"], "", false);
        check(&[], "anything", false);
    }

    #[test]
    fn refuses_what_could_open() {
        assert!(RestrictedPaths::new(&["!.env".to_owned()]).is_none());
        assert!(restricted_problem("!.env").is_some());
        assert!(restricted_problem("").is_some());
        assert!(restricted_problem("[z-a]").is_some());
        for nothing in ["/", "./", "../x", "a/../b", " "] {
            assert!(restricted_problem(nothing).is_some(), "{nothing:?}");
        }
        assert!(restricted_problem(".env").is_none());
    }
}
