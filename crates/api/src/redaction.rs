//! What is kept of calls and events beyond the moment, without secrets: those that are known by their values, and what looks
//! like one.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mimir_shared_platform::Guard;
use serde_json::{Map, Value};

use crate::secrets::{Cover, REDACTED, SecretValue, is_secret_name, redacted_argv, redacted_text};
use crate::{RecordedCall, RecordedError};

/// The shortest value that is taken for a secret: shorter ones would be found by chance.
const SHORTEST: usize = 8;

/// How many values are known. Whoever has more has tokens that live for seconds, and the oldest are worth nothing.
const MOST: usize = 256;

/// Names that say `key` and mean no secret.
const PLAIN_NAMES: &[&str] = &["key", "keys", "keyword", "keywords", "keyboard"];

/// Fields of a payload that name something, however they look.
const IDS: &[&str] = &["sessionId", "callId", "agentId"];

/// What has an `id` and a `parentId` of the agent's own.
const NAMED: &[&str] = &["session", "message", "agent"];

/// Takes secrets out of what is written down. A clone knows the same ones.
#[derive(Clone, Default)]
pub struct Redaction(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    values: Vec<SecretValue>,
    cover: Option<Arc<Cover>>,
}

impl Redaction {
    /// Takes a secret out wherever it stands from now on, as it is or in another form.
    pub fn remember(&self, value: SecretValue) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if value.as_str().len() < SHORTEST || known.values.contains(&value) {
            return;
        }
        if known.values.len() == MOST {
            known.values.remove(0);
        }
        known.values.push(value);
        known.cover = Some(Arc::new(Cover::new(&known.values)));
    }

    /// A text without the secrets that are known by their values.
    pub fn known<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let cover = self.0.read().unwrap_or_else(PoisonError::into_inner).cover.clone();
        let cover = cover.filter(|cover| cover.is_in(text) && Guard::SecretRedacted.stands());
        cover.map_or(Cow::Borrowed(text), |cover| cover.text(text).into())
    }

    /// A text without secrets.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !Guard::SecretRedacted.stands() {
            return Cow::Borrowed(text);
        }
        match self.known(text) {
            Cow::Owned(text) => redacted_text(&text).into_owned().into(),
            Cow::Borrowed(text) => redacted_text(text),
        }
    }

    /// All texts of a value without secrets, and what stands under the name of one.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(redacted) = self.text(text) {
                    *text = redacted;
                }
            }
            Value::Array(items) => self.items(items),
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.named(name, value);
                }
            }
            _ => {}
        }
    }

    fn items(&self, items: &mut [Value]) {
        let words: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        if let (Some(words), true) = (words, Guard::SecretRedacted.stands()) {
            let is_header = words.len() == 2 && names_secret(&words[0]);
            // A header, or what follows `--token`
            let shown = if is_header { vec![words[0].clone(), REDACTED.to_owned()] } else { redacted_argv(&words) };
            for (item, shown) in items.iter_mut().zip(shown) {
                *item = shown.into();
            }
        }
        items.iter_mut().for_each(|item| self.value(item));
    }

    fn named(&self, name: &str, value: &mut Value) {
        match value {
            Value::String(text) if names_secret(name) && !text.is_empty() && Guard::SecretRedacted.stands() => {
                *text = REDACTED.to_owned();
            }
            value => self.value(value),
        }
    }

    /// An event's payload for a recording: JSON text in one line.
    pub fn payload(&self, payload: &str) -> Option<String> {
        let before: Value = serde_json::from_str(payload).ok()?;
        let mut after = before.clone();
        for (name, value) in after.as_object_mut()? {
            match value {
                Value::String(_) if IDS.contains(&name.as_str()) => {}
                Value::Object(fields) if NAMED.contains(&name.as_str()) => {
                    let (id, parent) = (fields.get("id").cloned(), fields.get("parentId").cloned());
                    fields.iter_mut().for_each(|(name, value)| self.named(name, value));
                    for (name, kept) in [("id", id), ("parentId", parent)] {
                        kept.and_then(|kept| fields.insert(name.to_owned(), kept));
                    }
                }
                value => self.named(name, value),
            }
        }
        // What is as it was stays the text that it was, unless that has line breaks
        (after != before || payload.contains(['\n', '\r'])).then(|| after.to_string())
    }

    /// A call for a recording. An argument that holds a secret is left out, so that it may be anything in a replay.
    pub fn call(&self, call: RecordedCall) -> RecordedCall {
        let RecordedCall { plugin, op, args, mut result, error } = call;
        if let Some(result) = &mut result {
            match (op.as_str(), &mut *result) {
                ("fetch", Value::Object(fields)) => self.fields(fields, &["body"]),
                ("fs.readFile", Value::String(text)) if args["encoding"] == "base64" => self.base64(text),
                _ => self.value(result),
            }
        }
        let error = error.map(|RecordedError { code, message }| {
            let message = self.text(&message).into_owned();
            RecordedError { code, message }
        });
        RecordedCall { args: self.args(&op, args), plugin, op, result, error }
    }

    fn args(&self, op: &str, args: Value) -> Value {
        let Value::Object(args) = args else { return args };
        let is_base64 = args.get("encoding").is_some_and(|encoding| encoding == "base64");
        let kept = args.into_iter().filter(|(name, value)| {
            let mut shown = value.clone();
            match (op, name.as_str(), &mut shown) {
                // The plugin's own number, which is another one in a replay
                ("fetch", "id", _) => return false,
                ("fetch", "body", Value::String(text)) => self.base64(text),
                (_, "data", Value::String(text)) if is_base64 => self.base64(text),
                (_, name, shown) => self.named(name, shown),
            }
            shown == *value
        });
        Value::Object(kept.collect())
    }

    fn fields(&self, fields: &mut Map<String, Value>, base64: &[&str]) {
        for (name, value) in fields {
            match value {
                Value::String(text) if base64.contains(&name.as_str()) => self.base64(text),
                value => self.named(name, value),
            }
        }
    }

    /// What a text in base64 holds, if that is text.
    fn base64(&self, text: &mut String) {
        let Some(held) = STANDARD.decode(&*text).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else { return };
        let shown = match serde_json::from_str::<Value>(&held) {
            // Names say more in JSON than in text
            Ok(mut value @ (Value::Object(_) | Value::Array(_))) => {
                let before = value.clone();
                self.value(&mut value);
                if value == before { Cow::Borrowed(held.as_str()) } else { value.to_string().into() }
            }
            _ => self.text(&held),
        };
        if shown != held {
            *text = STANDARD.encode(shown.as_bytes());
        }
    }
}

