//! What a model is shown of something long: its beginning and its end.

use serde_json::Value;

/// How much a result may have for the model, in bytes of text. Whatever a tool gives (a server's answer, a plugin's) is
/// paid for with every turn that follows.
const LARGEST_RESULT: usize = 100_000;

/// The result as the model gets it.
pub(super) fn bounded(result: Value) -> Value {
    match result {
        Value::String(text) if text.len() <= LARGEST_RESULT => Value::String(text),
        Value::String(text) => Value::String(head_and_tail(&text, LARGEST_RESULT)),
        other => {
            let text = other.to_string();
            if text.len() <= LARGEST_RESULT { other } else { Value::String(head_and_tail(&text, LARGEST_RESULT)) }
        }
    }
}

/// The beginning and the end of a text that is longer than `limit` bytes, with a note of what is missing.
pub(crate) fn head_and_tail(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let head = &text[..text.floor_char_boundary(limit * 2 / 3)];
    let tail = &text[text.ceil_char_boundary(text.len() - limit / 3)..];
    let missing = text.len() - head.len() - tail.len();
    format!("{head}\n[… {missing} bytes are left out here …]\n{tail}")
}

/// The beginning of a text.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(limit)])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_long_loses_its_middle() {
        let check = |text: &str, limit, expected: &str| assert_eq!(head_and_tail(text, limit), expected);
        check("short", 5, "short");
        check("abcdefghi", 6, "abcd\n[… 3 bytes are left out here …]\nhi");
        // Never in the middle of a character
        check("äöüäöüäöü", 6, "äö\n[… 12 bytes are left out here …]\nü");
        assert_eq!(shortened("äöü", 3), "ä…");
        assert_eq!(shortened("äöü", 6), "äöü");
    }

    #[test]
    fn results_are_bounded_whatever_they_are() {
        assert_eq!(bounded(json!({"a": 1})), json!({"a": 1}));
        let long = "x".repeat(LARGEST_RESULT + 1);
        for result in [json!(long), json!({ "a": long })] {
            let Value::String(text) = bounded(result) else { unreachable!("it is text") };
            assert!(text.len() < LARGEST_RESULT + 100 && text.contains("left out"));
        }
    }
}
