//! A run for people: what the model says, what it has done, and what plugins did about it.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use mimir_agent::chat::{Screen, Shown, ToolCall, ToolOutcome, Totals};
use mimir_commands::{Theme, display_width, printable, printable_block, wrap};
use mimir_plugins::{Report, ReportKind};
use serde_json::Value;

use super::hanging::hanging;
use super::prose::Prose;
use super::spinner::Spinner;
use crate::number::grouped;
use crate::replay::diff::fit;
use crate::replay::gist::{arguments, result};
use crate::said::Said;
use crate::terminal::{self, ErrorStream, Terminal};

/// Columns before a call.
const INDENT: usize = 2;
/// Columns before what stands beneath a call.
const BENEATH: usize = 4;
/// Lines of a reason that are shown.
const REASON_LINES: usize = 6;

/// What was shown last, which says whether a free line follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Above {
    Nothing,
    Words,
    Call,
    Mark,
}

/// Shows a run on a terminal, or in a file that a person reads.
pub(crate) struct TerminalScreen {
    state: Mutex<State>,
}

struct State {
    out: Box<dyn Write + Send>,
    errors: ErrorStream,
    width: usize,
    prose: Prose,
    spinner: Spinner,
    /// Calls under way: their ids and what the spinner says of them.
    running: Vec<(String, String)>,
    /// Roles of the sub-agents under way.
    roles: HashMap<String, String>,
    totals: Totals,
    /// Whether the results are on the terminal on which the person types.
    is_watched: bool,
    /// What stands in front of what somebody may be typing, so that the line is not free.
    prompt: Option<String>,
    /// Whether something was shown beneath it since.
    is_torn: bool,
    /// What the person typed last: the terminal showed it while they did.
    typed: Option<String>,
    /// What stands above.
    above: Above,
    begun: Instant,
}

impl TerminalScreen {
    /// Takes the terminal's output.
    pub(crate) fn new(terminal: &mut Terminal) -> Self {
        let out = std::mem::replace(&mut terminal.out, Box::new(io::sink()));
        let width = terminal.width;
        let state = State {
            out,
            errors: terminal.errors,
            width,
            prose: Prose::new(width, INDENT),
            spinner: Spinner::new(terminal.is_watched && io::IsTerminal::is_terminal(&io::stderr())),
            running: Vec::new(),
            roles: HashMap::new(),
            totals: Totals::default(),
            is_watched: terminal.is_watched,
            prompt: None,
            is_torn: false,
            typed: None,
            above: Above::Nothing,
            begun: Instant::now(),
        };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says something about a plugin, beside what the model says.
    pub(crate) fn report(&self, report: &Report) {
        // What a plugin writes to its log is for its author, and is in the audit log
        let is_quiet = report.kind == ReportKind::Log && report.level != mimir_plugins::Level::Error;
        if is_quiet || report.kind == ReportKind::Observed {
            return;
        }
        let mut state = self.state();
        let _ = state.finish_prose();
        let _ = state.begin(Above::Mark);
        let text = Said::from(report).lines(state.width, INDENT).join("\n");
        state.spinner.clear();
        let _ = state.out.flush();
        state.errors.notice(&text);
        state.wait_on();
        state.mend_prompt();
    }

    /// Says something to the person, on standard error.
    pub(crate) fn notice(&self, text: &str) {
        let mut state = self.state();
        let _ = state.finish_prose();
        let _ = state.begin(Above::Mark);
        state.spinner.clear();
        let _ = state.out.flush();
        state.errors.notice(text);
        state.mend_prompt();
    }

    /// The same without ending the line: somebody types behind it.
    pub(crate) fn prompt(&self, text: &str) {
        let mut state = self.state();
        state.errors.prompt(text);
        (state.prompt, state.is_torn) = (Some(text.to_owned()), false);
    }

    /// A line was typed behind the prompt, and has ended it.
    pub(crate) fn answered(&self) {
        let mut state = self.state();
        state.prompt = None;
        state.wait_on();
    }

    /// Nobody waits for an answer any more: what comes next begins on a line of its own.
    pub(crate) fn given_up(&self) {
        let mut state = self.state();
        if state.prompt.take().is_some() && !state.is_torn {
            state.errors.prompt("\n");
        }
    }

    /// The person typed something to be said, which need not be shown again where they see it.
    pub(crate) fn typed(&self, text: &str) {
        let mut state = self.state();
        state.prompt = None;
        state.typed = state.is_watched.then(|| text.to_owned());
    }

    /// The window's width, in columns.
    pub(crate) fn width(&self) -> usize {
        let mut state = self.state();
        state.measure();
        state.width
    }

    /// Makes room for a question: nothing turns and no line is half written while somebody thinks.
    pub(crate) fn make_room(&self) {
        let mut state = self.state();
        let _ = state.finish_prose();
        state.spinner.clear();
        let _ = state.out.flush();
    }

    /// The last line: what it came to, and how to go on.
    pub(crate) fn end(&self, word: &str, style: anstyle::Style, resume: Option<&str>) {
        let mut state = self.state();
        let _ = state.finish_prose();
        state.spinner.clear();
        state.prompt = None;
        let _ = state.summary(word, style, resume);
        let _ = state.out.flush();
    }
}

impl Screen for TerminalScreen {
    fn show(&self, shown: Shown<'_>) {
        // Whoever read the output has seen enough; the agent's work is not lost by that
        let mut state = self.state();
        let _ = state.show(shown);
        state.mend_prompt();
    }
}

impl State {
    /// Heeds that the window has another width now.
    fn measure(&mut self) {
        if self.is_watched {
            self.width = terminal::width();
            self.prose.resize(self.width);
        }
    }

