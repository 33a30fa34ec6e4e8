//! What plugins add to the agent, and custom tools, called as the agent calls them.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use mimir_plugins::{
    CallError, CustomToolCode, EventName, Invocation, PluginId, Plugins, PluginsBuilder, Report, ReportKind,
    ToolAnswer, ToolCatalog, ToolDefinition, ToolLanguage, ToolRequest,
};
use mimir_shared_config::LimitSettings;
use serde_json::{Value, json};

use crate::place::Place;

fn builder(place: &Place) -> PluginsBuilder {
    Plugins::builder()
        .project(place.project())
        .home(place.home())
        .policy(place.home().join("no-policy.yml"))
        .environment([])
        .helper(env!("CARGO_BIN_EXE_mimir"))
        .plugins([place.home().join("../plugins")])
        .grant_for_this_run(true)
}

fn id(name: &str) -> PluginId {
    PluginId::new(name).unwrap()
}

fn invocation() -> Invocation {
    Invocation { session_id: "ses_1".to_owned(), call_id: "call_1".to_owned(), chain: Vec::new() }
}

async fn names(plugins: &Plugins) -> Vec<String> {
    let tools =
        plugins.plugin_tools().await.into_iter().map(|tool| format!("{}:{}", tool.plugin, tool.definition.name));
    let commands =
        plugins.plugin_commands().await.into_iter().map(|command| format!("{}:/{}", command.plugin, command.name));
    tools.chain(commands).collect()
}

const ADDER: &str = "\
import { tool } from '@mimir/plugin';
const schema = { type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } }, required: ['a', 'b'], additionalProperties: false };
export default async (ctx: any) => ({
  tools: [
    tool({ name: 'add', description: 'Adds', schema, execute: ({ a, b }: any) => ({ sum: a + b, session: ctx.session.id }) }),
    {
      name: 'misbehave',
      description: 'Fails',
      execute: async ({ how }: any) => {
        if (how === 'throw') throw new RangeError('too far');
        if (how === 'loop') for (;;) {}
        if (how === 'function') return () => 1;
        return null;
      },
    },
  ],
  commands: [{ name: 'greet', description: 'Greets', execute: (args: string[]) => `hello ${args.join(' and ')}` }],
});
";

