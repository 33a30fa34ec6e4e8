use serde_json::Value;

use mimir_shared_platform::Guard;

use crate::secrets::{holds_secret, is_secret_name, looks_like_secret};

/// What a plugin gets as `ctx.config`: `config` without secrets. Texts beneath a key that names one (`apiKey`, `tokens`)
/// are left out, and so are texts that look like one wherever they stand; numbers and switches (`maxTokens: 1000`) stay.
pub fn public_config(config: &Value) -> Value {
    if !Guard::SecretRedacted.stands() {
        return config.clone();
    }
    strip(config, false).unwrap_or(Value::Null)
}

fn strip(value: &Value, is_secret: bool) -> Option<Value> {
    match value {
        Value::String(text) if is_secret || holds_secret(text) => None,
        Value::Array(items) => Some(items.iter().filter_map(|item| strip(item, is_secret)).collect()),
        Value::Object(entries) => Some(Value::Object(
            entries
                .iter()
                .filter(|(key, _)| !looks_like_secret(key))
                .filter_map(|(key, value)| Some((key.clone(), strip(value, is_secret || is_secret_name(key))?)))
                .collect(),
        )),
        plain => Some(plain.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_left_out() {
        let check = |config: &Value, expected: &Value| assert_eq!(&public_config(config), expected);
        check(
            &json!({"model": "claude-sonnet-5", "apiKey": "x", "API_TOKEN": "x", "clientSecret": "x", "dbPassword": "x"}),
            &json!({"model": "claude-sonnet-5"}),
        );
        check(
            &json!({"maxTokens": 1000, "useKeyring": true, "tokens": {"github": "x", "count": 2, "all": ["x", 1]}}),
            &json!({"maxTokens": 1000, "useKeyring": true, "tokens": {"count": 2, "all": [1]}}),
        );
        check(
            &json!({"env": {"A": "sk-ant-api03-abcdefghijklmnop", "B": "plain"}, "list": ["https://u:p@example.com", "x"]}),
            &json!({"env": {"B": "plain"}, "list": ["x"]}),
        );
        check(
            &json!({"env": ["TOKEN=abc", "PORT=80"], "url": "https://a.test/?key=abc"}),
            &json!({"env": ["PORT=80"]}),
        );
        check(&json!({"a": [[{"b": "curl -H 'Authorization: Bearer abc'"}]]}), &json!({"a": [[{}]]}));
        check(&json!({"sk-ant-api03-abcdefghijklmnop": 1, "a": 1}), &json!({"a": 1}));
        check(&json!("sk-ant-api03-abcdefghijklmnop"), &json!(null));
        check(
            &json!({"budget": {"enabled": true, "maxCost": 10.5}, "x": null}),
            &json!({"budget": {"enabled": true, "maxCost": 10.5}, "x": null}),
        );
    }
}
