//! The command line's [`PluginStore`] over the loader and the configuration's files.

mod audit;
mod doctor;
mod grants;
mod start;
mod switch;
mod view;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use mimir_commands::{
    AuditQuery, AuditTrail, AuditVerdict, Check, GrantView, PluginInfo, PluginStore, PluginSummary, RepositoryView,
    Severity, StoreError, Switched, TrustView, Validation,
};
use mimir_loader::{Discovery, Found, LoadError, LoadedPlugin, PluginLoader};
use mimir_sandbox::Placement;
use mimir_shared_config::{Capabilities, Config};
use mimir_shared_platform::{AuditRecord, FileKind, FileSystem};
use serde_json::json;
use tokio::task::JoinSet;

use super::problems::{load_error, problem, problems_of};
use crate::builder::Prepared;
use crate::builtin::precompact_hooks;
use crate::surroundings::Surroundings;
use crate::{PluginsBuilder, PluginsError};

/// A plugin's manifest.
const MANIFEST: &str = "plugin.yml";

/// The plugins of this user in this project, for `mimir plugin …`.
pub struct Store {
    surroundings: Surroundings,
    config: Config,
    loader: PluginLoader,
    files: Arc<dyn FileSystem>,
    settings: PluginsBuilder,
}

/// A plugin that was found, and what came of loading it if it was tried.
struct Examined {
    found: Found,
    loaded: Option<Result<LoadedPlugin, LoadError>>,
}

impl PluginsBuilder {
    /// What `mimir plugin …` works on. Nothing is loaded yet.
    ///
    /// # Errors
    /// If the configuration is wrong or can't be read.
    pub fn store(self) -> Result<Store, PluginsError> {
        // Nothing runs in here, so V8 is not wanted either
        let helper = self.helper.clone();
        let Prepared { settings, surroundings, config, loader, files, .. } =
            self.placement(Placement::Process { exe: helper }).prepare()?;
        Ok(Store { surroundings, config, loader, files, settings })
    }
}

impl Store {
    async fn discover(&self) -> Result<Discovery, StoreError> {
        self.loader.discover().await.map_err(|error| load_error(&error))
    }

    /// The plugin of this name, or whose package has it.
    async fn find(&self, name: &str) -> Result<Found, StoreError> {
        let found = self.discover().await?.found;
        let known = found.iter().map(|found| found.id.as_str().to_owned()).collect();
        let meant = found.into_iter().find(|found| found.id.as_str() == name || found.package == name);
        meant.ok_or_else(|| StoreError::NotFound { name: name.to_owned(), known })
    }

    async fn load(&self, found: &Found) -> Result<LoadedPlugin, StoreError> {
        self.loader.load(found).await.map_err(|error| {
            let mut problems = problems_of(self.files.as_ref(), &found.dir, &error).into_iter();
            match problems.next() {
                Some(first) => StoreError::Wrong(Box::new(first.with_others(problems.collect()))),
                None => load_error(&error),
            }
        })
    }

    /// Loads what is enabled, to see whether it would run. What is not is left alone: its code is nobody's business yet.
    async fn examine(&self, found: Vec<Found>) -> Vec<Examined> {
        let mut examined: Vec<_> = found.into_iter().map(|found| Examined { found, loaded: None }).collect();
        let mut loading = JoinSet::new();
        for (index, plugin) in examined.iter().enumerate().filter(|(_, plugin)| plugin.found.is_enabled()) {
            let (loader, found) = (self.loader.clone(), plugin.found.clone());
            loading.spawn(async move { (index, loader.load(&found).await) });
        }
        for (index, loaded) in loading.join_all().await {
            examined[index].loaded = Some(loaded);
        }
        examined
    }

    /// The folders of plugins that `path` names.
    fn folders(&self, path: &Path) -> Result<Vec<PathBuf>, StoreError> {
        let path = self.surroundings.current_dir.join(path);
        let has_manifest = |dir: &Path| self.files.exists(&dir.join(MANIFEST));
        if has_manifest(&path) {
            return Ok(vec![path]);
        }
        let entries = self.files.read_dir(&path).unwrap_or_default().into_iter();
        let folders = entries.filter(|entry| entry.kind != FileKind::File).map(|entry| path.join(entry.name));
        let folders: Vec<_> = folders.filter(|dir| has_manifest(dir)).collect();
        if folders.is_empty() {
            return Err(load_error(&LoadError::NoPluginHere { dir: path }));
        }
        Ok(folders)
    }

