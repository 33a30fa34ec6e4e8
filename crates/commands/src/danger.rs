//! What is worse than it looks in a list of programs or hosts.

use std::net::IpAddr;

use mimir_shared_config::is_public_address;

/// Programs that start whatever their arguments name, or run their arguments as code. Not all there are: a program that is
/// not in here counts as itself.
const DOORS: [&str; 44] = [
    "ash",
    "awk",
    "bash",
    "bun",
    "bunx",
    "busybox",
    "cmd",
    "dash",
    "deno",
    "doas",
    "docker",
    "env",
    "find",
    "fish",
    "gawk",
    "ksh",
    "lua",
    "make",
    "nice",
    "node",
    "nohup",
    "npx",
    "osascript",
    "parallel",
    "perl",
    "php",
    "pipx",
    "pnpx",
    "podman",
    "powershell",
    "pwsh",
    "python",
    "python3",
    "ruby",
    "setsid",
    "sh",
    "ssh",
    "su",
    "sudo",
    "timeout",
    "uvx",
    "watch",
    "xargs",
    "zsh",
];

/// Whether a command line of an allowlist lets through any program: where the program itself is left open, or is one that
/// runs others and whose arguments are left open.
pub(crate) fn runs_anything(pattern: &str) -> bool {
    let (program, arguments) = pattern.trim_start().split_once(' ').unwrap_or((pattern, ""));
    let is_open = |text: &str| text.contains('*');
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    let name = name.strip_suffix(".exe").unwrap_or(name);
    program.starts_with('*') || (DOORS.contains(&name) && is_open(arguments))
}

/// Whether an entry of an allowlist of hosts leads to this machine or into its own network.
pub(crate) fn is_near(host: &str) -> bool {
    let host = host.split_once("://").map_or(host, |(_, host)| host);
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None if host.matches(':').count() == 1 => host.split(':').next().unwrap_or(host),
        None => host,
    };
    let is_local_name =
        bare == "localhost" || [".localhost", ".local", ".internal"].iter().any(|end| bare.ends_with(end));
    is_local_name || bare.parse::<IpAddr>().is_ok_and(|address| !is_public_address(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_run_others() {
        for (pattern, expected) in [
            ("*", true),
            ("* --help", true),
            ("*/git status", true),
            ("bash *", true),
            ("/usr/bin/env *", true),
            ("python3 -c *", true),
            ("npx prettier *", true),
            ("bash build.sh", false),
            ("node", false),
            ("git *", false),
            ("npm test", false),
        ] {
            assert_eq!(runs_anything(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn hosts_that_are_near() {
        for (host, expected) in [
            ("localhost", true),
            ("http://localhost:3000", true),
            ("127.0.0.1:80", true),
            ("http://[::1]:80", true),
            ("169.254.169.254", true),
            ("10.0.0.5", true),
            ("printer.local", true),
            ("api.example.com", false),
            ("8.8.8.8", false),
            ("*.example.com", false),
        ] {
            assert_eq!(is_near(host), expected, "{host}");
        }
    }
}
