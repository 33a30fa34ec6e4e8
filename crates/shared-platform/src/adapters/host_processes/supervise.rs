//! The first stage of the trampoline: stays beside the program, and when the call ends, whichever way, so does all that the
//! program has started.
//!
//! It is the reaper of whatever the program leaves behind, so nothing escapes by a session of its own. Where the kernel can
//! hold signals within a confinement (Landlock since 6.12), the supervisor confines itself so and then signals everybody:
//! that reaches the program and its descendants, all at once, and no one else. Elsewhere it stops and ends them one by one.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, getppid, getuid, kill_process, kill_process_group, pidfd_open,
    pidfd_send_signal, set_child_subreaper, setpriority_process, test_kill_process, wait,
};

use super::plan::{BECOME, LIMIT, TRAMPOLINE_ARGUMENT};
use super::system::running_threads;
use crate::Confinement;

/// How often processes are counted.
const TICK: Duration = Duration::from_millis(50);
/// The same for root's, of whom the kernel's own limit bounds none: until they are counted they double and double.
const TICK_OF_ROOT: Duration = Duration::from_millis(5);
/// How long the end of everything may take: a process in the middle of a system call dies after it.
const LAST: Duration = Duration::from_secs(5);

struct Supervisor<'a> {
    folder: &'a Path,
    processes: u64,
    program: Pid,
    /// Whether a signal to everybody reaches the program and its descendants alone.
    is_bounded: bool,
    /// How many threads others have, at most: the machine's at some moment, without ours.
    others: Option<u64>,
    /// How the program ended.
    status: Option<rustix::process::WaitStatus>,
}

/// Starts the second stage and stays until all of it is gone. `sweeps` is false only where a test takes that guard out.
pub(super) fn supervise(folder: &Path, processes: u64, sweeps: bool) -> i32 {
    let _ = set_child_subreaper(Some(getpid()));
    let is_bounded = bound_signals();
    let others = running_threads();
    let Ok(mut child) = start(folder) else { return 125 };
    // Before the program in the queue, however many of it there are; only root may, and only root's need it
    let _ = setpriority_process(None, -20);
    let Some(program) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return 125 };
    let mut supervisor = Supervisor { folder, processes, program, is_bounded, others, status: None };
    let is_abandoned = supervisor.watch(&mut child);
    if sweeps {
        supervisor.sweep();
    }
    if is_abandoned {
        // Nobody else is left to tidy up
        let _ = fs::remove_dir_all(folder);
    }
    supervisor.exit_code()
}

fn start(folder: &Path) -> io::Result<Child> {
    Command::new("/proc/self/exe").args([TRAMPOLINE_ARGUMENT, BECOME]).arg(folder).stdin(Stdio::inherit()).spawn()
}

/// Bounds the signals of this process and its children to themselves, and makes sure of it: the agent, which is outside and
/// runs as the same user, can't be reached any more.
fn bound_signals() -> bool {
    let Some(agent) = getppid() else { return false };
    let could_before = test_kill_process(agent).is_ok();
    let confinement = Confinement { network: true, keeps_files: true, ..Confinement::default() };
    let says = confinement.apply().is_ok_and(|enforced| enforced.signals);
    let is_refused = test_kill_process(agent) == Err(rustix::io::Errno::PERM);
    says && could_before && is_refused && getppid() == Some(agent)
}

