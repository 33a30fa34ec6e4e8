//! `mimir replay`: a recorded session through the plugins.

pub(crate) mod diff;
pub(crate) mod gist;
mod json;
mod notices;
mod read;
mod screen;
mod session;
mod source;
mod tally;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use mimir_commands::{CommandError, Exit, StoreError, with_causes};
use mimir_plugins::{Effects, EventName, Outcome, Plugins, PluginsError, Prepared, RecordedCalls, Traced};

use crate::cli::{FailOn, Global, Replay};
use crate::finish;
use crate::runtime::runtime;
use crate::terminal::Terminal;
use notices::Notices;
use read::{Found, ReadError, Step};
use session::RecordedSessions;
use source::{Progress, Source};
use tally::Tally;

/// What shells expect of a program that was interrupted.
const INTERRUPTED: u8 = 130;

/// What a replay goes through, and where it prints.
struct Stage<'a> {
    replay: &'a Replay,
    plugins: Plugins,
    calls: Arc<RecordedCalls>,
    sessions: Arc<RecordedSessions>,
    notices: Arc<Notices>,
    terminal: &'a mut Terminal,
    tally: Tally,
    progress: Progress,
}

/// Replays, and gives the exit code.
pub(crate) fn main(replay: &Replay, global: &Global, terminal: &mut Terminal) -> ExitCode {
    match run(replay, global, terminal) {
        Ok(tally) if tally.is_interrupted => ExitCode::from(INTERRUPTED),
        Ok(tally) if is_failure(&tally, &replay.fail_on) => ExitCode::from(Exit::Failed.code()),
        result => ExitCode::from(finish(result.map(|_| Exit::Done), terminal).code()),
    }
}

fn run(replay: &Replay, global: &Global, terminal: &mut Terminal) -> Result<Tally, CommandError> {
    let source = Source::open(&replay.file)?;
    let (calls, sessions) = (Arc::<RecordedCalls>::default(), Arc::<RecordedSessions>::default());
    let notices = Arc::new(Notices::new(terminal));
    let prepared = prepare(replay, global, &calls, &sessions, &notices)?;
    runtime()?.block_on(async {
        let start = Instant::now();
        let plugins = prepared.start().await?;
        let has_bar = io::stderr().is_terminal() && !terminal.is_watched;
        let progress = Progress::new(has_bar.then_some(source.length).flatten());
        notices.keep_clear_of(&progress);
        let tally = Tally::new(plugins.running().iter().cloned());
        let mut stage = Stage { replay, plugins, calls, sessions, notices, terminal, tally, progress };
        let result = stage.play(source).await;
        stage.end(start).await?;
        result.map(|()| stage.tally)
    })
}

fn prepare(
    replay: &Replay,
    global: &Global,
    calls: &Arc<RecordedCalls>,
    sessions: &Arc<RecordedSessions>,
    notices: &Arc<Notices>,
) -> Result<Prepared, PluginsError> {
    let effects = if replay.live { Effects::Live } else { Effects::Recorded(calls.clone()) };
    let notices = Arc::clone(notices);
    let mut builder = Plugins::builder()
        .plugins(replay.plugins.iter().cloned())
        .grant_for_this_run(replay.yes)
        .without_plugins(global.no_plugins)
        .leaves_no_traces(!replay.live)
        .effects(effects)
        .sessions(sessions.clone())
        .on_report(move |report| notices.report(report));
    if let Some(project) = &global.project {
        builder = builder.project(project);
    }
    builder.prepare()
}