    fn show(&mut self, shown: Shown<'_>) -> io::Result<()> {
        self.measure();
        let (dim, strong) = (Theme::DIM, Theme::STRONG);
        match shown {
            Shown::Opened { session, is_resumed, messages } => {
                let what = if is_resumed { format!("resumed, {}", counted(messages)) } else { "new".to_owned() };
                let (id, model) = (printable(&session.id), printable(&session.model));
                self.totals.session = session.cost;
                self.line(&format!("{strong}mimir{strong:#} {dim}session {id} ({what}) · {model}{dim:#}"))?;
                if model.starts_with("scripted") {
                    self.line(&format!("{dim}a scripted model plays this; no language model is asked{dim:#}"))?;
                }
                self.above = Above::Words;
                Ok(())
            }
            Shown::OutcomeUnknown { call } => {
                let text = format!(
                    "{} was cut off while it was under way: nobody knows whether it happened",
                    described(call, 60)
                );
                self.marked("?", Theme::WARN, &text)
            }
            Shown::NotRun { call } => self.marked(
                "–",
                Theme::DIM,
                &format!("{} did not run: it was cut off before it began", described(call, 60)),
            ),
            Shown::User { text } if self.typed.take().is_some_and(|typed| typed.trim() == text.trim()) => {
                self.above = Above::Words;
                Ok(())
            }
            Shown::User { text } => {
                self.begin(Above::Words)?;
                let typed = Theme::TYPE;
                let width = self.width.saturating_sub(4);
                for line in printable_block(text).lines().flat_map(|line| wrap(line, width)) {
                    self.line(&format!("{typed}▌{typed:#} {strong}{line}{strong:#}"))?;
                }
                Ok(())
            }
            Shown::Asking { agent_id: None, model } => {
                self.turn(format!("{} thinks", printable(model)));
                Ok(())
            }
            Shown::Text { agent_id: None, piece } => {
                self.spinner.clear();
                if self.prose.is_empty() && !piece.trim().is_empty() {
                    self.begin(Above::Words)?;
                }
                self.prose.write(self.out.as_mut(), piece)
            }
            Shown::Answered { agent_id: None, .. } => {
                self.finish_prose()?;
                self.wait_on();
                Ok(())
            }
            Shown::Asking { .. } | Shown::Text { .. } | Shown::Answered { .. } => Ok(()),
            Shown::Retry { attempt, wait, why } => {
                let wait = wait.as_secs_f64();
                self.marked("!", Theme::WARN, &format!("{why}; attempt {attempt} in {wait:.1} s"))
            }
            Shown::Blocked { by, reason } => {
                let by = by.map_or("a plugin".to_owned(), ToString::to_string);
                self.marked("✗", Theme::BAD, &format!("{by} kept this from the model: {reason}"))
            }
            Shown::ToolStarted { agent_id, call } => {
                self.finish_prose()?;
                let who = self.role(agent_id);
                self.running.push((call.id.clone(), format!("{who}{}", described(call, 80))));
                self.wait_on();
                Ok(())
            }
            Shown::ToolEnded { agent_id, call, outcome } => {
                self.running.retain(|(id, _)| *id != call.id);
                self.finish_prose()?;
                self.call(agent_id, call, outcome)?;
                self.wait_on();
                Ok(())
            }
            Shown::AgentStarted { agent } => {
                self.roles.insert(agent.id.clone(), agent.role.clone());
                self.marked("▸", Theme::TYPE, &format!("{} begins: {}", agent.role, agent.task))
            }
            Shown::AgentEnded { agent, error } => {
                self.roles.remove(&agent.id);
                match error {
                    None => self.marked("◂", Theme::TYPE, &format!("{} is done", agent.role)),
                    Some(error) => self.marked("✗", Theme::BAD, &format!("{} gave up: {error}", agent.role)),
                }
            }
            Shown::Compacting { tokens, .. } => {
                self.turn(format!("compacting the conversation ({} tokens)", grouped(tokens)));
                Ok(())
            }
            Shown::Compacted { before, after } => {
                let text = format!("the conversation was compacted: {} → {} tokens", grouped(before), grouped(after));
                self.marked("≡", Theme::TYPE, &text)
            }
            Shown::Cost { totals, .. } => {
                self.totals = *totals;
                Ok(())
            }
            Shown::Budget { limit, total, stops, by, reason } => {
                let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
                let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                let end = if stops { format!("; stopped{by}{reason}") } else { String::new() };
                self.marked("$", Theme::WARN, &format!("the budget of ${limit:.2} is used up (${total:.2}){end}"))
            }
            Shown::Said { text, is_error, .. } => {
                self.finish_prose()?;
                self.begin(Above::Words)?;
                let style = if is_error { Theme::BAD } else { Theme::PLAIN };
                let width = self.width.saturating_sub(INDENT);
                for line in printable_block(text).lines().flat_map(|line| hanging(line, width)) {
                    self.line(&format!("  {style}{line}{style:#}"))?;
                }
                Ok(())
            }
            Shown::Interrupted => {
                let shown = self.marked("!", Theme::WARN, "interrupted; what was said and done until now is kept");
                // Nobody waits for an answer any more
                self.prompt = None;
                shown
            }
            Shown::Notice { text } => self.marked("i", Theme::TYPE, text),
            Shown::Failed { error } => self.marked("✗", Theme::BAD, error),
        }
    }

