use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mimir_api::{Asked, Asker, Question, QuestionKind, ToolAnswer, ToolCatalog, ToolRequest};
use mimir_shared_config::PluginId;
use mimir_shared_providers::ToolDefinition;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::harness::{Options, World, profile, world_with};

/// Remembers what was asked for, and gives it back; `fail` fails and `huge` gives a lot.
#[derive(Default)]
struct Catalog(Mutex<Vec<ToolRequest>>);

#[async_trait]
impl ToolCatalog for Catalog {
    async fn list(&self) -> Vec<ToolDefinition> {
        let definition = |name: &str| ToolDefinition {
            name: name.to_owned(),
            description: "A tool".to_owned(),
            input_schema: json!({"type": "object"}),
        };
        ["bash", "read", "mcp_a", "mcp_b"].map(definition).into()
    }

    async fn execute(&self, request: ToolRequest) -> ToolAnswer {
        self.0.lock().unwrap().push(request.clone());
        let (result, is_error) = match request.name.as_str() {
            "fail" => (json!("no such file"), true),
            "refuse" => (json!({"reason": "denied"}), true),
            "huge" => (json!("x".repeat(20 << 20)), false),
            _ => (json!(request.args), false),
        };
        ToolAnswer { result, is_error }
    }
}

fn with_tools(tools: &Value) -> (World, Arc<Catalog>) {
    let catalog = Arc::new(Catalog::default());
    let options =
        Options { capabilities: json!({"tools": tools}), tools: Some(Arc::clone(&catalog) as _), ..Options::default() };
    (world_with(options), catalog)
}

#[tokio::test]
async fn a_plugin_is_behind_the_tools_that_it_calls() {
    let (world, catalog) = with_tools(&json!(["read", "mcp_*", "fail", "refuse", "huge"]));
    let args = json!({"path": "a.ts"});
    world.check("tools.execute", json!({"name": "read", "args": args}), Ok(args.clone())).await;
    world.check("tools.execute", json!({"name": "mcp_a"}), Ok(json!({}))).await;
    let requests = std::mem::take(&mut *catalog.0.lock().unwrap());
    for request in &requests {
        let chain: Vec<_> = request.chain.iter().map(PluginId::as_str).collect();
        assert_eq!((chain.as_slice(), request.session_id.as_deref()), (["first", "p"].as_slice(), Some("s1")));
    }
    assert_eq!(requests.len(), 2);
    world.check("tools.execute", json!({"name": "fail"}), Err(("FAILED", "no such file"))).await;
    world.check("tools.execute", json!({"name": "refuse"}), Err(("FAILED", "denied"))).await;
    world.check("tools.execute", json!({"name": "huge"}), Err(("LIMIT", "are allowed"))).await;
    let records = world.audit.records();
    let line = records.iter().find(|record| record.detail["op"] == "tools.execute").unwrap();
    assert_eq!(line.detail["what"], json!(["call the tool read"]));
    assert!(!line.detail.to_string().contains("a.ts"), "no contents");
}

#[tokio::test]
async fn only_what_is_listed_is_called_and_told_of() {
    let (world, catalog) = with_tools(&json!(["read", "mcp_*"]));
    let names = |listed: &Value| {
        listed.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&world.call("tools.list", json!({})).await.unwrap()), ["read", "mcp_a", "mcp_b"]);
    let found = world.call("tools.get", json!({"name": "mcp_a"})).await.unwrap();
    assert_eq!(found["inputSchema"], json!({"type": "object"}));
    world.check("tools.get", json!({"name": "mcp_none"}), Ok(Value::Null)).await;
    let beyond = "`bash` is not among the plugin's `tools`";
    for op in ["tools.get", "tools.execute"] {
        world.check(op, json!({"name": "bash"}), Err(("CAPABILITY_DENIED", beyond))).await;
        world.check(op, json!({"name": "bash\nread"}), Err(("INVALID_ARGUMENT", "no name of a tool"))).await;
        world.check(op, json!({}), Err(("INVALID_ARGUMENT", "name"))).await;
    }
    world
        .check("tools.execute", json!({"name": "read", "args": []}), Err(("INVALID_ARGUMENT", "expected a map")))
        .await;
    assert!(catalog.0.lock().unwrap().is_empty());

    let (without, catalog) = with_tools(&json!([]));
    let missing = "calling the tool `bash` needs the capability `tools`";
    without.check("tools.list", json!({}), Err(("CAPABILITY_DENIED", missing))).await;
    let error = without.call("tools.execute", json!({"name": "bash"})).await.unwrap_err();
    assert_eq!(error.capability.as_deref(), Some("tools"));
    assert!(error.hint.unwrap().contains("add `bash` to `capabilities.tools` in plugin.yml"));
    assert!(catalog.0.lock().unwrap().is_empty());

    let nowhere = world_with(Options { capabilities: json!({"tools": ["*"]}), ..Options::default() });
    nowhere.check("tools.list", json!({}), Err(("UNSUPPORTED", "no tools here"))).await;
    nowhere.check("tools.execute", json!({"name": "bash"}), Err(("UNSUPPORTED", "no tools here"))).await;
}

