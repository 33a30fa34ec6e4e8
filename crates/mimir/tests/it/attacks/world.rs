//! What surrounds an attack: a project, a home with keys in it, files outside of both, servers. And what has become of it.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use mimir_shared_platform::testing::DockerMachine;
use tempfile::TempDir;

use super::case::Case;
use super::server::Server;

/// The variable of Mimir's environment that holds a secret.
pub(super) const SECRET_VARIABLE: &str = "CANARY_TOKEN";
/// What Mimir itself writes beneath its own folder while plugins run. Everything else there is the user's.
const MIMIRS_OWN: [&str; 7] = ["audit", "audit-heads", "cache", "state", "storage", "known", "tmp"];

pub(super) struct World {
    folder: TempDir,
    /// A program with a path of its own, by which its processes are told from others'.
    pub(super) mimir: PathBuf,
    /// A text that stands nowhere else, for each place that holds a secret.
    pub(super) canaries: BTreeMap<&'static str, String>,
    pub(super) server: Server,
    pub(super) other: Server,
    before: Files,
    swapping: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
    /// Keeps a Docker engine going.
    docker: Option<tokio::runtime::Runtime>,
    /// Files that an arrangement itself goes on changing.
    restless: Vec<String>,
}

/// What lies in the world: paths beneath it, and what can be said of each.
type Files = BTreeMap<String, Vec<u8>>;

impl World {
    /// The world of a case, as its header arranges it.
    pub(super) fn of(case: &Case) -> Self {
        let folder = TempDir::new().unwrap();
        let random = RandomState::new();
        let canary = |place| (place, format!("canary-{place}-{:016x}", random.hash_one(place)));
        let mut world = Self {
            mimir: folder.path().join("mimir"),
            folder,
            canaries: ["outside", "key", "env-file", "git", "environment"].map(canary).into(),
            server: Server::start(),
            other: Server::start(),
            before: Files::new(),
            swapping: None,
            docker: None,
            restless: Vec::new(),
        };
        let built = Path::new(env!("CARGO_BIN_EXE_mimir"));
        fs::hard_link(built, &world.mimir).or_else(|_| fs::copy(built, &world.mimir).map(drop)).unwrap();
        for empty in ["home", "tmp", "project/.git/hooks", "project/.mimir", "project/src"] {
            fs::create_dir_all(world.path(empty)).unwrap();
        }
        for (path, canary) in [
            ("outside/secret.txt", "outside"),
            (".ssh/id_ed25519", "key"),
            ("project/.env", "env-file"),
            ("project/.git/config", "git"),
        ] {
            let text = format!("{}\n", world.canaries[canary]);
            let text = if canary == "git" { format!("[core]\n\tbare = false\n# {text}") } else { text };
            world.write(path, &text);
        }
        world.write("project/README.md", "# A project\n");
        world.write("project/src/main.ts", "console.log('hello')\n");
        world.arrange(case);
        world.before = world.files();
        world
    }

    fn arrange(&mut self, case: &Case) {
        let plugin = case.plugin();
        let file = format!("index.{}", case.name.rsplit_once('.').unwrap().1);
        let mut manifest = self.filled(case.value("manifest").unwrap_or_default());
        for (key, line) in [
            ("main", format!("main: {file}")),
            ("events", format!("events: [{}]", super::run::event_of(case).0)),
            ("version", "version: 1.0.0".to_owned()),
            ("name", "name: attacker".to_owned()),
        ] {
            if !manifest.lines().any(|line| line.starts_with(&format!("{key}:"))) {
                manifest = format!("{line}\n{manifest}");
            }
        }
        self.write(&format!("{plugin}/plugin.yml"), &format!("{manifest}\n"));
        self.write(&format!("{plugin}/{file}"), &case.module);
        for (key, path) in
            [("config", "project/.mimir/config.yml"), ("user-config", "home/config.yml"), ("policy", "policy.yml")]
        {
            if let Some(text) = case.value(key) {
                self.write(path, &format!("{}\n", self.filled(text)));
            }
        }
        let lines: Vec<String> = case.lines("setup").map(|line| self.filled(line)).collect();
        for line in lines {
            self.step(&line, case);
        }
    }

