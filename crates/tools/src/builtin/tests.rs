#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that fails here should stop")]

use std::sync::Mutex;

use async_trait::async_trait;
use mimir_shared_platform::testing::ManualClock;
use mimir_shared_platform::{OsFileSystem, ShellOutput, ShellRequest};
use serde_json::{Value, json};

use super::*;
use crate::ports::MockSubAgents;
use crate::search::{FoundFiles, FoundLines, MatchedFile, MatchedLine, MockSearch};
use crate::testing::{Stage, allowed};
use crate::{Role, SubTask};

/// A shell that runs nothing and keeps what it was asked.
#[derive(Default)]
struct Asked(Mutex<Vec<ShellRequest>>);

#[async_trait]
impl Shell for Asked {
    async fn run_line(&self, request: ShellRequest) -> Result<ShellOutput, PlatformError> {
        self.0.lock().unwrap().push(request);
        Ok(ShellOutput { exit_code: Some(0), head: b"done\n".to_vec(), ..ShellOutput::default() })
    }
}

struct Project {
    folder: tempfile::TempDir,
    stage: Stage,
    shell: Arc<Asked>,
}

fn project(search: MockSearch) -> Project {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::bare(Box::new(|_| None), Box::new(|_| allowed()));
    let shell = Arc::new(Asked::default());
    let settings = BuiltinSettings { root: folder.path().to_owned(), ..BuiltinSettings::default() };
    let ports = BuiltinPorts {
        files: Arc::new(OsFileSystem),
        shell: Arc::clone(&shell) as Arc<dyn Shell>,
        search: Arc::new(search),
        hooks: stage.hooks.clone(),
        clock: Arc::new(ManualClock::at(7)),
    };
    assert_eq!(stage.dispatcher.register(builtin_tools(&settings, ports).unwrap()), []);
    Project { folder, stage, shell }
}

#[tokio::test]
async fn what_a_command_changed_is_told_up_to_a_size_of_the_project() {
    let check = async |before: Option<&[(&str, u64)]>, after: Option<&[(&str, u64)]>, expected: &[&str]| {
        let mut search = MockSearch::new();
        for files in [before, after] {
            let files =
                files.map(|files| files.iter().map(|(name, len)| ((*name).to_owned(), *len)).collect::<Vec<_>>());
            search.expect_picture().times(0..=1).returning(move |root, limit, _| {
                assert_eq!(limit, 20_000);
                files.as_ref().map(|files| files.iter().map(|(name, len)| (root.join(name), (1, *len))).collect())
            });
        }
        let project = project(search);
        let outcome = project.stage.call("bash", json!({"command": "make"})).await;
        assert_eq!(outcome.result, "done\n");
        let log = project.stage.log();
        let events: Vec<_> = log.iter().filter(|line| line.starts_with("file.")).collect();
        assert_eq!(events, expected);
    };
    let none: &[(&str, u64)] = &[];
    check(Some(&[("a", 1), ("b", 1)]), Some(&[("a", 1), ("b", 1)]), &[]).await;
    check(
        Some(&[("a", 1), ("b", 1)]),
        Some(&[("a", 2), ("c", 1)]),
        &["file.modified bash", "file.modified bash", "file.deleted bash"],
    )
    .await;
    check(None, Some(&[("a", 1)]), &[]).await;
    check(Some(none), None, &[]).await;
}

#[tokio::test]
async fn a_command_gets_the_project_and_its_time() {
    let mut search = MockSearch::new();
    search.expect_picture().returning(|_, _, _| None);
    let project = project(search);
    project.stage.call("bash", json!({"command": "ls", "description": "look", "timeoutMs": 500})).await;
    project.stage.call("bash", json!({"command": "ls -l"})).await;
    let asked = std::mem::take(&mut *project.shell.0.lock().unwrap());
    let seen: Vec<_> = asked.iter().map(|it| (&*it.command, it.timeout.as_millis())).collect();
    assert_eq!(seen, [("ls", 500), ("ls -l", 120_000)]);
    assert_eq!(asked[0].cwd, project.folder.path().canonicalize().unwrap());
    let blank = project.stage.call("bash", json!({"command": "  "})).await;
    assert_eq!(blank.result, "this is no command line");
    let late = project.stage.call("bash", json!({"command": "ls", "timeoutMs": 10_000_000})).await;
    assert!(late.is_error);
}

