use std::fmt::Write as _;

use mimir_shared_config::{ContentHash, PluginIdentity, PluginSource};
use sha2::{Digest, Sha256};

use crate::bundle::protocol::Input;

/// SHA-256 in lower-case hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// What a plugin consists of: the manifest, its `package.json` if there is one, and every module in the bundle. Each
/// with its path and the hash of its bytes, so that neither a renamed file nor a swapped one goes unnoticed.
pub(crate) fn content_hash(manifest: &[u8], package_json: Option<&[u8]>, inputs: &[Input]) -> String {
    let mut parts: Vec<(&str, String)> = inputs
        .iter()
        .filter(|input| input.is_module)
        .map(|input| (input.path.as_str(), input.sha256.clone()))
        .collect();
    parts.push(("plugin.yml", sha256(manifest)));
    if let Some(package_json) = package_json {
        parts.push(("package.json", sha256(package_json)));
    }
    parts.sort_unstable();
    // `import data from './package.json'` makes it an input as well
    parts.dedup();
    // A path holds no NUL and no line feed could fake another part: the hash before it has a fixed length
    let text = parts.iter().fold(String::new(), |mut text, (path, hash)| {
        let _ = write!(text, "{hash} {path}\0");
        text
    });
    sha256(text.as_bytes())
}

/// Which plugin it is that lies in a folder. `hash` is what [`content_hash`] gave.
pub(crate) fn identity(canonical_dir: &std::path::Path, package: &str, hash: String) -> PluginIdentity {
    let hash = ContentHash::new(hash).unwrap_or_else(|error| unreachable!("{error}"));
    PluginIdentity {
        source: PluginSource::Folder(canonical_dir.to_string_lossy().into_owned()),
        package: package.to_owned(),
        hash,
    }
}

#[cfg(test)]
mod tests {
    use super::{content_hash, sha256};
    use crate::bundle::protocol::Input;

    fn input(path: &str, is_module: bool) -> Input {
        Input { path: path.into(), sha256: sha256(path.as_bytes()), is_module }
    }

    #[test]
    fn hash_depends_on_every_part_and_on_nothing_else() {
        let base = content_hash(b"name: a", None, &[input("a.ts", true), input("b.ts", true)]);
        let check = |same: bool, other| assert_eq!(base == other, same);
        check(true, content_hash(b"name: a", None, &[input("b.ts", true), input("a.ts", true)]));
        check(true, content_hash(b"name: a", None, &[input("a.ts", true), input("b.ts", true), input("x", false)]));
        check(false, content_hash(b"name: b", None, &[input("a.ts", true), input("b.ts", true)]));
        check(false, content_hash(b"name: a", Some(b"{}"), &[input("a.ts", true), input("b.ts", true)]));
        check(false, content_hash(b"name: a", None, &[input("a.ts", true)]));
        check(false, content_hash(b"name: a", None, &[input("a.ts", true), input("c.ts", true)]));
    }
}
