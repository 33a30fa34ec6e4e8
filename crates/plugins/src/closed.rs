//! Which places are closed to every plugin, wherever they lie in the project and whatever they are called there.

use std::path::{Path, PathBuf};

use mimir_sandbox::CapabilityControl;
use mimir_shared_config::Closed;
use mimir_shared_platform::FileSystem;

use crate::surroundings::Surroundings;

/// Closes Mimir's own folder, the company's policy and the folders of these plugins, which are without links.
pub(crate) fn close_places<'a>(
    control: &CapabilityControl,
    surroundings: &'a Surroundings,
    plugins: impl IntoIterator<Item = &'a Path>,
    files: &dyn FileSystem,
) {
    let own = [&surroundings.places.home, &surroundings.policy].map(|path| (path.as_path(), Closed::Mimir));
    let named = surroundings.places.explicit.iter().map(PathBuf::as_path);
    for plugin in plugins {
        control.close(plugin, Closed::Plugin);
    }
    for (path, closed) in own.into_iter().chain(named.map(|folder| (folder, Closed::Plugin))) {
        // As it is called, so that nobody puts something else in its place, and where it is
        control.close(path, closed);
        control.close(&real_path(path, files), closed);
    }
}

/// `path` without links, as far as it exists.
fn real_path(path: &Path, files: &dyn FileSystem) -> PathBuf {
    let existing = path.ancestors().find_map(|folder| Some((folder, files.canonicalize(folder).ok()?)));
    match existing.map(|(folder, real)| (path.strip_prefix(folder), real)) {
        Some((Ok(rest), real)) if !rest.as_os_str().is_empty() => real.join(rest),
        Some((Ok(_), real)) => real,
        _ => path.to_owned(),
    }
}
