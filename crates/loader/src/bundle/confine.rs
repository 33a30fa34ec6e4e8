use std::path::Path;

use super::protocol::Confinement;

/// Shuts this process, and every thread that it starts from now on, out of everything but reading beneath `root`. To be
/// called before any other thread exists: Landlock binds the calling thread and what comes of it.
pub(super) fn confine(root: &Path) -> Confinement {
    limit_resources();
    shut_out(root)
}

/// Values far above what a plugin needs, so that a runaway hurts itself before the machine.
#[cfg(target_os = "linux")]
fn limit_resources() {
    use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};

    let limits = [
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        // Seconds. The parent's clock is the real limit; this one holds if the parent is gone.
        (Resource::Cpu, 60),
        (Resource::Data, 2 << 30),
        (Resource::Nofile, 512),
    ];
    for (resource, most) in limits {
        // A lower limit that is already there stays; nothing here is worth refusing to work.
        let _ = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    }
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
}

#[cfg(not(target_os = "linux"))]
fn limit_resources() {}

#[cfg(target_os = "linux")]
fn shut_out(root: &Path) -> Confinement {
    use landlock::RulesetStatus;

    match restrict(root).map(|status| status.ruleset) {
        Ok(RulesetStatus::FullyEnforced) => Confinement::Full,
        Ok(RulesetStatus::PartiallyEnforced) => Confinement::Partial,
        Ok(RulesetStatus::NotEnforced) | Err(_) => Confinement::None,
    }
}

#[cfg(target_os = "linux")]
fn restrict(root: &Path) -> anyhow::Result<landlock::RestrictionStatus> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
    };

    // The newest whose every part makes sense for a process that only reads; older kernels enforce what they know.
    let abi = ABI::V6;
    Ok(Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rule(PathBeneath::new(PathFd::new(root)?, AccessFs::ReadFile | AccessFs::ReadDir))?
        .restrict_self()?)
}

#[cfg(not(target_os = "linux"))]
fn shut_out(_root: &Path) -> Confinement {
    Confinement::None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

    use std::fs;
    use std::net::TcpListener;

    use super::shut_out;
    use crate::bundle::protocol::Confinement;

    /// Landlock binds one thread, so the test can shut out a thread of its own.
    #[test]
    fn only_the_folder_is_readable() {
        let inside = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        for dir in [&inside, &outside] {
            fs::write(dir.path().join("file"), "text").unwrap();
        }
        std::os::unix::fs::symlink(outside.path().join("file"), inside.path().join("link")).unwrap();
        let results = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let confinement = shut_out(inside.path());
                    let works = [
                        fs::read(inside.path().join("file")).is_ok(),
                        fs::read(inside.path().join("link")).is_ok(),
                        fs::read(outside.path().join("file")).is_ok(),
                        fs::read_dir(outside.path()).is_ok(),
                        fs::write(inside.path().join("new"), "text").is_ok(),
                        TcpListener::bind("127.0.0.1:0").is_ok(),
                        std::process::Command::new("/bin/true").status().is_ok(),
                    ];
                    (confinement, works)
                })
                .join()
                .unwrap()
        });
        match results {
            (Confinement::Full, works) => assert_eq!(works, [true, false, false, false, false, false, false]),
            (Confinement::Partial, works) => assert_eq!(works[..5], [true, false, false, false, false]),
            (Confinement::None, _) => eprintln!("this kernel has no Landlock; nothing to see here"),
        }
    }
}