#[tokio::test]
async fn tools_and_commands_of_plugins_are_listed_and_called() {
    let place = Place::new();
    place.plugin("plugins/adder", "", ADDER);
    place.plugin(
        "plugins/silent",
        "events: [session.idle]\n",
        "export default () => ({ on: { 'session.idle': () => {} } });\n",
    );
    let expected = ["adder:add", "adder:misbehave", "adder:/greet"];

    let plugins = builder(&place).build().await.unwrap();
    assert_eq!(names(&plugins).await, expected);
    assert_eq!(plugins.stats().await.isolates, 2, "nothing is known yet");
    plugins.shutdown().await;

    let plugins = builder(&place).build().await.unwrap();
    assert_eq!(names(&plugins).await, expected);
    assert_eq!(plugins.stats().await.processes.len(), 0, "all is known, and nobody is started");

    let (adder, call) = (id("adder"), invocation());
    let add = async |args: Value| plugins.call_tool(&adder, "add", &args, &call).await;
    assert_eq!(add(json!({"a": 1, "b": 2})).await, Ok(json!({"sum": 3, "session": "ses_1"})));
    let Err(CallError::Arguments { message }) = add(json!({"a": "1", "c": 2})).await else { panic!("they are wrong") };
    assert!(
        message.contains("the arguments of `add` are wrong") && message.contains("\"b\" is a required"),
        "{message}"
    );
    let words = ["you".to_owned(), "me".to_owned()];
    assert_eq!(plugins.call_command(&adder, "greet", &words, &call).await, Ok(json!("hello you and me")));

    let refused = async |plugin: &str, tool: &str, chain: &[&str], expected: &str| {
        let call = Invocation { chain: chain.iter().map(|name| id(name)).collect(), ..invocation() };
        let error = plugins.call_tool(&id(plugin), tool, &json!({}), &call).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    refused("adder", "nothing", &[], "the plugin `adder` has no tool `nothing`").await;
    refused("nobody", "add", &[], "the plugin `nobody` does not run").await;
    let circular = "the plugin `adder` is itself behind this call, so its tool `add` can't be called";
    refused("adder", "add", &["silent", "adder"], circular).await;
    plugins.shutdown().await;

    let audit = crate::place::files_in(&place.home().join("audit"), ".ndjson");
    let lines: String = audit.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    for part in ["\"kind\":\"tool\"", "\"kind\":\"command\"", "\"outcome\":\"wrong arguments\"", "\"call\":\"call_1\""]
    {
        assert!(lines.contains(part), "{part} is not in {lines}");
    }
}

#[tokio::test]
async fn failures_of_tools_are_told_and_counted() {
    let place = Place::new();
    place.plugin("plugins/adder", "", ADDER);
    let plugins = builder(&place).build().await.unwrap();
    let (adder, call) = (id("adder"), invocation());
    let misbehave = async |how: &str| {
        let args = json!({ "how": how });
        plugins.call_tool(&adder, "misbehave", &args, &call).await.map_err(|error| error.to_string())
    };
    assert_eq!(misbehave("").await, Ok(Value::Null));
    // To throw is an answer, however often
    for _ in 0..4 {
        let error = misbehave("throw").await.unwrap_err();
        assert!(error.starts_with("RangeError: too far (at ") && error.contains("index.ts:10:"), "{error}");
    }
    let error = misbehave("function").await.unwrap_err();
    assert!(error.contains("the plugin `adder` failed: it gave no valid answer"), "{error}");
    assert_eq!(misbehave("").await, Ok(Value::Null));
    for _ in 0..3 {
        let error = misbehave("loop").await.unwrap_err();
        assert!(error.contains("took more than 100 ms of CPU time"), "{error}");
    }
    let error = misbehave("").await.unwrap_err();
    assert!(error.starts_with("the plugin `adder` is in quarantine (3 failures in a row"), "{error}");
    assert_eq!(names(&plugins).await, [""; 0]);
    let is_told =
        |report: &Report| report.kind == ReportKind::Failed && report.message.contains("in its tool `misbehave`");
    assert_eq!(plugins.reports().iter().filter(|report| is_told(report)).count(), 4);
    plugins.enable(&adder).await.unwrap();
    assert_eq!(misbehave("").await, Ok(Value::Null));
    plugins.shutdown().await;
}

#[tokio::test]
async fn a_tool_has_its_time_and_no_more() {
    let place = Place::new();
    let module = "\
export default (ctx: any) => ({ tools: [{ name: 'wait', description: 'Waits', execute: async () => {
  await new Promise((resolve) => setTimeout(resolve, 1_000_000));
} }] });
";
    // A tool has twelve times as long as an event
    place.plugin("plugins/waiter", "limits: { time: 20 }\n", module);
    let plugins = builder(&place).build().await.unwrap();
    let error = plugins.call_tool(&id("waiter"), "wait", &json!({}), &invocation()).await.unwrap_err();
    assert_eq!(error.to_string(), "the plugin `waiter` failed: it did not answer within 240 ms");
    plugins.shutdown().await;
}

