//! Who uses whom: the table against the manifests, and `xtask/uses.toml` against both.

use std::collections::BTreeSet;

use super::table::{self, Role};
use super::violation::{Rule, Violation};
use super::workspace::{Dependency, Member, Uses, Workspace};

const USES: &str = "xtask/uses.toml";

pub(super) fn check(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for member in &workspace.members {
        let Some(role) = Role::of(&member.folder) else {
            violations.push(Violation::new(
                member.file(),
                Rule::UnknownCrate,
                format!("the table does not know the crate `{}`", member.folder),
                "give it a role in xtask/src/architecture/table.rs and a line in docs/architecture.md, or make it a \
                 module of the crate that needs it",
            ));
            continue;
        };
        let none = Uses::default();
        let listed = workspace.uses.get(&member.folder).unwrap_or(&none);
        violations.extend(check_member(workspace, member, role, listed));
    }
    for folder in workspace.uses.keys() {
        if !workspace.members.iter().any(|member| member.folder == *folder) {
            violations.push(Violation::new(
                USES,
                Rule::StaleEdge,
                format!("`[{folder}]` stands for a crate that does not exist"),
                "remove the table",
            ));
        }
    }
    violations
}

fn check_member(workspace: &Workspace, member: &Member, role: Role, listed: &Uses) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut crates = BTreeSet::new();
    let mut restricted = BTreeSet::new();
    for dependency in &member.dependencies {
        if let Some(target) = workspace.folder_of(&dependency.package) {
            if role.may_use(&target) {
                if !listed.crates.contains(&target) && !crates.contains(&target) {
                    violations.push(new_edge(member, dependency, "crates", &target));
                }
            } else {
                violations.push(Violation::new(
                    member.file(),
                    Rule::ForbiddenEdge,
                    format!("{} may not use `{target}` ({})", member.folder, told(dependency)),
                    role.instead(&member.folder),
                ));
            }
            crates.insert(target);
        } else if let Some((restriction, pattern)) = table::restriction(&dependency.package) {
            let package = &dependency.package;
            if !restriction.crates.contains(&member.folder.as_str()) {
                violations.push(Violation::new(
                    member.file(),
                    Rule::ForbiddenEdge,
                    format!("{} may not use the package `{package}` ({})", member.folder, told(dependency)),
                    restriction.why,
                ));
            } else if !listed.restricted.iter().any(|it| it == pattern) && !restricted.contains(pattern) {
                violations.push(new_edge(member, dependency, "restricted", pattern));
            }
            restricted.insert(pattern.to_owned());
        }
    }
    for (list, entries, found) in [("crates", &listed.crates, &crates), ("restricted", &listed.restricted, &restricted)]
    {
        for name in entries.iter().filter(|name| !found.contains(*name)) {
            violations.push(Violation::new(
                USES,
                Rule::StaleEdge,
                format!("`{}` no longer uses `{name}`", member.folder),
                format!("remove \"{name}\" from `{list}` in [{}]", member.folder),
            ));
        }
    }
    violations
}

fn new_edge(member: &Member, dependency: &Dependency, list: &str, target: &str) -> Violation {
    Violation::new(
        member.file(),
        Rule::NewEdge,
        format!("{} now uses `{target}` ({})", member.folder, told(dependency)),
        format!(
            "it is allowed; if it is meant, add \"{target}\" to `{list}` in [{}] of {USES}, so that a review sees it",
            member.folder
        ),
    )
}

/// The section, and the key if the manifest renames the package.
fn told(dependency: &Dependency) -> String {
    let Dependency { key, package, section, .. } = dependency;
    if key == package { section.clone() } else { format!("{section}, as `{key}`") }
}
