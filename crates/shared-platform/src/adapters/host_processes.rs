#[cfg(target_os = "linux")]
mod confined;
#[cfg(target_os = "linux")]
mod inner;
#[cfg(target_os = "linux")]
mod plan;
mod programs;
mod shell;
#[cfg(target_os = "linux")]
mod sockets;
#[cfg(target_os = "linux")]
mod supervise;
#[cfg(target_os = "linux")]
mod system;
#[cfg(target_os = "linux")]
mod tether;
mod trampoline;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

pub use self::trampoline::{Trampoline, exec_main_if_requested};
use crate::{Guard, PlatformError, ProcessExecutor, ProcessOutput, ProcessRequest, ProgramRights};

/// Runs programs on this machine.
///
/// Everything starts through a [`Trampoline`], if one was given. For what plugins start (a request with rights) that is a
/// second program that confines itself and becomes the first, and one that stays beside it and ends all that came of it. For
/// everything else it is one that ends the program's group when this process has ended, also where it was killed.
#[derive(Debug, Clone)]
pub struct HostProcesses {
    env: BTreeMap<OsString, OsString>,
    trampoline: Option<Trampoline>,
}

/// What a program needs to find its files and to speak the user's language. Everything else that Mimir was started with
/// (keys, tokens, sockets of agents and desktops) stays with Mimir.
const KEPT: &[&str] = &["PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR"];
#[cfg(windows)]
const KEPT_HERE: &[&str] =
    &["SystemRoot", "ComSpec", "PATHEXT", "TEMP", "TMP", "USERPROFILE", "APPDATA", "LOCALAPPDATA"];
#[cfg(not(windows))]
const KEPT_HERE: &[&str] = &[];

/// How long output may still come after the program and its group are dead: only from a process that left the group.
const LAST_OUTPUT: Duration = Duration::from_millis(200);

/// How long the trampoline has to end everything once nobody listens any more.
#[cfg(target_os = "linux")]
const LAST_SWEEP: Duration = Duration::from_secs(6);

impl HostProcesses {
    /// Gives programs what `environment` has that every program may know.
    pub fn new(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self { env: environment.into_iter().filter(|(name, _)| is_kept(name)).collect(), trampoline: None }
    }

    /// Gives programs what every program may know of the environment that Mimir was started with.
    pub fn from_env() -> Self {
        Self::new(std::env::vars_os())
    }

    /// Confines programs that have rights, and ends the others with this process (on Linux). Without it they are watched over
    /// by their process group alone, which nobody ends if this process is killed.
    #[must_use]
    pub fn with_trampoline(self, trampoline: impl Into<Option<Trampoline>>) -> Self {
        Self { trampoline: trampoline.into(), ..self }
    }

    /// The program of a plugin, and the environment it gets: without `PATH` entries that the project could fill.
    fn find(&self, request: &ProcessRequest, rights: &ProgramRights) -> Result<Found, PlatformError> {
        let mut env = self.env.clone();
        let root = &rights.root.path;
        if rights.root.id.is_some() && programs::located(root).id != rights.root.id {
            return Err(start_error(request, io::Error::other("another folder stands where the project was")));
        }
        let folders = programs::clean_path(env.get(OsStr::new("PATH")).map_or(OsStr::new(""), |path| path), root);
        let home = env.get(OsStr::new("HOME")).map(PathBuf::from).and_then(|home| home.canonicalize().ok());
        let program = programs::find(&request.program, &folders, root, home.as_deref())?;
        env.insert("PATH".into(), std::env::join_paths(&folders).unwrap_or_default());
        env.extend(program.env.clone());
        env.extend(request.env.clone());
        Ok(Found { program, env })
    }

    /// A program with the user's rights, which ends with this process where there is a trampoline. `path` and `cwd` are what
    /// it is looked up by.
    fn command(&self, program: &OsStr, path: Option<&OsStr>, cwd: &Path) -> io::Result<Command> {
        match &self.trampoline {
            Some(trampoline) => Ok(trampoline.tethered(program, path, cwd)?.into()),
            None => Ok(Command::new(program)),
        }
    }