    /// One call in a line, and beneath it what was done to it.
    fn call(&mut self, agent_id: Option<&str>, call: &ToolCall, outcome: &ToolOutcome) -> io::Result<()> {
        let (dim, strong) = (Theme::DIM, Theme::STRONG);
        let refused = outcome.remarks.iter().any(|remark| is_refusal(&remark.what));
        let (mark, style) = match (refused, outcome.is_error) {
            (true, _) => ("✗", Theme::BAD),
            (false, true) => ("!", Theme::WARN),
            (false, false) => ("●", Theme::GOOD),
        };
        let failure = failure(outcome).filter(|_| !refused);
        let right = match (refused, &failure) {
            (true, _) => String::new(),
            // It stands beneath
            (false, Some(_)) => duration(outcome.duration_ms),
            (false, None) => {
                let room = (self.width / 3).max(16);
                let brief = fit(&printable(&result(&outcome.result)), room);
                let took = duration(outcome.duration_ms);
                if brief.is_empty() { took } else { format!("{brief} · {took}") }
            }
        };
        let who = self.role(agent_id);
        let name = printable(&call.name);
        let room = self
            .width
            .saturating_sub(INDENT + 2 + display_width(&who) + display_width(&name) + 2 + display_width(&right) + 2);
        let args = Value::Object(outcome.args.clone());
        let gist = fit(&arguments(if outcome.args.is_empty() { &call.args } else { &args }), room);
        let pad = room.saturating_sub(display_width(&gist)) + 2;
        self.begin(Above::Call)?;
        let line = format!(
            "  {style}{mark}{style:#} {dim}{who}{dim:#}{strong}{name}{strong:#}  {gist}{:pad$}{dim}{right}{dim:#}",
            ""
        );
        self.line(line.trim_end())?;
        for remark in &outcome.remarks {
            let (mark, style) = match remark.what.as_str() {
                what if is_refusal(what) => ("✗", Theme::BAD),
                what if what.starts_with("allowed") => ("✓", Theme::GOOD),
                _ => ("~", Theme::WARN),
            };
            let by = remark.plugin.as_ref().map(|plugin| format!(" by {plugin}")).unwrap_or_default();
            self.line(&format!("    {style}{mark} {}{by}{style:#}", printable(&remark.what)))?;
            // Which rule it was that allowed something, nobody needs to read each time
            let reason = remark.reason.as_deref().filter(|_| !remark.what.starts_with("allowed by a rule"));
            let reason = reason.filter(|reason| !remark.what.ends_with(reason));
            let reason = reason.map(|reason| self.wrapped(reason)).unwrap_or_default();
            for line in reason.into_iter().take(REASON_LINES) {
                self.line(&format!("      {line}"))?;
            }
        }
        let failure = failure.map(|text| self.wrapped(text)).unwrap_or_default();
        for line in failure.into_iter().take(REASON_LINES) {
            self.line(&format!("    {dim}{line}{dim:#}"))?;
        }
        if let Some(since) = changed_since(&outcome.result) {
            let warn = Theme::WARN;
            self.line(&format!("    {warn}~ {}{warn:#}", printable(since)))?;
        }
        Ok(())
    }

