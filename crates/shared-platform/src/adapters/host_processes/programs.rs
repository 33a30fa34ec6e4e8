//! Where a program lies, and what is installed with it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use super::super::os_file_system::id_of;
use crate::{Guard, Located, PlatformError};

/// How many links a program's path may have, and how many interpreters stand before it.
const HOPS: usize = 8;

/// Folders of installed software beside the one with programs, as far as they hold no one's keys. (`~/.cargo` has
/// `credentials.toml` beside `bin`, so the folder above is never granted itself.)
const SIBLINGS: &[&str] = &[
    "bin",
    "lib",
    "lib64",
    "libexec",
    "include",
    "share",
    "shims",
    "version",
    "versions",
    "toolchains",
    "tools",
    "installs",
    "plugins",
    "pyvenv.cfg",
];
/// The same for `~/.local`, which is a person's folder as well.
const LOCAL_SIBLINGS: &[&str] = &["lib", "lib64", "libexec"];

/// Managers of versions: the folder of their stand-ins, the variable that says where the rest is, and that.
const MANAGERS: &[(&str, &str, &str, &[&str])] = &[
    (".cargo/bin", "RUSTUP_HOME", ".rustup", &["toolchains", "settings.toml"]),
    (".volta/bin", "VOLTA_HOME", ".volta", &["bin", "tools", "hooks.json"]),
    (".asdf/shims", "ASDF_DATA_DIR", ".asdf", &["bin", "lib", "installs", "plugins", "shims", "asdf.sh"]),
];

/// A program that was found, once: what is checked is what is started.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// Absolute. Not resolved any further: programs look at the name by which they are called.
    pub(super) path: PathBuf,
    /// The file that this leads to.
    pub(super) file: Located,
    /// What it needs beside itself to start.
    pub(super) installation: Vec<Located>,
    /// Variables that its version manager needs, since it has another home.
    pub(super) env: BTreeMap<OsString, OsString>,
}

