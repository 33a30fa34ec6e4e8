use std::fs;
use std::path::{Path, PathBuf};

use mimir_loader::{BundleRequest, Bundled, Bundler, BundlerProcess, LoadError, Places, PluginLoader};
use mimir_shared_config::{Config, ConfigSources, ConfigText};
use tempfile::TempDir;

pub(crate) const VERSION: &str = "0.1.0";

/// A project and a user's home in a folder of their own.
pub(crate) struct Project {
    dir: TempDir,
}

impl Project {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["work/.mimir/plugins", "home/.mimir/plugins"] {
            fs::create_dir_all(dir.path().join(sub)).unwrap();
        }
        Self { dir }
    }

    /// The path of something in it. `work/` is the project, `home/.mimir/` is Mimir's folder.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// A plugin that asks for nothing, from one module.
    pub(crate) fn plugin(&self, dir: &str, name: &str, code: &str) -> &Self {
        self.write(&format!("{dir}/plugin.yml"), &format!("name: '{name}'\nversion: 1.0.0\ndescription: A test\n"))
            .write(&format!("{dir}/index.ts"), code)
    }

    pub(crate) fn places(&self) -> Places {
        Places::new(&self.path("work"), self.path("home/.mimir"))
    }

    /// The configuration as the files say it.
    pub(crate) fn config(&self, project_trusted: bool) -> Config {
        let read = |path: PathBuf| fs::read_to_string(&path).ok().map(|text| ConfigText::new(path, text));
        Config::load(&ConfigSources {
            user: read(self.path("home/.mimir/config.yml")),
            project: read(self.path("work/.mimir/config.yml")),
            project_trusted,
            current_dir: self.path("work"),
            ..ConfigSources::default()
        })
        .unwrap()
    }

    /// A loader for a user who trusts the project.
    pub(crate) fn loader(&self) -> PluginLoader {
        let loader = self.loader_of_stranger();
        loader.trust().trust(&self.path("work")).unwrap();
        PluginLoader::with_bundler(self.places(), self.config(true), VERSION, Box::new(bundler()))
    }

    /// A loader for a user who has said nothing about the project.
    pub(crate) fn loader_of_stranger(&self) -> PluginLoader {
        PluginLoader::with_bundler(self.places(), self.config(false), VERSION, Box::new(bundler()))
    }
}

pub(crate) fn bundler() -> BundlerProcess {
    BundlerProcess::at(env!("CARGO_BIN_EXE_mimir-loader-bundler"))
}

/// Bundles what lies in a folder, from one of its modules.
pub(crate) fn bundle(root: &Path, entry: &str) -> Result<Bundled, LoadError> {
    let request = BundleRequest { root: root.to_owned(), entry: entry.into(), name: "test".into() };
    bundler().bundle(root, &request)
}
