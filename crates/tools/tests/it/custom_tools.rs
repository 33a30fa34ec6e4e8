use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mimir_shared_config::Risk;
use mimir_shared_platform::testing::{DockerMachine, Program};
use mimir_shared_platform::{DockerEngine, OsFileSystem};
use mimir_tools::{
    Containers, CustomFolder, CustomRunners, IsolateTool, Isolates, LoadProblem, PluginCall, load_custom_tools,
};
use serde_json::{Map, Value, json};

use crate::outside::{Notices, Stage};

/// Remembers what it was asked to run.
#[derive(Default)]
struct Remembering(Mutex<Vec<(IsolateTool, PluginCall)>>);

#[async_trait]
impl Isolates for Remembering {
    async fn run(&self, tool: &IsolateTool, args: &Map<String, Value>, call: &PluginCall) -> Result<Value, String> {
        self.0.lock().unwrap().push((tool.clone(), call.clone()));
        if args.is_empty() { Err("no arguments\u{1b}[2J".to_owned()) } else { Ok(json!({ "isolated": args })) }
    }
}

struct World {
    _folder: tempfile::TempDir,
    stage: Stage,
    machine: Option<DockerMachine>,
    isolates: Arc<Remembering>,
    notices: Arc<Notices>,
}

/// A container's program is the real one, in a folder that stands for the container's.
fn node() -> Arc<Program> {
    Arc::new(|command, files, input| {
        use std::io::Write as _;
        let root = tempfile::tempdir().unwrap();
        let inside = |path: &str| root.path().join(path.trim_start_matches('/')).display().to_string();
        std::fs::create_dir(inside("/project")).unwrap();
        for (path, contents) in files {
            std::fs::write(inside(path), contents).unwrap();
        }
        let args = command[1..].iter().map(|word| if word.starts_with('/') { inside(word) } else { word.clone() });
        let mut child = Command::new(&command[0])
            .args(args)
            .current_dir(inside("/project"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.stdout, output.stderr, i64::from(output.status.code().unwrap_or(-1)))
    })
}

impl World {
    /// Tools in these files; with Docker if there are images.
    fn new(files: &[(&str, &str)], images: &[&str], program: Option<Arc<Program>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tools = folder.path().join("tools");
        std::fs::create_dir(&tools).unwrap();
        for (name, text) in files {
            std::fs::write(tools.join(name), text).unwrap();
        }
        let socket = folder.path().join("docker.sock");
        let machine = (!images.is_empty()).then(|| DockerMachine::listen(&socket, images).unwrap());
        let machine = match (machine, program) {
            (Some(machine), Some(program)) => Some(machine.running(program)),
            (machine, _) => machine,
        };
        let (isolates, notices) = (Arc::new(Remembering::default()), Arc::new(Notices::default()));
        let runners = CustomRunners {
            docker: Arc::new(DockerEngine::new(Some(&format!("unix://{}", socket.display())))),
            isolates: isolates.clone(),
            notifier: notices.clone(),
            containers: Containers::default(),
        };
        let stage = Stage::new();
        let folders = [CustomFolder::of_repository(tools, ".mimir/tools", true)];
        let (tools, problems) = load_custom_tools(&OsFileSystem, &folders, &runners);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(stage.dispatcher.register(tools), []);
        Self { _folder: folder, stage, machine, isolates, notices }
    }
}

const IMAGE: &str = "docker.io/library/node:22-slim";

fn tool(name: &str, more: &str, code: &str) -> String {
    let code: String = code.lines().map(|line| format!("  {line}\n")).collect();
    format!("name: {name}\ndescription: A tool\n{more}code: |\n{code}")
}

#[tokio::test]
async fn runs_code_in_a_container() {
    let sum = "import { basename } from 'node:path';\nexport async function execute({ a, b }, context) {\n  console.log('noise', 'more noise');\n  context.log.info('logged');\n  context.signal.throwIfAborted();\n  process.stdout.write('loud');\n  const { log, signal, ...plain } = context;\n  return { sum: a + b, ...plain, base: basename('/x/y') };\n}";
    let throws = "export const execute = () => {\n  const x = undefined;\n  return x.length;\n};";
    let files = [
        (
            "sum.yml",
            tool(
                "sum",
                "runtime: node\ntokenCost: 20\nschema: { properties: { a: { type: number }, b: { type: number } }, required: [a, b] }\n",
                sum,
            ),
        ),
        ("old.yml", tool("old", "runtime: node\n", "module.exports = { execute: async () => 'old' };")),
        ("default.yml", tool("default", "runtime: node\n", "export default { execute() {} };")),
        ("throws.yml", tool("throws", "runtime: node\n", throws)),
        ("syntax.yml", tool("syntax", "runtime: node\n", "export const execute = () => 1;\nconst = 5;")),
        (
            "late.yml",
            tool(
                "late",
                "runtime: node\n",
                "export const execute = () => new Promise((_, no) => setTimeout(() => no(new TypeError('later')), 1));",
            ),
        ),
        (
            "exits.yml",
            tool(
                "exits",
                "runtime: node\n",
                "export const execute = () => { console.error('bye'); process.exit(4); };",
            ),
        ),
        (
            "circle.yml",
            tool("circle", "runtime: node\n", "export const execute = () => { const a = {}; a.a = a; return a; };"),
        ),
        ("none.yml", tool("none", "runtime: node\n", "export const executed = 1;")),
        ("big.yml", tool("big", "runtime: node\n", "export const execute = () => 'x'.repeat(9e6);")),
        (
            "timer.yml",
            tool(
                "timer",
                "runtime: node\n",
                "export const execute = () => { setInterval(() => {}, 1e9); return 'done'; };",
            ),
        ),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let world = World::new(&files, &[IMAGE], Some(node()));
    let check = async |tool: &str, args: Value, expected: &str| {
        let said = world.stage.said(tool, args).await;
        assert!(said.starts_with(expected), "{tool}: {said}");
    };
    let sum = r#"{"sum":3.5,"tool":"sum","callId":"call","sessionId":"session","agentId":null,"base":"y"}"#;
    check("sum", json!({ "a": 1, "b": 2.5 }), sum).await;
    check("sum", json!({ "a": 1 }), "error: the arguments of `sum` are wrong").await;
    check("old", json!({}), "old").await;
    check("default", json!({}), "null").await;
    check("throws", json!({}), "error: `throws` failed: TypeError: Cannot read properties of undefined (reading 'length') (line 3 of its code, .mimir/tools/throws.yml:7)").await;
    check("syntax", json!({}), "error: `syntax` failed: SyntaxError: ").await;
    check("late", json!({}), "error: `late` failed: TypeError: later (line 1 of its code, .mimir/tools/late.yml:5)")
        .await;
    check("exits", json!({}), "error: `exits` failed: it ended with exit code 4 and without a result: bye").await;
    check("circle", json!({}), "error: `circle` failed: what it returned is no JSON: Converting circular structure")
        .await;
    check("none", json!({}), "error: `none` failed: Error: the code exports no function `execute`").await;
    check("big", json!({}), "error: `big` failed: the output of a container of").await;
    check("timer", json!({}), "done").await;

    let machine = world.machine.as_ref().unwrap();
    assert_eq!(machine.containers(), 0, "all are removed");
    let made = &machine.made()[0];
    assert_eq!(made["HostConfig"]["NetworkMode"], "none");
    assert!(made["HostConfig"].get("Binds").is_none() && made["HostConfig"].get("Mounts").is_none());
    let told = world.notices.texts();
    assert_eq!(told.iter().filter(|text| text.contains("`sum`")).count(), 1, "it is said once");
    assert!(told.contains(&format!("the tool `sum` runs in a container of {IMAGE}")), "{told:?}");
    assert!(world.isolates.0.lock().unwrap().is_empty());
    let definition = world.stage.dispatcher.get("sum").unwrap().definition;
    assert_eq!(definition.description, "A tool\n\nA call's result costs about 20 tokens.");
    assert_eq!(definition.input_schema["type"], "object");
}

#[tokio::test]
async fn takes_types_out_by_node_itself() {
    let code = "export const execute = (args: { a: number }): number => args.a;";
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    let program: Arc<Program> = Arc::new(move |command, files: &BTreeMap<String, Vec<u8>>, _| {
        keep.lock().unwrap().push((command.to_vec(), files.keys().cloned().collect::<Vec<String>>()));
        (b"\n\x01mimir-outcome {\"value\":5}\n".to_vec(), Vec::new(), 0)
    });
    let world = World::new(&[("a.yml", &tool("a", "", code))], &[IMAGE], Some(program));
    assert_eq!(world.stage.said("a", json!({ "a": 5 })).await, "5");
    let (command, files) = seen.lock().unwrap()[0].clone();
    assert_eq!(command[..2], ["node", "--experimental-strip-types"]);
    assert_eq!(files, ["/project/runner.mjs", "/project/tool.mts"]);
}

#[tokio::test]
async fn without_docker_the_sandbox_runs_it_and_that_is_said() {
    let code = "export const execute = () => 1;";
    let files = [
        ("a.yml", tool("a", "", code)),
        ("b.yml", tool("b", "runtime: isolate\n", code)),
        ("c.yml", tool("c", "runtime: node\nimage: node:20\n", code)),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let check = async |world: &World, tool: &str, is_typescript: bool, told: &str| {
        assert_eq!(world.stage.said(tool, json!({ "x": 1 })).await, r#"{"isolated":{"x":1}}"#);
        let error = world.stage.said(tool, json!({})).await;
        assert_eq!(error, format!("error: `{tool}` failed: no arguments\u{fffd}[2J"));
        let (ran, call) = world.isolates.0.lock().unwrap().last().cloned().unwrap();
        assert_eq!((ran.name.as_str(), ran.is_typescript, ran.code.trim()), (tool, is_typescript, code));
        assert_eq!((call.session_id.as_str(), call.call_id.as_str()), ("session", "call"));
        let texts = world.notices.texts();
        assert_eq!(texts.iter().filter(|text| text.contains(told)).count(), 1, "{texts:?}");
    };
    let without = World::new(&files, &[], None);
    check(&without, "a", true, "the tool `a` runs in Mimir's sandbox, without a container: no Docker engine answers")
        .await;
    check(&without, "b", true, "the tool `b` runs in Mimir's sandbox").await;
    let other = World::new(&files, &[IMAGE], None);
    check(&other, "c", false, "(`docker pull docker.io/library/node:20` fetches it)").await;
    check(&other, "b", true, "the tool `b` runs in Mimir's sandbox").await;
}

#[tokio::test]
async fn asks_as_the_file_says() {
    let check = async |permissions: &str, args: Value, risk: Risk, command: &str| {
        let schema = "schema: { properties: { path: { type: string }, mode: { type: string } } }\n";
        let text =
            tool("a", &format!("runtime: isolate\n{schema}permissions: {permissions}\n"), "export const execute = 1;");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yml"), text).unwrap();
        let runners = CustomRunners {
            docker: Arc::new(DockerEngine::new(Some("unix:///nowhere"))),
            isolates: Arc::new(Remembering::default()),
            notifier: Arc::new(Notices::default()),
            containers: Containers::default(),
        };
        let (tools, _) = load_custom_tools(&OsFileSystem, &[CustomFolder::of_user(folder.path(), "~/t")], &runners);
        let stage = Stage::new();
        stage.dispatcher.register(tools);
        stage.said("a", args).await;
        let need = stage.last_need();
        assert_eq!((need.least_risk, need.command.as_str()), (Some(risk), command), "{permissions}");
        assert_eq!(need.kind, "a");
    };
    check("{}", json!({ "path": "x" }), Risk::Medium, "a path=x").await;
    check("{ riskLevel: low }", json!({}), Risk::Low, "a").await;
    check("{ riskLevel: critical }", json!({}), Risk::Critical, "a").await;
    check("{ autoAccept: true }", json!({ "path": "x" }), Risk::Low, "a path=x").await;
    check("{ autoAccept: true, riskLevel: high }", json!({}), Risk::High, "a").await;
    let list = "{ allowlist: ['path=src/* mode=read'] }";
    check(list, json!({ "mode": "read", "path": "src/a" }), Risk::Low, "a path=src/a mode=read").await;
    check(list, json!({ "path": "src/a", "mode": "write" }), Risk::Medium, "a path=src/a mode=write").await;
    check(list, json!({ "path": "src/a mode=read" }), Risk::Medium, "a path='src/a mode=read'").await;
    check(list, json!({ "path": "src/a", "mode": "read", "x": 1 }), Risk::Medium, "a path=src/a mode=read x=1").await;
    check("{ allowlist: ['*'], riskLevel: high }", json!({}), Risk::High, "a").await;
}

#[test]
fn loads_what_may_be_loaded_and_says_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let good = |name: &str| tool(name, "", "export const execute = () => 1;");
    make("user/mine.yml", &good("mine"));
    make("user/off.yml", &format!("enabled: false\n{}", good("off")));
    make("user/README.md", "no tool");
    make("project/bad.yml", "name: x\nnaem: y\n");
    make("project/big.yml", &"#".repeat(300_000));
    make("project/risky.yml", &format!("permissions: {{ autoAccept: true, riskLevel: high }}\n{}", good("risky")));
    make("project/mine.yml", &good("mine"));
    make("project/folder.yml/x", "");
    make("elsewhere/secret", &good("secret"));
    make("untrusted/a.yml", "{{{ not even read");
    make("untrusted/b.yml", "");
    let at = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink(at("elsewhere/secret"), at("project/link.yml")).unwrap();
    std::os::unix::fs::symlink(at("elsewhere/secret"), at("user/link.yml")).unwrap();
    let folders = [
        CustomFolder::of_user(at("user"), "~/.mimir/tools"),
        CustomFolder::of_repository(at("project"), ".mimir/tools", true),
        CustomFolder::of_repository(at("untrusted"), ".mimir/tools", false),
        CustomFolder::of_repository(at("missing"), ".mimir/tools", true),
    ];
    let runners = CustomRunners {
        docker: Arc::new(DockerEngine::new(Some("unix:///nowhere"))),
        isolates: Arc::new(Remembering::default()),
        notifier: Arc::new(Notices::default()),
        containers: Containers::default(),
    };
    let (tools, problems) = load_custom_tools(&OsFileSystem, &folders, &runners);
    let places = tools.iter().map(|tool| tool.place()).collect::<Vec<_>>();
    assert_eq!(
        places,
        ["~/.mimir/tools/link.yml", "~/.mimir/tools/mine.yml", ".mimir/tools/mine.yml", ".mimir/tools/risky.yml"]
    );
    let told = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for expected in [
        ".mimir/tools/bad.yml:2:1: unknown key `naem`",
        ".mimir/tools/big.yml can't be read",
        ".mimir/tools/folder.yml is not used: it is no plain file",
        ".mimir/tools/link.yml is not used: it is no plain file",
        "2 files in .mimir/tools are not used: you have not said that you trust this repository",
        ".mimir/tools/risky.yml: every call is asked about, since its risk is high",
    ] {
        assert!(told.contains(expected), "{expected} in\n{told}");
    }
    assert!(problems.iter().any(LoadProblem::is_for_information));
    let conflicts = Stage::new().dispatcher.register(tools);
    let told = conflicts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let expected = "the tool `mine` of .mimir/tools/mine.yml is not used: ~/.mimir/tools/mine.yml has one of that name";
    assert_eq!(told, [expected]);
    assert!(Path::new(folder.path()).exists());
}
