//! Where this run takes place, and what the layers of configuration say there.

use std::path::{Path, PathBuf};

use mimir_commands::with_causes;
use mimir_loader::{Places, TrustStore};
use mimir_shared_config::{Config, ConfigSources, ConfigText};
use mimir_shared_platform::{FileKind, FileSystem, Guard};

use crate::PluginsError;

/// Mimir's own folder in the user's home.
const HOME_FOLDER: &str = ".mimir";
/// Names Mimir's own folder itself, in place of `~/.mimir`.
const HOME_VARIABLE: &str = "MIMIR_HOME";
/// The configuration's name in either folder.
const CONFIG_FILE: &str = "config.yml";
/// The company's policy, where only an administrator can write.
const POLICY_FILE: &str = "/etc/mimir/policy.yml";
/// No configuration comes near this, in bytes.
const LARGEST: u64 = 1 << 20;
/// Names another policy in builds for tests; in no other may a user say where the company's policy lies.
#[cfg(feature = "test-hooks")]
const POLICY_VARIABLE: &str = "MIMIR_TEST_POLICY";

/// Folders and variables of this run.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) places: Places,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) current_dir: PathBuf,
    pub(crate) policy: PathBuf,
}

impl Surroundings {
    /// Those of this process. `project` and `home` say otherwise.
    pub(crate) fn find(
        project: Option<&Path>,
        home: Option<&Path>,
        policy: Option<&Path>,
        environment: Option<Vec<(String, String)>>,
        files: &dyn FileSystem,
    ) -> Result<Self, PluginsError> {
        let environment = environment.unwrap_or_else(|| std::env::vars_os().filter_map(readable).collect());
        let variable = |name: &str| {
            environment.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
        };
        let current_dir = match std::env::current_dir() {
            Ok(folder) => folder,
            // Nothing that is said is relative to it
            Err(_) if project.is_some_and(Path::is_absolute) => PathBuf::from("/"),
            // To work somewhere else instead would be to work where nobody meant
            Err(error) => return Err(PluginsError::NoCurrentFolder(error)),
        };
        let home = match home {
            Some(home) => current_dir.join(home),
            None => match variable(HOME_VARIABLE) {
                Some(home) => current_dir.join(home),
                None => Path::new(variable("HOME").ok_or(PluginsError::NoHome)?).join(HOME_FOLDER),
            },
        };
        let start = match project {
            Some(project) => {
                let folder = files.canonicalize(&current_dir.join(project)).ok();
                let is_folder = |path: &PathBuf| files.metadata(path).is_ok_and(|found| found.is_dir());
                folder.filter(is_folder).ok_or_else(|| PluginsError::NoProject { path: project.to_owned() })?
            }
            None => current_dir.clone(),
        };
        let mut places = Places::new(&start, home);
        // A folder that was named is the project, whatever lies above it
        if project.is_some() {
            places.project = start;
        }
        if is_carried(&places, variable("HOME"), files) && Guard::TrustHome.stands() {
            return Err(PluginsError::HomeInProject { home: places.home, project: places.project });
        }
        #[cfg(feature = "test-hooks")]
        let policy = policy.or(variable(POLICY_VARIABLE).map(Path::new));
        let policy = policy.unwrap_or(Path::new(POLICY_FILE)).to_owned();
        Ok(Self { places, environment, current_dir, policy })
    }

    /// A variable of this run's environment.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The project's configuration file.
    pub(crate) fn project_config(&self) -> PathBuf {
        self.places.project.join(HOME_FOLDER).join(CONFIG_FILE)
    }

    /// The user's configuration file.
    pub(crate) fn user_config(&self) -> PathBuf {
        self.places.home.join(CONFIG_FILE)
    }

    /// Git's working tree around the project, else the project.
    pub(crate) fn worktree(&self, files: &dyn FileSystem) -> PathBuf {
        let project = &self.places.project;
        project.ancestors().find(|folder| files.exists(&folder.join(".git"))).unwrap_or(project).to_owned()
    }

