use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use mimir_shared_platform::{
    HostProcesses, PlatformError, ProcessExecutor, ProcessRequest, Shell, ShellRequest, Trampoline,
};

fn sh(script: &str) -> ProcessRequest {
    ProcessRequest {
        program: "sh".into(),
        args: vec!["-c".into(), script.into()],
        input: None,
        cwd: None,
        env: BTreeMap::new(),
        timeout: Duration::from_secs(20),
        output_limit: 1 << 20,
        rights: None,
    }
}

fn trampoline() -> Trampoline {
    Trampoline::at(env!("CARGO_BIN_EXE_mimir-exec-trampoline"))
}

/// As Mimir starts programs of the user's.
fn host() -> HostProcesses {
    HostProcesses::from_env().with_trampoline(trampoline())
}

/// Waits until no process has this number, or the one that has it is a zombie.
async fn gone(pid: &str) {
    for _ in 0..400 {
        match fs::read_to_string(format!("/proc/{}/stat", pid.trim())) {
            Ok(stat) if !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z') => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            _ => return,
        }
    }
    panic!("process {pid} is still there");
}

#[tokio::test]
async fn gives_what_the_program_gave() {
    let output = host().run(sh("echo out; echo err >&2; exit 3")).await.unwrap();
    assert_eq!((output.exit_code, output.signal), (Some(3), None));
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));

    let killed = host().run(sh("kill -TERM $$")).await.unwrap();
    assert_eq!((killed.exit_code, killed.signal), (None, Some(15)));

    let missing = host().run(ProcessRequest { program: "no-such-program".into(), ..sh("") }).await.unwrap_err();
    assert!(missing.is_not_found());
    assert_eq!(missing.to_string(), "can't start `no-such-program`");
}

#[tokio::test]
async fn arguments_never_reach_a_shell() {
    let args = ["$(id)", "; rm -rf x", "`id`", "a b", "*", "\n", "ü"];
    let request = ProcessRequest {
        program: "printf".into(),
        args: std::iter::once("%s|").chain(args).map(OsString::from).collect(),
        ..sh("")
    };
    let output = host().run(request).await.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), args.map(|arg| format!("{arg}|")).concat());
}

#[tokio::test]
async fn input_of_any_size_goes_in() {
    let input = vec![b'x'; 900_000];
    let output = host().run(ProcessRequest { input: Some(input.clone()), ..sh("cat") }).await.unwrap();
    assert_eq!(output.stdout, input);
    let ignored = host().run(ProcessRequest { input: Some(input), ..sh("exit 0") }).await.unwrap();
    assert_eq!(ignored.exit_code, Some(0));
    let none = host().run(sh("cat; echo done")).await.unwrap();
    assert_eq!(none.stdout, b"done\n");
}

#[tokio::test]
async fn the_environment_is_scrubbed() {
    let base = [
        ("PATH", std::env::var("PATH").unwrap().as_str()),
        ("LC_ALL", "C"),
        ("ANTHROPIC_API_KEY", "sk-1"),
        ("HOME", "/h"),
    ]
    .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let env = BTreeMap::from([(OsString::from("MY_FLAG"), OsString::from("1"))]);
    let output = HostProcesses::new(base).run(ProcessRequest { env, ..sh("env") }).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("MY_FLAG=1") && text.contains("HOME=/h") && text.contains("LC_ALL=C"), "{text}");
    assert!(!text.contains("ANTHROPIC"), "{text}");
}

#[tokio::test]
async fn starts_where_it_is_told_to() {
    let temp = tempfile::tempdir().unwrap();
    let request = ProcessRequest { cwd: Some(temp.path().to_owned()), ..sh("pwd -P") };
    let output = host().run(request).await.unwrap();
    assert_eq!(Path::new(String::from_utf8(output.stdout).unwrap().trim()), temp.path().canonicalize().unwrap());
}

#[tokio::test]
async fn a_timeout_kills_the_whole_group() {
    let temp = tempfile::tempdir().unwrap();
    let pids = temp.path().join("pids");
    let script = format!("(sleep 1000 & echo $! >> {0}; echo $$ >> {0}; wait)", pids.display());
    let request = ProcessRequest { timeout: Duration::from_millis(300), ..sh(&script) };
    let error = host().run(request).await.unwrap_err();
    assert_eq!(error.to_string(), "`sh` took longer than 300 ms");
    let pids = fs::read_to_string(pids).unwrap();
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        gone(pid).await;
    }
}

#[tokio::test]
async fn what_is_left_in_the_background_dies_with_the_call() {
    // Not in the time that the call has, if it were waited for
    let output = host().run(sh("sleep 1000 & echo $!")).await.unwrap();
    assert_eq!(output.exit_code, Some(0));
    gone(&String::from_utf8(output.stdout).unwrap()).await;
}

#[tokio::test]
async fn a_process_that_left_the_group_keeps_nobody_waiting() {
    // As above
    let output = host().run(sh("setsid sleep 60 & echo here")).await.unwrap();
    assert_eq!(output.stdout, b"here\n");
}

