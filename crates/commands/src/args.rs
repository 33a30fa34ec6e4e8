use std::path::PathBuf;

use clap::Subcommand;

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
        /// Take the trust back
        #[arg(long)]
        revoke: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Grant a plugin what its manifest asks for
    Grant {
        /// The plugin's name
        name: String,
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
}
