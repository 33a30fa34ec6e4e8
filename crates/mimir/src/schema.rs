//! `mimir schema`: what the published schemas, the events' page and the SDK's types are generated from.

use std::io::{self, Write};

use mimir_commands::Exit;
use mimir_hooks::{catalogue, event_types_ts};
use mimir_shared_config::{config_schema, custom_command_schema, custom_tool_schema, manifest_schema};
use serde::Serialize;

use crate::cli::Which;
use crate::events_page::events_page;
use crate::terminal::Terminal;

pub(crate) fn run(which: Which, terminal: &mut Terminal) -> io::Result<Exit> {
    let out = &mut terminal.out;
    match which {
        Which::Manifest => pretty(out, &manifest_schema())?,
        Which::Config => pretty(out, &config_schema())?,
        Which::CustomTool => pretty(out, &custom_tool_schema())?,
        Which::CustomCommand => pretty(out, &custom_command_schema())?,
        Which::Events => write!(out, "{}", events_page(catalogue()))?,
        Which::EventsTs => write!(out, "{}", event_types_ts())?,
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn pretty(out: &mut dyn Write, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    writeln!(out, "{}", serde_json::to_string_pretty(value)?)
}
