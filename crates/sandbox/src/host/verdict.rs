//! Who is to blame for the end of a sandbox process.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Host;
use crate::image::CallFailure;
use crate::layer::LayerReport;
use crate::page::Fatal;

/// How long a process that says it is ending may take for it.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Who brought a process down.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) guilty: Vec<(u32, String)>,
    /// One of these did it.
    pub(super) suspects: Vec<u32>,
    /// Why it ended, unless the agent wanted it so.
    pub(super) reason: Option<String>,
    /// The answer to what is under way where nobody is guilty.
    pub(super) unavailable: Option<CallFailure>,
}

impl Host {
    pub(super) fn has_last_words(&self) -> bool {
        (0..self.links.len()).any(|lane| self.page.state(lane).fatal != Fatal::None)
    }

    fn reason_of(&self, fatal: Fatal, plugin: u32) -> Option<String> {
        let limits = self.member(plugin).flatten().map(|member| member.image.limits.clone()).unwrap_or_default();
        match fatal {
            Fatal::None => None,
            Fatal::StuckCpu => {
                Some(format!("it was past its {} ms of CPU time and could not be stopped", limits.cpu.as_millis()))
            }
            Fatal::StuckTime => Some("it was past its time and could not be stopped".to_owned()),
            Fatal::OutOfMemory => {
                Some(format!("V8 ran out of memory (the limit is {} MiB of heap)", limits.heap >> 20))
            }
            Fatal::Broken => Some("V8 stopped at a fatal error".to_owned()),
        }
    }

    pub(super) fn judge(&self, status: Option<ExitStatus>) -> Verdict {
        let mut verdict = Verdict::default();
        if self.is_wanted_dead.load(Ordering::SeqCst) {
            return verdict;
        }
        if let Some(LayerReport { layer, detail, .. }) = self.missing_layer() {
            let reason = format!("the sandbox needs {}, which does not hold here: {detail}", layer.name());
            verdict.unavailable = Some(CallFailure::Unavailable { reason: reason.clone() });
            verdict.reason = Some(reason);
            return verdict;
        }
        let forbidden = status.filter(|status| status.signal() == Some(libc::SIGSYS));
        let forbidden = forbidden.map(|_| "it made a system call that the sandbox forbids".to_owned());
        if let Some(reason) = self.fault.lock().take().or(forbidden) {
            // V8 is broken in there. The page is no witness any more: whoever broke it writes the page as well.
            let members: Vec<u32> = self.members.lock().keys().copied().collect();
            match members[..] {
                [plugin] => verdict.guilty.push((plugin, reason.clone())),
                _ => verdict.suspects = members,
            }
            verdict.reason = Some(reason);
            return verdict;
        }
        let states = || (0..self.links.len()).map(|lane| self.page.state(lane));
        for state in states() {
            if let (Some(plugin), fatal) = (state.plugin, state.fatal)
                && let Some(reason) = self.reason_of(fatal, plugin)
            {
                verdict.guilty.push((plugin, reason));
            }
        }
        if let Some(plugin) = self.unresponsive.load(Ordering::SeqCst).checked_sub(1) {
            let reason = "it did not answer, and did not react to being stopped".to_owned();
            verdict.guilty.push((plugin as u32, reason));
        }
        if let Some((_, reason)) = verdict.guilty.first() {
            verdict.reason = Some(reason.clone());
            return verdict;
        }
        let Some(status) = status else { return verdict };
        verdict.reason = Some(format!("the process ended ({status})"));
        // Somebody else killed it; no plugin can do that to its own process.
        if status.signal() == Some(libc::SIGKILL) {
            return verdict;
        }
        let running: Vec<u32> = states().filter_map(|state| state.plugin).collect();
        match running[..] {
            [plugin] => verdict.guilty.push((plugin, format!("the process crashed ({status})"))),
            _ => verdict.suspects = running,
        }
        verdict
    }
}

/// Waits a moment for a process that says it is ending, so that it can say how. It may lie.
pub(super) fn ends_by_itself(child: &mut Child) -> bool {
    (0..LAST_WORDS.as_millis()).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        !matches!(child.try_wait(), Ok(None))
    })
}
