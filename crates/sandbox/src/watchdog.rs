//! Stops what runs too long: a thread that looks at every lane a few hundred times a second while one is busy.
//!
//! First it asks V8 to terminate, again and again, since a request that arrives between two locks of the isolate is
//! lost. What does not react within [`GRACE_CPU`] or [`GRACE_WALL`] is a built-in that V8 cannot interrupt: only the end
//! of the process helps, and the page says who was running.
//!
//! The hot path (`begin` and `end`, once an entry) takes no lock and makes no system call. A thread's CPU clock costs one,
//! so it is read by the watchdog, at its first look at an entry. An entry that is over before that took no more CPU time
//! than wall time, which is what is reported for it.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::time::{ClockId, clock_gettime};

use crate::image::Limit;
use crate::page::{Fatal, Page};

/// How often the lanes are looked at while one is busy.
const TICK: Duration = Duration::from_millis(4);

/// How long after the last entry the watchdog goes to sleep.
const QUIET: Duration = Duration::from_millis(500);

/// Whoever wakes so much later than planned was not late: the process was stopped, or the machine. What passed meanwhile
/// counts for nobody's limit.
pub(crate) const STALL_NS: u64 = 200_000_000;

/// What an entry is charged for the time before it was looked at, at most: it ran, or was kept waiting by others.
const IN_DOUBT_NS: u64 = 2 * TICK.as_nanos() as u64;

/// CPU time that an isolate may take after it was told to stop.
const GRACE_CPU: Duration = Duration::from_millis(200);

/// Wall time that an isolate may take after it was told to stop.
const GRACE_WALL: Duration = Duration::from_millis(400);

/// Nanoseconds of the monotonic clock.
pub(crate) fn monotonic_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// CPU time that the calling thread has taken, in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ThreadCPUTime))
}

fn nanoseconds(time: Timespec) -> u64 {
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// The CPU clock of the calling thread, in a form that other threads can read.
#[derive(Clone, Copy)]
struct CpuClock(libc::clockid_t);

impl CpuClock {
    fn of_this_thread() -> Self {
        let mut id = 0;
        // SAFETY: the calling thread exists, and `id` is written to.
        let error = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut id) };
        assert_eq!(error, 0, "a running thread has a CPU clock");
        Self(id)
    }

    /// Nothing if the thread has ended.
    fn read_ns(self) -> Option<u64> {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is written to; an id of a thread that ended is refused by the kernel.
        let error = unsafe { libc::clock_gettime(self.0, &raw mut time) };
        (error == 0).then(|| time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
    }
}

/// What one entry may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    /// CPU time of this entry, in nanoseconds.
    pub(crate) cpu_ns: u64,
    /// When it has to be over, in nanoseconds of the monotonic clock; `u64::MAX` for never.
    pub(crate) deadline_ns: u64,
}

/// What an entry took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) cpu_ns: u64,
    /// When it began and ended, in nanoseconds of the monotonic clock.
    pub(crate) at_ns: [u64; 2],
    /// Time meanwhile in which nobody in this process ran: what else is under way on the lane has lost it as well.
    pub(crate) lost_ns: u64,
    /// The limit for which it was stopped.
    pub(crate) stopped: Option<Limit>,
}

/// One lane, as its thread and the watchdog see it.
pub(crate) struct LaneWatch {
    lane: usize,
    page: Arc<Page>,
    alarm: Arc<Alarm>,
    clock: CpuClock,
    /// Odd while an isolate is entered; grows with each step.
    epoch: AtomicU64,
    plugin: AtomicU32,
    started: AtomicU64,
    /// When the watchdog last looked at this entry, or else when it began.
    seen: AtomicU64,
    /// Time that nobody had in this entry, as far as the watchdog has noticed.
    lost: AtomicU64,
    /// The entry that the watchdog has looked at.
    looked_at: AtomicU64,
    /// What the thread's CPU clock showed when that entry began, as far as can be told.
    cpu_start: AtomicU64,
    cpu_limit: AtomicU64,
    deadline: AtomicU64,
    /// The epoch that is being stopped, 0 for none.
    stopping: AtomicU64,
    stopped_for: AtomicU8,
    /// Held while an isolate is told to stop, so that the request never reaches the entry after it.
    stop: Mutex<()>,
    handles: Mutex<HashMap<u32, v8::IsolateHandle>>,
}

