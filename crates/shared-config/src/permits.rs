use std::net::IpAddr;
use std::path::Path;

use url::Url;

use crate::access::{Access, Denial};
use crate::matchers::{
    self, ClosedPlaces, CommandRefusal, ExecRule, Glob, check_command, is_address_allowed, is_image_allowed,
    is_url_allowed, normal_image,
};
use crate::{Capabilities, FileAccess, PluginId};

impl Capabilities {
    /// Whether they let `access` through, given the project's absolute `root`.
    ///
    /// Pure, so paths are taken as they are written and names are not resolved: whoever opens a file or connects asks
    /// again about what it really reached.
    pub fn permits(&self, access: &Access, root: &Path) -> Result<(), Denial> {
        match access {
            Access::FileRead { .. } | Access::FileWrite { .. } | Access::FileDelete { .. } => {
                let files = FileAccess::new(&self.filesystem);
                files.permits(access, &ClosedPlaces::new(root), |_| true).unwrap_or(Ok(()))
            }
            Access::Exec { argv } => self.permits_exec(access, argv, |_| true),
            Access::ProgramNetwork if self.exec.opens_network() => Ok(()),
            Access::ProgramNetwork => Err(not_granted(access, "the network for a program", "exec", "`network: true`")),
            Access::Net { url } => self.permits_url(access, url),
            Access::NetAddress { url, ip } => self.permits_address(access, url, *ip),
            Access::Env { name } if self.env.contains(name) => Ok(()),
            Access::Env { name } => {
                let reason = format!("reading the environment variable `{name}` needs the capability `env`");
                Err(Denial::new(access, reason, Some(ask(&format!("`{name}` to `capabilities.env`")))))
            }
            Access::Secret { name, url } => self.permits_secret(access, name, url),
            Access::Llm { model } => {
                if !self.llm.enabled {
                    return Err(not_granted(access, "calling a language model", "llm", "`enabled: true`"));
                }
                let is_listed = |models: &Vec<String>| models.iter().any(|glob| Glob::new(glob).matches(model));
                if self.llm.models.as_ref().is_none_or(is_listed) {
                    return Ok(());
                }
                let hint = add(&format!("`{model}` to `models`"), "llm");
                Err(Denial::new(access, format!("`{model}` is not among the plugin's `llm.models`"), Some(hint)))
            }
            Access::Docker { image } => {
                if normal_image(image).is_none() {
                    return Err(Denial::new(access, format!("`{image}` is no image"), None));
                }
                if !self.docker.enabled {
                    let line = format!("`enabled: true` and `{image}` to `images`");
                    return Err(not_granted(access, &format!("running a container of `{image}`"), "docker", &line));
                }
                if is_image_allowed(&self.docker.images, image) {
                    return Ok(());
                }
                let hint = add(&format!("`{image}` to `images`"), "docker");
                Err(Denial::new(access, format!("`{image}` is not among the plugin's `docker.images`"), Some(hint)))
            }
            Access::Tool { name } if self.tools.iter().any(|glob| Glob::new(glob).matches(name)) => Ok(()),
            Access::Tool { name } => {
                let reason = match self.tools.is_empty() {
                    true => format!("calling the tool `{name}` needs the capability `tools`"),
                    false => format!("`{name}` is not among the plugin's `tools`"),
                };
                Err(Denial::new(access, reason, Some(ask(&format!("`{name}` to `capabilities.tools`")))))
            }
            Access::Approve { risk } if self.permissions.approve.is_some_and(|highest| *risk <= highest) => Ok(()),
            Access::Approve { risk } => {
                let what = format!("approving a request of {risk} risk");
                Err(not_granted(access, &what, "permissions", &format!("`approve: {risk}`")))
            }
            Access::Notify | Access::Ask | Access::Log | Access::Storage | Access::Session => Ok(()),
        }
    }

