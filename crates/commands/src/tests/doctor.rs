use super::{check, nobody};
use crate::ports::MockPluginStore;
use crate::{Check, Exit, Health};

fn found(area: &str, name: &str, health: Health, detail: &str) -> Check {
    let hint = (health != Health::Good).then(|| "a newer Linux kernel has it".to_owned());
    Check { area: area.into(), name: name.into(), health, detail: detail.into(), hint, required_by: None }
}

fn sound() -> Vec<Check> {
    vec![
        found("the sandbox process", "landlock", Health::Good, "no file, no TCP, no signals to others"),
        found("the sandbox process", "seccomp", Health::Good, "61 system calls are left"),
        found("Mimir's own folder", "folder", Health::Good, "/home/ada/.mimir and what it holds are yours alone"),
    ]
}

async fn screen(checks: Vec<Check>, line: &str) -> (String, Exit) {
    let mut store = MockPluginStore::new();
    store.expect_doctor().return_once(|| Ok(checks));
    let (out, exit) = check(line, 80, store, nobody()).await;
    (out, exit.unwrap())
}

#[tokio::test]
async fn doctor_says_what_is_missing_and_what_to_do() {
    let mut screens = String::new();
    let (out, exit) = screen(sound(), "doctor").await;
    assert_eq!(exit, Exit::Done);
    screens.push_str(&out);

    let mut missing = sound();
    let why = "this kernel has version 3 of Landlock, and 4 is needed: they reach the network";
    missing.push(found("programs that plugins start", "network", Health::Missing, why));
    missing.push(found("on record", "audit log\u{1b}[2J", Health::Bad, "2 problems"));
    let (out, exit) = screen(missing.clone(), "doctor").await;
    assert_eq!(exit, Exit::Failed);
    screens.push_str(&format!("----\n{out}"));

    missing[1].health = Health::Missing;
    missing[1].required_by = Some("/etc/mimir/policy.yml:2".into());
    let (out, exit) = screen(missing.clone(), "doctor").await;
    assert_eq!(exit, Exit::Refused);
    screens.push_str(&format!("----\n{out}"));
    insta::assert_snapshot!(screens);

    let (out, exit) = screen(missing, "doctor --json").await;
    assert_eq!(exit, Exit::Refused);
    insta::assert_json_snapshot!(serde_json::from_str::<serde_json::Value>(&out).unwrap());
}
