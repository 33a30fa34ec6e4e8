use std::path::{Path, PathBuf};
use std::sync::Arc;

use mimir_shared_config::{Config, Decision, Layer, PluginEntry, PluginId, PluginSpec};
use mimir_shared_platform::Guard;

use super::found::Origin;
use super::{Discovery, Found, Place, Places, Shadowed, listed};
use crate::adapters::disk;
use crate::error::LoadError;
use crate::index::{Known, Remembered};
use crate::manifest::{self, MANIFEST};

/// Finds all plugins. A plugin that the project brings can hide one of the user's only if the project is trusted:
/// otherwise a checkout could switch off the user's own guards by bringing a plugin of the same name.
/// What `remembered` knows of a folder is not read again where the folder is as it was.
pub(crate) fn discover(places: &Places, config: &Config, is_trusted: bool, remembered: &Remembered) -> Discovery {
    let config = &config.clone().with_folders(|folder| listed::real_folder(folder, &places.home));
    let mut search = Search { places, config, remembered, candidates: Vec::new(), problems: Vec::new() };
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
    read_canonical(dir, real(dir), place, needs_trust, &Remembered::new())
}

/// A path without links, if it leads somewhere.
fn real(path: &Path) -> PathBuf {
    disk::canonical(path).unwrap_or_else(|| path.to_owned())
}

/// The same for a folder of which it is known where it really is.
fn read_canonical(dir: &Path, canonical: PathBuf, place: Place, needs_trust: bool, remembered: &Remembered) -> Found {
    let known = remembered.get(&canonical).filter(|known| known.still_stands(&canonical));
    let (id, manifest, package, origin) = match known {
        Some(known) => {
            let Known { manifest, package, .. } = &**known;
            (manifest.name.clone(), Ok(Arc::clone(manifest)), package.clone(), Origin::Index(Arc::clone(known)))
        }
        None => match manifest::read(&canonical) {
            Ok(read) => {
                let (manifest, package) = (Arc::clone(&read.manifest), read.package_or_plugin());
                (manifest.name.clone(), Ok(manifest), package, Origin::Files(Arc::new(read)))
            }
            Err(error) => {
                let fallback = name_of_folder(dir);
                let package = fallback.as_str().to_owned();
                (fallback, Err(Arc::new(error)), package, Origin::Nowhere)
            }
        },
    };
    Found {
        id,
        dir: canonical,
        place,
        needs_trust,
        manifest,
        package,
        shadowed: Vec::new(),
        decision: Decision::NotListed,
        position: None,
        origin,
    }
}

struct Search<'a> {
    places: &'a Places,
    config: &'a Config,
    remembered: &'a Remembered,
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
        for (name, sub, real) in self.folders_in(dir) {
            if name.starts_with('@') {
                for (_, scoped, real) in self.folders_in(&sub) {
                    self.candidate(&scoped, real, place, needs_trust);
                }
            } else {
                self.candidate(&sub, real, place, needs_trust);
            }
        }
        self.candidates.len() - before
    }

    /// Each folder in `dir`: its name, its path, and its path without links.
    fn folders_in(&mut self, dir: &Path) -> Vec<(String, PathBuf, PathBuf)> {
        let mut folders = disk::folders(dir).unwrap_or_else(|error| {
            self.problem(error);
            Vec::new()
        });
        // `.git`, `.DS_Store`, and packages that a workspace put beside its plugins
        folders.retain(|(name, _)| !name.starts_with('.') && name != "node_modules");
        // What is no link itself lies where the folder around it does
        let around = if folders.is_empty() { None } else { disk::canonical(dir) };
        let placed = folders.into_iter().map(|(name, is_link)| {
            let path = dir.join(&name);
            let real = match &around {
                Some(around) if !is_link => around.join(&name),
                _ => real(&path),
            };
            (name, path, real)
        });
        placed.collect()
    }

    fn candidate(&mut self, dir: &Path, real: PathBuf, place: Place, needs_trust: bool) {
        let found = read_canonical(dir, real, place, needs_trust, self.remembered);
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
                    self.candidate(folder, real(folder), Place::Listed, entry.origin.layer == Layer::Project);
                }
            }
            PluginSpec::Package { name, .. } => {
                let dir = self.places.node_modules().join(name.as_str());
                if disk::is_file(&dir.join(MANIFEST)) {
                    self.candidate(&dir, real(&dir), Place::NodeModules, true);
                }
            }
        }
    }

    fn explicit(&mut self, dir: &Path) {
        if disk::is_file(&dir.join(MANIFEST)) {
            self.candidate(dir, real(dir), Place::Explicit, false);
        } else {
            let before = self.candidates.len();
            let mut folders = self.folders_in(dir);
            folders.retain(|(_, sub, _)| disk::is_file(&sub.join(MANIFEST)));
            let has_some = !folders.is_empty();
            for (_, sub, real) in folders {
                self.candidate(&sub, real, Place::Explicit, false);
            }
            if self.candidates.len() == before && !has_some {
                self.problem(LoadError::NoPluginHere { dir: dir.to_owned() });
            }
        }
        // What is named for this run is vouched for by whoever named it, wherever else it lies
        let named = real(dir);
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
