use std::sync::Arc;

use mimir_plugins::PluginId;
use mimir_shared_config::CustomCommandFile;
use mimir_shared_platform::FileSystem;

use super::answer::{CommandOutcome, outcome};
use super::arguments::split;
use super::names::{NameConflict, Names};
use super::prompt::Prompt;
use crate::custom::{CustomFile, CustomFolder, LoadProblem, read_folders};
use crate::plain::plain_line;
use crate::plugin_ports::{OfferedCommand, PluginCall, PluginHost};

/// A slash command as `/help` shows it. All texts are fit for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandInfo {
    /// Its name, without the slash.
    pub name: String,
    /// Other names that it has.
    pub aliases: Vec<String>,
    /// What it does.
    pub description: String,
    /// What stands after its name.
    pub usage: Option<String>,
    /// Where it comes from: `the plugin x`, `.mimir/commands/review.yml`.
    pub origin: String,
}

/// A command that somebody typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandCall {
    /// The session.
    pub session_id: String,
    /// Names the call.
    pub call_id: String,
    /// The command's name or an alias of it, without the slash.
    pub name: String,
    /// What was written behind it.
    pub arguments: String,
}

/// The commands from outside: built-in ones come before them, then the user's files, then the project's, then plugins in
/// their order. The first of a name has it.
#[derive(Default)]
pub struct CommandCatalog {
    builtin: Names,
    custom: Vec<Custom>,
    names: Names,
    plugins: Option<Arc<dyn PluginHost>>,
}

#[derive(Clone)]
struct Custom {
    info: CommandInfo,
    prompt: Prompt,
}

/// A command of a plugin that has its name.
struct Offered {
    info: CommandInfo,
    plugin: PluginId,
}

/// What a person may read of a name, a description and a usage, in bytes.
const LONGEST: usize = 400;

impl CommandCatalog {
    /// Without any command. Nobody gets the names in `builtin`, which are without a slash.
    pub fn new(builtin: impl IntoIterator<Item = String>) -> Self {
        let mut names = Names::default();
        for name in builtin {
            // A built-in command that has a name twice has it all the same
            let _ = names.claim(&name, "Mimir itself");
        }
        Self { builtin: names.clone(), names, ..Self::default() }
    }

    /// Reads the commands in folders again, the most trusted folder first, and says what is wrong with them.
    pub fn load(&mut self, files: &dyn FileSystem, folders: &[CustomFolder]) -> Vec<LoadProblem> {
        self.custom.clear();
        self.names = self.builtin.clone();
        let (found, mut problems) = read_folders(files, folders, CustomCommandFile::parse);
        // Within a folder, a name goes before an alias
        for folder in found.chunk_by(|a, b| a.folder == b.folder) {
            let first = self.custom.len();
            for CustomFile { place, value, .. } in folder {
                if let Err(conflict) = self.names.claim(&value.name, place) {
                    problems.push(LoadProblem::Name(conflict));
                } else {
                    self.custom.push(custom(value, place));
                }
            }
            for command in &mut self.custom[first..] {
                let origin = command.info.origin.clone();
                command.info.aliases.retain(|alias| match self.names.claim(alias, &origin) {
                    Ok(()) => true,
                    Err(conflict) => {
                        problems.push(LoadProblem::Name(conflict));
                        false
                    }
                });
            }
        }
        problems
    }

    /// Adds the commands of plugins. Which there are is asked each time, since plugins come and go.
    #[must_use]
    pub fn with_plugins(mut self, plugins: Arc<dyn PluginHost>) -> Self {
        self.plugins = Some(plugins);
        self
    }

    /// The commands that there are.
    pub async fn list(&self) -> Vec<CommandInfo> {
        let (offered, _) = self.offered().await;
        let custom = self.custom.iter().map(|command| command.info.clone());
        custom.chain(offered.into_iter().map(|command| command.info)).collect()
    }

    /// The commands of plugins that can't be reached, since another has their name.
    pub async fn conflicts(&self) -> Vec<NameConflict> {
        self.offered().await.1
    }

    /// Runs a command. Nothing if there is none of that name.
    pub async fn run(&self, call: &CommandCall) -> Option<Result<CommandOutcome, String>> {
        let is_it = |info: &CommandInfo| info.name == call.name || info.aliases.contains(&call.name);
        if let Some(Custom { info, prompt }) = self.custom.iter().find(|command| is_it(&command.info)) {
            let filled = prompt.fill(&call.arguments).map_err(|wrong| {
                let usage = info.usage.as_ref().map(|usage| format!(" {usage}")).unwrap_or_default();
                format!("{wrong}\nusage: /{}{usage}", call.name)
            });
            return Some(filled.map(CommandOutcome::Prompt));
        }
        let plugins = self.plugins.as_ref()?;
        let (offered, _) = self.offered().await;
        let command = offered.into_iter().find(|command| is_it(&command.info))?;
        Some(run_offered(&**plugins, &command, call).await)
    }

    async fn offered(&self) -> (Vec<Offered>, Vec<NameConflict>) {
        let Some(plugins) = &self.plugins else { return Default::default() };
        let (mut names, mut kept, mut conflicts) = (self.names.clone(), Vec::new(), Vec::new());
        for OfferedCommand { plugin, name, description } in plugins.commands().await {
            // What nobody can type, nobody needs to be told of
            if !is_name(&name) {
                continue;
            }
            let origin = format!("the plugin {plugin}");
            match names.claim(&name, &origin) {
                Ok(()) => {
                    let description = plain_line(&description, LONGEST);
                    let info = CommandInfo { name, aliases: Vec::new(), description, usage: None, origin };
                    kept.push(Offered { info, plugin });
                }
                Err(conflict) => conflicts.push(conflict),
            }
        }
        (kept, conflicts)
    }
}

fn custom(file: &CustomCommandFile, place: &str) -> Custom {
    let prompt = Prompt::new(&file.prompt);
    let written = file.usage.as_ref().map(|usage| {
        // People write the name as well, or leave it out
        let usage = plain_line(usage, LONGEST);
        let named = usage.strip_prefix('/').unwrap_or(&usage).strip_prefix(&file.name);
        named.filter(|rest| rest.is_empty() || rest.starts_with(' ')).unwrap_or(&usage).trim().to_owned()
    });
    let info = CommandInfo {
        name: file.name.clone(),
        aliases: file.aliases.iter().map(|alias| alias.0.clone()).collect(),
        description: plain_line(&file.description, LONGEST),
        usage: written.or_else(|| prompt.usage()).filter(|usage| !usage.is_empty()),
        origin: place.to_owned(),
    };
    Custom { info, prompt }
}

async fn run_offered(
    plugins: &dyn PluginHost,
    command: &Offered,
    call: &CommandCall,
) -> Result<CommandOutcome, String> {
    let args = split(&call.arguments).map_err(|error| error.to_string())?;
    let on_behalf =
        PluginCall { session_id: call.session_id.clone(), call_id: call.call_id.clone(), cause: Vec::new() };
    let answer = plugins.call_command(&command.plugin, &command.info.name, &args, &on_behalf).await;
    let failed = |why: String| format!("/{} failed: {}", command.info.name, plain_line(&why, 2_000));
    outcome(&answer.map_err(failed)?)
        .map_err(|wrong| format!("/{} of {}: {wrong}", command.info.name, command.info.origin))
}

fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':' | b'.'))
}
