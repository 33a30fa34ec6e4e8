use mimir_shared_config::command_line;
use serde_json::{Map, Value};

use crate::dispatcher::head_and_tail;
use crate::plain::plain;

/// How long the line may be, in bytes.
const LONGEST: usize = 8_000;

/// Arguments in one line, for people and for rules: `path=src/a.rs 'text=…'`, those of the schema first and in its order.
/// Values are quoted as a shell would need it, so that no two calls have the same line. `true` if it was cut.
pub(crate) fn arguments_line(schema: &Value, args: &Map<String, Value>) -> (String, bool) {
    let known = schema.get("properties").and_then(Value::as_object);
    let known: Vec<&String> = known.into_iter().flat_map(Map::keys).filter(|name| args.contains_key(*name)).collect();
    let more = args.keys().filter(|name| !known.contains(name));
    let words = known.iter().copied().chain(more).map(|name| {
        let value = match &args[name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        // The first word of a command line is the one in which `=` is quoted
        let value = command_line(&[String::new(), value]);
        format!("{}={}", command_line(std::slice::from_ref(name)), value.strip_prefix("'' ").unwrap_or(&value))
    });
    let line = words.collect::<Vec<_>>().join(" ");
    (plain(&head_and_tail(&line, LONGEST)), line.len() > LONGEST)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_two_calls_have_the_same_line() {
        let check = |args: Value, expected: &str| {
            let schema = json!({ "properties": { "path": {}, "mode": {}, "count": {} } });
            let Value::Object(args) = args else { unreachable!("the cases are objects") };
            assert_eq!(arguments_line(&schema, &args), (expected.to_owned(), false));
        };
        check(json!({}), "");
        check(json!({ "mode": "r", "path": "src/a.rs" }), "path=src/a.rs mode=r");
        check(json!({ "path": "a mode=w" }), "path='a mode=w'");
        check(json!({ "path": "", "count": 5 }), "path='' count=5");
        check(json!({ "path": "a=b" }), "path=a=b");
        check(json!({ "path=a": "b" }), "'path=a'=b");
        check(json!({ "x": { "a": [1] }, "path": null }), r#"path=null x='{"a":[1]}'"#);
        check(json!({ "path": "a\u{1b}[2J" }), "path='a\u{fffd}[2J'");
        let long = Map::from_iter([("path".to_owned(), json!("x".repeat(20_000)))]);
        assert!(arguments_line(&Value::Null, &long).1);
    }
}
