use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use mimir_shared_platform::{ContainerFile, ContainerRequest, DockerClient, DockerEngine, PlatformError};
use serde_json::json;

use self::docker_machine::DockerMachine;

// The feature that shows it to other crates is not on in this crate's own tests
#[allow(unreachable_pub, reason = "it is public elsewhere")]
#[path = "../../src/testing/docker_machine.rs"]
mod docker_machine;

const NODE: &str = "docker.io/library/node:22";

fn machine(temp: &tempfile::TempDir) -> (DockerMachine, DockerEngine) {
    let machine = DockerMachine::listen(&temp.path().join("docker.sock"), &[NODE]).unwrap();
    let engine = DockerEngine::new(Some(&machine.host()));
    (machine, engine)
}

fn request(command: &[&str]) -> ContainerRequest {
    ContainerRequest {
        image: NODE.to_owned(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        env: BTreeMap::from([("CI".to_owned(), "1".to_owned())]),
        files: Vec::new(),
        input: None,
        timeout: Duration::from_secs(20),
        output_limit: 10_000,
        memory: 256 << 20,
        processes: 64,
        cpu_thousandths: 1_500,
        owner: "my-plugin".to_owned(),
    }
}

#[tokio::test]
async fn runs_a_container_to_its_end_and_removes_it() {
    let temp = tempfile::tempdir().unwrap();
    let (machine, engine) = machine(&temp);
    let long = format!("deep/{}/b.txt", "x".repeat(150));
    let file = |path: &str, contents: &str, is_executable| ContainerFile {
        path: path.to_owned(),
        contents: contents.as_bytes().to_vec(),
        is_executable,
    };
    let mut request = request(&["cat", "/project/a.sh", &format!("/project/{long}")]);
    request.files = vec![file("a.sh", "one ", true), file(&long, "two", false)];
    request.input = Some(b"input".to_vec());
    let output = engine.run(request).await.unwrap();
    assert_eq!(
        (output.exit_code, output.stdout.as_slice(), output.stderr.as_slice()),
        (0, &b"one two"[..], &b"input"[..])
    );
    assert_eq!(
        machine.asked(),
        [
            "GET /_ping",
            "POST /containers/create",
            "PUT /containers/c1/archive",
            "POST /containers/c1/attach",
            "POST /containers/c1/start",
            "POST /containers/c1/wait",
            "DELETE /containers/c1",
        ]
    );
    assert_eq!(machine.containers(), 0);
    let output = engine.run(self::request(&["exit", "3"])).await.unwrap();
    assert_eq!((output.exit_code, output.stdout.as_slice()), (3, &b""[..]));
}

#[tokio::test]
async fn a_program_gets_its_command_its_files_and_its_input() {
    let temp = tempfile::tempdir().unwrap();
    let (machine, engine) = machine(&temp);
    let machine = machine.running(std::sync::Arc::new(|command, files, input| {
        let said = format!("{command:?} {:?} {}", files.keys(), String::from_utf8_lossy(input));
        (said.into_bytes(), b"warning".to_vec(), 4)
    }));
    let file = ContainerFile { path: "a.txt".to_owned(), contents: Vec::new(), is_executable: false };
    let request = ContainerRequest { files: vec![file], input: Some(b"input".to_vec()), ..request(&["any", "thing"]) };
    let output = engine.run(request).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, r#"["any", "thing"] ["/project/a.txt"] input"#);
    assert_eq!((output.exit_code, output.stderr.as_slice()), (4, &b"warning"[..]));
    assert_eq!(machine.containers(), 0);
}

/// The whole description: a right that is named in it by mistake fails here.
#[tokio::test]
async fn a_container_has_no_privileges() {
    let temp = tempfile::tempdir().unwrap();
    let (machine, engine) = machine(&temp);
    engine.run(request(&["x", "--privileged"])).await.unwrap();
    assert_eq!(
        machine.made(),
        [json!({
            "Image": NODE,
            "Cmd": ["x", "--privileged"],
            "Env": ["CI=1"],
            "WorkingDir": "/project",
            "AttachStdin": false,
            "AttachStdout": true,
            "AttachStderr": true,
            "OpenStdin": false,
            "StdinOnce": false,
            "Tty": false,
            "Labels": { "mimir.plugin": "my-plugin" },
            "HostConfig": {
                "Memory": 256 << 20,
                "MemorySwap": 256 << 20,
                "NanoCpus": 1_500_000_000u64,
                "PidsLimit": 64,
                "NetworkMode": "none",
                "IpcMode": "private",
                "CgroupnsMode": "private",
                "Privileged": false,
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges:true"],
                "PublishAllPorts": false,
                "LogConfig": { "Type": "none" },
            },
        })]
    );
}

#[tokio::test]
async fn says_why_a_container_does_not_run() {
    let temp = tempfile::tempdir().unwrap();
    let (machine, engine) = machine(&temp);
    let missing = ContainerRequest { image: "docker.io/library/other:latest".to_owned(), ..request(&[]) };
    let error = engine.run(missing).await.unwrap_err();
    assert_eq!(error.to_string(), "the image docker.io/library/other:latest is not on this machine");
    let error = engine.run(request(&["flood"])).await.unwrap_err();
    assert!(matches!(error, PlatformError::TooLarge { limit: 10_000, .. }), "{error}");
    let error = engine.run(ContainerRequest { timeout: Duration::from_millis(1), ..request(&["sleep"]) }).await;
    assert!(matches!(error.unwrap_err(), PlatformError::TimedOut { .. }));
    assert_eq!(machine.containers(), 0);

    let nowhere = temp.path().join("nothing.sock");
    for (host, socket) in [
        (format!("unix://{}", nowhere.display()), nowhere),
        ("tcp://127.0.0.1:2375".to_owned(), PathBuf::from("tcp://127.0.0.1:2375")),
        ("unix://relative.sock".to_owned(), PathBuf::from("unix://relative.sock")),
    ] {
        let error = DockerEngine::new(Some(&host)).run(request(&[])).await.unwrap_err();
        assert_eq!(error.to_string(), format!("no Docker engine answers at {}", socket.display()));
    }
}

#[tokio::test]
async fn a_container_ends_with_whoever_waits_for_it() {
    let temp = tempfile::tempdir().unwrap();
    let (machine, engine) = machine(&temp);
    let call = tokio::spawn(async move { engine.run(request(&["sleep"])).await });
    let has_asked = |what: &str| machine.asked().iter().any(|asked| asked == what);
    while !has_asked("POST /containers/c1/start") {
        assert!(!call.is_finished());
        tokio::task::yield_now().await;
    }
    call.abort();
    let gone = async {
        while !has_asked("DELETE /containers/c1") || machine.containers() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
}
