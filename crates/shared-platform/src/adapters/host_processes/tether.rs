//! The trampoline before what runs with the user's own rights: it takes nothing from the program, and ends it when Mimir
//! has ended.
//!
//! A process that is killed can't end what it has started. So this one leads the group that the program is in, and waits:
//! for the program's end, which becomes its own, or for the moment when nobody reads their common standard output any more.
//! Mimir reads it for as long as it lives and wants the program. What left the group is not found, as when a call ends.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getpgrp, getpid, kill_current_process_group, kill_process, pidfd_open,
    setrlimit,
};

/// Where a program is looked up that gets no `PATH`.
const FOLDERS: &str = "/bin:/usr/bin";
/// How often the program is looked after on a kernel that can't tell of its end.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Whether there is such a program, found as it will be: who starts something else in front of it would not be told.
pub(super) fn look_up(program: &OsStr, path: Option<&OsStr>, cwd: &Path) -> io::Result<()> {
    let runs = |file: &Metadata| file.is_file() && file.permissions().mode() & 0o111 != 0;
    if program.as_encoded_bytes().contains(&b'/') {
        let file = fs::metadata(cwd.join(program))?;
        return if runs(&file) { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) };
    }
    let mut folders = std::env::split_paths(path.unwrap_or(OsStr::new(FOLDERS)));
    let is_there = folders.any(|folder| fs::metadata(cwd.join(folder).join(program)).is_ok_and(|file| runs(&file)));
    if is_there { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Starts the program and stays until it has ended. Gives an exit code as shells have them.
pub(super) fn tether(program: &OsStr, arguments: &[OsString]) -> i32 {
    let mut child = match Command::new(program).args(arguments).spawn() {
        Ok(child) => child,
        Err(error) => {
            let _ = writeln!(io::stderr(), "mimir: can't start `{}`: {error}", program.display());
            return if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
        }
    };
    match watch(&mut child) {
        Some(status) => end_as(status),
        None => {
            if getpgrp() == getpid() {
                let _ = kill_current_process_group(Signal::KILL);
            }
            let _ = child.kill();
            128 + Signal::KILL.as_raw()
        }
    }
}

/// How the program ended; nothing if nobody wants it any more.
fn watch(child: &mut Child) -> Option<ExitStatus> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let end = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let out = io::stdout();
    loop {
        if let Some(status) = child.try_wait().ok()? {
            return Some(status);
        }
        // No events asked for: only that the other end is gone is told
        let mut watched = vec![PollFd::new(&out, PollFlags::empty())];
        watched.extend(end.as_ref().map(|end| PollFd::from_borrowed_fd(end.as_fd(), PollFlags::IN)));
        let _ = poll(&mut watched, if end.is_some() { None } else { Some(&TICK) });
        if watched[0].revents().intersects(PollFlags::ERR | PollFlags::NVAL) {
            return None;
        }
    }
}

/// Ends as the program did, so that whoever waits for this one learns it.
fn end_as(status: ExitStatus) -> i32 {
    if let Some(signal) = status.signal() {
        // One image of a crash is enough
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
        if let Some(signal) = Signal::from_named_raw(signal) {
            let _ = kill_process(getpid(), signal);
        }
        // One that this process ignores
        return 128 + signal;
    }
    status.code().unwrap_or(125)
}
