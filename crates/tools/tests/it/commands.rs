use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mimir_plugins::PluginId;
use mimir_shared_config::Risk;
use mimir_shared_platform::OsFileSystem;
use mimir_shared_providers::ToolDefinition;
use mimir_tools::{
    CommandCall, CommandCatalog, CommandOutcome, CustomFolder, OfferedCommand, OfferedTool, PluginCall, PluginHost,
    plugin_tools,
};
use serde_json::{Value, json};

use crate::outside::Stage;

/// Two plugins with commands and a tool.
#[derive(Default)]
struct Plugins(Mutex<Vec<(String, Value, PluginCall)>>);

fn plugin(name: &str) -> PluginId {
    PluginId::new(name).unwrap()
}

#[async_trait]
impl PluginHost for Plugins {
    async fn tools(&self) -> Vec<OfferedTool> {
        let input_schema = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
        let definition =
            ToolDefinition { name: "weather".to_owned(), description: "The\u{1b}[2J weather".to_owned(), input_schema };
        vec![OfferedTool { plugin: plugin("sky"), definition }]
    }

    async fn commands(&self) -> Vec<OfferedCommand> {
        let command = |name: &str, of: &str| OfferedCommand {
            plugin: plugin(of),
            name: name.to_owned(),
            description: "Does\u{1b}[2J\nit".to_owned(),
        };
        vec![
            command("stats", "one"),
            command("help", "one"),
            command("review", "one"),
            command("stats", "two"),
            command("a b", "two"),
        ]
    }

    async fn call_tool(&self, plugin: &PluginId, tool: &str, args: &Value, call: &PluginCall) -> Result<Value, String> {
        self.0.lock().unwrap().push((format!("{plugin} {tool}"), args.clone(), call.clone()));
        if args["city"] == "x" { Err("no such city\u{7}".to_owned()) } else { Ok(json!("sunny")) }
    }

    async fn call_command(
        &self,
        plugin: &PluginId,
        command: &str,
        args: &[String],
        call: &PluginCall,
    ) -> Result<Value, String> {
        self.0.lock().unwrap().push((format!("{plugin} {command}"), json!(args), call.clone()));
        match args.first().map(String::as_str) {
            Some("ask") => Ok(json!({ "prompt": format!("Explain {}", args[1]) })),
            Some("fail") => Err("it broke\u{1b}[2J".to_owned()),
            _ => Ok(json!({ "message": "3 files\u{1b}[2J" })),
        }
    }
}

fn catalog(files: &[(&str, &str)]) -> (CommandCatalog, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["user", "project", "untrusted"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    for (path, text) in files {
        std::fs::write(folder.path().join(path), text).unwrap();
    }
    let folders = [
        CustomFolder::of_user(folder.path().join("user"), "~/.mimir/commands"),
        CustomFolder::of_repository(folder.path().join("project"), ".mimir/commands", true),
        CustomFolder::of_repository(folder.path().join("untrusted"), ".mimir/commands", false),
    ];
    let mut catalog = CommandCatalog::new(["help".to_owned(), "h".to_owned()]);
    let problems = catalog.load(&OsFileSystem, &folders);
    let again = catalog.load(&OsFileSystem, &folders);
    let told = |problems: &[mimir_tools::LoadProblem]| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(told(&problems), told(&again), "reading them again changes nothing");
    (catalog, told(&problems))
}

async fn run(catalog: &CommandCatalog, line: &str) -> Option<Result<CommandOutcome, String>> {
    let (name, arguments) = line.split_once(' ').unwrap_or((line, ""));
    let call = CommandCall {
        session_id: "session".to_owned(),
        call_id: "call".to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    };
    catalog.run(&call).await
}

#[tokio::test]
async fn custom_commands_send_prompts() {
    let fix = "name: fix\ndescription: Fixes an issue\nusage: /fix NUMBER [NOTE]\naliases: [f]\nprompt: |\n  Fix $1. $ARGUMENTS\n";
    let (catalog, problems) = catalog(&[
        ("user/fix.yml", fix),
        ("project/swap.yml", "name: swap\ndescription: Swaps\nprompt: $2 before $1\n"),
    ]);
    assert_eq!(problems, Vec::<String>::new());
    let prompt = |text: &str| Some(Ok(CommandOutcome::Prompt(text.to_owned())));
    let wrong = |text: &str| Some(Err(text.to_owned()));
    assert_eq!(run(&catalog, "fix #12 'a b'").await, prompt("Fix #12. #12 'a b'\n"));
    assert_eq!(run(&catalog, "f 1").await, prompt("Fix 1. 1\n"));
    assert_eq!(run(&catalog, "swap a b").await, prompt("b before a"));
    assert_eq!(run(&catalog, "fix").await, wrong("argument 1 is missing\nusage: /fix NUMBER [NOTE]"));
    assert_eq!(run(&catalog, "swap a").await, wrong("argument 2 is missing\nusage: /swap <1> <2>"));
    assert_eq!(run(&catalog, "none").await, None);
    let list = catalog.list().await;
    let first = &list[0];
    assert_eq!((first.name.as_str(), first.usage.as_deref()), ("fix", Some("NUMBER [NOTE]")));
    assert_eq!(
        (first.aliases.as_slice(), first.origin.as_str()),
        (["f".to_owned()].as_slice(), "~/.mimir/commands/fix.yml")
    );
}

#[tokio::test]
async fn conflicts_name_both_places() {
    let command =
        |name: &str, aliases: &str| format!("name: {name}\ndescription: d\naliases: [{aliases}]\nprompt: {name}\n");
    let (catalog, problems) = catalog(&[
        ("user/a.yml", &command("review", "r, h")),
        ("user/b.yml", &command("r", "")),
        ("project/review.yml", &command("review", "")),
        ("project/help.yml", &command("help", "")),
        ("project/c.yml", &command("c", "review, cc")),
        ("project/broken.yml", "name: 5\n"),
        ("untrusted/d.yml", &command("d", "")),
    ]);
    let expected = [
        "/r of ~/.mimir/commands/a.yml is not used: ~/.mimir/commands/b.yml has that name",
        "/h of ~/.mimir/commands/a.yml is not used: Mimir itself has that name",
        "/help of .mimir/commands/help.yml is not used: Mimir itself has that name",
        "/review of .mimir/commands/review.yml is not used: ~/.mimir/commands/a.yml has that name",
        "/review of .mimir/commands/c.yml is not used: ~/.mimir/commands/a.yml has that name",
        "1 file in .mimir/commands is not used: you have not said that you trust this repository",
    ];
    for expected in expected {
        assert!(problems.iter().any(|told| told == expected), "{expected} in {problems:#?}");
    }
    assert!(
        problems.iter().any(|told| told.contains(".mimir/commands/broken.yml:1:7: expected a text")),
        "{problems:#?}"
    );
    assert_eq!(problems.len(), expected.len() + 1);

    let catalog = catalog.with_plugins(Arc::new(Plugins::default()));
    let told = catalog.conflicts().await.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        told,
        [
            "/help of the plugin one is not used: Mimir itself has that name",
            "/review of the plugin one is not used: ~/.mimir/commands/a.yml has that name",
            "/stats of the plugin two is not used: the plugin one has that name",
        ]
    );
    let names = catalog.list().await.into_iter().map(|info| info.name).collect::<Vec<_>>();
    assert_eq!(names, ["review", "r", "c", "stats"]);
    let prompt = |text: &str| Some(Ok(CommandOutcome::Prompt(text.to_owned())));
    assert_eq!(run(&catalog, "r").await, prompt("r"));
    assert_eq!(run(&catalog, "cc").await, prompt("c"));
}

