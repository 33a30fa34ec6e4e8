//! The tools that are part of Mimir, one file each.

mod bash;
mod credentials;
mod delete;
mod edit;
mod glob;
mod grep;
mod known;
mod output;
mod read;
mod replace;
mod shared;
mod task;
#[cfg(test)]
mod tests;
mod text;
mod todo;
mod workspace;
mod write;

use std::sync::Arc;

use mimir_plugins::Hooks;
use mimir_shared_platform::{Clock, FileSystem, PlatformError, Shell};
pub use shared::BuiltinSettings;
pub(crate) use workspace::KERNELS;

use crate::search::Search;
use crate::{SubAgents, Tool};

/// What the built-in tools reach the world by.
#[derive(Clone)]
pub struct BuiltinPorts {
    /// Files: `OsFileSystem`.
    pub files: Arc<dyn FileSystem>,
    /// Commands: `HostProcesses`.
    pub shell: Arc<dyn Shell>,
    /// Searches: [`crate::ProjectSearch`].
    pub search: Arc<dyn Search>,
    /// Events about files.
    pub hooks: Hooks,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The built-in tools, but for `task`: `bash`, `read`, `write`, `edit`, `delete`, `glob`, `grep`, `todo`.
///
/// # Errors
/// If there is no such project.
pub fn builtin_tools(settings: &BuiltinSettings, ports: BuiltinPorts) -> Result<Vec<Arc<dyn Tool>>, PlatformError> {
    let BuiltinSettings { root, home, own, environment, hidden, bash_timeout_ms } = settings;
    let BuiltinPorts { files, shell, search, hooks, clock } = ports;
    let workspace = workspace::Workspace::new(root, home.clone(), own.clone(), files)?;
    let shared = Arc::new(shared::Shared::new(workspace, hooks, clock));
    let env = bash::environment(environment, hidden);
    Ok(vec![
        Arc::new(bash::Bash {
            shared: Arc::clone(&shared),
            shell,
            search: Arc::clone(&search),
            env,
            limit: *bash_timeout_ms,
        }),
        Arc::new(read::Read(Arc::clone(&shared))),
        Arc::new(write::Write(Arc::clone(&shared))),
        Arc::new(edit::Edit(Arc::clone(&shared))),
        Arc::new(delete::Delete(Arc::clone(&shared))),
        Arc::new(glob::Glob { shared: Arc::clone(&shared), search: Arc::clone(&search) }),
        Arc::new(grep::Grep { shared, search }),
        Arc::new(todo::Todo),
    ])
}

/// The built-in tool `task`, once there is somebody to run sub-agents, who need the other tools.
pub fn task_tool(agents: Arc<dyn SubAgents>) -> Arc<dyn Tool> {
    Arc::new(task::Task(agents))
}
