//! What the agent tells the trampoline, and what comes back.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Confined, Located, ProgramRights};

/// The first argument that makes this binary the trampoline. Behind it stands one of the three below.
pub(super) const TRAMPOLINE_ARGUMENT: &str = "--mimir-internal-exec";
/// Watches over the program and ends all that is left of it: `supervise FOLDER PROCESSES SWEEP`.
pub(super) const SUPERVISE: &str = "supervise";
/// Confines itself and becomes the program: `become FOLDER`.
pub(super) const BECOME: &str = "become";

/// Ends the program with Mimir: `tether PROGRAM ARGUMENTS…`.
pub(super) const TETHER: &str = "tether";

/// In the call's own folder: where the program may write, and what only the trampoline does.
pub(super) const HOME: &str = "home";
pub(super) const TEMP: &str = "tmp";
pub(super) const LIMIT: &str = "limit";

/// Bytes of a plan; the paths of a large project, many times over.
pub(super) const LARGEST_PLAN: u32 = 64 << 20;

/// What to become. It comes first on standard input, its length before it (four bytes, little endian); what follows is
/// the program's own input.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The path by which it is started.
    pub(super) program: PathBuf,
    /// The file that this leads to.
    pub(super) file: Located,
    /// The name it is called by.
    pub(super) name: OsString,
    pub(super) args: Vec<OsString>,
    /// All of its environment.
    pub(super) env: Vec<(OsString, OsString)>,
    /// What is installed with it, for reading and running.
    pub(super) installation: Vec<Located>,
    pub(super) rights: ProgramRights,
    /// Whether the kernel is asked to hold it to all that.
    pub(super) is_confined: bool,
}

/// What the trampoline says on standard output before it becomes the program, framed as the plan is. Nothing that the
/// program writes can come before it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Header {
    Starts(Confined),
    Failed(String),
}

/// A frame: the length, then the JSON.
pub(super) fn frame(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let json = serde_json::to_vec(value)?;
    let mut frame = u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    frame.extend(json);
    Ok(frame)
}
