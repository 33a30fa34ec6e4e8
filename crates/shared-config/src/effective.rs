use std::cmp::Ordering;

use crate::matchers::{Glob, HostPattern, image_glob};
use crate::{Capabilities, Docker, Exec, Filesystem, Llm, Network, Permissions, Secret};

/// What a plugin may do: what it requests, as far as it was granted, as far as the company's policy lets it (`None`: it
/// says nothing). Nothing in it is wider than in any of the three; restricted paths add up.
///
/// Where the part that two allowlists share cannot be written as one pattern (`npm *` and `* test`), it is left out.
pub fn effective(requested: &Capabilities, granted: &Capabilities, policy: Option<&Capabilities>) -> Capabilities {
    let both = intersection(requested, granted);
    policy.map_or_else(|| both.clone(), |policy| intersection(&both, policy))
}

fn intersection(a: &Capabilities, b: &Capabilities) -> Capabilities {
    // Taken apart in full, so that a new capability cannot be forgotten here
    let Capabilities { filesystem, network, exec, llm, docker, env, permissions, secrets, tools, wasm } = a;
    Capabilities {
        filesystem: Filesystem {
            read: filesystem.read && b.filesystem.read,
            write: filesystem.write && b.filesystem.write,
            delete: filesystem.delete && b.filesystem.delete,
            restricted: union(&filesystem.restricted, &b.filesystem.restricted),
        },
        network: Network {
            enabled: network.enabled && b.network.enabled,
            allowlist: hosts(&network.allowlist, &b.network.allowlist),
        },
        exec: Exec {
            enabled: exec.enabled && b.exec.enabled,
            allowlist: globs(&exec.allowlist, &b.exec.allowlist, Glob::new),
            network: exec.network && b.exec.network,
        },
        llm: Llm {
            enabled: llm.enabled && b.llm.enabled,
            budget: smaller(llm.budget, b.llm.budget, f64::total_cmp),
            models: models(llm.models.as_deref(), b.llm.models.as_deref()),
            max_tokens: smaller(llm.max_tokens, b.llm.max_tokens, u64::cmp),
        },
        docker: Docker {
            enabled: docker.enabled && b.docker.enabled,
            images: globs(&docker.images, &b.docker.images, image_glob),
        },
        env: env.iter().filter(|name| b.env.contains(name)).cloned().collect(),
        permissions: Permissions {
            approve: permissions.approve.zip(b.permissions.approve).map(|(ours, theirs)| ours.min(theirs)),
        },
        secrets: shared_secrets(secrets, &b.secrets),
        tools: globs(tools, &b.tools, Glob::new),
        wasm: *wasm && b.wasm,
    }
}

fn union(a: &[String], b: &[String]) -> Vec<String> {
    let mut all = a.to_vec();
    for entry in b {
        if !all.contains(entry) {
            all.push(entry.clone());
        }
    }
    all
}

/// Nothing means no bound of its own, so the other's counts.
fn smaller<T>(a: Option<T>, b: Option<T>, order: fn(&T, &T) -> Ordering) -> Option<T> {
    a.into_iter().chain(b).min_by(order)
}

/// No list means any model.
fn models(a: Option<&[String]>, b: Option<&[String]>) -> Option<Vec<String>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(globs(a, b, Glob::new)),
        (one, None) | (None, one) => one.map(<[_]>::to_vec),
    }
}

/// Each secret that both name, for the hosts that both name with it.
fn shared_secrets(a: &[Secret], b: &[Secret]) -> Vec<Secret> {
    let mut shared: Vec<Secret> = Vec::new();
    for ours in a {
        for theirs in b.iter().filter(|theirs| theirs.name == ours.name) {
            let both = hosts(&ours.hosts, &theirs.hosts);
            match shared.iter_mut().find(|known| known.name == ours.name) {
                _ if both.is_empty() => {}
                Some(known) => known.hosts = union(&known.hosts, &both),
                None => shared.push(Secret { name: ours.name.clone(), hosts: both }),
            }
        }
    }
    shared
}

fn hosts(a: &[String], b: &[String]) -> Vec<String> {
    let parse = |list: &[String]| list.iter().filter_map(|text| text.parse::<HostPattern>().ok()).collect::<Vec<_>>();
    let mut shared = Vec::new();
    for ours in &parse(a) {
        for theirs in &parse(b) {
            if let Some(both) = ours.intersection(theirs).map(|pattern| pattern.to_string())
                && !shared.contains(&both)
            {
                shared.push(both);
            }
        }
    }
    shared
}

/// The patterns of either list that one of the other covers.
fn globs(a: &[String], b: &[String], glob: fn(&str) -> Glob) -> Vec<String> {
    let is_covered = |pattern: &String, by: &[String]| {
        let narrow = glob(pattern);
        by.iter().any(|wide| glob(wide).covers(&narrow))
    };
    let narrower = a.iter().filter(|pattern| is_covered(pattern, b)).cloned().collect::<Vec<_>>();
    let others = b.iter().filter(|pattern| is_covered(pattern, a)).cloned().collect::<Vec<_>>();
    union(&narrower, &others)
}