#[tokio::test]
async fn what_does_not_start_or_only_observes_adds_nothing() {
    let place = Place::new();
    place.plugin("plugins/adder", "", ADDER);
    place.plugin("plugins/broken", "", "export default () => { throw new Error('no'); };\n");
    place.plugin("plugins/watched", "", &ADDER.replace("'add'", "'watched'"));
    place.write("home/config.yml", "plugins: { overrides: { watched: { mode: observe } } }\n");
    let plugins = builder(&place).build().await.unwrap();
    for _ in 0..5 {
        assert_eq!(names(&plugins).await, ["adder:add", "adder:misbehave", "adder:/greet"]);
    }
    let failed: Vec<_> = plugins.reports().into_iter().filter(|report| report.kind == ReportKind::Failed).collect();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    assert!(failed.to_string().starts_with("broken: failed at its start: it could not start: no"), "{failed}");
    let error =
        plugins.call_tool(&id("watched"), "watched", &json!({"a": 1, "b": 1}), &invocation()).await.unwrap_err();
    assert_eq!(error.to_string(), "the plugin `watched` does not run");
    plugins.shutdown().await;
}

#[tokio::test]
async fn what_changes_by_itself_is_told() {
    let place = Place::new();
    let module = "\
export default async () => ({ tools: [{ name: `t${Date.now()}`, description: 'x', execute: () => 1 }] });
";
    place.plugin("plugins/moody", "", module);
    let plugins = builder(&place).build().await.unwrap();
    let before = names(&plugins).await;
    assert_eq!(plugins.reports(), []);
    plugins.shutdown().await;
    let plugins = builder(&place).build().await.unwrap();
    assert_eq!(names(&plugins).await, before);
    plugins.registrations(&id("moody")).await.unwrap();
    let after = names(&plugins).await;
    assert_ne!(after, before);
    assert!(plugins.reports()[0].message.contains("adds something else than at its last start"));
    plugins.shutdown().await;
    let plugins = builder(&place).build().await.unwrap();
    assert_eq!(names(&plugins).await, after);
    plugins.shutdown().await;
}

#[tokio::test]
async fn what_a_tool_writes_is_not_told_to_those_behind_its_call() {
    let place = Place::new();
    let manifest = "events: [file.modified]\ncapabilities: { filesystem: { read: true, write: true } }\n";
    let module = |name: &str| {
        format!(
            "export default (ctx: any) => ({{\n\
             on: {{ 'file.modified': async (event: any) => {{ await ctx.fs.appendFile('{name}.log', `${{event.path}}\\n`); }} }},\n\
             tools: [{{ name: 'write', description: 'Writes', execute: async () => {{ await ctx.fs.writeFile('{name}.txt', 'x'); }} }}],\n\
             }});\n"
        )
    };
    for name in ["first", "second", "third"] {
        place.plugin(&format!("plugins/{name}"), manifest, &module(name));
    }
    let plugins = builder(&place).build().await.unwrap();
    let call = Invocation { chain: vec![id("first")], ..invocation() };
    plugins.call_tool(&id("second"), "write", &json!({}), &call).await.unwrap();
    plugins.drain().await;
    assert_eq!(place.read("project/third.log"), "second.txt\n");
    assert!(!place.project().join("first.log").exists(), "it is behind the call");
    assert!(!place.project().join("second.log").exists(), "it wrote the file");
    let payload = json!({"timestamp": 1, "sessionId": "s", "path": "start.txt"}).to_string();
    plugins.emit(EventName::FileModified, payload).await.unwrap();
    plugins.shutdown().await;
    assert!(place.read("project/first.log").contains("start.txt\n"), "its events reach it as ever");
}

