use std::path::{Path, PathBuf};
use std::sync::Arc;

use mimir_api::{Asker, Effects, SessionView, ToolCatalog};
use mimir_loader::{BundlerProcess, PluginLoader};
use mimir_sandbox::Placement;
use mimir_shared_config::{Config, Isolation};
use mimir_shared_platform::{FileSystem, OsFileSystem, Trampoline};
use mimir_shared_providers::LlmProvider;
use tokio::task::JoinHandle;

use crate::recording::Recorder;
use crate::report::{OnReport, Report};
use crate::start::Searched;
use crate::surroundings::Surroundings;
use crate::{Plugins, PluginsError, start};

/// Sets up the plugin system. Every setting has the default that the command line uses.
#[derive(Clone)]
pub struct PluginsBuilder {
    pub(crate) project: Option<PathBuf>,
    pub(crate) home: Option<PathBuf>,
    pub(crate) policy: Option<PathBuf>,
    pub(crate) environment: Option<Vec<(String, String)>>,
    pub(crate) explicit: Vec<PathBuf>,
    pub(crate) grants_for_this_run: bool,
    pub(crate) without_plugins: bool,
    pub(crate) is_diagnosis: bool,
    pub(crate) helper: Option<PathBuf>,
    pub(crate) placement: Option<Placement>,
    pub(crate) leaves_no_traces: bool,
    pub(crate) effects: Effects,
    pub(crate) sessions: Option<Arc<dyn SessionView>>,
    pub(crate) llm: Option<Arc<dyn LlmProvider>>,
    pub(crate) tools: Option<Arc<dyn ToolCatalog>>,
    pub(crate) asker: Option<Arc<dyn Asker>>,
    pub(crate) on_report: Option<OnReport>,
    pub(crate) recorder: Option<Arc<dyn Recorder>>,
}

/// The configuration is read and nothing runs yet. What must happen before the process has threads has happened.
pub struct Prepared {
    pub(crate) settings: PluginsBuilder,
    pub(crate) surroundings: Surroundings,
    pub(crate) config: Config,
    pub(crate) loader: PluginLoader,
    pub(crate) files: Arc<dyn FileSystem>,
    /// The search for plugins, if it has begun.
    pub(crate) search: Option<JoinHandle<Result<Searched, PluginsError>>>,
}

impl Default for PluginsBuilder {
    fn default() -> Self {
        Self {
            project: None,
            home: None,
            policy: None,
            environment: None,
            explicit: Vec::new(),
            grants_for_this_run: false,
            without_plugins: false,
            is_diagnosis: false,
            helper: None,
            placement: None,
            leaves_no_traces: false,
            effects: Effects::Live,
            sessions: None,
            llm: None,
            tools: None,
            asker: None,
            on_report: None,
            recorder: None,
        }
    }
}

impl PluginsBuilder {
    /// The project's folder. Without it, the nearest one with `.mimir/` or `.git` from the current folder upwards.
    #[must_use]
    pub fn project(mut self, folder: impl Into<PathBuf>) -> Self {
        self.project = Some(folder.into());
        self
    }

    /// Mimir's own folder. Without it, `MIMIR_HOME` or `~/.mimir`.
    #[must_use]
    pub fn home(mut self, folder: impl Into<PathBuf>) -> Self {
        self.home = Some(folder.into());
        self
    }

    /// The company's policy file. Without it, `/etc/mimir/policy.yml` if there is one.
    #[must_use]
    pub fn policy(mut self, file: impl Into<PathBuf>) -> Self {
        self.policy = Some(file.into());
        self
    }

