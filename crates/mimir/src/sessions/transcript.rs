//! A session as it is read: messages in their order, each call together with what came of it.

use std::collections::{HashMap, VecDeque};

use mimir_chat::{AgentRecord, CallRecord, CallRemark, Exported, Stored};
use mimir_shared_providers::{Content, KnownPart, Part, Role};
use serde_json::{Map, Value};

/// Something that is shown.
pub(super) struct Entry<'a> {
    /// The sub-agent that it belongs to; nothing for the main one.
    pub(super) agent: Option<&'a str>,
    /// Whether a compaction put it away.
    pub(super) is_compacted: bool,
    pub(super) item: Item<'a>,
}

pub(super) enum Item<'a> {
    /// What the person wrote.
    Person(String),
    /// What the model wrote.
    Model(String),
    /// What the model asked a tool for.
    Call(Box<Call<'a>>),
    /// A result whose call is not there.
    Result { call: &'a str, result: &'a Value, is_error: bool },
    /// What a compaction left in place of what it put away.
    Summary(String),
    /// The conversation was begun anew.
    Cleared,
    /// Anything else, and who said it.
    Other { who: String, text: String },
    /// A sub-agent begins.
    AgentBegan(&'a AgentRecord),
    /// A sub-agent has ended, or nobody knows.
    AgentEnded(&'a AgentRecord),
}

pub(super) struct Call<'a> {
    pub(super) name: &'a str,
    pub(super) args: Value,
    /// What the model got to see.
    pub(super) result: Option<&'a Value>,
    pub(super) is_error: bool,
    pub(super) end: End,
    pub(super) duration_ms: Option<u64>,
    pub(super) remarks: &'a [CallRemark],
}

/// What is known of a call's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Known,
    /// Something cut it off, and it may or may not have had an effect.
    Cut,
    /// The journal has its beginning alone: it runs, or was cut and nobody has gone on with the session since.
    Open,
    /// The journal knows nothing of it: it never began.
    NeverBegan,
}

/// Calls are told apart by the agent and the id that the model gave them. A model may give an id twice, so there are queues.
type ByCall<'a, T> = HashMap<(Option<&'a str>, &'a str), VecDeque<T>>;

/// What is shown of a session, in order.
pub(super) fn entries(exported: &Exported) -> Vec<Entry<'_>> {
    let mut reader = Reader::new(exported);
    let last: HashMap<&str, u64> = exported
        .messages
        .iter()
        .enumerate()
        .filter_map(|(index, stored)| Some((stored.agent_id.as_deref()?, index as u64)))
        .collect();
    let mut begun = Vec::new();
    for (index, stored) in exported.messages.iter().enumerate() {
        let agent = stored.agent_id.as_deref();
        let record = agent.and_then(|id| exported.agents.iter().find(|record| record.agent.id == id));
        if let Some(record) = record.filter(|record| !begun.contains(&record.agent.id.as_str())) {
            begun.push(&record.agent.id);
            reader.push(stored, Item::AgentBegan(record));
        }
        reader.message(stored);
        if let Some(record) = record.filter(|record| last.get(record.agent.id.as_str()) == Some(&(index as u64))) {
            reader.push(stored, Item::AgentEnded(record));
        }
    }
    // Those that were stopped before they said anything
    for record in exported.agents.iter().filter(|record| !begun.contains(&record.agent.id.as_str())) {
        for item in [Item::AgentBegan(record), Item::AgentEnded(record)] {
            reader.entries.push(Entry { agent: Some(&record.agent.id), is_compacted: false, item });
        }
    }
    // What a sub-agent did goes where the call went that asked for it
    let mut is_put_away = false;
    for entry in &mut reader.entries {
        match entry.agent {
            None => is_put_away = entry.is_compacted,
            Some(_) => entry.is_compacted = is_put_away,
        }
    }
    reader.entries
}

struct Reader<'a> {
    results: ByCall<'a, (&'a Value, bool)>,
    records: ByCall<'a, &'a CallRecord>,
    /// Calls that were shown and whose results stand further below.
    shown: ByCall<'a, ()>,
    entries: Vec<Entry<'a>>,
}

