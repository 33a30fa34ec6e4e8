//! Anthropic's Messages API (version 2023-06-01).

mod stream;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use self::stream::Events;
use crate::http::{
    Answer, Conversation, Decoder, Dialect, Piece, Quirks, Said, Speaker, ToolNames, Trouble, sendable_id,
};
use crate::{ChatEvent, ChatRequest, Secret};

/// The dialect.
#[derive(Debug)]
pub(crate) struct Anthropic;

impl Dialect for Anthropic {
    fn path(&self) -> &'static str {
        "messages"
    }

    fn count(&self, request: &ChatRequest, names: &ToolNames) -> Option<(&'static str, Value)> {
        let mut body = self.body(request, names, Quirks { no_cache: true, ..Quirks::default() });
        if let Value::Object(body) = &mut body {
            for key in ["max_tokens", "stream", "temperature"] {
                body.remove(key);
            }
        }
        Some(("messages/count_tokens", body))
    }

    fn headers(&self, key: Option<&Secret>) -> Vec<(&'static str, String)> {
        let version = ("anthropic-version", "2023-06-01".to_owned());
        key.map(|key| ("x-api-key", key.expose().to_owned())).into_iter().chain([version]).collect()
    }

    fn body(&self, request: &ChatRequest, names: &ToolNames, quirks: Quirks) -> Value {
        let conversation = Conversation::read(&request.messages, is_own);
        let mut system: Vec<Value> =
            conversation.system.iter().map(|text| json!({"type": "text", "text": text})).collect();
        let mut messages = messages(&conversation, names);
        let mut tools: Vec<Value> = request
            .tools
            .iter()
            .map(|tool| {
                let mut sent = json!({"name": names.sent(&tool.name), "input_schema": schema(&tool.input_schema)});
                if !tool.description.is_empty() {
                    sent["description"] = tool.description.as_str().into();
                }
                sent
            })
            .collect();
        // Who has tools will ask again with the same beginning; for a single question a mark only costs
        let is_marked = !quirks.no_cache && !tools.is_empty();
        if is_marked {
            // Tools come first, then the instructions: one mark after both covers both
            system.last_mut().or(tools.last_mut()).map(mark);
            messages.last_mut().and_then(|last| last["content"].as_array_mut()?.last_mut()).map(mark);
        }
        messages.iter_mut().for_each(plain);
        let mut body = json!({
            "model": request.model, "max_tokens": request.max_output_tokens, "stream": true, "messages": messages,
        });
        if !system.is_empty() {
            body["system"] = if is_marked { system.into() } else { conversation.system.join("\n\n").into() };
        }
        if !tools.is_empty() {
            body["tools"] = tools.into();
        }
        if let Some(temperature) = request.temperature {
            body["temperature"] = temperature.into();
        }
        body
    }

    fn adapted(&self, said: &Said, quirks: Quirks) -> Option<Quirks> {
        let unknown = said.message.contains("cache_control") && !quirks.no_cache;
        unknown.then_some(Quirks { no_cache: true, ..quirks })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Events::default())
    }

    fn whole(&self, body: &Value, answer: &mut Answer) -> Result<Vec<ChatEvent>, Trouble> {
        stream::whole(body, answer)
    }
}

/// The parts that are the service's own: they came from it, or were made for it.
fn is_own(kind: &str) -> bool {
    matches!(
        kind,
        "thinking"
            | "redacted_thinking"
            | "image"
            | "document"
            | "search_result"
            | "server_tool_use"
            | "web_search_tool_result"
            | "web_fetch_tool_result"
    )
}

fn mark(block: &mut Value) {
    // A mark on what a model thought is refused
    if let Value::Object(block) = block
        && !matches!(block.get("type").and_then(Value::as_str), Some("thinking" | "redacted_thinking"))
    {
        block.insert("cache_control".to_owned(), json!({"type": "ephemeral"}));
    }
}

/// Nothing but a text is sent as a text: some servers that speak the dialect take no other form.
fn plain(message: &mut Value) {
    let block = match message["content"].as_array().map(Vec::as_slice) {
        Some([Value::Object(block)]) if block.len() == 2 => block,
        _ => return,
    };
    if let Some(text) = block.get("text").filter(|text| text.is_string()).cloned() {
        message["content"] = text;
    }
}

/// A schema of an object, whatever was declared: the service takes no other.
fn schema(declared: &Value) -> Value {
    let mut schema = declared.as_object().cloned().unwrap_or_default();
    schema.entry("type").or_insert_with(|| "object".into());
    schema.into()
}

fn messages(conversation: &Conversation<'_>, names: &ToolNames) -> Vec<Value> {
    let mut messages = Vec::new();
    if conversation.turns.first().is_none_or(|first| first.speaker == Speaker::Assistant) {
        // The first word has to be the user's
        messages
            .push(json!({"role": "user", "content": [{"type": "text", "text": "(what was said before is left out)"}]}));
    }
    let last = conversation.turns.len().saturating_sub(1);
    for (index, turn) in conversation.turns.iter().enumerate() {
        let role = if turn.speaker == Speaker::User { "user" } else { "assistant" };
        let mut content: Vec<Value> = turn.pieces.iter().map(|piece| block(piece, names)).collect();
        if index == last
            && turn.speaker == Speaker::Assistant
            && let Some(Value::String(text)) = content.last_mut().and_then(|block| block.get_mut("text"))
        {
            // An answer that is to be continued must not end in blanks
            text.truncate(text.trim_end().len());
        }
        messages.push(json!({"role": role, "content": content}));
    }
    messages
}

fn block(piece: &Piece<'_>, names: &ToolNames) -> Value {
    match piece {
        Piece::Text(text) | Piece::Note(text) => json!({"type": "text", "text": text}),
        Piece::Call { id, name, args } => {
            json!({"type": "tool_use", "id": sendable_id(id), "name": names.sent(name), "input": input(args)})
        }
        Piece::Result { id, text, is_error } => {
            let mut block = json!({"type": "tool_result", "tool_use_id": sendable_id(id), "content": text.as_ref()});
            if *is_error {
                block["is_error"] = true.into();
            }
            block
        }
        Piece::Own(part) => Value::Object((*part).clone()),
    }
}

/// Arguments are an object; what a model wrote instead is shown to it as it was.
fn input(args: &Value) -> Value {
    match args {
        Value::Object(_) => args.clone(),
        Value::Null => Value::Object(Map::new()),
        other => json!({"invalid": other}),
    }
}
