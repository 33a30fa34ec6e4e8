use std::collections::BTreeSet;
use std::sync::LazyLock;

use mimir_shared_config::EventName;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::definition::definition;
use crate::shape::{Mismatch, Shapes};

/// The schemas of all payloads and answers, made once from the types.
pub(crate) struct Schemas {
    pub(crate) definitions: Map<String, Value>,
    pub(crate) payloads: Vec<Value>,
    pub(crate) answers: Vec<Option<Value>>,
}

/// The schemas of this version.
pub(crate) fn schemas() -> &'static Schemas {
    static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| {
        let mut generator = SchemaSettings::draft2020_12().into_generator();
        let payloads = EventName::ALL.map(|event| (definition(event).payload)(&mut generator).to_value()).into();
        let answers = EventName::ALL
            .map(|event| definition(event).answer.as_ref().map(|answer| (answer.schema)(&mut generator).to_value()))
            .into();
        Schemas { definitions: generator.take_definitions(true), payloads, answers }
    });
    &SCHEMAS
}

impl Schemas {
    /// Checks an answer against the schema of its event.
    pub(crate) fn check_answer(&self, event: EventName, answer: &Value) -> Result<(), Mismatch> {
        match &self.answers[event as usize] {
            Some(schema) => Shapes { definitions: &self.definitions }.check(answer, schema),
            None => Ok(()),
        }
    }

    /// What a schema of this set refers to, and itself if it is no reference.
    pub(crate) fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        referred(schema).and_then(|name| self.definitions.get(name)).unwrap_or(schema)
    }

    /// A schema that stands alone: with the definitions that it needs, and no others.
    pub(crate) fn standalone(&self, schema: &Value) -> Value {
        let mut needed = BTreeSet::new();
        self.collect(self.resolve(schema), &mut needed);
        let mut standalone = self.resolve(schema).clone();
        if let Value::Object(object) = &mut standalone {
            object.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
            if !needed.is_empty() {
                let definitions = needed
                    .iter()
                    .filter_map(|name| Some((name.clone(), self.definitions.get(name)?.clone())))
                    .collect();
                object.insert("$defs".to_owned(), Value::Object(definitions));
            }
        }
        standalone
    }

    fn collect(&self, schema: &Value, needed: &mut BTreeSet<String>) {
        if let Some(name) = referred(schema)
            && needed.insert(name.to_owned())
            && let Some(definition) = self.definitions.get(name)
        {
            self.collect(definition, needed);
        }
        match schema {
            Value::Object(object) => object.values().for_each(|value| self.collect(value, needed)),
            Value::Array(items) => items.iter().for_each(|value| self.collect(value, needed)),
            _ => {}
        }
    }
}

/// The name that a `$ref` refers to.
pub(crate) fn referred(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}
