use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::process::Stdio;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::{Group, HostProcesses, LAST_OUTPUT};
use crate::{PlatformError, Shell, ShellOutput, ShellRequest};

/// Where there is a better shell than `sh`, people write for that one.
const SHELLS: [&str; 2] = ["bash", "sh"];

#[async_trait]
impl Shell for HostProcesses {
    async fn run_line(&self, request: ShellRequest) -> Result<ShellOutput, PlatformError> {
        let mut kept = Kept::new(request.keep);
        for shell in SHELLS {
            let started = start(self, shell, &request);
            match started {
                // A folder that is missing is said in the same way as a program: the next shell will say it too
                Err(error) if error.kind() == io::ErrorKind::NotFound && shell != SHELLS[SHELLS.len() - 1] => {}
                Err(source) => return Err(PlatformError::Start { program: shell.to_owned(), source }),
                Ok(started) => {
                    let ended = started.finish(&request, &mut kept).await;
                    let (exit_code, signal, is_timed_out) =
                        ended.map_err(|source| PlatformError::Start { program: shell.to_owned(), source })?;
                    let Kept { head, missing, tail, .. } = kept;
                    return Ok(ShellOutput { exit_code, signal, is_timed_out, head, missing, tail: tail.into() });
                }
            }
        }
        Err(PlatformError::Start { program: SHELLS[0].to_owned(), source: io::ErrorKind::NotFound.into() })
    }
}

struct Started {
    child: tokio::process::Child,
    group: Group,
    #[cfg(unix)]
    output: tokio::net::unix::pipe::Receiver,
}

fn start(host: &HostProcesses, shell: &str, request: &ShellRequest) -> io::Result<Started> {
    // Found by Mimir's own PATH if it was given none
    let path = request.env.get(OsStr::new("PATH")).cloned().or_else(|| std::env::var_os("PATH"));
    let mut command = host.command(shell.as_ref(), path.as_deref(), &request.cwd)?;
    command.arg("-c").arg(&request.command).current_dir(&request.cwd).env_clear().envs(&request.env);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    #[cfg(unix)]
    {
        // One pipe for both, so that what is said stays in its order
        let (reader, writer) = io::pipe()?;
        command.stdout(writer.try_clone()?).stderr(writer).process_group(0);
        let child = command.spawn()?;
        // Its end of the pipe closes with the command
        drop(command);
        let group = Group::of(&child);
        let output = tokio::net::unix::pipe::Receiver::from_owned_fd(reader.into())?;
        Ok(Started { child, group, output })
    }
    #[cfg(not(unix))]
    {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn()?;
        let group = Group::of(&child);
        Ok(Started { child, group })
    }
}

type Ended = (Option<i32>, Option<i32>, bool);

impl Started {
    #[cfg(unix)]
    async fn finish(mut self, request: &ShellRequest, kept: &mut Kept) -> io::Result<Ended> {
        let mut is_timed_out = false;
        {
            let reading = read(&mut self.output, kept);
            tokio::pin!(reading);
            let ended = async {
                tokio::select! {
                    // All that wrote have closed their ends, which a command may do long before it ends
                    read = &mut reading => { read?; self.group.ended().await.map(|()| true) }
                    ended = self.group.ended() => ended.map(|()| false),
                }
            };
            let is_read = match timeout(request.timeout, ended).await {
                Ok(is_read) => is_read?,
                Err(_) => {
                    is_timed_out = true;
                    false
                }
            };
            self.group.kill();
            if !is_read {
                // What is still in the pipe; a process that left the group may hold it open
                let _ = timeout(LAST_OUTPUT, reading).await;
            }
        }
        let status = self.child.wait().await?;
        self.group.forget();
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        Ok((status.code().filter(|_| !is_timed_out), signal.filter(|_| !is_timed_out), is_timed_out))
    }

    #[cfg(not(unix))]
    async fn finish(mut self, request: &ShellRequest, kept: &mut Kept) -> io::Result<Ended> {
        let (out, err) = (self.child.stdout.take(), self.child.stderr.take());
        let mut errors = Kept::new(request.keep / 2);
        let ended = timeout(request.timeout, async {
            let streams = async {
                tokio::try_join!(
                    async { if let Some(mut out) = out { read(&mut out, kept).await } else { Ok(()) } },
                    async { if let Some(mut err) = err { read(&mut err, &mut errors).await } else { Ok(()) } },
                )
            };
            streams.await?;
            self.child.wait().await
        })
        .await;
        let status = match ended {
            Ok(status) => Some(status?),
            Err(_) => {
                self.child.kill().await?;
                None
            }
        };
        kept.add(&errors.head);
        kept.missing += errors.missing;
        kept.add(errors.tail.make_contiguous());
        Ok((status.and_then(|status| status.code()), None, status.is_none()))
    }
}

async fn read(from: &mut (impl AsyncRead + Unpin), kept: &mut Kept) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match from.read(&mut buffer).await? {
            0 => return Ok(()),
            read => kept.add(&buffer[..read]),
        }
    }
}

/// The beginning and the end of a stream.
struct Kept {
    head: Vec<u8>,
    head_limit: usize,
    missing: u64,
    tail: VecDeque<u8>,
    tail_limit: usize,
}

impl Kept {
    fn new(limit: usize) -> Self {
        let tail_limit = limit / 3;
        Self { head: Vec::new(), head_limit: limit - tail_limit, missing: 0, tail: VecDeque::new(), tail_limit }
    }

    fn add(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(self.head_limit - self.head.len()));
        self.head.extend(head);
        self.tail.extend(rest);
        let surplus = self.tail.len().saturating_sub(self.tail_limit);
        self.tail.drain(..surplus);
        self.missing += surplus as u64;
    }
}