fn names_secret(name: &str) -> bool {
    is_secret_name(name) && !PLAIN_NAMES.contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use serde_json::json;

    use super::*;

    fn redaction() -> Redaction {
        let redaction = Redaction::default();
        redaction.remember(SecretValue::new("correct horse"));
        redaction.remember(SecretValue::new("short"));
        redaction
    }

    #[test]
    fn payloads_keep_what_they_say_and_lose_secrets() {
        let check = |payload: Value, expected: Option<Value>| {
            let found = redaction().payload(&payload.to_string()).map(|text| serde_json::from_str(&text).unwrap());
            assert_eq!(found, expected, "{payload}");
        };
        let id = "0123456789abcdef0123456789abcdef";
        check(json!({"sessionId": id, "callId": id, "args": {"command": "ls", "key": "a"}, "n": 1.50}), None);
        check(json!({"message": {"id": id, "content": "fine"}, "agent": {"id": id, "parentId": id}}), None);
        check(
            json!({"sessionId": id, "args": {"command": format!("x {id}"), "password": "p", "argv": ["--token", "t"]}}),
            Some(
                json!({"sessionId": id, "args": {"command": "x [removed]", "password": "[removed]", "argv": ["--token", "[removed]"]}}),
            ),
        );
        check(json!({"a": ["say correct horse", "short"]}), Some(json!({"a": ["say [removed]", "short"]})));
        check(json!({"message": {"id": id, "token": "t"}}), Some(json!({"message": {"id": id, "token": "[removed]"}})));
        assert_eq!(redaction().payload("{\n\"a\": 1.0}").unwrap(), r#"{"a":1.0}"#);
    }

    #[test]
    fn calls_match_in_a_replay_whatever_was_left_out() {
        let check = |op: &str, args: Value, result: Value, expected: (Value, Value)| {
            let call = json!({"plugin": "p", "op": op, "args": args, "result": result});
            let call = redaction().call(serde_json::from_value(call).unwrap());
            assert_eq!((call.args, call.result.unwrap_or_default()), expected, "{op}");
        };
        let encode = |text: &str| STANDARD.encode(text);
        check("storage.get", json!({"key": "count"}), json!(3), (json!({"key": "count"}), json!(3)));
        check(
            "fetch",
            json!({"url": "https://a.test/", "id": 3, "headers": [["authorization", "Bearer abc"]], "body": encode("plain")}),
            json!({"status": 200, "headers": [["set-cookie", "a=b"]], "body": encode(r#"{"access_token":"abc"}"#)}),
            (
                json!({"url": "https://a.test/", "body": encode("plain")}),
                json!({"status": 200, "headers": [["set-cookie", "[removed]"]], "body": encode(r#"{"access_token":"[removed]"}"#)}),
            ),
        );
        let long = encode("a long text that is no secret 123, only somewhat longer than most, 456");
        let read = json!({"path": "a", "encoding": "base64"});
        check("fs.readFile", read.clone(), json!(long), (read.clone(), json!(long)));
        check(
            "fs.readFile",
            read.clone(),
            json!(encode("it is correct horse!")),
            (read, json!(encode("it is [removed]!"))),
        );
        check(
            "fs.writeFile",
            json!({"path": "a", "data": encode("API_KEY=abc"), "encoding": "base64"}),
            Value::Null,
            (json!({"path": "a", "encoding": "base64"}), Value::Null),
        );
    }
}
