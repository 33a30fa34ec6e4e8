//! Capabilities in plain words: the long form for whoever grants them, the short one for a table.

use mimir_shared_config::{Capabilities, Risk};

use crate::danger::{is_near, runs_anything};
use crate::exact;

/// One thing that a plugin asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What it wants to do, continuing "it asks to …".
    pub what: String,
    /// With which of several things, each as it is written: command lines, hosts, names.
    pub items: Vec<String>,
    /// What could come of it at worst.
    pub risk: Risk,
}

/// What these capabilities let a plugin do, the most dangerous first.
pub fn asks(capabilities: &Capabilities) -> Vec<Ask> {
    let mut asks = Vec::new();
    // One thing is said in the sentence, several stand beneath it
    let mut ask = |risk, what: &str, items: &[String]| {
        asks.push(match items {
            [one] => Ask { what: format!("{what} `{}`", exact(one)), items: Vec::new(), risk },
            several => Ask { what: what.to_owned(), items: several.iter().map(|item| exact(item)).collect(), risk },
        });
    };
    let Capabilities { filesystem, network, exec, llm, docker, env, permissions, secrets, tools, wasm } = capabilities;

    if exec.enabled {
        let anything = exec.allowlist.iter().any(|pattern| pattern.chars().all(|c| c == '*' || c == ' '));
        let (doors, others): (Vec<_>, Vec<_>) = exec.allowlist.iter().cloned().partition(|line| runs_anything(line));
        if anything {
            ask(Risk::Critical, "run any program, with your rights", &[]);
        } else {
            if !doors.is_empty() {
                ask(Risk::Critical, "run any program, with your rights, by", &doors);
            }
            if !others.is_empty() {
                ask(Risk::High, "run programs, with your rights:", &others);
            }
        }
        if exec.opens_network() {
            ask(Risk::High, "let the programs that it runs reach any host, this machine's own network too", &[]);
        }
    }
    if docker.enabled && !docker.images.is_empty() {
        ask(Risk::High, "run containers from", &docker.images);
    }
    if let Some(risk) = permissions.approve {
        let or_less = if risk > Risk::Low { " or less" } else { "" };
        let what = format!("approve for you what is of {} risk{or_less}", risk_name(risk));
        ask(risk.max(Risk::Medium), &what, &[]);
    }
    let except = match filesystem.restricted.as_slice() {
        [] => String::new(),
        globs => format!(", except {}", list(globs)),
    };
    if filesystem.delete {
        ask(Risk::High, &format!("delete files and folders of this project{except}"), &[]);
    }
    if filesystem.write {
        ask(Risk::Medium, &format!("create and change files of this project{except}"), &[]);
    }
    if network.enabled {
        let anywhere = network.allowlist.iter().any(|host| host.trim_start_matches("https://") == "*");
        if anywhere {
            ask(Risk::High, "send requests to any host on the internet", &[]);
        } else {
            let (near, others): (Vec<_>, Vec<_>) = network.allowlist.iter().cloned().partition(|host| is_near(host));
            if !near.is_empty() {
                ask(Risk::High, "send requests to this machine and its own network:", &near);
            }
            if !others.is_empty() {
                ask(Risk::Medium, "send requests to", &others);
            }
        }
    }
    if !env.is_empty() {
        ask(Risk::Medium, &format!("read the environment variable{}", plural(env.len())), env);
    }
    for secret in secrets.iter().filter(|secret| !secret.hosts.is_empty()) {
        ask(Risk::Medium, &format!("send your secret `{}`, without seeing it, to", exact(&secret.name)), &secret.hosts);
    }
    if llm.enabled {
        let spending = match llm.budget {
            Some(budget) => format!(", for at most ${budget:.2} a session"),
            None => ", on your account".to_owned(),
        };
        let tokens = llm.max_tokens.map(|tokens| format!(", with at most {tokens} tokens a call"));
        let tokens = tokens.unwrap_or_default();
        match llm.models.as_deref() {
            None => ask(Risk::Medium, &format!("call language models{spending}{tokens}"), &[]),
            Some([]) => {}
            Some(models) => ask(Risk::Medium, &format!("call language models{spending}{tokens}:"), models),
        }
    }
    if !tools.is_empty() {
        // Whoever calls `bash` runs programs, as far as the permissions let the agent
        let is_any = tools.iter().any(|glob| glob.chars().all(|c| c == '*'));
        let runs = is_any || tools.iter().any(|glob| glob.starts_with("bash") || glob.starts_with('*'));
        let risk = if runs { Risk::High } else { Risk::Medium };
        match is_any {
            true => ask(risk, "have any of the agent's tools called, with the permissions that the agent has", &[]),
            false => ask(risk, "have tools of the agent's called, with the permissions that the agent has:", tools),
        }
    }
    if filesystem.read {
        ask(Risk::Low, &format!("read files of this project{except}"), &[]);
    }
    if *wasm {
        ask(Risk::Low, "run WebAssembly inside its own isolate", &[]);
    }
    asks.sort_by_key(|ask| std::cmp::Reverse(ask.risk));
    asks
}

