use std::fmt::Write as _;

use mimir_shared_config::{ContentHash, PluginIdentity, PluginSource};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::bundle::protocol::Input;
use crate::manifest::{MANIFEST, PACKAGE};

/// SHA-256 in lower-case hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The hashes of what belongs to a plugin's content and is no module: the manifest, and `package.json` if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwnHashes {
    pub(crate) manifest: String,
    pub(crate) package_json: Option<String>,
}

/// What a plugin consists of: the manifest, its `package.json` if there is one, and every module in the bundle. Each
/// with its path and the hash of its bytes, so that neither a renamed file nor a swapped one goes unnoticed.
pub(crate) fn content_hash(own: &OwnHashes, inputs: &[Input]) -> ContentHash {
    let mut parts: Vec<(&str, &str)> = inputs
        .iter()
        .filter(|input| input.is_module)
        .map(|input| (input.path.as_str(), input.sha256.as_str()))
        .collect();
    parts.push((MANIFEST, &own.manifest));
    parts.extend(own.package_json.as_deref().map(|hash| (PACKAGE, hash)));
    parts.sort_unstable();
    // `import data from './package.json'` makes it an input as well
    parts.dedup();
    // A path holds no NUL and no line feed could fake another part: the hash before it has a fixed length
    let text = parts.iter().fold(String::new(), |mut text, (path, hash)| {
        let _ = write!(text, "{hash} {path}\0");
        text
    });
    ContentHash::new(sha256(text.as_bytes())).unwrap_or_else(|error| unreachable!("{error}"))
}

/// Which plugin it is that lies in a folder. `hash` is what [`content_hash`] gave.
pub(crate) fn identity(canonical_dir: &std::path::Path, package: &str, hash: ContentHash) -> PluginIdentity {
    PluginIdentity {
        source: PluginSource::Folder(canonical_dir.to_string_lossy().into_owned()),
        package: package.to_owned(),
        hash,
    }
}

#[cfg(test)]
mod tests {
    use super::{OwnHashes, content_hash, sha256};
    use crate::bundle::protocol::Input;

    fn input(path: &str, is_module: bool) -> Input {
        Input { path: path.into(), sha256: sha256(path.as_bytes()), is_module }
    }

    fn content(manifest: &[u8], package_json: Option<&[u8]>, inputs: &[Input]) -> super::ContentHash {
        let own = OwnHashes { manifest: sha256(manifest), package_json: package_json.map(sha256) };
        content_hash(&own, inputs)
    }

    #[test]
    fn hash_depends_on_every_part_and_on_nothing_else() {
        let base = content(b"name: a", None, &[input("a.ts", true), input("b.ts", true)]);
        let check = |same: bool, other| assert_eq!(base == other, same);
        check(true, content(b"name: a", None, &[input("b.ts", true), input("a.ts", true)]));
        check(true, content(b"name: a", None, &[input("a.ts", true), input("b.ts", true), input("x", false)]));
        check(false, content(b"name: b", None, &[input("a.ts", true), input("b.ts", true)]));
        check(false, content(b"name: a", Some(b"{}"), &[input("a.ts", true), input("b.ts", true)]));
        check(false, content(b"name: a", None, &[input("a.ts", true)]));
        check(false, content(b"name: a", None, &[input("a.ts", true), input("c.ts", true)]));
    }
}
