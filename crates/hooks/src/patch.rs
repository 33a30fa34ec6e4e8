use indexmap::IndexMap;
use indexmap::map::Entry;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// The payload is no JSON object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PatchError;

/// Replaces top-level fields of a payload; `None` if all of them had these values already. All other fields stay the
/// text that they were, so that nothing is lost on the way: neither unknown fields nor the digits of a number.
pub(crate) fn patch(
    payload: &str,
    fields: impl IntoIterator<Item = (&'static str, Value)>,
) -> Result<Option<String>, PatchError> {
    let mut object: IndexMap<String, Box<RawValue>> = serde_json::from_str(payload).map_err(|_| PatchError)?;
    let mut is_changed = false;
    for (field, value) in fields {
        let new = to_raw_value(&value).map_err(|_| PatchError)?;
        match object.entry(field.to_owned()) {
            Entry::Occupied(old) if has_value(old.get(), &value) => {}
            Entry::Occupied(mut old) => {
                old.insert(new);
                is_changed = true;
            }
            Entry::Vacant(place) => {
                place.insert(new);
                is_changed = true;
            }
        }
    }
    if is_changed { serde_json::to_string(&object).map(Some).map_err(|_| PatchError) } else { Ok(None) }
}

fn has_value(text: &RawValue, value: &Value) -> bool {
    serde_json::from_str::<Value>(text.get()).is_ok_and(|old| old == *value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(payload: &str, fields: &[(&'static str, Value)], expected: &Result<Option<&str>, PatchError>) {
        let patched = patch(payload, fields.iter().cloned());
        assert_eq!(patched.as_ref().map(Option::as_deref), expected.as_ref().copied(), "{payload}");
    }

    #[test]
    fn replaces_fields_and_keeps_the_text_of_all_others() {
        let payload = r#"{ "args": {"a": 1}, "ü\n": 1e400, "big": 12345678901234567890123 , "s":"\ud83d\ude00"}"#;
        check(
            payload,
            &[("args", json!({"a": 2}))],
            &Ok(Some(r#"{"args":{"a":2},"ü\n":1e400,"big":12345678901234567890123,"s":"\ud83d\ude00"}"#)),
        );
        check(payload, &[("args", json!({"a": 1}))], &Ok(None));
        check(payload, &[], &Ok(None));
        check("{}", &[("result", Value::Null)], &Ok(Some(r#"{"result":null}"#)));
        check(r#"{"result":null}"#, &[("result", Value::Null)], &Ok(None));
        for broken in ["", "[]", "5", "{", "null"] {
            check(broken, &[("args", json!({}))], &Err(PatchError));
        }
    }
}
