//! What lies where: the top level and the workspace's members.

use std::fs;

use anyhow::Result;
use toml::Value;

use super::table;
use super::violation::{Rule, Violation};
use super::workspace::Workspace;

pub(super) fn check(workspace: &Workspace) -> Result<Vec<Violation>> {
    let mut violations = top_level(workspace)?;
    for (key, expected) in [("members", table::MEMBERS), ("exclude", table::EXCLUDED)] {
        let listed = workspace.manifest.get("workspace").and_then(|it| it.get(key));
        let listed: Vec<&str> =
            listed.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        if listed != expected {
            violations.push(Violation::new(
                "Cargo.toml",
                Rule::Members,
                format!("`workspace.{key}` is {listed:?}"),
                format!("it is {expected:?}: crates lie flat under crates/, and what stands apart is known to xtask"),
            ));
        }
    }
    for folder in &workspace.empty_folders {
        violations.push(Violation::new(
            format!("crates/{folder}"),
            Rule::Members,
            "the folder holds no crate",
            "remove it, or give it a Cargo.toml",
        ));
    }
    Ok(violations)
}

fn top_level(workspace: &Workspace) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for entry in fs::read_dir(&workspace.root)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !table::TOP_LEVEL.contains(&name.as_str()) && !table::LOCAL.contains(&name.as_str()) {
            violations.push(Violation::new(
                name,
                Rule::TopLevel,
                "the top level of the repository does not have this entry",
                "move it under crates/, docs/, fixtures/, packages/ or xtask/, or add it to TOP_LEVEL in \
                 xtask/src/architecture/table.rs",
            ));
        }
    }
    Ok(violations)
}