const FOR_CPU: u8 = 1;
const FOR_TIME: u8 = 2;

impl LaneWatch {
    /// The watch of the calling thread's lane.
    pub(crate) fn of_this_thread(lane: usize, page: Arc<Page>, alarm: Arc<Alarm>) -> Arc<Self> {
        let lanes = Arc::clone(&alarm);
        let watch = Arc::new(Self {
            lane,
            page,
            alarm,
            clock: CpuClock::of_this_thread(),
            epoch: AtomicU64::new(0),
            plugin: AtomicU32::new(0),
            started: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            looked_at: AtomicU64::new(0),
            cpu_start: AtomicU64::new(0),
            cpu_limit: AtomicU64::new(0),
            deadline: AtomicU64::new(0),
            stopping: AtomicU64::new(0),
            stopped_for: AtomicU8::new(0),
            stop: Mutex::new(()),
            handles: Mutex::default(),
        });
        lanes.lanes.lock().push(Arc::clone(&watch));
        watch
    }

    /// Says how the isolate of `plugin` is told to stop.
    pub(crate) fn register(&self, plugin: u32, handle: v8::IsolateHandle) {
        self.handles.lock().insert(plugin, handle);
    }

    /// Forgets the isolate of `plugin`.
    pub(crate) fn forget(&self, plugin: u32) {
        self.handles.lock().remove(&plugin);
    }

    /// The isolate of `plugin` is about to be entered.
    pub(crate) fn begin(&self, plugin: u32, allowance: Allowance) {
        self.page.enter(self.lane, plugin);
        self.plugin.store(plugin, Ordering::Relaxed);
        let now = monotonic_ns();
        self.started.store(now, Ordering::Relaxed);
        self.seen.store(now, Ordering::Relaxed);
        self.lost.store(0, Ordering::Relaxed);
        self.cpu_limit.store(allowance.cpu_ns, Ordering::Relaxed);
        self.deadline.store(allowance.deadline_ns, Ordering::Relaxed);
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.alarm.wake();
    }

