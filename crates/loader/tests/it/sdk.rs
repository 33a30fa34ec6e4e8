use std::process::Command;

use crate::project::{Project, bundle};

/// What the SDK does with a definition, as seen from a plugin that was bundled with it.
fn check(code: &str, expected: &str) {
    let project = Project::new();
    project.write("plugin/index.js", &format!("import {{ tool, definePlugin }} from '@mimir/plugin';\n{code}\n"));
    let bundled = bundle(&project.path("plugin"), "index.js").unwrap();
    project.write("bundle.mjs", &bundled.code);
    let script = format!(
        "import('{}').then(async (m) => console.log(JSON.stringify(await m.default()))).catch((e) => console.log(e.message))",
        project.path("bundle.mjs").display()
    );
    let Ok(output) = Command::new("node").args(["-e", &script]).output() else { return };
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), expected, "{code}");
}

#[test]
fn tools_are_checked_when_they_are_made() {
    let made = |definition: &str| format!("export default async () => {{ return tool({definition}); }};");
    let rejected = |definition: &str, message: &str| check(&made(definition), message);
    rejected("null", "tool() takes an object with name, description, schema and execute");
    rejected(
        "{ name: 'a b', description: 'd', execute() {} }",
        r#""a b" is no tool name: use up to 64 letters, digits, _ and -, a letter first"#,
    );
    rejected("{ name: 'a', execute() {} }", "the tool a needs a description: the model chooses by it");
    rejected("{ name: 'a', description: 'd' }", "the tool a needs a function execute(args, ctx)");
    rejected(
        "{ name: 'a', description: 'd', schema: { type: 'string' }, execute() {} }",
        "the schema of the tool a must describe an object",
    );
    rejected(
        "{ name: 'a', description: 'd', schema: { toJSONSchema() { throw new Error('Date') } }, execute() {} }",
        "the schema of the tool a can't be written as JSON Schema: Date",
    );
    check(
        &made("{ name: 'a', description: 'd', execute() {} }"),
        r#"{"name":"a","description":"d","schema":{"type":"object","properties":{}}}"#,
    );
}

#[test]
fn a_standard_schema_gives_json_schema_and_checks_arguments() {
    let schema = "const schema = { '~standard': { version: 1, vendor: 'test',\n\
        jsonSchema: { input: ({ target }) => ({ type: 'object', description: target }) },\n\
        validate: (v) => typeof v.n === 'number' ? { value: { n: v.n * 2 } }\n\
          : { issues: [{ message: 'no number', path: ['n', { key: 0 }] }] } } };\n\
        const t = tool({ name: 'a', description: 'd', schema, execute: ({ n }, ctx) => [n, ctx] });\n";
    check(
        &format!("{schema}export default async () => [t.schema, await t.execute({{ n: 2 }}, 'ctx')];"),
        r#"[{"type":"object","description":"draft-2020-12"},[4,"ctx"]]"#,
    );
    check(&format!("{schema}export default async () => t.execute({{}});"), "wrong arguments for a: n.0: no number");
}

#[test]
fn a_plugin_is_given_back() {
    check("export default definePlugin(() => 'made');", r#""made""#);
}