    fn wrapped(&self, text: &str) -> Vec<String> {
        let width = self.width.saturating_sub(BENEATH + 2);
        printable_block(text)
            .lines()
            .filter(|line| !line.trim().is_empty())
            .flat_map(|line| wrap(line, width))
            .collect()
    }

    fn marked(&mut self, mark: &str, style: anstyle::Style, text: &str) -> io::Result<()> {
        self.finish_prose()?;
        self.spinner.clear();
        self.begin(Above::Mark)?;
        let lines = self.wrapped(text);
        for (index, line) in lines.iter().enumerate() {
            let mark = if index == 0 { mark } else { " " };
            self.line(&format!("  {style}{mark}{style:#} {line}"))?;
        }
        self.wait_on();
        Ok(())
    }

    fn summary(&mut self, word: &str, style: anstyle::Style, resume: Option<&str>) -> io::Result<()> {
        let (dim, totals) = (Theme::DIM, self.totals);
        let (input, output) = (grouped(totals.usage.prompt_tokens()), grouped(totals.usage.output_tokens));
        let took = self.begun.elapsed().as_secs_f64();
        writeln!(self.out)?;
        self.line(&format!(
            "{style}{word}{style:#} {dim}in {took:.1} s · ${:.4} · {input} tokens in, {output} out{dim:#}",
            totals.session
        ))?;
        match resume {
            Some(id) => {
                let typed = Theme::TYPE;
                self.line(&format!("{dim}go on with{dim:#} {typed}mimir run --resume {id}{typed:#}"))
            }
            None => Ok(()),
        }
    }

    /// Ends what the model was saying.
    fn finish_prose(&mut self) -> io::Result<()> {
        self.prose.end(self.out.as_mut())
    }

