//! OpenAI's chat completions, as many servers speak them.

mod stream;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use self::stream::Events;
use crate::http::{
    Answer, Conversation, Decoder, Dialect, Piece, Quirks, Said, Speaker, ToolNames, Trouble, sendable_id,
};
use crate::{ChatEvent, ChatRequest, Secret};

/// The dialect.
#[derive(Debug)]
pub(crate) struct OpenAi {
    /// OpenAI itself wants `max_completion_tokens`; most other servers know `max_tokens` alone.
    is_openai: bool,
}

impl OpenAi {
    pub(crate) fn new(endpoint: &str) -> Self {
        Self { is_openai: endpoint.starts_with("https://api.openai.com/") }
    }
}

impl Dialect for OpenAi {
    fn path(&self) -> &'static str {
        "chat/completions"
    }

    fn count(&self, _request: &ChatRequest, _names: &ToolNames) -> Option<(&'static str, Value)> {
        None
    }

    fn headers(&self, key: Option<&Secret>) -> Vec<(&'static str, String)> {
        key.map(|key| ("authorization", format!("Bearer {}", key.expose()))).into_iter().collect()
    }

    fn body(&self, request: &ChatRequest, names: &ToolNames, quirks: Quirks) -> Value {
        let conversation = Conversation::read(&request.messages, is_own);
        let mut messages = Vec::new();
        if !conversation.system.is_empty() {
            messages.push(json!({"role": "system", "content": conversation.system.join("\n\n")}));
        }
        for turn in &conversation.turns {
            match turn.speaker {
                Speaker::User => user(&turn.pieces, &mut messages),
                Speaker::Assistant => messages.push(assistant(&turn.pieces, names)),
            }
        }
        let limit = if self.is_openai != quirks.other_limit_name { "max_completion_tokens" } else { "max_tokens" };
        let mut body = json!({"model": request.model, "stream": true, "messages": messages});
        body[limit] = request.max_output_tokens.into();
        if !quirks.no_stream_options {
            body["stream_options"] = json!({"include_usage": true});
        }
        if !request.tools.is_empty() {
            let tools = request.tools.iter().map(|tool| {
                json!({"type": "function", "function": {
                    "name": names.sent(&tool.name),
                    "description": tool.description,
                    "parameters": schema(&tool.input_schema),
                }})
            });
            body["tools"] = tools.collect();
        }
        if let Some(temperature) = request.temperature {
            body["temperature"] = temperature.into();
        }
        body
    }

    fn adapted(&self, said: &Said, quirks: Quirks) -> Option<Quirks> {
        let message = &said.message;
        if message.contains("stream_options") && !quirks.no_stream_options {
            return Some(Quirks { no_stream_options: true, ..quirks });
        }
        // `max_completion_tokens` too long, too short, unknown or asked for: only its name in a refusal is common to all
        let is_limit = message.contains("max_completion_tokens") && !quirks.other_limit_name;
        is_limit.then_some(Quirks { other_limit_name: true, ..quirks })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Events::default())
    }

    fn whole(&self, body: &Value, answer: &mut Answer) -> Result<Vec<ChatEvent>, Trouble> {
        stream::whole(body, answer)
    }
}

fn is_own(kind: &str) -> bool {
    matches!(kind, "image_url" | "input_audio" | "file")
}

/// A schema of an object with its properties, whatever was declared: OpenAI refuses one without.
fn schema(declared: &Value) -> Value {
    let mut schema = declared.as_object().cloned().unwrap_or_default();
    schema.entry("type").or_insert_with(|| "object".into());
    schema.entry("properties").or_insert_with(|| json!({}));
    schema.into()
}

/// The results of tools are messages of their own, one each; then what the user said, with notes between.
fn user(pieces: &[Piece<'_>], messages: &mut Vec<Value>) {
    let mut said: Vec<Value> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Result { id, text, is_error } => {
                // There is no other way to say that it failed
                let text = if *is_error { format!("error: {text}") } else { text.to_string() };
                messages.push(json!({"role": "tool", "tool_call_id": sendable_id(id), "content": text}));
            }
            Piece::Note(text) => {
                flush(&mut said, messages);
                messages.push(json!({"role": "system", "content": text}));
            }
            Piece::Text(text) => said.push(json!({"type": "text", "text": text})),
            Piece::Own(part) => said.push(Value::Object((*part).clone())),
            Piece::Call { .. } => {}
        }
    }
    flush(&mut said, messages);
}

/// Text alone is sent as text, which every server takes.
fn flush(said: &mut Vec<Value>, messages: &mut Vec<Value>) {
    if said.is_empty() {
        return;
    }
    let parts = std::mem::take(said);
    let texts: Option<Vec<&str>> =
        parts.iter().map(|part| part.get("text").filter(|_| part["type"] == "text").and_then(Value::as_str)).collect();
    let content = texts.map(|texts| Value::from(texts.join("\n\n")));
    messages.push(json!({"role": "user", "content": content.unwrap_or_else(|| Value::Array(parts))}));
}

fn assistant(pieces: &[Piece<'_>], names: &ToolNames) -> Value {
    let texts: Vec<&str> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_ref()),
            _ => None,
        })
        .collect();
    let calls: Vec<Value> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Call { id, name, args } => Some(json!({
                "id": sendable_id(id), "type": "function",
                "function": {"name": names.sent(name), "arguments": arguments(args)},
            })),
            _ => None,
        })
        .collect();
    let content = if texts.is_empty() && !calls.is_empty() { Value::Null } else { texts.join("\n\n").into() };
    let mut message = json!({"role": "assistant", "content": content});
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    message
}

/// Arguments are the text of an object. What a model wrote instead may be no JSON at all, and some servers read it.
fn arguments(args: &Value) -> String {
    match args {
        Value::Object(_) => args.to_string(),
        Value::Null => "{}".to_owned(),
        other => json!({"invalid": other}).to_string(),
    }
}
