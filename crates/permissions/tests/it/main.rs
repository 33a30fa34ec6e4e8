//! The crate as whoever wires it up sees it: the real file of answers, and a plugin system that is played.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mimir_permissions::{AnswerFile, Decider, Permissions, Person, Prompt, Reply, Request, Scope, Settings, render};
use mimir_plugins::Hooks;
use mimir_plugins::events::{Emit, Emitted, Outcome, Raised};
use mimir_shared_platform::{OsFileSystem, SystemClock};

struct NoPlugins;

#[async_trait]
impl Emit for NoPlugins {
    async fn emit(&self, event: Raised) -> Emitted {
        Emitted { outcome: Outcome::Passed, by: None, changed_by: Vec::new(), reason: None, payload: event.payload }
    }

    fn emit_background(&self, _: Raised) {}
}

/// A person who answers by a script, and keeps what was asked.
#[derive(Default)]
struct Scripted {
    replies: Mutex<VecDeque<Reply>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Person for Scripted {
    async fn ask(&self, prompt: &Prompt) -> Option<Reply> {
        self.asked.lock().unwrap().push(render(prompt, 80, false));
        self.replies.lock().unwrap().pop_front()
    }
}

fn request(command: &str) -> Request {
    Request {
        session_id: "s".to_owned(),
        kind: "bash".to_owned(),
        command: command.to_owned(),
        path: None,
        tool: Some("bash".to_owned()),
        least_risk: None,
        cause: Vec::new(),
        changed_by: Vec::new(),
    }
}

fn permissions(folder: &std::path::Path, project: &str, person: &Arc<Scripted>) -> Permissions {
    let answers = AnswerFile::new(folder.join("permissions.json"), project, Arc::new(OsFileSystem));
    let person: Arc<dyn Person> = person.clone();
    let hooks = Hooks::new(Arc::new(NoPlugins));
    Permissions::new(Settings::new(PathBuf::from(project)), hooks, person, Arc::new(answers), Arc::new(SystemClock))
}

/// `always` outlives the process, in its project and nowhere else.
#[tokio::test]
async fn always_lasts_in_one_project() {
    let temp = tempfile::tempdir().unwrap();
    let person = Arc::new(Scripted::default());
    let always = Reply { allowed: true, scope: Scope::Always, reason: None };
    person.replies.lock().unwrap().push_back(always);
    let first = permissions(temp.path(), "/code/app", &person).ask(request("cargo test")).await;
    assert_eq!((first.allowed, first.by), (true, Decider::User));
    assert!(person.asked.lock().unwrap()[0].contains("a always in this project: bash(cargo test *)"));

    let later = permissions(temp.path(), "/code/app", &person);
    assert_eq!(later.ask(request("cargo test -p x")).await.by, Decider::Remembered);
    assert_eq!(later.ask(request("cargo test; rm -rf /")).await.by, Decider::Nobody);
    let elsewhere = permissions(temp.path(), "/code/other", &person);
    assert_eq!(elsewhere.ask(request("cargo test")).await.by, Decider::Nobody);
}