impl<'a> Reader<'a> {
    fn new(exported: &'a Exported) -> Self {
        let mut reader =
            Self { results: HashMap::new(), records: HashMap::new(), shown: HashMap::new(), entries: Vec::new() };
        for stored in &exported.messages {
            for part in parts(stored) {
                if let Part::Known(KnownPart::ToolResult { call_id, result, is_error, .. }) = part {
                    let key = (stored.agent_id.as_deref(), call_id.as_str());
                    reader.results.entry(key).or_default().push_back((result, *is_error));
                }
            }
        }
        for record in &exported.calls {
            let key = (record.agent_id.as_deref(), record.id.as_str());
            reader.records.entry(key).or_default().push_back(record);
        }
        reader
    }

    fn push(&mut self, stored: &'a Stored, item: Item<'a>) {
        let agent = stored.agent_id.as_deref();
        self.entries.push(Entry { agent, is_compacted: stored.is_compacted, item });
    }

    fn message(&mut self, stored: &'a Stored) {
        let message = &stored.message;
        match message.extra.get("mimir").and_then(Value::as_str) {
            Some("summary") => return self.push(stored, Item::Summary(message.plain_text())),
            Some("cleared") => return self.push(stored, Item::Cleared),
            Some(mark) => {
                return self.push(stored, Item::Other { who: mark.to_owned(), text: message.plain_text() });
            }
            None => {}
        }
        if let Content::Text(text) = &message.content {
            return self.text(stored, text);
        }
        for part in parts(stored) {
            match part {
                Part::Known(KnownPart::Text { text, .. }) => self.text(stored, text),
                Part::Known(KnownPart::ToolCall { id, name, args, .. }) => self.call(stored, id, name, args),
                Part::Known(KnownPart::ToolResult { call_id, result, is_error, .. }) => {
                    let key = (stored.agent_id.as_deref(), call_id.as_str());
                    if self.shown.get_mut(&key).and_then(VecDeque::pop_front).is_none() {
                        self.push(stored, Item::Result { call: call_id, result, is_error: *is_error });
                    }
                }
                // Hidden reasoning and whatever else a provider sends: the JSON has it
                Part::Other(_) => {}
            }
        }
    }

    fn text(&mut self, stored: &'a Stored, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let text = text.to_owned();
        let item = match &stored.message.role {
            Role::User => Item::Person(text),
            Role::Assistant => Item::Model(text),
            Role::System => Item::Other { who: "system".to_owned(), text },
            Role::Tool => Item::Other { who: "tool".to_owned(), text },
            Role::Other(who) => Item::Other { who: who.clone(), text },
        };
        self.push(stored, item);
    }

    fn call(&mut self, stored: &'a Stored, id: &'a str, name: &'a str, args: &'a Value) {
        let key = (stored.agent_id.as_deref(), id);
        let (result, is_error) = match self.results.get_mut(&key).and_then(VecDeque::pop_front) {
            Some((result, is_error)) => {
                self.shown.entry(key).or_default().push_back(());
                (Some(result), is_error)
            }
            None => (None, false),
        };
        let record = self.records.get_mut(&key).and_then(VecDeque::pop_front);
        let outcome = record.and_then(|record| record.outcome.as_ref());
        let end = match record {
            Some(record) if record.is_cut => End::Cut,
            Some(record) if record.ended_at.is_none() => End::Open,
            Some(_) => End::Known,
            None if result.is_some() => End::Known,
            None => End::NeverBegan,
        };
        let ran_with = |args: &Map<String, Value>| (!args.is_empty()).then(|| Value::Object(args.clone()));
        let call = Call {
            name,
            args: outcome.and_then(|outcome| ran_with(&outcome.args)).unwrap_or_else(|| args.clone()),
            result,
            is_error: outcome.map_or(is_error, |outcome| outcome.is_error),
            end,
            duration_ms: outcome.map(|outcome| outcome.duration_ms),
            remarks: outcome.map_or(&[], |outcome| &outcome.remarks),
        };
        self.push(stored, Item::Call(Box::new(call)));
    }
}

fn parts(stored: &Stored) -> &[Part] {
    match &stored.message.content {
        Content::Parts(parts) => parts,
        Content::Text(_) => &[],
    }
}

/// A result as text: what it says where it is text, else its JSON.
pub(super) fn as_text(result: &Value) -> String {
    let words = match result {
        Value::String(text) => return text.clone(),
        Value::Object(fields) => ["error", "stdout", "output", "content", "text"].map(|key| fields.get(key)),
        _ => [None; 5],
    };
    match (words.into_iter().flatten().find_map(Value::as_str), result.as_object().map_or(0, Map::len)) {
        (Some(text), 1) => text.to_owned(),
        _ => serde_json::to_string_pretty(result).unwrap_or_else(|_| result.to_string()),
    }
}
