use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use mimir_shared_platform::{Level, Notice};
use rmcp::model::{CallToolRequestParams, CallToolResponse, ClientCapabilities, ClientConfig, Implementation};
use rmcp::model::{ErrorData, ProtocolVersion};
use rmcp::service::{ClientInitializeError, NotificationContext, RunningService, serve_client};
use rmcp::{ClientHandler, Peer, RoleClient, ServiceError};
use serde_json::{Map, Value};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::McpPorts;
use super::adapters::ServerProcess;
use super::answer::answer;
use super::http;
use super::listing::{self, Offered};
use super::settings::{McpLimits, McpReach, McpServer};
use super::transport::{Connection, Lines};
use crate::ToolError;
use crate::plain::plain_line;

/// How much of what a server says of its own failure is shown, in bytes.
const LONGEST: usize = 600;
/// A list of tools that has changed is read again so much later than the one before, at least.
const BETWEEN_LISTS: Duration = Duration::from_secs(1);
/// How many different problems with a server's tools are told in its life.
const MOST_TOLD: usize = 20;
const ENDED: &str = "the session has ended";

/// A server, whatever state it is in.
pub(super) struct Server {
    pub(super) settings: McpServer,
    ports: Arc<McpPorts>,
    limits: McpLimits,
    state: watch::Sender<State>,
    is_told_to_end: watch::Sender<bool>,
}

/// What a server is doing.
#[derive(Clone, Default)]
pub(super) enum State {
    /// It has been started, and has not told its tools yet. Those that it told before it died are still known.
    #[default]
    Starting,
    /// It can be called.
    Ready(Peer<RoleClient>),
    /// It is not there any more, and why.
    Gone(String),
}

/// A running server.
struct Running {
    /// None where it is not a program of this machine.
    process: Option<ServerProcess>,
    service: RunningService<RoleClient, Handler>,
    list_changed: Arc<Notify>,
    connection: Connection,
}

/// What a server may ask of Mimir: nothing. It may say that its tools have changed.
struct Handler {
    list_changed: Arc<Notify>,
}

impl ClientHandler for Handler {
    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.list_changed.notify_one();
    }

    fn get_info(&self) -> ClientConfig {
        let about = Implementation::new("mimir", env!("CARGO_PKG_VERSION"));
        // The handshake that every server knows; later protocols have none
        ClientConfig::new(ClientCapabilities::default(), about)
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }
}

impl Server {
    pub(super) fn new(settings: McpServer, ports: Arc<McpPorts>, limits: McpLimits) -> Self {
        let (state, is_told_to_end) = (watch::Sender::default(), watch::Sender::new(false));
        Self { settings, ports, limits, state, is_told_to_end }
    }

    pub(super) fn place(&self) -> String {
        format!("the MCP server {}", self.settings.name)
    }

