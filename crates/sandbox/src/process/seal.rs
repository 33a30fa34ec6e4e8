//! What the kernel takes away from a sandbox process before the first line of plugin code runs in it.
//!
//! Two moments: [`before_v8`] while there is one thread, since Landlock binds a thread and what comes of it; and
//! [`after_start`] once V8's threads and the lanes exist, since the system calls that make threads are refused from then
//! on. Lanes read nothing before the second is over.
//!
//! Each layer is tried by itself. One that the kernel does not have is reported, and whether to go on without it is the
//! agent's decision.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Display;

use libc::c_long;
use mimir_shared_config::SandboxLayer;
use mimir_shared_platform::{Confinement, Extent, Guard};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter_all_threads,
};

use crate::layer::LayerReport;

/// Descriptors that the process needs: its own, and V8's for a moment.
const MOST_DESCRIPTORS: u64 = 32;

/// What takes effect before V8 starts.
pub(super) fn before_v8() -> Vec<LayerReport> {
    // Without this V8 asks for /dev/urandom, and takes the time where it can't have it.
    v8::V8::set_entropy_source(|buffer: &mut [u8]| getrandom::fill(buffer).is_ok());
    // ICU looks for the zone in /etc once, and remembers it.
    let _ = v8::icu::get_default_time_zone();
    let apart = Ok::<_, &str>("plugins run in processes of their own".to_owned());
    let process = report(SandboxLayer::Process, apart);
    vec![process, parent_death(), no_core_dumps(), no_new_privileges(), landlock(), own_session()]
}

/// What takes effect once all threads exist.
pub(super) fn after_start() -> Vec<LayerReport> {
    // The order counts: the filter refuses to change limits.
    vec![resource_limits(), seccomp()]
}

fn report<E: Display>(layer: SandboxLayer, done: Result<String, E>) -> LayerReport {
    match done {
        Ok(detail) => LayerReport { layer, is_enforced: true, detail },
        Err(error) => LayerReport { layer, is_enforced: false, detail: error.to_string() },
    }
}

/// The lifeline ends this process with the agent already, as long as its own watchdog is sound; the kernel needs no
/// watchdog.
fn parent_death() -> LayerReport {
    let done = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    report(SandboxLayer::ParentDeath, done.map(|()| "it is killed when the agent ends".to_owned()))
}

/// A core dump would hold what plugins hold. The limit alone does not bind a dump that is piped to a program.
fn no_core_dumps() -> LayerReport {
    let nothing = Rlimit { current: Some(0), maximum: Some(0) };
    let done = rustix::process::setrlimit(Resource::Core, nothing)
        .and_then(|()| rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable));
    report(SandboxLayer::NoCoreDumps, done.map(|()| "no core dump, and no other process can look into it".to_owned()))
}

fn no_new_privileges() -> LayerReport {
    let done = rustix::thread::set_no_new_privs(true);
    report(SandboxLayer::NoNewPrivileges, done.map(|()| "no program can give it rights".to_owned()))
}

fn landlock() -> LayerReport {
    if !Guard::SandboxLandlock.stands() {
        return report(SandboxLayer::Landlock, Err("a test took it out"));
    }
    let enforced = match Confinement::default().apply() {
        Ok(enforced) => enforced,
        Err(error) => return report(SandboxLayer::Landlock, Err(error)),
    };
    let files = match enforced.files {
        Extent::Full => "no files",
        Extent::Partial => "no files (an older kernel: but to truncate, and to ask devices)",
        Extent::None => return report(SandboxLayer::Landlock, Err("this kernel has no Landlock")),
    };
    let others = [
        (enforced.tcp, "no TCP"),
        (enforced.udp, "no UDP"),
        (enforced.signals, "no signals to others"),
        (enforced.abstract_sockets, "no abstract sockets"),
        (enforced.path_sockets, "no sockets by path"),
    ];
    let held = others.iter().filter(|(is_held, _)| *is_held).map(|(_, what)| *what);
    let detail = std::iter::once(files).chain(held).collect::<Vec<_>>().join(", ");
    LayerReport { layer: SandboxLayer::Landlock, is_enforced: true, detail }
}

