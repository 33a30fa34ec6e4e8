//! A question as a person reads it. It shows what would be done as it is: all of it, with what a terminal would hide or
//! obey made visible, and wrapped so that nothing lies beyond the edge.

use anstyle::{AnsiColor, Style};
use mimir_shared_config::Risk;
use unicode_width::UnicodeWidthChar;

use crate::rules::Family;
use crate::{Prompt, Request, Scope};

/// The narrowest that is drawn for, in columns.
const LEAST_WIDTH: usize = 24;
/// More empty lines than that are counted instead of shown: they would push the rest off the screen.
const MOST_EMPTY: usize = 2;

/// Draws a question for a terminal of so many columns, each line ended by a line end. With `color` there are ANSI styles in
/// it, of which none comes from the request.
pub fn render(prompt: &Prompt, width: usize, color: bool) -> String {
    let width = width.max(LEAST_WIDTH);
    let paint = Paint { color };
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    let Prompt { request, assessment, rule, notices } = prompt;
    for notice in notices {
        for part in wrapped(&visible(notice), width.saturating_sub(2)) {
            line(&format!("! {}", paint.with(part.text(), AnsiColor::Yellow.on_default())));
        }
    }
    let head = visible(&headline(request));
    for part in wrapped(&head, width) {
        line(&paint.with(part.text(), Style::new().bold()));
    }
    for shown in block(&request.command) {
        let parts = wrapped(&shown, width.saturating_sub(4));
        for (index, part) in parts.iter().enumerate() {
            // A line of its own, or one that goes on
            let gutter = if index == 0 { "  │ " } else { "  ┆ " };
            line(&format!("{}{}", paint.with(gutter, Style::new().dimmed()), part.text()));
        }
    }
    let path = request.path.as_ref().map(|path| path.to_string_lossy().into_owned());
    if let Some(path) = path.filter(|path| !request.command.contains(path.as_str())) {
        for part in wrapped(&visible(&format!("in {path}")), width.saturating_sub(2)) {
            line(&format!("  {}", part.text()));
        }
    }
    if !request.cause.is_empty() {
        let chain = request.cause.iter().map(|plugin| format!("`{plugin}`")).collect::<Vec<_>>().join(", then by ");
        for part in wrapped(&visible(&format!("asked for by the plugin {chain}")), width.saturating_sub(2)) {
            line(&format!("  {}", part.text()));
        }
    }
    if !request.changed_by.is_empty() {
        let names = request.changed_by.iter().map(|plugin| format!("`{plugin}`")).collect::<Vec<_>>().join(", then ");
        for part in wrapped(&visible(&format!("as the plugin {names} changed it")), width.saturating_sub(2)) {
            line(&format!("  {}", part.text()));
        }
    }
    let style = style_of(assessment.risk);
    line(&format!("  {}", paint.with(&format!("{} risk", assessment.risk), style)));
    for reason in &assessment.reasons {
        for (index, part) in wrapped(&visible(reason), width.saturating_sub(4)).iter().enumerate() {
            let mark = if index == 0 { "  - " } else { "    " };
            line(&format!("{mark}{}", part.text()));
        }
    }
    for (key, meaning) in keys(prompt, rule.as_deref()) {
        for (index, part) in wrapped(&visible(&meaning), width.saturating_sub(4)).iter().enumerate() {
            match index {
                0 => line(&format!("  {} {}", paint.with(key, AnsiColor::Cyan.on_default()), part.text())),
                _ => line(&format!("    {}", part.text())),
            }
        }
    }
    out
}

fn headline(request: &Request) -> String {
    let what = match Family::of(request) {
        Family::Bash => "run this command line?".to_owned(),
        Family::Read => "read this?".to_owned(),
        Family::Write => "write this file?".to_owned(),
        Family::Edit => "change this file?".to_owned(),
        Family::Delete => "delete this?".to_owned(),
        Family::Mcp => "call this tool of a server?".to_owned(),
        Family::Task => "start this sub-agent?".to_owned(),
        Family::Tool => format!("call the tool `{}`?", request.tool.as_deref().unwrap_or(&request.kind)),
    };
    format!("May Mimir {what}")
}

fn keys<'a>(prompt: &Prompt, rule: Option<&str>) -> Vec<(&'a str, String)> {
    let scopes = prompt.scopes();
    let mut keys = vec![("y", "yes, this time".to_owned())];
    if scopes.contains(&Scope::Session) {
        let about = rule.unwrap_or("exactly this");
        keys.push(("s", format!("yes, as long as this session: {about}")));
    }
    if let Some(rule) = rule.filter(|_| scopes.contains(&Scope::Always)) {
        keys.push(("a", format!("always in this project: {rule}")));
    }
    keys.push(("n", "no".to_owned()));
    keys
}

fn style_of(risk: Risk) -> Style {
    match risk {
        Risk::Low => AnsiColor::Green.on_default(),
        Risk::Medium => AnsiColor::Yellow.on_default(),
        Risk::High => AnsiColor::Red.on_default(),
        Risk::Critical => AnsiColor::Red.on_default().bold().invert(),
    }
}

struct Paint {
    color: bool,
}

impl Paint {
    fn with(&self, text: &str, style: Style) -> String {
        match self.color {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    }
}

/// The lines of a command, those that are empty counted where there are many.
fn block(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut empty = 0;
    for text in text.split('\n') {
        if text.trim().is_empty() {
            empty += 1;
            continue;
        }
        flush(&mut lines, empty);
        empty = 0;
        lines.push(visible(text));
    }
    flush(&mut lines, empty);
    lines
}

fn flush(lines: &mut Vec<String>, empty: usize) {
    if empty > MOST_EMPTY {
        lines.push(format!("‹{empty} empty lines›"));
    } else {
        lines.extend((0..empty).map(|_| String::new()));
    }
}

/// What a terminal would obey, hide or reorder is written as `‹U+202E›`, and so are spaces that are none.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push_str("    "),
            c if is_hidden(c) => out.push_str(&format!("‹U+{:04X}›", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

fn is_hidden(c: char) -> bool {
    // Without a width of its own: controls, joiners, marks that cover what stands before, tags
    c.width().unwrap_or(0) == 0
        || (c.is_whitespace() && c != ' ')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}'
            | '\u{3164}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffd}' | '\u{e0000}'..='\u{e0fff}')
        || ('\u{e000}'..='\u{f8ff}').contains(&c)
        || u32::from(c) >= 0xf_0000
}

/// A part of a line that fits.
struct Part(String);

impl Part {
    fn text(&self) -> &str {
        &self.0
    }
}

/// Cuts a line into parts of so many columns: at a space where one is near the end, else anywhere. Nothing is left out, but
/// for the space at which it is cut.
fn wrapped(text: &str, width: usize) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (mut columns, mut end, mut space) = (0, rest.len(), None);
        for (at, c) in rest.char_indices() {
            columns += c.width().unwrap_or(0);
            if columns > width {
                end = at;
                break;
            }
            if c == ' ' {
                space = Some(at);
            }
        }
        if end == rest.len() {
            parts.push(Part(rest.to_owned()));
            return parts;
        }
        // A space that follows does as well
        let at_space = if rest[end..].starts_with(' ') { Some(end) } else { space.filter(|at| *at > end / 2) };
        // At least one character, however narrow it is
        let end = end.max(rest.chars().next().map_or(1, char::len_utf8));
        let (part, next) = match at_space {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (&rest[..end], &rest[end..]),
        };
        parts.push(Part(part.to_owned()));
        rest = next;
        if rest.is_empty() {
            return parts;
        }
    }
}

#[cfg(test)]
mod tests;
