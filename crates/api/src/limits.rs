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
    /// Processes and threads that a program may have at once.
    pub processes: u32,
    /// Files and folders of the project that are looked at to find what a program may reach; it reaches no others.
    pub project_entries: usize,
    /// Bytes of the body of an answer.
    pub response: usize,
    /// Bytes of all files together that are copied into a container.
    pub container_files: u64,
    /// Bytes of memory of a container.
    pub container_memory: u64,
    /// Processes and threads in a container.
    pub container_processes: u32,
    /// Processors for a container, in thousandths of one.
    pub container_cpu_thousandths: u32,
    /// Tokens that one call of a language model may use, question and answer together.
    pub tokens: u64,
    /// Tokens that an answer of a language model may have if the call does not say.
    pub answer_tokens: u64,
    /// How long a request may take until its answer begins, all redirects included.
    pub fetch: Duration,
    /// How long the body of an answer may take after that, the time included in which the plugin does not read it.
    pub response_time: Duration,
    /// What a service's second is by which it says how often it may be asked whether somebody has signed in.
    pub sign_in_second: Duration,
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
            processes: 256,
            project_entries: 50_000,
            response: 16 << 20,
            container_files: 64 << 20,
            container_memory: 1 << 30,
            container_processes: 256,
            container_cpu_thousandths: 2_000,
            tokens: 1_000_000,
            answer_tokens: 4_096,
            fetch: Duration::from_secs(30),
            response_time: Duration::from_secs(120),
            sign_in_second: Duration::from_secs(1),
            redirects: 20,
            storage: 1 << 20,
            message: 4_096,
        }
    }
}