    /// The environment variables that count, in place of the process's own.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment = Some(variables.into_iter().collect());
        self
    }

    /// Plugins for this run beside those of the configuration: a plugin's folder, or a folder of such. Whoever names
    /// them vouches for them, so they need no trust in the repository; they need grants like all others.
    #[must_use]
    pub fn plugins(mut self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        self.explicit.extend(folders);
        self
    }

    /// Grants every plugin what it asks for, for this run alone. The company's policy still narrows it.
    #[must_use]
    pub fn grant_for_this_run(mut self, grants: bool) -> Self {
        self.grants_for_this_run = grants;
        self
    }

    /// Whether this is to find out what is wrong: then it begins also where the list of trusted repositories can't be read,
    /// and trusts none.
    #[must_use]
    pub fn for_diagnosis(mut self, is_diagnosis: bool) -> Self {
        self.is_diagnosis = is_diagnosis;
        self
    }

    /// Starts without any plugin.
    #[must_use]
    pub fn without_plugins(mut self, without: bool) -> Self {
        self.without_plugins = without;
        self
    }

    /// The program that is started for the sandbox processes, the bundler and the trampoline of programs. Its `main` begins with
    /// [`main_if_requested`](crate::main_if_requested). Without it, this program.
    #[must_use]
    pub fn helper(mut self, program: impl Into<PathBuf>) -> Self {
        self.helper = Some(program.into());
        self
    }

    /// Where isolates live, whatever the configuration says.
    #[must_use]
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placement = Some(placement);
        self
    }

    /// Keeps nothing of this run: quarantines, the plugins' storage and the audit log are in memory alone.
    #[must_use]
    pub fn leaves_no_traces(mut self, leaves_none: bool) -> Self {
        self.leaves_no_traces = leaves_none;
        self
    }

    /// What becomes of host calls with effects. Without it, they are carried out.
    #[must_use]
    pub fn effects(mut self, effects: Effects) -> Self {
        self.effects = effects;
        self
    }

    /// Where `ctx.session` looks.
    #[must_use]
    pub fn sessions(mut self, sessions: Arc<dyn SessionView>) -> Self {
        self.sessions = Some(sessions);
        self
    }

    /// Who answers `ctx.llm`. Without it, calls of models are refused as `UNSUPPORTED`.
    #[must_use]
    pub fn llm(mut self, provider: Arc<dyn LlmProvider>) -> Self {
        self.llm = Some(provider);
        self
    }

    /// The agent's tools, which `ctx.tools` calls. Without it, calls of tools are refused as `UNSUPPORTED`.
    #[must_use]
    pub fn tools(mut self, catalog: Arc<dyn ToolCatalog>) -> Self {
        self.tools = Some(catalog);
        self
    }

    /// Who puts the questions of `ctx.ask` and `ctx.confirm` to the person. Without it, they are refused as `UNSUPPORTED`.
    #[must_use]
    pub fn asker(mut self, asker: Arc<dyn Asker>) -> Self {
        self.asker = Some(asker);
        self
    }

    /// Is told of every report at once, from whatever thread. Must not block.
    #[must_use]
    pub fn on_report(mut self, on_report: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        self.on_report = Some(Arc::new(on_report));
        self
    }

    /// Records every event, and what plugins ask while they answer it, as `mimir replay` reads it. Nothing is recorded without.
    #[must_use]
    pub fn record(mut self, recorder: Arc<dyn Recorder>) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Reads the configuration, and sets V8 up if plugins are to run in this process. Call it before the runtime is
    /// built where that may be: V8 wants to be first.
    ///
    /// # Errors
    /// If the configuration is wrong or can't be read.
    pub fn prepare(self) -> Result<Prepared, PluginsError> {
        let files: Arc<dyn FileSystem> = Arc::new(OsFileSystem);
        let mut surroundings = Surroundings::find(
            self.project.as_deref(),
            self.home.as_deref(),
            self.policy.as_deref(),
            self.environment.clone(),
            files.as_ref(),
        )?;
        surroundings.places.explicit =
            self.explicit.iter().map(|folder| surroundings.current_dir.join(folder)).collect();
        let config = match self.is_diagnosis {
            true => surroundings.configuration_for_diagnosis(files.as_ref())?,
            false => surroundings.configuration(files.as_ref())?,
        };
        let bundler = self.helper.as_ref().map_or_else(BundlerProcess::current_exe, BundlerProcess::at);
        let (places, version) = (surroundings.places.clone(), env!("CARGO_PKG_VERSION"));
        let loader = PluginLoader::with_bundler(places, config.clone(), version, Box::new(bundler));
        let prepared = Prepared { settings: self, surroundings, config, loader, files, search: None };
        if !prepared.settings.without_plugins && prepared.placement() == Placement::InProcess {
            mimir_sandbox::initialize_v8();
        }
        Ok(prepared)
    }

    /// Reads the configuration, finds and loads the plugins and subscribes them. None is started before its first event.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the configuration is wrong, or a folder that was named for this run holds no plugin. What is wrong with a single
    /// plugin is reported, and the others load.
    pub async fn build(self) -> Result<Plugins, PluginsError> {
        self.prepare()?.start().await
    }
}

