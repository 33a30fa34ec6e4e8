use eventsource_stream::Event;
use serde_json::{Map, Value};

use crate::http::{Answer, Decoder, Step, Trouble, json};
use crate::{ChatEvent, StopReason, Usage};

/// Reads the events of one streamed answer.
#[derive(Debug, Default)]
pub(super) struct Events {
    has_started: bool,
}

impl Decoder for Events {
    fn event(&mut self, event: &Event, answer: &mut Answer) -> Result<Step, Trouble> {
        // Events of later versions are to be passed over, whatever is in them
        let known = [
            "message",
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
            "error",
        ];
        if !known.contains(&event.event.as_str()) {
            return Ok(Step::default());
        }
        let json = json(event)?;
        // Some services leave the event's name out; its data bears it too
        let kind = json.get("type").and_then(Value::as_str).unwrap_or(event.event.as_str());
        match kind {
            "message_start" => {
                self.has_started = true;
                if let Some(message) = json.get("message") {
                    head(message, answer);
                }
                Ok(Step::default())
            }
            "content_block_start" => start(&json, answer),
            "content_block_delta" => delta(&json, answer),
            "content_block_stop" => {
                answer.end_block(index(&json)?);
                Ok(Step::default())
            }
            "message_delta" => {
                usage(json.get("usage"), answer);
                if let Some(reason) = json.pointer("/delta/stop_reason").and_then(Value::as_str) {
                    answer.stop = Some(stop(reason));
                }
                Ok(Step::default())
            }
            "message_stop" if answer.stop.is_none() && !self.has_started => {
                Err(Trouble::Nonsense("it ends without having begun".to_owned()))
            }
            "message_stop" => Ok(Step::over()),
            "error" => Err(Trouble::Failed(json)),
            _ => Ok(Step::default()),
        }
    }
}

/// An answer in one piece.
pub(super) fn whole(body: &Value, answer: &mut Answer) -> Result<Vec<ChatEvent>, Trouble> {
    if body.get("type").and_then(Value::as_str) == Some("error") || body.get("error").is_some() {
        return Err(Trouble::Failed(body.clone()));
    }
    let Some(blocks) = body.get("content").and_then(Value::as_array) else {
        return Err(Trouble::Nonsense("it has no content".to_owned()));
    };
    head(body, answer);
    let mut shown = Vec::new();
    for (key, block) in (0_u64..).zip(blocks) {
        shown.extend(begin(key, block, answer)?.shown);
        if let Some(input) = block.get("input").filter(|_| text_of(block, "type") == "tool_use") {
            answer.arguments(key, &input.to_string())?;
        }
        answer.end_block(key);
    }
    answer.stop = Some(stop(text_of(body, "stop_reason")));
    Ok(shown)
}

fn head(message: &Value, answer: &mut Answer) {
    answer.model(text_of(message, "model"));
    usage(message.get("usage"), answer);
}

fn text_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn index(json: &Value) -> Result<u64, Trouble> {
    let index = json.get("index").and_then(Value::as_u64);
    index.ok_or_else(|| Trouble::Nonsense("an event says of no block".to_owned()))
}

fn start(json: &Value, answer: &mut Answer) -> Result<Step, Trouble> {
    let Some(block) = json.get("content_block") else { return Ok(Step::default()) };
    begin(index(json)?, block, answer)
}

fn begin(key: u64, block: &Value, answer: &mut Answer) -> Result<Step, Trouble> {
    match text_of(block, "type") {
        "text" => Ok(Step::show(answer.text(key, text_of(block, "text"))?)),
        "tool_use" => Ok(Step::show(answer.call(key, text_of(block, "id"), text_of(block, "name"))?)),
        _ => {
            // Thinking and what later versions add goes back as it came
            if let Value::Object(part) = block {
                answer.own(key, part.clone())?;
            }
            Ok(Step::default())
        }
    }
}

fn delta(json: &Value, answer: &mut Answer) -> Result<Step, Trouble> {
    let key = index(json)?;
    let Some(delta) = json.get("delta") else { return Ok(Step::default()) };
    match text_of(delta, "type") {
        "text_delta" => return Ok(Step::show(answer.text(key, text_of(delta, "text"))?)),
        "input_json_delta" => {
            let more = text_of(delta, "partial_json");
            // The service's own tools get arguments as well
            if !more.is_empty() && answer.is_call(key) {
                answer.arguments(key, more)?;
            }
        }
        "thinking_delta" => answer.own_text(key, "thinking", text_of(delta, "thinking")),
        "signature_delta" => answer.own_text(key, "signature", text_of(delta, "signature")),
        _ => {}
    }
    Ok(Step::default())
}

/// Later numbers replace earlier ones: they are of the answer so far, not of what is new in it.
fn usage(said: Option<&Value>, answer: &mut Answer) {
    let Some(said) = said.and_then(Value::as_object) else { return };
    let number =
        |said: &Map<String, Value>, key: &str, before: u64| said.get(key).and_then(Value::as_u64).unwrap_or(before);
    let before = answer.usage.unwrap_or_default();
    answer.usage = Some(Usage {
        input_tokens: number(said, "input_tokens", before.input_tokens),
        output_tokens: number(said, "output_tokens", before.output_tokens),
        cache_read_tokens: number(said, "cache_read_input_tokens", before.cache_read_tokens),
        cache_write_tokens: number(said, "cache_creation_input_tokens", before.cache_write_tokens),
    });
}

fn stop(reason: &str) -> StopReason {
    match reason {
        "end_turn" | "stop_sequence" | "" => StopReason::End,
        "tool_use" => StopReason::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => StopReason::MaxTokens,
        "refusal" => StopReason::Refused,
        other => StopReason::Other(other.chars().filter(|c| !c.is_control()).take(100).collect()),
    }
}
