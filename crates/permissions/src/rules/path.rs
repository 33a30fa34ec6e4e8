//! Patterns of paths. In the project they are relative to it, and one without `/` is a name at any depth, as in
//! `.gitignore`. Outside of it only patterns that begin with `/` or `~/` mean anything.

use std::path::Path;

use super::Glob;
use crate::paths::{Place, Project, normal};

/// Whether a pattern means a place, letter for letter.
pub(super) fn allows(pattern: &str, place: &Place, project: &Project) -> bool {
    if place.is_unknown {
        return false;
    }
    let Some((pattern, path)) = side_by_side(pattern, place, project) else { return false };
    matches(&pattern, &path)
}

/// Whether a pattern means a place or a folder in which it lies. Capitals make no difference, since some file systems see
/// none, and `*` alone is everything.
pub(super) fn blocks(pattern: &str, place: &Place, project: &Project) -> bool {
    if matches!(pattern, "*" | "**" | "**/*") || place.is_unknown {
        return true;
    }
    let Some((pattern, path)) = side_by_side(pattern, place, project) else { return false };
    let pattern = pattern.iter().map(|part| part.to_lowercase()).collect::<Vec<_>>();
    let path = path.iter().map(|part| part.to_lowercase()).collect::<Vec<_>>();
    (1..=path.len()).any(|len| path.get(..len).is_some_and(|above| matches(&pattern, above)))
}

/// The parts of the pattern and those of the path that it is compared with; nothing if they can't meet.
fn side_by_side(pattern: &str, place: &Place, project: &Project) -> Option<(Vec<String>, Vec<String>)> {
    let parts = |path: &Path| {
        let names = path.iter().map(|part| part.to_string_lossy().into_owned());
        names.filter(|name| name != "/").collect::<Vec<_>>()
    };
    if let Some(rest) = pattern.strip_prefix("~/") {
        let home = normal(project.home.as_deref()?);
        let mut whole = parts(&home).iter().map(|part| super::glob::escaped(part)).collect::<Vec<_>>();
        whole.extend(pattern_parts(rest));
        return Some((whole, parts(&place.path)));
    }
    if let Some(rest) = pattern.strip_prefix('/') {
        return Some((pattern_parts(rest), parts(&place.path)));
    }
    let inside = place.inside.as_deref()?;
    // `./name` is the one in the project's own folder
    let is_anchored = pattern.starts_with("./");
    let mut wanted = pattern_parts(pattern);
    if !is_anchored && !pattern.trim_end_matches('/').contains('/') {
        wanted.insert(0, "**".to_owned());
    }
    Some((wanted, parts(inside)))
}

/// `src/` is all that lies beneath `src`.
fn pattern_parts(pattern: &str) -> Vec<String> {
    let mut parts =
        pattern.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect::<Vec<_>>();
    if pattern.ends_with('/') {
        parts.push("**".to_owned());
    }
    parts
}

/// `**` is any number of folders, at the end at least one name. Each pair of positions is looked at once.
fn matches(pattern: &[String], path: &[String]) -> bool {
    let width = path.len() + 1;
    // reachable[t]: whether the pattern so far matches the first `t` names
    let mut reachable = vec![false; width];
    if let Some(start) = reachable.first_mut() {
        *start = true;
    }
    for (index, part) in pattern.iter().enumerate() {
        let mut next = vec![false; width];
        if part == "**" {
            let is_last = index + 1 == pattern.len();
            let mut seen = false;
            for (t, slot) in next.iter_mut().enumerate() {
                let before = reachable.get(t).copied().unwrap_or(false);
                *slot = if is_last { seen } else { seen || before };
                seen |= before;
            }
        } else {
            let glob = Glob::new(part);
            for (t, name) in path.iter().enumerate() {
                let is_match = reachable.get(t).copied().unwrap_or(false) && glob.matches(name);
                if let Some(slot) = next.get_mut(t + 1).filter(|_| is_match) {
                    *slot = true;
                }
            }
        }
        reachable = next;
    }
    reachable.last().copied().unwrap_or(false)
}
