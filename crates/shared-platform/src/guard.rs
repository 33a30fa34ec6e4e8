//! The single guards of the walls, by name, so that a test can take one out.
//!
//! An attack that is refused proves little as long as nobody has seen it succeed. So each case in `fixtures/attacks/`
//! names the guard that stops it, and is run a second time without that guard. What takes a guard out exists in builds
//! with the feature `test-hooks` alone, which no optimised build can have.

#[cfg(all(feature = "test-hooks", not(debug_assertions)))]
compile_error!("`test-hooks` takes guards out of the walls: it is for tests and never part of an optimised build");

/// Names the guard that a test wants taken out, in the environment of Mimir and of what it starts.
#[cfg(feature = "test-hooks")]
pub const WITHOUT_GUARD: &str = "MIMIR_TEST_WITHOUT_GUARD";

macro_rules! guards {
    ($($(#[doc = $what:literal])+ $guard:ident = $name:literal;)+) => {
        /// One guard: a single check or limit that stops attacks of some kind.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Guard {
            $($(#[doc = $what])+ $guard,)+
        }

        impl Guard {
            /// All of them, in the order of `docs/security.md`.
            pub const ALL: &[Self] = &[$(Self::$guard),+];

            /// As cases and documents name it: `fs.beneath`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$guard => $name,)+
                }
            }

            /// What it does, as a sentence.
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$guard => concat!($($what),+),)+
                }
            }
        }
    };
}

