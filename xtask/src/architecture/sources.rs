//! What a crate's folder must hold: roots that forbid `unsafe`, one test binary, a ban on ambient I/O.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::table;
use super::violation::{Rule, Violation};
use super::workspace::{Member, Workspace};

pub(super) fn check(workspace: &Workspace) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for member in &workspace.members {
        if member.folder != table::UNSAFE {
            violations.extend(forbid_unsafe(member)?);
        }
        violations.extend(test_binaries(member)?);
        if table::WITHOUT_AMBIENT_IO.contains(&member.folder.as_str()) {
            violations.extend(ambient_io(member)?);
        }
    }
    Ok(violations)
}

fn forbid_unsafe(member: &Member) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    let roots = roots(member)?;
    if roots.is_empty() {
        violations.push(Violation::new(
            member.file(),
            Rule::ForbidUnsafe,
            "the crate has no root",
            "give it src/lib.rs or src/main.rs",
        ));
    }
    for root in roots {
        let text = fs::read_to_string(member.path.join(&root)).with_context(|| member.relative(&root))?;
        if !text.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]") {
            violations.push(Violation::new(
                member.relative(&root),
                Rule::ForbidUnsafe,
                "the crate's root does not forbid `unsafe`",
                format!("write `#![forbid(unsafe_code)]`; unsafe code belongs to crates/{}", table::UNSAFE),
            ));
        }
    }
    Ok(violations)
}

/// The library's and the binaries' root files: cargo's own places, and what the manifest names instead.
fn roots(member: &Member) -> Result<Vec<String>> {
    let mut roots = Vec::new();
    for name in ["src/lib.rs", "src/main.rs"] {
        if member.path.join(name).exists() {
            roots.push(name.to_owned());
        }
    }
    for (name, path) in entries(&member.path.join("src/bin"))? {
        if path.is_dir() && path.join("main.rs").exists() {
            roots.push(format!("src/bin/{name}/main.rs"));
        } else if name.ends_with(".rs") {
            roots.push(format!("src/bin/{name}"));
        }
    }
    let library = member.manifest.get("lib").into_iter();
    let binaries = member.manifest.get("bin").and_then(Value::as_array).into_iter().flatten();
    for path in library.chain(binaries).filter_map(|target| target.get("path")).filter_map(Value::as_str) {
        if !roots.iter().any(|root| root == path) {
            roots.push(path.to_owned());
        }
    }
    Ok(roots)
}

/// Each test binary of a crate that reaches V8 links 100 MB, so there is one: `tests/it/main.rs`.
fn test_binaries(member: &Member) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    for (name, path) in entries(&member.path.join("tests"))? {
        if name.ends_with(".rs") || (name != "it" && path.join("main.rs").exists()) {
            found.push(format!("tests/{name}"));
        }
    }
    let declared = member.manifest.get("test").and_then(Value::as_array).into_iter().flatten();
    for test in declared {
        let name = test.get("name").and_then(Value::as_str).unwrap_or_default();
        if name != "it" {
            found.push(format!("[[test]] {name}"));
        }
    }
    Ok(found
        .into_iter()
        .map(|test| {
            Violation::new(
                member.file(),
                Rule::OneTestBinary,
                format!("`{test}` is a test binary of its own"),
                "make it a module of tests/it/main.rs: each binary is linked anew, with V8 100 MB",
            )
        })
        .collect())
}

fn ambient_io(member: &Member) -> Result<Option<Violation>> {
    let file = member.path.join("clippy.toml");
    let violation = |problem: &str| {
        Some(Violation::new(
            member.relative("clippy.toml"),
            Rule::AmbientIo,
            problem,
            "list the ways to the real file system, processes, network and clock under `disallowed-methods`, each as \
             { path = \"…\", reason = \"…\" }: this crate is logic and asks its ports",
        ))
    };
    if !file.exists() {
        return Ok(violation("the crate may not touch the outside world, and nothing keeps it from it"));
    }
    let table: Table = fs::read_to_string(&file)?.parse().with_context(|| member.relative("clippy.toml"))?;
    let Some(banned) = table.get("disallowed-methods").and_then(Value::as_array).filter(|list| !list.is_empty()) else {
        return Ok(violation("`disallowed-methods` is missing or empty"));
    };
    let reasoned = |ban: &Value| ban.get("reason").and_then(Value::as_str).is_some_and(|reason| !reason.is_empty());
    if !banned.iter().all(reasoned) {
        return Ok(violation("a banned method has no reason"));
    }
    for start in ["std::fs::", "std::net::", "std::process::", "std::time::"] {
        let covers = |ban: &Value| ban.get("path").and_then(Value::as_str).is_some_and(|path| path.starts_with(start));
        if !banned.iter().any(covers) {
            return Ok(violation(&format!("nothing of `{start}` is banned")));
        }
    }
    Ok(None)
}

/// The entries of a folder by name; none if there is no such folder.
fn entries(folder: &Path) -> Result<Vec<(String, std::path::PathBuf)>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    entries.sort();
    Ok(entries)
}
