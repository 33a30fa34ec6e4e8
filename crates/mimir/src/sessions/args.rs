use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What to do with the sessions that were kept.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// List the sessions of the project, the latest first
    List(List),
    /// Show a conversation: who said what, and what the tools did
    Show(Show),
    /// Write a session to a file or to standard output, with everything that was kept
    Export(Export),
    /// Delete sessions for good
    Delete(Delete),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Those of all projects
    #[arg(long, short)]
    pub(crate) all: bool,
    /// So many at most, 0 for all of them
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 25)]
    pub(crate) limit: usize,
    /// Print one JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The session's id or the beginning of it [default: the latest of the project]
    pub(crate) id: Option<String>,
    /// Show the results of tools whole, and what sub-agents said
    #[arg(long)]
    pub(crate) full: bool,
    /// Print one JSON object, with everything
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The session's id or the beginning of it [default: the latest of the project]
    pub(crate) id: Option<String>,
    /// JSON has everything that was kept, Markdown is for reading
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub(crate) format: Format,
    /// A file to make, in place of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Json,
    Markdown,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The sessions' ids or the beginnings of them
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Delete them without being asked
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
