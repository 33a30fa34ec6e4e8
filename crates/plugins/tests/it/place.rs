//! A project and a home of its own for each test.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use mimir_plugins::{Plugins, PluginsBuilder, Report};
use tempfile::TempDir;

pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        fs::create_dir_all(place.path("project/.git")).unwrap();
        fs::create_dir_all(place.path("home")).unwrap();
        place
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> PathBuf {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// A builder for this test's own places, and what it reports.
    pub(crate) fn builder(&self) -> (PluginsBuilder, Arc<Mutex<Vec<Report>>>) {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&reports);
        let builder = Plugins::builder()
            .project(self.path("project"))
            .home(self.path("home"))
            .policy(self.path("no-policy.yml"))
            .environment([("HOOK_SAYS".to_owned(), "hello".to_owned()), ("PATH".to_owned(), env!("PATH").to_owned())])
            .on_report(move |report| kept.lock().unwrap().push(report.clone()));
        (builder, reports)
    }

    /// All lines of the audit log.
    pub(crate) fn audit(&self) -> String {
        let segments = fs::read_dir(self.path("home/audit")).into_iter().flatten().map(|entry| entry.unwrap().path());
        let segments = segments.filter(|path| path.extension().is_some_and(|kind| kind == "ndjson"));
        segments.map(|path| fs::read_to_string(path).unwrap()).collect()
    }
}
