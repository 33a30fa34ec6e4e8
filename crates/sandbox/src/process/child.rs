//! The sandbox process itself.
//!
//! It holds no capability but its sockets, and does not outlive the agent: its main thread is the watchdog, which also
//! waits for the lifeline to break. The order of its start is fixed: what the kernel takes away from it is taken before
//! V8 starts its threads, and what V8's start still needs is taken afterwards.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::thread;

use mimir_shared_config::SandboxLayer;

use super::{EXIT_UNSEALED, FIRST_LANE_FD, LIFELINE_FD, PAGE_FD, SANDBOX_ARGUMENT, seal};
use crate::isolate::engine::{self, EXIT_CONDEMNED};
use crate::lane;
use crate::layer::LayerReport;
use crate::message::Message;
use crate::page::{Fatal, MAX_LANES, Page};
use crate::watchdog::{self, Alarm, LaneWatch, LastResort};

/// Stack of a lane's thread, in bytes. V8 stops recursion after about 1 MB by itself.
pub(crate) const LANE_STACK: usize = 2 << 20;

/// If this process was started as a sandbox process, serves as one and never returns. A binary that embeds the sandbox
/// calls this before anything else in `main`.
pub fn sandbox_main_if_requested() {
    let mut arguments = env::args_os().skip(1);
    if arguments.next().is_none_or(|argument| argument != SANDBOX_ARGUMENT) {
        return;
    }
    let lanes = arguments.next().and_then(|lanes| lanes.to_str()?.parse().ok());
    let is_warm = arguments.next().is_some_and(|argument| argument == "warm");
    let named = |name: OsString| SandboxLayer::ALL.into_iter().find(|layer| name == layer.name());
    let required: Option<Vec<SandboxLayer>> = arguments.map(named).collect();
    let exit = match (lanes, required) {
        (Some(lanes @ 1..=MAX_LANES), Some(required)) => serve(lanes, is_warm, &required).unwrap_or(1),
        _ => 2,
    };
    if exit != 0 {
        eprintln!("{SANDBOX_ARGUMENT} is how the plugin sandbox starts itself; it is no command for people");
    }
    std::process::exit(exit);
}

/// Gives the exit code.
fn serve(lanes: usize, is_warm: bool, required: &[SandboxLayer]) -> io::Result<i32> {
    let lifeline = take(LIFELINE_FD)?;
    let page = Arc::new(Page::map(take(PAGE_FD)?)?);
    let sockets: Vec<UnixStream> =
        (0..lanes).map(|lane| Ok(take(FIRST_LANE_FD + lane as RawFd)?.into())).collect::<io::Result<_>>()?;
    close_the_rest(FIRST_LANE_FD + lanes as RawFd);

    #[cfg(feature = "test-hooks")]
    crate::isolate::exploit::look_around();
    let mut layers = seal::before_v8();
    engine::initialize();
    engine::bound_data()?;
    engine::end_process_on_fatal_errors(Arc::clone(&page));

    let alarm = Alarm::new()?;
    let mut gates = Vec::new();
    for (index, socket) in sockets.into_iter().enumerate() {
        let (page, alarm) = (Arc::clone(&page), Arc::clone(&alarm));
        let (gate, first_words) = mpsc::channel();
        gates.push(gate);
        thread::Builder::new().name(format!("lane-{index}")).stack_size(LANE_STACK).spawn(move || {
            let watch = LaneWatch::of_this_thread(index, page, alarm);
            lane::run_on_this_thread(index, socket, watch, is_warm && index == 0, Some(&first_words));
        })?;
    }
    layers.extend(seal::after_start());
    let is_sealed =
        layers.iter().all(|LayerReport { layer, is_enforced, .. }| *is_enforced || !required.contains(layer));
    let mut first_words = Vec::new();
    Message::Sealed { layers }.encode(&mut first_words);
    for gate in gates {
        // The first lane says it. Where a required layer is missing none of them reads what the agent sent.
        let _ = gate.send(lane::Gate { first_words: std::mem::take(&mut first_words), is_open: is_sealed });
    }
    if is_sealed {
        watchdog::run(&alarm, &lifeline, &EndOfProcess);
        return Ok(0);
    }
    watchdog::wait_for_end(&lifeline);
    Ok(EXIT_UNSEALED)
}

/// Takes over a descriptor that the agent left at a known place.
fn take(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl takes any number and says whether it is open.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and nobody else in this process, which has just begun, knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn close_the_rest(first: RawFd) {
    // SAFETY: this process has just begun and has opened nothing itself. Kernels before 5.9 refuse the call; everything
    // that the agent opens is close-on-exec anyway.
    unsafe { libc::close_range(first.unsigned_abs(), u32::MAX, 0) };
}

struct EndOfProcess;

impl LastResort for EndOfProcess {
    fn stuck(&self, _lane: usize, _fatal: Fatal) {
        #[cfg(feature = "test-hooks")]
        crate::isolate::exploit::stay_if_deaf();
        // SAFETY: a lane is in the middle of V8's code; no destructor may run.
        unsafe { libc::_exit(EXIT_CONDEMNED) };
    }

    fn orphaned(&self) {
        #[cfg(feature = "test-hooks")]
        crate::isolate::exploit::stay_if_deaf();
        // SAFETY: as above.
        unsafe { libc::_exit(0) };
    }
}
