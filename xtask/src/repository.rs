//! Where this repository is.

use std::path::{Path, PathBuf};

/// The root folder: the parent of `xtask/`, as cargo says at run time, so that a moved clone is found too.
pub(crate) fn root() -> PathBuf {
    let xtask = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&xtask).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that can't read its pages fails")]

    use std::fs;

    use super::*;

    /// The pages that people start from: the root's, `docs/`, and the packages' own.
    fn pages(root: &Path) -> Vec<PathBuf> {
        let mut folders = vec![root.to_path_buf(), root.join("docs"), root.join("xtask/reference")];
        folders.extend(fs::read_dir(root.join("packages")).unwrap().map(|entry| entry.unwrap().path()));
        let files = folders.iter().filter(|folder| folder.is_dir()).flat_map(|folder| fs::read_dir(folder).unwrap());
        files.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|it| it == "md")).collect()
    }

    /// The targets of `[text](target)` that are files of this repository.
    fn links(text: &str) -> impl Iterator<Item = &str> {
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
        targets.filter(|target| !target.is_empty() && !target.contains(':'))
    }

    #[test]
    fn every_link_leads_to_a_file() {
        let mut seen = 0;
        let mut broken = Vec::new();
        for page in pages(&root()) {
            for target in links(&fs::read_to_string(&page).unwrap()) {
                seen += 1;
                if !page.parent().unwrap().join(target).exists() {
                    broken.push(format!("{} → {target}", page.display()));
                }
            }
        }
        assert!(seen > 5, "only {seen} links found");
        assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
    }
}
