use crate::matchers::{Glob, HostPattern};
use crate::{Capabilities, Docker, Exec, Filesystem, Llm, Network, Permissions};

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
    let Capabilities { filesystem, network, exec, llm, docker, env, permissions, wasm } = a;
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
        exec: Exec { enabled: exec.enabled && b.exec.enabled, allowlist: globs(&exec.allowlist, &b.exec.allowlist) },
        llm: Llm { enabled: llm.enabled && b.llm.enabled, budget: smaller(llm.budget, b.llm.budget) },
        docker: Docker { enabled: docker.enabled && b.docker.enabled, images: globs(&docker.images, &b.docker.images) },
        env: env.iter().filter(|name| b.env.contains(name)).cloned().collect(),
        permissions: Permissions {
            approve: permissions.approve.zip(b.permissions.approve).map(|(ours, theirs)| ours.min(theirs)),
        },
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

/// No budget means no bound of its own, so the other's counts.
fn smaller(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).min_by(f64::total_cmp)
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
fn globs(a: &[String], b: &[String]) -> Vec<String> {
    let is_covered = |pattern: &String, by: &[String]| {
        let narrow = Glob::new(pattern);
        by.iter().any(|wide| Glob::new(wide).covers(&narrow))
    };
    let narrower = a.iter().filter(|pattern| is_covered(pattern, b)).cloned().collect::<Vec<_>>();
    let others = b.iter().filter(|pattern| is_covered(pattern, a)).cloned().collect::<Vec<_>>();
    union(&narrower, &others)
}
