//! Which limits hold: all of them, except for the one that a test took out.

use std::time::Duration;

use mimir_shared_config::Limits;
use mimir_shared_platform::Guard;

/// What stands for no limit, and still ends: longer and more than any attack needs to show that it got through.
const ENDLESS: Duration = Duration::from_secs(600);
const HUGE: usize = 512 << 20;
const MANY: usize = 1 << 24;

/// The limits whose guards stand; the others are as good as none.
pub(crate) fn standing(limits: &mut Limits) {
    if !Guard::LimitCpu.stands() {
        limits.cpu = ENDLESS;
    }
    if !Guard::LimitWall.stands() {
        limits.event = ENDLESS;
        limits.tool = ENDLESS;
    }
    if !Guard::LimitHeap.stands() {
        limits.heap = HUGE;
    }
    if !Guard::LimitBuffers.stands() {
        limits.off_heap = HUGE;
    }
    if !Guard::LimitTimers.stands() {
        limits.timers = MANY;
    }
    if !Guard::LimitPending.stands() {
        limits.pending = MANY;
    }
}
