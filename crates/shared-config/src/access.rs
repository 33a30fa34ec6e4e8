use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

use crate::{PluginId, Risk};

/// One thing that a plugin wants to do, as it is put to [`Capabilities::permits`](crate::Capabilities::permits).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Read a file, list a folder, or learn whether something exists. The path is absolute, or relative to the root.
    FileRead {
        /// The file or folder.
        path: PathBuf,
    },
    /// Create or change a file or folder.
    FileWrite {
        /// The file or folder.
        path: PathBuf,
    },
    /// Remove a file or folder.
    FileDelete {
        /// The file or folder.
        path: PathBuf,
    },
    /// Run a program, without a shell.
    Exec {
        /// The program and its arguments.
        argv: Vec<String>,
    },
    /// Let a program that it runs use the network. A program is held to no hosts.
    ProgramNetwork,
    /// Send a request. Asked again for every redirect.
    Net {
        /// The absolute URL.
        url: String,
    },
    /// Connect to an address that a host's name was resolved to.
    NetAddress {
        /// The absolute URL of the request.
        url: String,
        /// The address that would be connected to.
        ip: IpAddr,
    },
    /// Read an environment variable.
    Env {
        /// Its name.
        name: String,
    },
    /// Send a secret that the plugin never sees.
    Secret {
        /// The secret's name.
        name: String,
        /// The absolute URL that it would be sent to.
        url: String,
    },
    /// Call a language model.
    Llm {
        /// The model, as the provider names it.
        model: String,
    },
    /// Run a container.
    Docker {
        /// The image, as `docker run` takes it.
        image: String,
    },
    /// Have one of the agent's tools called.
    Tool {
        /// The tool's name.
        name: String,
    },
    /// Approve a permission request in the user's place.
    Approve {
        /// The request's risk.
        risk: Risk,
    },
    /// Show the user a message.
    Notify,
    /// Ask the user a question.
    Ask,
    /// Write to the log.
    Log,
    /// Use the plugin's own key-value store.
    Storage,
    /// Read the session at hand.
    Session,
}

impl Access {
    /// The capability that decides, as the audit log and error messages name it: `filesystem.write`.
    pub fn capability(&self) -> &'static str {
        match self {
            Self::FileRead { .. } => "filesystem.read",
            Self::FileWrite { .. } => "filesystem.write",
            Self::FileDelete { .. } => "filesystem.delete",
            Self::Exec { .. } => "exec",
            Self::Net { .. } | Self::NetAddress { .. } => "network",
            Self::ProgramNetwork => "exec.network",
            Self::Env { .. } => "env",
            Self::Secret { .. } => "secrets",
            Self::Llm { .. } => "llm",
            Self::Docker { .. } => "docker",
            Self::Tool { .. } => "tools",
            Self::Approve { .. } => "permissions.approve",
            Self::Notify => "notify",
            Self::Ask => "ask",
            Self::Log => "log",
            Self::Storage => "storage",
            Self::Session => "session",
        }
    }
}

/// What is accessed, for the audit log and messages.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileRead { path } => write!(f, "read {}", path.display()),
            Self::FileWrite { path } => write!(f, "write {}", path.display()),
            Self::FileDelete { path } => write!(f, "delete {}", path.display()),
            Self::Exec { argv } => write!(f, "run {}", shell_words::join(argv)),
            Self::ProgramNetwork => f.write_str("give a program the network"),
            Self::Net { url } => write!(f, "request {url}"),
            Self::NetAddress { url, ip } => {
                let url = Url::parse(url).ok();
                let host = url.as_ref().and_then(Url::host_str).unwrap_or("what is no host");
                write!(f, "connect to {host} at {ip}")
            }
            Self::Env { name } => write!(f, "read the environment variable {name}"),
            Self::Secret { name, url } => write!(f, "send the secret {name} to {url}"),
            Self::Llm { model } => write!(f, "call the language model {model}"),
            Self::Docker { image } => write!(f, "run a container of {image}"),
            Self::Tool { name } => write!(f, "call the tool {name}"),
            Self::Approve { risk } => write!(f, "approve a request of {risk} risk"),
            Self::Notify => f.write_str("notify the user"),
            Self::Ask => f.write_str("ask the user"),
            Self::Log => f.write_str("write to the log"),
            Self::Storage => f.write_str("use its storage"),
            Self::Session => f.write_str("read the session"),
        }
    }
}

/// Why something may not be done, and what would allow it.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{reason}")]
pub struct Denial {
    /// The capability that is missing: `filesystem.write`.
    pub capability: String,
    /// What is refused, and why.
    pub reason: String,
    /// What would allow it. The plugin's name stands as `NAME` until [`Denial::for_plugin`] puts it in. Absent where
    /// nothing does, as for Mimir's own files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Denial {
    pub(crate) fn new(access: &Access, reason: String, hint: Option<String>) -> Self {
        Self { capability: access.capability().to_owned(), reason, hint }
    }

    /// Puts the plugin's name into the hint.
    #[must_use]
    pub fn for_plugin(mut self, plugin: &PluginId) -> Self {
        self.hint = self.hint.map(|hint| hint.replace("plugin grant NAME", &format!("plugin grant {plugin}")));
        self
    }
}