    /// The project's configuration. A link there that leads elsewhere would show a file of the user's in messages, or be
    /// written in its place.
    fn read_projects(&self, files: &dyn FileSystem) -> Result<Option<ConfigText>, PluginsError> {
        let path = self.project_config();
        let real = |path: &Path| files.canonicalize(path).ok();
        match (real(&path), real(&self.places.project)) {
            (Some(file), Some(project)) if !file.starts_with(&project) => {
                Err(PluginsError::ConfigurationElsewhere { path })
            }
            // In the user's home the two are one file, and it is the user's
            (Some(file), _) if real(&self.user_config()).as_ref() == Some(&file) => Ok(None),
            _ => read(files, &path),
        }
    }

    /// What the layers say, taken together.
    pub(crate) fn configuration(&self, files: &dyn FileSystem) -> Result<Config, PluginsError> {
        self.read_all(files, self.is_trusted()? || !Guard::TrustConfiguration.stands())
    }

    /// Whether the user trusts the repository.
    pub(crate) fn is_trusted(&self) -> Result<bool, PluginsError> {
        TrustStore::in_home(&self.places.home).is_trusted(&self.places.project).map_err(PluginsError::Loader)
    }

    /// The same where a list of trusted repositories that can't be read is one without entries: for who is to say what is
    /// wrong with it.
    pub(crate) fn configuration_for_diagnosis(&self, files: &dyn FileSystem) -> Result<Config, PluginsError> {
        let is_trusted = TrustStore::in_home(&self.places.home).is_trusted(&self.places.project).unwrap_or(false);
        self.read_all(files, is_trusted)
    }

    /// The same as if the repository were trusted already.
    pub(crate) fn configuration_if_trusted(&self, files: &dyn FileSystem) -> Result<Config, PluginsError> {
        self.read_all(files, true)
    }

    fn read_all(&self, files: &dyn FileSystem, project_trusted: bool) -> Result<Config, PluginsError> {
        let (project, notice) = match self.read_projects(files) {
            Ok(project) => (project, None),
            // A repository that nobody trusts only narrows: without its file nothing happens that others do not allow. What
            // leads out of it, or is no file at all, was put there on purpose, and is refused
            Err(error @ PluginsError::Unreadable(_)) if !project_trusted => {
                let why = with_causes(&error);
                (None, Some(format!("this repository's configuration is left out: {why}")))
            }
            Err(error) => return Err(error),
        };
        let sources = ConfigSources {
            user: read(files, &self.user_config())?,
            project,
            project_trusted,
            environment: self.environment.clone(),
            flags: Vec::new(),
            policy: read(files, &self.policy)?,
            current_dir: self.current_dir.clone(),
        };
        let mut config = Config::load(&sources).map_err(PluginsError::Configuration)?;
        config.notices.extend(notice);
        Ok(config)
    }
}

fn readable((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}

/// Whether Mimir's own folder lies in the project, so that whoever made the project could have made it: grants and trust
/// would be the repository's. Only the user's home holds the user's own, and a folder above it that is no repository.
fn is_carried(places: &Places, user: Option<&str>, files: &dyn FileSystem) -> bool {
    // As far as it exists: it is made at the first grant
    let real = |path: &Path| {
        let known = path.ancestors().find_map(|above| Some((above, files.canonicalize(above).ok()?)));
        known.map_or_else(|| path.to_owned(), |(above, real)| real.join(path.strip_prefix(above).unwrap_or(above)))
    };
    let (home, project) = (real(&places.home), real(&places.project));
    let is_users = user.map(|user| real(Path::new(user))).is_some_and(|user| {
        let is_repository = user != project && files.exists(&project.join(".git"));
        home == user.join(HOME_FOLDER) && !is_repository
    });
    home.starts_with(&project) && !is_users
}

fn read(files: &dyn FileSystem, path: &Path) -> Result<Option<ConfigText>, PluginsError> {
    // A device would never end, and a pipe would never begin
    if files.metadata(path).is_ok_and(|found| found.kind == FileKind::Other || (found.is_file() && found.len > LARGEST))
    {
        return Err(PluginsError::NoConfiguration { path: path.to_owned() });
    }
    match files.read_to_string(path) {
        Ok(text) => Ok(Some(ConfigText::new(path, text))),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(PluginsError::Unreadable(error)),
    }
}