impl Supervisor<'_> {
    /// Waits for the program's end, or for the agent's loss of interest (true): it reads our standard output no more.
    fn watch(&mut self, child: &mut Child) -> bool {
        // Closed so that the agent's writing ends with the program's reading
        drop(child.stdin.take());
        let end: Option<OwnedFd> = pidfd_open(self.program, PidfdFlags::empty()).ok();
        let out = io::stdout();
        let tick = if end.is_some() && !getuid().is_root() { TICK } else { TICK_OF_ROOT };
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(tick.subsec_nanos()) };
        loop {
            if self.reap().is_none() || self.status.is_some() {
                return false;
            }
            if self.are_too_many() {
                let _ = fs::write(self.folder.join(LIMIT), "");
                return false;
            }
            // No events asked for: only that the other end is gone is told
            let mut watched = vec![PollFd::new(&out, PollFlags::empty())];
            watched.extend(end.as_ref().map(|end| PollFd::from_borrowed_fd(end.as_fd(), PollFlags::IN)));
            let _ = poll(&mut watched, Some(&timeout));
            if watched[0].revents().intersects(PollFlags::ERR | PollFlags::NVAL) {
                return true;
            }
        }
    }

    /// Takes note of all that have ended; nothing if nobody is left.
    fn reap(&mut self) -> Option<()> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.program => self.status = Some(status),
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return Some(()),
                Err(_) => return None,
            }
        }
    }

    /// The count of the whole machine is cheap, and says when it is worth counting ours. For that they stand still: else
    /// more are born than counted.
    fn are_too_many(&mut self) -> bool {
        let (Some(others), Some(now)) = (self.others, running_threads()) else { return false };
        if now.saturating_sub(others) <= self.processes {
            // Who has ended gives no room to ours
            self.others = Some(others.min(now));
            return false;
        }
        if self.is_bounded {
            let _ = kill_process_group(Pid::INIT, Signal::STOP);
        }
        let ours = descendants().len() as u64;
        if ours > self.processes {
            return true;
        }
        self.others = Some(now.saturating_sub(ours));
        if self.is_bounded {
            let _ = kill_process_group(Pid::INIT, Signal::CONT);
        }
        false
    }

    /// Ends the program and all that came of it.
    fn sweep(&mut self) {
        let deadline = Instant::now() + LAST;
        while self.reap().is_some() && Instant::now() < deadline {
            if self.is_bounded {
                // Everybody whom this process may signal, under one lock of the kernel's: no one is born meanwhile
                let _ = kill_process_group(Pid::INIT, Signal::KILL);
            } else {
                end_one_by_one();
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Ends as the program did.
    fn exit_code(&self) -> i32 {
        let Some(status) = self.status else { return 125 };
        if let Some(signal) = status.terminating_signal() {
            if let Some(signal) = Signal::from_named_raw(signal) {
                let _ = kill_process(getpid(), signal);
            }
            // One that this process ignores
            return 128 + signal;
        }
        status.exit_status().unwrap_or(125)
    }
}

/// Who stands still has no more children, so the second look finds who was missed by the first.
fn end_one_by_one() {
    let mut stopped = 0;
    loop {
        let all = held_descendants();
        all.iter().for_each(|process| process.signal(Signal::STOP));
        if all.len() <= stopped {
            break;
        }
        stopped = all.len();
    }
    held_descendants().iter().for_each(|process| process.signal(Signal::KILL));
}

/// One of ours, with a handle where the kernel has handles: its number may have been given to somebody else since it was
/// read.
struct Held(Pid, Option<OwnedFd>);

impl Held {
    fn signal(&self, signal: Signal) {
        let _ = match &self.1 {
            Some(process) => pidfd_send_signal(process, signal),
            None => kill_process(self.0, signal),
        };
    }
}

/// Who is seen again after the handle was opened is the one that the handle is for.
fn held_descendants() -> Vec<Held> {
    let open = |pid| match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => Some(Held(pid, Some(process))),
        Err(rustix::io::Errno::SRCH) => None,
        // An old kernel, or too many at once
        Err(_) => Some(Held(pid, None)),
    };
    let mut held: Vec<_> = descendants().into_iter().filter_map(open).collect();
    let still: HashSet<Pid> = descendants().into_iter().collect();
    held.retain(|process| still.contains(&process.0));
    held
}

/// All processes that descend from this one; those whose parents are gone have this one as their parent.
fn descendants() -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // "7 (a name (in brackets)) S 1 …": state and parent follow the last bracket
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let (state, parent) = (fields.next(), fields.next().and_then(|parent| parent.parse().ok()));
        if let (Some(parent), true) = (parent, state != Some("Z")) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![getpid().as_raw_nonzero().get()];
    while let Some(parent) = open.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            open.push(child);
            found.extend(Pid::from_raw(child));
        }
    }
    found
}