    /// It was left.
    pub(crate) fn end(&self) -> Taken {
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst);
        let stopping = self.stopping.load(Ordering::SeqCst);
        let stopped = (stopping == epoch).then(|| {
            // The watchdog may be in the middle of it.
            drop(self.stop.lock());
            match self.stopped_for.load(Ordering::SeqCst) {
                FOR_TIME => Limit::Time,
                _ => Limit::Cpu,
            }
        });
        self.page.leave(self.lane);
        let now = monotonic_ns();
        let at_ns = [self.started.load(Ordering::Relaxed), now];
        let wall = now.saturating_sub(at_ns[0]);
        // The watchdog looks every few milliseconds, unless the whole process does not run
        let unseen = now.saturating_sub(self.seen.load(Ordering::Relaxed));
        let lost_ns = self.lost.load(Ordering::Relaxed) + if unseen > STALL_NS { unseen } else { 0 };
        let cpu_ns = if self.looked_at.load(Ordering::Acquire) == epoch {
            thread_cpu_ns().saturating_sub(self.cpu_start.load(Ordering::Relaxed)).min(wall)
        } else if wall < STALL_NS {
            wall
        } else {
            IN_DOUBT_NS
        };
        Taken { cpu_ns, at_ns, lost_ns, stopped }
    }

    /// Gives back the time that nobody had.
    fn postpone(&self, lost: u64, first_stop: &mut Option<FirstStop>) {
        let later = |at: u64| Some(at.saturating_add(lost));
        // It always gives a value. An entry that has just begun gets that time too, which costs nothing: it has its CPU time
        // and no more.
        let _ = self.deadline.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
        self.lost.fetch_add(lost, Ordering::Relaxed);
        if let Some(stop) = first_stop {
            stop.at += lost;
        }
    }

    /// Looks at the lane; says whether it is busy, or what has to be done to it.
    fn look(&self, now: u64, first_stop: &mut Option<FirstStop>) -> Look {
        let epoch = self.epoch.load(Ordering::SeqCst);
        if epoch.is_multiple_of(2) {
            *first_stop = None;
            return Look::Idle { epoch };
        }
        let unseen = now.saturating_sub(self.seen.swap(now, Ordering::Relaxed));
        if unseen > STALL_NS {
            self.postpone(unseen, first_stop);
        }
        let Some(cpu) = self.clock.read_ns() else { return Look::Idle { epoch } };
        if self.looked_at.load(Ordering::Relaxed) != epoch {
            let since = now.saturating_sub(self.started.load(Ordering::Relaxed)).min(IN_DOUBT_NS);
            self.cpu_start.store(cpu.saturating_sub(since), Ordering::Relaxed);
            self.looked_at.store(epoch, Ordering::Release);
        }
        let taken = cpu.saturating_sub(self.cpu_start.load(Ordering::Relaxed));
        let reason = if taken > self.cpu_limit.load(Ordering::Relaxed) {
            FOR_CPU
        } else if now > self.deadline.load(Ordering::Relaxed) {
            FOR_TIME
        } else {
            return Look::Busy;
        };
        let stop = match first_stop {
            Some(stop) if stop.epoch == epoch => *stop,
            _ => *first_stop.insert(FirstStop { epoch, at: now, cpu, reason }),
        };
        if cpu.saturating_sub(stop.cpu) > GRACE_CPU.as_nanos() as u64
            || now.saturating_sub(stop.at) > GRACE_WALL.as_nanos() as u64
        {
            return Look::Stuck(if stop.reason == FOR_TIME { Fatal::StuckTime } else { Fatal::StuckCpu });
        }
        let _guard = self.stop.lock();
        self.stopped_for.store(stop.reason, Ordering::SeqCst);
        self.stopping.store(epoch, Ordering::SeqCst);
        // If the entry is over by now, `end` either saw `stopping` and waits for the guard, or nothing is done here.
        if self.epoch.load(Ordering::SeqCst) == epoch
            && let Some(handle) = self.handles.lock().get(&self.plugin.load(Ordering::Relaxed))
        {
            handle.terminate_execution();
        }
        Look::Busy
    }
}

#[derive(Clone, Copy)]
struct FirstStop {
    epoch: u64,
    at: u64,
    cpu: u64,
    reason: u8,
}

enum Look {
    Idle { epoch: u64 },
    Busy,
    Stuck(Fatal),
}

/// Wakes the watchdog when a lane becomes busy.
pub(crate) struct Alarm {
    is_asleep: AtomicBool,
    bell: OwnedFd,
    lanes: Mutex<Vec<Arc<LaneWatch>>>,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Arc::new(Self { is_asleep: AtomicBool::new(false), bell, lanes: Mutex::default() }))
    }

    fn wake(&self) {
        if self.is_asleep.load(Ordering::SeqCst) && self.is_asleep.swap(false, Ordering::SeqCst) {
            // A full counter wakes as well.
            let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
        }
    }
}

/// What the watchdog does when stopping did not help.
pub(crate) trait LastResort: Send + 'static {
    /// `lane` does not come back. In a sandbox process this does not return.
    fn stuck(&self, lane: usize, fatal: Fatal);

    /// The agent is gone. In a sandbox process this does not return.
    fn orphaned(&self);
}

/// Waits until the other end of `lifeline` is closed.
pub(crate) fn wait_for_end(lifeline: &OwnedFd) {
    let mut fds = [PollFd::new(lifeline, PollFlags::empty())];
    while let Err(rustix::io::Errno::INTR) = poll(&mut fds, None) {}
}

