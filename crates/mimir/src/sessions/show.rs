use std::collections::HashMap;
use std::io::{self, Write as _};

use anstyle::Style;
use mimir_chat::{AgentRecord, Exported};
use mimir_commands::{CommandError, Exit, Theme, display_width, json_text, printable};
use mimir_shared_platform::{Clock as _, SystemClock};
use serde_json::Value;

use super::args::Show;
use super::money::{counted, dollars, duration};
use super::sheet::{GUTTER, Sheet, lines};
use super::transcript::{Call, End, Entry, Item, as_text, entries};
use super::when::{ago, minute};
use super::{Kept, failed};
use crate::number::grouped;
use crate::replay::diff::fit;
use crate::replay::gist::{arguments, result};
use crate::terminal::Terminal;

/// Lines of an error or a reason that are shown.
const BRIEF: usize = 6;

pub(super) async fn run(kept: &Kept, show: &Show, terminal: &mut Terminal) -> Result<Exit, CommandError> {
    let (store, session) = kept.find(show.id.as_deref()).await?;
    let exported = store.export(&session.id).await.map_err(|error| failed(&error))?;
    if show.json {
        writeln!(terminal.out, "{}", json_text(&exported).map_err(io::Error::from)?)?;
        return Ok(Exit::Done);
    }
    let width = terminal.width;
    print(Sheet::new(terminal.out.as_mut(), width), &exported, show.full)?;
    Ok(Exit::Done)
}

fn print<'a>(sheet: Sheet<'a>, exported: &'a Exported, is_full: bool) -> io::Result<()> {
    let roles = exported.agents.iter().map(|record| (record.agent.id.as_str(), record.agent.role.as_str())).collect();
    let mut page = Page { sheet, roles, is_full, is_work: false };
    page.heading(exported)?;
    for entry in entries(exported) {
        page.entry(&entry)?;
    }
    page.footing(exported)
}

struct Page<'a> {
    sheet: Sheet<'a>,
    roles: HashMap<&'a str, &'a str>,
    is_full: bool,
    /// Whether work was shown last: calls stand close together, and apart from what is said.
    is_work: bool,
}

