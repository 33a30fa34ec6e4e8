use std::os::fd::AsFd;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, Scope,
};

use super::{Confinement, ConfinementError, Enforced, Extent, Right, straight};

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
    // Each layer forbids to move and to link files between folders unless it says otherwise, also one that is not about
    // files: so that one has to say it
    let handled = if confinement.keeps_files { AccessFs::Refer.into() } else { AccessFs::from_all(NEWEST) };
    ruleset = ruleset.handle_access(handled)?;
    if !confinement.network {
        ruleset = ruleset.handle_access(AccessNet::from_all(NEWEST))?;
    }
    if !confinement.reaches_others {
        ruleset = ruleset.scope(Scope::from_all(NEWEST))?;
    }
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let own = AccessFs::from_all(NEWEST) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    let write = own & !(AccessFs::RemoveFile | AccessFs::RemoveDir);
    let lists: [(&[PathBuf], BitFlags<AccessFs>); 6] = [
        (&confinement.read, read),
        (&confinement.read_execute, read | AccessFs::Execute),
        (&confinement.write, write),
        (&confinement.own, own),
        (&confinement.devices, device),
        (&confinement.list, AccessFs::ReadDir.into()),
    ];
    let mut created = ruleset.create()?;
    for (paths, access) in lists {
        for path in paths {
            // What is not there, or can't be reached by this user, needs no right
            if let Ok(file) = PathFd::new(path) {
                created = allow(created, file, access)?;
            }
        }
    }
    for (right, located) in &confinement.located {
        let access = match right {
            Right::ReadExecute => read | AccessFs::Execute,
            Right::Write => write,
            Right::Own => own,
            Right::List => AccessFs::ReadDir.into(),
        };
        if let Some(file) = straight::open(located) {
            created = allow(created, file, access)?;
        }
    }
    if confinement.keeps_files {
        created = created.add_rule(PathBeneath::new(PathFd::new("/")?, AccessFs::Refer))?;
    }
    Ok(created.restrict_self()?)
}

fn allow(ruleset: RulesetCreated, file: impl AsFd, access: BitFlags<AccessFs>) -> Result<RulesetCreated, Problem> {
    let kind = rustix::fs::fstat(file.as_fd()).map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode))?;
    let access = if kind == rustix::fs::FileType::Directory { access } else { access & AccessFs::from_file(NEWEST) };
    if access.is_empty() {
        return Ok(ruleset);
    }
    Ok(ruleset.add_rule(PathBeneath::new(file, access))?)
}
