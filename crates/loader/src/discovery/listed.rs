use std::path::{Path, PathBuf};

use mimir_shared_config::{Candidate, Config, Decision, PluginEntry, PluginId, PluginSpec};

use super::{Found, Place};
use crate::adapters::disk;

/// A folder that the configuration names as it really is, so that a link or `~` in an entry means the same plugin as its
/// place does. `home` is Mimir's folder; the user's own is above it.
pub(super) fn real_folder(folder: &Path, home: &Path) -> PathBuf {
    let folder = match folder.strip_prefix("~") {
        Ok(rest) => home.parent().unwrap_or(home).join(rest),
        Err(_) => folder.to_owned(),
    };
    disk::canonical(&folder).unwrap_or(folder)
}

/// Whether a plugin is to be loaded. A package may call its plugin otherwise than itself, and both names count.
pub(super) fn decide(config: &Config, found: &Found) -> (Decision, Option<usize>) {
    let source = found.source();
    // Only what an entry names gets into the other two places at all, or what is named for this run
    let enabled_by_place = matches!(found.place, Place::Project | Place::User | Place::Explicit);
    let by_name = |name: &PluginId| {
        (config.decide(&Candidate { name, source: &source, enabled_by_place }), config.position(name, &source))
    };
    let (decision, position) = by_name(&found.id);
    let Some((other, other_position)) =
        PluginId::new(&found.package).ok().filter(|package| *package != found.id).map(|package| by_name(&package))
    else {
        return (decision, position);
    };
    let is_refused = |decision: &Decision| matches!(decision, Decision::Disabled(_) | Decision::Blocked(_));
    let is_better = is_refused(&other) || (!is_refused(&decision) && decision == Decision::NotListed);
    let is_better = is_better || (decision == Decision::EnabledByPlace && other.runs());
    (if is_better { other } else { decision }, position.or(other_position))
}

/// Whether an entry means a plugin.
pub(super) fn means(entry: &PluginEntry, found: &Found) -> bool {
    match &entry.spec {
        // A folder that is hidden by another plugin of its name is found all the same
        PluginSpec::Folder(folder) => found.dir == *folder || found.shadowed.iter().any(|hidden| hidden.dir == *folder),
        PluginSpec::Package { name, .. } => found.is_named(name.as_str()),
    }
}
