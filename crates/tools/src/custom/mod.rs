//! Tools that people write in YAML files: `.mimir/tools/*.yml` and `~/.mimir/tools/*.yml`.
//!
//! Their code runs in a container, on nothing but its arguments, or in an isolate where there are no containers.

mod container;
mod files;
mod tool;

use std::sync::Arc;

use mimir_shared_config::{CustomToolFile, Risk};
use mimir_shared_platform::FileSystem;

use crate::Tool;

pub use container::Containers;
pub(crate) use files::{CustomFile, read_folders};
pub use files::{CustomFolder, LoadProblem};
pub use tool::CustomRunners;
use tool::CustomTool;

/// Reads the custom tools in folders, the most trusted folder first, and says what is wrong with them. Those that are
/// switched off are left out. Two of one name are both in the list: the dispatcher takes the first, and says so.
pub fn load_custom_tools(
    files: &dyn FileSystem,
    folders: &[CustomFolder],
    runners: &CustomRunners,
) -> (Vec<Arc<dyn Tool>>, Vec<LoadProblem>) {
    let runners = Arc::new(runners.clone());
    let (found, mut problems) = read_folders(files, folders, CustomToolFile::parse);
    let mut tools: Vec<Arc<dyn Tool>> = Vec::new();
    for CustomFile { place, value, .. } in found {
        if !value.enabled {
            continue;
        }
        let permissions = &value.permissions;
        if let Some(risk @ (Risk::High | Risk::Critical)) = permissions.risk_level
            && (permissions.auto_accept || !permissions.allowlist.is_empty())
        {
            let what = format!("every call is asked about, since its risk is {}", risk.as_str());
            problems.push(LoadProblem::DoesNotCount { place: place.clone(), what });
        }
        tools.push(Arc::new(CustomTool::new(value, place, Arc::clone(&runners))));
    }
    (tools, problems)
}