impl Prepared {
    /// What the layers of configuration came to.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The project's folder, without links.
    pub fn project(&self) -> &Path {
        &self.surroundings.places.project
    }

    /// Mimir's own folder.
    pub fn home(&self) -> &Path {
        &self.surroundings.places.home
    }

    /// Whether the user trusts the repository.
    ///
    /// # Errors
    /// If the list of trusted repositories can't be read.
    pub fn is_trusted(&self) -> Result<bool, PluginsError> {
        self.surroundings.is_trusted()
    }

    /// The program that ends those of the user with this process; nothing where neither a helper was named nor this
    /// program's `main` begins with [`main_if_requested`](crate::main_if_requested).
    pub fn trampoline(&self) -> Option<Trampoline> {
        self.settings.helper.as_ref().map(Trampoline::at).or_else(Trampoline::ours)
    }

    /// This run's environment.
    pub fn environment(&self) -> &[(String, String)] {
        &self.surroundings.environment
    }

    /// A variable of this run's environment.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.surroundings.variable(name)
    }

    /// [`PluginsBuilder::llm`], for who must read the configuration first.
    #[must_use]
    pub fn llm(mut self, provider: Arc<dyn LlmProvider>) -> Self {
        self.settings = self.settings.llm(provider);
        self
    }

    /// [`PluginsBuilder::tools`], for who makes the tools once the folders are known.
    #[must_use]
    pub fn tools(mut self, catalog: Arc<dyn ToolCatalog>) -> Self {
        self.settings = self.settings.tools(catalog);
        self
    }

    /// [`PluginsBuilder::sessions`], for who must know the folders first.
    #[must_use]
    pub fn sessions(mut self, sessions: Arc<dyn SessionView>) -> Self {
        self.settings = self.settings.sessions(sessions);
        self
    }

    /// [`PluginsBuilder::record`], for who must read the configuration first.
    #[must_use]
    pub fn record(mut self, recorder: Arc<dyn Recorder>) -> Self {
        self.settings = self.settings.record(recorder);
        self
    }

    /// Begins to look for the plugins, for who has other things to do before [`Prepared::start`]. Must be called within a tokio
    /// runtime.
    #[must_use]
    pub fn look_ahead(mut self) -> Self {
        if !self.settings.without_plugins {
            self.search = Some(tokio::spawn(start::search(self.loader.clone())));
        }
        self
    }

    /// Finds and loads the plugins and subscribes them.
    ///
    /// # Errors
    /// If what Mimir keeps about plugins can't be read, or a folder that was named for this run holds none.
    pub async fn start(self) -> Result<Plugins, PluginsError> {
        start::start(self).await
    }

    pub(crate) fn placement(&self) -> Placement {
        self.settings.placement.clone().unwrap_or_else(|| match self.config.plugins.isolation {
            Isolation::Process => Placement::Process { exe: self.settings.helper.clone() },
            Isolation::InProcess => Placement::InProcess,
        })
    }
}
