use serde_json::Value;

use crate::check;
use crate::error::ConfigError;
use crate::problem::InvalidFile;
use crate::schema::{Checker, tidied};

/// Reads a YAML file of any other kind, by its JSON Schema. `file_name` is only for messages.
///
/// # Errors
/// [`ConfigError::Invalid`] with all that is wrong, with its places: an unknown or missing key, a value of another kind.
pub fn yaml_file(file_name: &str, text: &str, schema: Value) -> Result<Value, ConfigError> {
    check::read::<Value>(text, &Checker::new(tidied(schema)), |_| {})
        .map(|(value, _)| value)
        .map_err(|problems| ConfigError::invalid(InvalidFile::new(file_name, text, problems)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    /// A file whose parts are optional and nested in themselves.
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "its schema is what counts")]
    struct Turn {
        say: Option<String>,
        otherwise: Option<Box<Turn>>,
        #[serde(default)]
        turns: Vec<Turn>,
    }

    fn check(text: &str, expected: &str) {
        let error = yaml_file("a.yml", text, schemars::schema_for!(Turn).to_value()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_however_deep() {
        check("turns:\n  - says: x\n", "a.yml:2:5: unknown key `says`\n  did you mean `say`?");
        check("otherwise:\n  turn: []\n", "a.yml:2:3: unknown key `turn`\n  did you mean `turns`?");
        check(
            "turns:\n  - otherwise:\n      say: 1\n",
            "a.yml:3:12: expected a text, found the value `1`\n  put it in quotes: '1'",
        );
        check("turns: x", "a.yml:1:8: expected a list, found the text `x`\n  put it in brackets: [x]");
        let value =
            yaml_file("a.yml", "say: hi\notherwise: { say: }\n", schemars::schema_for!(Turn).to_value()).unwrap();
        assert_eq!(value, json!({"say": "hi", "otherwise": {}}));
    }
}
