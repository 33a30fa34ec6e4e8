//! What every manifest inherits from the workspace.

use toml::Value;

use super::table;
use super::violation::{Rule, Violation};
use super::workspace::{Dependency, Member, Workspace};

const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

/// What a member may say of a dependency beside `workspace = true`.
const OWN_KEYS: &[&str] = &["workspace", "features", "optional", "default-features"];

pub(super) fn check(workspace: &Workspace) -> Vec<Violation> {
    workspace.members.iter().flat_map(check_member).collect()
}

fn check_member(member: &Member) -> Vec<Violation> {
    let file = member.file();
    let mut violations = Vec::new();
    let name = table::package_name(&member.folder);
    if member.package() != name {
        violations.push(Violation::new(
            &file,
            Rule::PackageName,
            format!("the package is called `{}`", member.package()),
            format!("a package is called by its folder: `{name}`"),
        ));
    }
    let package = member.manifest.get("package");
    for key in INHERITED {
        if !package.and_then(|it| it.get(*key)).is_some_and(inherits) {
            violations.push(Violation::new(
                &file,
                Rule::InheritPackage,
                format!("`{key}` is not the workspace's"),
                format!("write `{key}.workspace = true` under [package]"),
            ));
        }
    }
    if !member.manifest.get("lints").is_some_and(inherits) {
        violations.push(Violation::new(
            &file,
            Rule::InheritLints,
            "the workspace's lints do not apply",
            "write `workspace = true` under [lints]; an exception is an `#[allow(…, reason = \"…\")]` in the code",
        ));
    }
    violations.extend(member.dependencies.iter().filter_map(|dependency| check_dependency(&file, dependency)));
    violations
}

fn check_dependency(file: &str, dependency: &Dependency) -> Option<Violation> {
    let Dependency { key, section, value, .. } = dependency;
    let own = value.as_table().and_then(|table| table.keys().find(|key| !OWN_KEYS.contains(&key.as_str())));
    let problem = match own {
        Some(own) => format!("`{key}` ({section}) sets `{own}` itself"),
        None if !inherits(value) => format!("`{key}` ({section}) is not the workspace's"),
        None => return None,
    };
    let remedy = format!("declare it under [workspace.dependencies] of the root and write `{key}.workspace = true`");
    Some(Violation::new(file, Rule::InheritDependency, problem, remedy))
}

fn inherits(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}
