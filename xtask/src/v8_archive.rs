//! The prebuilt V8 beside its only user, against the checksums in its README.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

const FOLDER: &str = "crates/sandbox/v8";

/// Compares every file of the archive's folder with the README's table, exactly both ways.
pub(crate) fn verify(root: &Path) -> Result<()> {
    let folder = root.join(FOLDER);
    let version = pinned_version(&fs::read_to_string(root.join("Cargo.toml"))?)?;
    let files = folder.join(format!("v{version}"));
    ensure!(files.is_dir(), "{FOLDER}/v{version} is missing, and Cargo.toml pins v8 to ={version}");
    let listed = listed(&fs::read_to_string(folder.join("README.md")).context("crates/sandbox/v8/README.md")?);
    ensure!(!listed.is_empty(), "{FOLDER}/README.md lists no checksum");
    let mut seen = 0;
    for entry in fs::read_dir(&files)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((bytes, expected)) = listed.get(&name) else {
            bail!("{FOLDER}/v{version}/{name} is not in the README's table");
        };
        let size = entry.metadata()?.len();
        ensure!(size == *bytes, "{name} has {size} bytes instead of {bytes}: fetch it again (git lfs, partial clone?)");
        let found = sha256(&entry.path())?;
        ensure!(found == *expected, "{name} has the checksum {found} instead of {expected}: do not build with it");
        seen += 1;
    }
    ensure!(seen == listed.len(), "{} files are listed in {FOLDER}/README.md, {seen} are there", listed.len());
    println!("V8 {version}: {seen} files have the checksums of {FOLDER}/README.md");
    Ok(())
}

/// The version of `v8 = "=…"`.
fn pinned_version(manifest: &str) -> Result<String> {
    let manifest: toml::Table = manifest.parse().context("Cargo.toml")?;
    let pin = manifest.get("workspace").and_then(|it| it.get("dependencies")).and_then(|it| it.get("v8"));
    let pin = pin.and_then(|it| it.as_str().or_else(|| it.get("version")?.as_str())).context("Cargo.toml has no v8")?;
    Ok(pin.strip_prefix('=').context("v8 is not pinned with `=`: the archive fits one version")?.to_owned())
}

/// Name → size in bytes and sha256, from the rows `` | `name` | bytes | `sha256` | ``.
fn listed(readme: &str) -> BTreeMap<String, (u64, String)> {
    let mut rows = BTreeMap::new();
    for line in readme.lines() {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        if let ["", name, bytes, sum, ""] = cells[..]
            && let Ok(bytes) = bytes.parse()
            && sum.len() == 64
        {
            rows.insert(name.to_owned(), (bytes, sum.to_owned()));
        }
    }
    rows
}

fn sha256(file: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut file = File::open(file)?;
    let mut part = vec![0; 1 << 20];
    loop {
        match file.read(&mut part)? {
            0 => break,
            read => hasher.update(&part[..read]),
        }
    }
    Ok(hasher.finalize().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string can't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that can't set up its folder fails")]

    use super::*;

    const SUM: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn check(files: &[(&str, &str)], rows: &str, expected: &str) {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("Cargo.toml"), "[workspace.dependencies]\nv8 = \"=1.2.3\"\n").unwrap();
        let folder = root.path().join(FOLDER);
        fs::create_dir_all(folder.join("v1.2.3")).unwrap();
        fs::write(folder.join("README.md"), rows).unwrap();
        for (name, text) in files {
            fs::write(folder.join("v1.2.3").join(name), text).unwrap();
        }
        let said = verify(root.path()).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{said}");
    }

    #[test]
    fn only_what_the_table_says_passes() {
        let row = format!("| `a` | 3 | `{SUM}` |\n");
        check(&[("a", "abc")], &row, "");
        check(&[("a", "abd")], &row, "do not build with it");
        check(&[("a", "abcd")], &row, "4 bytes instead of 3");
        check(&[("a", "abc"), ("b", "")], &row, "b is not in the README's table");
        check(&[], &row, "1 files are listed");
        check(&[("a", "abc")], "no table", "lists no checksum");
    }
}
