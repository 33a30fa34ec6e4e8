use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::{PlatformError, ProcessExecutor, ProcessOutput, ProcessRequest};

/// Runs programs on this machine.
#[derive(Debug, Clone)]
pub struct HostProcesses {
    env: BTreeMap<OsString, OsString>,
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

impl HostProcesses {
    /// Gives programs what `environment` has that every program may know.
    pub fn new(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self { env: environment.into_iter().filter(|(name, _)| is_kept(name)).collect() }
    }

    /// Gives programs what every program may know of the environment that Mimir was started with.
    pub fn from_env() -> Self {
        Self::new(std::env::vars_os())
    }
}

fn is_kept(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| KEPT.contains(&name) || KEPT_HERE.contains(&name) || name.starts_with("LC_"))
}

#[async_trait]
impl ProcessExecutor for HostProcesses {
    async fn run(&self, request: ProcessRequest) -> Result<ProcessOutput, PlatformError> {
        let program = request.program.to_string_lossy().into_owned();
        let at = |source| PlatformError::Start { program: program.clone(), source };
        let mut command = Command::new(&request.program);
        command.args(&request.args).env_clear().envs(&self.env).envs(&request.env).kill_on_drop(true);
        command.stdin(if request.input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(cwd) = &request.cwd {
            command.current_dir(cwd);
        }
        #[cfg(unix)]
        command.process_group(0);

        let mut child = command.spawn().map_err(at)?;
        // From here on the group dies with this future
        let mut group = Group::of(&child);
        let mut outputs = (Vec::new(), Vec::new());
        let finished = timeout(request.timeout, finish(&mut child, &mut group, &request, &mut outputs)).await;
        group.kill();
        match finished {
            Ok(Ok(status)) => Ok(output(status, outputs)),
            Ok(Err(Failed::TooMuch)) => {
                let what = format!("the output of `{program}`");
                Err(PlatformError::TooLarge { what, limit: request.output_limit as u64 })
            }
            Ok(Err(Failed::Io(source))) => Err(at(source)),
            Err(_) => Err(PlatformError::TimedOut { what: format!("`{program}`"), after: request.timeout }),
        }
    }
}

enum Failed {
    TooMuch,
    Io(std::io::Error),
}

async fn finish(
    child: &mut Child,
    group: &mut Group,
    request: &ProcessRequest,
    (stdout, stderr): &mut (Vec<u8>, Vec<u8>),
) -> Result<ExitStatus, Failed> {
    let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let (Some(mut stdin), Some(input)) = (stdin, &request.input) {
            // A program need not read all of its input
            let _ = stdin.write_all(input).await;
        }
        Ok(())
    };
    let streams = async {
        tokio::try_join!(feed, read(out, stdout, request.output_limit), read(err, stderr, request.output_limit))
    };
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
    if into.len() > limit { Err(Failed::TooMuch) } else { Ok(()) }
}

fn output(status: ExitStatus, (stdout, stderr): (Vec<u8>, Vec<u8>)) -> ProcessOutput {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal = None;
    ProcessOutput { exit_code: status.code(), signal, stdout, stderr }
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
    async fn ended(&self) -> std::io::Result<()> {
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
    async fn ended(&self) -> std::io::Result<()> {
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