impl Stage<'_> {
    /// Emits what the recording has, until it ends or the user has seen enough.
    async fn play(&mut self, source: Source) -> Result<(), CommandError> {
        let mut found = source.read();
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        let mut number = 0;
        loop {
            let Some(next) = unless(&mut interrupt, found.recv()).await else { break };
            let step = match next {
                None => {
                    if number == 0 {
                        self.notices.empty();
                    }
                    return Ok(());
                }
                Some(Ok(Found::Step(step))) => step,
                Some(Ok(Found::Torn { line })) => {
                    self.notices.torn(line);
                    continue;
                }
                Some(Err(error)) => return Err(unreadable(&self.replay.file, &error)),
            };
            number += 1;
            let Ok(event) = step.event.parse::<EventName>() else {
                self.notices.unknown(step.line, &step.event);
                self.tally.unknown += 1;
                continue;
            };
            let is_caught_up = found.is_empty();
            self.notices.hold();
            let Some(traced) = unless(&mut interrupt, self.emit(event, &step)).await else { break };
            self.show(number, event, step.payload.get(), &traced?)?;
            self.progress.at(step.offset);
            // Whoever watches wants to see it now; a file wants large writes
            if is_caught_up || self.terminal.is_watched {
                self.terminal.out.flush()?;
            }
            self.notices.release(if self.replay.json { 0 } else { screen::INDENT });
        }
        self.tally.is_interrupted = true;
        self.plugins.interrupt();
        Ok(())
    }

    async fn emit(&self, event: EventName, step: &Step) -> Result<Traced, PluginsError> {
        let payload: Arc<str> = step.payload.get().into();
        self.calls.replace(step.calls.clone());
        self.sessions.follow(event, &payload);
        self.plugins.emit_traced_for(step.cause.iter().cloned(), event, payload).await
    }

    fn show(&mut self, number: u64, event: EventName, payload: &str, traced: &Traced) -> io::Result<()> {
        self.tally.count(traced);
        let out = self.terminal.out.as_mut();
        if self.replay.json {
            json::event(out, event, traced)
        } else {
            screen::event(out, self.terminal.width, number, event, payload, traced)
        }
    }

    /// Ends the plugins and prints what it came to. A second interruption does not wait for them.
    async fn end(&mut self, start: Instant) -> Result<(), CommandError> {
        if self.tally.is_interrupted {
            self.plugins.stop();
        } else {
            tokio::select! {
                () = self.plugins.shutdown() => {}
                _ = tokio::signal::ctrl_c() => {
                    self.tally.is_interrupted = true;
                    self.plugins.stop();
                }
            }
        }
        self.tally.elapsed = start.elapsed();
        self.progress.clear();
        self.notices.release(0);
        self.notices.summary();
        let out = self.terminal.out.as_mut();
        if self.replay.json {
            json::summary(out, &self.tally)?;
        } else {
            screen::summary(out, self.terminal.width, &self.tally)?;
        }
        Ok(self.terminal.out.flush()?)
    }
}

/// Does some work unless the user interrupts it.
async fn unless<T>(interrupt: impl Future, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        _ = interrupt => None,
        done = work => Some(done),
    }
}

fn is_failure(tally: &Tally, fail_on: &[FailOn]) -> bool {
    let failures: u64 = tally.parts.values().map(|part| part.failures).sum();
    let came_to = |outcome: Outcome| tally.outcomes.each().iter().any(|(each, count)| *each == outcome && *count > 0);
    fail_on.iter().any(|on| match on {
        FailOn::Changed => came_to(Outcome::Changed),
        FailOn::Blocked => came_to(Outcome::Blocked),
        FailOn::Approved => came_to(Outcome::Approved),
        FailOn::Denied => came_to(Outcome::Denied),
        FailOn::Failed => failures > 0 || came_to(Outcome::Failed),
    })
}

fn unreadable(file: &Path, error: &ReadError) -> CommandError {
    let hint = match error {
        ReadError::Io(_) => "check that the file exists and that you may read it",
        ReadError::NotJson { .. } | ReadError::NotAStep { .. } => {
            "a recording has one JSON object a line: {\"event\": \"…\", \"payload\": {…}}"
        }
    };
    StoreError::failed(format!("{}: {}", file.display(), with_causes(error)), Some(hint.to_owned())).into()
}