    /// Whether they let a program run, `applies` saying which of the rules count: all of them, except in tests that take one
    /// out to see what it holds.
    pub fn permits_exec(
        &self,
        access: &Access,
        argv: &[String],
        applies: impl Fn(ExecRule) -> bool,
    ) -> Result<(), Denial> {
        let Some(program) = argv.first().filter(|program| !program.is_empty()) else {
            return Err(Denial::new(access, "no program is named".to_owned(), None));
        };
        if argv.iter().any(|argument| argument.contains('\0')) {
            return Err(Denial::new(access, "an argument holds a zero byte".to_owned(), None));
        }
        let line = matchers::command_line(argv);
        let entry = format!("`{line}` (or a glob that matches the whole of it) to `allowlist`");
        if !self.exec.enabled && applies(ExecRule::Allowlist) {
            let what = format!("running `{program}`");
            return Err(not_granted(access, &what, "exec", &format!("`enabled: true` and {entry}")));
        }
        let Err(refusal) = check_command(&self.exec.allowlist, argv, applies) else { return Ok(()) };
        let (reason, hint) = match refusal {
            CommandRefusal::NotListed => {
                (format!("`{line}` matches nothing in the plugin's `exec.allowlist`"), Some(add(&entry, "exec")))
            }
            CommandRefusal::PathNotNamed => (
                format!(
                    "no entry of the plugin's `exec.allowlist` names `{program}`, and a glob stands for no path of a program"
                ),
                Some(add(&format!("an entry that begins with `{program}` to `allowlist`"), "exec")),
            ),
            CommandRefusal::Option(option) => (
                format!(
                    "`{option}` makes `{program}` run, load or write something else, and no entry of the plugin's `exec.allowlist` names it"
                ),
                Some(add(&format!("an entry with `{option}` in it to `allowlist`"), "exec")),
            ),
        };
        Err(Denial::new(access, reason, hint))
    }

    fn permits_secret(&self, access: &Access, name: &str, text: &str) -> Result<(), Denial> {
        let url = Url::parse(text).ok().filter(|url| url.host().is_some());
        let Some(url) = url else { return Err(Denial::new(access, format!("`{text}` is no absolute URL"), None)) };
        let mut named = self.secrets.iter().filter(|secret| secret.name == name).peekable();
        let host = allowlist_entry(&url);
        if named.peek().is_none() {
            let entry = format!("`{{ name: {name}, hosts: ['{host}'] }}` to `capabilities.secrets`");
            let reason = format!("sending the secret `{name}` needs the capability `secrets`");
            return Err(Denial::new(access, reason, Some(ask(&entry))));
        }
        if named.any(|secret| is_url_allowed(&secret.hosts, &url)) {
            return Ok(());
        }
        let hint = ask(&format!("`{host}` to the `hosts` of the secret `{name}`"));
        Err(Denial::new(access, format!("the secret `{name}` may not be sent to `{host}`"), Some(hint)))
    }

    fn permits_address(&self, access: &Access, text: &str, ip: IpAddr) -> Result<(), Denial> {
        let Ok(mut url) = Url::parse(text) else {
            return Err(Denial::new(access, format!("`{text}` is no absolute URL"), None));
        };
        self.permits_url(access, text)?;
        if is_address_allowed(&self.network.allowlist, &url, ip) {
            return Ok(());
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        // Cannot fail: the URL has a host, or it would not have been permitted
        let _ = url.set_ip_host(ip);
        let reason = format!("`{host}` is at {ip}, which is no public address and is not named itself");
        let entry = format!("`{}` to `allowlist`", allowlist_entry(&url));
        Err(Denial::new(access, reason, Some(add(&entry, "network"))))
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
        let entry = allowlist_entry(&url);
        if !self.network.enabled {
            return Err(not_granted(access, &format!("a request to `{entry}`"), "network", &switch_on(&entry)));
        }
        if is_url_allowed(&self.network.allowlist, &url) {
            return Ok(());
        }
        Err(not_in_allowlist(access, &entry))
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
        denial.hint = Some("plugin.yml asks for it, but it is not granted: run `mimir plugin grant NAME`".to_owned());
    }
    Err(denial.for_plugin(plugin))
}

/// What would be written into an allowlist to reach a URL's host.
fn allowlist_entry(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let scheme = if url.scheme() == "https" { "" } else { "http://" };
    url.port().map_or_else(|| format!("{scheme}{host}"), |port| format!("{scheme}{host}:{port}"))
}

/// A capability that is missing as a whole. `lines` is what has to be added to its section of the manifest.
pub(crate) fn not_granted(access: &Access, what: &str, section: &str, lines: &str) -> Denial {
    let reason = format!("{what} needs the capability `{}`", access.capability());
    Denial::new(access, reason, Some(add(lines, section)))
}

fn not_in_allowlist(access: &Access, host: &str) -> Denial {
    let hint = add(&format!("`{host}` to `allowlist`"), "network");
    Denial::new(access, format!("`{host}` is not among the plugin's `network.allowlist`"), Some(hint))
}

fn switch_on(host: &str) -> String {
    format!("`enabled: true` and `{host}` to `allowlist`")
}

fn add(line: &str, section: &str) -> String {
    ask(&format!("{line} under `capabilities.{section}`"))
}

fn ask(what: &str) -> String {
    format!("add {what} in plugin.yml, then run `mimir plugin grant NAME`")
}
