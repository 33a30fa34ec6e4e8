//! The MCP servers of the configuration, with the secrets that it names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mimir_shared_config::{Config, McpReach as Said};
use mimir_shared_platform::{HttpClient, Notifier, Trampoline};
use mimir_shared_providers::Secret;
use mimir_tools::{McpLimits, McpPorts, McpReach, McpServer, McpServers, server_environment};

use crate::AgentError;
use crate::keys::Keys;

/// What servers are started in.
pub(crate) struct McpWorld<'a> {
    pub(crate) config: &'a Config,
    pub(crate) keys: &'a Keys<'a>,
    pub(crate) project: &'a Path,
    /// Mimir's own folder.
    pub(crate) home: &'a Path,
    pub(crate) environment: &'a [(String, String)],
    /// Variables that programs do not get.
    pub(crate) hidden: &'a [String],
    pub(crate) client: Arc<dyn HttpClient>,
    pub(crate) notices: Arc<dyn Notifier>,
    pub(crate) trampoline: Option<Trampoline>,
}

/// Starts them in the background. Nothing where none is configured.
pub(crate) fn start(world: McpWorld<'_>) -> Result<Option<Arc<McpServers>>, AgentError> {
    let McpWorld { config, keys, .. } = &world;
    if config.mcp_servers.is_empty() {
        return Ok(None);
    }
    let mut servers = Vec::new();
    for (name, said) in &config.mcp_servers {
        let mut secrets = Vec::new();
        for (place, secret) in &said.secrets {
            secrets.extend(keys.secret(secret)?.map(|value| (place, value)));
        }
        let reach = match &said.reach {
            Said::Program { command, args, env, cwd } => {
                let env = env.iter().map(|(name, value)| (name.into(), value.into()));
                McpReach::Program {
                    command: command.clone(),
                    args: args.clone(),
                    env: env.chain(secrets.iter().map(|(name, value)| ((*name).into(), value.into()))).collect(),
                    cwd: cwd.as_ref().map_or_else(|| world.project.to_owned(), |cwd| world.folder(cwd)),
                }
            }
            Said::Http { url, headers } => {
                let headers = headers.iter().map(|(name, value)| (name.clone(), Secret::new(value)));
                let secrets = secrets.iter().map(|(name, value)| ((*name).clone(), credential(name, value)));
                McpReach::Http { url: url.clone(), headers: headers.chain(secrets).collect() }
            }
        };
        servers.push(McpServer { name: name.clone(), reach, least_risk: said.risk, allow: said.allow.clone() });
    }
    let environment = world.environment.iter().map(|(name, value)| (name.into(), value.into()));
    let environment = server_environment(environment, world.hidden);
    let McpWorld { client, notices: notifier, trampoline, .. } = world;
    let ports = McpPorts { environment, client, notifier, trampoline };
    Ok(Some(Arc::new(McpServers::start(servers, ports, &McpLimits::default()))))
}

impl McpWorld<'_> {
    /// `~` is left for who knows the user's home, which Mimir's own folder lies in.
    fn folder(&self, said: &Path) -> PathBuf {
        match (said.strip_prefix("~"), self.home.parent()) {
            (Ok(rest), Some(user)) => user.join(rest),
            _ => said.to_owned(),
        }
    }
}

/// The value of a header that holds a secret. A bare token in `Authorization` is sent as one.
fn credential(header: &str, secret: &str) -> Secret {
    let secret = secret.trim();
    let is_bare = header.eq_ignore_ascii_case("authorization") && !secret.contains(' ');
    if is_bare { Secret::new(format!("Bearer {secret}")) } else { Secret::new(secret) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_tokens_get_their_scheme() {
        let check = |header: &str, secret: &str, expected: &str| {
            assert_eq!(credential(header, secret).expose(), expected, "{header}");
        };
        check("Authorization", "abc\n", "Bearer abc");
        check("authorization", "Basic abc", "Basic abc");
        check("X-Api-Key", "abc", "abc");
    }
}
