use std::collections::HashSet;

use rmcp::model::PaginatedRequestParams;
use rmcp::{Peer, RoleClient, ServiceError};
use serde_json::Value;

use super::names::model_name;
use super::settings::{McpLimits, McpServer};
use crate::dispatcher::shortened;
use crate::plain::{plain, plain_line};

/// A tool that a server offers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offered {
    /// What the server calls it.
    pub(super) name: String,
    /// What models call it.
    pub(super) model_name: String,
    pub(super) description: String,
    pub(super) schema: Value,
    pub(super) only_reads: bool,
}

/// What a server told of its tools, and what of it was not taken, in words.
pub(super) struct Listing {
    pub(super) tools: Vec<Offered>,
    pub(super) left_out: Vec<String>,
}

/// Asks for all pages of the list, until there are more tools than anyone can use.
pub(super) async fn list(
    peer: &Peer<RoleClient>,
    server: &McpServer,
    limits: &McpLimits,
) -> Result<Listing, ServiceError> {
    let mut told = Vec::new();
    let mut cursor: Option<String> = None;
    let mut seen = HashSet::new();
    loop {
        let page = peer.list_tools(Some(PaginatedRequestParams::default().with_cursor(cursor.take()))).await?;
        told.extend(page.tools);
        // A list that leads back into itself has no end
        match page.next_cursor.filter(|next| seen.insert(next.clone())) {
            Some(next) if told.len() <= limits.tools => cursor = Some(next),
            _ => break,
        }
    }
    Ok(taken(told, server, limits))
}

fn taken(told: Vec<rmcp::model::Tool>, server: &McpServer, limits: &McpLimits) -> Listing {
    let mut listing = Listing { tools: Vec::new(), left_out: Vec::new() };
    let mut names: HashSet<String> = HashSet::new();
    let mut models: HashSet<String> = HashSet::new();
    for tool in told {
        if server.allow.as_ref().is_some_and(|allowed| !allowed.iter().any(|name| *name == tool.name)) {
            continue;
        }
        if listing.tools.len() == limits.tools {
            listing.left_out.push(format!("it has more than {} tools: the rest is not used", limits.tools));
            break;
        }
        let shown = plain_line(&tool.name, 80);
        if !names.insert(tool.name.clone().into_owned()) {
            listing.left_out.push(format!("it has two tools `{shown}`: the second is not used"));
            continue;
        }
        let mut schema = tool.input_schema.as_ref().clone();
        schema.entry("type").or_insert_with(|| "object".into());
        let schema = Value::Object(schema);
        if schema.to_string().len() > limits.schema {
            let most = limits.schema;
            listing.left_out.push(format!("its tool `{shown}` is not used: its schema has more than {most} bytes"));
            continue;
        }
        let model_name = model_name(&server.name, &tool.name, |name| models.contains(name));
        models.insert(model_name.clone());
        let title = tool.title.as_deref().unwrap_or_default();
        let description = tool.description.as_deref().unwrap_or(title);
        let description = plain(&shortened(description.trim(), limits.description));
        listing.tools.push(Offered {
            name: tool.name.into_owned(),
            model_name,
            description: if description.is_empty() { format!("{shown}, of {}", server.name) } else { description },
            schema,
            only_reads: tool.annotations.is_some_and(|hints| hints.read_only_hint == Some(true)),
        });
    }
    // A server may say the same thing a thousand times
    listing.left_out.truncate(5);
    listing
}
