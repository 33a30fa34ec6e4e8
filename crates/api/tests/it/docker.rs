use std::fs;
use std::os::unix::fs::symlink;

use mimir_api::ApiLimits;
use mimir_shared_platform::testing::DockerMachine;
use serde_json::{Value, json};

use crate::harness::{Options, World, world_with};

const NODE: &str = "docker.io/library/node:22";

/// A world with a Docker engine, and the plugin may run `node:22`.
fn world(limits: ApiLimits) -> (World, DockerMachine) {
    let capabilities = json!({
        "filesystem": { "read": true, "restricted": [".env", "*.pem"] },
        "docker": { "enabled": true, "images": ["node:22"] },
    });
    let world = world_with(Options { capabilities, limits, ..Options::default() });
    let machine = DockerMachine::listen(&world.docker_socket(), &[NODE, "docker.io/evil/node:22"]).unwrap();
    fs::write(world.root.join("src/key.pem"), "key").unwrap();
    fs::create_dir_all(world.root.join(".mimir")).unwrap();
    fs::write(world.root.join(".mimir/config.yml"), "secret").unwrap();
    fs::create_dir_all(world.root.join("src/deep")).unwrap();
    fs::write(world.root.join("src/deep/b.ts"), "b").unwrap();
    symlink("../.env", world.root.join("src/innocent")).unwrap();
    (world, machine)
}

fn ran(stdout: &str, exit_code: i32) -> Value {
    json!({ "exitCode": exit_code, "stdout": stdout, "stderr": "" })
}

#[tokio::test]
async fn runs_an_allowed_image_however_it_is_written() {
    let (world, machine) = world(ApiLimits::default());
    for image in ["node:22", "library/node:22", "docker.io/node:22", "index.docker.io/library/node:22", NODE] {
        world.check("docker.run", json!({ "image": image }), Ok(ran(&format!("{NODE} ran\n"), 0))).await;
    }
    for image in ["node", "node:220", "evil/node:22", "localhost/node:22", "--privileged", "", "node:22 evil/node"] {
        world.check("docker.run", json!({ "image": image }), Err(("CAPABILITY_DENIED", "docker.run is denied"))).await;
    }
    assert_eq!(machine.made().len(), 5);
    assert!(machine.made().iter().all(|made| made["Image"] == NODE && made["HostConfig"]["NetworkMode"] == "none"));
    let args = json!({ "image": "node:22", "command": ["exit", "4"], "input": "in", "env": { "A": "b" }, "timeoutMs": 20_000 });
    let answer = world.call("docker.run", args).await.unwrap();
    assert_eq!(answer, json!({ "exitCode": 4, "stdout": "", "stderr": "in" }));
    assert_eq!(machine.made()[5]["Env"], json!(["A=b"]));
}

#[tokio::test]
async fn what_is_copied_is_what_the_plugin_may_read() {
    let (world, machine) = world(ApiLimits::default());
    let cat = |files: &[&str], paths: &[&str]| {
        let command = ["cat"].into_iter().chain(paths.iter().copied()).collect::<Vec<_>>();
        json!({ "image": "node:22", "command": command, "files": files })
    };
    let both = ["/project/src/a.ts", "/project/src/deep/b.ts"];
    world.check("docker.run", cat(&["src"], &both), Ok(ran("ab", 0))).await;
    world.check("docker.run", cat(&["src/deep/b.ts", "./src/a.ts"], &both), Ok(ran("ab", 0))).await;
    // All of the project, without what is closed, restricted, or a link
    world.check("docker.run", cat(&["."], &both), Ok(ran("ab", 0))).await;
    let closed = ["/project/.env", "/project/src/key.pem", "/project/.mimir/config.yml", "/project/src/innocent"];
    for path in closed.into_iter().chain(["/project/out/secret", "/project/innocent"]) {
        world.check("docker.run", cat(&["."], &[path]), Ok(ran("", 1))).await;
    }
    // What git obeys, with its credentials, in a repository that is not called `.git`
    for file in ["HEAD", "config", "hooks/post-update", "refs/x"] {
        fs::create_dir_all(world.root.join("vendor/x.git").join(file).parent().unwrap()).unwrap();
        fs::write(world.root.join("vendor/x.git").join(file), file).unwrap();
    }
    let repository = |file: &str| format!("/project/vendor/x.git/{file}");
    for files in [["vendor"], ["vendor/x.git"], ["."]] {
        let open = [&*repository("HEAD"), &*repository("refs/x")];
        world.check("docker.run", cat(&files, &open), Ok(ran("HEADrefs/x", 0))).await;
        for closed in ["config", "hooks/post-update"] {
            world.check("docker.run", cat(&files, &[&*repository(closed)]), Ok(ran("", 1))).await;
        }
    }
    let made = machine.made().len();
    let outside = world.outside().display().to_string();
    for path in [
        ".env",
        "src/key.pem",
        ".mimir",
        ".mimir/config.yml",
        "src/innocent",
        "innocent",
        "out",
        "../outside",
        &outside,
        "/etc/passwd",
        "/var/run/docker.sock",
    ] {
        world.check("docker.run", cat(&[path], &[]), Err(("CAPABILITY_DENIED", "docker.run is denied"))).await;
    }
    world.check("docker.run", cat(&["nothing"], &[]), Err(("NOT_FOUND", "there is no nothing"))).await;
    assert_eq!(machine.made().len(), made, "no container was made for these");
}

#[tokio::test]
async fn nothing_else_can_be_asked_for() {
    let (world, machine) = world(ApiLimits { container_files: 10, ..ApiLimits::default() });
    for more in [
        json!({ "privileged": true }),
        json!({ "mounts": ["/:/host"] }),
        json!({ "binds": ["/:/host"] }),
        json!({ "network": "host" }),
        json!({ "HostConfig": { "Privileged": true } }),
        json!({ "command": "sh -c x" }),
        json!({ "command": ["a\0b"] }),
        json!({ "env": { "A=B": "c" } }),
        json!({ "timeoutMs": -1 }),
    ] {
        let mut args = json!({ "image": "node:22" });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.check("docker.run", args, Err(("INVALID_ARGUMENT", ""))).await;
    }
    fs::write(world.root.join("src/long"), "x".repeat(11)).unwrap();
    let args = json!({ "image": "node:22", "files": ["src"] });
    world.check("docker.run", args, Err(("LIMIT", "larger than the limit"))).await;
    let args = json!({ "image": "node:22", "command": ["sleep"], "timeoutMs": 1 });
    world.check("docker.run", args, Err(("TIMEOUT", "took longer than"))).await;
    assert_eq!((machine.made().len(), machine.containers()), (1, 0));
}

#[tokio::test]
async fn says_what_is_missing() {
    let (world, _machine) = world(ApiLimits::default());
    fs::remove_file(world.docker_socket()).unwrap();
    let error = world.call("docker.run", json!({ "image": "node:22" })).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.hint.unwrap().contains("start Docker")), ("UNSUPPORTED", true));
    let _machine = DockerMachine::listen(&world.docker_socket(), &[]).unwrap();
    let error = world.call("docker.run", json!({ "image": "node:22" })).await.unwrap_err();
    assert_eq!(
        (error.code.as_str(), error.hint.as_deref()),
        ("NOT_FOUND", Some("fetch it first: `docker pull docker.io/library/node:22`"))
    );
}