    /// Shows what is going on, unless somebody may be typing there.
    fn turn(&mut self, what: String) {
        if self.prompt.is_none() {
            self.spinner.wait_for(what);
        }
    }

    /// Shows a prompt again that something was shown beneath.
    fn mend_prompt(&mut self) {
        if let Some(prompt) = self.prompt.as_deref().filter(|_| self.is_torn) {
            self.errors.prompt(prompt);
            self.is_torn = false;
        }
    }

    /// Shows what is still under way.
    fn wait_on(&mut self) {
        match self.running.as_slice() {
            [] => self.spinner.clear(),
            [(_, only)] => self.turn(only.clone()),
            [(_, first), others @ ..] => self.turn(format!("{first} and {} more", others.len())),
        }
    }

    fn role(&self, agent_id: Option<&str>) -> String {
        let role = agent_id.map(|id| self.roles.get(id).map_or(id, String::as_str));
        role.map(|role| format!("{} › ", printable(role))).unwrap_or_default()
    }

    /// A free line, unless the same kind of thing stands above.
    fn begin(&mut self, next: Above) -> io::Result<()> {
        if self.prompt.is_some() && !std::mem::replace(&mut self.is_torn, true) {
            self.errors.prompt("\n");
        }
        let above = std::mem::replace(&mut self.above, next);
        let is_close = above == Above::Nothing || (above == next && next != Above::Words);
        if is_close { Ok(()) } else { self.line("") }
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        self.spinner.clear();
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }
}

/// A call in a few words.
fn described(call: &ToolCall, room: usize) -> String {
    fit(&format!("{} {}", printable(&call.name), arguments(&call.args)), room)
}

/// What a call failed of, where it says so in words.
fn failure(outcome: &ToolOutcome) -> Option<&str> {
    match &outcome.result {
        _ if !outcome.is_error => None,
        Value::String(text) => Some(text),
        Value::Object(fields) => fields.get("error")?.as_str(),
        _ => None,
    }
}

/// What a tool that wrote a file says about what plugins made of it since.
fn changed_since(result: &Value) -> Option<&str> {
    const SINCE: &str = "A plugin has changed the file since";
    let text = result.as_str()?;
    let since = &text[text.find(SINCE)?..];
    Some(since.split_once(':').map_or(since, |(since, _)| since).trim_end_matches('.'))
}

/// So many messages.
fn counted(messages: usize) -> String {
    if messages == 1 { "1 message".to_owned() } else { format!("{messages} messages") }
}

fn is_refusal(what: &str) -> bool {
    what.starts_with("blocked") || what.starts_with("denied")
}

fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        #[allow(clippy::cast_precision_loss, reason = "one digit is shown")]
        ms => format!("{:.1} s", ms as f64 / 1e3),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use std::sync::Arc;

    use super::*;
    use crate::cli::When;

    /// What was printed so far.
    #[derive(Clone, Default)]
    struct Printed(Arc<Mutex<Vec<u8>>>);

    impl Write for Printed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_somebody_typed_is_shown_again_only_where_they_do_not_see_it() {
        for (is_watched, typed, said, times) in [
            (true, "hello", "hello", 0),
            (true, " hello ", "hello", 0),
            // A command of the person's own that says more
            (true, "/greet", "hello", 1),
            (false, "hello", "hello", 1),
        ] {
            let printed = Printed::default();
            let mut terminal = Terminal::new(When::Never);
            (terminal.out, terminal.is_watched) = (Box::new(printed.clone()), is_watched);
            let screen = TerminalScreen::new(&mut terminal);
            let count = || String::from_utf8(printed.0.lock().unwrap().clone()).unwrap().matches("hello").count();
            screen.typed(typed);
            screen.show(Shown::User { text: said });
            assert_eq!(count(), times, "{typed:?}, {is_watched}");
            // What is said next was not typed
            screen.show(Shown::User { text: "hello" });
            assert_eq!(count(), times + 1, "{typed:?}, {is_watched}");
        }
    }
}