/// The entries of a `PATH` that are absolute, exist and do not lie in `root`, links resolved.
pub(super) fn clean_path(path: &OsStr, root: &Path) -> Vec<PathBuf> {
    if !Guard::ExecProgram.stands() {
        return std::env::split_paths(path).collect();
    }
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in std::env::split_paths(path) {
        if !folder.is_absolute() || folder.components().any(|part| part == Component::ParentDir) {
            continue;
        }
        let Ok(real) = folder.canonicalize() else { continue };
        if real.is_dir() && !real.starts_with(root) && !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

/// Finds `program`: a name on the cleaned `path`, an absolute path outside `root`, or a path relative to `root` that does
/// not leave it.
pub(super) fn find(
    program: &OsStr,
    path: &[PathBuf],
    root: &Path,
    home: Option<&Path>,
) -> Result<Program, PlatformError> {
    let missing = |kind: io::ErrorKind| PlatformError::Start {
        program: program.to_string_lossy().into_owned(),
        source: kind.into(),
    };
    let asked = Path::new(program);
    let is_name = asked.components().count() == 1 && !program.to_string_lossy().contains(std::path::is_separator);
    let is_relative = !is_name && asked.is_relative();
    let found = if is_name {
        if matches!(asked.components().next(), Some(Component::Normal(_))) {
            path.iter().map(|folder| folder.join(program)).find(|file| is_executable(file))
        } else {
            None
        }
    } else {
        Some(root.join(asked))
    };
    let found = found.ok_or_else(|| missing(io::ErrorKind::NotFound))?;
    let real = found.canonicalize().map_err(|error| missing(error.kind()))?;
    let lies_inside = real.starts_with(root);
    if Guard::ExecProgram.stands() && lies_inside != is_relative {
        return Err(match lies_inside {
            true => PlatformError::ProgramInside { program: found },
            false => PlatformError::Outside { path: real, root: root.to_owned() },
        });
    }
    if !is_executable(&found) {
        return Err(missing(io::ErrorKind::PermissionDenied));
    }
    let mut installation = Installation { path, home, root, found: Vec::new(), env: BTreeMap::new() };
    let file = located(&real);
    if lies_inside {
        installation.add_known(&real);
    } else {
        installation.add(&found, HOPS);
    }
    Ok(Program { path: found, file, installation: installation.found, env: installation.env })
}

/// What stands at a path without links. If it is a link by now, nothing will be found there.
pub(super) fn located(path: &Path) -> Located {
    let id = fs::symlink_metadata(path).ok().and_then(|found| id_of(&found));
    Located { path: path.to_owned(), id }
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file() || file.with_extension("exe").is_file()
}

struct Installation<'a> {
    path: &'a [PathBuf],
    home: Option<&'a Path>,
    root: &'a Path,
    found: Vec<Located>,
    env: BTreeMap<OsString, OsString>,
}

impl Installation<'_> {
    /// What a file of the project names as its interpreter, if that is a program on the `PATH`: the file is whatever the
    /// repository brings or another program has written, so it has no word in what is opened, and no link is followed
    /// for it.
    fn add_known(&mut self, script: &Path) {
        let Some(interpreter) = interpreter(script) else { return };
        if !Guard::ExecInterpreter.stands() {
            return self.beside(&interpreter);
        }
        let Some(name) = interpreter.file_name() else { return };
        let known = self.path.iter().map(|folder| folder.join(name)).find(|file| is_executable(file));
        let Some(known) = known else { return };
        let is_meant = interpreter.is_relative() || known.canonicalize().ok() == interpreter.canonicalize().ok();
        if is_meant {
            self.add(&known, HOPS);
        }
    }

    /// Follows links and interpreters, each with what lies beside it. They are installed, so they are believed.
    fn add(&mut self, file: &Path, hops: usize) {
        // Not one that only leads to a program by way of the project, where links change
        let is_outside = |path: &Path| path.canonicalize().is_ok_and(|real| !real.starts_with(self.root));
        if hops == 0 || file.starts_with(self.root) || !is_outside(file) || !is_executable(file) {
            return;
        }
        self.beside(file);
        if let Ok(target) = fs::read_link(file) {
            let target = file.parent().unwrap_or(file).join(target);
            // Its folder as it really is, so that what lies beside it is what is granted
            let folder = target.parent().and_then(|folder| folder.canonicalize().ok());
            let (Some(folder), Some(name)) = (folder, target.file_name()) else { return };
            return self.add(&folder.join(name), hops - 1);
        }
        // The file itself: its folder may be reached through a link
        if let Ok(real) = file.canonicalize().filter_different(file) {
            self.beside(&real);
        }
        if let Some(interpreter) = interpreter(file) {
            let interpreter = if interpreter.is_absolute() {
                Some(interpreter)
            } else {
                self.path.iter().map(|folder| folder.join(&interpreter)).find(|file| is_executable(file))
            };
            if let Some(interpreter) = interpreter {
                self.add(&interpreter, hops - 1);
            }
        }
    }

    fn beside(&mut self, file: &Path) {
        // What lies in the project is granted by the plugin's rights over files, the program alone by its name
        if file.starts_with(self.root) {
            return;
        }
        let Some(folder) = file.parent() else { return };
        let home = self.home;
        let is_personal = |folder: &Path| home.is_some_and(|home| home.starts_with(folder));
        if is_personal(folder) || self.root.starts_with(folder) {
            return self.grant(file);
        }
        self.grant(folder);
        let Some(prefix) = folder.parent() else { return };
        let is_programs = ["bin", "sbin", "libexec", "shims"].iter().any(|name| folder.ends_with(name));
        if !is_programs || prefix.parent().is_none() {
            return;
        }
        let is_local = home.is_some_and(|home| prefix == home.join(".local"));
        if !is_personal(prefix) {
            let siblings = if is_local { LOCAL_SIBLINGS } else { SIBLINGS };
            siblings.iter().for_each(|sibling| self.grant(&prefix.join(sibling)));
        }
        let Some(home) = home else { return };
        for (stand_ins, variable, rest, parts) in MANAGERS {
            if folder == home.join(stand_ins) {
                let rest = home.join(rest);
                parts.iter().for_each(|part| self.grant(&rest.join(part)));
                self.env.insert((*variable).into(), rest.into());
            }
        }
    }

    fn grant(&mut self, path: &Path) {
        // As it really is, so that a link that comes to stand there later leads nowhere
        let Ok(path) = path.canonicalize() else { return };
        let holds = |folder: &Path| folder.starts_with(&path);
        if self.found.iter().any(|found| found.path == path)
            || path.starts_with(self.root)
            || holds(self.root)
            || self.home.is_some_and(holds)
        {
            return;
        }
        self.found.push(located(&path));
    }
}

trait FilterDifferent: Sized {
    fn filter_different(self, from: &Path) -> Self;
}

