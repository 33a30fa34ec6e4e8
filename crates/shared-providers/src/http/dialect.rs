use eventsource_stream::Event;
use serde_json::Value;

use super::answer::Answer;
use super::failure::Said;
use super::names::ToolNames;
use crate::{ChatEvent, ChatRequest, Secret};

/// What is different from service to service.
pub(crate) trait Dialect: Send + Sync {
    /// Where answers are asked for, beneath the API's version.
    fn path(&self) -> &'static str;

    /// Where tokens are counted, and the question; nothing where the service doesn't offer that.
    fn count(&self, request: &ChatRequest, names: &ToolNames) -> Option<(&'static str, Value)>;

    /// The headers of a request; `key` is sent in the dialect's own way.
    fn headers(&self, key: Option<&Secret>) -> Vec<(&'static str, String)>;

    /// The body of a request for a streamed answer.
    fn body(&self, request: &ChatRequest, names: &ToolNames, quirks: Quirks) -> Value;

    /// What to leave out or to name differently after the service refused a request with these words; nothing if that is no
    /// way out.
    fn adapted(&self, said: &Said, quirks: Quirks) -> Option<Quirks>;

    /// Reads one streamed answer.
    fn decoder(&self) -> Box<dyn Decoder>;

    /// Reads an answer that came in one piece, although a stream was asked for.
    fn whole(&self, body: &Value, answer: &mut Answer) -> Result<Vec<ChatEvent>, Trouble>;
}

/// Peculiarities that a service turned out to have. Each is tried once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Quirks {
    /// It wants the other name for the limit on output tokens.
    pub(crate) other_limit_name: bool,
    /// It does not know options of streams.
    pub(crate) no_stream_options: bool,
    /// It does not know marks for its prompt cache.
    pub(crate) no_cache: bool,
}

/// Reads a stream's events.
pub(crate) trait Decoder: Send {
    /// Takes one event in; gives what is to be shown of it, and whether the answer is over.
    fn event(&mut self, event: &Event, answer: &mut Answer) -> Result<Step, Trouble>;
}

/// What came of one event.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) shown: Vec<ChatEvent>,
    pub(crate) is_over: bool,
}

impl Step {
    pub(crate) fn show(event: impl Into<Option<ChatEvent>>) -> Self {
        Self { shown: event.into().into_iter().collect(), is_over: false }
    }

    pub(crate) fn over() -> Self {
        Self { is_over: true, ..Self::default() }
    }
}

/// Why an answer can't be read on.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It is not what the dialect says.
    Nonsense(String),
    /// The service says that it failed: its JSON.
    Failed(Value),
}

impl From<String> for Trouble {
    fn from(detail: String) -> Self {
        Self::Nonsense(detail)
    }
}

/// The JSON in an event.
pub(crate) fn json(event: &Event) -> Result<Value, Trouble> {
    serde_json::from_str(&event.data).map_err(|error| {
        let at = if error.is_data() || error.is_syntax() { "is no JSON" } else { "is JSON that is cut off" };
        Trouble::Nonsense(format!("an event of {} bytes {at}", event.data.len()))
    })
}
