//! What each crate may use: the table of `docs/architecture.md`, as data.
//!
//! What each crate does use is in `xtask/uses.toml`. This file changes with the design; that one with the code.

const SHARED: &[&str] = &["shared-config", "shared-platform", "shared-providers"];
const SLICES: &[&str] = &["api", "commands", "hooks", "loader", "registry", "sandbox"];
const FEATURES: &[&str] = &["chat", "permissions", "tools"];

/// Entries that the repository's top level may have.
pub(super) const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitattributes",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "crates",
    "docs",
    "fixtures",
    // Its own workspace: libFuzzer's flags are for all that is built with it
    "fuzz",
    "packages",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "xtask",
];

/// What tools leave at the top level of a working copy without it being part of the repository.
pub(super) const LOCAL: &[&str] = &[".DS_Store", ".git", ".idea", ".vscode", ".zed", "target"];

/// Where the workspace's members are, and what is deliberately none: the benchmark's reference programs share no code
/// with ours, not even a lock file.
pub(super) const MEMBERS: &[&str] = &["crates/*", "xtask"];
pub(super) const EXCLUDED: &[&str] = &["xtask/reference"];

/// What a crate is for, as far as its dependencies go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Shared,
    Slice,
    Composition,
    Feature,
    Agent,
    Binary,
    Xtask,
}

impl Role {
    /// The role of the crate in `folder`, or `None` if the table does not know it. Features and the agent are known
    /// before they exist.
    pub(super) fn of(folder: &str) -> Option<Self> {
        match folder {
            _ if SHARED.contains(&folder) => Some(Self::Shared),
            _ if SLICES.contains(&folder) => Some(Self::Slice),
            _ if FEATURES.contains(&folder) => Some(Self::Feature),
            "plugins" => Some(Self::Composition),
            "agent" => Some(Self::Agent),
            "mimir" => Some(Self::Binary),
            "xtask" => Some(Self::Xtask),
            _ => None,
        }
    }

    /// Whether a crate of this role may use the workspace crate `folder`, in any kind of dependency.
    pub(super) fn may_use(self, folder: &str) -> bool {
        let target = Self::of(folder);
        match self {
            Self::Shared | Self::Xtask => false,
            Self::Slice => target == Some(Self::Shared),
            Self::Composition => matches!(target, Some(Self::Shared | Self::Slice)),
            Self::Feature => matches!(target, Some(Self::Shared | Self::Composition)),
            Self::Agent => matches!(target, Some(Self::Shared | Self::Composition | Self::Feature)),
            Self::Binary => target.is_some_and(|target| !matches!(target, Self::Binary | Self::Xtask)),
        }
    }

    /// What to do instead of a dependency that the role forbids.
    pub(super) fn instead(self, folder: &str) -> String {
        match self {
            Self::Shared => "a shared crate uses no crate of this workspace: pass the value in, or move what needs it \
                             to the crate that does"
                .to_owned(),
            Self::Slice => format!(
                "a slice uses the shared crates alone: say what it needs as a port in crates/{folder}/src/ports.rs and \
                 implement that in crates/plugins/src/adapters/"
            ),
            Self::Composition => "the composition wires shared crates and slices: let the feature call it".to_owned(),
            Self::Feature => "a feature uses `plugins` and the shared crates: say what it needs as a port and let \
                              `agent` wire it"
                .to_owned(),
            Self::Agent => "the agent wires features over `plugins` and the shared crates alone".to_owned(),
            Self::Binary => "the binary uses the crates under crates/ alone".to_owned(),
            Self::Xtask => "xtask uses no crate of this workspace: let it run the binary (`mimir schema …`)".to_owned(),
        }
    }
}

/// The package name of the crate in `folder`.
pub(super) fn package_name(folder: &str) -> String {
    match folder {
        "mimir" | "xtask" => folder.to_owned(),
        _ => format!("mimir-{folder}"),
    }
}

/// Crates whose `clippy.toml` must ban the real file system, processes, network and clock: all logic, no adapter.
pub(super) const WITHOUT_AMBIENT_IO: &[&str] = &["api", "commands", "hooks", "registry", "shared-config"];

/// The crate that may hold `unsafe` code.
pub(super) const UNSAFE: &str = "sandbox";

/// An external package that only some crates may use.
pub(super) struct Restricted {
    /// Package names; a trailing `*` stands for any ending.
    pub(super) packages: &'static [&'static str],
    pub(super) crates: &'static [&'static str],
    pub(super) why: &'static str,
}

pub(super) const RESTRICTED: &[Restricted] = &[
    Restricted {
        packages: &["v8"],
        crates: &["sandbox"],
        why: "V8 is seen by `sandbox` alone: pass JSON through its ports",
    },
    Restricted {
        packages: &["rolldown*", "oxc*", "string_wizard"],
        crates: &["loader"],
        why: "the bundler is seen by `loader` alone, behind its own types",
    },
    Restricted {
        packages: &["libc", "landlock", "seccompiler"],
        crates: &["sandbox", "shared-platform"],
        why: "walls around processes are built where they are started, and Landlock's in shared-platform's confinement",
    },
    Restricted {
        packages: &["bollard", "cap-fs-ext", "cap-std", "reqwest", "rustls"],
        crates: &["shared-platform", "shared-providers"],
        why: "only adapters touch the file system and the network: use the ports of shared-platform",
    },
    Restricted {
        packages: &["figment", "serde_yaml"],
        crates: &["shared-config"],
        why: "configuration is read by `shared-config` alone",
    },
    Restricted {
        packages: &["clap", "miette"],
        crates: &["commands", "mimir", "xtask"],
        why: "arguments and printed reports belong to the edge: return a typed error",
    },
    Restricted {
        packages: &["anyhow"],
        // The bundler's plugin interface returns it.
        crates: &["loader", "mimir", "xtask"],
        why: "crates have one `thiserror` enum each, so that callers can tell errors apart",
    },
];

/// The restriction on `package`, if there is one, and the pattern by which it applies: `xtask/uses.toml` lists that, so
/// that a family of packages is one entry.
pub(super) fn restriction(package: &str) -> Option<(&'static Restricted, &'static str)> {
    RESTRICTED.iter().find_map(|restricted| {
        let pattern = restricted.packages.iter().find(|pattern| matches(pattern, package))?;
        Some((restricted, *pattern))
    })
}

/// Whether `name` is `pattern`, or starts like it where that ends in `*`.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

/// Packages for tests and benchmarks: development dependencies only.
pub(super) const DEVELOPMENT_ONLY: &[&str] =
    &["assert_cmd", "criterion", "insta", "mockall", "proptest", "rcgen", "tokio-rustls", "trycmd"];

/// Packages of which the lock file may hold one version: two would not fit each other's types.
pub(super) const ONE_VERSION: &[&str] = &["oxc*", "rolldown*", "string_wizard", "v8"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_allow_what_the_table_says() {
        let cases = [
            ("shared-config", "shared-platform", false),
            ("hooks", "shared-config", true),
            ("hooks", "registry", false),
            ("sandbox", "plugins", false),
            ("plugins", "sandbox", true),
            ("plugins", "chat", false),
            ("chat", "plugins", true),
            ("chat", "tools", false),
            ("chat", "hooks", false),
            ("agent", "tools", true),
            ("agent", "sandbox", false),
            ("mimir", "agent", true),
            ("mimir", "hooks", true),
            ("mimir", "xtask", false),
            ("xtask", "shared-config", false),
        ];
        for (from, to, allowed) in cases {
            assert_eq!(Role::of(from).is_some_and(|role| role.may_use(to)), allowed, "{from} → {to}");
        }
    }
}
