//! The generated part of `docs/security.md`: what the headers of `fixtures/attacks` say, as tables for people.
//!
//! Whether it is true is not decided here: the tests of `crates/mimir` run every case, and read the headers strictly.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

const CASES: &str = "fixtures/attacks";
const GUARDS: &str = "crates/shared-platform/src/guard.rs";
const BEGIN: &str = "<!-- Generated from fixtures/attacks by `cargo xtask codegen` -->\n";
const END: &str = "<!-- The end of what is generated -->\n";

/// What the class is about; the order of the page.
const CLASSES: &[(&str, &str)] = &[
    ("realm", "Out of the isolate's own world: host objects, changed built-ins, code from strings."),
    ("file-system", "At files that were not granted."),
    ("network", "To hosts and addresses that were not granted."),
    ("exec", "Through programs that a plugin may start."),
    ("environment", "At variables, models, containers and approvals."),
    ("native", "By machine code in the sandbox process, as after an error in V8: what the kernel refuses then."),
    ("secrets", "At keys and tokens, also those that a plugin may use without seeing them."),
    ("trust", "Around grants, trust and the company's policy: what a repository brings along."),
    ("frames", "By native code in the sandbox process: a plugin that has broken V8."),
    ("resources", "At time and memory."),
];

/// The page with its generated part as the cases say.
pub(super) fn page(root: &Path, found: &str) -> Result<String> {
    let (before, rest) = found.split_once(BEGIN).with_context(|| format!("no line {BEGIN:?}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no line {END:?}"))?;
    let guards = guards(&fs::read_to_string(root.join(GUARDS)).context(GUARDS)?);
    ensure!(!guards.is_empty(), "no guard was found in {GUARDS}");
    let made = tables(&guards, &cases(root)?)?;
    Ok(format!("{before}{BEGIN}\n{made}\n{END}{after}"))
}

/// Names of guards and what they do, in their order.
fn guards(text: &str) -> Vec<(String, String)> {
    let mut guards = Vec::new();
    let mut said = String::new();
    let body = text.split_once("\nguards! {").map_or("", |(_, rest)| rest.split("\n}").next().unwrap_or_default());
    for line in body.lines().map(str::trim) {
        if let Some(more) = line.strip_prefix("///") {
            said.push_str(more);
        } else if let Some((_, name)) = line.split_once(" = \"") {
            guards.push((name.trim_end_matches("\";").to_owned(), said.trim().to_owned()));
            said.clear();
        }
    }
    guards
}

#[derive(Debug, PartialEq, Eq)]
struct Case {
    class: String,
    file: String,
    attack: String,
    guard: String,
    /// Guards that stand behind it.
    also: Option<String>,
    expect: String,
    without: Option<String>,
}

fn cases(root: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (class, _) in CLASSES {
        let folder = root.join(CASES).join(class);
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let file = entry?.file_name().to_string_lossy().into_owned();
            let path = format!("{CASES}/{class}/{file}");
            cases.push(case(class, &file, &fs::read_to_string(root.join(&path)).context(path.clone())?).context(path)?);
        }
    }
    cases.sort_by(|one, other| (&one.guard, &one.file).cmp(&(&other.guard, &other.file)));
    Ok(cases)
}

fn case(class: &str, file: &str, text: &str) -> Result<Case> {
    let mut values: BTreeMap<&str, String> = BTreeMap::new();
    let mut key = "";
    for line in text.lines().map_while(|line| line.strip_prefix("//")) {
        match line.strip_prefix(' ').unwrap_or(line).split_once(':') {
            Some((found, value)) if !found.starts_with(' ') => {
                key = found;
                values.insert(key, value.trim().to_owned());
            }
            _ => {
                if let Some(value) = values.get_mut(key) {
                    *value = format!("{value} {}", line.trim());
                }
            }
        }
    }
    let mut need = |key: &str| values.remove(key).with_context(|| format!("its header has no `{key}`"));
    let (attack, guard, expect) = (need("attack")?, need("guard")?, need("expect")?);
    let (class, file) = (class.to_owned(), file.to_owned());
    let also = values.remove("also");
    Ok(Case { class, file, attack, guard, also, expect, without: values.remove("without") })
}