impl FilterDifferent for io::Result<PathBuf> {
    fn filter_different(self, from: &Path) -> Self {
        self.and_then(|path| if path == from { Err(io::ErrorKind::AlreadyExists.into()) } else { Ok(path) })
    }
}

/// What a script names in its first line; for `env`, whom that looks for.
fn interpreter(file: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    fs::File::open(file).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_whitespace();
    let program = Path::new(words.next()?);
    if program.ends_with("env") {
        return words.find(|word| !word.starts_with('-') && !word.contains('=')).map(PathBuf::from);
    }
    program.is_absolute().then(|| program.to_owned())
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct World(tempfile::TempDir);

    impl World {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn at(&self, path: &str) -> PathBuf {
            self.0.path().canonicalize().unwrap().join(path)
        }

        fn program(&self, path: &str, text: &str) {
            let file = self.at(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }

        fn find(&self, program: &str, path: &[&str]) -> Result<Program, String> {
            let joined = std::env::join_paths(path.iter().map(|folder| match *folder {
                folder if folder.starts_with("./") => PathBuf::from(folder),
                folder => self.at(folder),
            }));
            let (root, home) = (self.at("project"), self.at("home"));
            let folders = clean_path(&joined.unwrap(), &root);
            let program = match program.strip_prefix('@') {
                Some(absolute) => self.at(absolute).into_os_string(),
                None => program.into(),
            };
            find(&program, &folders, &root, Some(&home)).map_err(|error| match error {
                PlatformError::ProgramInside { .. } => "inside".to_owned(),
                PlatformError::Outside { .. } => "outside".to_owned(),
                PlatformError::Start { source, .. } => source.kind().to_string(),
                other => other.to_string(),
            })
        }
    }

    #[test]
    fn a_program_is_found_outside_the_project_or_by_its_path_inside() {
        let world = World::new();
        for program in ["project/tool", "project/bin/tool", "project/only", "usr/tool", "usr/other", "elsewhere/x"] {
            world.program(program, "");
        }
        fs::write(world.at("usr/plain"), "").unwrap();
        symlink(world.at("project/bin"), world.at("path-link")).unwrap();
        symlink(world.at("project/tool"), world.at("usr/leads-in")).unwrap();
        symlink(world.at("usr/tool"), world.at("project/leads-out")).unwrap();
        symlink("tool", world.at("project/alias")).unwrap();
        let path = ["./bin", "project/bin", "path-link", "missing", "project/../project/bin", "usr"];
        let check = |program: &str, expected: Result<&str, &str>| {
            let found = world.find(program, &path).map(|found| found.path);
            assert_eq!(found, expected.map(|path| world.at(path)).map_err(str::to_owned), "{program}");
        };
        check("tool", Ok("usr/tool"));
        check("other", Ok("usr/other"));
        check("only", Err("entity not found"));
        check("plain", Err("entity not found"));
        check("leads-in", Err("inside"));
        check("..", Err("entity not found"));
        check("@usr/tool", Ok("usr/tool"));
        check("@project/tool", Err("inside"));
        check("@missing", Err("entity not found"));
        check("./tool", Ok("project/tool"));
        check("bin/tool", Ok("project/bin/tool"));
        check("./alias", Ok("project/alias"));
        check("./leads-out", Err("outside"));
        check("../elsewhere/x", Err("outside"));
        check("./missing", Err("entity not found"));
    }

    #[test]
    fn what_is_installed_with_a_program_is_found() {
        let world = World::new();
        world.program("home/.nvm/versions/node/v22/bin/node", "");
        world.program("home/.nvm/versions/node/v22/lib/cli.js", "#!/usr/bin/env node\n");
        symlink("../lib/cli.js", world.at("home/.nvm/versions/node/v22/bin/cli")).unwrap();
        world.program("home/.cargo/bin/rustfmt", "");
        world.program("home/.cargo/credentials.toml", "");
        world.program("home/.rustup/toolchains/stable/bin/rustfmt", "");
        world.program("home/bin/mine", "");
        world.program("home/loose", "");
        world.program("home/.local/bin/ruff", "");
        world.program("home/.local/share/keyrings/login", "");
        world.program("home/.local/lib/python/x", "");
        world.program("venv/bin/python", "");
        world.program("venv/lib/site", "");
        let script = format!("#!{}\n", world.at("venv/bin/python").display());
        world.program("home/.local/share/tools/black/bin/black", &script);
        symlink(world.at("home/.local/share/tools/black/bin/black"), world.at("home/.local/bin/black")).unwrap();
        let check = |program: &str, expected: &[&str]| {
            let folders = ["home/.nvm/versions/node/v22/bin", "home/.cargo/bin", "home/bin", "home/.local/bin", "home"];
            let found = world.find(program, &folders).unwrap().installation;
            let mut found: Vec<_> = found.into_iter().map(|found| found.path).collect();
            found.sort();
            let mut expected: Vec<_> = expected.iter().map(|path| world.at(path)).collect();
            expected.sort();
            assert_eq!(found, expected, "{program}");
        };
        let node = ["home/.nvm/versions/node/v22/bin", "home/.nvm/versions/node/v22/lib"];
        check("node", &node);
        check("cli", &node);
        check("rustfmt", &["home/.cargo/bin", "home/.rustup/toolchains"]);
        check("mine", &["home/bin"]);
        check("loose", &["home/loose"]);
        check("ruff", &["home/.local/bin", "home/.local/lib"]);
        symlink(world.at("home"), world.at("home-link")).unwrap();
        let black = ["home/.local/bin", "home/.local/lib", "home/.local/share/tools/black/bin", "venv/bin", "venv/lib"];
        check("black", &black);
    }

    #[test]
    fn a_file_of_the_project_has_no_word_in_what_is_opened() {
        let world = World::new();
        world.program("home/.nvm/bin/node", "");
        world.program("home/.nvm/lib/x", "");
        world.program("home/.ssh/id", "");
        world.program("home/.config/tool/bin/node", "");
        world.program("project/own", "");
        symlink(world.at("home/.ssh/id"), world.at("project/leads-out")).unwrap();
        symlink(world.at("home/.nvm/bin/node"), world.at("project/leads-to-node")).unwrap();
        let check = |first_line: &str, expected: &[&str]| {
            world.program("project/tool", &first_line.replace('@', &world.at("").to_string_lossy()));
            let found = world.find("./tool", &["home/.nvm/bin"]).unwrap();
            let expected: Vec<_> = expected.iter().map(|path| world.at(path)).collect();
            let installation: Vec<_> = found.installation.into_iter().map(|found| found.path).collect();
            assert_eq!(installation, expected, "{first_line}");
            assert_eq!((found.file.path, found.file.id.is_some()), (world.at("project/tool"), true));
        };
        let node = ["home/.nvm/bin", "home/.nvm/lib"];
        check("#!/usr/bin/env node\n", &node);
        check("#!/usr/bin/env -S node --flag\n", &node);
        check("#!@home/.nvm/bin/node\n", &node);
        // A link that leads to an installed program opens that, not what the link says
        check("#!@project/leads-to-node\n", &[]);
        check("#!/usr/bin/env -S -u @home/.ssh/x sh\n", &[]);
        check("#!/usr/bin/env -S -u @home/.ssh/id sh\n", &[]);
        check("#!@home/.ssh/id\n", &[]);
        check("#!@home/.ssh/missing\n", &[]);
        check("#!@home/.config/tool/bin/node\n", &[]);
        check("#!@project/own\n", &[]);
        check("#!@project/leads-out\n", &[]);
        check("#!/usr/bin/env @project/leads-out\n", &[]);
        check("text\n", &[]);
    }

    #[test]
    fn what_is_installed_is_opened_as_it_really_is() {
        let world = World::new();
        world.program("home/bin/mine", "");
        world.program("home/loose", "");
        fs::create_dir_all(world.at("home/.ssh")).unwrap();
        fs::create_dir_all(world.at("project")).unwrap();
        symlink(world.at("home"), world.at("link")).unwrap();
        symlink(world.at("project/to-bin"), world.at("by-project")).unwrap();
        symlink(world.at("home/bin"), world.at("project/to-bin")).unwrap();
        let check = |program: &str, folder: &str, expected: &[&str]| {
            let found = world.find(program, &[folder]).unwrap();
            let expected: Vec<_> = expected.iter().map(|path| world.at(path)).collect();
            assert_eq!(
                found.installation.into_iter().map(|found| found.path).collect::<Vec<_>>(),
                expected,
                "{program}"
            );
        };
        // Never the whole of the user's folder, by whatever name
        check("loose", "link", &["home/loose"]);
        check("mine", "link/bin", &["home/bin"]);
        check("mine", "by-project", &["home/bin"]);
    }
}
