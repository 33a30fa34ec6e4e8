use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::{Value, json};

use crate::ToolError;
use crate::dispatcher::head_and_tail;
use crate::plain::{plain, plain_line};

/// How much of an error is told, in bytes.
const LONGEST_ERROR: usize = 8_000;

/// What a server answered, for the model: its texts, or its structured value, or both where they say different things.
/// Images and the like are named: they are not sent along.
pub(super) fn answer(tool: &str, result: CallToolResult) -> Result<Value, ToolError> {
    let texts: Vec<String> = result.content.iter().map(block).collect();
    let text = texts.join("\n");
    if result.is_error == Some(true) {
        let why = if text.trim().is_empty() { "it does not say why" } else { text.trim() };
        return Err(ToolError::new(format!("`{tool}` failed: {}", head_and_tail(why, LONGEST_ERROR))));
    }
    Ok(match result.structured_content {
        None => Value::String(text),
        // Servers repeat the value as text, for clients that know no other
        Some(value) if text.is_empty() || is_json_of(&text, &value) => value,
        Some(value) => json!({ "text": text, "structured": value }),
    })
}

fn is_json_of(text: &str, value: &Value) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|parsed| parsed == *value)
}

fn block(block: &ContentBlock) -> String {
    let named = |what: &str, kind: Option<&str>, name: &str, data: &str| {
        let kind = kind.map(|kind| format!(" {}", plain_line(kind, 100))).unwrap_or_default();
        let name = if name.is_empty() { String::new() } else { format!(" {}", plain_line(name, 500)) };
        // Three bytes are four characters
        format!("[{what}{name}{kind}, {} bytes, not shown]", data.len() / 4 * 3)
    };
    match block {
        ContentBlock::Text(text) => plain(&text.text),
        ContentBlock::Image(image) => named("image", Some(&image.mime_type), "", &image.data),
        ContentBlock::Audio(audio) => named("audio", Some(&audio.mime_type), "", &audio.data),
        ContentBlock::Resource(embedded) => match &embedded.resource {
            ResourceContents::TextResourceContents { uri, text, .. } => {
                format!("[{}]\n{}", plain_line(uri, 500), plain(text))
            }
            ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
                named("resource", mime_type.as_deref(), uri, blob)
            }
            _ => "[a resource of an unknown kind, not shown]".to_owned(),
        },
        ContentBlock::ResourceLink(link) => {
            format!("[link to {}: {}]", plain_line(&link.name, 200), plain_line(&link.uri, 500))
        }
        _ => "[something of an unknown kind, not shown]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails is to stop")]

    use super::*;

    #[test]
    fn maps_what_servers_answer() {
        let check = |result: Value, expected: Result<Value, &str>| {
            let parsed = serde_json::from_value(result.clone()).unwrap();
            let found = answer("t", parsed).map_err(|error| error.message);
            assert_eq!(found, expected.map_err(str::to_owned), "{result}");
        };
        let text = |text: &str| json!({ "type": "text", "text": text });
        check(json!({ "content": [text("a"), text("b\u{1b}[1m")] }), Ok(json!("a\nb\u{fffd}[1m")));
        check(json!({ "content": [] }), Ok(json!("")));
        check(json!({ "content": [], "structuredContent": { "a": 1 } }), Ok(json!({ "a": 1 })));
        check(json!({ "content": [text("{\"a\": 1}")], "structuredContent": { "a": 1 } }), Ok(json!({ "a": 1 })));
        check(
            json!({ "content": [text("one")], "structuredContent": { "a": 1 } }),
            Ok(json!({ "text": "one", "structured": { "a": 1 } })),
        );
        check(
            json!({ "content": [{ "type": "image", "data": "AAAABBBB", "mimeType": "image/png\u{7}" }] }),
            Ok(json!("[image image/png\u{fffd}, 6 bytes, not shown]")),
        );
        check(
            json!({ "content": [{ "type": "resource", "resource": { "uri": "file:///a", "text": "hi" } }] }),
            Ok(json!("[file:///a]\nhi")),
        );
        check(
            json!({ "content": [{ "type": "resource", "resource": { "uri": "file:///a", "blob": "AAAA" } }] }),
            Ok(json!("[resource file:///a, 3 bytes, not shown]")),
        );
        check(
            json!({ "content": [{ "type": "resource_link", "uri": "file:///a", "name": "a" }] }),
            Ok(json!("[link to a: file:///a]")),
        );
        check(json!({ "content": [text(" no ")], "isError": true }), Err("`t` failed: no"));
        check(json!({ "content": [], "isError": true }), Err("`t` failed: it does not say why"));
    }
}