fn tables(guards: &[(String, String)], cases: &[Case]) -> Result<String> {
    let proven = |guard: &str| cases.iter().any(|case| case.guard == guard && case.without.is_some());
    let count = guards.iter().filter(|(guard, _)| proven(guard)).count();
    let mut text = format!(
        "{} attacks. Of {} guards, {count} have been taken out to see an attack succeed.\n\n\
         | guard | what it does | attacks |\n|---|---|---|\n",
        cases.len(),
        guards.len()
    );
    for (guard, what) in guards {
        let number = cases.iter().filter(|case| case.guard == *guard).count();
        text += &format!("| `{guard}` | {} | {number} |\n", cell(what));
    }
    for (class, about) in CLASSES {
        let cases: Vec<&Case> = cases.iter().filter(|case| case.class == *class).collect();
        if cases.is_empty() {
            continue;
        }
        let number = cases.len();
        text += &format!("\n### Attacks: {class} ({number})\n\n{about}\n\n");
        text += "| it | stopped by | so that it is | without that guard |\n|---|---|---|---|\n";
        for case in cases {
            let Case { file, attack, guard, also, expect, without, .. } = case;
            ensure!(guards.iter().any(|(name, _)| name == guard), "{CASES}/{class}/{file}: no guard `{guard}`");
            let without = without.as_deref().map(told).unwrap_or_default();
            let attack = cell(attack);
            let behind = also.as_ref().map(|also| format!(", behind it {}", cell(also))).unwrap_or_default();
            text += &format!(
                "| [{attack}](../{CASES}/{class}/{file}) | `{guard}`{behind} | {} | {without} |\n",
                told(expect)
            );
        }
    }
    Ok(text)
}

/// A verdict in words.
fn told(verdict: &str) -> String {
    let (word, said) = verdict.split_once(' ').unwrap_or((verdict, ""));
    let told = match word {
        "held" if said == "passed" => return "without effect".to_owned(),
        "held" => "refused",
        "escaped" => return "**succeeds**".to_owned(),
        "limited" => "ended",
        "not-loaded" => "not loaded",
        _ => word,
    };
    if said.is_empty() { told.to_owned() } else { format!("{told}: {}", cell(said)) }
}

/// Text that stays inside of its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn headers_become_rows() {
        let guards = guards(
            "macro\n/// no\nguards! {\n    /// A path is\n    /// opened.\n    FsBeneath = \"fs.beneath\";\n    /// A limit.\n    L = \"limit.cpu\";\n}\n/// More.\n",
        );
        assert_eq!(guards[0], ("fs.beneath".to_owned(), "A path is opened.".to_owned()));
        let text = "// attack: reads | writes\n//   elsewhere\n// guard: fs.beneath\n// expect: held CAPABILITY_DENIED\n\
                    // without: escaped\n// manifest:\n//   name: x\nexport default 1\n// guard: none\n";
        let case = case("file-system", "x.ts", text).unwrap();
        let made = tables(&guards, &[case]).unwrap();
        assert!(made.starts_with("1 attacks. Of 2 guards, 1 have been"), "{made}");
        assert!(made.contains("| `fs.beneath` | A path is opened. | 1 |\n| `limit.cpu` | A limit. | 0 |\n"), "{made}");
        let row = "| [reads \\| writes elsewhere](../fixtures/attacks/file-system/x.ts) | `fs.beneath` \
                   | refused: CAPABILITY_DENIED | **succeeds** |\n";
        assert!(made.contains(row), "{made}");
        assert!(super::case("realm", "y.ts", "// attack: x\n").is_err());
    }
}
