use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mimir_shared_platform::Trampoline;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How much of what a server wrote to standard error is kept, in bytes: the end of it.
const TAIL: usize = 4_096;
/// How long a dead server's standard error is listened to.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A server's program, in a process group of its own. When this is dropped, the whole group is killed.
pub(in crate::mcp) struct ServerProcess {
    child: Child,
    group: Option<Pid>,
    said: Arc<Mutex<Vec<u8>>>,
    listening: JoinHandle<()>,
}

/// What the program is talked to through.
pub(in crate::mcp) struct Streams {
    pub(in crate::mcp) input: ChildStdin,
    pub(in crate::mcp) output: ChildStdout,
}

impl ServerProcess {
    /// Starts the program with the user's rights, and with this environment alone. With a trampoline it ends with this
    /// process, also where this process is killed.
    pub(in crate::mcp) fn start(
        command: &str,
        args: &[String],
        env: &BTreeMap<OsString, OsString>,
        cwd: &Path,
        trampoline: Option<&Trampoline>,
    ) -> io::Result<(Self, Streams)> {
        let path = env.get(OsStr::new("PATH")).map(OsString::as_os_str);
        let mut program: Command = match trampoline {
            Some(trampoline) => trampoline.tethered(command.as_ref(), path, cwd)?.into(),
            None => Command::new(command),
        };
        let mut child = program
            .args(args)
            .env_clear()
            .envs(env)
            .current_dir(cwd)
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let missing = || io::Error::other("it has no standard streams");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let errors = child.stderr.take().ok_or_else(missing)?;
        let said = Arc::default();
        let listening = tokio::spawn(listen(errors, Arc::clone(&said)));
        Ok((Self { child, group, said, listening }, Streams { input, output }))
    }

    /// Kills the whole group, waits until its leader is gone, and gives the end of what it wrote to standard error.
    pub(in crate::mcp) async fn end(mut self) -> String {
        self.kill();
        // It is dead: there is nothing to learn from how it ended
        let _ = self.child.wait().await;
        // What it wrote last may still be on its way. Who left the group may hold the stream open for ever
        let _ = timeout(LAST_WORDS, &mut self.listening).await;
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&said).into_owned()
    }

    /// The leader was not waited for, so its number still stands for this group.
    fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn listen(mut errors: ChildStderr, said: Arc<Mutex<Vec<u8>>>) {
    let mut piece = vec![0; TAIL];
    while let Ok(length @ 1..) = errors.read(&mut piece).await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(&piece[..length]);
        let surplus = said.len().saturating_sub(TAIL);
        said.drain(..surplus);
    }
}