guards! {
    /// A path is opened folder by folder from the project's root: nothing leads out of it.
    FsBeneath = "fs.beneath";
    /// What was opened is checked again under its real path.
    FsOpened = "fs.opened";
    /// Mimir's and Git's own files and the usual places of keys are closed whatever is granted.
    FsClosed = "fs.closed";
    /// The globs under `restricted` close files.
    FsRestricted = "fs.restricted";
    /// Reading, writing and deleting are granted apart.
    FsGranted = "fs.granted";
    /// Only files and folders are opened: no device, pipe or socket.
    FsKind = "fs.kind";
    /// A file has a largest size.
    FsSize = "fs.size";
    /// Nothing is appended to a file that has other names: it would change under all of them.
    FsLinks = "fs.links";
    /// A host needs an entry in the allowlist.
    NetAllowlist = "net.allowlist";
    /// An address that is not public needs an entry of its own.
    NetAddress = "net.address";
    /// A name is resolved once: the address that was checked is the one connected to.
    NetPinned = "net.pinned";
    /// Each redirect is checked like a new request.
    NetRedirect = "net.redirect";
    /// Credentials do not cross origins.
    NetCredentials = "net.credentials";
    /// An answer has a largest size.
    NetSize = "net.size";
    /// A command line needs an entry in the allowlist that matches the whole of it.
    ExecAllowlist = "exec.allowlist";
    /// A `*` in the allowlist does not stand for options that make a program run or load something else.
    ExecArguments = "exec.arguments";
    /// A string with shell syntax is refused.
    ExecShell = "exec.shell";
    /// A program is looked up outside the project.
    ExecProgram = "exec.program";
    /// What a file of the project names as its interpreter opens nothing but that installed program.
    ExecInterpreter = "exec.interpreter";
    /// The environment is scrubbed, and variables that load code cannot be set.
    ExecEnv = "exec.env";
    /// A program starts inside the project.
    ExecCwd = "exec.cwd";
    /// The kernel keeps a program from what its plugin may not touch.
    ExecConfined = "exec.confined";
    /// All processes that came of a call end with it.
    ExecGroup = "exec.group";
    /// A program may have so many processes.
    ExecProcesses = "exec.processes";
    /// A program has a longest time.
    ExecTime = "exec.time";
    /// A program's output has a largest size.
    ExecOutput = "exec.output";
    /// Only granted variables of the environment can be read.
    EnvGranted = "env.granted";
    /// A secret goes to its named hosts alone.
    SecretHosts = "secret.hosts";
    /// What a server repeats of a secret is covered in its answer.
    SecretCovered = "secret.covered";
    /// What looks like a secret is taken out of logs and configuration.
    SecretRedacted = "secret.redacted";
    /// An answer that approves more than the granted risk is not obeyed.
    ApproveRisk = "approve.risk";
    /// What a model call may cost is reserved before the call.
    LlmReserved = "llm.reserved";
    /// Only listed models are called.
    LlmModels = "llm.models";
    /// A call of a model has a largest number of tokens.
    LlmTokens = "llm.tokens";
    /// Only listed tools are called, and told of.
    ToolsListed = "tools.listed";
    /// A plugin is behind the tools that it has called: nobody asks it for the permission.
    ToolsCause = "tools.cause";
    /// A plugin's question to the user is one line that names the plugin.
    AskNamed = "ask.named";
    /// Only listed images are run.
    DockerImages = "docker.images";
    /// A container has no network, no privileges, a bounded share of the machine, and nothing of it mounted.
    DockerConfined = "docker.confined";
    /// A plugin runs with what the user granted to exactly this content.
    GrantContent = "grant.content";
    /// A repository is nobody until it is trusted.
    TrustRepository = "trust.repository";
    /// A repository's configuration narrows its own plugins alone; before it is trusted, the rest of it has no effect.
    TrustConfiguration = "trust.configuration";
    /// No plugin takes the place of a more trusted one by bearing its name.
    TrustNames = "trust.names";
    /// A repository makes no observer of a plugin that is not its own.
    TrustMode = "trust.mode";
    /// Mimir's own folder does not lie in the project: no repository brings a grant.
    TrustHome = "trust.home";
    /// Grants and trust are not read from a file that somebody else could have written.
    TrustStore = "trust.store";
    /// The kernel lets the sandbox process open no file and make no connection (Landlock).
    SandboxLandlock = "sandbox.landlock";
    /// The kernel lets the sandbox process make only a few system calls (seccomp).
    SandboxSeccomp = "sandbox.seccomp";
    /// A frame speaks only for plugins of the process that it came from.
    FrameMember = "frame.member";
    /// A frame answers only what was asked of the plugin it speaks for.
    FrameAnswer = "frame.answer";
    /// A process that sends nonsense is ended.
    FrameNonsense = "frame.nonsense";
    /// The prelude works with copies of the built-ins that no plugin can change.
    RealmPrimordials = "realm.primordials";
    /// Code comes from the bundle alone: no `eval`, no `new Function`.
    RealmEval = "realm.eval";
    /// WebAssembly exists by grant alone, and shared memory not at all.
    RealmWasm = "realm.wasm";
    /// No clock is finer than a tenth of a millisecond.
    RealmClock = "realm.clock";
    /// An entry into the isolate has a limit of CPU time.
    LimitCpu = "limit.cpu";
    /// An event has a limit of wall time.
    LimitWall = "limit.wall";
    /// The heap is bounded.
    LimitHeap = "limit.heap";
    /// Memory outside the heap is bounded.
    LimitBuffers = "limit.buffers";
    /// Timers are counted.
    LimitTimers = "limit.timers";
    /// Pending host calls are counted.
    LimitPending = "limit.pending";
    /// A plugin has so much done by the agent at once; the rest waits for its turn.
    LimitTurns = "limit.turns";
    /// An answer has a largest size.
    LimitAnswer = "limit.answer";
    /// A plugin's storage has a largest size.
    LimitStorage = "limit.storage";
    /// Built-ins that V8 cannot interrupt are refused on huge arguments; behind it stands the process.
    LimitBuiltins = "limit.builtins";
    /// An answer is checked against its event's schema.
    AnswerSchema = "answer.schema";
}

impl Guard {
    /// Whether it stands. Always, except for the one that a test took out.
    #[cfg(not(feature = "test-hooks"))]
    #[inline]
    pub const fn stands(self) -> bool {
        true
    }

    /// Whether it stands. Always, except for the one that a test took out.
    #[cfg(feature = "test-hooks")]
    #[allow(clippy::disallowed_methods, reason = "the one place that looks for what a test takes out")]
    pub fn stands(self) -> bool {
        static WITHOUT: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
        let without = WITHOUT.get_or_init(|| std::env::var(WITHOUT_GUARD).ok());
        // Several where one stands behind another
        !without.iter().flat_map(|names| names.split(',')).any(|name| name.trim() == self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_guard_says_what_it_does() {
        let names: HashSet<&str> = Guard::ALL.iter().map(|guard| guard.name()).collect();
        assert_eq!(names.len(), Guard::ALL.len());
        assert!(Guard::ALL.iter().all(|guard| guard.what().trim().ends_with('.') && guard.stands()));
    }
}
