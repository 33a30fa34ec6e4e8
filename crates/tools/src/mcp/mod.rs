//! Tools of MCP servers that the user's configuration names: programs, talked to on their standard streams, and servers that
//! answer over HTTP.
//!
//! A program runs with the user's rights. What it says is not trusted all the same: names, descriptions, schemas and
//! messages are bounded and cleaned, and nothing that it says decides whether somebody is asked.

mod adapters;
mod answer;
mod http;
mod listing;
mod names;
mod server;
mod settings;
mod tool;
mod transport;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};

use mimir_plugins::events::ToolSource;
use mimir_shared_platform::{HttpClient, Notifier, Trampoline};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::{Conflict, Dispatcher, Tool};
use listing::Offered;
use server::{Server, State};
pub use settings::{McpLimits, McpReach, McpServer, server_environment};
use tool::McpTool;

/// The MCP servers of a session. When this is dropped, they are killed.
pub struct McpServers {
    servers: Vec<Arc<Server>>,
    offered: Arc<Mutex<HashMap<String, Vec<Offered>>>>,
    changes: watch::Sender<u64>,
    lives: tokio::sync::Mutex<JoinSet<()>>,
}

/// What servers are started with.
pub struct McpPorts {
    /// The environment of programs, beside what their settings add.
    pub environment: BTreeMap<OsString, OsString>,
    /// What the others are reached by.
    pub client: Arc<dyn HttpClient>,
    /// Who tells the person of problems.
    pub notifier: Arc<dyn Notifier>,
    /// With it, programs end with this process, however that ends.
    pub trampoline: Option<Trampoline>,
}

/// How a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpStatus {
    /// Its name.
    pub name: String,
    /// Whether it can be called.
    pub is_ready: bool,
    /// Why it is not there, if it is not being started either. Fit for a terminal.
    pub problem: Option<String>,
    /// How many tools it offers.
    pub tools: usize,
}

impl McpServers {
    /// Starts servers in the background, within a tokio runtime, and comes back at once: tools appear when their server
    /// has told them. Problems are told to the person.
    pub fn start(servers: Vec<McpServer>, ports: McpPorts, limits: &McpLimits) -> Self {
        let ports = Arc::new(ports);
        let offered: Arc<Mutex<HashMap<String, Vec<Offered>>>> = Arc::default();
        let changes = watch::Sender::new(0);
        let server = |settings| Arc::new(Server::new(settings, Arc::clone(&ports), limits.clone()));
        let servers: Vec<Arc<Server>> = servers.into_iter().map(server).collect();
        let mut lives = JoinSet::new();
        for server in &servers {
            let (offered, changes) = (Arc::clone(&offered), changes.clone());
            lives.spawn(Arc::clone(server).keep(move |server, tools| {
                offered.lock().unwrap_or_else(PoisonError::into_inner).insert(server.settings.name.clone(), tools);
                changes.send_modify(|number| *number += 1);
            }));
        }
        Self { servers, offered, changes, lives: tokio::sync::Mutex::new(lives) }
    }

    /// The tools that servers offer now, in the servers' order.
    pub fn tools(&self) -> Vec<Arc<dyn Tool>> {
        let offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner);
        let of_server = |server: &Arc<Server>| {
            let tools = offered.get(&server.settings.name).cloned().unwrap_or_default();
            let server = Arc::clone(server);
            tools
                .into_iter()
                .map(move |offered| Arc::new(McpTool { offered, server: Arc::clone(&server) }) as Arc<dyn Tool>)
        };
        self.servers.iter().flat_map(of_server).collect()
    }

    /// Changes whenever [`McpServers::tools`] does.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Brings a dispatcher's tools of MCP servers up to date, and says which were not taken.
    pub fn update(&self, dispatcher: &Dispatcher) -> Vec<Conflict> {
        let offered = self.tools();
        let definitions: HashMap<String, _> =
            offered.iter().map(|tool| tool.definition()).map(|it| (it.name.clone(), it)).collect();
        dispatcher.remove(|known| {
            let is_ours = known.source == ToolSource::Mcp;
            is_ours && definitions.get(&known.definition.name) != Some(&known.definition)
        });
        let known: Vec<String> =
            dispatcher.definitions(|known| known.source == ToolSource::Mcp).into_iter().map(|it| it.name).collect();
        dispatcher.register(offered.into_iter().filter(|tool| !known.contains(&tool.definition().name)))
    }

    /// Keeps a dispatcher up to date for as long as the future is polled, which never ends. `on_conflict` is told of tools
    /// that were not taken.
    pub async fn keep_in(&self, dispatcher: &Dispatcher, on_conflict: impl Fn(Conflict)) {
        let mut changes = self.changes();
        loop {
            self.update(dispatcher).into_iter().for_each(&on_conflict);
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// How the servers are, in their order.
    pub fn status(&self) -> Vec<McpStatus> {
        let offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner);
        let status = |server: &Arc<Server>| {
            let name = server.settings.name.clone();
            let tools = offered.get(&name).map_or(0, Vec::len);
            let (is_ready, problem) = match &*server.states().borrow() {
                State::Starting => (false, None),
                State::Ready(_) => (true, None),
                State::Gone(why) => (false, Some(why.clone())),
            };
            McpStatus { name, is_ready, problem, tools }
        };
        self.servers.iter().map(status).collect()
    }

    /// Waits until each server has told its tools or has failed. No longer than the start-up limit, with a restart twice
    /// that.
    pub async fn settled(&self) {
        for server in &self.servers {
            // It is never closed while the server is there
            let _ = server.states().wait_for(|state| !matches!(state, State::Starting)).await;
        }
    }

    /// Lets all servers end, and kills those that do not.
    pub async fn stop(&self) {
        self.servers.iter().for_each(|server| server.tell_to_end());
        let mut lives = self.lives.lock().await;
        while lives.join_next().await.is_some() {}
    }
}
