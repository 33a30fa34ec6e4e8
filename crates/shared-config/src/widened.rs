use crate::effective::effective;
use crate::matchers::{Glob, HostPattern, image_glob};
use crate::{Capabilities, Exec, LimitSettings, Limits, Llm};

/// What a manifest asks for beyond what was granted, one line each, for a person to decide about. Empty means that the
/// grant still covers it. Compared with [`Capabilities::default`] it is all that a plugin asks for.
pub fn widened(requested: &Capabilities, granted: &Capabilities) -> Vec<String> {
    let mut lines = Vec::new();
    // Taken apart in full, so that a new capability cannot be forgotten here
    let Capabilities { filesystem, network, exec, llm, docker, env, permissions, secrets, tools, wasm } = requested;
    let mut say = |is_new: bool, line: String| {
        if is_new {
            lines.push(line);
        }
    };

    let held = &granted.filesystem;
    say(filesystem.read && !held.read, "read files in the project".to_owned());
    say(filesystem.write && !held.write, "create and change files in the project".to_owned());
    say(filesystem.delete && !held.delete, "delete files in the project".to_owned());
    if (filesystem.read && held.read) || (filesystem.write && held.write) || (filesystem.delete && held.delete) {
        for glob in held.restricted.iter().filter(|glob| !filesystem.restricted.contains(glob)) {
            say(true, format!("open files that match `{glob}`, which were restricted"));
        }
    }

    if network.enabled {
        let held = if granted.network.enabled { granted.network.allowlist.as_slice() } else { &[] };
        let held = held.iter().filter_map(|text| text.parse::<HostPattern>().ok()).collect::<Vec<_>>();
        for host in &network.allowlist {
            let is_new = host.parse::<HostPattern>().map_or(true, |host| !held.iter().any(|wide| wide.covers(&host)));
            say(is_new, if host == "*" { "reach any host".to_owned() } else { format!("reach {host}") });
        }
    }

    if exec.enabled {
        let held = if granted.exec.enabled { granted.exec.allowlist.as_slice() } else { &[] };
        for glob in &exec.allowlist {
            let line = if glob == "*" { "run any program".to_owned() } else { format!("run `{glob}`") };
            say(!is_covered(glob, held, Glob::new), line);
        }
        let is_new = exec.opens_network() && !granted.exec.opens_network();
        say(is_new, "let the programs that it runs reach any host".to_owned());
    }

    if llm.enabled {
        let is_new = !granted.llm.enabled;
        match (llm.budget, granted.llm.budget) {
            (Some(asked), held) => {
                let is_more = is_new || held.is_some_and(|held| asked > held);
                say(is_more, format!("call language models for up to ${asked:.2} a session"));
            }
            (None, held) => {
                say(is_new || held.is_some(), "call language models without a budget of its own".to_owned());
            }
        }
        match (&llm.models, &granted.llm.models) {
            (Some(asked), held) => {
                let held = if is_new { Some([].as_slice()) } else { held.as_deref() };
                for model in asked {
                    let is_more = held.is_some_and(|held| !is_covered(model, held, Glob::new));
                    say(is_more, format!("call the model {model}"));
                }
            }
            (None, held) => say(!is_new && held.is_some(), "call any language model".to_owned()),
        }
        match (llm.max_tokens, granted.llm.max_tokens) {
            (Some(asked), held) => {
                let is_more = is_new || held.is_some_and(|held| asked > held);
                say(is_more, format!("use up to {asked} tokens in one call of a model"));
            }
            (None, held) => {
                say(!is_new && held.is_some(), "use any number of tokens in one call of a model".to_owned());
            }
        }
    }

    if docker.enabled {
        let held = if granted.docker.enabled { granted.docker.images.as_slice() } else { &[] };
        for image in &docker.images {
            say(!is_covered(image, held, image_glob), format!("run containers of {image}"));
        }
    }

    for name in env {
        say(!granted.env.contains(name), format!("read the environment variable {name}"));
    }
    if let Some(risk) = permissions.approve {
        let is_new = granted.permissions.approve.is_none_or(|held| risk > held);
        say(is_new, format!("approve requests of up to {risk} risk in your place"));
    }
    for secret in secrets {
        let held = granted.secrets.iter().filter(|held| held.name == secret.name).flat_map(|held| &held.hosts);
        let held = held.filter_map(|text| text.parse::<HostPattern>().ok()).collect::<Vec<_>>();
        for host in &secret.hosts {
            let is_new = host.parse::<HostPattern>().map_or(true, |host| !held.iter().any(|wide| wide.covers(&host)));
            let to = if host == "*" { "any host" } else { host };
            say(is_new, format!("send the secret {} to {to}, without seeing it", secret.name));
        }
    }
    for glob in tools {
        let line =
            if glob == "*" { "call any of the agent's tools".to_owned() } else { format!("call the tool {glob}") };
        say(!is_covered(glob, &granted.tools, Glob::new), line);
    }
    say(*wasm && !granted.wasm, "run WebAssembly".to_owned());
    lines
}

/// The limits that a manifest asks for beyond the defaults and what was granted, one line each.
pub fn widened_limits(requested: &LimitSettings, granted: &LimitSettings) -> Vec<String> {
    let none = LimitSettings::default();
    let asked = Limits::effective(requested, requested, &none, &none);
    let held = Limits::effective(requested, granted, &none, &none);
    let LimitSettings { memory, cpu, time, init } = requested;
    let mut lines = Vec::new();
    if let Some(memory) = memory.filter(|_| asked.heap > held.heap) {
        lines.push(format!("use {memory} of memory"));
    }
    if let Some(cpu) = cpu.filter(|_| asked.cpu > held.cpu) {
        lines.push(format!("compute for {cpu} at a time"));
    }
    if let Some(time) = time.filter(|_| asked.event > held.event) {
        lines.push(format!("take {time} for an event"));
    }
    if let Some(init) = init.filter(|_| asked.init > held.init) {
        lines.push(format!("take {init} to start"));
    }
    lines
}

fn is_covered(pattern: &str, by: &[String], glob: fn(&str) -> Glob) -> bool {
    let narrow = glob(pattern);
    by.iter().any(|wide| glob(wide).covers(&narrow))
}

impl Capabilities {
    /// Whether nothing at all is allowed. Plugins that ask for nothing need no grant.
    pub fn is_nothing(&self) -> bool {
        widened(self, &Self::default()).is_empty()
    }

    /// The form in which two equal sets of capabilities are equal texts: what is switched off is empty, lists are sorted.
    /// Plugins may share a sandbox process only if these are equal.
    pub fn canonical(&self) -> String {
        let mut own = effective(self, self, None);
        if !own.network.enabled {
            own.network.allowlist.clear();
        }
        if !own.exec.enabled {
            own.exec = Exec::default();
        }
        if !own.docker.enabled {
            own.docker.images.clear();
        }
        if !own.llm.enabled {
            own.llm = Llm::default();
        }
        if !(own.filesystem.read || own.filesystem.write || own.filesystem.delete) {
            own.filesystem.restricted.clear();
        }
        for list in [
            &mut own.filesystem.restricted,
            &mut own.network.allowlist,
            &mut own.exec.allowlist,
            &mut own.docker.images,
            &mut own.env,
            &mut own.tools,
        ]
        .into_iter()
        .chain(own.llm.models.as_mut())
        .chain(own.secrets.iter_mut().map(|secret| &mut secret.hosts))
        {
            list.sort_unstable();
            list.dedup();
        }
        own.secrets.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        serde_json::to_string(&own).unwrap_or_default()
    }
}
