use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(target_os = "linux")]
use super::plan::{BECOME, SUPERVISE, TETHER, TRAMPOLINE_ARGUMENT};

/// Whether this program can be started as a trampoline.
static IS_FIRST_IN_MAIN: AtomicBool = AtomicBool::new(false);

/// Becomes the trampoline, and does not return, if this process was started as one by
/// [`HostProcesses`](crate::HostProcesses).
///
/// To be called first in `main`, before any thread exists: what confines a process binds its threads only from then on.
pub fn exec_main_if_requested() {
    IS_FIRST_IN_MAIN.store(true, Ordering::Relaxed);
    #[cfg(target_os = "linux")]
    {
        let mut arguments = std::env::args_os().skip(1);
        if arguments.next().is_some_and(|argument| argument == TRAMPOLINE_ARGUMENT) {
            std::process::exit(main(&arguments.collect::<Vec<_>>()));
        }
    }
}

#[cfg(target_os = "linux")]
fn main(arguments: &[OsString]) -> i32 {
    let number = |text: &OsString| text.to_str().and_then(|text| text.parse().ok());
    match arguments {
        [stage, folder, processes, sweeps] if stage == SUPERVISE => match number(processes) {
            Some(processes) => super::supervise::supervise(Path::new(folder), processes, sweeps == "sweep"),
            None => 2,
        },
        [stage, program, arguments @ ..] if stage == TETHER => super::tether::tether(program, arguments),
        [stage, folder] if stage == BECOME => super::inner::become_program(Path::new(folder)),
        _ => 2,
    }
}

/// The program that is started in front of others, to confine them or to end them with this process: one whose `main` begins
/// with [`exec_main_if_requested`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trampoline(pub(super) PathBuf);

impl Trampoline {
    /// This program.
    pub fn current_exe() -> Self {
        // On Linux the link leads to the running program even after an update has replaced the file
        let own = Path::new("/proc/self/exe");
        Self(if cfg!(target_os = "linux") { own.to_owned() } else { std::env::current_exe().unwrap_or_default() })
    }

    /// This program, if its `main` began with [`exec_main_if_requested`].
    pub fn ours() -> Option<Self> {
        IS_FIRST_IN_MAIN.load(Ordering::Relaxed).then(Self::current_exe)
    }

    /// Another program.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self(program.into())
    }

    /// A program with the user's rights that ends when this process has ended, however that happened, and all of its group
    /// with it. Whoever starts it adds arguments and an environment, makes it the leader of a process group, gives it a pipe
    /// for standard output and reads that until it has ended: it ends as well when nobody reads any more. `path` (of its
    /// environment) and `cwd` are what it is looked up by.
    ///
    /// On Linux alone; elsewhere it is the program itself.
    ///
    /// # Errors
    /// If there is no such program, or it can't be run.
    pub fn tethered(&self, program: &OsStr, path: Option<&OsStr>, cwd: &Path) -> io::Result<Command> {
        #[cfg(target_os = "linux")]
        {
            super::tether::look_up(program, path, cwd)?;
            let mut command = Command::new(&self.0);
            command.args([TRAMPOLINE_ARGUMENT, TETHER]).arg(program);
            Ok(command)
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = (path, cwd);
            Ok(Command::new(program))
        }
    }
}
