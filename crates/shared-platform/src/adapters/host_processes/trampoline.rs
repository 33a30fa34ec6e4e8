use std::ffi::OsString;
use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
use super::plan::{BECOME, SUPERVISE, TRAMPOLINE_ARGUMENT};

/// Becomes the trampoline, and does not return, if this process was started as one by
/// [`HostProcesses`](crate::HostProcesses).
///
/// To be called first in `main`, before any thread exists: what confines a process binds its threads only from then on.
pub fn exec_main_if_requested() {
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
        [stage, folder] if stage == BECOME => super::inner::become_program(Path::new(folder)),
        _ => 2,
    }
}

/// The program that is started in front of others to confine them: one whose `main` begins with
/// [`exec_main_if_requested`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trampoline(pub(super) PathBuf);

impl Trampoline {
    /// This program.
    pub fn current_exe() -> Self {
        // On Linux the link leads to the running program even after an update has replaced the file
        let own = Path::new("/proc/self/exe");
        Self(if cfg!(target_os = "linux") { own.to_owned() } else { std::env::current_exe().unwrap_or_default() })
    }

    /// Another program.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self(program.into())
    }
}