impl Page<'_> {
    fn heading(&mut self, exported: &Exported) -> io::Result<()> {
        let (strong, dim) = (Theme::STRONG, Theme::DIM);
        let session = &exported.session;
        let title = if session.title.trim().is_empty() { &session.id } else { &session.title };
        let width = self.sheet.width();
        for line in lines(&printable(title), width) {
            self.sheet.line(&format!("{strong}{line}{strong:#}"))?;
        }
        let away = exported.messages.iter().filter(|stored| stored.agent_id.is_none() && stored.is_compacted).count();
        let away = if away > 0 { format!(" and {} put away", grouped(away as u64)) } else { String::new() };
        let now = SystemClock.now_ms();
        let usage = &exported.usage;
        let facts = [
            format!("{} · {}", session.id, session.project),
            format!(
                "{} · begun {}, last written to {}",
                session.model,
                minute(session.created_at),
                ago(session.updated_at, now)
            ),
            format!(
                "{}{away} · {} · {} tokens in, {} out",
                counted(session.messages, "message"),
                dollars(session.cost),
                grouped(usage.prompt_tokens()),
                grouped(usage.output_tokens)
            ),
        ];
        for line in facts.iter().flat_map(|fact| lines(&printable(fact), width)) {
            self.sheet.line(&format!("{dim}{line}{dim:#}"))?;
        }
        self.sheet.needs_space();
        Ok(())
    }

    fn footing(&mut self, exported: &Exported) -> io::Result<()> {
        let (dim, typed) = (Theme::DIM, Theme::TYPE);
        self.sheet.is_put_away = false;
        self.sheet.needs_space();
        self.sheet.space()?;
        if exported.messages.iter().any(|stored| stored.is_compacted) {
            let text = format!("{GUTTER} was put away by a compaction and is part of the conversation no more");
            for line in lines(&text, self.sheet.width()) {
                self.sheet.line(&format!("{dim}{line}{dim:#}"))?;
            }
        }
        let id = &exported.session.id;
        self.sheet.line(&format!("{dim}go on with{dim:#} {typed}mimir run --resume {id}{typed:#}"))
    }

    fn entry(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        if entry.is_compacted != self.sheet.is_put_away {
            // The free line between the two belongs to neither
            self.sheet.is_put_away = false;
            self.sheet.space()?;
            self.sheet.is_put_away = entry.is_compacted;
        }
        let rest = if entry.is_compacted { Theme::DIM } else { Theme::PLAIN };
        let strong = if entry.is_compacted { Theme::DIM } else { Theme::STRONG };
        match &entry.item {
            Item::Call(call) => return self.work(|page| page.call(entry, call)),
            Item::AgentBegan(record) => return self.work(|page| page.agent_began(record)),
            Item::AgentEnded(record) => return self.work(|page| page.agent_ended(record)),
            // What sub-agents say to each other is theirs, unless everything is asked for
            _ if entry.agent.is_some() && !self.is_full => return Ok(()),
            _ => {}
        }
        self.sheet.space()?;
        self.is_work = false;
        let who = self.who(entry.agent);
        match &entry.item {
            Item::Person(text) if who.is_empty() => self.sheet.text(("▌", Theme::TYPE), strong, text)?,
            Item::Person(text) => self.said(&format!("{who}its task"), text, rest)?,
            Item::Model(text) if who.is_empty() => self.sheet.text((" ", Theme::PLAIN), rest, text)?,
            Item::Model(text) => self.said(who.trim_end_matches([' ', '›']), text, rest)?,
            Item::Summary(text) => {
                let mark = ("≡", Theme::TYPE);
                self.sheet.remark(0, mark, "the conversation was compacted; this stands for what came before:")?;
                self.sheet.text((" ", Theme::PLAIN), rest, text)?;
            }
            Item::Cleared => {
                self.sheet.remark(0, ("≡", Theme::TYPE), "the conversation was cleared and began anew")?;
            }
            Item::Other { who, text } => self.said(who, text, rest)?,
            Item::Result { call, result, is_error } => {
                let mark = if *is_error { ("!", Theme::WARN) } else { ("●", Theme::GOOD) };
                self.sheet.remark(
                    2,
                    mark,
                    &format!("a result of {call}, whose call is not here: {}", brief(result)),
                )?;
            }
            Item::Call(_) | Item::AgentBegan(_) | Item::AgentEnded(_) => {}
        }
        self.sheet.needs_space();
        Ok(())
    }

    fn work(&mut self, show: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        if !std::mem::replace(&mut self.is_work, true) {
            self.sheet.space()?;
        }
        show(self)?;
        self.sheet.needs_space();
        Ok(())
    }

    /// Something that neither the person nor the model said.
    fn said(&mut self, who: &str, text: &str, style: Style) -> io::Result<()> {
        let dim = Theme::DIM;
        let who = fit(&printable(who), self.sheet.width() - 2);
        self.sheet.line(&format!("  {dim}{who}{dim:#}"))?;
        self.sheet.text((" ", Theme::PLAIN), style, text)
    }

    fn call(&mut self, entry: &Entry<'_>, call: &Call<'_>) -> io::Result<()> {
        let dim = Theme::DIM;
        let strong = if entry.is_compacted { Theme::DIM } else { Theme::STRONG };
        let is_refused = call.remarks.iter().any(|remark| matches!(remark.what.as_str(), "blocked" | "denied"));
        let (mark, style) = match (call.end, is_refused, call.is_error) {
            (End::Cut | End::Open, ..) => ("?", Theme::WARN),
            (End::NeverBegan, ..) => ("–", Theme::DIM),
            (End::Known, true, _) => ("✗", Theme::BAD),
            (End::Known, false, true) => ("!", Theme::WARN),
            (End::Known, false, false) => ("●", Theme::GOOD),
        };
        let (width, who, name) = (self.sheet.width(), self.who(entry.agent), fit(&printable(call.name), 40));
        let took = call.duration_ms.map(duration).unwrap_or_default();
        // What failed says so beneath
        let came = match (call.end, is_refused || call.is_error) {
            (End::Known, false) => call.result.map(|value| fit(&printable(&result(value)), (width / 3).max(16))),
            _ => None,
        };
        let right = match (came.unwrap_or_default(), if is_refused { String::new() } else { took }) {
            (came, took) if came.is_empty() || took.is_empty() => format!("{came}{took}"),
            (came, took) => format!("{came} · {took}"),
        };
        let taken = 2 + 2 + display_width(&who) + display_width(&name) + 2 + 2 + display_width(&right);
        let room = width.saturating_sub(taken).max(1);
        let gist = fit(&printable(&arguments(&call.args)), room);
        let pad = room.saturating_sub(display_width(&gist)) + 2;
        let right = if right.is_empty() { right } else { format!("{:pad$}{dim}{right}{dim:#}", "") };
        let gist = if gist.is_empty() && right.is_empty() { gist } else { format!("  {gist}") };
        self.sheet.line(&format!("  {style}{mark}{style:#} {dim}{who}{dim:#}{strong}{name}{strong:#}{gist}{right}"))?;
        match call.end {
            End::Cut => {
                let told = call.result.map(as_text).unwrap_or_default();
                let told = if told.trim().is_empty() { "outcome unknown".to_owned() } else { told };
                self.beneath(&told, Theme::WARN, BRIEF)?;
            }
            End::Open => self.beneath(
                "its end is not known: it is running, or its process was killed and the session was not resumed since",
                Theme::WARN,
                BRIEF,
            )?,
            End::NeverBegan => self.beneath("it never began", Theme::DIM, BRIEF)?,
            End::Known => {}
        }
        self.remarks(call)?;
        let most = if self.is_full { usize::MAX } else { BRIEF };
        let shows_result = self.is_full || (call.is_error && !is_refused);
        if let Some(value) = call.result.filter(|_| shows_result && call.end == End::Known) {
            self.beneath(&as_text(value), Theme::DIM, most)?;
        }
        Ok(())
    }

    fn remarks(&mut self, call: &Call<'_>) -> io::Result<()> {
        for remark in call.remarks {
            let mark = match remark.what.as_str() {
                "blocked" | "denied" => ("✗", Theme::BAD),
                "allowed" => ("✓", Theme::GOOD),
                _ => ("~", Theme::WARN),
            };
            let by = remark.plugin.as_ref().map(|plugin| format!(" by {plugin}")).unwrap_or_default();
            let reason = remark.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            self.sheet.remark(4, mark, &format!("{}{by}{reason}", remark.what))?;
        }
        Ok(())
    }

    /// Text beneath a call, so many lines of it.
    fn beneath(&mut self, text: &str, style: Style, most: usize) -> io::Result<()> {
        let all = lines(text, self.sheet.width() - 4);
        for line in all.iter().take(most) {
            match line.is_empty() {
                true => self.sheet.line("")?,
                false => self.sheet.line(&format!("    {style}{line}{style:#}"))?,
            }
        }
        if all.len() > most {
            let dim = Theme::DIM;
            self.sheet.line(&format!("    {dim}… and {}{dim:#}", counted((all.len() - most) as u64, "more line")))?;
        }
        Ok(())
    }

    fn agent_began(&mut self, AgentRecord { agent, .. }: &AgentRecord) -> io::Result<()> {
        let task = agent.task.split_whitespace().collect::<Vec<_>>().join(" ");
        let task = if self.is_full { task } else { fit(&printable(&task), 3 * self.sheet.width()) };
        self.sheet.remark(2, ("▸", Theme::TYPE), &format!("{} begins: {task}", agent.role))
    }

    fn agent_ended(&mut self, record: &AgentRecord) -> io::Result<()> {
        let role = &record.agent.role;
        let (mark, text) = match (&record.error, record.ended_at) {
            (Some(error), _) => (("✗", Theme::BAD), format!("{role} gave up: {error}")),
            (None, Some(_)) => (("◂", Theme::TYPE), format!("{role} is done")),
            (None, None) => {
                (("?", Theme::WARN), format!("{role} has no end: it is at work, or its process was killed"))
            }
        };
        self.sheet.remark(2, mark, &text)
    }

    fn who(&self, agent: Option<&str>) -> String {
        let role = agent.map(|id| self.roles.get(id).copied().unwrap_or(id));
        role.map(|role| format!("{} › ", fit(&printable(role), 24))).unwrap_or_default()
    }
}

fn brief(value: &Value) -> String {
    fit(&printable(&result(value)), 200)
}
