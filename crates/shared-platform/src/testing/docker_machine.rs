use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// Speaks as much of the Docker engine's HTTP API as it takes to run a container, on a Unix socket, and remembers what it
/// was asked. It is stricter than an engine: what it does not know is an error.
///
/// Its containers run no program, unless [`DockerMachine::running`] gives one. Their command says what they do: `cat FILE…` prints files that were copied in, `exit N`
/// ends with that code, `flood` writes without end, `rights` prints what was taken from it, `sleep` does nothing until it is removed. Any other prints a line that
/// names the image. Standard input, where there is one, comes back on standard error.
pub struct DockerMachine {
    socket: PathBuf,
    state: Arc<Mutex<State>>,
}

/// What a container's program does with its command, the files that were copied in, by their paths, and its standard
/// input: it gives its standard output, its standard error and its exit code.
pub type Program = dyn Fn(&[String], &BTreeMap<String, Vec<u8>>, &[u8]) -> (Vec<u8>, Vec<u8>, i64) + Send + Sync;

#[derive(Default)]
struct State {
    program: Option<Arc<Program>>,
    images: Vec<String>,
    asked: Vec<String>,
    containers: HashMap<String, Container>,
    made: Vec<Value>,
}

#[derive(Debug)]
struct Container {
    description: Value,
    files: BTreeMap<String, Vec<u8>>,
    phase: watch::Sender<Phase>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Made,
    Started,
    Ended(i64),
    Removed,
}

impl DockerMachine {
    /// Listens at `socket`, within a tokio runtime with I/O. It has these images, by their full names.
    ///
    /// # Errors
    /// If it can't listen there.
    pub fn listen(socket: &Path, images: &[&str]) -> std::io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let images = images.iter().map(|image| (*image).to_owned()).collect();
        let state = Arc::new(Mutex::new(State { images, ..State::default() }));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                tokio::spawn(async move { serve(stream, &state).await });
            }
        });
        Ok(Self { socket: socket.to_owned(), state })
    }

    /// Lets its containers run this program, whatever their command is.
    #[must_use]
    pub fn running(self, program: Arc<Program>) -> Self {
        lock(&self.state).program = Some(program);
        self
    }

    /// As the variable `DOCKER_HOST` names it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// What it was asked so far: methods and paths, without the version in front.
    pub fn asked(&self) -> Vec<String> {
        lock(&self.state).asked.clone()
    }

    /// The descriptions of the containers that it made.
    pub fn made(&self) -> Vec<Value> {
        lock(&self.state).made.clone()
    }

    /// How many containers it has.
    pub fn containers(&self) -> usize {
        lock(&self.state).containers.len()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(mut stream: UnixStream, state: &Mutex<State>) -> Option<()> {
    let mut buffer = Vec::new();
    let (head, mut body) = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break (String::from_utf8_lossy(&buffer[..at]).into_owned(), buffer.split_off(at + 4));
        }
        (stream.read_buf(&mut buffer).await.ok()? > 0).then_some(())?;
    };
    let mut lines = head.lines();
    let mut line = lines.next()?.split(' ');
    let (method, target) = (line.next()?, line.next()?);
    let length = lines.find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    while body.len() < length.unwrap_or(0) {
        (stream.read_buf(&mut body).await.ok()? > 0).then_some(())?;
    }
    // /v1.44/containers/…
    let path = target.trim_start_matches('/');
    let path = path.split_once('/').filter(|(first, _)| first.starts_with("v1.")).map_or(path, |(_, path)| path);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    lock(state).asked.push(format!("{method} /{path}"));
    let parts = path.split('/').collect::<Vec<_>>();
    let (status, answer) = match (method, parts.as_slice()) {
        ("GET", ["_ping"]) => (200, json!("OK")),
        ("POST", ["containers", "create"]) => make(state, &body),
        ("PUT", ["containers", id, "archive"]) if query == "path=%2F" => copy_in(state, id, &body),
        ("POST", ["containers", id, "attach"]) => return attach(stream, state, id).await,
        ("POST", ["containers", id, "start"]) => match phase(state, id) {
            Some(phase) if *phase.borrow() == Phase::Made => {
                phase.send_replace(Phase::Started);
                (204, Value::Null)
            }
            _ => none(),
        },
        ("POST", ["containers", id, "wait"]) => match phase(state, id) {
            Some(phase) => {
                let mut changes = phase.subscribe();
                let ended = changes.wait_for(|phase| matches!(phase, Phase::Ended(_) | Phase::Removed)).await.ok()?;
                (200, json!({ "StatusCode": if let Phase::Ended(code) = *ended { code } else { 137 } }))
            }
            None => none(),
        },
        ("DELETE", ["containers", id]) => match lock(state).containers.remove(*id) {
            Some(container) => {
                container.phase.send_replace(Phase::Removed);
                (204, Value::Null)
            }
            None => none(),
        },
        _ => (501, json!({ "message": format!("{method} /{path} is not known here") })),
    };
    let body = if answer.is_null() { String::new() } else { answer.to_string() };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all((head + &body).as_bytes()).await.ok()
}

