use EventName as E;
use mimir_hooks::{ClosedEffect, Mode, catalogue, event_types_ts, mode, on_closed_failure, waits};
use mimir_shared_config::EventName;

#[test]
fn the_table_of_events() {
    let mut table = String::new();
    for entry in catalogue() {
        let fields: Vec<_> = entry
            .fields
            .iter()
            .map(|field| format!("{}{}: {}", field.name, if field.optional { "?" } else { "" }, field.type_name))
            .collect();
        let answers: Vec<_> = entry.answers.iter().map(|answer| answer.form).collect();
        table += &format!(
            "{} [{:?}{}]\n  {}\n  → {}\n",
            entry.name,
            entry.mode,
            if entry.waits { ", waits" } else { "" },
            fields.join(", "),
            if answers.is_empty() { "–".to_owned() } else { answers.join(" | ") },
        );
    }
    insta::assert_snapshot!(table);
}

#[test]
fn sequential_waited_and_blocking_events() {
    for event in E::ALL {
        let is_sequential =
            matches!(event, E::ToolExecuteBefore | E::ToolExecuteAfter | E::SessionCompacting | E::ChatMessage);
        assert_eq!(mode(event) == Mode::Sequential, is_sequential, "{event}");
        let is_waited = is_sequential
            || matches!(event, E::PermissionAsk | E::PermissionReplied | E::FileModified | E::FileDeleted)
            || matches!(event, E::AgentCreated | E::BudgetExceeded);
        assert_eq!(waits(event), is_waited, "{event}");
        let effect = match event {
            E::PermissionAsk => ClosedEffect::Denies,
            E::BudgetExceeded => ClosedEffect::Blocks,
            _ if is_sequential => ClosedEffect::Blocks,
            _ => ClosedEffect::Nothing,
        };
        assert_eq!(on_closed_failure(event), effect, "{event}");
    }
}

#[test]
fn every_entry_is_complete() {
    assert_eq!(catalogue().len(), 24);
    for (entry, event) in catalogue().iter().zip(E::ALL) {
        assert_eq!(entry.name, event);
        assert!(!entry.description.is_empty());
        assert!(entry.fields.iter().all(|field| !field.description.is_empty()), "{event}");
        assert_eq!(entry.answer_schema.is_some(), !entry.answers.is_empty(), "{event}");
        for schema in entry.answer_schema.iter().chain([&entry.payload_schema]) {
            jsonschema::meta::validate(schema).unwrap_or_else(|error| panic!("{event}: {error}"));
            jsonschema::validator_for(schema).unwrap_or_else(|error| panic!("{event}: {error}"));
        }
        if let Some(field) = entry.in_place {
            assert!(entry.fields.iter().any(|known| known.name == field), "{event}");
            let schema = entry.answer_schema.as_ref().and_then(|schema| schema["properties"].get(field));
            assert!(schema.is_some(), "{event}");
        }
    }
}

#[test]
fn types_for_the_sdk() {
    let types = event_types_ts();
    for event in E::ALL {
        assert_eq!(types.matches(&format!("\n  '{event}': ")).count(), 2, "{event}");
    }
    for expected in [
        "  'session.completed': SessionIdle & { reason: 'completed' };\n",
        "  'tool.execute.before': ToolExecuteBeforeAnswer;\n",
        "  'file.modified': never;\n",
        "export interface PermissionAskAnswer {\n  /** Whether the request is allowed. */\n  allow: boolean;\n",
        "  /** What to send instead: all messages. */\n  messages?: Message[];\n",
        "  context?: string[];\n",
        "export type Risk = 'low' | 'medium' | 'high' | 'critical';\n",
        "export type Role = 'system' | 'user' | 'assistant' | 'tool' | (string & {});\n",
        "export type Content = string | Part[];\n",
        "  args: Record<string, Json>;\n",
    ] {
        assert!(types.contains(expected), "{expected}");
    }
    assert!(!types.contains("[`"), "no links of rustdoc");
    assert_eq!(types.matches('{').count(), types.matches('}').count());
}
