//! What Landlock does not know: sockets of other kinds than TCP, and a few doors of the kernel that no formatter needs.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

/// Refused whatever the plugin may: they work around the file system or the filter itself, reach the user's keyring, or
/// change the machine.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_io_uring_setup,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_mount_setattr,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
];

/// With the network: to the internet, and what the resolver asks the kernel. Never a Unix socket, behind which daemons
/// listen that do what they are told (Docker, agents of keys, the desktop).
const FAMILIES: [libc::c_int; 3] = [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Worlds of its own, in which a program is root and meets parts of the kernel that are closed to users.
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// The second table of system calls that some kernels for x86-64 have.
#[cfg(target_arch = "x86_64")]
const TABLES: [i64; 2] = [0, 0x4000_0000];
#[cfg(not(target_arch = "x86_64"))]
const TABLES: [i64; 1] = [0];

/// Refuses new sockets, all of them or all but those for the internet, and [`REFUSED`]. Pairs of connected sockets stay.
/// False where this kind of machine has no filter.
pub(super) fn refuse(has_network: bool) -> Result<bool, String> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else { return Ok(false) };
    let wrong = |error| format!("the filter of system calls is wrong: {error}");
    let filters = [without_clone3(arch).map_err(wrong)?, filter(has_network, arch).map_err(wrong)?];
    match filters.iter().try_for_each(|filter| apply_filter(filter)) {
        Ok(()) => Ok(true),
        // A kernel without filters; what else it holds is reported
        Err(seccompiler::Error::Seccomp(error)) if error.raw_os_error() == Some(libc::ENOSYS) => Ok(false),
        Err(seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error))
            if error.raw_os_error() == Some(libc::EINVAL) =>
        {
            Ok(false)
        }
        Err(error) => Err(format!("the kernel does not take the filter of system calls: {error}")),
    }
}

/// What it asks for stands in memory, where no filter looks. Without it the C libraries take `clone`.
fn without_clone3(arch: TargetArch) -> Result<BpfProgram, seccompiler::BackendError> {
    let rules = TABLES.iter().map(|table| (libc::SYS_clone3 + table, Vec::new())).collect();
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS.cast_unsigned()), arch)?
        .try_into()
}

fn filter(has_network: bool, arch: TargetArch) -> Result<BpfProgram, seccompiler::BackendError> {
    let sockets = if has_network {
        let others = FAMILIES.map(|family| {
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, u64::from(family.cast_unsigned()))
        });
        vec![SeccompRule::new(others.into_iter().collect::<Result<_, _>>()?)?]
    } else {
        Vec::new()
    };
    let mut rules = BTreeMap::new();
    for table in TABLES {
        rules.insert(libc::SYS_socket + table, sockets.clone());
        let namespaces = NAMESPACES.map(|flag| {
            let flag = u64::from(flag.cast_unsigned());
            SeccompRule::new(vec![SeccompCondition::new(
                0,
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::MaskedEq(flag),
                flag,
            )?])
        });
        rules.insert(libc::SYS_clone + table, namespaces.into_iter().collect::<Result<_, _>>()?);
        rules.extend(REFUSED.iter().map(|call| (call + table, Vec::new())));
    }
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM.cast_unsigned()), arch)?.try_into()
}
