//! What this kernel and this set-up enforce, layer by layer.

use std::path::Path;

use mimir_commands::{Check, Health, StoreError, with_causes};
use mimir_loader::{HomeProblem, home_problems};
use mimir_sandbox::LayerReport;
use mimir_shared_config::Isolation;
use mimir_shared_platform::{AuditFolder, AuditRecord, SystemClock, landlock_abi, verify_audit};

use super::Store;
use crate::layers::{layers, required_by};
use crate::start::audit_log;

/// From this version on Landlock knows about TCP.
const ABI_TCP: u32 = 4;
/// From this version on Landlock keeps signals and abstract sockets inside.
const ABI_SCOPES: u32 = 6;
/// Open files that a handful of sandbox processes and programs need.
const FEWEST_FILES: u64 = 256;
/// Processes and threads that they need.
const FEWEST_PROCESSES: u64 = 128;

const UPDATE_KERNEL: &str = "a newer Linux kernel has it; in a container, its host's kernel and seccomp profile decide";

impl Store {
    pub(super) async fn check_up(&self) -> Result<Vec<Check>, StoreError> {
        let mut checks = self.sandbox().await;
        checks.extend(self.landlocked());
        checks.extend(self.user_limits());
        checks.extend(self.home());
        checks.push(self.audit());
        checks.push(self.policy());
        Ok(checks)
    }

    async fn sandbox(&self) -> Vec<Check> {
        let check = |LayerReport { layer, is_enforced, detail }: LayerReport| {
            let required_by = required_by(&self.config, layer).map(ToString::to_string);
            let hint = (!is_enforced).then(|| match layer.name() {
                "process" => "remove `plugins.isolation: in-process`".to_owned(),
                _ => UPDATE_KERNEL.to_owned(),
            });
            let health = if is_enforced { Health::Good } else { Health::Missing };
            Check { area: "the sandbox process".into(), name: layer.name().into(), health, detail, hint, required_by }
        };
        let placement = match self.config.plugins.isolation {
            Isolation::Process => self.settings.placement.clone(),
            Isolation::InProcess => None,
        };
        layers(placement.unwrap_or(mimir_sandbox::Placement::InProcess)).await.into_iter().map(check).collect()
    }

    /// What Landlock holds of programs that plugins start, and of the bundler.
    fn landlocked(&self) -> Vec<Check> {
        let abi = landlock_abi().unwrap_or(0);
        let of = |area: &str, name: &str, since: u32, holds: &str, not: &str| {
            let health = if abi >= since { Health::Good } else { Health::Missing };
            let detail = match abi {
                abi if abi >= since => holds.to_owned(),
                0 => format!("this kernel has no Landlock: {not}"),
                abi => format!("this kernel has version {abi} of Landlock, and {since} is needed: {not}"),
            };
            let hint = (abi < since).then(|| UPDATE_KERNEL.to_owned());
            Check { area: area.into(), name: name.into(), health, detail, hint, required_by: None }
        };
        let (programs, bundler) = ("programs that plugins start", "the bundler");
        vec![
            of(programs, "files", 1, "kept to what their plugin may touch, by Landlock", "they have your files"),
            of(programs, "network", ABI_TCP, "no TCP where their plugin has no network", "they reach the network"),
            of(programs, "signals", ABI_SCOPES, "reach no process outside", "they may signal your processes"),
            of(bundler, "files", 1, "it reads the plugin's folder alone, by Landlock", "it runs with limits alone"),
            of(bundler, "network", ABI_TCP, "no TCP", "a parser that breaks could reach the network"),
        ]
    }

