use std::time::Duration;

/// How much one call of a plugin may move, and how long it may take. The time of the event or tool in which it is made
/// limits it as well; whoever made the call drops it then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiLimits {
    /// Bytes of a file that is read.
    pub read: u64,
    /// Bytes of one write, and of a file after something was appended.
    pub write: u64,
    /// Names in a folder that is listed, and entries removed at once.
    pub entries: usize,
    /// Bytes of a program's standard output, and as many of its standard error.
    pub output: usize,
    /// Bytes of a program's standard input.
    pub input: usize,
    /// How long a program may run if the call does not say.
    pub exec_default: Duration,
    /// How long a program may run at most.
    pub exec_max: Duration,
    /// Bytes of the body of an answer.
    pub response: usize,
    /// How long a request may take, all redirects included.
    pub fetch: Duration,
    /// How many redirects are followed; the Fetch standard says 20.
    pub redirects: usize,
    /// Bytes of a plugin's storage for one project, as JSON.
    pub storage: usize,
    /// Characters of a notice or of one log line; the rest is cut off.
    pub message: usize,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            read: 8 << 20,
            write: 8 << 20,
            entries: 10_000,
            output: 8 << 20,
            input: 8 << 20,
            exec_default: Duration::from_secs(60),
            exec_max: Duration::from_secs(600),
            response: 8 << 20,
            fetch: Duration::from_secs(30),
            redirects: 20,
            storage: 1 << 20,
            message: 4_096,
        }
    }
}
