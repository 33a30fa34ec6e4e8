use std::path::{Path, PathBuf};

use mimir_shared_config::PluginManifest;
use serde_json::Value;

use crate::adapters::disk;
use crate::error::LoadError;

const USUAL: [&str; 10] = [
    "src/index.ts",
    "src/index.mts",
    "src/index.js",
    "src/index.mjs",
    "src/index.tsx",
    "index.ts",
    "index.mts",
    "index.js",
    "index.mjs",
    "index.cjs",
];

/// The module that a plugin starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MainModule {
    /// Relative to the plugin's folder, with `/`.
    pub(crate) path: String,
    /// What the author should know about how it was found.
    pub(crate) warning: Option<String>,
    /// Whether it is what the first name says, and no link: then no change elsewhere makes another module of it than one of
    /// its folder, or of those where the usual names are looked for.
    pub(crate) is_plain: bool,
}

/// Finds the module to load: the manifest decides, then `package.json`, then the usual names.
///
/// `root` is canonical. What the manifest names must exist; what `package.json` names may be missing (nobody has built
/// the package yet), then the usual names still count.
pub(crate) fn find_main(
    root: &Path,
    manifest: &PluginManifest,
    package: Option<&Value>,
) -> Result<MainModule, LoadError> {
    if let Some(main) = &manifest.main {
        let found = inside(root, main)?;
        let (path, is_plain) =
            found.ok_or_else(|| LoadError::MainMissing { dir: root.to_owned(), tried: vec![main.clone()] })?;
        return Ok(MainModule { path, warning: None, is_plain });
    }
    let mut tried = Vec::new();
    for main in package.map(named_by_package).unwrap_or_default() {
        if let Some((path, is_plain)) = inside(root, &main)? {
            return Ok(MainModule { path, warning: None, is_plain: is_plain && tried.is_empty() });
        }
        tried.push(main);
    }
    let missing = tried.first().cloned();
    for main in USUAL {
        if let Some((path, is_plain)) = inside(root, main)? {
            let is_plain = is_plain && missing.is_none();
            let warning = missing
                .map(|named| format!("package.json names `{named}`, which does not exist; `{path}` is loaded instead"));
            return Ok(MainModule { path, warning, is_plain });
        }
        tried.push(main.to_owned());
    }
    Err(LoadError::MainMissing { dir: root.to_owned(), tried })
}

/// What `package.json` names, in the order in which it counts for an ES module.
fn named_by_package(package: &Value) -> Vec<String> {
    let exports = package.get("exports").and_then(|exports| entry_point(exports.get(".").unwrap_or(exports)));
    let field = |name| package.get(name).and_then(Value::as_str);
    let mut named: Vec<_> =
        [exports, field("module"), field("main")].into_iter().flatten().map(str::to_owned).collect();
    named.dedup();
    named
}

/// The path behind the conditions that hold for a plugin.
fn entry_point(exports: &Value) -> Option<&str> {
    match exports {
        Value::String(path) => Some(path),
        Value::Array(choices) => choices.iter().find_map(entry_point),
        Value::Object(conditions) => conditions
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "mimir" | "import" | "module" | "worker" | "default"))
            .find_map(|(_, value)| entry_point(value)),
        _ => None,
    }
}

/// The real path of a file, relative to the root, and whether it lies just there; `None` if there is no such file.
fn inside(root: &Path, path: &str) -> Result<Option<(String, bool)>, LoadError> {
    let outside = || LoadError::MainOutside { dir: root.to_owned(), main: path.to_owned() };
    // Checked as text as well, so that a missing file outside is not reported as merely missing
    let mut depth = 0_i32;
    for part in Path::new(path).components() {
        match part {
            std::path::Component::Normal(_) => depth += 1,
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if depth > 0 => depth -= 1,
            _ => return Err(outside()),
        }
    }
    let mut candidates: Vec<PathBuf> = vec![root.join(path)];
    if Path::new(path).extension().is_none() {
        candidates.extend(["ts", "js", "mjs"].map(|extension| root.join(format!("{path}.{extension}"))));
    }
    let Some(file) = candidates.iter().find(|path| disk::is_file(path)) else { return Ok(None) };
    let Some(real) = disk::canonical(file) else { return Ok(None) };
    let relative = real.strip_prefix(root).map_err(|_| outside())?;
    let relative = relative.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
    // Component by component, so that `./index.ts` counts as `index.ts`
    let is_plain = file.components().eq(real.components());
    Ok(Some((relative, is_plain)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::named_by_package;

    #[test]
    fn package_json_names_the_module() {
        let check = |package: serde_json::Value, expected: &[&str]| assert_eq!(named_by_package(&package), expected);
        check(json!({}), &[]);
        check(json!({"main": "a.js"}), &["a.js"]);
        check(json!({"main": "a.cjs", "module": "a.mjs"}), &["a.mjs", "a.cjs"]);
        check(json!({"exports": "./a.js"}), &["./a.js"]);
        check(json!({"exports": {".": {"types": "./a.d.ts", "import": "./a.js"}}}), &["./a.js"]);
        check(json!({"exports": {"node": "./n.js", "default": "./d.js"}, "main": "m.js"}), &["./d.js", "m.js"]);
        check(json!({"exports": {".": [{"import": {"default": "./deep.js"}}]}}), &["./deep.js"]);
        check(json!({"main": 3, "exports": false}), &[]);
    }
}
