//! What the kernel tells about an open file or folder.

use std::path::PathBuf;

use cap_std::fs::{Dir, File, FileType, Metadata};

use crate::{FileId, FileKind, Guard};

/// Where an open folder is at this moment, if the kernel tells.
#[cfg(target_os = "linux")]
pub(super) fn path_of(folder: &Dir) -> Option<PathBuf> {
    use std::os::fd::AsRawFd;
    std::fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd())).ok()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn path_of(_: &Dir) -> Option<PathBuf> {
    None
}

/// Whether the file is one of those that the kernel makes up, wherever they are mounted: processes, settings, control
/// groups. To read some of them tells secrets, to write some of them does things.
#[cfg(target_os = "linux")]
pub(super) fn is_of_the_kernel(file: &File) -> bool {
    // From `linux/magic.h`: proc, sysfs, debugfs, tracefs, securityfs, cgroup and cgroup2, bpf, efivarfs, configfs,
    // fusectl, pstore, selinuxfs, binfmt_misc, nsfs, devpts, mqueue
    const KERNEL: [u32; 17] = [
        0x9fa0,
        0x6265_6572,
        0x6462_6720,
        0x7472_6163,
        0x7363_6673,
        0x0027_e0eb,
        0x6367_7270,
        0xcafe_4a11,
        0xde5e_81e4,
        0x6265_6570,
        0x6573_5543,
        0x6165_676c,
        0xf97c_ff8c,
        0x4249_4e4d,
        0x6e73_6673,
        0x1cd1,
        0x1980_0202,
    ];
    // Only the lower half tells, whatever the width and sign of the field are
    rustix::fs::fstatfs(file).is_ok_and(|found| KERNEL.contains(&(found.f_type as u32))) && Guard::FsKind.stands()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_of_the_kernel(_: &File) -> bool {
    false
}

/// How many names a file has.
#[cfg(unix)]
pub(super) fn names_of(metadata: &Metadata) -> u64 {
    cap_std::fs::MetadataExt::nlink(metadata)
}

#[cfg(not(unix))]
pub(super) fn names_of(_: &Metadata) -> u64 {
    1
}

pub(super) fn kind_of(kind: FileType) -> FileKind {
    FileKind::of(kind.is_file(), kind.is_dir(), kind.is_symlink())
}

#[cfg(unix)]
pub(super) fn mode_of(metadata: &Metadata) -> u32 {
    cap_std::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777
}

#[cfg(not(unix))]
pub(super) fn mode_of(_: &Metadata) -> u32 {
    0
}

#[cfg(unix)]
#[allow(clippy::unnecessary_wraps, reason = "elsewhere there is none")]
pub(super) fn id_of(metadata: &Metadata) -> Option<FileId> {
    use cap_std::fs::MetadataExt;
    Some(FileId { device: metadata.dev(), inode: metadata.ino() })
}

#[cfg(not(unix))]
pub(super) fn id_of(_: &Metadata) -> Option<FileId> {
    None
}
