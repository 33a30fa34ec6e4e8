use std::path::PathBuf;

use clap::Subcommand;

use crate::Since;
use crate::part::Part;

const AUDIT_EXAMPLES: &str = "\
Examples:
  mimir plugin audit --since 2h --denied      what was refused lately
  mimir plugin audit --plugin formatter -f    watch one plugin
  mimir plugin audit --json --since 7d | jq 'select(.kind == \"grant\")'
  mimir plugin audit --verify                 is the log as it was written?

A check finds lines that were changed, moved, taken out or cut off, and segments that are missing or were put there. It
finds nothing if somebody with your rights rewrites the log together with its anchors.";

/// List, check, enable, trust and grant plugins
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum PluginCommand {
    /// List the plugins that were found: where, and whether they run
    List {
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Show everything about one plugin
    Info {
        /// The plugin's name
        name: String,
        /// Start it, to show the tools, commands and auth providers that it adds. Nothing is written, run or sent
        #[arg(long)]
        start: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Let a plugin run (edits the project's configuration and keeps its comments)
    Enable {
        /// The plugin's name, or the path of its folder
        name: String,
        /// Edit the user's configuration and not the project's
        #[arg(long)]
        global: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Keep a plugin from running (edits the project's configuration and keeps its comments)
    Disable {
        /// The plugin's name
        name: String,
        /// Edit the user's configuration and not the project's
        #[arg(long)]
        global: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Check a plugin's manifest and code without running it
    Validate {
        /// The plugin's folder, or a folder of plugins [default: every plugin that was found]
        path: Option<PathBuf>,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Trust this repository: its plugins may run once they are granted, and its configuration counts in full
    Trust {
        /// Do not ask. Where nobody is at a terminal, nobody is asked either
        #[arg(long, short, conflicts_with = "revoke")]
        yes: bool,
        /// Take the trust back
        #[arg(long)]
        revoke: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Trust this repository no longer: its plugins do not run, and its configuration can only narrow yours
    Untrust {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Grant a plugin what its manifest asks for
    Grant {
        /// The plugin's name
        name: String,
        /// Grant these alone, and nothing else of what it asks for
        #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',', conflicts_with = "revoke")]
        only: Vec<Part>,
        /// Do not ask
        #[arg(long, short, conflicts_with = "revoke")]
        yes: bool,
        /// Take the grant back
        #[arg(long)]
        revoke: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Take a plugin's grant back. What runs already goes on until it ends
    Revoke {
        /// The plugin's name
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show what this system enforces around plugins, layer by layer, and what to do where something is missing
    Doctor {
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Show what plugins did and what was decided about it
    #[command(after_help = AUDIT_EXAMPLES)]
    Audit {
        /// Only what is about this plugin
        #[arg(long, value_name = "NAME")]
        plugin: Option<String>,
        /// Only since then: 30s, 15m, 2h, 7d, 4w ago, or 2026-11-01, or 2026-11-01T09:30:00Z (without a zone: UTC)
        #[arg(long, value_name = "WHEN")]
        since: Option<Since>,
        /// Only what was refused: calls without the right to them, plugins that may not run, what plugins blocked or denied
        #[arg(long)]
        denied: bool,
        /// Go on with what all running Mimirs record from now on, until interrupted
        #[arg(long, short)]
        follow: bool,
        /// Print the lines of the log as they are, one JSON object each
        #[arg(long)]
        json: bool,
        /// Check that the log is as it was written, and end with 1 if it is not
        #[arg(long, conflicts_with_all = ["plugin", "since", "denied", "follow"])]
        verify: bool,
    },
}
