//! The rules of `docs/architecture.md`, checked on what the manifests declare.
//!
//! Exact both ways: an edge that `xtask/uses.toml` does not list fails, and so does a listed edge that is gone. Every
//! rule has a bad example in `fixtures/architecture/`.

mod edges;
mod externals;
mod layout;
mod manifests;
mod sources;
mod table;
mod violation;
mod workspace;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod page;

use std::path::Path;

use anyhow::{Context, Result, bail};
use violation::Violation;
use workspace::Workspace;

/// Checks the repository at `root` and prints every violation, with what to do about it.
pub(crate) fn run(root: &Path) -> Result<()> {
    let workspace = Workspace::read(root).context("the workspace can't be read")?;
    if workspace.members.is_empty() {
        bail!("no crate found in {}", root.join("crates").display());
    }
    let violations = check(&workspace)?;
    for violation in &violations {
        println!("{violation}");
    }
    if !violations.is_empty() {
        bail!("{} violation(s) of the architecture's rules (docs/architecture.md)", violations.len());
    }
    let edges: usize = workspace.members.iter().map(|member| member.dependencies.len()).sum();
    println!("architecture: {} crates and {edges} declared dependencies follow the rules", workspace.members.len());
    Ok(())
}

/// All violations, by file and rule.
fn check(workspace: &Workspace) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    violations.extend(layout::check(workspace)?);
    violations.extend(manifests::check(workspace));
    violations.extend(edges::check(workspace));
    violations.extend(externals::check(workspace)?);
    violations.extend(sources::check(workspace)?);
    violations.sort();
    violations.dedup();
    Ok(violations)
}
