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
    let parsed = serde_json::from_str(&event.data).or_else(|error| {
        // Services that cut texts by UTF-16 send half of a character in each of two events
        without_halves(&event.data).map_or(Err(error), |data| serde_json::from_str(&data))
    });
    parsed.map_err(|_| Trouble::Nonsense(format!("an event of {} bytes is no JSON", event.data.len())))
}

/// JSON in which escapes of surrogates that have no other half stand for the replacement character; nothing if it has none.
fn without_halves(json: &str) -> Option<String> {
    let unit = |at: usize| {
        let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut out = String::with_capacity(json.len());
    let (mut at, mut copied, mut has_halves) = (0, 0, false);
    while let Some(found) = json[at..].find('\\') {
        at += found;
        let (is_half, len) = match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (false, 12),
            (Some(0xd800..=0xdfff), _) => (true, 6),
            // The escaped character is ASCII, or what follows is no JSON anyway
            _ => (false, 1 + json[at + 1..].chars().next().map_or(0, char::len_utf8)),
        };
        if is_half {
            out.push_str(&json[copied..at]);
            out.push_str("\\ufffd");
            copied = at + len;
            has_halves = true;
        }
        at += len;
    }
    out.push_str(&json[copied..]);
    has_halves.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::without_halves;

    #[test]
    fn halves_of_characters_are_replaced() {
        let check =
            |json: &str, expected: Option<&str>| assert_eq!(without_halves(json).as_deref(), expected, "{json}");
        check(r#"{"a": "x\ud83d"}"#, Some(r#"{"a": "x\ufffd"}"#));
        check(r#""\udc4d and \ud83d""#, Some(r#""\ufffd and \ufffd""#));
        check(r#""\ud83d\ud83d\udc4d""#, Some(r#""\ufffd\ud83d\udc4d""#));
        check(r#""\ud83d\udc4d \u00e9 \\ud83d""#, None);
        check("\\ü\\", None);
    }
}
