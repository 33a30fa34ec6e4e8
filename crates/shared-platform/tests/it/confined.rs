//! Programs of plugins, behind the trampoline.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mimir_shared_platform::{
    Extent, FileId, HostProcesses, Located, PlatformError, ProcessExecutor, ProcessOutput, ProcessRequest,
    ProgramRights, Trampoline, landlock_abi,
};

fn located(path: &Path) -> Located {
    let id = fs::symlink_metadata(path).ok().map(|found| FileId { device: found.dev(), inode: found.ino() });
    Located { path: path.to_owned(), id }
}

struct World {
    dir: tempfile::TempDir,
    rights: ProgramRights,
    timeout: Duration,
}

impl World {
    /// A project with a folder that may be read, one that may be changed and one that is closed.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("project");
        for folder in ["read", "write", "own", "closed"] {
            fs::create_dir_all(root.join(folder)).unwrap();
            fs::write(root.join(folder).join("file"), "text").unwrap();
        }
        fs::create_dir_all(root.join("../home/.ssh")).unwrap();
        fs::write(root.join("../home/.ssh/id"), "secret").unwrap();
        let rights = ProgramRights {
            read: vec![located(&root.join("read"))],
            write: vec![located(&root.join("write"))],
            own: vec![located(&root.join("own"))],
            list: vec![located(&root)],
            network: false,
            processes: 64,
            root: located(&root),
        };
        Self { dir, rights, timeout: Duration::from_secs(60) }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.rights.root.path.join(path)
    }

    fn home(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("home")
    }

    fn host(&self) -> HostProcesses {
        let path = std::env::var_os("PATH").unwrap();
        HostProcesses::new([("PATH".into(), path), ("HOME".into(), self.home().into())])
            .with_trampoline(Trampoline::at(env!("CARGO_BIN_EXE_mimir-exec-trampoline")))
    }

    fn request(&self, program: &str, args: &[&str]) -> ProcessRequest {
        ProcessRequest {
            program: program.into(),
            args: args.iter().map(Into::into).collect(),
            input: None,
            cwd: None,
            env: BTreeMap::new(),
            timeout: self.timeout,
            output_limit: 1 << 20,
            rights: Some(self.rights.clone()),
        }
    }

    async fn sh(&self, script: &str) -> Result<ProcessOutput, PlatformError> {
        self.host().run(self.request("sh", &["-c", script])).await
    }

    /// What a script prints.
    async fn says(&self, script: &str) -> String {
        let output = self.sh(script).await.unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }
}

fn abi() -> u32 {
    landlock_abi().unwrap_or(0)
}

#[tokio::test]
async fn input_output_and_end_are_the_programs_own() {
    let world = World::new();
    let output = world.sh("cat; echo err >&2; exit 3").await.unwrap();
    assert_eq!(
        (output.exit_code, output.stdout.as_slice(), output.stderr.as_slice()),
        (Some(3), &b""[..], &b"err\n"[..])
    );
    let killed = world.sh("kill -TERM $$").await.unwrap();
    assert_eq!((killed.exit_code, killed.signal), (None, Some(15)));
    let input = vec![b'x'; 900_000];
    let request = ProcessRequest { input: Some(input.clone()), ..world.request("cat", &[]) };
    assert_eq!(world.host().run(request).await.unwrap().stdout, input);
    let ignored = ProcessRequest { input: Some(input), ..world.request("true", &[]) };
    assert_eq!(world.host().run(ignored).await.unwrap().exit_code, Some(0));
    assert!(world.host().run(world.request("no-such-program", &[])).await.unwrap_err().is_not_found());
    assert_eq!(world.says("pwd -P").await.trim(), world.rights.root.path.to_string_lossy());
}

