use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::adapters::disk::{self, Kind, Stat};

/// What the file system tells of some files and folders without reading them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprint {
    /// SHA-256 over all of it, in hexadecimal.
    pub(super) digest: String,
    /// When the last of them was changed in any way, in nanoseconds since 1970. Nobody can set that time, which is why it
    /// decides and not the one of the content, which an archive's tool sets as it likes.
    pub(super) changed: i128,
}

/// Looks at `paths`, relative to `root`, which is canonical. None where one is missing, is a link (what it leads to can
/// change unseen) or is no ordinary file, or where the system tells too little.
pub(super) fn take<'a>(root: &Path, paths: impl IntoIterator<Item = &'a str>) -> Option<Fingerprint> {
    let mut digest = Sha256::new();
    let mut changed = i128::MIN;
    for path in paths {
        let stat = if path.is_empty() { disk::stat(root)? } else { disk::stat(&root.join(path))? };
        let Stat { kind, device, inode, mode, size, modified_ns, changed_ns } = stat;
        digest.update([u8::from(kind == Kind::Folder)]);
        digest.update(mode.to_le_bytes());
        for number in [device, inode, size] {
            digest.update(number.to_le_bytes());
        }
        for time in [modified_ns, changed_ns] {
            digest.update(time.to_le_bytes());
        }
        changed = changed.max(changed_ns);
    }
    Some(Fingerprint { digest: crate::identity::hex(&digest.finalize()), changed })
}