#[tokio::test]
#[ignore = "installs two versions of Zod from the npm registry"]
async fn schemas_of_zod_from_the_registry() {
    let place = Place::new();
    let module = "\
import { tool } from '@mimir/plugin';
import { z } from 'zod';
const schema = z.object({
  path: z.string().min(1).describe('The file'),
  depth: z.number().int().min(0).default(2),
  mode: z.enum(['short', 'long']).optional(),
  at: z.string().transform((text) => text.length).optional(),
});
export default () => ({ tools: [tool({ name: 'look', description: 'Looks', schema, execute: (args: any) => args })] });
";
    for version in ["4", "3"] {
        let folder = place.plugin(&format!("plugins/zod{version}"), "limits: { init: 3s, cpu: 400ms }\n", module);
        let package = json!({ "name": format!("mimir-plugin-zod{version}"), "version": "1.0.0" });
        std::fs::write(folder.join("package.json"), package.to_string()).unwrap();
        let install = ["install", "--silent", "--no-audit", "--no-fund", &format!("zod@{version}")];
        assert!(std::process::Command::new("npm").args(install).current_dir(&folder).status().unwrap().success());
    }
    let plugins = builder(&place).build().await.unwrap();
    let tools = plugins.plugin_tools().await;
    let [look] = tools.as_slice() else { panic!("{tools:?}\n{:?}", plugins.reports()) };
    assert_eq!((look.plugin.as_str(), &look.definition.input_schema["required"]), ("zod4", &json!(["path"])));
    assert_eq!(look.definition.input_schema["properties"]["path"]["description"], "The file");
    let call = async |args: Value| plugins.call_tool(&id("zod4"), "look", &args, &invocation()).await;
    // What the schema adds and changes reaches the tool
    let args = json!({ "path": "a", "at": "four" });
    assert_eq!(call(args).await, Ok(json!({ "path": "a", "depth": 2, "at": 4 })));
    assert!(matches!(call(json!({ "path": "a", "mode": "other" })).await, Err(CallError::Arguments { .. })));
    let said: Vec<_> = plugins.reports().iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|said| said.starts_with("zod3: ") && said.contains("use Zod 4.2 or later")), "{said:?}");
    plugins.shutdown().await;
}

/// A small dispatcher: before a tool is called, everybody is asked who is not behind the call.
#[derive(Default)]
struct Catalog(OnceLock<Plugins>);

#[async_trait]
impl ToolCatalog for Catalog {
    async fn list(&self) -> Vec<ToolDefinition> {
        let tools = self.0.get().unwrap().plugin_tools().await;
        tools.into_iter().map(|tool| tool.definition).collect()
    }

    async fn execute(&self, request: ToolRequest) -> ToolAnswer {
        let plugins = self.0.get().unwrap();
        let ToolRequest { name, args, session_id, chain } = request;
        let session_id = session_id.unwrap_or_default();
        let before = json!({
            "timestamp": 1, "sessionId": &*session_id, "tool": name, "args": args, "callId": "c", "source": "plugin",
        });
        let before = serde_json::from_value(before).unwrap();
        plugins.hooks().caused_by(chain.iter().cloned()).tools().before(before).await;
        let found = plugins.plugin_tools().await.into_iter().find(|tool| tool.definition.name == name).unwrap();
        let (session_id, call_id) = (session_id.to_string(), "call_2".to_owned());
        let call = Invocation { session_id, call_id, chain: chain.to_vec() };
        match plugins.call_tool(&found.plugin, &name, &json!(args), &call).await {
            Ok(result) => ToolAnswer { result, is_error: false },
            Err(error) => ToolAnswer { result: json!(error.to_string()), is_error: true },
        }
    }
}

#[tokio::test]
async fn tools_that_call_tools_come_to_an_end() {
    let place = Place::new();
    // Each calls the other's tool, from its own and whenever a tool is called at all
    let module = |name: &str, other: &str| {
        format!(
            "let seen = [];\n\
             export default (ctx: any) => ({{\n\
               on: {{ 'tool.execute.before': (event: any) => {{ seen.push(event.tool); }} }},\n\
               tools: [\n\
                 {{ name: '{name}', description: 'Calls', execute: async () => ({{\n\
                   seen, other: await ctx.tools.execute('{other}', {{}}).catch((error: any) => `${{error.code}}: ${{error.message}}`),\n\
                 }}) }},\n\
               ],\n\
             }});\n"
        )
    };
    let manifest = "events: [tool.execute.before]\ncapabilities: { tools: [ping, pong] }\n";
    place.plugin("plugins/ping", manifest, &module("ping", "pong"));
    place.plugin("plugins/pong", manifest, &module("pong", "ping"));
    let catalog = Arc::new(Catalog::default());
    let plugins = builder(&place).tools(Arc::clone(&catalog) as _).build().await.unwrap();
    assert!(catalog.0.set(plugins.clone()).is_ok());
    let result = plugins.call_tool(&id("ping"), "ping", &json!({}), &invocation()).await.unwrap();
    // `ping` is behind the call of `pong`, so that it sees nothing of it; and both are behind that of `ping`
    let refused = "FAILED: the plugin `ping` is itself behind this call, so its tool `ping` can't be called";
    assert_eq!(result, json!({ "seen": [], "other": { "seen": ["pong"], "other": refused } }));
    plugins.shutdown().await;
}