#[tokio::test]
async fn files_are_held_to_the_rights() {
    let world = World::new();
    if abi() < 3 {
        eprintln!("this kernel holds no files, or not all; nothing to see here");
        return;
    }
    let check = async |script: &str, is_fine: bool| {
        let output = world.sh(script).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.exit_code == Some(0), is_fine, "{script}: {said}");
    };
    check("cat read/file", true).await;
    check("ls . closed", true).await;
    check("cat closed/file", false).await;
    check("echo x > read/file", false).await;
    check("echo x > write/file && echo x > write/new", true).await;
    check("rm write/file", false).await;
    check("rm own/file", true).await;
    check("echo x > new", false).await;
    check("mv own/../write/new closed/new", false).await;
    check("ln -s ../closed/file own/link && cat own/link", false).await;
    check(&format!("cat {}/.ssh/id", world.home().display()), false).await;
    check("cat /etc/shadow || cat /root/.profile", false).await;
    check("ls /tmp", false).await;
    check("echo x > \"$HOME/x\" && echo y > \"$TMPDIR/y\" && mv \"$HOME/x\" \"$TMPDIR/y\" && cat \"$TMPDIR/y\"", true)
        .await;
    check("cat < /dev/null && echo x > /dev/null && head -c 1 /dev/urandom > /dev/null", true).await;
    check("cat /proc/1/environ", false).await;
    check("cat /proc/1/cmdline", false).await;
    check("cat /proc/meminfo /proc/cpuinfo > /dev/null", true).await;
    let output = world.sh("true").await.unwrap();
    let confined = output.confined.unwrap();
    assert!(confined.files != Extent::None && confined.no_network && confined.no_unix_sockets);
}

#[tokio::test]
async fn files_move_between_the_folders_of_a_program() {
    let world = World::new();
    if abi() < 2 {
        return eprintln!("this kernel moves nothing between folders of a confined program; nothing to see here");
    }
    fs::create_dir_all(world.at("own/a")).unwrap();
    fs::create_dir_all(world.at("own/b")).unwrap();
    let check = async |script: &str, is_fine: bool| {
        let output = world.sh(script).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.exit_code == Some(0), is_fine, "{script}: {said}");
    };
    check("echo x > own/a/file && ln own/a/file own/b/linked && cat own/b/linked", true).await;
    check("mkdir own/a/deep && echo x > own/a/deep/file && ln own/a/deep/file \"own/b/file\"", true).await;
    // What it may not remove it can't move away, and what is closed it can't have under another name
    check("ln closed/file own/stolen", false).await;
    check("ln read/file own/writable", false).await;
    check("mv closed/file own/stolen", false).await;
    check(&format!("ln {}/.ssh/id own/stolen", world.home().display()), false).await;
}

/// Between the look at the project and the start of a program, one that still runs can move its own things about.
#[tokio::test]
async fn what_was_swapped_meanwhile_is_left_out() {
    if abi() < 3 {
        return eprintln!("this kernel holds no files, or not all; nothing to see here");
    }
    let check = async |what: &str, swap: fn(&World), script: fn(&World) -> String| {
        let mut world = World::new();
        fs::create_dir_all(world.at("own/sub/deep")).unwrap();
        fs::write(world.at("own/sub/deep/file"), "text").unwrap();
        world.rights.own = vec![located(&world.at("own/sub/deep"))];
        let before = world.sh("cat own/sub/deep/file").await.unwrap();
        assert_eq!(before.exit_code, Some(0), "{what}: it is granted as long as it is there");
        swap(&world);
        let output = world.sh(&script(&world)).await.unwrap();
        assert_ne!(output.exit_code, Some(0), "{what}: {}", String::from_utf8_lossy(&output.stdout));
    };
    check(
        "a link in its place",
        |world| {
            fs::rename(world.at("own/sub/deep"), world.at("own/away")).unwrap();
            symlink(world.home().join(".ssh"), world.at("own/sub/deep")).unwrap();
        },
        |world| format!("cat {}/.ssh/id", world.home().display()),
    )
    .await;
    check(
        "a link on the way, to the folder itself",
        |world| {
            fs::rename(world.at("own/sub"), world.at("closed/away")).unwrap();
            symlink(world.at("closed/away"), world.at("own/sub")).unwrap();
        },
        |_| "cat closed/away/deep/file".to_owned(),
    )
    .await;
    check(
        "another folder in its place",
        |world| {
            fs::rename(world.at("own/sub"), world.at("own/away")).unwrap();
            fs::create_dir_all(world.at("own/sub")).unwrap();
            fs::rename(world.at("closed"), world.at("own/sub/deep")).unwrap();
        },
        |_| "cat own/sub/deep/file".to_owned(),
    )
    .await;
    // Another project in its place: nothing is started there
    let world = World::new();
    fs::rename(&world.rights.root.path, world.home().join("moved")).unwrap();
    fs::create_dir_all(&world.rights.root.path).unwrap();
    let refused = world.sh("true").await.unwrap_err();
    assert!(matches!(refused, PlatformError::Start { .. }), "{refused}");
}