/// Runs the watchdog until the other end of `lifeline` is closed.
pub(crate) fn run(alarm: &Alarm, lifeline: &OwnedFd, last_resort: &impl LastResort) {
    let mut first_stops: Vec<Option<FirstStop>> = Vec::new();
    let mut given_up: Vec<bool> = Vec::new();
    let mut last_epochs = 0;
    let mut quiet_since = monotonic_ns();
    loop {
        let now = monotonic_ns();
        let mut epochs = 0u64;
        let mut is_busy = false;
        let lanes: Vec<_> = alarm.lanes.lock().clone();
        first_stops.resize(lanes.len(), None);
        given_up.resize(lanes.len(), false);
        for ((watch, first_stop), given_up) in lanes.iter().zip(&mut first_stops).zip(&mut given_up) {
            match watch.look(now, first_stop) {
                Look::Idle { epoch } => epochs = epochs.wrapping_add(epoch),
                Look::Busy => is_busy = true,
                Look::Stuck(fatal) if !*given_up => {
                    *given_up = true;
                    watch.page.condemn(watch.lane, fatal);
                    last_resort.stuck(watch.lane, fatal);
                }
                Look::Stuck(_) => {}
            }
        }
        if is_busy || epochs != last_epochs {
            quiet_since = now;
            last_epochs = epochs;
        }
        let sleeps = !is_busy && now - quiet_since > QUIET.as_nanos() as u64;
        if sleeps {
            alarm.is_asleep.store(true, Ordering::SeqCst);
            // An entry between the look above and this line has not rung the bell.
            if lanes.iter().any(|lane| lane.epoch.load(Ordering::SeqCst) % 2 == 1) {
                alarm.is_asleep.store(false, Ordering::SeqCst);
                continue;
            }
        }
        let timeout = Timespec { tv_sec: 0, tv_nsec: TICK.as_nanos() as i64 };
        let mut fds = [PollFd::new(lifeline, PollFlags::empty()), PollFd::new(&alarm.bell, PollFlags::IN)];
        let _ = poll(&mut fds, if sleeps { None } else { Some(&timeout) });
        let is_orphaned = fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR);
        if fds[1].revents().contains(PollFlags::IN) {
            let _ = rustix::io::read(&alarm.bell, &mut [0; 8]);
            quiet_since = monotonic_ns();
        }
        alarm.is_asleep.store(false, Ordering::SeqCst);
        if is_orphaned {
            last_resort.orphaned();
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_time_in_which_nobody_ran_is_given_back() {
        let watch = LaneWatch::of_this_thread(0, Arc::new(Page::create().unwrap()), Alarm::new().unwrap());
        let begin = monotonic_ns();
        let mut stop = None;
        let mut look = |milliseconds: u64| watch.look(begin + milliseconds * 1_000_000, &mut stop);
        let is_stopping = || watch.stopping.load(Ordering::SeqCst) != 0;
        watch.begin(1, Allowance { cpu_ns: u64::MAX, deadline_ns: begin + SECOND });
        for step in 1..=6 {
            assert!(matches!(look(step * 150), Look::Busy) && !is_stopping());
        }
        assert!(matches!(look(3_600_900), Look::Busy) && !is_stopping(), "an hour later");
        assert!(matches!(look(3_600_990), Look::Busy) && !is_stopping(), "it has the rest of its second");
        assert!(matches!(look(3_601_050), Look::Busy) && is_stopping(), "and no more");
        assert!(matches!(look(3_611_050), Look::Busy), "it may react first");
        for time in [3_611_200, 3_611_400] {
            assert!(matches!(look(time), Look::Busy));
        }
        assert!(matches!(look(3_611_500), Look::Stuck(Fatal::StuckTime)));
        assert_eq!(watch.end().stopped, Some(Limit::Time));
    }

    #[test]
    fn an_entry_tells_that_nobody_ran_meanwhile() {
        let watch = LaneWatch::of_this_thread(0, Arc::new(Page::create().unwrap()), Alarm::new().unwrap());
        let allowance = Allowance { cpu_ns: u64::MAX, deadline_ns: u64::MAX };
        for is_looked_at in [true, false] {
            watch.begin(1, allowance);
            if is_looked_at {
                assert!(matches!(watch.look(monotonic_ns(), &mut None), Look::Busy));
            }
            // As if that had been an hour ago
            for time in [&watch.started, &watch.seen] {
                time.fetch_sub(3_600 * SECOND, Ordering::Relaxed);
            }
            let Taken { cpu_ns, lost_ns, stopped, .. } = watch.end();
            assert!(cpu_ns < SECOND, "{cpu_ns}");
            assert!(lost_ns > 3_599 * SECOND, "{lost_ns}");
            assert_eq!(stopped, None);
        }
    }
}