#[tokio::test]
async fn custom_tools_run_without_any_capability() {
    let place = Place::new();
    let plugins = builder(&place).without_plugins(true).build().await.unwrap();
    let code = |text: &str, language| {
        let (name, text) = ("my tool".to_owned(), text.to_owned());
        CustomToolCode { name, text, language, limits: LimitSettings::default() }
    };
    let check = async |text: &str, language, args: Value, expected: Result<Value, &str>| {
        let tool = plugins.custom_tool(code(text, language)).await.unwrap();
        let result = tool.call(&args, &invocation()).await;
        match (&result, expected) {
            (Ok(value), Ok(expected)) => assert_eq!(*value, expected),
            (Err(error), Err(expected)) if error.to_string().contains(expected) => {}
            (_, expected) => panic!("{result:?} is not {expected:?}"),
        }
    };
    let typescript = "\
interface Args { n: number }
export async function execute(args: Args, context: any): Promise<object> {
  console.log('called');
  return { n: args.n + 1, sessionId: context.sessionId, callId: context.callId, keys: Object.keys(context) };
}
";
    let expected = json!({
        "n": 2, "sessionId": "ses_1", "callId": "call_1", "keys": ["sessionId", "callId", "signal", "log"],
    });
    use ToolLanguage::{JavaScript, TypeScript};
    check(typescript, TypeScript, json!({"n": 1}), Ok(expected.clone())).await;
    check(typescript, TypeScript, json!({"n": 1}), Ok(expected)).await;
    check("module.exports = { execute: ({ n }) => n * 2 };", JavaScript, json!({"n": 4}), Ok(json!(8))).await;
    check("export default (args) => args;", JavaScript, json!([1]), Ok(json!([1]))).await;
    check("export const x = 1;", JavaScript, json!({}), Err("exports a function `execute(args, context)`")).await;
    check(
        "export const execute = () => { throw new Error('no') };",
        JavaScript,
        json!({}),
        Err("no (at execute (tool.js:1:"),
    )
    .await;
    check("export const execute = () => { for (;;) {} };", JavaScript, json!({}), Err("100 ms of CPU time")).await;
    let fetches = "export const execute = async () => (await fetch('https://example.com')).status;";
    check(fetches, JavaScript, json!({}), Err("the custom tool `my tool` runs without any capability")).await;

    for text in ["import fs from 'node:fs'; export const execute = () => fs", "import './other.js'", "export const ="] {
        let error = plugins.custom_tool(code(text, JavaScript)).await.err().unwrap();
        assert!(error.hint().is_some(), "{text}: {error}");
    }
    let logged = plugins.custom_tool(code(typescript, TypeScript)).await.unwrap();
    for _ in 0..4 {
        logged.call(&json!({"n": 1}), &invocation()).await.unwrap();
    }
    let looping = plugins.custom_tool(code("export const execute = () => { for (;;) {} };", JavaScript)).await.unwrap();
    let mut errors = Vec::new();
    for _ in 0..4 {
        errors.push(looping.call(&json!({}), &invocation()).await.unwrap_err());
    }
    assert_eq!(errors[3], CallError::GivenUp { tool: "my tool".to_owned() });
    plugins.shutdown().await;
}