#[tokio::test]
async fn a_dropped_call_kills_the_whole_group() {
    let temp = tempfile::tempdir().unwrap();
    let fifo = temp.path().join("pids");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let script = format!("sleep 1000 & echo \"$$ $!\" > {}; wait", fifo.display());
    let call = tokio::spawn(async move { host().run(sh(&script)).await });
    // Opening the pipe waits for the script
    let pids = tokio::task::spawn_blocking(move || fs::read_to_string(fifo).unwrap()).await.unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(pids.split_whitespace().count(), 2);
    for pid in pids.split_whitespace() {
        gone(pid).await;
    }
}

#[tokio::test]
async fn too_much_output_ends_it() {
    let request = ProcessRequest { output_limit: 1_000, ..sh("yes") };
    let error = host().run(request).await.unwrap_err();
    assert!(matches!(error, PlatformError::TooLarge { limit: 1_000, .. }), "{error}");
    let request = ProcessRequest { output_limit: 4, ..sh("printf 1234; printf 1234 >&2") };
    assert_eq!(host().run(request).await.unwrap().stderr, b"1234");
}

fn line(command: &str) -> ShellRequest {
    ShellRequest {
        command: command.to_owned(),
        cwd: std::env::temp_dir(),
        env: BTreeMap::from([("GREETING".into(), "hello".into())]),
        timeout: Duration::from_secs(20),
        keep: 30,
    }
}

#[tokio::test]
async fn a_command_line_runs_in_a_shell_as_it_was_written() {
    let check = async |command: &str, exit_code: Option<i32>, head: &str, missing: u64, tail: &str| {
        let output = host().run_line(line(command)).await.unwrap();
        assert_eq!(HostProcesses::from_env().run_line(line(command)).await.unwrap(), output, "without a trampoline");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!((output.exit_code, text(&output.head)), (exit_code, head.to_owned()), "{command}");
        assert_eq!((output.missing, text(&output.tail)), (missing, tail.to_owned()), "{command}");
        output
    };
    check("echo $GREETING | tr a-z A-Z; exit 3", Some(3), "HELLO\n", 0, "").await;
    // Both streams in their order, and nothing to read
    check("echo 1; echo 2 >&2; echo 3; cat; echo 4 >&2", Some(0), "1\n2\n3\n4\n", 0, "").await;
    check("printf '%020d%020d' 1 2", Some(0), "00000000000000000001", 10, "0000000002").await;
    // What it leaves behind in its group ends with it
    check("sleep 100 & echo started", Some(0), "started\n", 0, "").await;
    check("exec >&- 2>&-; exit 4", Some(4), "", 0, "").await;
    let killed = check("kill -TERM $$", None, "", 0, "").await;
    assert_eq!((killed.signal, killed.is_timed_out), (Some(15), false));
}

#[tokio::test]
async fn a_command_line_that_takes_too_long_is_stopped_and_what_it_said_is_kept() {
    let request = ShellRequest { timeout: Duration::from_millis(500), ..line("echo $$; sleep 100; echo late") };
    let output = host().run_line(request).await.unwrap();
    assert_eq!((output.exit_code, output.signal, output.is_timed_out), (None, None, true));
    let pid = String::from_utf8(output.head).unwrap();
    gone(&pid).await;

    let nowhere = ShellRequest { cwd: "/no/such/folder".into(), ..line("true") };
    assert!(host().run_line(nowhere).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_command_line_ends_when_nobody_waits_for_it_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    let request =
        ShellRequest { cwd: folder.path().to_owned(), ..line("sh -c 'echo $$ > tmp; mv tmp pid; sleep 100'") };
    let host = host();
    let mut run = Box::pin(host.run_line(request));
    let started = async {
        while !pid_file.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = &mut run => panic!("it ended"),
        () = started => {}
    }
    drop(run);
    gone(&fs::read_to_string(pid_file).unwrap()).await;
}

/// Where this process is killed, the system closes its end of the pipe, as is done here by hand.
#[cfg(target_os = "linux")]
#[test]
fn a_program_ends_with_all_of_its_group_when_nobody_reads_it_any_more() {
    use std::io::{BufRead, BufReader, Read};
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::Stdio;

    let path = std::env::var_os("PATH");
    let mut command = trampoline().tethered("sh".as_ref(), path.as_deref(), Path::new("/")).unwrap();
    // Who is left writes its last word into a pipe that it holds open: end of file is its death
    let script = "sleep 100 & echo here; wait; echo late >&2";
    command.args(["-c", script]).process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    output.read_line(&mut said).unwrap();
    assert_eq!(said, "here\n");
    drop(output);
    let mut late = String::new();
    child.stderr.take().unwrap().read_to_string(&mut late).unwrap();
    assert_eq!((late.as_str(), child.wait().unwrap().signal()), ("", Some(9)));

    let missing = trampoline().tethered("no-such-program".as_ref(), path.as_deref(), Path::new("/")).unwrap_err();
    assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
    let folder = trampoline().tethered("/usr".as_ref(), None, Path::new("/")).unwrap_err();
    assert_eq!(folder.kind(), std::io::ErrorKind::PermissionDenied);
    assert!(trampoline().tethered("./usr/bin/env".as_ref(), None, Path::new("/")).is_ok());
    assert!(trampoline().tethered("sh".as_ref(), None, Path::new("/")).is_ok());
}
