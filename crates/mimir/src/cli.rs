use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mimir_commands::PluginCommand;

use crate::sessions::SessionsCommand;

/// An AI coding agent whose plugins run in isolates of their own
#[derive(Debug, Parser)]
#[command(name = "mimir", version, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Colour the output
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = When::Auto, help_heading = "Global options")]
    pub(crate) color: When,
    /// The project's folder [default: the nearest folder upwards with .mimir/ or .git]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub(crate) project: Option<PathBuf>,
    /// Start without any plugin
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) no_plugins: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// Where it is a terminal and NO_COLOR is not set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    // A variant without words has those of its type, the long ones too
    Run(Run),
    Demo(Demo),
    Replay(Replay),
    /// List, show, export and delete what was kept of conversations
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// List, check, enable, trust and grant plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Describe the events that plugins can listen to
    Events(Events),
    /// Print what other files are generated from
    #[command(hide = true)]
    Schema(Schema),
}

/// Let the agent do a task in the project, or talk with it
///
/// Without a task, and where somebody sits at a terminal, it asks for one, and for the next when it is done. A line that
/// begins with a slash is a command; /help lists them. Ctrl-C interrupts, and once more ends it. Everything is kept:
/// `mimir sessions list` shows what there is, and --resume goes on with it.
///
/// It talks to the language model that `model: provider/name` in ~/.mimir/config.yml names. The providers `anthropic` and
/// `openai` take their key from ANTHROPIC_API_KEY and OPENAI_API_KEY; others are described under `providers`. Without a
/// model it plays a script.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// What to do, or - to read it from standard input
    #[arg(value_name = "TASK")]
    pub(crate) task: Option<String>,
    /// Go on with a session: its id or the beginning of one
    #[arg(long, value_name = "ID")]
    pub(crate) resume: Option<String>,
    /// Go on with the latest session of this project
    #[arg(long = "continue", short = 'c', conflicts_with = "resume")]
    pub(crate) goes_on: bool,
    /// The model, as provider/name [default: the configuration's, else a scripted one]
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// What the scripted model plays, a YAML file; the model is the scripted one then
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// Answer requests for permission up to medium risk with yes. Plugins are granted nothing by it
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// A plugin's folder, or a folder of plugins, to load beside those that the configuration enables
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Vec<PathBuf>,
    /// Print one JSON object a line; the last, of type `end`, says what it came to, also where nothing began
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the events and what plugins called to a file that `mimir replay` reads
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

/// See in ten seconds what plugins do to an agent, in a project made for it
///
/// A scripted model works in a temporary project with the real tools and the five plugins that ship. One of its commands
/// is dangerous and is blocked, one is safe, a file that it writes is formatted, and its budget runs low. Nothing outside
/// that project is touched.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Leave the project where it is, to look at it
    #[arg(long)]
    pub(crate) keep: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Replay a recorded session through the plugins and show what each of them did
///
/// The recording has one event a line: {"event": "tool.execute.before", "payload": {…}}. Nothing is touched: what a
/// plugin would write, run, send or show is answered from the recording where it has it, and refused otherwise.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The recording, or - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A plugin's folder, or a folder of plugins, to load beside those that the configuration enables
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Vec<PathBuf>,
    /// Grant the plugins what they ask for, for this run alone
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Let the plugins really write, run, send and show what they are granted
    #[arg(long)]
    pub(crate) live: bool,
    /// Print one JSON object a line: one for each event, and a summary last
    #[arg(long)]
    pub(crate) json: bool,
    /// End with 1 if an event came to one of these
    #[arg(long, value_enum, value_name = "OUTCOME", value_delimiter = ',')]
    pub(crate) fail_on: Vec<FailOn>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// A plugin changed it
    Changed,
    /// A plugin blocked it
    Blocked,
    /// A plugin approved it
    Approved,
    /// A plugin denied it
    Denied,
    /// A plugin failed, whatever the event came to
    Failed,
}

/// Describe the events that plugins can listen to
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Only this one
    pub(crate) name: Option<String>,
    /// Print one JSON object, or an array of them
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print what other files are generated from
#[derive(Debug, Args)]
pub(crate) struct Schema {
    pub(crate) which: Which,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    /// JSON Schema of plugin.yml
    Manifest,
    /// JSON Schema of config.yml
    Config,
    /// JSON Schema of a custom tool
    CustomTool,
    /// JSON Schema of a custom command
    CustomCommand,
    /// The page about the events, in Markdown
    Events,
    /// TypeScript types of the events' payloads and answers
    EventsTs,
}
