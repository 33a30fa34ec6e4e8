//! The kernel's own wall around a process: which files it may open and whom it may talk to, whatever code runs in it.
//!
//! Landlock, so Linux alone, and as far as the running kernel knows it. It can only take away, binds the calling thread
//! and what comes of it, and can't be undone. Three processes use it: the bundler (reads one folder), the sandbox process
//! (nothing at all) and the programs that plugins start.
//!
//! What it can't do, on any kernel: subtract (a rule opens a folder with all that lies beneath it), hide that a file exists
//! (`stat`, `access` and `readlink` are free), or bound what an inherited descriptor is used for.

#[cfg(target_os = "linux")]
mod landlock;
#[cfg(target_os = "linux")]
mod straight;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Located;

/// What a process may still do. The default is nothing: no file, no TCP, no signal to who is not confined with it.
///
/// A path that does not exist is left out. One that leads to a file opens that file alone, whatever is renamed to its path
/// later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confinement {
    /// Files and folders that may be read.
    pub read: Vec<PathBuf>,
    /// May be read, and programs in there started.
    pub read_execute: Vec<PathBuf>,
    /// Everything but removing: read, execute, change, create. In a file's place another can't be moved.
    pub write: Vec<PathBuf>,
    /// Everything, removing and renaming as well.
    pub own: Vec<PathBuf>,
    /// Devices that may be read, written and asked (`ioctl`): `/dev/null` and its like.
    pub devices: Vec<PathBuf>,
    /// What may be done with folders that hold what is closed: their names can be listed, and those of all that lies
    /// beneath them.
    pub list: Vec<PathBuf>,
    /// Files and folders in places where others may move things about: each counts only if it still stands where it was
    /// found, without a link anywhere on its path.
    pub located: Vec<(Right, Located)>,
    /// Whether TCP (and UDP, where the kernel knows about it) stays open.
    pub network: bool,
    /// Whether signals and abstract Unix sockets reach processes outside.
    pub reaches_others: bool,
    /// Whether files stay as they are: only what `network` and `reaches_others` say is taken. All lists are empty then.
    pub keeps_files: bool,
}

/// What may be done with a file or folder, as the lists of a [`Confinement`] say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// As in [`Confinement::read_execute`].
    ReadExecute,
    /// As in [`Confinement::write`].
    Write,
    /// As in [`Confinement::own`].
    Own,
    /// As in [`Confinement::list`].
    List,
}

/// What the kernel holds of a [`Confinement`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enforced {
    /// The files.
    pub files: Extent,
    /// No TCP. False also if it was not to be taken.
    pub tcp: bool,
    /// No UDP.
    pub udp: bool,
    /// No signal leaves the confinement.
    pub signals: bool,
    /// No abstract Unix socket outside is reached.
    pub abstract_sockets: bool,
    /// No Unix socket by a path that is not granted.
    pub path_sockets: bool,
}

/// How far something holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// All of it.
    Full,
    /// An older kernel: reading, writing, creating and removing are held; truncating files, moving them between folders or
    /// asking devices may not be.
    Partial,
    /// Nothing.
    #[default]
    None,
}

/// Why a process could not be confined, although its kernel knows how. A kernel without Landlock is no error.
#[derive(Debug, Error)]
#[error("the kernel refused to confine this process")]
pub struct ConfinementError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Confinement {
    /// Takes everything else from the calling thread and from all threads and processes that it starts from now on, and
    /// sets no-new-privileges. So it is called while there is no other thread. No descriptor stays open.
    ///
    /// # Errors
    /// [`ConfinementError`]; what was taken before stays taken, so the caller ends rather than goes on.
    pub fn apply(&self) -> Result<Enforced, ConfinementError> {
        #[cfg(target_os = "linux")]
        return landlock::apply(self);
        #[cfg(not(target_os = "linux"))]
        Ok(Enforced::default())
    }
}

