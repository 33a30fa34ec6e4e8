use std::path::Path;
use std::sync::Arc;

use mimir_shared_config::{Config, Decision, Layer, PluginEntry, PluginId, PluginSpec};
use mimir_shared_platform::Guard;

use super::{Discovery, Found, Place, Places, Shadowed, listed};
use crate::adapters::disk;
use crate::error::LoadError;
use crate::manifest::{self, MANIFEST};

/// Finds all plugins. A plugin that the project brings can hide one of the user's only if the project is trusted:
/// otherwise a checkout could switch off the user's own guards by bringing a plugin of the same name.
pub(crate) fn discover(places: &Places, config: &Config, is_trusted: bool) -> Discovery {
    let config = &config.clone().with_folders(|folder| listed::real_folder(folder, &places.home));
    let mut search = Search { places, config, candidates: Vec::new(), problems: Vec::new() };
    search.folder_of(&places.project_plugins(), Place::Project, true);
    search.folder_of(&places.user_plugins(), Place::User, false);
    for entry in wanted(config) {
        search.entry(entry);
    }
    for dir in &places.explicit {
        search.explicit(dir);
    }
    search.finish(is_trusted)
}

/// Reads what lies in one folder, whatever the configuration says about it.
pub(crate) fn read_folder(dir: &Path, place: Place, needs_trust: bool) -> Found {
    let canonical = disk::canonical(dir).unwrap_or_else(|| dir.to_owned());
    let fallback = name_of_folder(dir);
    let (manifest, package) = match manifest::read(&canonical) {
        Ok(read) => {
            let package = read.package_name().unwrap_or_else(|| read.manifest.name.as_str().to_owned());
            (Ok(Arc::new(read.manifest)), package)
        }
        Err(error) => (Err(Arc::new(error)), fallback.as_str().to_owned()),
    };
    Found {
        id: manifest.as_ref().map_or(fallback, |manifest| manifest.name.clone()),
        dir: canonical,
        place,
        needs_trust,
        manifest,
        package,
        shadowed: Vec::new(),
        decision: Decision::NotListed,
        position: None,
    }
}

struct Search<'a> {
    places: &'a Places,
    config: &'a Config,
    candidates: Vec<Found>,
    problems: Vec<Arc<LoadError>>,
}

impl Search<'_> {
    fn problem(&mut self, problem: LoadError) {
        self.problems.push(Arc::new(problem));
    }

    /// Every plugin directly in `dir`, and those a folder `@scope` deeper. Gives how many.
    fn folder_of(&mut self, dir: &Path, place: Place, needs_trust: bool) -> usize {
        let before = self.candidates.len();
        for name in self.names_in(dir) {
            let sub = dir.join(&name);
            if name.starts_with('@') {
                for scoped in self.names_in(&sub) {
                    self.candidate(&sub.join(scoped), place, needs_trust);
                }
            } else {
                self.candidate(&sub, place, needs_trust);
            }
        }
        self.candidates.len() - before
    }

    fn names_in(&mut self, dir: &Path) -> Vec<String> {
        let mut names = disk::list(dir).unwrap_or_else(|error| {
            self.problem(error);
            Vec::new()
        });
        // `.git`, `.DS_Store`, and packages that a workspace put beside its plugins
        names.retain(|name| !name.starts_with('.') && name != "node_modules" && disk::is_dir(&dir.join(name)));
        names
    }

    fn candidate(&mut self, dir: &Path, place: Place, needs_trust: bool) {
        let found = read_folder(dir, place, needs_trust);
        match self.candidates.iter_mut().find(|known| known.dir == found.dir) {
            // A link in the project to a folder of the user's own takes nothing away from the user
            Some(known) if known.needs_trust && !needs_trust => *known = found,
            Some(_) => {}
            None => self.candidates.push(found),
        }
    }

    fn entry(&mut self, entry: &PluginEntry) {
        match &entry.spec {
            PluginSpec::Folder(folder) => {
                if disk::is_file(&folder.join(MANIFEST)) {
                    self.candidate(folder, Place::Listed, entry.origin.layer == Layer::Project);
                }
            }
            PluginSpec::Package { name, .. } => {
                let dir = self.places.node_modules().join(name.as_str());
                if disk::is_file(&dir.join(MANIFEST)) {
                    self.candidate(&dir, Place::NodeModules, true);
                }
            }
        }
    }

    fn explicit(&mut self, dir: &Path) {
        if disk::is_file(&dir.join(MANIFEST)) {
            self.candidate(dir, Place::Explicit, false);
        } else {
            let before = self.candidates.len();
            let has_known = self.names_in(dir).iter().any(|name| disk::is_file(&dir.join(name).join(MANIFEST)));
            for name in self.names_in(dir) {
                let sub = dir.join(name);
                if disk::is_file(&sub.join(MANIFEST)) {
                    self.candidate(&sub, Place::Explicit, false);
                }
            }
            if self.candidates.len() == before && !has_known {
                self.problem(LoadError::NoPluginHere { dir: dir.to_owned() });
            }
        }
        // What is named for this run is vouched for by whoever named it, wherever else it lies
        let named = disk::canonical(dir).unwrap_or_else(|| dir.to_owned());
        for found in self.candidates.iter_mut().filter(|found| found.dir.starts_with(&named)) {
            found.needs_trust = false;
        }
    }

    fn finish(mut self, is_trusted: bool) -> Discovery {
        // Stable: within a place the order is that of the search. What must run is hidden by nothing: a project, though
        // trusted, does not take the place of what the company requires by bringing a plugin of its name.
        self.candidates.sort_by_cached_key(|found| {
            let is_required = matches!(listed::decide(self.config, found).0, Decision::Required(_));
            let (comes_first, comes_last) = (is_required, found.needs_trust && !is_trusted);
            let stands = Guard::TrustNames.stands();
            (!(comes_first && stands), comes_last && stands, found.place)
        });
        let mut winners: Vec<Found> = Vec::new();
        for found in std::mem::take(&mut self.candidates) {
            match winners.iter_mut().find(|winner| winner.id == found.id) {
                Some(winner) => winner.shadowed.push(Shadowed {
                    version: found.version().map(str::to_owned),
                    dir: found.dir,
                    place: found.place,
                }),
                None => winners.push(found),
            }
        }
        winners.sort_by_key(|found| found.place);
        for found in &mut winners {
            (found.decision, found.position) = listed::decide(self.config, found);
        }
        for entry in wanted(self.config) {
            if !winners.iter().any(|found| listed::means(entry, found)) {
                self.unknown(entry, &winners);
            }
        }
        for entry in &self.config.teams.required {
            let mut named = winners.iter().filter(|found| listed::means(entry, found));
            // One that is refused is told by its decision
            let is_another = |found: &Found| {
                let decision = &found.decision;
                matches!(decision, Decision::NotListed | Decision::EnabledByPlace | Decision::Enabled(_))
            };
            if let Some(first) = named.next()
                && std::iter::once(first).chain(named).all(is_another)
            {
                self.problem(LoadError::RequiredIsAnother {
                    entry: entry.text.clone(),
                    written_in: entry.origin.to_string(),
                    dir: first.dir.clone(),
                });
            }
        }
        Discovery { found: winners, problems: self.problems }
    }

    fn unknown(&mut self, entry: &PluginEntry, winners: &[Found]) {
        let (looked_in, known) = match &entry.spec {
            PluginSpec::Folder(folder) if disk::is_dir(folder) => {
                self.problem(LoadError::ManifestMissing { dir: folder.clone() });
                return;
            }
            PluginSpec::Folder(folder) => (vec![folder.clone()], folders_beside(folder, &entry.text)),
            PluginSpec::Package { .. } => {
                let node_modules = self.places.node_modules();
                let mut known: Vec<_> = winners.iter().map(|found| found.id.as_str().to_owned()).collect();
                known.extend(packages_in(&node_modules));
                (vec![self.places.project_plugins(), self.places.user_plugins(), node_modules], known)
            }
        };
        self.problem(LoadError::UnknownEntry {
            entry: entry.text.clone(),
            written_in: entry.origin.to_string(),
            looked_in,
            nearest: nearest(&entry.text, &known),
        });
    }
}