fn own_session() -> LayerReport {
    let own = rustix::process::getpid();
    let is_leader = rustix::process::getsid(None) == Ok(own) && rustix::process::getpgid(None) == Ok(own);
    // A test that takes out a guard says so in the environment.
    let is_empty = cfg!(feature = "test-hooks") || env::vars_os().next().is_none();
    report(
        SandboxLayer::OwnSession,
        match (is_leader, is_empty) {
            (true, true) => Ok("a session and process group of its own, an empty environment".to_owned()),
            (false, _) => Err("it shares the agent's session"),
            (_, false) => Err("its environment is not empty"),
        },
    )
}

fn resource_limits() -> LayerReport {
    let limits = [
        (Resource::Nofile, MOST_DESCRIPTORS),
        // More threads or processes. Does not bind the administrator, as whom nobody should run an agent; seccomp does.
        (Resource::Nproc, 0),
        (Resource::Memlock, 0),
    ];
    let done = limits.into_iter().try_for_each(|(resource, most)| {
        rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
    });
    report(
        SandboxLayer::ResourceLimits,
        done.map(|()| format!("{MOST_DESCRIPTORS} descriptors, no more threads, bounded data, no locked memory")),
    )
}

fn seccomp() -> LayerReport {
    if !Guard::SandboxSeccomp.stands() {
        return report(SandboxLayer::Seccomp, Err("a test took it out"));
    }
    let done = filters().and_then(|filters| {
        // The more severe answer of the two counts. The one that refuses filters comes last.
        filters.iter().try_for_each(|filter| apply_filter_all_threads(filter).map_err(|error| error.to_string()))
    });
    report(
        SandboxLayer::Seccomp,
        done.map(|()| format!("{} system calls are left, {} more end it at once", ALLOWED.len(), DEADLY.len())),
    )
}

/// System calls that V8, the allocator, the lanes and the watchdog make once they run: read off them with strace while
/// the whole test suite ran. Everything else fails with EPERM.
const ALLOWED: &[c_long] = &[
    // Frames
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_recvfrom,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_close,
    // Memory
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_pkey_mprotect,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    // Threads that exist already
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Time and chance
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
];

/// System calls that none of them ever makes: whoever makes one has broken out of V8, and gets no second try.
const DEADLY: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kill,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_userfaultfd,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
];

fn filters() -> Result<[BpfProgram; 2], String> {
    let mut allowed: BTreeMap<c_long, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    // The limit of data moves with the number of isolates, for this process alone.
    allowed.insert(libc::SYS_prlimit64, vec![when(&[(0, 0), (1, libc::RLIMIT_DATA.into())])?]);
    // A socket is written to where it leads to already: no address, flags MSG_NOSIGNAL at most.
    allowed.insert(libc::SYS_sendto, vec![when(&[(4, 0)])?]);
    // V8 aborts by a signal to its own thread.
    allowed.insert(libc::SYS_tgkill, vec![when(&[(0, rustix::process::getpid().as_raw_nonzero().get() as u64)])?]);
    let deadly = DEADLY.iter().map(|call| (*call, Vec::new())).collect();
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    Ok([
        compile(deadly, SeccompAction::Allow, SeccompAction::KillProcess)?,
        compile(allowed, refused, SeccompAction::Allow)?,
    ])
}

/// A rule that asks of each of these arguments that it has this value.
fn when(arguments: &[(u8, u64)]) -> Result<SeccompRule, String> {
    let conditions = arguments
        .iter()
        .map(|(index, value)| SeccompCondition::new(*index, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, *value))
        .collect::<Result<Vec<_>, _>>();
    conditions.and_then(SeccompRule::new).map_err(|error| error.to_string())
}

fn compile(
    rules: BTreeMap<c_long, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, String> {
    let arch = env::consts::ARCH.try_into().map_err(|_| "no filter for this processor".to_owned())?;
    SeccompFilter::new(rules, otherwise, matched, arch).and_then(TryInto::try_into).map_err(|error| error.to_string())
}
