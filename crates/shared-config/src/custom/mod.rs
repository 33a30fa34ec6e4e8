//! Tools and commands that people write in YAML files of their own: `.mimir/tools/*.yml` and `.mimir/commands/*.yml`.

mod command_file;
mod tool_file;

pub use command_file::{CommandName, CustomCommandFile};
pub use tool_file::{CustomRuntime, CustomToolFile, CustomToolPermissions};

use serde_json::Value;

use crate::schema::schema_of;

/// JSON Schema (draft 2020-12) of a custom tool.
pub fn custom_tool_schema() -> Value {
    schema_of::<CustomToolFile>("Mimir custom tool (.mimir/tools/*.yml)")
}

/// JSON Schema (draft 2020-12) of a custom command.
pub fn custom_command_schema() -> Value {
    schema_of::<CustomCommandFile>("Mimir custom command (.mimir/commands/*.yml)")
}