    fn user_limits(&self) -> Vec<Check> {
        let area = "limits of this user";
        let Ok(text) = self.files.read_to_string(Path::new("/proc/self/limits")) else { return Vec::new() };
        let limit = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            let soft = line.get(name.len()..)?.split_whitespace().next()?.to_owned();
            Some((soft.parse().unwrap_or(u64::MAX), soft))
        };
        let check = |name: &str, title: &str, least: u64, flag: &str| {
            let (value, shown) = limit(title)?;
            let is_enough = value >= least;
            let health = if is_enough { Health::Good } else { Health::Bad };
            let detail = if is_enough { shown } else { format!("{shown}, and plugins need about {least}") };
            let hint = (!is_enough).then(|| format!("raise it: `ulimit {flag} {least}`"));
            Some(Check { area: area.into(), name: name.into(), health, detail, hint, required_by: None })
        };
        let files = check("open files", "Max open files", FEWEST_FILES, "-n");
        let processes = check("processes", "Max processes", FEWEST_PROCESSES, "-u");
        [files, processes].into_iter().flatten().collect()
    }

    fn home(&self) -> Vec<Check> {
        let home = &self.surroundings.places.home;
        let area = "Mimir's own folder";
        let of = |name: String, health, detail: String, hint| Check {
            area: area.into(),
            name,
            health,
            detail,
            hint,
            required_by: None,
        };
        if !self.files.exists(home) {
            let detail = format!("{} is not there yet: it is made when something is kept", home.display());
            return vec![of("folder".to_owned(), Health::Good, detail, None)];
        }
        let problems = home_problems(home);
        if problems.is_empty() {
            let detail = format!("{} and what it holds are yours alone", home.display());
            return vec![of("folder".to_owned(), Health::Good, detail, None)];
        }
        let check = |HomeProblem { path, problem, hint, is_fatal }| {
            let health = if is_fatal { Health::Bad } else { Health::Partial };
            let name = if path == *home { "folder".to_owned() } else { self.short(&path) };
            of(name, health, problem, Some(hint))
        };
        problems.into_iter().map(check).collect()
    }

    fn audit(&self) -> Check {
        let home = &self.surroundings.places.home;
        let log = audit_log(home);
        // What is said to be writable has been written to
        log.record(AuditRecord { plugin: None, kind: "check-up".to_owned(), detail: serde_json::json!({}) });
        let (health, detail, hint) = match log.flush() {
            Err(error) => {
                let hint = "check the free space and the permissions of Mimir's folder".to_owned();
                (Health::Bad, format!("it can't be written: {}", with_causes(&error)), Some(hint))
            }
            Ok(()) => match verify_audit(&AuditFolder::in_home(home), &SystemClock) {
                Ok(verdict) if verdict.is_intact() => (
                    Health::Good,
                    format!("writable and intact: {} lines, segments: {}", verdict.lines, verdict.segments),
                    None,
                ),
                Ok(verdict) => {
                    let first = verdict.problems.first().map(|problem| format!(", the first: {}", problem.problem));
                    let detail = format!("{} problems{}", verdict.problems.len(), first.unwrap_or_default());
                    (Health::Bad, detail, Some("look closer: `mimir plugin audit --verify`".to_owned()))
                }
                Err(error) => {
                    let hint = "check the permissions of Mimir's folder".to_owned();
                    (Health::Bad, format!("it can't be read: {}", with_causes(&error)), Some(hint))
                }
            },
        };
        Check { area: "on record".into(), name: "audit log".into(), health, detail, hint, required_by: None }
    }

    fn policy(&self) -> Check {
        let path = &self.surroundings.policy;
        let (health, detail, hint) = match self.files.metadata(path) {
            Err(_) => (Health::Good, format!("there is none in {}", path.display()), None),
            Ok(found) if found.mode & 0o022 != 0 => (
                Health::Bad,
                format!("others than the administrator may write {}", path.display()),
                Some(format!("`chmod 644 {}`, as the administrator", path.display())),
            ),
            Ok(_) => (Health::Good, format!("{} is read and right", path.display()), None),
        };
        Check { area: "on record".into(), name: "company's policy".into(), health, detail, hint, required_by: None }
    }
}
