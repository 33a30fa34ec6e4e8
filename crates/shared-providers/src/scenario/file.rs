use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::plan::{Plan, plan};
use crate::Usage;

/// What the scripted model plays. `docs/scenarios.md` describes the file.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub(super) main: Plan,
    pub(super) agents: BTreeMap<String, Plan>,
    pub(super) summary: String,
    pub(super) end: String,
    pub(super) usage: Usage,
    pub(super) delay: Duration,
}

/// A scenario that can't be played.
#[derive(Debug, Error)]
pub enum InvalidScenario {
    /// It is not of the form.
    #[error("{0}")]
    Form(String),
    /// A turn makes no sense.
    #[error("{place}: {problem}")]
    Turn {
        /// Where it stands: `turns[2].else`.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It has more turns than anybody would look at.
    #[error("the scenario has more than {most} turns")]
    TooLong {
        /// The most.
        most: usize,
    },
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct File {
    /// The turns of the main agent.
    turns: Vec<Turn>,
    /// Turns of sub-agents, by role.
    agents: BTreeMap<String, Vec<Turn>>,
    /// What the model answers when a conversation is compacted.
    summary: String,
    /// What it says when no turn is left.
    end: String,
    /// What a turn uses that does not say.
    usage: UsageFile,
    /// Milliseconds between two words, in a turn that does not say.
    delay: u64,
}

impl Default for File {
    fn default() -> Self {
        Self {
            turns: Vec::new(),
            agents: BTreeMap::new(),
            summary: "Everything up to here was played by the scripted model.".to_owned(),
            end: "The scenario is over: this is a scripted model, and it has nothing more to say.".to_owned(),
            usage: UsageFile { input: 100, output: 20 },
            delay: 0,
        }
    }
}

/// One answer of the model.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub(super) struct Turn {
    /// What it says.
    pub(super) say: Option<String>,
    /// The tools that it asks for, all at once.
    pub(super) calls: Vec<Called>,
    /// What it uses.
    pub(super) usage: Option<UsageFile>,
    /// What it costs, in US dollars.
    #[schemars(range(min = 0))]
    pub(super) cost: Option<f64>,
    /// Milliseconds between two words.
    pub(super) delay: Option<u64>,
    /// Milliseconds before the first word.
    pub(super) wait: Option<u64>,
    /// Fails instead, so often.
    pub(super) error: Option<Failure>,
    /// Only if this holds.
    pub(super) when: Option<Condition>,
    /// What happens if `when` does not hold.
    #[serde(rename = "else")]
    pub(super) otherwise: Option<Box<Turn>>,
    /// What has to hold here: else the model fails, and says what was expected.
    pub(super) expect: Option<Condition>,
    /// So many times, together with the turns beneath it; `${i}` counts from 1.
    pub(super) repeat: Option<u64>,
    /// Another name for what counts.
    #[serde(rename = "as")]
    pub(super) counter: Option<String>,
    /// Turns that follow this one.
    pub(super) turns: Vec<Turn>,
}

impl Turn {
    /// Whether it is an answer itself, or fails.
    pub(super) fn is_played(&self) -> bool {
        self.is_answer() || self.error.is_some() || self.expect.is_some()
    }

    /// Whether it is an answer itself.
    pub(super) fn is_answer(&self) -> bool {
        self.say.is_some() || !self.calls.is_empty()
    }
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Called {
    /// The tool.
    pub(super) tool: String,
    /// Its arguments.
    #[serde(default)]
    pub(super) args: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageFile {
    /// Tokens of the question.
    #[serde(default)]
    pub(super) input: u64,
    /// Tokens of the answer.
    #[serde(default)]
    pub(super) output: u64,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Failure {
    /// How it fails.
    pub(super) kind: FailureKind,
    /// What it says about it.
    #[serde(default)]
    pub(super) message: Option<String>,
    /// How long it asks to wait, in seconds.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub(super) retry_after: Option<f64>,
    /// How often before it goes on.
    #[serde(default = "once")]
    pub(super) times: u32,
}

fn once() -> u32 {
    1
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum FailureKind {
    RateLimited,
    Overloaded,
    Unauthorized,
    Rejected,
    TooLong,
    Unreachable,
    Interrupted,
    Nonsense,
}

/// What must hold. All that is said must. Texts are looked for in what the last tools gave and the person said last; in
/// patterns `*` stands for any text and `?` for one character, and the whole has to match.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub(super) struct Condition {
    /// The last results are looked at only as far as they are this tool's, and it has to have some.
    pub(super) tool: Option<String>,
    /// The last results contain this text.
    pub(super) result: Option<String>,
    /// One of the last results matches this pattern.
    pub(super) result_matches: Option<String>,
    /// One of the last results is an error, or none is.
    pub(super) is_error: Option<bool>,
    /// What the person said last contains this text.
    pub(super) user: Option<String>,
    /// What the person said last matches this pattern.
    pub(super) user_matches: Option<String>,
    /// This does not hold.
    pub(super) not: Option<Box<Condition>>,
    /// One of these holds.
    pub(super) any: Vec<Condition>,
}

impl Scenario {
    /// Reads a scenario: what its YAML says, as JSON.
    ///
    /// # Errors
    /// [`InvalidScenario`].
    pub fn from_value(value: Value) -> Result<Self, InvalidScenario> {
        if !value.is_object() {
            return Err(InvalidScenario::Form("it has no `turns`: a scenario is a mapping".to_owned()));
        }
        let file: File = serde_json::from_value(value).map_err(|error| InvalidScenario::Form(error.to_string()))?;
        let File { turns, agents, summary, end, usage, delay } = file;
        let agents = agents.into_iter().map(|(role, turns)| {
            let planned = plan(turns, &format!("agents.{role}"))?;
            Ok((role, planned))
        });
        Ok(Self {
            agents: agents.collect::<Result<_, _>>()?,
            main: plan(turns, "turns")?,
            summary,
            end,
            usage: usage.into(),
            delay: Duration::from_millis(delay),
        })
    }

    /// JSON Schema (draft 2020-12) of the file.
    pub fn schema() -> Value {
        schemars::schema_for!(File).to_value()
    }

    /// A scenario for who names none: it says what it is, whatever is said to it.
    pub fn introduction() -> Self {
        let end = "I am a scripted model: no language model is set up, so I can only show that everything else works. Set \
                   `model` and a key (`mimir run --help`), name a scenario with `--scenario`, or see `mimir demo`.";
        let File { summary, usage, .. } = File::default();
        Self {
            main: Plan::default(),
            agents: BTreeMap::new(),
            summary,
            end: end.to_owned(),
            usage: usage.into(),
            delay: Duration::ZERO,
        }
    }
}

impl From<UsageFile> for Usage {
    fn from(usage: UsageFile) -> Self {
        Self::new(usage.input, usage.output)
    }
}
