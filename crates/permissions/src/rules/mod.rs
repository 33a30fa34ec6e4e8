//! Rules against requests: does this rule mean that?

mod command;
mod glob;
mod path;

use mimir_shared_config::{Layer, PermissionRule, PermissionRules, Risk, RuleKind, SaidRule};

use crate::Request;
use crate::paths::{Place, Project};
use crate::risk::{Found, Touch};

pub(crate) use command::narrow;
pub(crate) use glob::{Glob, escaped};

/// The families that requests fall into: what rules of a kind are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Bash,
    Read,
    Write,
    Edit,
    Delete,
    Mcp,
    Task,
    Tool,
}

impl Family {
    pub(crate) fn of(request: &Request) -> Self {
        match request.kind.as_str() {
            "bash" => Self::Bash,
            "read" | "glob" | "grep" | "list" => Self::Read,
            "write" => Self::Write,
            "edit" => Self::Edit,
            "delete" => Self::Delete,
            "mcp" => Self::Mcp,
            "task" | "todo" => Self::Task,
            _ => Self::Tool,
        }
    }

    /// Whether rules of a kind are about it. Who may write may edit.
    fn is_meant(self, kind: RuleKind) -> bool {
        match kind {
            RuleKind::Bash => self == Self::Bash,
            RuleKind::Read => self == Self::Read,
            RuleKind::Write => matches!(self, Self::Write | Self::Edit),
            RuleKind::Edit => self == Self::Edit,
            RuleKind::Delete => self == Self::Delete,
            RuleKind::Mcp => self == Self::Mcp,
            RuleKind::Task => self == Self::Task,
            RuleKind::Tool => self == Self::Tool,
        }
    }
}

/// The rule that blocks a request: the company's first, then the user's, then the project's.
pub(crate) fn blocking<'a>(
    rules: &'a PermissionRules,
    request: &Request,
    found: &Found,
    project: &Project,
) -> Option<&'a SaidRule> {
    let blocking = rules.block.iter().filter(|said| blocks(&said.rule, request, found, project));
    blocking.max_by_key(|said| rank(said.origin.layer))
}

/// The rule that allows a request. No rule but the company's allows what is critical, and the project's only what is
/// harmless.
pub(crate) fn allowing<'a>(
    rules: &'a PermissionRules,
    request: &Request,
    found: &Found,
    project: &Project,
) -> Option<&'a SaidRule> {
    let risk = found.assessment.risk;
    let reaches = |layer: Layer| match layer {
        Layer::Policy => true,
        Layer::Project => risk <= Risk::Low,
        _ => risk < Risk::Critical,
    };
    let allowing = rules.allow.iter().filter(|said| reaches(said.origin.layer));
    allowing.filter(|said| allows(&said.rule, request, found, project)).max_by_key(|said| rank(said.origin.layer))
}

fn rank(layer: Layer) -> u8 {
    match layer {
        Layer::Policy => 2,
        Layer::Project => 0,
        _ => 1,
    }
}

/// Whether a rule allows a request: it has to mean all of it.
pub(crate) fn allows(rule: &PermissionRule, request: &Request, found: &Found, project: &Project) -> bool {
    if !Family::of(request).is_meant(rule.kind) {
        return false;
    }
    let Some(pattern) = &rule.pattern else { return true };
    match rule.kind {
        RuleKind::Bash => {
            pattern == "*" || found.line.as_ref().is_some_and(|line| command::allows(pattern, &request.command, line))
        }
        kind if kind.is_about_paths() => {
            let place = request.path.as_ref().map(|path| project.place(&path.to_string_lossy()));
            place.is_some_and(|place| path::allows(pattern, &place, project))
        }
        _ => names(request).iter().any(|name| Glob::new(pattern).matches(name)),
    }
}

/// Whether a rule blocks a request: it is enough that it means a part of it.
pub(crate) fn blocks(rule: &PermissionRule, request: &Request, found: &Found, project: &Project) -> bool {
    let family = Family::of(request);
    if family == Family::Bash && rule.kind.is_about_paths() {
        // What a command line does to files, as far as its words tell
        let means = |touch: Touch| match rule.kind {
            RuleKind::Read => touch == Touch::Read,
            RuleKind::Write | RuleKind::Edit => touch == Touch::Write,
            _ => touch == Touch::Delete,
        };
        let mut touched = found.touches.iter().filter(|(touch, _)| means(*touch));
        return touched
            .any(|(_, place)| rule.pattern.as_ref().is_none_or(|pattern| path::blocks(pattern, place, project)));
    }
    if !family.is_meant(rule.kind) {
        return false;
    }
    let Some(pattern) = &rule.pattern else { return true };
    match rule.kind {
        RuleKind::Bash => {
            pattern == "*" || found.line.as_ref().is_none_or(|line| command::blocks(pattern, &request.command, line))
        }
        kind if kind.is_about_paths() => {
            let place = request.path.as_ref().map(|path| project.place(&path.to_string_lossy()));
            place.is_none_or(|place: Place| path::blocks(pattern, &place, project))
        }
        _ => {
            let pattern = pattern.to_lowercase();
            names(request).iter().any(|name| Glob::new(&pattern).matches(&name.to_lowercase()))
        }
    }
}

/// What a tool is known by: its name, and for those of servers and plugins `server/tool`.
fn names(request: &Request) -> Vec<String> {
    let first = request.command.split_whitespace().next().unwrap_or_default();
    let mut names = vec![first.to_owned(), request.kind.clone()];
    if let Some(tool) = &request.tool {
        names.push(tool.clone());
        if let Some((server, tool)) = tool.strip_prefix("mcp__").and_then(|rest| rest.split_once("__")) {
            names.push(format!("{server}/{tool}"));
        }
    }
    if let Some((server, _)) = first.split_once('/').filter(|_| request.kind == "mcp") {
        // `mcp(server)` is all of a server's tools
        names.push(server.to_owned());
    }
    names
}

#[cfg(test)]
mod tests;
