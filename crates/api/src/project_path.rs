use std::path::{Component, Path, PathBuf};

use crate::ApiError;

/// A path as a plugin gave it, made sense of without looking at any file: where it would be if there were no links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProjectPath {
    /// From the project's root, without `.` and `..`; empty for the root itself.
    pub(crate) relative: PathBuf,
    /// The same from the file system's root.
    pub(crate) absolute: PathBuf,
}

/// Linux's limit on a path, in bytes; no platform takes more.
const MAX_BYTES: usize = 4_096;

/// What is wrong with a path.
#[derive(Debug)]
pub(crate) enum PathProblem {
    Unusable(ApiError),
    /// It lies outside of the project.
    Outside,
}

impl ProjectPath {
    /// Reads `text` as relative to the project, or as absolute if it lies beneath one of the two ways to write the
    /// project's root: `root` without links, `as_given` as the user and `ctx.project.root` have it.
    pub(crate) fn parse(root: &Path, as_given: &Path, text: &str) -> Result<Self, PathProblem> {
        check_text(text).map_err(PathProblem::Unusable)?;
        let path = Path::new(text);
        let relative = if path.has_root() {
            let plain = normalise(path).ok_or(PathProblem::Outside)?;
            let beneath = [root, as_given].into_iter().find_map(|root| plain.strip_prefix(strip_root(root)).ok());
            beneath.ok_or(PathProblem::Outside)?.to_owned()
        } else {
            normalise(path).ok_or(PathProblem::Outside)?
        };
        Ok(Self {
            absolute: if relative.as_os_str().is_empty() { root.to_owned() } else { root.join(&relative) },
            relative,
        })
    }
}

fn strip_root(path: &Path) -> PathBuf {
    path.components().filter(|component| matches!(component, Component::Normal(_))).collect()
}

/// The names of `path`, without its root; nothing if `..` leads above where it starts.
fn normalise(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir if !plain.pop() => return None,
            _ => {}
        }
    }
    Some(plain)
}

fn check_text(text: &str) -> Result<(), ApiError> {
    let shown = || text.chars().take(200).collect::<String>().escape_debug().to_string();
    if text.is_empty() {
        return Err(ApiError::invalid("the path is empty"));
    }
    if text.len() > MAX_BYTES {
        return Err(ApiError::invalid(format!("the path is longer than {MAX_BYTES} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(ApiError::invalid(format!("the path `{}` contains control characters", shown())));
    }
    let mut start = text.chars();
    let is_drive = start.next().is_some_and(|c| c.is_ascii_alphabetic()) && start.next() == Some(':');
    if text.contains('\\') || text.starts_with("//") || is_drive || (cfg!(windows) && text.contains(':')) {
        let hint = "write it relative to the project's root, with `/` between the names";
        return Err(ApiError::invalid(format!("the path `{}` has a form of Windows", shown())).with_hint(hint));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let found = ProjectPath::parse(Path::new("/real/project"), Path::new("/home/link"), text);
        let found = match &found {
            Ok(path) => {
                assert_eq!(path.absolute, Path::new("/real/project").join(&path.relative).components().as_path());
                Ok(path.relative.to_str().expect("made of text"))
            }
            Err(PathProblem::Outside) => Err("outside"),
            Err(PathProblem::Unusable(error)) => Err(error.message.as_str()),
        };
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn reads_paths() {
        check("a/b.ts", Ok("a/b.ts"));
        check("./a//b/./c/../d/", Ok("a/b/d"));
        check(".", Ok(""));
        check("a/..", Ok(""));
        check("größe/🎉 x", Ok("größe/🎉 x"));
        check("/real/project/a", Ok("a"));
        check("/home/link/a", Ok("a"));
        check("/real/project", Ok(""));
        check("/real/x/../project/a", Ok("a"));
        check("~/a", Ok("~/a"));
        check("...", Ok("..."));
    }

    #[test]
    fn refuses_what_leads_out() {
        for text in
            ["..", "a/../..", "../project/a", "/", "/etc/passwd", "/real/project-2", "/real/project/../x", "/.."]
        {
            check(text, Err("outside"));
        }
    }

    #[test]
    fn refuses_what_is_no_path_here() {
        check("", Err("the path is empty"));
        check("a\0b", Err("the path `a\\0b` contains control characters"));
        check("a\nb", Err("the path `a\\nb` contains control characters"));
        check("a\u{85}", Err("the path `a\\u{85}` contains control characters"));
        check(&"x/".repeat(2_049), Err("the path is longer than 4096 bytes"));
        for text in ["C:\\x", "c:x", "C:/x", "a\\b", "\\\\server\\share", "//server/share", "//?/C:/x"] {
            check(text, Err(&format!("the path `{}` has a form of Windows", text.escape_debug())));
        }
    }
}
