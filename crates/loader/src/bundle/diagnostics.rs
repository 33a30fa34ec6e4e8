use std::path::Path;

use rolldown_error::{BuildDiagnostic, EventKind};

use super::guard::{Guard, about_builtin, builtin};
use crate::error::Problem;

/// Turns the bundler's finding into ours.
pub(super) fn problem(guard: &Guard, root: &Path, found: &BuildDiagnostic) -> Problem {
    let diagnostic = found.to_diagnostic();
    let place = diagnostic.get_primary_location();
    let text = found.to_string();
    let (message, hint) = match guard.refusal_behind(&text).or_else(|| guard.refusal_behind(&diagnostic.to_string())) {
        Some(refusal) => (refusal.message, Some(refusal.hint)),
        None if is_unresolved(found) => unresolved(&text),
        None => (one_line(&text, &diagnostic.to_string()), hint(found)),
    };
    let file = place.as_ref().map(|(file, ..)| file.clone()).or_else(|| found.id()).unwrap_or_default();
    Problem {
        file: relative(root, &file),
        line: place.as_ref().and_then(|(_, line, ..)| u32::try_from(*line).ok()),
        column: place.as_ref().and_then(|(_, _, column, _)| u32::try_from(column + 1).ok()),
        message,
        hint,
        excerpt: place.as_ref().and_then(|_| excerpt(&diagnostic.to_string())),
    }
}

/// Whether this is an import that leads nowhere. For a package that is a mere warning of the bundler's, since it could
/// be there at run time; a plugin has nothing at run time.
pub(super) fn is_unresolved(found: &BuildDiagnostic) -> bool {
    matches!(found.kind(), EventKind::UnresolvedImport)
}

fn unresolved(text: &str) -> (String, Option<String>) {
    let Some(specifier) = text.split(['\'', '"', '`']).nth(1) else {
        return (text.to_owned(), None);
    };
    if let Some(name) = builtin(specifier) {
        let refusal = about_builtin(name);
        return (refusal.message, Some(refusal.hint));
    }
    let hint = if specifier.starts_with('.') {
        "check the name and the extension; the file must lie in the plugin's folder".to_owned()
    } else {
        let package: Vec<_> = specifier.split('/').take(if specifier.starts_with('@') { 2 } else { 1 }).collect();
        format!("run `npm install {}` in the plugin's folder, or remove the import", package.join("/"))
    };
    (format!("`{specifier}` was not found"), Some(hint))
}

fn hint(found: &BuildDiagnostic) -> Option<String> {
    match found.kind() {
        EventKind::ParseError => Some("correct the syntax; plugins are TypeScript or JavaScript modules".into()),
        EventKind::MissingExportError => {
            Some("export that name, or use `export type`/`import type` if it is a type".into())
        }
        EventKind::Eval => Some("`eval` does nothing in a plugin: write the code out".into()),
        _ => None,
    }
}

/// The first line of what the bundler says; a wrapped finding says it only in its long form.
fn one_line(short: &str, long: &str) -> String {
    let line = if short.trim().is_empty() { long } else { short };
    line.lines().next().unwrap_or_default().trim().to_owned()
}

/// The framed source lines of the long form, without the line that repeats the message.
fn excerpt(long: &str) -> Option<String> {
    let (_, frame) = long.split_once('\n')?;
    // What the bundler knows of a refusal is not worth showing
    let frame = frame.trim_end().replace('\0', "").replace("plugin `mimir` threw an error", "here");
    (!frame.trim().is_empty()).then_some(frame)
}

fn relative(root: &Path, file: &str) -> String {
    let path = Path::new(file);
    let path = path.strip_prefix(root).unwrap_or(path);
    path.to_string_lossy().trim_start_matches("./").replace('\\', "/").replace('\0', "")
}