    async fn run_plain(
        &self,
        request: &ProcessRequest,
        program: &OsStr,
        env: &BTreeMap<OsString, OsString>,
    ) -> Result<ProcessOutput, PlatformError> {
        let path = request.env.get(OsStr::new("PATH")).or_else(|| env.get(OsStr::new("PATH")));
        let cwd = request.cwd.as_deref().unwrap_or(Path::new("."));
        let command = self.command(program, path.map(OsString::as_os_str), cwd);
        let mut command = command.map_err(|source| start_error(request, source))?;
        command.args(&request.args).env_clear().envs(env).envs(&request.env).kill_on_drop(true);
        command.stdin(if request.input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(cwd) = &request.cwd {
            command.current_dir(cwd);
        }
        #[cfg(unix)]
        command.process_group(0);

        let mut child = command.spawn().map_err(|source| start_error(request, source))?;
        // From here on the group dies with this future
        let mut group = Group::of(&child);
        let mut outputs = (Vec::new(), Vec::new());
        let finished = finish(&mut child, &mut group, request.input.as_deref(), request.output_limit, &mut outputs);
        let finished = timeout(request.timeout, finished).await;
        group.kill();
        outcome(request, finished, outputs)
    }
}

/// A program of a plugin, ready to start.
struct Found {
    program: programs::Program,
    env: BTreeMap<OsString, OsString>,
}

fn start_error(request: &ProcessRequest, source: io::Error) -> PlatformError {
    PlatformError::Start { program: request.program.to_string_lossy().into_owned(), source }
}

fn outcome(
    request: &ProcessRequest,
    finished: Result<Result<ExitStatus, Failed>, Elapsed>,
    outputs: (Vec<u8>, Vec<u8>),
) -> Result<ProcessOutput, PlatformError> {
    let what = || format!("`{}`", request.program.to_string_lossy());
    match finished {
        Ok(Ok(status)) => Ok(output(status, outputs)),
        Ok(Err(Failed::TooMuch)) => Err(PlatformError::TooLarge {
            what: format!("the output of {}", what()),
            limit: request.output_limit as u64,
        }),
        Ok(Err(Failed::Io(source))) => Err(start_error(request, source)),
        Err(_) => Err(PlatformError::TimedOut { what: what(), after: request.timeout }),
    }
}

fn is_kept(name: &OsStr) -> bool {
    if !Guard::ExecEnv.stands() {
        return true;
    }
    name.to_str().is_some_and(|name| KEPT.contains(&name) || KEPT_HERE.contains(&name) || name.starts_with("LC_"))
}

#[async_trait]
impl ProcessExecutor for HostProcesses {
    async fn run(&self, request: ProcessRequest) -> Result<ProcessOutput, PlatformError> {
        let Some(rights) = &request.rights else {
            return self.run_plain(&request, &request.program, &self.env).await;
        };
        let found = self.find(&request, rights)?;
        #[cfg(target_os = "linux")]
        if let Some(trampoline) = &self.trampoline {
            return confined::run(trampoline, &request, rights, found).await;
        }
        self.run_plain(&request, found.program.path.as_os_str(), &found.env).await
    }
}

enum Failed {
    TooMuch,
    Io(io::Error),
}

async fn finish(
    child: &mut Child,
    group: &mut Group,
    input: Option<&[u8]>,
    limit: usize,
    (stdout, stderr): &mut (Vec<u8>, Vec<u8>),
) -> Result<ExitStatus, Failed> {
    let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A program need not read all of its input
            let _ = stdin.write_all(input).await;
        }
        Ok(())
    };
    let streams = async { tokio::try_join!(feed, read(out, stdout, limit), read(err, stderr, limit)) };
    tokio::pin!(streams);
    let is_read = tokio::select! {
        read = &mut streams => { read?; true }
        ended = group.ended() => { ended.map_err(Failed::Io)?; false }
    };
    if is_read && cfg!(unix) {
        group.ended().await.map_err(Failed::Io)?;
    }
    group.kill();
    if !is_read && let Ok(read) = timeout(LAST_OUTPUT, streams).await {
        read?;
    }
    let status = child.wait().await.map_err(Failed::Io);
    group.forget();
    status
}

async fn read(pipe: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>, limit: usize) -> Result<(), Failed> {
    let Some(pipe) = pipe else { return Ok(()) };
    let mut pipe = pipe.take((limit as u64).saturating_add(1));
    pipe.read_to_end(into).await.map_err(Failed::Io)?;
    if into.len() > limit && Guard::ExecOutput.stands() { Err(Failed::TooMuch) } else { Ok(()) }
}

fn output(status: ExitStatus, (stdout, stderr): (Vec<u8>, Vec<u8>)) -> ProcessOutput {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal = None;
    ProcessOutput { exit_code: status.code(), signal, stdout, stderr, confined: None }
}

/// A program and the processes that it started, as far as they stayed in its group. Killed when dropped.
struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

#[cfg(unix)]
impl Group {
    fn of(child: &Child) -> Self {
        let leader = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        Self { leader }
    }

    /// Waits for the end of the leader without taking note of it: as a zombie it keeps its number, which can't be given
    /// to another process before the group is killed.
    async fn ended(&self) -> io::Result<()> {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        use tokio::signal::unix::{SignalKind, signal};
        let Some(leader) = self.leader else { return Ok(()) };
        // Before the first look, so that no end comes between the look and the wait
        let mut children = signal(SignalKind::child())?;
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while waitid(WaitId::Pid(leader), look)?.is_none() {
            children.recv().await;
        }
        Ok(())
    }

    fn kill(&self) {
        if let Some(leader) = self.leader {
            // Nobody left to kill is fine
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }

    /// The leader has been waited for: from now on its number may be somebody else's.
    fn forget(&mut self) {
        self.leader = None;
    }
}

/// Without process groups, `kill_on_drop` ends the program itself.
#[cfg(not(unix))]
impl Group {
    fn of(_: &Child) -> Self {
        Self {}
    }

    /// The output ends with the program, and is waited for first.
    async fn ended(&self) -> io::Result<()> {
        std::future::pending().await
    }

    fn kill(&self) {}

    fn forget(&mut self) {}
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
