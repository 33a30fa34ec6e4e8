//! `docs/architecture.md` names what there is: every crate, and no crate or type that does not exist.

#![allow(clippy::unwrap_used, reason = "a test that can't read its page fails")]

use std::fs;
use std::path::Path;

use super::table::Role;
use super::workspace::Workspace;

fn page() -> String {
    fs::read_to_string(crate::repository::root().join("docs/architecture.md")).unwrap()
}

#[test]
fn the_code_map_names_every_crate_and_no_other() {
    let page = page();
    let workspace = Workspace::read(&crate::repository::root()).unwrap();
    assert!(!workspace.members.is_empty());
    for member in workspace.members.iter().filter(|member| member.folder != "xtask") {
        let name = format!("`crates/{}`", member.folder);
        assert!(page.contains(&name), "docs/architecture.md does not say what {name} is for");
    }
    for (at, _) in page.match_indices("`crates/") {
        let folder = page[at + "`crates/".len()..].split(['`', '/']).next().unwrap();
        let known = folder.is_empty() || Role::of(folder).is_some();
        assert!(known, "docs/architecture.md names the unknown crate {folder}");
    }
}

#[test]
fn the_types_that_the_page_names_exist() {
    let mut code = String::new();
    read(&crate::repository::root().join("crates"), &mut code);
    let page = page();
    let named: Vec<&str> = page.split('`').skip(1).step_by(2).filter(|name| is_type(name)).collect();
    assert!(named.len() > 20, "the page names only {named:?}");
    for name in named {
        let exists = ["struct", "enum", "trait", "type"].iter().any(|kind| {
            let declaration = format!("pub {kind} {name}");
            let mut found = code.match_indices(&declaration);
            // Not `PluginStoreError` for `PluginStore`.
            found.any(|(at, _)| !code[at + declaration.len()..].starts_with(|next: char| next.is_alphanumeric()))
        });
        assert!(exists, "docs/architecture.md names the type {name}, which no crate makes public");
    }
}

/// Whether the words between backquotes are one name in the case of types.
fn is_type(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.contains(|letter: char| letter.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric())
}

fn read(folder: &Path, code: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, code);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}