    pub(super) fn states(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(super) fn tell_to_end(&self) {
        self.is_told_to_end.send_replace(true);
    }

    /// Runs the server until it is told to end, or has died twice. `publish` is given its tools whenever they change.
    pub(super) async fn keep(self: Arc<Self>, publish: impl Fn(&Arc<Self>, Vec<Offered>)) {
        let mut end = self.is_told_to_end.subscribe();
        let mut is_restart = false;
        loop {
            let why = self.live(&publish, &mut end).await;
            if *end.borrow() {
                self.state.send_replace(State::Gone(why));
                return;
            }
            let was_ready = matches!(*self.state.borrow(), State::Ready(_));
            if is_restart || !was_ready {
                self.tell(Level::Warning, &format!("{why}; its tools can't be used any more"));
                self.state.send_replace(State::Gone(why));
                publish(&self, Vec::new());
                return;
            }
            is_restart = true;
            self.state.send_replace(State::Starting);
            self.tell(Level::Warning, &format!("{why}; it is started again"));
        }
    }

    /// One life of the server. Gives why it ended.
    async fn live(
        self: &Arc<Self>,
        publish: &impl Fn(&Arc<Self>, Vec<Offered>),
        end: &mut watch::Receiver<bool>,
    ) -> String {
        let started = tokio::select! {
            started = self.start() => started,
            () = told(end) => Err(ENDED.to_owned()),
        };
        let running = match started {
            Ok(running) => running,
            Err(why) => return why,
        };
        let mut is_first = true;
        let mut told_of = HashSet::new();
        let mut tell = |what: &str| {
            if told_of.len() < MOST_TOLD && told_of.insert(what.to_owned()) {
                self.tell(Level::Warning, what);
            }
        };
        loop {
            let peer = running.service.peer().clone();
            let listed = tokio::select! {
                listed = timeout(self.limits.start, listing::list(&peer, &self.settings, &self.limits)) => listed,
                () = told(end) => return self.end(running).await,
            };
            match listed {
                Ok(Ok(listing)) => {
                    listing.left_out.iter().for_each(|what| tell(what));
                    publish(self, listing.tools);
                    self.state.send_replace(State::Ready(peer.clone()));
                    is_first = false;
                }
                Ok(Err(ServiceError::TransportClosed)) => return self.death(running).await,
                // A list that can't be read again leaves the one before
                failed => {
                    let why = match failed {
                        Ok(Err(error)) => self.service_error(&error),
                        _ => format!("it did not tell its tools within {} s", self.limits.start.as_secs()),
                    };
                    if is_first {
                        return with_said(&why, &ended(running.process).await);
                    }
                    tell(&why);
                }
            }
            let next = Instant::now() + BETWEEN_LISTS;
            let has_changed = async {
                running.list_changed.notified().await;
                sleep_until(next).await;
            };
            tokio::select! {
                () = has_changed => {}
                () = running.connection.closed() => return self.death(running).await,
                () = told(end) => return self.end(running).await,
            }
        }
    }

    async fn start(&self) -> Result<Running, String> {
        let (connection, list_changed) = (Connection::default(), Arc::new(Notify::new()));
        let handler = Handler { list_changed: Arc::clone(&list_changed) };
        let (process, served) = match &self.settings.reach {
            McpReach::Program { command, args, env, cwd } => {
                let mut environment = self.ports.environment.clone();
                environment.extend(env.clone());
                let (process, streams) =
                    ServerProcess::start(command, args, &environment, cwd, self.ports.trampoline.as_ref())
                        .map_err(|error| format!("it can't be started: `{}`: {error}", plain_line(command, 200)))?;
                let lines = Lines::new(streams, self.limits.message, connection.clone());
                (Some(process), timeout(self.limits.start, serve_client(handler, lines)).await)
            }
            McpReach::Http { url, headers } => {
                let transport = http::transport(&self.ports.client, url, headers, &self.limits, &connection)?;
                (None, timeout(self.limits.start, serve_client(handler, transport)).await)
            }
        };
        match served {
            Ok(Ok(service)) => Ok(Running { process, service, list_changed, connection }),
            Ok(Err(error)) => Err(last_words(&connection, process, handshake_error(&error)).await),
            Err(_) => {
                let why = format!("it did not answer within {} s", self.limits.start.as_secs());
                Err(with_said(&why, &ended(process).await))
            }
        }
    }

    async fn death(&self, running: Running) -> String {
        let Running { process, connection, .. } = running;
        last_words(&connection, process, "it ended".to_owned()).await
    }

    /// Lets the server end by itself, which it should when its standard input does, and kills what is left of it.
    async fn end(&self, running: Running) -> String {
        let Running { process, mut service, .. } = running;
        let _ = service.close_with_timeout(self.limits.end).await;
        ended(process).await;
        ENDED.to_owned()
    }

    /// Calls a tool. If the future is dropped, the server is told that nobody waits any more.
    pub(super) async fn call(&self, tool: &Offered, args: &Map<String, Value>) -> Result<Value, ToolError> {
        let name = &tool.model_name;
        let place = self.place();
        let failed = |why: String| ToolError::new(format!("`{name}` failed: {why}"));
        let peer = self.peer().await.map_err(|why| failed(format!("{place} is not there: {why}")))?;
        let params = CallToolRequestParams::new(tool.name.clone()).with_arguments(args.clone());
        let answered = timeout(self.limits.call, peer.call_tool_once(params)).await;
        match answered {
            Ok(Ok(CallToolResponse::Complete(result))) => answer(name, result),
            Ok(Ok(_)) => Err(failed(format!("{place} asks for something that Mimir can't give"))),
            Ok(Err(ServiceError::TransportSend(error))) if let Some(why) = http::failure(&error) => {
                Err(failed(format!("{place} can't be asked: {why}; whether the call has done anything is not known")))
            }
            Ok(Err(ServiceError::TransportClosed | ServiceError::TransportSend(_))) => {
                let why = "ended during the call; whether the call has done anything is not known";
                Err(failed(format!("{place} {why}")))
            }
            Ok(Err(error)) => Err(failed(format!("{place} says: {}", self.service_error(&error)))),
            Err(_) => {
                let seconds = self.limits.call.as_secs();
                Err(failed(format!("{place} did not answer within {seconds} s and was told to stop")))
            }
        }
    }

    /// Waits while the server is being started.
    async fn peer(&self) -> Result<Peer<RoleClient>, String> {
        let mut states = self.states();
        let ready = states.wait_for(|state| !matches!(state, State::Starting));
        match timeout(self.limits.start, ready).await {
            Ok(Ok(state)) => match &*state {
                State::Ready(peer) => Ok(peer.clone()),
                State::Gone(why) => Err(why.clone()),
                State::Starting => Err("it is being started".to_owned()),
            },
            _ => Err("it is being started".to_owned()),
        }
    }

    fn service_error(&self, error: &ServiceError) -> String {
        match error {
            ServiceError::McpError(error) => said(error),
            ServiceError::TransportClosed => "it ended".to_owned(),
            ServiceError::UnexpectedResponse => "its answer is none to what it was asked".to_owned(),
            ServiceError::TransportSend(error) if let Some(why) = http::failure(error) => why,
            other => plain_line(&other.to_string(), LONGEST),
        }
    }

    fn tell(&self, level: Level, what: &str) {
        let message = format!("{}: {what}", self.place());
        self.ports.notifier.notify(&Notice { level, from: None, message: &message });
    }
}

/// Why a server is gone, with what it wrote last. What one writes that was given up says no more than that its pipe is closed.
async fn last_words(connection: &Connection, process: Option<ServerProcess>, otherwise: String) -> String {
    let trouble = connection.trouble();
    let said = ended(process).await;
    trouble.unwrap_or_else(|| with_said(&otherwise, &said))
}

/// Ends a server's process, if it has one, and gives what it wrote last.
async fn ended(process: Option<ServerProcess>) -> String {
    match process {
        Some(process) => process.end().await,
        None => String::new(),
    }
}

fn with_said(why: &str, said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // The end of it says what went wrong
    let tail = lines[lines.len().saturating_sub(5)..].join(" / ");
    if tail.is_empty() { why.to_owned() } else { format!("{why} (it said: {})", plain_line(&tail, LONGEST)) }
}

/// Waits until the server is told to end.
async fn told(end: &mut watch::Receiver<bool>) {
    // The sender lives as long as the server
    let _ = end.wait_for(|is| *is).await;
}

fn said(error: &ErrorData) -> String {
    plain_line(&error.message, LONGEST)
}

fn handshake_error(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::JsonRpcError(error) => format!("it refused the handshake: {}", said(error)),
        ClientInitializeError::TransportError { error, .. } if let Some(why) = http::failure(error) => why,
        ClientInitializeError::ConnectionClosed(_) | ClientInitializeError::TransportError { .. } => {
            "it ended during the handshake".to_owned()
        }
        ClientInitializeError::ExpectedInitResponse(_) | ClientInitializeError::ExpectedInitResult(_) => {
            "what it answered is no handshake".to_owned()
        }
        other => format!("the handshake failed: {}", plain_line(&other.to_string(), LONGEST)),
    }
}
