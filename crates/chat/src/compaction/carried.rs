use mimir_shared_providers::{Content, KnownPart, Message, Part};
use serde_json::{Map, Value};

use crate::context::{CARRIED, calls};

/// The last results of these tools that only the messages hold which are put away, by tool. Those that an earlier
/// compaction carried are in its summary.
pub(super) fn of(messages: &[&Message], put_away: usize, tools: &[String]) -> Map<String, Value> {
    let mut carried = Map::new();
    for tool in tools {
        let last = messages.iter().enumerate().rev().find_map(|(at, message)| {
            let earlier = message.extra.get(CARRIED).and_then(|carried| carried.get(tool)).and_then(Value::as_str);
            let call = || calls(message).into_iter().rev().find(|call| call.name == *tool);
            let result = |id: &str| messages[at..].iter().find_map(|message| result(message, id));
            earlier.map(str::to_owned).or_else(|| result(&call()?.id)).map(|text| (at, text))
        });
        if let Some((at, text)) = last
            && at < put_away
        {
            carried.insert(tool.clone(), Value::String(text));
        }
    }
    carried
}

/// What a call gave, unless it failed.
fn result(message: &Message, call: &str) -> Option<String> {
    let Content::Parts(parts) = &message.content else { return None };
    parts.iter().find_map(|part| match part {
        Part::Known(KnownPart::ToolResult { call_id, result: Value::String(text), is_error: false, .. })
            if call_id == call =>
        {
            Some(text.clone())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use mimir_shared_providers::Role;
    use serde_json::json;

    use super::*;
    use crate::context::{self, SUMMARY};

    fn message(role: Role, parts: Value) -> Message {
        let mut message = Message::text(role, "");
        message.content = serde_json::from_value(parts).expect("parts of a message");
        message
    }

    fn call(id: &str, tool: &str) -> Message {
        message(Role::Assistant, json!([{ "type": "toolCall", "id": id, "name": tool, "args": {} }]))
    }

    fn gave(id: &str, text: &str, is_error: bool) -> Message {
        let result = json!({ "type": "toolResult", "callId": id, "result": text, "isError": is_error });
        message(Role::Tool, json!([result]))
    }

    #[test]
    fn the_last_result_counts_wherever_it_is() {
        let mut summary = context::marked(SUMMARY, "before".to_owned());
        summary.extra.insert(CARRIED.to_owned(), json!({ "todo": "earlier" }));
        let check = |messages: &[Message], put_away: usize, expected: Value| {
            let messages: Vec<&Message> = messages.iter().collect();
            let found = of(&messages, put_away, &["todo".to_owned()]);
            assert_eq!(Value::Object(found), expected, "{messages:?}");
        };
        let first = [call("1", "todo"), gave("1", "one", false)];
        let second = [call("2", "todo"), gave("2", "two", false)];
        let other = [call("3", "bash"), gave("3", "ls", false)];
        let failed = [call("4", "todo"), gave("4", "wrong", true)];
        check(&[], 0, json!({}));
        check(&other, 2, json!({}));
        check(&[&first[..], &other].concat(), 4, json!({ "todo": "one" }));
        check(&[&first[..], &second].concat(), 4, json!({ "todo": "two" }));
        check(&[&first[..], &failed].concat(), 4, json!({ "todo": "one" }));
        // What stays in the conversation need not be carried
        check(&[&first[..], &second].concat(), 2, json!({}));
        check(&[&first[..], &failed].concat(), 2, json!({ "todo": "one" }));
        check(&[&[summary.clone()][..], &other].concat(), 3, json!({ "todo": "earlier" }));
        check(&[&[summary][..], &first].concat(), 3, json!({ "todo": "one" }));
    }
}