#[tokio::test]
async fn commands_of_plugins_say_or_prompt() {
    let plugins = Arc::new(Plugins::default());
    let catalog = catalog(&[]).0.with_plugins(plugins.clone());
    let said = |text: &str| Some(Ok(CommandOutcome::Say(text.to_owned())));
    assert_eq!(run(&catalog, "stats").await, said("3 files\u{fffd}[2J"));
    let prompt = CommandOutcome::Prompt("Explain a b".to_owned());
    assert_eq!(run(&catalog, "stats ask 'a b'").await, Some(Ok(prompt)));
    assert_eq!(run(&catalog, "stats fail").await, Some(Err("/stats failed: it broke\u{fffd}[2J".to_owned())));
    let open = "a quote (') is not closed; write \\' for one that is none".to_owned();
    assert_eq!(run(&catalog, "stats don't").await, Some(Err(open)));
    assert_eq!(catalog.list().await[0].description, "Does\u{fffd}[2J it");
    let (called, args, call) = plugins.0.lock().unwrap()[1].clone();
    assert_eq!((called.as_str(), args), ("one stats", json!(["ask", "a b"])));
    assert_eq!((call.session_id.as_str(), call.call_id.as_str()), ("session", "call"));
}

#[tokio::test]
async fn tools_of_plugins_pass_the_dispatcher() {
    let plugins = Arc::new(Plugins::default());
    let host: Arc<dyn PluginHost> = plugins.clone();
    let stage = Stage::new();
    assert_eq!(stage.dispatcher.register(plugin_tools(&host).await), []);
    assert_eq!(stage.said("weather", json!({ "city": "Oslo" })).await, "sunny");
    let need = stage.last_need();
    assert_eq!((need.kind.as_str(), need.command.as_str()), ("plugin", "sky/weather city=Oslo"));
    assert_eq!(need.least_risk, Some(Risk::Medium));
    let said = stage.said("weather", json!({ "city": "x" })).await;
    assert_eq!(said, "error: `weather` of the plugin sky failed: no such city\u{fffd}");
    let info = stage.dispatcher.get("weather").unwrap();
    assert_eq!(
        (info.place.as_str(), info.definition.description.as_str()),
        ("the plugin sky", "The\u{fffd}[2J weather")
    );
    let events = stage.events.lock().unwrap().clone();
    assert_eq!(events[..2], [r#"tool.execute.before "weather" "plugin""#, r#"tool.execute.after "weather" null"#]);
    assert_eq!(plugins.0.lock().unwrap()[0].2.session_id, "session");
}
