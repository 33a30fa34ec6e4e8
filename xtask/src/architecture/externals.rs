//! Dependencies from outside: each chosen, explained in `docs/dependencies.md`, used, and of one version where two
//! would not fit each other.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use toml::Value;

use super::table;
use super::violation::{Rule, Violation};
use super::workspace::Workspace;

const PAGE: &str = "docs/dependencies.md";

pub(super) fn check(workspace: &Workspace) -> Result<Vec<Violation>> {
    let mut violations = rows(workspace)?;
    violations.extend(unused(workspace));
    violations.extend(development_only(workspace));
    violations.extend(one_version(workspace)?);
    Ok(violations)
}

/// Each external entry of `[workspace.dependencies]` has a row, and each row an entry.
fn rows(workspace: &Workspace) -> Result<Vec<Violation>> {
    let page = workspace.root.join(PAGE);
    let text = if page.exists() { fs::read_to_string(&page).context(PAGE)? } else { String::new() };
    let rows: BTreeSet<&str> = text.lines().filter_map(row_name).collect();
    let entries: BTreeSet<&str> = workspace
        .shared_dependencies()
        .filter(|(_, value)| value.get("path").is_none())
        .map(|(key, _)| key.as_str())
        .collect();
    let missing = entries.iter().filter(|name| !rows.iter().any(|row| table::matches(row, name))).map(|name| {
        Violation::new(
            "Cargo.toml",
            Rule::UndocumentedDependency,
            format!("`{name}` has no row in {PAGE}"),
            "add one: what it does, why this one, what it costs",
        )
    });
    let stale = rows.iter().filter(|row| !entries.iter().any(|name| table::matches(row, name))).map(|name| {
        Violation::new(
            PAGE,
            Rule::StaleRow,
            format!("`{name}` is no dependency of the workspace"),
            "remove the row, or declare the dependency under [workspace.dependencies]",
        )
    });
    Ok(missing.chain(stale).collect())
}

/// The name in the first cell of a table's row, which stands in backquotes; `name_*` is a row for a whole family.
fn row_name(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("| `")?.split_once('`')?;
    Some(name)
}

fn unused(workspace: &Workspace) -> Vec<Violation> {
    let used: BTreeSet<&str> =
        workspace.members.iter().flat_map(|member| &member.dependencies).map(|it| it.key.as_str()).collect();
    let unused = workspace.shared_dependencies().filter(|(key, value)| {
        // A crate of ours that nobody uses yet is no burden: nobody builds it for nothing.
        value.get("path").is_none() && !used.contains(key.as_str())
    });
    unused
        .map(|(key, _)| {
            Violation::new(
                "Cargo.toml",
                Rule::UnusedDependency,
                format!("no crate uses `{key}`"),
                format!("remove it from [workspace.dependencies], and its row from {PAGE}"),
            )
        })
        .collect()
}

fn development_only(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for member in &workspace.members {
        for dependency in &member.dependencies {
            let development = dependency.section.ends_with("dev-dependencies");
            if !development && table::DEVELOPMENT_ONLY.contains(&dependency.package.as_str()) {
                violations.push(Violation::new(
                    member.file(),
                    Rule::DevelopmentOnly,
                    format!("`{}` stands under {}", dependency.package, dependency.section),
                    "it is for tests and benchmarks: move it to [dev-dependencies]",
                ));
            }
        }
    }
    violations
}

fn one_version(workspace: &Workspace) -> Result<Vec<Violation>> {
    let file = workspace.root.join("Cargo.lock");
    if !file.exists() {
        return Ok(Vec::new());
    }
    let lock: toml::Table = fs::read_to_string(&file)?.parse().context("Cargo.lock")?;
    let packages = lock.get("package").and_then(Value::as_array).into_iter().flatten();
    let mut versions = std::collections::BTreeMap::<&str, Vec<&str>>::new();
    for package in packages {
        let field = |key| package.get(key).and_then(Value::as_str).unwrap_or_default();
        versions.entry(field("name")).or_default().push(field("version"));
    }
    let single = |name: &str| table::ONE_VERSION.iter().any(|pattern| table::matches(pattern, name));
    Ok(versions
        .iter()
        .filter(|(name, versions)| versions.len() > 1 && single(name))
        .map(|(name, versions)| {
            Violation::new(
                "Cargo.lock",
                Rule::OneVersion,
                format!("`{name}` comes in {}", versions.join(" and ")),
                "its types would not fit each other: pin the packages that ask for it to one release in \
                 [workspace.dependencies]",
            )
        })
        .collect())
}
