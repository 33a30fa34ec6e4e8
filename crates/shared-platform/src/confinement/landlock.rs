use std::os::fd::AsFd;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, Scope,
};

use super::{Confinement, ConfinementError, Enforced, Extent};

/// The newest version that we have looked at; an older kernel enforces what it knows.
const NEWEST: ABI = ABI::V10;
/// Files are fully held from here on: truncating came with 3, devices with 5.
const ALL_OF_FILES: u32 = 5;

type Problem = Box<dyn std::error::Error + Send + Sync>;

pub(super) fn apply(confinement: &Confinement) -> Result<Enforced, ConfinementError> {
    let status = restrict(confinement).map_err(ConfinementError)?;
    let abi = known(&status).unwrap_or(0);
    let files = match abi {
        _ if confinement.keeps_files => Extent::None,
        0 => Extent::None,
        1..ALL_OF_FILES => Extent::Partial,
        ALL_OF_FILES.. => Extent::Full,
    };
    let scoped = !confinement.reaches_others;
    Ok(Enforced {
        files,
        tcp: !confinement.network && abi >= 4,
        udp: !confinement.network && abi >= 10,
        signals: scoped && abi >= 6,
        abstract_sockets: scoped && abi >= 6,
        path_sockets: !confinement.keeps_files && abi >= 9,
    })
}

/// What the kernel knows, learnt by confining the calling thread: to be called in one that ends at once.
pub(super) fn abi() -> Option<u32> {
    let nothing = Confinement { network: true, reaches_others: true, ..Confinement::default() };
    known(&restrict(&nothing).ok()?)
}

fn known(status: &RestrictionStatus) -> Option<u32> {
    match status.landlock {
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => None,
        LandlockStatus::Available { effective_abi, .. } => u32::try_from(effective_abi as i32).ok(),
    }
}

fn restrict(confinement: &Confinement) -> Result<RestrictionStatus, Problem> {
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    if !confinement.keeps_files {
        ruleset = ruleset.handle_access(AccessFs::from_all(NEWEST))?;
    }
    if !confinement.network {
        ruleset = ruleset.handle_access(AccessNet::from_all(NEWEST))?;
    }
    if !confinement.reaches_others {
        ruleset = ruleset.scope(Scope::from_all(NEWEST))?;
    }
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let own = AccessFs::from_all(NEWEST) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    let lists: [(&[PathBuf], BitFlags<AccessFs>); 6] = [
        (&confinement.read, read),
        (&confinement.read_execute, read | AccessFs::Execute),
        (&confinement.write, own & !(AccessFs::RemoveFile | AccessFs::RemoveDir)),
        (&confinement.own, own),
        (&confinement.devices, device),
        (&confinement.list, AccessFs::ReadDir.into()),
    ];
    let mut created = ruleset.create()?;
    for (paths, access) in lists {
        for path in paths {
            created = allow(created, path, access)?;
        }
    }
    Ok(created.restrict_self()?)
}

fn allow(ruleset: RulesetCreated, path: &PathBuf, access: BitFlags<AccessFs>) -> Result<RulesetCreated, Problem> {
    // What is not there, or can't be reached by this user, needs no right
    let Ok(file) = PathFd::new(path) else { return Ok(ruleset) };
    let kind = rustix::fs::fstat(file.as_fd()).map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode))?;
    let access = if kind == rustix::fs::FileType::Directory { access } else { access & AccessFs::from_file(NEWEST) };
    if access.is_empty() {
        return Ok(ruleset);
    }
    Ok(ruleset.add_rule(PathBeneath::new(file, access))?)
}
