use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::bundle::protocol::{BundleRequest, Bundled, CHILD_ARGUMENT, NESTING_NOTE, Response};
use crate::error::{LoadError, Problem};
use crate::ports::Bundler;

/// What one run of the bundler may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BundlerLimits {
    /// From start to answer.
    pub time: Duration,
    /// Bytes of the answer: the bundle, its source map and the list of its inputs.
    pub output: u64,
}

impl Default for BundlerLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(20), output: 64 << 20 }
    }
}

/// The bundler in a process of its own, one for each plugin: it reads what nobody has looked at yet, and its parser can
/// be made to overflow its stack, so it sees one folder, has no environment, and may die.
#[derive(Debug, Clone)]
pub struct BundlerProcess {
    program: PathBuf,
    limits: BundlerLimits,
}

impl BundlerProcess {
    /// Starts this program again. It must call [`crate::bundler_main_if_requested`] first in its `main`.
    pub fn current_exe() -> Self {
        // On Linux the link leads to the running program even after an update has replaced the file
        let own = Path::new("/proc/self/exe");
        let program =
            if cfg!(target_os = "linux") { own.to_owned() } else { std::env::current_exe().unwrap_or_default() };
        Self::at(program)
    }

    /// Starts `program`, which must call [`crate::bundler_main_if_requested`]; `mimir-loader-bundler` is one that does
    /// nothing else.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), limits: BundlerLimits::default() }
    }

    /// With other limits than the default.
    #[must_use]
    pub fn with_limits(self, limits: BundlerLimits) -> Self {
        Self { limits, ..self }
    }

    fn spawn(&self, root: &Path) -> std::io::Result<Running> {
        let child = Command::new(&self.program)
            .arg(CHILD_ARGUMENT)
            .env_clear()
            .current_dir(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Running(child))
    }
}

impl Bundler for BundlerProcess {
    fn bundle(&self, root: &Path, request: &BundleRequest) -> Result<Bundled, LoadError> {
        let start = |source| LoadError::BundlerStart { program: self.program.clone(), source };
        let deadline = Instant::now() + self.limits.time;
        let mut running = self.spawn(root).map_err(start)?;
        let stderr = running.collect_stderr();
        let (Some(mut stdin), Some(stdout)) = (running.0.stdin.take(), running.0.stdout.take()) else {
            return Err(start(std::io::ErrorKind::BrokenPipe.into()));
        };
        let (sender, answer) = mpsc::channel();
        let most = self.limits.output;
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let result = stdout.take(most + 1).read_to_end(&mut bytes).map(|_| bytes);
            // Nobody listens any more after a timeout
            let _ = sender.send(result);
        });
        let request = serde_json::to_vec(request)
            .map_err(|source| LoadError::BundlerAnswer { program: self.program.clone(), source })?;
        // A child that dies at once leaves a broken pipe; how it died is told below
        let _ = stdin.write_all(&request);
        drop(stdin);

        let bytes = match answer.recv_timeout(self.limits.time) {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Vec::new(),
            Err(RecvTimeoutError::Timeout) => {
                return Err(LoadError::BundlerTimeout { seconds: self.limits.time.as_secs() });
            }
        };
        if bytes.len() as u64 > most {
            return Err(LoadError::BundleTooLarge { limit: most });
        }
        match serde_json::from_slice(&bytes) {
            Ok(Response::Done(bundled)) => Ok(bundled),
            Ok(Response::Failed(problems)) => Err(LoadError::Bundle { problems }),
            Err(source) => {
                let Some(status) = running.wait_until(deadline) else {
                    return Err(LoadError::BundlerTimeout { seconds: self.limits.time.as_secs() });
                };
                if status.success() {
                    return Err(LoadError::BundlerAnswer { program: self.program.clone(), source });
                }
                let said = stderr.join().unwrap_or_default();
                Err(LoadError::BundlerCrashed {
                    status: status.to_string(),
                    deepest: deepest(&said),
                    stderr: said.lines().filter(|line| !line.starts_with(NESTING_NOTE)).collect::<Vec<_>>().join("\n"),
                })
            }
        }
    }
}

/// A child that does not outlive its owner's interest.
struct Running(Child);

impl Running {
    /// What the child says there, up to 64 KiB; the rest is read and thrown away, so that it never waits for us.
    fn collect_stderr(&mut self) -> thread::JoinHandle<String> {
        let stderr = self.0.stderr.take();
        thread::spawn(move || {
            let mut said = Vec::new();
            if let Some(mut stderr) = stderr {
                let _ = stderr.by_ref().take(64 << 10).read_to_end(&mut said);
                let _ = std::io::copy(&mut stderr, &mut std::io::sink());
            }
            String::from_utf8_lossy(&said).into_owned()
        })
    }

    fn wait_until(&mut self, deadline: Instant) -> Option<std::process::ExitStatus> {
        loop {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The last note is the deepest: the child tells only of what is deeper than all before.
fn deepest(stderr: &str) -> Option<Box<Problem>> {
    stderr.lines().rev().find_map(|line| serde_json::from_str(line.strip_prefix(NESTING_NOTE)?).ok())
}