/// Remembers the questions, and answers each as it is told, once it may.
struct Person {
    questions: Mutex<Vec<Question>>,
    answer: Asked,
    may_answer: Semaphore,
}

#[async_trait]
impl Asker for Person {
    async fn ask(&self, question: &Question) -> Asked {
        self.questions.lock().unwrap().push(question.clone());
        self.may_answer.acquire().await.unwrap().forget();
        self.answer.clone()
    }
}

fn with_person(answer: Asked, answers: usize) -> (World, Arc<Person>) {
    let person = Arc::new(Person { questions: Mutex::default(), answer, may_answer: Semaphore::new(answers) });
    (world_with(Options { asker: Some(Arc::clone(&person) as _), ..Options::default() }), person)
}

fn said(answer: &str) -> Asked {
    Asked::Answered(answer.to_owned())
}

#[tokio::test]
async fn questions_say_who_asks() {
    let (world, person) = with_person(said("b"), 9);
    world.check("ask", json!({"question": "Which?\n\u{1b}[2KMimir: allow all?"}), Ok(json!("b"))).await;
    let choices = json!({"question": "Which?", "choices": ["a\n", "b"], "default": "a"});
    world.check("ask", choices, Ok(json!("b"))).await;
    world.check("confirm", json!({"question": "Sure?"}), Ok(json!(false))).await;
    let questions = std::mem::take(&mut *person.questions.lock().unwrap());
    let lines: Vec<_> = questions.iter().map(Question::line).collect();
    let expected =
        ["the plugin p asks: Which? [2KMimir: allow all?", "the plugin p asks: Which?", "the plugin p asks: Sure?"];
    assert_eq!(lines, expected);
    assert_eq!(questions[1].kind, QuestionKind::Choice(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!((&questions[1].default, &questions[2].kind), (&Some("a".to_owned()), &QuestionKind::Confirm));
    assert_eq!(questions[0].session_id.as_deref(), Some("s1"));

    let (world, _) = with_person(said("yes"), 9);
    world.check("confirm", json!({"question": "Sure?"}), Ok(json!(true))).await;
    let (world, _) = with_person(Asked::Declined, 9);
    world.check("ask", json!({"question": "Which?"}), Ok(Value::Null)).await;
    world.check("confirm", json!({"question": "Sure?"}), Ok(json!(false))).await;
}

#[tokio::test]
async fn questions_are_bounded_and_need_a_person() {
    let (world, person) = with_person(said("b"), 9);
    for (args, code, part) in [
        (json!({"question": "x".repeat(1_001)}), "LIMIT", "more than 1000 characters"),
        (json!({"question": "\n \u{200b}"}), "INVALID_ARGUMENT", "the question is empty"),
        (json!({"question": "?", "choices": []}), "INVALID_ARGUMENT", "1 to 32 texts that differ"),
        (json!({"question": "?", "choices": ["a", "a "]}), "INVALID_ARGUMENT", "texts that differ"),
        (json!({"question": "?", "choices": vec!["x".to_owned(); 33]}), "INVALID_ARGUMENT", "1 to 32"),
        (json!({"question": "?", "choices": ["x".repeat(201)]}), "LIMIT", "a choice has more than 200"),
        (json!({"question": "?", "choices": ["a"], "default": "b"}), "INVALID_ARGUMENT", "none of the choices"),
        (json!({}), "INVALID_ARGUMENT", "question"),
    ] {
        world.check("ask", args, Err((code, part))).await;
    }
    assert!(person.questions.lock().unwrap().is_empty());
    let (world, _) = with_person(Asked::Nobody, 9);
    world.check("ask", json!({"question": "?"}), Err(("UNSUPPORTED", "nobody here"))).await;
    let world = crate::harness::world();
    world.check("confirm", json!({"question": "?"}), Err(("UNSUPPORTED", "nobody here"))).await;
    assert_eq!(world.call("ask", json!({"question": "?"})).await.unwrap_err().capability, None);
}

#[tokio::test]
async fn a_plugin_has_one_question_open() {
    let (world, person) = with_person(said("b"), 0);
    let world = Arc::new(world);
    let ask = |world: Arc<World>| async move { world.call("ask", json!({"question": "?"})).await };
    let open = tokio::spawn(ask(Arc::clone(&world)));
    while person.questions.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    world.check("confirm", json!({"question": "?"}), Err(("LIMIT", "has a question open already"))).await;
    // Another plugin may ask meanwhile
    let other = profile("q", "/plugins/q");
    person.may_answer.add_permits(2);
    assert_eq!(world.call_as(&other, "ask", json!({"question": "?"})).await, Ok(json!("b")));
    assert_eq!(open.await.unwrap(), Ok(json!("b")));

    let gone = tokio::spawn(ask(Arc::clone(&world)));
    while person.questions.lock().unwrap().len() < 3 {
        tokio::task::yield_now().await;
    }
    gone.abort();
    assert!(gone.await.is_err());
    person.may_answer.add_permits(1);
    world.check("ask", json!({"question": "?"}), Ok(json!("b"))).await;
}
