//! A program behind the trampoline, from the agent's side.

use std::fs;
use std::path::Path;
use std::process::ExitStatus;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::plan::{HOME, Header, LARGEST_PLAN, LIMIT, Plan, SUPERVISE, TEMP, TRAMPOLINE_ARGUMENT, frame};
use super::{Failed, Found, LAST_SWEEP, Stdio, Trampoline, outcome, read, start_error};
use crate::{Guard, PlatformError, ProcessOutput, ProcessRequest, ProgramRights};

pub(super) async fn run(
    trampoline: &Trampoline,
    request: &ProcessRequest,
    rights: &ProgramRights,
    found: Found,
) -> Result<ProcessOutput, PlatformError> {
    let start = |source| start_error(request, source);
    let mut rights = rights.clone();
    if !Guard::ExecProcesses.stands() {
        rights.processes = 1 << 20;
    }
    let folder = private_folder().map_err(start)?;
    let plan = frame(&plan(request, &rights, found, folder.path())).map_err(|error| start(error.into()))?;
    let mut command = Command::new(&trampoline.0);
    command.arg(TRAMPOLINE_ARGUMENT).arg(SUPERVISE).arg(folder.path()).arg(rights.processes.to_string());
    command.arg(if Guard::ExecGroup.stands() { "sweep" } else { "stay" });
    command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    command.current_dir(request.cwd.as_deref().unwrap_or(&rights.root.path));
    // Not killed on drop: it notices that nobody reads its output, ends all that is left of the program, and then itself
    let mut child = command.spawn().map_err(start)?;
    let mut outputs = (Vec::new(), Vec::new());
    let mut header = None;
    let finished = finish(&mut child, &plan, request, &mut header, &mut outputs);
    let finished = if Guard::ExecTime.stands() { timeout(request.timeout, finished).await } else { Ok(finished.await) };
    if !matches!(finished, Ok(Ok(_))) {
        // The ends of the pipes are closed now
        let _ = timeout(LAST_SWEEP, child.wait()).await;
        let _ = child.start_kill();
    }
    let confined = match header {
        Some(Header::Starts(confined)) => Some(confined),
        Some(Header::Failed(detail)) => return Err(not_confined(request, detail)),
        None => None,
    };
    if folder.path().join(LIMIT).exists() {
        let what = format!("the number of processes of `{}`", request.program.to_string_lossy());
        return Err(PlatformError::TooLarge { what, limit: rights.processes.into() });
    }
    let output = outcome(request, finished, outputs)?;
    match confined {
        Some(_) => Ok(ProcessOutput { confined, ..output }),
        None => Err(not_confined(request, "the trampoline ended without a word".to_owned())),
    }
}

fn not_confined(request: &ProcessRequest, detail: String) -> PlatformError {
    PlatformError::Confinement { program: request.program.to_string_lossy().into_owned(), detail }
}

/// For this call alone, and gone with it.
fn private_folder() -> std::io::Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("mimir-exec-").tempdir()?;
    for part in [HOME, TEMP] {
        fs::create_dir(folder.path().join(part))?;
    }
    Ok(folder)
}

fn plan(request: &ProcessRequest, rights: &ProgramRights, found: Found, folder: &Path) -> Plan {
    let mut env = found.env;
    env.insert("HOME".into(), folder.join(HOME).into());
    for name in ["TMPDIR", "TMP", "TEMP"] {
        env.insert(name.into(), folder.join(TEMP).into());
    }
    Plan {
        program: found.program.path,
        file: found.program.file,
        name: request.program.clone(),
        args: request.args.clone(),
        env: env.into_iter().collect(),
        installation: found.program.installation,
        rights: rights.clone(),
        is_confined: Guard::ExecConfined.stands(),
    }
}

async fn finish(
    child: &mut Child,
    plan: &[u8],
    request: &ProcessRequest,
    header: &mut Option<Header>,
    (stdout, stderr): &mut (Vec<u8>, Vec<u8>),
) -> Result<ExitStatus, Failed> {
    let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program need not read all of its input
            if stdin.write_all(plan).await.is_ok()
                && let Some(input) = &request.input
            {
                let _ = stdin.write_all(input).await;
            }
        }
        Ok::<_, Failed>(())
    };
    let out = async {
        let Some(mut out) = out else { return Ok(()) };
        *header = read_header(&mut out).await;
        read(Some(out), stdout, request.output_limit).await
    };
    // The supervisor holds all three open until everybody else is gone
    tokio::try_join!(feed, out, read(err, stderr, request.output_limit))?;
    child.wait().await.map_err(Failed::Io)
}

async fn read_header(out: &mut ChildStdout) -> Option<Header> {
    let length = out.read_u32_le().await.ok().filter(|length| *length <= LARGEST_PLAN)?;
    let mut json = vec![0; length as usize];
    out.read_exact(&mut json).await.ok()?;
    serde_json::from_slice(&json).ok()
}