#[tokio::test]
async fn the_interpreter_of_a_script_opens_no_folder() {
    let world = World::new();
    if abi() < 3 {
        return eprintln!("this kernel holds no files, or not all; nothing to see here");
    }
    let home = world.home();
    let script = |first_line: &str| {
        fs::write(world.at("tool"), format!("{first_line}\necho runs; cat {}/.ssh/id", home.display())).unwrap();
        fs::set_permissions(world.at("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    };
    for first_line in ["#!/bin/sh".to_owned(), format!("#!/usr/bin/env -S -u {}/.ssh/x sh", home.display())] {
        script(&first_line);
        let output = world.host().run(world.request("./tool", &[])).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "runs\n", "{first_line}");
    }
}

#[tokio::test]
async fn the_private_folder_is_gone_with_the_call() {
    let world = World::new();
    let home = world.says("touch \"$HOME/left\" && mkdir -p \"$TMPDIR/a/b\" && printf %s \"$HOME\"").await;
    assert!(home.starts_with('/') && home.ends_with("/home") && home != world.home().to_string_lossy());
    assert!(!PathBuf::from(home).parent().unwrap().exists());
}

#[tokio::test]
async fn the_environment_is_a_short_list() {
    let world = World::new();
    let env = world.says("env | cut -d= -f1 | sort | tr '\\n' ' '").await;
    assert_eq!(env, "HOME PATH PWD TEMP TMP TMPDIR ");
}

#[tokio::test]
async fn there_is_no_network_without_the_right() {
    let mut world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let unix = world.home().join("socket");
    let _unix = std::os::unix::net::UnixListener::bind(&unix).unwrap();
    let script = format!(
        r#"
import socket
def attempt(name, family, kind, address):
    try:
        s = socket.socket(family, kind)
        s.connect(address)
        print(name, 'connected')
    except OSError as error:
        print(name, 'refused')
attempt('tcp', socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', {tcp}))
attempt('udp', socket.AF_INET, socket.SOCK_DGRAM, ('127.0.0.1', {udp}))
attempt('unix', socket.AF_UNIX, socket.SOCK_STREAM, {unix:?})
socket.socketpair()
"#,
        tcp = listener.local_addr().unwrap().port(),
        udp = udp.local_addr().unwrap().port(),
    );
    for (network, expected) in
        [(false, "tcp refused\nudp refused\nunix refused\n"), (true, "tcp connected\nudp connected\nunix refused\n")]
    {
        world.rights.network = network;
        let request = world.request("python3", &["-c", &script]);
        let output = match world.host().run(request).await {
            Err(error) if error.is_not_found() => return eprintln!("there is no python3 here; nothing to see"),
            output => output.unwrap(),
        };
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert_eq!(said, expected);
    }
}

#[tokio::test]
async fn a_program_makes_no_world_of_its_own() {
    let world = World::new();
    let script = r"
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
for clone, flag in ((56, 0x10000000), (56, 0x40000000), (56, 0x20000), (435, 0)):
    libc.syscall(clone, flag | 17, 0, 0, 0, 0)
    print(errno.errorcode[ctypes.get_errno()])
import subprocess, threading
threading.Thread(target=print, args=('thread',)).start()
subprocess.run(['true'], check=True)
";
    if cfg!(not(target_arch = "x86_64")) {
        return eprintln!("other numbers of system calls here; nothing to see");
    }
    let output = match world.host().run(world.request("python3", &["-c", script])).await {
        Err(error) if error.is_not_found() => return eprintln!("there is no python3 here; nothing to see"),
        output => output.unwrap(),
    };
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "EPERM\nEPERM\nEPERM\nENOSYS\nthread\n");
}

/// Waits until no process has this number, or the one that has it is a zombie.
async fn gone(pid: &str) {
    for _ in 0..1_000 {
        match fs::read_to_string(format!("/proc/{}/stat", pid.trim())) {
            Ok(stat) if !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z') => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            _ => return,
        }
    }
    panic!("process {pid} is still there");
}

/// How long the daemons of this run of the tests sleep, in seconds: by that they are told from all others.
fn nap() -> u32 {
    100_000 + 2 * std::process::id()
}

#[tokio::test]
async fn daemons_end_with_the_call() {
    let mut world = World::new();
    let nap = nap();
    let daemon = format!("setsid sh -c 'setsid sleep {nap} & echo $!' < /dev/null 2> /dev/null; ");
    let pid = world.says(&daemon).await;
    assert!(pid.trim().parse::<u32>().is_ok());
    gone(&pid).await;

    // Time is up
    world.timeout = Duration::from_millis(1_500);
    let late = world.sh(&format!("{daemon} sleep {nap}")).await;
    assert!(matches!(late, Err(PlatformError::TimedOut { .. })));
    assert!(asleep(nap).is_empty(), "{:?}", asleep(nap));

    // The output is too large
    world.timeout = Duration::from_secs(60);
    let flood = world.sh(&format!("{daemon} yes")).await;
    assert!(matches!(flood, Err(PlatformError::TooLarge { .. })));
    assert!(asleep(nap).is_empty(), "{:?}", asleep(nap));

    // Nobody waits any more
    world.timeout = Duration::from_secs(60);
    let mark = world.at("own/started");
    let script = format!("{daemon} echo x > own/started; sleep {nap}");
    let (host, request) = (world.host(), world.request("sh", &["-c", &script]));
    let call = tokio::spawn(async move { host.run(request).await });
    while !mark.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    call.abort();
    for _ in 0..1_000 {
        if asleep(nap).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("left behind: {:?}", asleep(nap));
}

/// Processes of these tests that live.
fn asleep(nap: u32) -> Vec<String> {
    let expected = format!("sleep\0{nap}\0");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if line == expected.as_bytes() {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

#[tokio::test]
async fn a_program_can_not_signal_who_watches_over_it() {
    let world = World::new();
    if abi() < 6 {
        return eprintln!("this kernel does not hold signals; nothing to see here");
    }
    let said = world.says("kill -9 $PPID 2> /dev/null && echo killed; kill -STOP -1 2> /dev/null; echo goes on").await;
    assert_eq!(said, "goes on\n");
}

#[tokio::test]
async fn a_fork_bomb_is_bounded() {
    let mut world = World::new();
    world.rights.processes = 32;
    let nap = nap() + 1;
    // It doubles as those that never end do, but only to 127: other tests run beside this one
    let script = format!("f() {{ if [ $1 -gt 0 ]; then f $(($1 - 1)) & f $(($1 - 1)) & fi; sleep {nap}; }}; f 6");
    let error = world.sh(&script).await.unwrap_err().to_string();
    assert_eq!(error, "the number of processes of `sh` is larger than the limit of 32");
    assert!(asleep(nap).is_empty(), "{:?}", asleep(nap));
}

/// The count of the whole machine is only a hint: what others start is no fault of the program's.
#[tokio::test]
async fn a_program_may_have_all_its_processes() {
    let mut world = World::new();
    world.rights.processes = 16;
    let script = "i=0; while [ $i -lt 12 ]; do sleep 0.2 & i=$((i + 1)); done; wait; echo done";
    assert_eq!(world.says(script).await, "done\n");
}

#[tokio::test]
async fn a_program_in_the_project_is_no_program_on_the_path() {
    let world = World::new();
    let tool = world.at("read/tool");
    fs::copy("/bin/echo", &tool).unwrap();
    let refused = world.host().run(world.request(tool.to_str().unwrap(), &[])).await.unwrap_err();
    assert!(matches!(refused, PlatformError::ProgramInside { .. }));
    let named = world.host().run(world.request("read/tool", &["hi"])).await.unwrap();
    assert_eq!(named.stdout, b"hi\n");
}
