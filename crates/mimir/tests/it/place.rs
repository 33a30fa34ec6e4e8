//! A project and a home of its own for each test, and the binary in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// Longer than any run may take, also on a busy machine.
const TOO_LONG: Duration = Duration::from_secs(120);

/// A project, and Mimir's own folder.
pub(crate) struct Place {
    folder: TempDir,
}

/// What a run printed.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { folder: TempDir::new().unwrap() };
        fs::create_dir_all(place.project().join(".git")).unwrap();
        fs::create_dir_all(place.home()).unwrap();
        place
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let file = self.folder.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.folder.path().join(path)).unwrap()
    }

    /// A plugin with this manifest beside its name and version, and this module.
    pub(crate) fn plugin(&self, folder: &str, manifest: &str, module: &str) -> PathBuf {
        let name = Path::new(folder).file_name().unwrap().to_string_lossy().into_owned();
        self.write(&format!("{folder}/plugin.yml"), format!("name: {name}\nversion: 1.0.0\n{manifest}"));
        self.write(&format!("{folder}/index.ts"), module);
        self.folder.path().join(folder)
    }

    /// The binary, in the project, without anything of the real user's.
    pub(crate) fn mimir(&self) -> Command {
        self.program(env!("CARGO_BIN_EXE_mimir"))
    }

    /// Another program in the same way.
    pub(crate) fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.project())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("MIMIR_HOME", self.home())
            .env("COLUMNS", "100")
            .timeout(TOO_LONG);
        command
    }

    /// Runs a command line; `@/` in an argument is the test's folder.
    pub(crate) fn run(&self, line: &str) -> Ran {
        let folder = format!("{}/", self.folder.path().display());
        let mut command = self.mimir();
        command.args(line.split_whitespace().map(|part| part.replace("@/", &folder)));
        Ran::of(&mut command)
    }

    /// Starts a command line that goes on until its standard input is closed, or for ever; `@/` as above.
    pub(crate) fn start(&self, line: &str) -> Child {
        let folder = format!("{}/", self.folder.path().display());
        std::process::Command::new(env!("CARGO_BIN_EXE_mimir"))
            .args(line.split_whitespace().map(|part| part.replace("@/", &folder)))
            .current_dir(self.project())
            .env("MIMIR_HOME", self.home())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Puts a name in place of this test's folder, so that texts can be compared.
    pub(crate) fn anonymous(&self, text: &str) -> String {
        text.replace(&*self.folder.path().to_string_lossy(), "@")
    }
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self
    }

    /// The lines of JSON that it printed.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        let line =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{}", self.err));
        self.out.lines().map(line).collect()
    }
}

/// The repository's root.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The files in a folder with this ending, by name. There is at least one.
pub(crate) fn files_in(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no {ending}", folder.display());
    files
}

/// One line of a recording.
pub(crate) fn event(name: &str, payload: &Value) -> String {
    let mut payload = payload.clone();
    let fields = payload.as_object_mut().unwrap();
    fields.entry("timestamp").or_insert(1_767_603_600_000_u64.into());
    fields.entry("sessionId").or_insert("ses_1".into());
    format!("{}\n", serde_json::json!({ "event": name, "payload": payload }))
}

/// Whether it was the clock on the wall that ended a plugin's call or start: what it came to with more time is not known, and
/// a machine on which much runs at once may give an isolate no time for seconds.
pub(crate) fn is_by_the_clock(reason: &str) -> bool {
    ["it did not answer", "it did not start", "it was past its time and could not be stopped"]
        .iter()
        .any(|words| reason.contains(words))
}
