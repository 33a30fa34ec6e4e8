use serde_json::{Map, Value};

use super::names::ToolNames;
use crate::{AnswerLimits, ChatEvent, ChatResponse, Content, KnownPart, Message, Part, Role, StopReason, Usage};

/// An answer as it comes in.
#[derive(Debug)]
pub(crate) struct Answer {
    names: ToolNames,
    limits: AnswerLimits,
    /// The model that was asked.
    asked: String,
    /// How many tokens the question has, by estimate.
    question: u64,
    /// Goes into the ids of calls that the service gave none.
    turn: usize,
    model: Option<String>,
    blocks: Vec<Block>,
    calls: usize,
    /// What was used, if the service said so.
    pub(crate) usage: Option<Usage>,
    /// What it cost, if the service said so.
    pub(crate) cost: Option<f64>,
    /// Why it ended, once the service said so.
    pub(crate) stop: Option<StopReason>,
}

#[derive(Debug)]
struct Block {
    key: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text(String),
    Call { id: String, name: String, json: String, is_whole: bool },
    Own(Map<String, Value>),
}

/// More than this many blocks are no answer.
const MOST_BLOCKS: usize = 1_024;
/// A token has about so many bytes; rather too few, so that an estimate is rather too high.
const BYTES_OF_A_TOKEN: u64 = 3;

/// How many tokens a text of so many bytes has, roughly.
pub(crate) const fn estimated_tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(BYTES_OF_A_TOKEN)
}

impl Answer {
    pub(crate) fn new(names: ToolNames, limits: AnswerLimits, asked: &str, question: u64, turn: usize) -> Self {
        Self {
            names,
            limits,
            asked: asked.to_owned(),
            question,
            turn,
            model: None,
            blocks: Vec::new(),
            calls: 0,
            usage: None,
            cost: None,
            stop: None,
        }
    }

    /// The model that answers, as the service says.
    pub(crate) fn model(&mut self, model: &str) {
        let is_plain = !model.is_empty() && model.len() <= 200 && !model.chars().any(char::is_control);
        if is_plain && self.model.is_none() {
            self.model = Some(model.to_owned());
        }
    }

    fn block(&mut self, key: u64) -> Option<&mut Kind> {
        self.blocks.iter_mut().rev().find(|block| block.key == key).map(|block| &mut block.kind)
    }

    fn push(&mut self, key: u64, kind: Kind) -> Result<(), String> {
        if self.blocks.len() >= MOST_BLOCKS {
            return Err(format!("it has more than {MOST_BLOCKS} parts"));
        }
        self.blocks.push(Block { key, kind });
        Ok(())
    }

    /// More text in the block of that key, which it begins if there is none.
    pub(crate) fn text(&mut self, key: u64, text: &str) -> Result<Option<ChatEvent>, String> {
        match self.block(key) {
            Some(Kind::Text(before)) => before.push_str(text),
            Some(_) => return Err("there is text where there was something else".to_owned()),
            None => self.push(key, Kind::Text(text.to_owned()))?,
        }
        Ok((!text.is_empty()).then(|| ChatEvent::Text(text.to_owned())))
    }

    /// A call begins.
    pub(crate) fn call(&mut self, key: u64, id: &str, name: &str) -> Result<ChatEvent, String> {
        if self.calls >= self.limits.tool_calls {
            return Err(format!("it has more than {} calls of tools", self.limits.tool_calls));
        }
        self.calls += 1;
        let is_taken =
            self.blocks.iter().any(|block| matches!(&block.kind, Kind::Call { id: other, .. } if other == id));
        let is_plain = !id.is_empty() && id.len() <= 200 && !id.chars().any(char::is_control);
        let id = if is_plain && !is_taken { id.to_owned() } else { format!("call_{}_{}", self.turn, self.calls) };
        let name = self.names.own(name);
        self.push(key, Kind::Call { id: id.clone(), name: name.clone(), json: String::new(), is_whole: false })?;
        Ok(ChatEvent::ToolCall { id, name })
    }

    /// Whether the block of that key is a call.
    pub(crate) fn is_call(&mut self, key: u64) -> bool {
        matches!(self.block(key), Some(Kind::Call { .. }))
    }

    /// The model says that it refuses; whatever else it ends for.
    pub(crate) fn is_refused(&mut self) {
        self.stop = Some(StopReason::Refused);
    }

