use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use mimir_shared_config::{
    Access, Capabilities, Closed, ClosedPlaces, Denial, ExecRule, FileAccess, FileRule, Filesystem, Llm, PluginId,
};
use mimir_shared_platform::Guard;
use parking_lot::RwLock;

/// Decides about every host call, in the agent's process: before it is made, and once more on what it really reached.
///
/// It knows the effective capabilities of each plugin (what the manifest asks, the user grants and the company allows).
/// A plugin that it does not know may do nothing.
pub struct CapabilityControl {
    root: PathBuf,
    closed: RwLock<ClosedPlaces>,
    effective: RwLock<HashMap<PluginId, Effective>>,
}

/// What one plugin may do, with the part on files compiled at its first call: it is asked twice for each call on a file, and
/// most plugins make none.
struct Effective {
    capabilities: Capabilities,
    files: OnceLock<FileAccess>,
}

impl CapabilityControl {
    /// A control for the project at `root` (an absolute path).
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self { closed: RwLock::new(ClosedPlaces::new(&root)), root, effective: RwLock::default() }
    }

    /// The project's root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Closes `path` (absolute) to all plugins, whatever they are granted, beside what is closed by its name.
    pub fn close(&self, path: &Path, closed: Closed) {
        self.closed.write().close(path, closed);
    }

    /// Sets what `plugin` may do from now on.
    pub fn set(&self, plugin: PluginId, effective: Capabilities) {
        self.effective.write().insert(plugin, Effective { capabilities: effective, files: OnceLock::new() });
    }

    /// Takes everything from `plugin`.
    pub fn revoke(&self, plugin: &PluginId) {
        self.effective.write().remove(plugin);
    }

    /// How much of language models `plugin` may use.
    pub fn llm(&self, plugin: &PluginId) -> Llm {
        self.effective.read().get(plugin).map(|plugin| plugin.capabilities.llm.clone()).unwrap_or_default()
    }

    /// Whether `plugin` may do `access`.
    pub fn check(&self, plugin: &PluginId, access: &Access) -> Result<(), Denial> {
        let all = self.effective.read();
        let Some(Effective { capabilities, files }) = all.get(plugin) else {
            let files = FileAccess::new(&Filesystem::default());
            return self
                .check_file(&files, access)
                .unwrap_or_else(|| Capabilities::default().permits(access, &self.root));
        };
        if let Access::Exec { argv } = access {
            return capabilities.permits_exec(access, argv, |rule| match rule {
                ExecRule::Allowlist => Guard::ExecAllowlist.stands(),
                ExecRule::Program => Guard::ExecProgram.stands(),
                ExecRule::Arguments => Guard::ExecArguments.stands(),
            });
        }
        let files = files.get_or_init(|| FileAccess::new(&capabilities.filesystem));
        self.check_file(files, access).unwrap_or_else(|| capabilities.permits(access, &self.root))
    }

    fn check_file(&self, files: &FileAccess, access: &Access) -> Option<Result<(), Denial>> {
        files.permits(access, &self.closed.read(), |rule| match rule {
            FileRule::Beneath => Guard::FsBeneath.stands(),
            FileRule::Closed => Guard::FsClosed.stands(),
            FileRule::Granted => Guard::FsGranted.stands(),
            FileRule::Restricted => Guard::FsRestricted.stands(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_plugin_may_do_what_was_set_for_it_and_nothing_once_revoked() {
        let control = CapabilityControl::new("/project");
        let plugin = PluginId::new("reader").unwrap();
        let read = Access::FileRead { path: "src/main.rs".into() };
        assert!(control.check(&plugin, &read).is_err());
        let mut capabilities = Capabilities::default();
        capabilities.filesystem.read = true;
        control.set(plugin.clone(), capabilities);
        assert!(control.check(&plugin, &read).is_ok());
        assert!(control.check(&PluginId::new("other").unwrap(), &read).is_err());
        control.revoke(&plugin);
        assert!(control.check(&plugin, &read).is_err());
    }

    #[test]
    fn a_closed_place_is_closed_whatever_is_granted() {
        let control = CapabilityControl::new("/project");
        let plugin = PluginId::new("reader").unwrap();
        let mut capabilities = Capabilities::default();
        capabilities.filesystem.read = true;
        control.set(plugin.clone(), capabilities);
        let read = Access::FileRead { path: "/project/state/grants.json".into() };
        assert!(control.check(&plugin, &read).is_ok());
        control.close(Path::new("/project/state"), Closed::Mimir);
        let denial = control.check(&plugin, &read).unwrap_err();
        assert!(denial.reason.contains("belongs to Mimir itself"), "{denial}");
    }
}
