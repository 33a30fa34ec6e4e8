use mimir_shared_config::{config_schema, manifest_schema};
use serde_json::Value;

#[test]
fn are_valid_and_say_what_each_key_means() {
    for schema in [manifest_schema(), config_schema()] {
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        jsonschema::meta::validate(&schema).unwrap();
        let mut undescribed = Vec::new();
        find_undescribed(&schema, "", &mut undescribed);
        assert_eq!(undescribed, Vec::<String>::new());
    }
}

fn find_undescribed(schema: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let missing = properties.iter().filter(|(_, schema)| schema.get("description").is_none());
        found.extend(missing.map(|(key, _)| format!("{path}/{key}")));
    }
    match schema {
        Value::Object(map) => {
            for (key, schema) in map {
                find_undescribed(schema, &format!("{path}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for schema in items {
                find_undescribed(schema, path, found);
            }
        }
        _ => {}
    }
}

#[test]
fn close_every_mapping_of_ours() {
    for schema in [manifest_schema(), config_schema()] {
        assert!(!schema.to_string().contains("\"null\""), "a key without a value counts as absent");
        let definitions = schema["$defs"].as_object().unwrap().values();
        let mappings =
            definitions.chain([&schema]).filter(|schema| schema.get("properties").is_some()).collect::<Vec<_>>();
        assert!(mappings.len() > 5, "there are mappings to look at");
        for mapping in mappings {
            assert_eq!(mapping["additionalProperties"], Value::Bool(false), "{mapping}");
        }
    }
}
