//! The plugins that ship, as they are in `packages/`: the demonstration needs them wherever the binary is.

use std::io;
use std::path::Path;

macro_rules! shipped {
    ($($package:literal: $($file:literal)+;)+) => {
        &[$($(($package, $file, include_str!(concat!("../../../../packages/", $package, "/", $file)))),+),+]
    };
}

/// Each file: its package, its path there, its text.
const FILES: &[(&str, &str, &str)] = shipped! {
    "budget-alert": "plugin.yml" "package.json" "src/index.ts";
    "formatter": "plugin.yml" "package.json" "src/index.ts" "src/formatters.ts";
    "github-pr-comment": "plugin.yml" "package.json" "src/index.ts" "src/github.ts" "src/summary.ts";
    "precompact": "plugin.yml" "package.json" "src/index.ts" "src/memory.ts";
    "security-audit": "plugin.yml" "package.json" "src/index.ts" "src/paths.ts" "src/program.ts" "src/redact.ts"
        "src/rules.ts" "src/shell.ts";
};

/// Writes them into a folder, each package in one of its own.
pub(super) fn write_to(folder: &Path) -> io::Result<()> {
    for (package, file, text) in FILES {
        let path = folder.join(package).join(file);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    /// A file that a package gained and the list did not would be missed at its first import, in the demonstration alone.
    #[test]
    fn the_list_is_what_the_packages_hold() {
        let packages = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../packages");
        let listed: BTreeSet<_> = FILES.iter().map(|(package, file, _)| format!("{package}/{file}")).collect();
        let mut found = BTreeSet::new();
        let names: BTreeSet<_> = FILES.iter().map(|(package, ..)| *package).collect();
        for entry in std::fs::read_dir(&packages).unwrap() {
            let package = entry.unwrap();
            let name = package.file_name().into_string().unwrap();
            if !package.path().join("plugin.yml").exists() {
                continue;
            }
            assert!(names.contains(name.as_str()), "{name} is a plugin that ships and is not in the list");
            found.extend(["plugin.yml", "package.json"].map(|file| format!("{name}/{file}")));
            for source in std::fs::read_dir(package.path().join("src")).unwrap() {
                found.insert(format!("{name}/src/{}", source.unwrap().file_name().into_string().unwrap()));
            }
        }
        assert_eq!(listed, found);
    }
}
