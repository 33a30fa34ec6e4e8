//! Starts the threads or the process that lanes run in.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use rustix::io::fcntl_dupfd_cloexec;

use super::child::LANE_STACK;
use super::{FIRST_LANE_FD, LIFELINE_FD, PAGE_FD, SANDBOX_ARGUMENT};
use crate::error::SandboxError;
use crate::isolate::engine;
use crate::lane;
use crate::page::{Fatal, Page};
use crate::sandbox::SandboxOptions;
use crate::watchdog::{self, Alarm, LaneWatch, LastResort};

/// The agent's ends of what it started.
pub(crate) struct Spawned {
    /// None if the lanes are threads of this process.
    pub(crate) child: Option<Child>,
    pub(crate) page: Arc<Page>,
    /// Closing it ends the other side.
    pub(crate) lifeline: OwnedFd,
    pub(crate) lanes: Vec<UnixStream>,
}

/// Descriptors that are handed on are first moved above the places where the child finds them.
const ABOVE_ALL_PLACES: RawFd = 64;

/// Starts `exe` as a sandbox process.
pub(crate) fn process(
    exe: &Path,
    lanes: usize,
    is_warm: bool,
    options: &SandboxOptions,
) -> Result<Spawned, SandboxError> {
    let setup = |what| move |source: io::Error| SandboxError::Setup { what, source };
    let page = Arc::new(Page::create().map_err(setup("shared page"))?);
    let (their_lifeline, lifeline) = io::pipe().map_err(setup("lifeline"))?;
    let (ours, theirs) = socket_pairs(lanes).map_err(setup("sockets"))?;

    let above = |fd: rustix::fd::BorrowedFd<'_>| fcntl_dupfd_cloexec(fd, ABOVE_ALL_PLACES).map_err(io::Error::from);
    let mut places: Vec<(OwnedFd, RawFd)> = Vec::new();
    places.push((above(rustix::fd::AsFd::as_fd(&their_lifeline)).map_err(setup("lifeline"))?, LIFELINE_FD));
    places.push((above(page.fd()).map_err(setup("shared page"))?, PAGE_FD));
    for (lane, socket) in theirs.iter().enumerate() {
        let fd = above(rustix::fd::AsFd::as_fd(socket)).map_err(setup("sockets"))?;
        places.push((fd, FIRST_LANE_FD + lane as RawFd));
    }

    let mut command = Command::new(exe);
    command
        .arg(SANDBOX_ARGUMENT)
        .arg(lanes.to_string())
        .arg(if is_warm { "warm" } else { "cold" })
        .args(options.required.iter().map(|layer| layer.name()))
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(if options.shows_stderr { Stdio::inherit() } else { Stdio::null() });
    #[cfg(feature = "test-hooks")]
    #[allow(clippy::disallowed_methods, reason = "a test that takes out a guard means this process as well")]
    if let Some(guard) = std::env::var_os(mimir_shared_platform::WITHOUT_GUARD) {
        command.env(mimir_shared_platform::WITHOUT_GUARD, guard);
    }
    let raw: Vec<(RawFd, RawFd)> = places.iter().map(|(fd, place)| (fd.as_raw_fd(), *place)).collect();
    // SAFETY: between fork and exec only async-signal-safe calls are made, on memory that exists already.
    unsafe {
        command.pre_exec(move || {
            for (fd, place) in &raw {
                if libc::dup2(*fd, *place) == -1 {
                    return Err(io::Error::last_os_error());
                }
            }
            // A session of its own: an interrupt typed at the terminal is the agent's business.
            if libc::setsid() == -1 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let child = start(command, places).map_err(|source| SandboxError::Spawn { source })?;
    Ok(Spawned { child: Some(child), page, lifeline: lifeline.into(), lanes: ours })
}

/// A process to start, what it inherits, and who waits for it.
type Order = (Command, Vec<(OwnedFd, RawFd)>, mpsc::SyncSender<io::Result<Child>>);

/// Starts a process from a thread that lives as long as this process: the kernel ends a child together with the thread
/// that started it, and threads of a runtime come and go.
fn start(command: Command, inherited: Vec<(OwnedFd, RawFd)>) -> io::Result<Child> {
    static STARTER: Mutex<Option<mpsc::Sender<Order>>> = Mutex::new(None);
    let (reply, child) = mpsc::sync_channel(1);
    let mut starter = STARTER.lock().unwrap_or_else(PoisonError::into_inner);
    if starter.is_none() {
        let (orders, receiver) = mpsc::channel::<Order>();
        thread::Builder::new().name("mimir-starter".into()).spawn(move || {
            for (mut command, inherited, reply) in receiver {
                let _ = reply.send(command.spawn());
                drop(inherited);
            }
        })?;
        *starter = Some(orders);
    }
    let gone = || io::Error::other("the thread that starts processes is gone");
    starter.as_ref().ok_or_else(gone)?.send((command, inherited, reply)).map_err(|_| gone())?;
    drop(starter);
    child.recv().map_err(|_| gone())?
}

/// Starts lanes on threads of this process. V8 must have been initialised before other threads were made.
pub(crate) fn threads(lanes: usize) -> Result<Spawned, SandboxError> {
    let setup = |what| move |source: io::Error| SandboxError::Setup { what, source };
    engine::initialize();
    let page = Arc::new(Page::create().map_err(setup("shared page"))?);
    let (their_lifeline, lifeline) = io::pipe().map_err(setup("lifeline"))?;
    let (ours, theirs) = socket_pairs(lanes).map_err(setup("sockets"))?;
    let alarm = Alarm::new().map_err(setup("watchdog"))?;
    for (index, socket) in theirs.into_iter().enumerate() {
        let (page, alarm) = (Arc::clone(&page), Arc::clone(&alarm));
        thread::Builder::new()
            .name(format!("mimir-lane-{index}"))
            .stack_size(LANE_STACK)
            .spawn(move || {
                let watch = LaneWatch::of_this_thread(index, page, alarm);
                lane::run_on_this_thread(index, socket, watch, false, None);
            })
            .map_err(setup("lane"))?;
    }
    let their_lifeline: OwnedFd = their_lifeline.into();
    thread::Builder::new()
        .name("mimir-watchdog".into())
        .spawn(move || watchdog::run(&alarm, &their_lifeline, &NoLastResort))
        .map_err(setup("watchdog"))?;
    Ok(Spawned { child: None, page, lifeline: lifeline.into(), lanes: ours })
}

fn socket_pairs(count: usize) -> io::Result<(Vec<UnixStream>, Vec<UnixStream>)> {
    let pairs = (0..count).map(|_| UnixStream::pair()).collect::<io::Result<Vec<_>>>()?;
    Ok(pairs.into_iter().unzip())
}

/// A thread can't be killed. The agent gives up on the lane when the call's time is over, and starts others.
struct NoLastResort;

impl LastResort for NoLastResort {
    fn stuck(&self, _lane: usize, _fatal: Fatal) {}

    fn orphaned(&self) {}
}
