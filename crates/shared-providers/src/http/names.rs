use std::collections::HashMap;

use crate::ToolDefinition;

/// What tools are called on the way to a service and back. Services take letters, digits, `_` and `-`, 64 of them; tools of
/// plugins and other servers may have any name.
#[derive(Debug, Default)]
pub(crate) struct ToolNames {
    sent: HashMap<String, String>,
    own: HashMap<String, String>,
}

/// The longest name that every service takes.
const LONGEST: usize = 64;

impl ToolNames {
    pub(crate) fn new(tools: &[ToolDefinition]) -> Self {
        let mut names = Self::default();
        // Names that can be sent as they are come first, so that no other takes them
        let (plain, others): (Vec<_>, Vec<_>) = tools.iter().partition(|tool| sendable(&tool.name) == tool.name);
        for tool in plain.into_iter().chain(others) {
            let wanted = sendable(&tool.name);
            let free = |names: &Self, name: &str| names.own.get(name).is_none_or(|own| *own == tool.name);
            let numbered = (2..).map(|number| {
                let end = format!("_{number}");
                format!("{}{end}", &wanted[..wanted.len().min(LONGEST - end.len())])
            });
            let sent = std::iter::once(wanted.clone()).chain(numbered).find(|name| free(&names, name));
            let sent = sent.unwrap_or(wanted.clone());
            names.own.insert(sent.clone(), tool.name.clone());
            names.sent.insert(tool.name.clone(), sent);
        }
        names
    }

    /// The name to send.
    pub(crate) fn sent(&self, own: &str) -> String {
        self.sent.get(own).cloned().unwrap_or_else(|| sendable(own))
    }

    /// The tool that a service means. A model may name one that there isn't.
    pub(crate) fn own(&self, sent: &str) -> String {
        let unknown = || sent.chars().filter(|c| !c.is_control()).take(200).collect();
        self.own.get(sent).cloned().unwrap_or_else(unknown)
    }
}

/// ASCII alone comes out.
fn sendable(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    let name: String = name.chars().map(allowed).take(LONGEST).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}

/// The id of a call as every service takes it.
pub(crate) fn sendable_id(id: &str) -> String {
    sendable(id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_go_there_and_back() {
        let long = "x".repeat(70);
        let own =
            ["mcp.files.read", "mcp_files_read", "mcp/files/read", "read", "größe", "", &long, &format!("{long}y")];
        let tool = |name: &&str| ToolDefinition {
            name: (*name).to_owned(),
            description: String::new(),
            input_schema: json!({}),
        };
        let names = ToolNames::new(&own.iter().map(tool).collect::<Vec<_>>());
        let sent: Vec<String> = own.iter().map(|name| names.sent(name)).collect();
        assert_eq!(sent[..6], ["mcp_files_read_2", "mcp_files_read", "mcp_files_read_3", "read", "gr__e", "_"]);
        assert_eq!((sent[6].len(), sent[7].len()), (64, 64));
        for (own, sent) in own.iter().zip(&sent) {
            assert_eq!(names.own(sent), **own);
        }
        assert_eq!(names.own("no\u{1b}such"), "nosuch");
        assert_eq!(names.sent("gone.tool"), "gone_tool");
    }
}
