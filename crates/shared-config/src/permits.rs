use std::path::Path;

use url::Url;

use crate::access::{Access, Denial};
use crate::matchers::{
    self, RestrictedPaths, beneath, closed_path, is_address_allowed, is_command_allowed, is_image_allowed,
    is_url_allowed,
};
use crate::{Capabilities, PluginId};

impl Capabilities {
    /// Whether they let `access` through, given the project's absolute `root`.
    ///
    /// Pure, so paths are taken as they are written and names are not resolved: whoever opens a file or connects asks
    /// again about what it really reached.
    pub fn permits(&self, access: &Access, root: &Path) -> Result<(), Denial> {
        match access {
            Access::FileRead { path } => self.permits_path(access, path, root, self.filesystem.read, "read"),
            Access::FileWrite { path } => self.permits_path(access, path, root, self.filesystem.write, "write"),
            Access::FileDelete { path } => self.permits_path(access, path, root, self.filesystem.delete, "delete"),
            Access::Exec { argv } => self.permits_exec(access, argv),
            Access::Net { url } => self.permits_url(access, url),
            Access::NetAddress { host, ip } => {
                if !self.network.enabled {
                    return Err(Denial::new(
                        access,
                        "it may not use the network".to_owned(),
                        Some(add("`enabled: true`", "network")),
                    ));
                }
                if is_address_allowed(&self.network.allowlist, *ip) {
                    return Ok(());
                }
                let reason = format!("`{host}` is at {ip}, which is no public address and is not named itself");
                Err(Denial::new(access, reason, Some(add(&format!("`{ip}` to `allowlist`"), "network"))))
            }
            Access::Env { name } => {
                if self.env.contains(name) {
                    return Ok(());
                }
                let reason = format!("it may not read the environment variable `{name}`");
                Err(Denial::new(access, reason, Some(ask(&format!("`{name}` to `capabilities.env`")))))
            }
            Access::Llm => {
                let reason = || "it may not call language models".to_owned();
                self.llm
                    .enabled
                    .then_some(())
                    .ok_or_else(|| Denial::new(access, reason(), Some(add("`enabled: true`", "llm"))))
            }
            Access::Docker { image } => {
                if !self.docker.enabled {
                    return Err(Denial::new(
                        access,
                        "it may not run containers".to_owned(),
                        Some(add("`enabled: true`", "docker")),
                    ));
                }
                if is_image_allowed(&self.docker.images, image) {
                    return Ok(());
                }
                let hint = add(&format!("`{image}` to `images`"), "docker");
                Err(Denial::new(access, format!("it may not run the image `{image}`"), Some(hint)))
            }
            Access::Approve { risk } => {
                if self.permissions.approve.is_some_and(|highest| *risk <= highest) {
                    return Ok(());
                }
                let hint = add(&format!("`approve: {risk}`"), "permissions");
                Err(Denial::new(access, format!("it may not approve requests of {risk} risk"), Some(hint)))
            }
            Access::Notify | Access::Log | Access::Storage | Access::Session => Ok(()),
        }
    }

    fn permits_path(&self, access: &Access, path: &Path, root: &Path, granted: bool, key: &str) -> Result<(), Denial> {
        let shown = path.display();
        let Some(relative) = beneath(root, path) else {
            return Err(Denial::new(access, format!("`{shown}` lies outside the project"), None));
        };
        let changes = !matches!(access, Access::FileRead { .. });
        if let Some(closed) = closed_path(&relative, changes) {
            return Err(Denial::new(access, format!("`{shown}` {}, which no plugin may touch", closed.reason()), None));
        }
        if changes && relative.as_os_str().is_empty() {
            return Err(Denial::new(access, "the project's root itself stays".to_owned(), None));
        }
        if !granted {
            let reason = format!("it may not {key} files");
            return Err(Denial::new(access, reason, Some(add(&format!("`{key}: true`"), "filesystem"))));
        }
        match RestrictedPaths::new(&self.filesystem.restricted) {
            Some(restricted) if !restricted.is_closed(&relative) => Ok(()),
            Some(_) => {
                let hint = "take the glob that covers it out of `capabilities.filesystem.restricted`".to_owned();
                Err(Denial::new(access, format!("`{shown}` is restricted"), Some(hint)))
            }
            // Manifests and grants are checked when they are read, so only a value made by code comes here.
            None => {
                Err(Denial::new(access, "a glob under `restricted` is wrong, so all files are closed".to_owned(), None))
            }
        }
    }

    fn permits_exec(&self, access: &Access, argv: &[String]) -> Result<(), Denial> {
        if argv.iter().any(|argument| argument.contains('\0')) {
            return Err(Denial::new(access, "an argument holds a zero byte".to_owned(), None));
        }
        if !self.exec.enabled {
            return Err(Denial::new(
                access,
                "it may not run programs".to_owned(),
                Some(add("`enabled: true`", "exec")),
            ));
        }
        if is_command_allowed(&self.exec.allowlist, argv) {
            return Ok(());
        }
        let line = matchers::command_line(argv);
        let hint = add(&format!("a glob that matches the whole of `{line}` to `allowlist`"), "exec");
        Err(Denial::new(access, format!("it may not run `{line}`"), Some(hint)))
    }

    fn permits_url(&self, access: &Access, text: &str) -> Result<(), Denial> {
        let Ok(url) = Url::parse(text) else {
            return Err(Denial::new(access, format!("`{text}` is no absolute URL"), None));
        };
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(Denial::new(
                access,
                format!("`{}:` cannot be requested, only http and https", url.scheme()),
                None,
            ));
        }
        if !self.network.enabled {
            return Err(Denial::new(
                access,
                "it may not use the network".to_owned(),
                Some(add("`enabled: true`", "network")),
            ));
        }
        if is_url_allowed(&self.network.allowlist, &url) {
            return Ok(());
        }
        let entry = allowlist_entry(&url);
        let hint = add(&format!("`{entry}` to `allowlist`"), "network");
        Err(Denial::new(access, format!("it may not reach `{entry}`"), Some(hint)))
    }
}

/// Like [`Capabilities::permits`] on `effective`, but with the plugin's name in the hint, and where the manifest asks for
/// it already, the hint says so: then a grant is missing, not a line.
pub fn check_access(
    plugin: &PluginId,
    requested: &Capabilities,
    effective: &Capabilities,
    access: &Access,
    root: &Path,
) -> Result<(), Denial> {
    let Err(mut denial) = effective.permits(access, root) else { return Ok(()) };
    if requested.permits(access, root).is_ok() {
        denial.hint =
            Some("its plugin.yml asks for this, but it is not granted: run `mimir plugin grant NAME`".to_owned());
    }
    Err(denial.for_plugin(plugin))
}

/// What would be written into an allowlist to reach a URL's host.
fn allowlist_entry(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let scheme = if url.scheme() == "https" { "" } else { "http://" };
    url.port().map_or_else(|| format!("{scheme}{host}"), |port| format!("{scheme}{host}:{port}"))
}

fn add(line: &str, section: &str) -> String {
    ask(&format!("{line} under `capabilities.{section}`"))
}

fn ask(what: &str) -> String {
    format!("add {what} in plugin.yml, then run `mimir plugin grant NAME`")
}
