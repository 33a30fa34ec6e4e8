//! How dangerous it is to read, write or delete a file, by where it lies.

use std::path::Path;

use mimir_shared_config::{Closed, Risk, closed_path};

use crate::paths::Place;

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touch {
    Read,
    Write,
    Delete,
}

/// How dangerous that is, and why.
pub(super) fn risk(place: &Place, touch: Touch) -> (Risk, String) {
    let shown = place.inside.as_deref().filter(|inside| !inside.as_os_str().is_empty()).unwrap_or(&place.path);
    let shown = shown.display();
    let says = |risk, text: &str| (risk, text.replace('%', &shown.to_string()));
    if place.is_unknown {
        return says(if touch == Touch::Read { Risk::Medium } else { Risk::High }, "it can't be told where `%` is");
    }
    let names = names(&place.path);
    if touch == Touch::Read {
        if let Some(secret) = secret(place, &names) {
            return says(secret.0, secret.1);
        }
        return match &place.inside {
            Some(_) => says(Risk::Low, "reads in the project"),
            None if is_public(&place.path) => says(Risk::Low, "reads what the system shows to everyone"),
            None => says(Risk::Medium, "reads `%`, outside of the project"),
        };
    }
    if let Some(known) = known_place(place, &names) {
        return says(known.0, known.1);
    }
    let delete = touch == Touch::Delete;
    match &place.inside {
        Some(inside) if inside.as_os_str().is_empty() && delete => says(Risk::Critical, "deletes the whole project"),
        Some(_) if delete => says(Risk::Medium, "deletes `%`"),
        Some(_) => says(Risk::Medium, "changes `%`"),
        None if is_temporary(&place.path) => says(Risk::Medium, "`%` is outside of the project, in a temporary folder"),
        None if delete => says(Risk::High, "deletes `%`, outside of the project"),
        None => says(Risk::High, "changes `%`, outside of the project"),
    }
}

/// The names in a path, in lower case: some file systems don't tell the difference.
fn names(path: &Path) -> Vec<String> {
    path.iter().map(|name| name.to_string_lossy().to_lowercase()).filter(|name| name != "/").collect()
}

/// Whether it is a usual place of keys.
fn secret(place: &Place, names: &[String]) -> Option<(Risk, &'static str)> {
    const KEYS: &str = "`%` is a usual place of keys and credentials";
    let last = names.last()?.as_str();
    let beneath_root = place.path.strip_prefix("/").unwrap_or(&place.path);
    if closed_path(beneath_root, false) == Some(Closed::Secrets) {
        // The public half of a key is no secret
        return (!last.ends_with(".pub") && last != "known_hosts" && last != "config")
            .then_some((Risk::Critical, KEYS));
    }
    if closed_path(beneath_root, false) == Some(Closed::Mimir)
        && (last == "secrets.yml" || last.starts_with("permissions.json") || names.contains(&"audit".to_owned()))
    {
        return Some((Risk::Critical, "`%` is Mimir's own"));
    }
    let path = place.path.to_string_lossy();
    let is_key = last.starts_with("id_rsa") || last.starts_with("id_ed25519") || last.starts_with("id_ecdsa");
    let ends = [".pem", ".key", ".p12", ".pfx", ".kdbx", ".jks", ".keystore", ".ppk", ".ovpn", ".keytab"];
    if (is_key && !last.ends_with(".pub"))
        || ends.iter().any(|end| last.ends_with(end))
        || matches!(&*path, "/etc/shadow" | "/etc/gshadow" | "/etc/sudoers" | "/etc/master.passwd")
        || (path.starts_with("/proc/") && (last == "environ" || last == "mem"))
    {
        return Some((Risk::Critical, KEYS));
    }
    let is_example = [".example", ".sample", ".template", ".dist", ".defaults"].iter().any(|end| last.ends_with(end));
    if (last == ".env" || last.starts_with(".env.") || last == ".envrc" || last.ends_with(".env")) && !is_example {
        return Some((Risk::High, "`%` usually holds secrets"));
    }
    let tell =
        ["credentials.json", "secrets.json", "secrets.yml", "secrets.yaml", "service-account.json", "token.json"];
    if tell.contains(&last) || last == ".htpasswd" || last == "kubeconfig" || last == "terraform.tfstate" {
        return Some((Risk::High, "`%` usually holds secrets"));
    }
    None
}

/// Files of a shell that it runs when it starts.
const SHELL_FILES: [&str; 16] = [
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".bash_aliases",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".zlogout",
    ".kshrc",
    ".cshrc",
    ".tcshrc",
    ".inputrc",
    ".xprofile",
];

