//! Who decides about permissions.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use mimir_permissions::{AnswerFile, Permissions, Person, Prompt, Reply, Settings};
use mimir_plugins::Hooks;
use mimir_shared_config::Config;
use mimir_shared_platform::{Clock, OsFileSystem};

use crate::builder::AgentBuilder;

/// Where nobody sits, nobody answers.
struct Nobody;

#[async_trait]
impl Person for Nobody {
    async fn ask(&self, _prompt: &Prompt) -> Option<Reply> {
        None
    }
}

pub(crate) fn permissions(
    said: &AgentBuilder,
    config: &Config,
    home: &Path,
    project: &Path,
    user: Option<&Path>,
    hooks: &Hooks,
    clock: &Arc<dyn Clock>,
) -> Permissions {
    let settings = Settings {
        home: user.map(Path::to_owned),
        rules: config.permissions.clone(),
        yes: said.yes,
        ..Settings::new(project)
    };
    let person = said.person.clone().unwrap_or_else(|| Arc::new(Nobody));
    let answers = Arc::new(AnswerFile::new(home.join("permissions.json"), project, Arc::new(OsFileSystem)));
    Permissions::new(settings, hooks.clone(), person, answers, Arc::clone(clock)).following(Arc::new(OsFileSystem))
}
