use std::time::Duration;

/// How conversations are held.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatSettings {
    /// The project's folder.
    pub project: String,
    /// The model that new sessions talk to.
    pub model: String,
    /// The parts of the system prompt, each a message of its own.
    pub system: Vec<String>,
    /// How often the model is asked at most until it must be done with what the person said.
    pub max_turns: u32,
    /// The most tokens that one answer may have.
    pub max_output_tokens: u64,
    /// How freely the model chooses its words; nothing leaves it to the provider.
    pub temperature: Option<f64>,
    /// How many calls that only read run at once.
    pub calls_at_once: usize,
    /// The longest result of a tool that the model gets to see, in bytes of JSON. What is longer is cut.
    pub max_result_bytes: usize,
    /// How often and how fast a model is asked again that could not be asked.
    pub retries: Retries,
    /// When the conversation is summed up.
    pub compaction: Compaction,
    /// Tools whose last result outlives that word by word, such as a list of what there is to do.
    pub carried_tools: Vec<String>,
    /// What may be spent.
    pub budget: Budget,
    /// The kinds of sub-agents.
    pub roles: Vec<AgentRole>,
}

impl Default for ChatSettings {
    fn default() -> Self {
        Self {
            project: String::new(),
            model: "scripted".to_owned(),
            system: Vec::new(),
            max_turns: 250,
            max_output_tokens: 16_384,
            temperature: None,
            calls_at_once: 8,
            max_result_bytes: 256 * 1024,
            retries: Retries::default(),
            compaction: Compaction::default(),
            carried_tools: Vec::new(),
            budget: Budget::default(),
            roles: Vec::new(),
        }
    }
}

/// How often and how fast a model is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// How often it is asked at most, the first time included.
    pub attempts: u32,
    /// How long to wait before the second attempt; each further wait is twice as long, and up to a quarter longer by chance.
    pub first_wait: Duration,
    /// The longest wait that is chosen here.
    pub longest_wait: Duration,
    /// The longest wait that a provider may ask for. Whoever asks for more is not waited for.
    pub patience: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            patience: Duration::from_secs(300),
        }
    }
}

/// When the conversation is summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// Whether it is summed up without being asked to.
    pub enabled: bool,
    /// With how many tokens.
    pub threshold_tokens: u64,
    /// How many of the last messages stay as they are.
    pub keep_messages: usize,
}

impl Default for Compaction {
    fn default() -> Self {
        Self { enabled: true, threshold_tokens: 150_000, keep_messages: 8 }
    }
}

/// What may be spent, in US dollars.
///
/// An answer is paid for when it is there: the one that exceeds a budget is the last, and with several agents at once each
/// of them may have one on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Whether the agent stops when a budget is exceeded. Else it says so, and only plugins can stop it.
    pub enabled: bool,
    /// For a session.
    pub session: Option<f64>,
    /// For a day (UTC), all sessions together.
    pub day: Option<f64>,
    /// Whether the person may raise a budget by `/cost`.
    pub may_be_raised: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self { enabled: true, session: None, day: None, may_be_raised: true }
    }
}

/// A kind of sub-agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentRole {
    /// Its name, such as `explore`.
    pub name: String,
    /// What it is for, for the model that gives it a task.
    pub description: String,
    /// The model that it talks to; nothing for the session's.
    pub model: Option<String>,
    /// Its system prompt, after that of the session.
    pub prompt: String,
    /// The tools that it may use; nothing for all.
    pub tools: Option<Vec<String>>,
    /// How often its model is asked at most; nothing for as often as that of the main agent.
    pub max_turns: Option<u32>,
}
