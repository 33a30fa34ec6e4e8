//! Opens a file or folder that was found before, and no other one.

use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::io::Errno;

use crate::{FileId, Located};

/// A handle to it, for naming it to the kernel alone. Nothing if it is not there any more: somebody may have put another
/// one in its place, or a link, to be granted what that leads to.
pub(super) fn open(located: &Located) -> Option<OwnedFd> {
    let expected = located.id?;
    let path = &located.path;
    if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
        return None;
    }
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let file = match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        // Some containers forbid what they have not heard of
        Err(Errno::NOSYS | Errno::PERM) => step_by_step(path).ok()?,
        opened => opened.ok()?,
    };
    let found = fstat(&file).ok()?;
    // A link itself, which only the second way opens, has a number of its own
    (FileId { device: found.st_dev, inode: found.st_ino } == expected).then_some(file)
}

fn step_by_step(path: &Path) -> Result<OwnedFd, Errno> {
    // A link is opened itself, and nothing stands beneath it
    let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut file = openat(CWD, "/", flags, Mode::empty())?;
    for part in path.components() {
        if let Component::Normal(name) = part {
            file = openat(&file, name, flags, Mode::empty())?;
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn only_what_was_found_is_opened() {
        let world = tempfile::tempdir().unwrap();
        let root = world.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("folder/inner")).unwrap();
        fs::create_dir_all(root.join("other/inner")).unwrap();
        fs::write(root.join("folder/inner/file"), "").unwrap();
        symlink("folder", root.join("link")).unwrap();
        symlink("folder/inner/file", root.join("file")).unwrap();
        let id = |path: &str| {
            let found = fs::symlink_metadata(root.join(path)).unwrap();
            Some(FileId { device: found.dev(), inode: found.ino() })
        };
        let check = |path: &str, id: Option<FileId>, expected: bool| {
            let located = Located { path: root.join(path), id };
            assert_eq!(open(&located).is_some(), expected, "{path}");
            let stepped = step_by_step(&located.path).is_ok_and(|file| {
                let found = fstat(file).unwrap();
                Some(FileId { device: found.st_dev, inode: found.st_ino }) == id
            });
            assert_eq!(stepped, expected, "{path}, step by step");
        };
        check("folder", id("folder"), true);
        check("folder/inner/file", id("folder/inner/file"), true);
        check("folder", None, false);
        check("missing", id("folder"), false);
        // Another one has its name
        check("other/inner", id("folder/inner"), false);
        // The right one, but by a link
        check("link", id("folder"), false);
        check("link/inner", id("folder/inner"), false);
        check("link/inner/file", id("folder/inner/file"), false);
        check("file", id("folder/inner/file"), false);
        check("folder/../folder", id("folder"), false);
    }
}
