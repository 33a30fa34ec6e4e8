//! Other processes: this test binary once more, with the name of a part to play.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use mimir_chat::{SessionStore, SqliteSessions};
use mimir_shared_providers::Usage;

use super::{call, clock, id, new_session, outcome, user};

const PART: &str = "MIMIR_TEST_PART";
const FOLDER: &str = "MIMIR_TEST_FOLDER";
const SESSION: &str = "MIMIR_TEST_SESSION";
/// Begins the lines that are for the test.
const SAYS: &str = "says:";

/// A process that plays a part.
pub(super) struct Player {
    pub(super) process: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Player {
    pub(super) fn start(part: &str, folder: &Path, session: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::child::play", "--nocapture", "--test-threads=1"])
            .env(PART, part)
            .env(FOLDER, folder)
            .env(SESSION, session)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// The next thing that it says; nothing once it has ended.
    pub(super) fn says(&mut self) -> Option<String> {
        loop {
            let line = self.lines.next()?.unwrap();
            // The harness may have begun the line
            if let Some((_, said)) = line.split_once(SAYS) {
                return Some(said.to_owned());
            }
        }
    }

    /// Kills it, and gives what it had said meanwhile.
    pub(super) fn kill(mut self) -> Vec<String> {
        self.process.kill().unwrap();
        let said = std::iter::from_fn(|| self.says()).collect();
        self.process.wait().unwrap();
        said
    }

    /// Lets it come to its end.
    pub(super) fn end(mut self) {
        drop(self.process.stdin.take());
        while self.says().is_some() {}
        assert!(self.process.wait().unwrap().success());
    }
}

fn say(text: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    // One write a line: a line that was cut is one that was not said
    out.write_all(format!("{SAYS}{}\n", text.as_ref()).as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Does nothing unless it was started to play a part.
#[tokio::test]
async fn play() {
    let Ok(part) = std::env::var(PART) else { return };
    let folder = std::env::var_os(FOLDER).unwrap();
    let session = std::env::var(SESSION).unwrap();
    let store = SqliteSessions::open(Path::new(&folder), clock()).await.unwrap();
    match part.as_str() {
        "converse" => converse(&store, &session).await,
        "hold" => {
            store.open(&session).await.unwrap();
            say("held");
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        }
        "write" => {
            let session = store.create(new_session("mine")).await.unwrap().id;
            for number in 0..100 {
                store.append(&session, None, user(number.to_string())).await.unwrap();
            }
            say(session);
        }
        other => panic!("there is no part `{other}`"),
    }
}

/// A conversation without end, each step told after it is done.
async fn converse(store: &SqliteSessions, session: &str) {
    store.open(session).await.unwrap();
    let first = store.find(session).await.unwrap().metadata.get("next").map_or(0, |next| next.as_u64().unwrap());
    for number in first.. {
        let mut found = store.find(session).await.unwrap();
        found.metadata.insert("next".to_owned(), (number + 1).into());
        store.update(&found).await.unwrap();
        let asked = store.append(session, None, user(format!("ask {number}"))).await.unwrap();
        say(format!("message {}", id(&asked)));
        let name = format!("c{number}");
        store.call_started(session, None, &call(&name)).await.unwrap();
        say(format!("started {name}"));
        let told =
            store.call_ended(session, None, &call(&name), &outcome(), user(format!("told {number}"))).await.unwrap();
        say(format!("message {}", id(&told)));
        say(format!("ended {name}"));
        store.spend(session, "m", Usage::new(1, 1), 1.0).await.unwrap();
        say("spent");
        if number % 4 == 3 {
            let summary = store.compact(session, &id(&asked), user(format!("summary {number}"))).await.unwrap();
            say(format!("message {}", id(&summary)));
        }
        if number % 4 == 1 {
            let extra = store.append(session, None, user("extra")).await.unwrap();
            store.remove(session, &id(&extra)).await.unwrap();
            say(format!("removed {}", id(&extra)));
        }
    }
}
