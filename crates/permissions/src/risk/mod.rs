//! How dangerous an action is, and why.

mod code;
mod command;
mod files;
mod git;
mod indirect;
mod links;
mod programs;
mod rows;
mod sed;
mod table;

use mimir_shared_config::Risk;

use crate::paths::{Place, Project};
use crate::rules::Family;
use crate::shell::{self, Line};
use crate::{Assessment, Request};

pub(crate) use files::Touch;
pub(crate) use links::follow;

/// The most reasons that a person gets to read.
const MOST_REASONS: usize = 6;

/// What was found about an action.
#[derive(Debug)]
pub(crate) struct Found {
    /// How dangerous it is.
    pub(crate) assessment: Assessment,
    /// For command lines: taken apart.
    pub(crate) line: Option<Line>,
    /// The files that it reads, writes and deletes, as far as its words say so.
    pub(crate) touches: Vec<(Touch, Place)>,
}

/// Reasons so far.
#[derive(Debug, Default)]
pub(crate) struct Reasons(Vec<(Risk, String)>);

impl Reasons {
    pub(crate) fn add(&mut self, risk: Risk, why: impl Into<String>) {
        let why = why.into();
        if !self.0.iter().any(|(held, text)| *held >= risk && *text == why) {
            self.0.push((risk, why));
        }
    }

    pub(crate) fn risk(&self) -> Option<Risk> {
        self.0.iter().map(|(risk, _)| *risk).max()
    }

    /// Adds these to an assessment.
    fn add_to(mut self, assessment: &mut Assessment) {
        let Assessment { risk, reasons } =
            std::mem::replace(assessment, Assessment { risk: Risk::Low, reasons: Vec::new() });
        // Each counts as much as the gravest of those that were there
        self.0.splice(0..0, reasons.into_iter().map(|why| (risk, why)));
        *assessment = self.finish();
    }

    /// The gravest first; those of a lower risk only where there is room.
    fn finish(mut self) -> Assessment {
        let risk = self.risk().unwrap_or(Risk::Low);
        self.0.sort_by_key(|(risk, _)| std::cmp::Reverse(*risk));
        let mut reasons = Vec::new();
        for (own, text) in self.0 {
            // Why something is harmless interests nobody where something else is not
            if (own > Risk::Low || risk == Risk::Low) && !reasons.contains(&text) {
                reasons.push(text);
            }
        }
        reasons.truncate(MOST_REASONS);
        Assessment { risk, reasons }
    }
}

/// Assesses an action.
pub(crate) fn assess(request: &Request, project: &Project) -> Found {
    let mut reasons = Reasons::default();
    let mut touches = Vec::new();
    let mut line = None;
    match Family::of(request) {
        Family::Bash => {
            let parsed = shell::parse(&request.command);
            command::assess(&request.command, &parsed, project, &mut reasons, &mut touches);
            line = Some(parsed);
        }
        Family::Read => file(request, project, Touch::Read, &mut reasons, &mut touches),
        Family::Write | Family::Edit => file(request, project, Touch::Write, &mut reasons, &mut touches),
        Family::Delete => file(request, project, Touch::Delete, &mut reasons, &mut touches),
        Family::Task => reasons.add(Risk::Low, "a sub-agent asks for itself before it does something"),
        Family::Mcp if request.least_risk.is_none() => {
            reasons.add(Risk::Medium, "a tool of an MCP server runs outside of Mimir");
        }
        Family::Tool if request.least_risk.is_none() => {
            reasons.add(Risk::Medium, "it is not known what this tool does");
        }
        Family::Mcp | Family::Tool => {}
    }
    if let Some(least) = request.least_risk.filter(|least| reasons.risk().is_none_or(|risk| risk < *least)) {
        reasons.add(least, format!("the tool is set to `{least}` at least"));
    }
    Found { assessment: reasons.finish(), line, touches }
}

/// The assessment of a line of which nobody could see where its paths lead.
pub(crate) fn unseen(request: &Request, project: &Project) -> Found {
    let mut found = assess(request, project);
    let mut reasons = Reasons::default();
    reasons.add(Risk::High, "it can't be told where its paths lead");
    reasons.add_to(&mut found.assessment);
    found
}

fn file(request: &Request, project: &Project, touch: Touch, reasons: &mut Reasons, touches: &mut Vec<(Touch, Place)>) {
    let Some(path) = &request.path else {
        let risk = if touch == Touch::Read { Risk::Low } else { Risk::High };
        reasons.add(risk, "it is not said which file");
        return;
    };
    let place = project.place(&path.to_string_lossy());
    let (risk, why) = files::risk(&place, touch);
    reasons.add(risk, why);
    touches.push((touch, place));
}

#[cfg(test)]
mod tests;
