use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use mimir_shared_config::Risk;
use mimir_shared_providers::Secret;

use crate::keys::is_withheld;

/// An MCP server that is to be used.
#[derive(Debug, Clone)]
pub struct McpServer {
    /// Its name, by which its tools are known.
    pub name: String,
    /// How it is reached.
    pub reach: McpReach,
    /// The least risk that its tools are taken to have.
    pub least_risk: Risk,
    /// The only tools of it that the agent gets, by their own names. All without it.
    pub allow: Option<Vec<String>>,
}

/// How a server is reached.
#[derive(Debug, Clone)]
pub enum McpReach {
    /// It is a program, talked to on its standard streams.
    Program {
        /// The program: found by the `PATH` of its environment, or a path.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Variables of its environment beside the user's, secrets among them.
        env: BTreeMap<OsString, OsString>,
        /// The folder in which it runs.
        cwd: PathBuf,
    },
    /// It answers over HTTP.
    Http {
        /// Its address.
        url: String,
        /// Headers of each request, secrets among them.
        headers: Vec<(String, Secret)>,
    },
}

/// How long servers may take, and how much they may say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpLimits {
    /// How long one may take to start and to tell its tools.
    pub start: Duration,
    /// How long a call may take.
    pub call: Duration,
    /// How long one may take to end by itself when it is told to.
    pub end: Duration,
    /// How many tools one may have.
    pub tools: usize,
    /// How long a tool's description may be, in bytes. The rest is cut.
    pub description: usize,
    /// How large a tool's schema may be, in bytes. A tool with a larger one is left out.
    pub schema: usize,
    /// How large one message may be, in bytes.
    pub message: usize,
}

impl Default for McpLimits {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(30),
            call: Duration::from_secs(120),
            end: Duration::from_secs(2),
            tools: 128,
            description: 4_000,
            schema: 64 << 10,
            message: 16 << 20,
        }
    }
}

/// The user's environment as servers get it: without the keys of providers, among them those named in `keys`. What a
/// server needs of them, its own `env` names.
pub fn server_environment(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    keys: &[String],
) -> BTreeMap<OsString, OsString> {
    environment.into_iter().filter(|(name, _)| !is_withheld(name, keys)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_here() {
        let names =
            ["PATH", "OPENAI_API_KEY", "TOGETHER_API_KEY", "house_key", "MIMIR_TOKEN", "HOUSE_KEY", "GITHUB_TOKEN"];
        let environment = names.map(|name| (OsString::from(name), OsString::from("x")));
        let kept = server_environment(environment, &["HOUSE_KEY".to_owned()]);
        assert_eq!(kept.keys().map(|name| name.to_string_lossy()).collect::<Vec<_>>(), ["GITHUB_TOKEN", "PATH"]);
    }
}
