use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::plan::{Step, plan};
use crate::Usage;

/// What the scripted model plays. `docs/scenarios.md` describes the file.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub(super) main: Vec<Step>,
    pub(super) agents: BTreeMap<String, Vec<Step>>,
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
    /// It has more turns than anybody would look at.
    #[error("the scenario has more than {most} turns")]
    TooLong {
        /// The most.
        most: usize,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct File {
    turns: Vec<Turn>,
    agents: BTreeMap<String, Vec<Turn>>,
    summary: String,
    end: String,
    usage: UsageFile,
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
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub(super) struct Turn {
    /// What it says.
    pub(super) say: Option<String>,
    /// The tools that it asks for, all at once.
    pub(super) calls: Vec<Called>,
    /// What it uses.
    pub(super) usage: Option<UsageFile>,
    /// What it costs, in US dollars.
    pub(super) cost: Option<f64>,
    /// Milliseconds between two words.
    pub(super) delay: Option<u64>,
    /// Fails instead, so often.
    pub(super) error: Option<Failure>,
    /// Only if this holds.
    pub(super) when: Option<Condition>,
    /// What happens if `when` does not hold.
    #[serde(rename = "else")]
    pub(super) otherwise: Option<Box<Turn>>,
    /// So many times, or the turns beneath it; `${i}` counts from 1.
    pub(super) repeat: Option<u64>,
    /// What is repeated.
    pub(super) turns: Vec<Turn>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Called {
    pub(super) tool: String,
    #[serde(default)]
    pub(super) args: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageFile {
    #[serde(default)]
    pub(super) input: u64,
    #[serde(default)]
    pub(super) output: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    #[serde(default)]
    pub(super) message: Option<String>,
    /// Seconds.
    #[serde(default)]
    pub(super) retry_after: Option<f64>,
    /// How often before it goes on.
    #[serde(default = "once")]
    pub(super) times: u32,
}

fn once() -> u32 {
    1
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum FailureKind {
    RateLimited,
    Unauthorized,
    Rejected,
    Unreachable,
    Nonsense,
}

/// What must hold. All that is said must.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub(super) struct Condition {
    /// The last results contain this text.
    pub(super) result: Option<String>,
    /// One of the last results is an error, or none is.
    pub(super) is_error: Option<bool>,
    /// What the person said last contains this text.
    pub(super) user: Option<String>,
}

impl Scenario {
    /// Reads a scenario: what its YAML says, as JSON.
    ///
    /// # Errors
    /// [`InvalidScenario`].
    pub fn from_value(value: Value) -> Result<Self, InvalidScenario> {
        if !value.is_object() {
            return Err(InvalidScenario::Form("it has no `turns`".to_owned()));
        }
        let file: File = serde_json::from_value(value).map_err(|error| InvalidScenario::Form(error.to_string()))?;
        let File { turns, agents, summary, end, usage, delay } = file;
        let agents = agents.into_iter().map(|(role, turns)| Ok((role, plan(&turns)?))).collect::<Result<_, _>>()?;
        Ok(Self { main: plan(&turns)?, agents, summary, end, usage: usage.into(), delay: Duration::from_millis(delay) })
    }

    /// A scenario for who names none: it says what it is.
    pub fn introduction() -> Self {
        let say = "I am a scripted model: no language model is set up, so I can only show that everything else works. Set \
                   `model` and a key (`mimir run --help`), name a scenario with `--scenario`, or see `mimir demo`.";
        let turn = Turn { say: Some(say.to_owned()), ..Turn::default() };
        let repeated = Turn { repeat: Some(1_000), turns: vec![turn], ..Turn::default() };
        let main = plan(&[repeated]).unwrap_or_default();
        let File { summary, end, usage, .. } = File::default();
        let (agents, delay) = (BTreeMap::new(), Duration::ZERO);
        Self { main, agents, summary, end, usage: usage.into(), delay }
    }
}

impl From<UsageFile> for Usage {
    fn from(usage: UsageFile) -> Self {
        Self::new(usage.input, usage.output)
    }
}