#[tokio::test]
async fn what_searches_find_is_shown_with_what_is_missing() {
    let mut search = MockSearch::new();
    search
        .expect_files()
        .once()
        .returning(|scope| Ok(FoundFiles { files: vec![scope.root.join("a\u{1b}[2J.rs")], more: 3, is_cut: false }));
    search.expect_files().once().returning(|_| Err("the glob is wrong: x".to_owned()));
    search.expect_lines().returning(|scope, wanted| {
        assert!((scope.is_private)(&scope.root.join(".env")) && !(scope.is_private)(&scope.root.join("env.rs")));
        let line = |number, is_match| MatchedLine { number, text: format!("line {number}"), is_match };
        let lines = vec![line(1, true), line(2, false), line(9, true)];
        let file = |name: &str| MatchedFile { path: scope.root.join(name), count: 2, lines: lines.clone() };
        assert_eq!(wanted.first_only, scope.limit == 7);
        Ok(FoundLines { files: vec![file("a.rs"), file("src/b.rs")], is_cut: true, private: 1 })
    });
    let project = project(search);
    let check = async |tool: &str, args: Value, expected: &str| {
        assert_eq!(project.stage.call(tool, args).await.result, expected);
    };
    check("glob", json!({"pattern": "*"}), "a\u{fffd}[2J.rs\n[… 3 more: use a narrower pattern …]\n").await;
    check("glob", json!({"pattern": "{"}), "the glob is wrong: x").await;
    check("glob", json!({"pattern": "*", "path": "nowhere"}), "there is no nowhere").await;
    let notes = "[… there may be more: use a narrower pattern, or a higher `limit` …]\n\
                 [1 files that usually hold credentials were not searched: name one to search it]\n";
    let lines = "1:line 1\n2-line 2\n--\n9:line 9\n";
    check("grep", json!({"pattern": "x"}), &format!("a.rs\n{lines}\nsrc/b.rs\n{lines}{notes}")).await;
    let files = json!({"pattern": "x", "outputMode": "files", "limit": 7});
    check("grep", files, &format!("a.rs\nsrc/b.rs\n{notes}")).await;
    let count = json!({"pattern": "x", "outputMode": "count", "limit": 1});
    check("grep", count, &format!("a.rs: 2\n{notes}")).await;
}

#[tokio::test]
async fn sub_agents_are_asked_for_by_role() {
    let mut agents = MockSubAgents::new();
    let role = |name: &str| Role { name: name.to_owned(), description: format!("can {name}") };
    agents.expect_roles().returning(move || vec![role("explore"), role("write")]);
    agents.expect_run().once().returning(|task, context| {
        assert_eq!((task.role, &*context.session_id), ("explore".to_owned(), "s1"));
        Ok(json!("found"))
    });
    agents.expect_run().once().returning(|SubTask { .. }, _| Err("the budget is spent".to_owned()));
    let stage = Stage::new([task_tool(Arc::new(agents))]);
    let definition = &stage.dispatcher.definitions(|_| true)[0];
    assert!(definition.description.ends_with("- explore: can explore\n- write: can write"));
    assert_eq!(definition.input_schema["properties"]["role"]["enum"], json!(["explore", "write"]));

    let args = json!({"role": "explore", "description": "look\naround", "prompt": "Look around."});
    assert_eq!(stage.call("task", args.clone()).await.result, "found");
    assert_eq!(stage.log()[1], "permission task explore: look around");
    let failed = stage.call("task", args).await;
    assert_eq!((failed.result, failed.is_error), (json!("the budget is spent"), true));
    let unknown = stage.call("task", json!({"role": "x", "description": "d", "prompt": "p"})).await;
    assert!(unknown.result.as_str().unwrap().contains("at `/role`"));
}

#[tokio::test]
async fn a_plan_is_shown() {
    let stage = Stage::new([Arc::new(todo::Todo) as Arc<dyn Tool>]);
    let items = json!({"items": [
        {"content": "look", "status": "completed"},
        {"content": "cut", "status": "in_progress"},
        {"content": "sew", "status": "pending"},
    ]});
    assert_eq!(stage.call("todo", items).await.result, "[x] look\n[~] cut\n[ ] sew");
    assert_eq!(stage.call("todo", json!({"items": []})).await.result, "nothing to do.");
    assert!(stage.call("todo", json!({"items": [{"content": "x", "status": "y"}]})).await.is_error);
}

#[test]
fn the_page_about_tools_names_all_of_them_with_their_arguments() {
    const PAGE: &str = include_str!("../../../../docs/tools.md");
    let project = project(MockSearch::new());
    let mut agents = MockSubAgents::new();
    agents.expect_roles().returning(Vec::new);
    assert_eq!(project.stage.dispatcher.register([task_tool(Arc::new(agents))]), []);
    let tools = project.stage.dispatcher.list();
    assert_eq!(tools.len(), 9);
    for tool in tools {
        let name = &tool.definition.name;
        let section = PAGE.split(&format!("\n## {name}\n")).nth(1).and_then(|rest| rest.split("\n## ").next());
        let section = section.unwrap_or_else(|| panic!("docs/tools.md has no section `{name}`"));
        for argument in tool.definition.input_schema["properties"].as_object().unwrap().keys() {
            assert!(section.contains(&format!("`{argument}`")), "docs/tools.md does not name `{argument}` of `{name}`");
        }
    }
}
