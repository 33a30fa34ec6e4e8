//! The page that a sandbox process shares with the agent: which plugin is running on each lane, and why a process ended.
//!
//! It is read after a process died, when nobody can be asked any more. What it says is a hint from a process that may
//! have been taken over: it decides who is quarantined among the plugins of that process, which hold the same grants,
//! and nothing else.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// How many lanes a process can have.
pub(crate) const MAX_LANES: usize = 8;

/// Why a lane brought its process down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Fatal {
    /// Nothing was noted.
    None = 0,
    /// It ran on although it was told to stop: past its CPU time.
    StuckCpu = 1,
    /// It ran on although it was told to stop: past its wall time.
    StuckTime = 2,
    /// V8 ran out of memory.
    OutOfMemory = 3,
    /// V8 met a state that it does not go on from.
    Broken = 4,
}

impl Fatal {
    fn from_raw(raw: u32) -> Self {
        match raw {
            1 => Self::StuckCpu,
            2 => Self::StuckTime,
            3 => Self::OutOfMemory,
            4 => Self::Broken,
            _ => Self::None,
        }
    }
}

/// One lane's part; a cache line each, so that lanes do not slow each other down.
#[repr(C, align(64))]
struct Cell {
    /// The plugin whose isolate is entered, plus one; 0 for none.
    plugin: AtomicU32,
    fatal: AtomicU32,
}

/// What the page says of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneState {
    /// The plugin whose isolate is entered.
    pub(crate) plugin: Option<u32>,
    pub(crate) fatal: Fatal,
}

/// The mapped page.
pub(crate) struct Page {
    cells: NonNull<Cell>,
    fd: OwnedFd,
}

const BYTES: usize = size_of::<Cell>() * MAX_LANES;

// SAFETY: the page is only touched through atomics.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    /// Makes a page that can be handed to a child process.
    pub(crate) fn create() -> io::Result<Self> {
        let fd = memfd_create("mimir-sandbox", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&fd, BYTES as u64)?;
        // Who could make it smaller could kill the agent, which reads it.
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Self::map(fd)
    }

    /// Maps a page that the parent made.
    pub(crate) fn map(fd: OwnedFd) -> io::Result<Self> {
        // SAFETY: a fresh mapping at an address that the kernel chooses; the memfd has BYTES bytes, and zeros are a
        // valid value of every Cell.
        let address =
            unsafe { mmap(std::ptr::null_mut(), BYTES, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &fd, 0)? };
        let cells = NonNull::new(address.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { cells, fd })
    }

    /// The descriptor to hand on.
    pub(crate) fn fd(&self) -> rustix::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn cell(&self, lane: usize) -> &Cell {
        assert!(lane < MAX_LANES, "lane {lane} does not exist");
        // SAFETY: within the mapping, which lives as long as self; only atomics inside.
        unsafe { self.cells.add(lane).as_ref() }
    }

    /// Notes that the isolate of `plugin` is entered on `lane`.
    pub(crate) fn enter(&self, lane: usize, plugin: u32) {
        self.cell(lane).plugin.store(plugin + 1, Ordering::Relaxed);
    }

    /// Notes that no isolate is entered on `lane`.
    pub(crate) fn leave(&self, lane: usize) {
        self.cell(lane).plugin.store(0, Ordering::Relaxed);
    }

    /// Notes why `lane` is about to bring the process down. The first reason stays.
    pub(crate) fn condemn(&self, lane: usize, fatal: Fatal) {
        let _ = self.cell(lane).fatal.compare_exchange(0, fatal as u32, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// What the page says of `lane`.
    pub(crate) fn state(&self, lane: usize) -> LaneState {
        let cell = self.cell(lane);
        LaneState {
            plugin: cell.plugin.load(Ordering::SeqCst).checked_sub(1),
            fatal: Fatal::from_raw(cell.fatal.load(Ordering::SeqCst)),
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: mapped in `map` with this length, and no reference into it outlives self.
        let _ = unsafe { munmap(self.cells.as_ptr().cast(), BYTES) };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn both_mappings_see_what_either_wrote() {
        let page = Page::create().unwrap();
        let other = Page::map(page.fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!(page.state(1), LaneState { plugin: None, fatal: Fatal::None });
        other.enter(1, 0);
        other.condemn(1, Fatal::OutOfMemory);
        other.condemn(1, Fatal::StuckCpu);
        assert_eq!(page.state(1), LaneState { plugin: Some(0), fatal: Fatal::OutOfMemory });
        assert_eq!(page.state(0), LaneState { plugin: None, fatal: Fatal::None });
        other.leave(1);
        assert_eq!(page.state(1).plugin, None);
    }
}
