//! `mimir plugin doctor`, and what its findings mean for a start.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::{Value, json};

use crate::place::{Place, Ran, event};

fn checks(ran: &Ran) -> Vec<Value> {
    ran.json()[0].as_array().unwrap().clone()
}

fn health<'a>(checks: &'a [Value], area: &str, name: &str) -> &'a Value {
    let found = checks.iter().find(|check| check["area"] == area && check["name"] == name);
    &found.unwrap_or_else(|| panic!("no {area}: {name} in {checks:#?}"))["health"]
}

#[test]
fn it_says_layer_by_layer_what_holds() {
    let place = Place::new();
    let ran = place.run("plugin doctor --json");
    let found = checks(&ran);
    for layer in ["process", "landlock", "seccomp", "no-new-privileges", "resource-limits", "no-core-dumps"] {
        let health = health(&found, "the sandbox process", layer);
        assert!(health == "good" || health == "missing", "{layer}: {health}");
    }
    assert_eq!(health(&found, "the sandbox process", "process"), "good");
    assert_eq!(health(&found, "Mimir's own folder", "folder"), "good");
    assert_eq!(health(&found, "on record", "audit log"), "good");
    assert_eq!(health(&found, "on record", "company's policy"), "good");
    let is_sound = found.iter().all(|check| check["health"] == "good");
    assert_eq!(ran.code, Some(i32::from(!is_sound)), "{}", ran.out);
    // Whatever is short has something to do about it
    assert!(found.iter().all(|check| check["health"] == "good" || check["hint"].is_string()), "{found:#?}");
    assert!(place.run("plugin doctor").out.contains("the sandbox process\n"));
}

#[test]
fn what_others_could_have_written_is_found() {
    let place = Place::new();
    place.run("plugin trust").done();
    let store = place.home().join("trust.json");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o666)).unwrap();
    let ran = place.run("plugin doctor --json");
    assert_eq!(health(&checks(&ran), "Mimir's own folder", "~/.mimir/trust.json"), "bad");
    let ran = place.run("plugin list");
    assert!(ran.code == Some(1) && ran.err.contains("others may write"), "{}", ran.err);
    assert!(ran.err.contains("chmod 600"), "{}", ran.err);
}

/// A layer that is required and not there: nothing runs, and it is said. `in-process` is one that every machine can miss.
#[test]
fn without_a_required_layer_no_plugin_starts() {
    let place = Place::new();
    place.plugin("home/plugins/plain", "events: [session.idle]\n", "export default async () => ({ on: {} });\n");
    place.write("x.ndjson", event("session.idle", &json!({"reason": "completed", "session": {"id": "ses_1"}})));
    let require = "sandbox: { require: [process] }\n";
    place.write("home/config.yml", require);
    place.run("replay @/x.ndjson").done();

    place.write("home/config.yml", format!("plugins: {{ isolation: in-process }}\n{require}"));
    let ran = place.run("replay @/x.ndjson");
    assert_eq!((ran.code, ran.out.as_str()), (Some(3), ""), "{}", ran.err);
    let told = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("requires `process`") && told.contains("mimir plugin doctor"), "{told}");
    assert_eq!(place.run("plugin doctor").code, Some(3));
    place.run("--no-plugins replay @/x.ndjson").done();
    // A repository can't keep the user's plugins from starting so
    place.write("home/config.yml", "plugins: { isolation: in-process }\n");
    place.write("project/.mimir/config.yml", require);
    place.run("plugin trust").done();
    place.run("replay @/x.ndjson").done();
}

/// A repository that brings a configuration which is no file: it neither hangs nor shows what it leads to.
#[test]
fn a_configuration_that_is_no_file_is_refused() {
    let secret = "canary-4711";
    let place = Place::new();
    let config = place.project().join(".mimir/config.yml");
    place.write("outside.txt", secret);
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    let check = |expected: &str| {
        let ran = place.run("plugin list");
        let told = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(ran.code == Some(1) && told.contains(expected) && !told.contains(secret), "{told}");
        fs::remove_file(&config).unwrap();
    };
    symlink("../../outside.txt", &config).unwrap();
    check("leads out of the project");
    symlink("/dev/zero", &config).unwrap();
    check("leads out of the project");
    assert!(std::process::Command::new("mkfifo").arg(&config).status().unwrap().success());
    check("no ordinary file");
    fs::write(&config, vec![b' '; 2 << 20]).unwrap();
    check("no ordinary file");
}

#[test]
fn mimirs_own_folder_is_not_the_repositorys() {
    let place = Place::new();
    let run = |home: &str, user: &str| {
        let root = place.project().parent().unwrap().to_owned();
        let mut command = place.mimir();
        command.env("HOME", root.join(user)).args(["plugin", "list"]);
        if home.is_empty() {
            command.env_remove("MIMIR_HOME")
        } else {
            command.env("MIMIR_HOME", root.join(home))
        };
        let Ran { code, err, .. } = Ran::of(&mut command);
        (code, err.contains("lies in the project"))
    };
    symlink("project", place.project().parent().unwrap().join("link")).unwrap();
    for (home, user, is_refused) in [
        ("home", "user", false),
        ("project/.mimir/home", "user", true),
        ("project/.mimir", "user", true),
        ("link/.mimir", "user", true),
        ("", "project/user", true),
        ("", "user", false),
        // The user's home is a project of its own, as where settings are kept under Git
        ("", "project", false),
        ("project/.mimir", "project", false),
    ] {
        let expected = if is_refused { (Some(1), true) } else { (Some(0), false) };
        assert_eq!(run(home, user), expected, "MIMIR_HOME={home} HOME={user}");
    }
}
