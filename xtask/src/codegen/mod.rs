//! Files that are made from the code: each has one source, and `--check` fails when it says something else.

mod attacks;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use similar::TextDiff;

use crate::terminal::Paint;

/// What `mimir schema` prints, and the file that holds it.
const FROM_BINARY: &[(&str, &str)] = &[
    ("manifest", "docs/schema/plugin.schema.json"),
    ("config", "docs/schema/config.schema.json"),
    ("custom-tool", "docs/schema/custom-tool.schema.json"),
    ("custom-command", "docs/schema/custom-command.schema.json"),
    ("events", "docs/events.md"),
    ("events-ts", "packages/plugin/events.d.ts"),
];

/// A page of which a part is made from the attack suite.
const SECURITY: &str = "docs/security.md";

/// A page that a test finds out by probing real isolates: it compares the page with what it found, and writes it when
/// `UPDATE_DOCS` is set.
const WEB_APIS: &str = "docs/web-apis.md";
const WEB_APIS_TEST: &str = "web_apis";

/// Writes the generated files, or with `checking` fails if one of them is not what the code says.
pub(crate) fn run(root: &Path, checking: bool) -> Result<()> {
    let mut stale = Vec::new();
    let security = fs::read_to_string(root.join(SECURITY)).context(SECURITY)?;
    let made = attacks::page(root, &security).context(SECURITY)?;
    stale.extend(hold(root, SECURITY, &made, checking)?);
    for (what, path) in FROM_BINARY {
        stale.extend(hold(root, path, &schema(root, what)?, checking)?);
    }
    // Kept for the end: what is stale is told even if the test can't say.
    let probed = web_apis(root, checking);
    match &probed {
        Ok(true) => println!("{WEB_APIS}: {}", if checking { "up to date" } else { "written" }),
        Ok(false) => stale.push(WEB_APIS),
        Err(_) => println!("{WEB_APIS}: unknown"),
    }
    if !stale.is_empty() {
        println!("not what the code says: {}; run `cargo xtask codegen` and commit the result", stale.join(", "));
    }
    probed?;
    ensure!(stale.is_empty(), "{} of the generated files are stale: run `cargo xtask codegen`", stale.len());
    Ok(())
}

/// Writes a file unless it is as made. With `checking` nothing is written, and a stale file's name comes back.
fn hold<'a>(root: &Path, path: &'a str, made: &str, checking: bool) -> Result<Option<&'a str>> {
    let file = root.join(path);
    let found = if file.exists() { fs::read_to_string(&file).context(path.to_owned())? } else { String::new() };
    if found == made {
        println!("{path}: up to date");
    } else if checking {
        println!("{}", difference(path, &found, made));
        return Ok(Some(path));
    } else {
        fs::create_dir_all(file.parent().context("a generated file at the root of the file system")?)?;
        fs::write(&file, made).context(path.to_owned())?;
        println!("{path}: written");
    }
    Ok(None)
}

fn schema(root: &Path, what: &str) -> Result<String> {
    let output = Command::new(crate::cargo())
        .args(["run", "--quiet", "--package", "mimir", "--", "schema", what])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("cargo can't be started")?;
    ensure!(output.status.success(), "`mimir schema {what}` failed ({})", output.status);
    let text = String::from_utf8(output.stdout).with_context(|| format!("`mimir schema {what}` is no UTF-8"))?;
    ensure!(!text.trim().is_empty(), "`mimir schema {what}` printed nothing");
    Ok(text)
}

/// Whether the page is (now) what the test finds. The test prints the difference itself.
fn web_apis(root: &Path, checking: bool) -> Result<bool> {
    let mut command = Command::new(crate::cargo());
    command.args(["test", "--quiet", "--package", "mimir-sandbox", "--test", "it", WEB_APIS_TEST]).current_dir(root);
    if checking {
        command.env_remove("UPDATE_DOCS");
    } else {
        command.env("UPDATE_DOCS", "1");
    }
    let output = command.stderr(Stdio::inherit()).output().context("cargo can't be started")?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        print!("{said}");
        if !checking {
            bail!("the test that writes {WEB_APIS} failed");
        }
        return Ok(false);
    }
    ensure!(
        ran_a_test(&said),
        "no test of mimir-sandbox is called `{WEB_APIS_TEST}`: {WEB_APIS} would go stale unseen"
    );
    ensure!(root.join(WEB_APIS).exists(), "the test `{WEB_APIS_TEST}` did not write {WEB_APIS}");
    Ok(true)
}

/// Whether the runner's closing line counts a test that passed.
fn ran_a_test(said: &str) -> bool {
    said.lines().any(|line| line.starts_with("test result: ok.") && !line.contains(" 0 passed"))
}

fn difference(path: &str, found: &str, made: &str) -> String {
    let paint = Paint::new();
    let made_by = format!("{path} (as the code says)");
    let diff = TextDiff::from_lines(found, made);
    let text = diff.unified_diff().context_radius(2).header(path, &made_by).to_string();
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        lines.push(match line.as_bytes().first() {
            Some(b'-') => paint.bad(line),
            Some(b'+') => paint.good(line),
            _ => line.to_owned(),
        });
    }
    // A file that is wholly new would fill the screen.
    const SHOWN: usize = 60;
    let hidden = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    if hidden > 0 {
        lines.push(paint.faint(format!("… and {hidden} lines more")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_file_and_ends() {
        let told = difference("docs/events.md", "a\nb\n", "a\nc\n");
        assert_eq!(told, "--- docs/events.md\n+++ docs/events.md (as the code says)\n@@ -1,2 +1,2 @@\n a\n-b\n+c");
        let long: String = (0..500).map(|line| format!("{line}\n")).collect();
        assert!(difference("docs/events.md", "", &long).ends_with("lines more"));
    }

    #[test]
    fn a_filter_that_meets_no_test_is_seen() {
        assert!(ran_a_test("running 1 test\n.\ntest result: ok. 1 passed; 0 failed; 0 ignored"));
        assert!(!ran_a_test("running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 9 filtered out"));
    }
}