    /// One line of `setup`.
    fn step(&mut self, line: &str, case: &Case) {
        if let Some(arguments) = line.strip_prefix("$ mimir ") {
            let ran = super::run::command(self, None).args(arguments.split_whitespace()).output().unwrap();
            assert!(ran.status.success(), "{}: {line}: {}", case.name, String::from_utf8_lossy(&ran.stderr));
        } else if let Some((path, target)) = line.split_once(" -> ") {
            let link = self.path(path);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(target, link).unwrap();
        } else if let Some((path, bytes)) = line.split_once(" = ") {
            self.write(path, "");
            let bytes = bytes.strip_suffix(" bytes").and_then(|bytes| bytes.parse().ok());
            let file = fs::File::options().write(true).open(self.path(path)).unwrap();
            file.set_len(bytes.unwrap_or_else(|| panic!("{}: {line}: `PATH = NUMBER bytes`", case.name))).unwrap();
        } else if let Some((path, text)) = line.split_once(": ") {
            self.write(path, &text.replace("\\n", "\n"));
            if text.starts_with("#!") {
                fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o755)).unwrap();
            }
        } else {
            for name in line.split(',').map(str::trim) {
                self.named(name, case);
            }
        }
    }

    /// The arrangements that have a name.
    fn named(&mut self, name: &str, case: &Case) {
        match name {
            "link-out" => symlink("../outside", self.path("project/link-out")).unwrap(),
            "pipe" => {
                assert!(Command::new("mkfifo").arg(self.path("project/pipe")).status().unwrap().success());
            }
            // Bound is enough: it stays when the listener is gone
            "socket" => drop(UnixListener::bind(self.path("project/socket")).unwrap()),
            "hard-link" => fs::hard_link(self.path("outside/secret.txt"), self.path("project/shared.txt")).unwrap(),
            "docker" => self.docker = Some(docker(&self.path("docker.sock"))),
            "swapped-link" => self.swap(),
            "open-stores" => {
                for store in fs::read_dir(self.path("home")).unwrap().map(|entry| entry.unwrap().path()) {
                    if store.extension().is_some_and(|ending| ending == "json") {
                        fs::set_permissions(store, fs::Permissions::from_mode(0o666)).unwrap();
                    }
                }
            }
            _ => panic!("{}: there is no arrangement `{name}`", case.name),
        }
    }

    /// `project/swapped` is the folder `src` and the folder outside in turn, as fast as it goes.
    fn swap(&mut self) {
        let (link, next) = (self.path("project/swapped"), self.path("project/swapped-next"));
        symlink("src", &link).unwrap();
        fs::copy(self.path("project/README.md"), self.path("project/src/secret.txt")).unwrap();
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for target in ["../outside", "src"] {
                    symlink(target, &next).unwrap();
                    fs::rename(&next, &link).unwrap();
                }
            }
        });
        self.swapping = Some((stop, thread));
        self.restless = vec!["project/swapped".to_owned(), "project/swapped-next".to_owned()];
    }

    pub(super) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// A text of the header with what differs from world to world put in.
    pub(super) fn filled(&self, text: &str) -> String {
        let path = |path| self.path(path).display().to_string();
        [
            ("{port}", self.server.port.to_string()),
            ("{port2}", self.other.port.to_string()),
            ("{outside}", path("outside")),
            ("{project}", path("project")),
            ("{home}", path("home")),
            ("{world}", self.root().display().to_string()),
            ("{secret}", self.canaries["environment"].clone()),
        ]
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// Ends what an arrangement has going.
    pub(super) fn rest(&mut self) {
        if let Some((stop, thread)) = self.swapping.take() {
            stop.store(true, Ordering::Relaxed);
            thread.join().unwrap();
        }
    }

    fn files(&self) -> Files {
        let mut files = Files::new();
        let mut folders = vec![self.root().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                let name = path.strip_prefix(self.root()).unwrap().to_string_lossy().into_owned();
                // What is swapped in the world may be gone at this moment
                let metadata = match entry.metadata() {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    metadata => metadata.unwrap(),
                };
                let mode = metadata.permissions().mode();
                let content = if metadata.is_symlink() {
                    fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
                } else if metadata.is_dir() {
                    folders.push(path);
                    Vec::new()
                } else if metadata.is_file() && path != self.mimir && metadata.len() < 1 << 20 {
                    fs::read(&path).unwrap_or_default()
                } else {
                    metadata.len().to_string().into_bytes()
                };
                files.insert(name, [mode.to_string().as_bytes(), b" ", &content].concat());
            }
        }
        files
    }

    /// What has changed since the run began: the path, and what lies there now if anything does.
    pub(super) fn changed(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let after = self.files();
        let paths = self.before.keys().chain(after.keys());
        let changed = paths.filter(|path| self.before.get(*path) != after.get(*path) && !self.restless.contains(path));
        changed.map(|path| (path.clone(), after.get(path).cloned())).collect()
    }
}

/// Something that speaks as a Docker engine does, at `socket`. Its containers run no program.
fn docker(socket: &Path) -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let images = ["docker.io/library/node:22", "docker.io/evil/node:22"];
    runtime.block_on(async { DockerMachine::listen(socket, &images) }).unwrap();
    runtime
}

impl Drop for World {
    fn drop(&mut self) {
        self.rest();
    }
}

/// Whether a plugin may never change this path, whatever it is granted.
pub(super) fn is_closed(path: &str) -> bool {
    let inside = |folder: &str| path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    if inside("project") {
        return inside("project/.git") || inside("project/.mimir");
    }
    let mimirs_own = path
        .strip_prefix("home/")
        .is_some_and(|rest| MIMIRS_OWN.iter().any(|own| rest.split(['/', '.']).next() == Some(own)));
    !(mimirs_own || inside("tmp"))
}