/// Every entry that asks for a plugin.
fn wanted(config: &Config) -> impl Iterator<Item = &PluginEntry> {
    config.teams.required.iter().chain(&config.plugins.enabled)
}

/// The plugins that lie where a folder was expected, as they could have been written.
fn folders_beside(folder: &Path, text: &str) -> Vec<String> {
    let (Some(parent), Some((written, _))) = (folder.parent(), text.rsplit_once('/')) else {
        return Vec::new();
    };
    let mut names = disk::list(parent).unwrap_or_default();
    names.retain(|name| disk::is_file(&parent.join(name).join(MANIFEST)));
    names.iter().map(|name| format!("{written}/{name}")).collect()
}

/// The packages in a `node_modules` that are plugins by their names.
fn packages_in(node_modules: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for name in disk::list(node_modules).unwrap_or_default() {
        if name.starts_with('@') {
            let scoped = disk::list(&node_modules.join(&name)).unwrap_or_default();
            names.extend(scoped.into_iter().map(|sub| format!("{name}/{sub}")));
        } else {
            names.push(name);
        }
    }
    names.retain(|name| name.split('/').next_back().is_some_and(|last| last.starts_with("mimir-")));
    names
}

fn nearest(written: &str, names: &[String]) -> Option<String> {
    names
        .iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(written, name), name))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name.clone())
}

/// A plugin name for a folder whose manifest can't be read.
fn name_of_folder(dir: &Path) -> PluginId {
    let part = |path: Option<&Path>| path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let own = part(Some(dir)).unwrap_or_default();
    let scope = part(dir.parent()).filter(|name| name.starts_with('@'));
    let full = scope.map_or_else(|| own.clone(), |scope| format!("{scope}/{own}"));
    PluginId::new(&full).unwrap_or_else(|_| {
        let tame: String = own
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' })
            .take(100)
            .collect();
        PluginId::new(format!("folder-{tame}")).unwrap_or_else(|_| unnamed())
    })
}

fn unnamed() -> PluginId {
    PluginId::new("unnamed").unwrap_or_else(|error| unreachable!("{error}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{name_of_folder, nearest};

    #[test]
    fn a_folder_without_manifest_has_a_name() {
        let check = |dir: &str, expected: &str| assert_eq!(name_of_folder(Path::new(dir)).as_str(), expected);
        check("/x/my-plugin", "my-plugin");
        check("/x/@user/thing", "@user/thing");
        check("/x/My Plugin!", "folder-my-plugin-");
        check("/x/.hidden", "folder--hidden");
        check("/", "folder-");
    }

    #[test]
    fn nearest_needs_some_likeness() {
        let names = ["mimir-plugin-formatter".to_owned(), "security-audit".to_owned()];
        let check = |written: &str, expected: Option<&str>| {
            assert_eq!(nearest(written, &names).as_deref(), expected, "{written}");
        };
        check("mimir-plugin-fromatter", Some("mimir-plugin-formatter"));
        check("security-audit2", Some("security-audit"));
        check("telemetry", None);
    }
}
