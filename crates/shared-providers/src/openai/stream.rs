use std::collections::HashMap;

use eventsource_stream::Event;
use serde_json::Value;

use crate::http::{Answer, Decoder, Step, Trouble, json};
use crate::{ChatEvent, StopReason, Usage};

/// The text is one block; calls come after it.
const TEXT: u64 = 0;

/// Reads the events of one streamed answer.
#[derive(Debug, Default)]
pub(super) struct Events {
    calls: Calls,
    has_chunks: bool,
}

/// Which call a piece of one belongs to. Services number them, or give ids, or neither.
#[derive(Debug, Default)]
struct Calls {
    /// The number that the service gave, and ours.
    by_index: HashMap<u64, u64>,
    /// The id that the service gave, by our number.
    ids: HashMap<u64, String>,
    last: u64,
}

impl Decoder for Events {
    fn event(&mut self, event: &Event, answer: &mut Answer) -> Result<Step, Trouble> {
        if event.data.trim() == "[DONE]" {
            if !self.has_chunks {
                return Err(Trouble::Nonsense("it ends without having begun".to_owned()));
            }
            // Not every service says why it ended
            answer.stop.get_or_insert(StopReason::End);
            return Ok(Step::over());
        }
        let json = json(event)?;
        if event.event == "error" || json.get("error").is_some_and(|error| !error.is_null()) {
            return Err(Trouble::Failed(json));
        }
        if !json.is_object() {
            return Err(Trouble::Nonsense("an event is no object".to_owned()));
        }
        head(&json, answer);
        let mut step = Step::default();
        // One answer was asked for
        let Some(choice) = json.pointer("/choices/0") else { return Ok(step) };
        self.has_chunks = true;
        // A few servers send whole messages as a stream of one
        if let Some(delta) = choice.get("delta").or_else(|| choice.get("message")) {
            said(delta, answer, &mut step.shown)?;
            self.calls.read(delta, answer, &mut step.shown)?;
        }
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str).filter(|reason| !reason.is_empty()) {
            finish(reason, answer);
        }
        Ok(step)
    }
}

/// An answer in one piece.
pub(super) fn whole(body: &Value, answer: &mut Answer) -> Result<Vec<ChatEvent>, Trouble> {
    if body.get("error").is_some_and(|error| !error.is_null()) {
        return Err(Trouble::Failed(body.clone()));
    }
    let Some(message) = body.pointer("/choices/0/message").filter(|message| message.is_object()) else {
        return Err(Trouble::Nonsense("there is no message in it".to_owned()));
    };
    head(body, answer);
    let mut shown = Vec::new();
    said(message, answer, &mut shown)?;
    Calls::default().read(message, answer, &mut shown)?;
    finish(body.pointer("/choices/0/finish_reason").and_then(Value::as_str).unwrap_or("stop"), answer);
    Ok(shown)
}

fn head(json: &Value, answer: &mut Answer) {
    answer.model(json.get("model").and_then(Value::as_str).unwrap_or_default());
    usage(json.get("usage"), answer);
}

/// What a reason means. That the model refused is said before it.
fn finish(reason: &str, answer: &mut Answer) {
    if answer.stop != Some(StopReason::Refused) {
        answer.stop = Some(stop(reason));
    }
}

fn said(delta: &Value, answer: &mut Answer, shown: &mut Vec<ChatEvent>) -> Result<(), Trouble> {
    match delta.get("content") {
        Some(Value::String(text)) => shown.extend(answer.text(TEXT, text)?),
        Some(Value::Array(parts)) => {
            for text in parts.iter().filter_map(|part| part.get("text")?.as_str()) {
                shown.extend(answer.text(TEXT, text)?);
            }
        }
        _ => {}
    }
    if let Some(refusal) = delta.get("refusal").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        shown.extend(answer.text(TEXT, refusal)?);
        answer.is_refused();
    }
    Ok(())
}

impl Calls {
    fn read(&mut self, delta: &Value, answer: &mut Answer, shown: &mut Vec<ChatEvent>) -> Result<(), Trouble> {
        for (place, call) in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let text = |pointer: &str| call.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let (id, name) = (text("/id"), text("/function/name"));
            let index = call.get("index").and_then(Value::as_u64);
            let key = match self.known(index, id, name, place) {
                Some(key) => key,
                None => {
                    self.last += 1;
                    self.by_index.insert(index.unwrap_or(place as u64), self.last);
                    if !id.is_empty() {
                        self.ids.insert(self.last, id.to_owned());
                    }
                    shown.push(answer.call(self.last, id, name)?);
                    self.last
                }
            };
            match call.pointer("/function/arguments") {
                Some(Value::String(more)) => answer.arguments(key, more)?,
                Some(Value::Null) | None => {}
                // Not as the dialect says, but clear
                Some(whole) => answer.arguments(key, &whole.to_string())?,
            }
        }
        Ok(())
    }

    /// The call that a piece goes on with; nothing if it begins one. Some services give all calls the same number.
    fn known(&self, index: Option<u64>, id: &str, name: &str, place: usize) -> Option<u64> {
        let by_id = || self.ids.iter().find(|(_, known)| *known == id).map(|(key, _)| *key);
        if !id.is_empty()
            && let Some(key) = by_id()
        {
            return Some(key);
        }
        let is_new = !id.is_empty() && !name.is_empty();
        let key = *self.by_index.get(&index.unwrap_or(place as u64))?;
        let is_other = is_new && self.ids.get(&key).is_some_and(|known| known != id);
        // Without a number and an id, a name begins a call
        let is_unnumbered = index.is_none() && id.is_empty() && !name.is_empty();
        (!is_other && !is_unnumbered).then_some(key)
    }
}

fn usage(said: Option<&Value>, answer: &mut Answer) {
    let Some(said) = said.filter(|said| said.is_object()) else { return };
    let number = |pointer: &str| said.pointer(pointer).and_then(Value::as_u64);
    let Some(prompt) = number("/prompt_tokens").or_else(|| number("/input_tokens")) else { return };
    let output = number("/completion_tokens").or_else(|| number("/output_tokens")).unwrap_or(0);
    let read = number("/prompt_tokens_details/cached_tokens").unwrap_or(0).min(prompt);
    let write = number("/prompt_tokens_details/cache_write_tokens").unwrap_or(0).min(prompt - read);
    let input_tokens = prompt - read - write;
    answer.usage =
        Some(Usage { input_tokens, output_tokens: output, cache_read_tokens: read, cache_write_tokens: write });
    // In US dollars, by services that resell others
    answer.cost = said.get("cost").and_then(Value::as_f64).filter(|cost| cost.is_finite() && *cost >= 0.0);
}

fn stop(reason: &str) -> StopReason {
    match reason {
        "stop" | "eos" | "end_turn" => StopReason::End,
        "tool_calls" | "function_call" => StopReason::ToolCalls,
        "length" | "max_tokens" => StopReason::MaxTokens,
        "content_filter" => StopReason::Refused,
        other => StopReason::Other(other.chars().filter(|c| !c.is_control()).take(100).collect()),
    }
}
