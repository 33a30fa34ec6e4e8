//! The second stage of the trampoline: takes from itself what the program may not have, and becomes the program.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, Rlimit, setrlimit, setsid};

use super::plan::{HOME, Header, LARGEST_PLAN, Plan, TEMP, frame};
use super::{sockets, system};
use crate::{Confined, Confinement, Right};

/// Values far above what a program needs, so that a runaway hurts itself before the machine. Bytes, or a number.
const LIMITS: [(Resource, u64); 4] = [
    (Resource::Core, 0),
    (Resource::Fsize, 4 << 30),
    (Resource::Nofile, 4_096),
    // What is written to, not what is reserved: some runtimes reserve terabytes
    (Resource::Data, 16 << 30),
];

/// Comes back only with an exit code for a program that could not be started, as shells have them.
pub(super) fn become_program(folder: &Path) -> i32 {
    let plan = match read_plan() {
        Ok(plan) => plan,
        Err(error) => return refuse(&format!("the plan can't be read: {error}")),
    };
    let confined = match confine(&plan, folder) {
        Ok(confined) => confined,
        Err(error) => return refuse(&error),
    };
    if !say(&Header::Starts(confined)) {
        return 125;
    }
    let mut command = Command::new(&plan.program);
    let error = command.arg0(&plan.name).args(&plan.args).env_clear().envs(plan.env).exec();
    let _ = writeln!(io::stderr(), "mimir: can't start `{}`: {error}", plan.program.display());
    if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
}

fn refuse(why: &str) -> i32 {
    say(&Header::Failed(why.to_owned()));
    125
}

fn say(header: &Header) -> bool {
    let mut out = io::stdout().lock();
    frame(header).is_ok_and(|frame| out.write_all(&frame).and_then(|()| out.flush()).is_ok())
}

/// Reads the plan and not one byte more: what follows is the program's.
fn read_plan() -> io::Result<Plan> {
    let mut length = [0; 4];
    read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > LARGEST_PLAN {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut json = vec![0; length as usize];
    read_exact(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

fn read_exact(mut into: &mut [u8]) -> io::Result<()> {
    let stdin = io::stdin();
    while !into.is_empty() {
        match rustix::io::read(stdin.as_fd(), &mut *into) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => into = &mut into[read..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn confine(plan: &Plan, folder: &Path) -> Result<Confined, String> {
    // No terminal to type into, and no group that the supervisor is in
    setsid().map_err(|error| format!("it gets no session of its own: {error}"))?;
    for (resource, most) in LIMITS {
        lower(resource, most);
    }
    lower(Resource::Nproc, others() + u64::from(plan.rights.processes));
    if !plan.is_confined {
        return Ok(Confined::default());
    }
    drop_privileges();
    let enforced = confinement(plan, folder).apply().map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error}: {cause}")
    })?;
    let sockets = sockets::refuse(plan.rights.network)?;
    Ok(Confined {
        files: enforced.files,
        no_network: !plan.rights.network && (sockets || enforced.tcp && enforced.udp),
        no_tcp: !plan.rights.network && (sockets || enforced.tcp),
        no_signals: enforced.signals,
        no_unix_sockets: sockets,
    })
}

/// A lower limit that is there already stays; nothing here is worth refusing to work.
fn lower(resource: Resource, most: u64) {
    let now = rustix::process::getrlimit(resource);
    let most = most.min(now.maximum.unwrap_or(u64::MAX));
    let _ = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
}

/// How many threads the machine runs: the limit counts all of the user's, whoever started them. (Root is not counted; the
/// supervisor looks as well.)
fn others() -> u64 {
    system::running_threads().unwrap_or(1 << 15)
}

/// A program of root's keeps of root's powers only those over files, which Landlock bounds.
fn drop_privileges() {
    use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
    let kept = CapabilitySet::CHOWN | CapabilitySet::DAC_OVERRIDE | CapabilitySet::FOWNER | CapabilitySet::FSETID;
    let Ok(now) = capabilities(None) else { return };
    let sets = CapabilitySets {
        effective: now.effective & kept,
        permitted: now.permitted & kept,
        inheritable: CapabilitySet::empty(),
    };
    let _ = set_capabilities(None, sets);
}

fn confinement(plan: &Plan, folder: &Path) -> Confinement {
    let rights = &plan.rights;
    let read =
        plan.installation.iter().chain([&plan.file]).chain(&rights.read).map(|found| (Right::ReadExecute, found));
    let write = rights.write.iter().map(|found| (Right::Write, found));
    let own = rights.own.iter().map(|found| (Right::Own, found));
    let list = rights.list.iter().map(|found| (Right::List, found));
    Confinement {
        read: system::READABLE.iter().map(Into::into).collect(),
        read_execute: system::PROGRAMS.iter().map(Into::into).collect(),
        own: vec![folder.join(HOME), folder.join(TEMP)],
        devices: system::DEVICES.iter().map(Into::into).collect(),
        // Other programs of the same plugin may still run there
        located: read.chain(write).chain(own).chain(list).map(|(right, found)| (right, found.clone())).collect(),
        network: rights.network,
        ..Confinement::default()
    }
}