/// Places where a change does more than to change a file.
fn known_place(place: &Place, names: &[String]) -> Option<(Risk, &'static str)> {
    if place.path.parent().is_none() || place.home.as_deref().is_some_and(|home| home.as_os_str().is_empty()) {
        return Some((Risk::Critical, "`%` is everything that there is"));
    }
    let has = |name: &str| names.iter().any(|own| own == name);
    let last = names.last()?.as_str();
    let beneath_root = place.path.strip_prefix("/").unwrap_or(&place.path);
    if has(".mimir") {
        return Some((Risk::Critical, "`%` is Mimir's own: what stands there decides what may happen"));
    }
    if let Some(git) = names.iter().position(|name| name == ".git") {
        let inside = names.get(git + 1..).unwrap_or_default();
        let is_run = inside.iter().any(|name| name == "hooks" || name.starts_with("config") || name == "attributes");
        return Some(match is_run || inside.is_empty() {
            true => (Risk::Critical, "`%` decides what git runs"),
            false => (Risk::High, "`%` is git's own"),
        });
    }
    if SHELL_FILES.contains(&last) || has("fish") && last == "config.fish" {
        return Some((Risk::Critical, "`%` is run by every new shell"));
    }
    if has(".ssh") || last == "authorized_keys" {
        return Some((Risk::Critical, "`%` decides who gets in by ssh, and with which keys"));
    }
    if closed_path(beneath_root, false) == Some(Closed::Secrets) {
        return Some((Risk::Critical, "`%` is a usual place of keys and credentials"));
    }
    if matches!(last, ".gitconfig" | ".gitmodules" | ".gitattributes")
        && (place.inside.is_none() || last == ".gitmodules")
    {
        return Some((Risk::High, "`%` decides what git runs"));
    }
    let path = place.path.to_string_lossy();
    if path.starts_with("/dev/") && place.inside.is_none() {
        return Some((Risk::Critical, "`%` is a device"));
    }
    let system = [
        "/etc",
        "/usr",
        "/bin",
        "/sbin",
        "/boot",
        "/lib",
        "/lib64",
        "/sys",
        "/proc",
        "/opt",
        "/root",
        "/var/spool/cron",
        "/System",
        "/Library",
        "/private/etc",
    ];
    if place.inside.is_none() && system.iter().any(|base| place.path.starts_with(base)) {
        return Some((Risk::Critical, "`%` belongs to the operating system"));
    }
    if place.home.is_some() && place.inside.is_none() {
        let starts = ["autostart", "systemd", "launchagents", "cron.d"];
        if starts.iter().any(|name| has(name)) {
            return Some((Risk::Critical, "what stands in `%` is started without being asked for"));
        }
    }
    let is_ci = has(".github") && (has("workflows") || has("actions"))
        || has(".circleci")
        || has(".buildkite")
        || has(".woodpecker")
        || matches!(
            last,
            ".gitlab-ci.yml"
                | ".travis.yml"
                | "jenkinsfile"
                | "azure-pipelines.yml"
                | "bitbucket-pipelines.yml"
                | ".drone.yml"
                | "appveyor.yml"
                | "cloudbuild.yaml"
                | "buildspec.yml"
        );
    if is_ci {
        return Some((Risk::High, "`%` is run by the build server, often with its secrets"));
    }
    if last == ".envrc" || last == ".env" || last.starts_with(".env.") {
        return Some((Risk::High, "`%` usually holds secrets, or is run when somebody enters the folder"));
    }
    if has(".vscode") && matches!(last, "tasks.json" | "launch.json" | "settings.json")
        || has(".idea")
        || has(".husky")
        || has(".devcontainer")
    {
        return Some((Risk::High, "`%` is run by the editor, or by git"));
    }
    if matches!(last, ".npmrc" | ".yarnrc" | ".yarnrc.yml" | ".pypirc" | "pip.conf" | ".pnp.cjs") {
        return Some((Risk::High, "`%` decides where packages come from"));
    }
    if has("node_modules") && place.inside.is_some() || has(".venv") {
        return Some((Risk::High, "`%` belongs to an installed package: nobody reviews a change there"));
    }
    None
}

/// What everyone on this machine may read, and nobody's own.
fn is_public(path: &Path) -> bool {
    let bases = [
        "/usr/share",
        "/usr/include",
        "/usr/lib",
        "/usr/local/include",
        "/usr/local/lib",
        "/usr/bin",
        "/usr/local/bin",
        "/bin",
        "/lib",
    ];
    let files = [
        "/dev/null",
        "/etc/os-release",
        "/proc/cpuinfo",
        "/proc/meminfo",
        "/proc/version",
        "/etc/hostname",
        "/dev/stdin",
    ];
    bases.iter().any(|base| path.starts_with(base)) || files.iter().any(|file| path == Path::new(file))
}

/// Folders for temporary files.
pub(super) fn is_temporary(path: &Path) -> bool {
    ["/tmp", "/var/tmp", "/private/tmp", "/dev/shm"]
        .iter()
        .any(|base| path.starts_with(base) && path != Path::new(base))
}