/// The same in a few words, for a table; `nothing` if it asks for nothing.
pub fn short(capabilities: &Capabilities) -> String {
    let Capabilities { filesystem, network, exec, llm, docker, env, permissions, secrets, tools, wasm } = capabilities;
    let mut words = Vec::new();
    let files = [("read", filesystem.read), ("write", filesystem.write), ("delete", filesystem.delete)];
    let files: Vec<_> = files.iter().filter(|(_, wanted)| *wanted).map(|(verb, _)| *verb).collect();
    if !files.is_empty() {
        words.push(format!("{} files", files.join("+")));
    }
    if exec.enabled && !exec.allowlist.is_empty() {
        let with_network = if exec.opens_network() { " with network" } else { "" };
        words.push(format!("run {}{with_network}", few(&programs(&exec.allowlist))));
    }
    if network.enabled && !network.allowlist.is_empty() {
        words.push(format!("reach {}", few(&network.allowlist)));
    }
    if docker.enabled && !docker.images.is_empty() {
        words.push(format!("containers {}", few(&docker.images)));
    }
    if llm.enabled {
        words.push(llm.budget.map_or_else(|| "models".to_owned(), |budget| format!("models ${budget:.2}")));
    }
    if !env.is_empty() {
        words.push(format!("env {}", few(env)));
    }
    if !secrets.is_empty() {
        words.push(format!("send {}", few(&secrets.iter().map(|secret| secret.name.clone()).collect::<Vec<_>>())));
    }
    if let Some(risk) = permissions.approve {
        words.push(format!("approve ≤ {}", risk_name(risk)));
    }
    if !tools.is_empty() {
        words.push(format!("tools {}", few(tools)));
    }
    if *wasm {
        words.push("wasm".to_owned());
    }
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

pub(crate) fn risk_name(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
        Risk::Critical => "critical",
    }
}

pub(crate) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// How many exceptions are named in a sentence. They only take away.
const MOST_NAMED: usize = 10;

fn list(items: &[String]) -> String {
    let named = items.iter().take(MOST_NAMED).map(|item| format!("`{}`", exact(item))).collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(MOST_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// The programs of command lines, each once.
fn programs(command_lines: &[String]) -> Vec<String> {
    let mut programs: Vec<String> = Vec::new();
    for line in command_lines {
        let program = line.split_whitespace().next().unwrap_or(line);
        if !programs.iter().any(|known| known == program) {
            programs.push(program.to_owned());
        }
    }
    programs
}

/// The first two of a list, and how many there are beside them.
fn few(items: &[String]) -> String {
    match items {
        [one] => one.clone(),
        [one, two] => format!("{one}, {two}"),
        [one, two, rest @ ..] => format!("{one}, {two} +{}", rest.len()),
        [] => String::new(),
    }
}