/// Which version of Landlock this kernel enforces, as far as Mimir knows it; nothing if none. 1 knows files, 4 adds TCP, 6
/// signals and abstract sockets, 9 sockets by path, 10 UDP.
///
/// It asks by confining a thread that ends at once, so it is not for a process that may have no threads yet.
pub fn landlock_abi() -> Option<u32> {
    #[cfg(target_os = "linux")]
    return std::thread::spawn(landlock::abi).join().ok().flatten();
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::net::TcpListener;
    use std::process::Command;

    use super::*;

    /// Landlock binds one thread, so each case confines one of its own.
    fn confined<T: Send>(confinement: &Confinement, then: impl FnOnce(Enforced) -> T + Send) -> Option<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let enforced = confinement.apply().unwrap();
                (enforced.files != Extent::None || confinement.keeps_files).then(|| then(enforced))
            });
            let result = thread.join().unwrap();
            if result.is_none() {
                eprintln!("this kernel has no Landlock; nothing to see here");
            }
            result
        })
    }

    fn world() -> tempfile::TempDir {
        let world = tempfile::tempdir().unwrap();
        for folder in ["read", "write", "own", "closed", "list/mixed"] {
            fs::create_dir_all(world.path().join(folder)).unwrap();
            fs::write(world.path().join(folder).join("file"), "text").unwrap();
        }
        world
    }

    #[test]
    fn nothing_is_left_by_default() {
        let world = world();
        let works = confined(&Confinement::default(), |enforced| {
            let descriptors = fs::read_dir("/proc/self/fd").is_ok();
            let tcp = TcpListener::bind("127.0.0.1:0").is_ok();
            assert_eq!(tcp, !enforced.tcp);
            [
                descriptors,
                fs::read(world.path().join("read/file")).is_ok(),
                fs::write(world.path().join("new"), "").is_ok(),
                fs::read_dir(world.path()).is_ok(),
                Command::new("/bin/true").status().is_ok(),
            ]
        });
        assert!(works.is_none_or(|works| works == [false; 5]));
    }

    #[test]
    fn what_is_granted_is_left_and_no_more() {
        let world = world();
        let at = |path: &str| world.path().join(path);
        let confinement = Confinement {
            read: vec![at("read"), at("not-there"), "/proc/self/fd".into()],
            write: vec![at("write")],
            own: vec![at("own")],
            list: vec![at("list")],
            ..Confinement::default()
        };
        let before = fs::read_dir("/proc/self/fd").unwrap().count();
        let works = confined(&confinement, |_| {
            assert!(fs::read_dir("/proc/self/fd").unwrap().count() <= before + 4, "no descriptor a rule stays open");
            [
                ("read", fs::read(at("read/file")).is_ok(), true),
                ("read a closed one", fs::read(at("closed/file")).is_ok(), false),
                ("write what is for reading", fs::write(at("read/file"), "x").is_ok(), false),
                ("create where it is for reading", fs::write(at("read/new"), "x").is_ok(), false),
                ("change", fs::write(at("write/file"), "x").is_ok(), true),
                ("create", fs::write(at("write/new"), "x").is_ok(), true),
                ("remove without the right", fs::remove_file(at("write/file")).is_ok(), false),
                ("create in its own", fs::write(at("own/new"), "x").is_ok(), true),
                ("rename in its own", fs::rename(at("own/new"), at("own/newer")).is_ok(), true),
                ("remove in its own", fs::remove_file(at("own/newer")).is_ok(), true),
                ("list", fs::read_dir(at("list/mixed")).is_ok(), true),
                ("read what is for listing", fs::read(at("list/mixed/file")).is_ok(), false),
                ("move out", fs::rename(at("own/file"), at("closed/new")).is_ok(), false),
            ]
        });
        for (what, found, expected) in works.into_iter().flatten() {
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn files_can_be_left_alone() {
        let world = world();
        let confinement = Confinement { network: true, keeps_files: true, ..Confinement::default() };
        let read = confined(&confinement, |enforced| {
            assert_eq!(enforced.signals, landlock_abi().is_some_and(|abi| abi >= 6));
            fs::read(world.path().join("closed/file")).is_ok()
        });
        assert_eq!(read, Some(true));
    }
}