    fn validation(&self, dir: &Path, result: &Result<LoadedPlugin, LoadError>) -> Validation {
        match result {
            Ok(plugin) => {
                let warnings = plugin.warnings.iter();
                let problems = warnings.map(|warning| problem(self.files.as_ref(), dir, Severity::Warning, warning));
                let id = plugin.id.to_string();
                Validation { id, path: dir.to_owned(), valid: true, problems: problems.collect() }
            }
            Err(error) => {
                let id = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let problems = problems_of(self.files.as_ref(), dir, error);
                Validation { id, path: dir.to_owned(), valid: false, problems }
            }
        }
    }
}

#[async_trait]
impl PluginStore for Store {
    async fn list(&self) -> Result<Vec<PluginSummary>, StoreError> {
        let mut found = self.discover().await?.found;
        found.sort_by_cached_key(|found| (found.position.unwrap_or(usize::MAX), found.id.clone()));
        let examined = self.examine(found).await;
        Ok(examined.iter().map(|plugin| self.summary(plugin)).chain(self.built_in()).collect())
    }

    async fn info(&self, name: &str, start: bool) -> Result<PluginInfo, StoreError> {
        if name == precompact_hooks::NAME
            && let Some(info) = self.built_in_info()
        {
            return Ok(info);
        }
        let found = self.find(name).await?;
        let id = found.id.clone();
        let loaded = Some(self.loader.load(&found).await);
        let mut info = self.info_of(&Examined { found, loaded });
        if start {
            self.start(&id, &mut info).await?;
        }
        Ok(info)
    }

    async fn switch(&self, name: &str, enabled: bool, global: bool) -> Result<Switched, StoreError> {
        let switched = if enabled { self.enable(name, global).await } else { self.disable(name, global).await }?;
        if let Some(file) = &switched.file {
            let kind = if enabled { "enable" } else { "disable" };
            self.record(AuditRecord::new(
                &switched.id,
                kind,
                json!({ "where": file, "counts": switched.enabled == enabled }),
            ))?;
        }
        Ok(switched)
    }

    async fn validate<'a>(&self, path: Option<&'a Path>) -> Result<Vec<Validation>, StoreError> {
        let mut validations = Vec::new();
        match path {
            Some(path) => {
                for dir in self.folders(path)? {
                    let result = self.loader.load_folder(&dir).await;
                    validations.push(self.validation(&dir, &result));
                }
            }
            None => {
                for found in self.discover().await?.found {
                    let result = self.loader.load(&found).await;
                    validations.push(self.validation(&found.dir, &result));
                }
            }
        }
        Ok(validations)
    }

    async fn trust(&self, trusted: bool) -> Result<TrustView, StoreError> {
        let (store, project) = (self.loader.trust(), self.surroundings.places.project.clone());
        let was_trusted = store.is_trusted(&project).map_err(|error| load_error(&error))?;
        if trusted {
            store.trust(&project).map_err(|error| load_error(&error))?;
        } else {
            store.distrust(&project).map_err(|error| load_error(&error))?;
        }
        if trusted != was_trusted {
            let kind = if trusted { "trust" } else { "untrust" };
            self.record(AuditRecord { plugin: None, kind: kind.to_owned(), detail: json!({ "project": project }) })?;
        }
        Ok(TrustView { project, trusted, changed: trusted != was_trusted })
    }

    async fn repository(&self) -> Result<RepositoryView, StoreError> {
        self.repository_view().await
    }

    async fn requested(&self, name: &str) -> Result<GrantView, StoreError> {
        self.grant_view(name).await
    }

    async fn grant(&self, shown: &GrantView, capabilities: &Capabilities, with_limits: bool) -> Result<(), StoreError> {
        self.put_grant(shown, capabilities, with_limits).await
    }

    async fn revoke(&self, name: &str) -> Result<bool, StoreError> {
        self.take_back(name).await
    }

    async fn doctor(&self) -> Result<Vec<Check>, StoreError> {
        self.check_up().await
    }

    fn audit(&self, query: &AuditQuery) -> Result<Box<dyn AuditTrail>, StoreError> {
        Ok(self.audit_trail(query))
    }

    async fn verify_audit(&self) -> Result<AuditVerdict, StoreError> {
        self.audit_verdict()
    }
}
