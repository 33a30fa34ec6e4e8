use std::path::Path;

use mimir_shared_platform::{Enforced, Extent};

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

/// Reading beneath `root` is left: no other file, no writing, no new program, no TCP, no signal or abstract socket to
/// others. Older kernels enforce what they know.
fn shut_out(root: &Path) -> Confinement {
    let reading = mimir_shared_platform::Confinement { read: vec![root.to_owned()], ..Default::default() };
    match reading.apply() {
        Ok(Enforced { files: Extent::Full, tcp: true, signals: true, abstract_sockets: true, .. }) => Confinement::Full,
        Ok(Enforced { files: Extent::Full | Extent::Partial, .. }) => Confinement::Partial,
        Ok(_) | Err(_) => Confinement::None,
    }
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