    /// More of the arguments of a call.
    pub(crate) fn arguments(&mut self, key: u64, more: &str) -> Result<(), String> {
        match self.block(key) {
            Some(Kind::Call { json, .. }) => json.push_str(more),
            _ => return Err("there are arguments without a call".to_owned()),
        }
        Ok(())
    }

    /// A block has all that belongs to it.
    pub(crate) fn end_block(&mut self, key: u64) {
        if let Some(Kind::Call { is_whole, .. }) = self.block(key) {
            *is_whole = true;
        }
    }

    /// A part in the service's own dialect, which goes back to it with the conversation.
    pub(crate) fn own(&mut self, key: u64, part: Map<String, Value>) -> Result<(), String> {
        self.push(key, Kind::Own(part))
    }

    /// More of a text in a part of the service's own.
    pub(crate) fn own_text(&mut self, key: u64, field: &str, more: &str) {
        if let Some(Kind::Own(part)) = self.block(key) {
            match part.get_mut(field) {
                Some(Value::String(text)) => text.push_str(more),
                _ => {
                    part.insert(field.to_owned(), more.into());
                }
            }
        }
    }

    /// The whole answer.
    pub(crate) fn finish(mut self) -> ChatResponse {
        for block in &mut self.blocks {
            if let Kind::Call { is_whole, .. } = &mut block.kind {
                *is_whole = true;
            }
        }
        self.response()
    }

    /// What there is of an answer that broke off: no calls but whole ones.
    pub(crate) fn partial(self) -> ChatResponse {
        let mut response = self.response();
        // Services say at the end how much they wrote
        response.usage_is_estimated = true;
        response
    }

    fn response(self) -> ChatResponse {
        let written: usize = self.blocks.iter().map(|block| block.kind.len()).sum();
        let estimate = Usage::new(self.question, estimated_tokens(written));
        // To have used nothing at all is a way of saying nothing
        let said = self.usage.filter(|said| *said != Usage::default());
        let mut usage = said.unwrap_or(estimate);
        if self.stop.is_none() {
            usage.output_tokens = usage.output_tokens.max(estimate.output_tokens);
        }
        let parts: Vec<Part> = self.blocks.into_iter().filter_map(|block| block.kind.part()).collect();
        let has_calls = parts.iter().any(|part| matches!(part, Part::Known(KnownPart::ToolCall { .. })));
        let stop = match self.stop {
            // Some services say `stop` where they mean their calls
            Some(StopReason::End) | None if has_calls => StopReason::ToolCalls,
            Some(StopReason::ToolCalls) if !has_calls => StopReason::End,
            stop => stop.unwrap_or(StopReason::End),
        };
        let message = Message { content: content(parts), ..Message::text(Role::Assistant, "") };
        let mut response = ChatResponse::new(message, stop, usage, self.model.unwrap_or(self.asked));
        response.usage_is_estimated = said.is_none();
        response.cost = self.cost;
        response
    }
}

fn content(parts: Vec<Part>) -> Content {
    let texts: Option<Vec<&str>> = parts
        .iter()
        .map(|part| match part {
            Part::Known(KnownPart::Text { text, .. }) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    match texts {
        Some(texts) => Content::Text(texts.concat()),
        None => Content::Parts(parts),
    }
}

impl Kind {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Call { name, json, .. } => name.len() + json.len(),
            Self::Own(map) => map.values().filter_map(Value::as_str).map(str::len).sum(),
        }
    }

    fn part(self) -> Option<Part> {
        match self {
            Self::Text(text) if text.is_empty() => None,
            Self::Text(text) => Some(Part::Known(KnownPart::Text { text, extra: Map::new() })),
            Self::Call { is_whole: false, .. } => None,
            Self::Call { id, name, json, .. } => {
                Some(Part::Known(KnownPart::ToolCall { id, name, args: arguments(json), extra: Map::new() }))
            }
            Self::Own(map) => Some(Part::Other(map)),
        }
    }
}

/// The arguments of a call. What is no JSON, or nested too deeply, stays a text: whoever runs the tool tells the model that
/// this is not what it takes.
fn arguments(json: String) -> Value {
    if json.trim().is_empty() {
        return Value::Object(Map::new());
    }
    serde_json::from_str(&json).unwrap_or(Value::String(json))
}