fn none() -> (u16, Value) {
    (404, json!({ "message": "there is no such container" }))
}

fn phase(state: &Mutex<State>, id: &str) -> Option<watch::Sender<Phase>> {
    lock(state).containers.get(id).map(|container| container.phase.clone())
}

fn make(state: &Mutex<State>, body: &[u8]) -> (u16, Value) {
    let Ok(description) = serde_json::from_slice::<Value>(body) else {
        return (400, json!({ "message": "this is no description of a container" }));
    };
    let mut state = lock(state);
    if !state.images.iter().any(|image| description["Image"] == **image) {
        return (404, json!({ "message": "No such image" }));
    }
    state.made.push(description.clone());
    let id = format!("c{}", state.made.len());
    let container = Container { description, files: BTreeMap::new(), phase: watch::Sender::new(Phase::Made) };
    state.containers.insert(id.clone(), container);
    (201, json!({ "Id": id, "Warnings": [] }))
}

fn copy_in(state: &Mutex<State>, id: &str, body: &[u8]) -> (u16, Value) {
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(body);
    for entry in archive.entries().into_iter().flatten() {
        let Ok(mut entry) = entry else { return (400, json!({ "message": "this is no archive" })) };
        let path = entry.path().map(|path| format!("/{}", path.display())).unwrap_or_default();
        let mut contents = Vec::new();
        if entry.read_to_end(&mut contents).is_err() {
            return (400, json!({ "message": "the archive is torn" }));
        }
        files.insert(path, contents);
    }
    match lock(state).containers.get_mut(id) {
        Some(container) => {
            container.files.extend(files);
            (200, Value::Null)
        }
        None => none(),
    }
}

/// Plays the program to whoever is attached.
async fn attach(mut stream: UnixStream, state: &Mutex<State>, id: &str) -> Option<()> {
    let head = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    stream.write_all(head.as_bytes()).await.ok()?;
    let phase = phase(state, id)?;
    let mut changes = phase.subscribe();
    if *changes.wait_for(|phase| *phase != Phase::Made).await.ok()? == Phase::Removed {
        return None;
    }
    let (description, files) = {
        let state = lock(state);
        let container = state.containers.get(id)?;
        (container.description.clone(), container.files.clone())
    };
    let mut input = Vec::new();
    if description["OpenStdin"] == true {
        stream.read_to_end(&mut input).await.ok()?;
        if lock(state).program.is_none() {
            stream.write_all(&frame(2, &input)).await.ok()?;
        }
    }
    let command = description["Cmd"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
    let mut code = 0;
    let program = lock(state).program.clone();
    if let Some(program) = program {
        let command = command.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let ran = tokio::task::spawn_blocking(move || program(&command, &files, &input)).await.ok()?;
        stream.write_all(&frame(1, &ran.0)).await.ok()?;
        stream.write_all(&frame(2, &ran.1)).await.ok()?;
        phase.send_if_modified(|phase| std::mem::replace(phase, Phase::Ended(ran.2)) == Phase::Started);
        return stream.shutdown().await.ok();
    }
    match command.as_slice() {
        ["cat", paths @ ..] => {
            for path in paths {
                match files.get(*path) {
                    Some(contents) => stream.write_all(&frame(1, contents)).await.ok()?,
                    None => code = 1,
                }
            }
        }
        ["exit", number] => code = number.parse().unwrap_or(1),
        ["flood"] => while stream.write_all(&frame(1, &[b'x'; 4_096])).await.is_ok() {},
        ["rights"] => {
            let host = &description["HostConfig"];
            let rights =
                format!("network {}, without {}, {}", host["NetworkMode"], host["CapDrop"], host["SecurityOpt"]);
            stream.write_all(&frame(1, rights.as_bytes())).await.ok()?;
        }
        ["sleep"] => drop(changes.wait_for(|phase| *phase == Phase::Removed).await),
        _ => {
            let line = format!("{} ran\n", description["Image"].as_str().unwrap_or_default());
            stream.write_all(&frame(1, line.as_bytes())).await.ok()?;
        }
    }
    phase.send_if_modified(|phase| std::mem::replace(phase, Phase::Ended(code)) == Phase::Started);
    stream.shutdown().await.ok()
}

/// A piece of output as an engine sends it: to which stream, how long, what.
fn frame(stream: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[stream, 0, 0, 0][..], &length, bytes].concat()
}
