//! The way from whoever records to the thread that writes: recording costs a lock and a push, and wakes nobody who is
//! about to look anyway.

use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Notify;

use crate::{AuditRecord, MakeRecord};

/// Whoever records faster than the disk takes it waits from here on, instead of filling the memory.
const LONGEST: usize = 4_096;
/// Whoever can wait without keeping a thread waits from here on, so that the others need not.
const BEHIND: usize = LONGEST / 2;
/// How long the thread goes on looking by itself after something came. Whoever is killed loses what was recorded in the
/// last such moment.
const LINGER: Duration = Duration::from_millis(1);

/// Something to write, and when it was recorded.
pub(super) type Timed = (u64, Recorded);

/// A record, or what makes it.
pub(super) enum Recorded {
    Now(AuditRecord),
    Later(MakeRecord),
}

/// What the thread finds to do.
pub(super) struct Work {
    /// Whom to tell once everything that came with it is written, and whether that is the end of the segment.
    pub(super) waiting: Vec<(SyncSender<()>, bool)>,
    /// Nothing will come any more.
    pub(super) is_closed: bool,
}

#[derive(Default)]
struct State {
    records: Vec<Timed>,
    waiting: Vec<(SyncSender<()>, bool)>,
    is_closed: bool,
    /// Nobody looks before being woken.
    is_asleep: bool,
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    has_work: Condvar,
    has_room: Condvar,
    caught_up: Notify,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, timed: Timed) {
        let mut state = self.state();
        while state.records.len() >= LONGEST && !state.is_closed {
            if std::mem::take(&mut state.is_asleep) {
                self.has_work.notify_one();
            }
            state = self.has_room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.records.push(timed);
        if std::mem::take(&mut state.is_asleep) {
            drop(state);
            self.has_work.notify_one();
        }
    }

    /// Waits until the thread has taken what there is, if that is much.
    pub(super) fn catching_up(&self) -> Option<BoxFuture<'_, ()>> {
        let state = self.state();
        // Whatever is taken after this is heard: it is taken under the same lock
        (state.records.len() >= BEHIND && !state.is_closed).then(|| self.caught_up.notified().boxed())
    }

    /// Asks to be told once everything so far is written.
    pub(super) fn wait_for(&self, done: SyncSender<()>, is_end: bool) {
        let mut state = self.state();
        state.waiting.push((done, is_end));
        state.is_asleep = false;
        self.has_work.notify_one();
    }

    pub(super) fn close(&self) {
        let mut state = self.state();
        (state.is_closed, state.is_asleep) = (true, false);
        self.has_work.notify_one();
        self.has_room.notify_all();
        self.caught_up.notify_waiters();
    }

    /// Waits for work, at most so long, and swaps what was recorded with `batch`, which is empty.
    pub(super) fn take(&self, batch: &mut Vec<Timed>, at_most: Option<Duration>) -> Work {
        let mut state = self.state();
        let is_idle = |state: &State| state.records.is_empty() && state.waiting.is_empty() && !state.is_closed;
        if is_idle(&state) {
            state = self.has_work.wait_timeout(state, LINGER).unwrap_or_else(PoisonError::into_inner).0;
        }
        if is_idle(&state) {
            state.is_asleep = true;
            state = match at_most {
                Some(at_most) => {
                    let asleep = |state: &mut State| state.is_asleep;
                    let woken = self.has_work.wait_timeout_while(state, at_most, asleep);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let woken = self.has_work.wait_while(state, |state| state.is_asleep);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
            };
            state.is_asleep = false;
        }
        std::mem::swap(&mut state.records, batch);
        let work = Work { waiting: std::mem::take(&mut state.waiting), is_closed: state.is_closed };
        drop(state);
        self.has_room.notify_all();
        self.caught_up.notify_waiters();
        work
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn who_can_wait_waits_while_the_thread_is_behind() {
        let queue = Queue::default();
        let push = || queue.push((0, Recorded::Now(AuditRecord::of_mimir("x", Value::Null))));
        (1..BEHIND).for_each(|_| push());
        assert!(queue.catching_up().is_none());
        push();
        let mut waiting = [queue.catching_up().expect("it is behind"), queue.catching_up().expect("it is behind")];
        assert!(waiting.iter_mut().all(|waiting| waiting.now_or_never().is_none()));
        let mut batch = Vec::new();
        queue.take(&mut batch, None);
        assert_eq!(batch.len(), BEHIND);
        assert!(waiting.iter_mut().all(|waiting| waiting.now_or_never().is_some()) && queue.catching_up().is_none());
        // Nobody takes anything after the end
        (0..BEHIND).for_each(|_| push());
        let waiting = queue.catching_up().expect("it is behind again");
        queue.close();
        assert!(waiting.now_or_never().is_some() && queue.catching_up().is_none());
    }
}
