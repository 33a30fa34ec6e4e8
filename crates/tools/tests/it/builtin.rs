//! The built-in tools on real files.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use mimir_plugins::EventName;
use mimir_plugins::events::Outcome;
use mimir_tools::Remark;
use serde_json::json;

use crate::workbench::Workbench;

#[tokio::test]
async fn a_file_is_written_read_edited_and_deleted() {
    let bench = Workbench::new();
    let said = bench.said("write", json!({"path": "src/a.rs", "content": "fn a() {}\nfn b() {}\n"})).await;
    assert_eq!(said, "created src/a.rs (20 bytes, 2 lines that are not empty).");
    assert_eq!(bench.log(), ["tool.execute.before write", "file.modified src/a.rs 20", "tool.execute.after write"]);
    assert_eq!(bench.read("src/a.rs").await, "     1\tfn a() {}\n     2\tfn b() {}\n");
    let edit = json!({"path": "./src/../src/a.rs", "oldText": "fn b()", "newText": "fn c()"});
    assert_eq!(bench.said("edit", edit).await, "edited src/a.rs:\n     1\tfn a() {}\n     2\tfn c() {}\n");
    assert_eq!(bench.get("src/a.rs"), "fn a() {}\nfn c() {}\n");
    let all = json!({"path": "src/a.rs", "oldText": "fn", "newText": "pub fn", "replaceAll": true});
    assert!(bench.said("edit", all).await.starts_with("edited src/a.rs in 2 places; the first:\n"));
    assert_eq!(bench.files(), ["file.modified src/a.rs 20", "file.modified src/a.rs 28"]);
    assert_eq!(bench.said("delete", json!({"path": "src/a.rs"})).await, "removed src/a.rs (28 bytes).");
    assert_eq!(bench.said("delete", json!({"path": "src"})).await, "removed the empty folder src.");
    assert_eq!(bench.files(), ["file.deleted src/a.rs 28"]);
    assert_eq!(bench.needs(), ["write src/a.rs", "edit src/a.rs", "edit src/a.rs", "delete src/a.rs", "delete src"]);
    assert_eq!(fs::read_dir(&bench.root).unwrap().count(), 0, "nothing is left beside it");
}

#[tokio::test]
async fn what_a_write_keeps() {
    let bench = Workbench::new();
    bench.put("run.sh", "\u{feff}a\r\nb\r\n");
    fs::set_permissions(bench.root.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    bench.said("edit", json!({"path": "run.sh", "oldText": "a\nb", "newText": "a\nx\nb"})).await;
    assert_eq!(bench.get("run.sh"), "\u{feff}a\r\nx\r\nb\r\n");
    assert_eq!(fs::metadata(bench.root.join("run.sh")).unwrap().permissions().mode() & 0o777, 0o755);

    bench.put("real.txt", "old");
    symlink("real.txt", bench.root.join("link.txt")).unwrap();
    bench.said("write", json!({"path": "link.txt", "content": "new"})).await;
    assert_eq!(bench.get("real.txt"), "new");
    assert!(bench.root.join("link.txt").is_symlink());
    assert_eq!(bench.needs(), ["edit run.sh", "write real.txt"], "what is touched is what is asked for");
    assert_eq!(bench.said("delete", json!({"path": "link.txt"})).await, "removed link.txt (8 bytes).");
    assert_eq!(bench.get("real.txt"), "new");
}

#[tokio::test]
async fn what_an_agent_knows_of_a_file_must_be_true() {
    let bench = Workbench::new();
    bench.put("a", "1\n");
    let edit = |old: &str, new: &str| json!({"path": "a", "oldText": old, "newText": new});
    bench.read("a").await;
    bench.put("a", "1\n2\n");
    let stale = "a has changed since you read it: read it again first";
    assert_eq!(bench.said("edit", edit("1", "x")).await, stale);
    assert_eq!(bench.said("write", json!({"path": "a", "content": "x"})).await, stale);
    assert_eq!(bench.said("delete", json!({"path": "a"})).await, stale);
    assert_eq!(bench.get("a"), "1\n2\n");
    // Another agent never read it, and says what it expects
    assert!(!bench.call_as(Some("sub"), "edit", edit("2", "3")).await.is_error);
    bench.read("a").await;
    assert!(bench.said("edit", edit("1", "x")).await.starts_with("edited a"));
    assert!(bench.said("edit", edit("x", "y")).await.starts_with("edited a"), "its own changes are known to it");
    // A command is no reading
    bench.said("bash", json!({"command": "echo z >> a"})).await;
    assert_eq!(bench.said("edit", edit("y", "z")).await, stale);
    let at_once = [edit("y", "1"), edit("3", "2")].map(|args| bench.call_as(Some("b"), "edit", args));
    for outcome in futures::future::join_all(at_once).await {
        assert!(!outcome.is_error);
    }
    assert_eq!(bench.get("a"), "1\n2\nz\n", "neither change is lost");
}

#[tokio::test]
async fn a_formatter_is_waited_for_and_noticed() {
    let bench = Workbench::with(Box::new(|root, event, payload| {
        if event == EventName::FileModified {
            let path = root.join(payload["path"].as_str().unwrap());
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, text.replace(';', ";\n")).unwrap();
        }
        None
    }));
    let said = bench.said("write", json!({"path": "a.ts", "content": "a;b;"})).await;
    assert!(
        said.ends_with("A plugin has changed the file since (it has 6 bytes now): read it before you edit it."),
        "{said}"
    );
    assert_eq!(bench.get("a.ts"), "a;\nb;\n");
    let said = bench.said("edit", json!({"path": "a.ts", "oldText": "b;", "newText": "c"})).await;
    assert!(said.contains("A plugin has changed"), "{said}");
}

#[tokio::test]
async fn plugins_block_and_change_calls() {
    let bench = Workbench::with(Box::new(|_, event, payload| match event {
        EventName::ToolExecuteBefore if payload["tool"] == "bash" => Some((Outcome::Blocked, "no commands today")),
        EventName::ToolExecuteBefore if payload["tool"] == "write" => {
            payload["args"]["path"] = json!("moved/b");
            Some((Outcome::Changed, ""))
        }
        EventName::ToolExecuteAfter => {
            payload["result"] = json!("(withheld)");
            Some((Outcome::Changed, ""))
        }
        _ => None,
    }));
    let blocked = bench.call("bash", json!({"command": "touch c"})).await;
    assert_eq!(blocked.result, "`bash` did not run: the plugin `guard` blocked it: no commands today");
    let changed = bench.call("write", json!({"path": "a", "content": "x"})).await;
    assert_eq!((changed.result, changed.args["path"].clone()), (json!("(withheld)"), json!("moved/b")));
    assert!(matches!(changed.remarks[..], [Remark::ChangedArgs { .. }, Remark::ChangedResult { .. }]));
    assert_eq!(
        (bench.get("a"), bench.get("moved/b"), bench.get("c")),
        ("(nothing)".into(), "x".into(), "(nothing)".into())
    );
    assert_eq!(bench.needs(), ["write moved/b"], "the permission is for what the plugin made of it");
}

#[tokio::test]
async fn what_is_refused_does_not_happen() {
    let bench = Workbench::new();
    bench.refuse_all();
    bench.put("a", "1");
    for (tool, args) in [
        ("write", json!({"path": "a", "content": "2"})),
        ("edit", json!({"path": "a", "oldText": "1", "newText": "2"})),
        ("delete", json!({"path": "a"})),
        ("bash", json!({"command": "rm a"})),
    ] {
        assert_eq!(bench.said(tool, args).await, format!("`{tool}` did not run: a rule refused the permission"));
    }
    assert_eq!(bench.get("a"), "1");
    assert_eq!(bench.files(), [""; 0]);
    assert_eq!(bench.read("a").await, "     1\t1\n", "reading in the project takes no permission");
}

#[tokio::test]
async fn what_is_outside_or_secret_is_asked_for() {
    let bench = Workbench::new();
    let base = bench.base();
    fs::write(base.join("out.txt"), "out\n").unwrap();
    fs::create_dir(bench.home.join(".ssh")).unwrap();
    fs::write(bench.home.join(".ssh/id_rsa"), "key\n").unwrap();
    bench.put(".env", "KEY=1\n");
    bench.put("src/a", "KEY\n");
    symlink(base.join("out.txt"), bench.root.join("inside")).unwrap();
    symlink("../home/.ssh", bench.root.join("keys")).unwrap();
    let out = format!("{}/out.txt", base.display());
    let key = format!("{}/home/.ssh/id_rsa", base.display());
    let check = async |tool: &str, args, needs: &[String]| {
        let outcome = bench.call(tool, args).await;
        assert!(!outcome.is_error, "{tool}: {}", outcome.result);
        assert_eq!(bench.needs(), needs);
        outcome.result.as_str().unwrap().to_owned()
    };
    check("read", json!({"path": "../out.txt"}), &[format!("read {out}")]).await;
    check("read", json!({"path": "inside"}), &[format!("read {out}")]).await;
    check("read", json!({"path": "~/.ssh/id_rsa"}), &[format!("read {key} (Critical)")]).await;
    check("read", json!({"path": "keys/id_rsa"}), &[format!("read {key} (Critical)")]).await;
    check("read", json!({"path": ".env"}), &["read .env (High)".to_owned()]).await;
    check("write", json!({"path": "inside", "content": "new"}), &[format!("write {out}")]).await;
    assert_eq!(fs::read_to_string(base.join("out.txt")).unwrap(), "new");
    check(
        "write",
        json!({"path": ".git/hooks/pre-commit", "content": "x"}),
        &["write .git/hooks/pre-commit (High)".to_owned()],
    )
    .await;
    check("glob", json!({"pattern": "*", "path": ".."}), &[format!("read {}", base.display())]).await;
    let found = check("grep", json!({"pattern": "KEY"}), &[]).await;
    assert_eq!(
        found,
        "src/a\n1:KEY\n[1 files that usually hold credentials were not searched: name one to search it]\n"
    );
    let found = check("grep", json!({"pattern": "KEY", "path": ".env"}), &["read .env (High)".to_owned()]).await;
    assert_eq!(found, ".env\n1:KEY=1\n");
}

#[tokio::test]
async fn mimirs_own_files_stay_as_they_are() {
    let bench = Workbench::new();
    bench.put(".mimir/config.yml", "a: 1\n");
    fs::write(bench.home.join(".mimir/grants.yml"), "x").unwrap();
    fs::write(bench.home.join(".mimir/secrets.yml"), "KEY: x").unwrap();
    symlink(bench.home.join(".mimir"), bench.root.join("docs")).unwrap();
    symlink(".mimir/config.yml", bench.root.join("settings.yml")).unwrap();
    for path in [
        ".mimir/config.yml",
        ".mimir/plugins/new/plugin.yml",
        ".MIMIR/config.yml",
        "sub/.mimir/config.yml",
        "docs/grants.yml",
        "docs/new.yml",
        "settings.yml",
        "~/.mimir/grants.yml",
    ] {
        let said = bench.said("write", json!({"path": path, "content": "x"})).await;
        assert!(said.contains("belongs to Mimir itself"), "{path}: {said}");
        let said = bench.said("edit", json!({"path": path, "oldText": "a", "newText": "b"})).await;
        assert!(said.contains("belongs to Mimir itself"), "{path}: {said}");
    }
    assert!(bench.said("delete", json!({"path": ".mimir/config.yml"})).await.contains("belongs to Mimir"));
    assert!(bench.read("docs/secrets.yml").await.contains("holds Mimir's secrets"));
    assert_eq!(bench.needs(), [""; 0], "nobody is asked for what is refused anyway");
    assert_eq!(bench.read(".mimir/config.yml").await, "     1\ta: 1\n");
    assert_eq!(bench.get(".mimir/config.yml"), "a: 1\n");
    assert!(!bench.home.join(".mimir/new.yml").exists() && !bench.root.join("sub").exists());
}

#[tokio::test]
async fn what_is_swapped_while_the_permission_is_asked_for_is_left_alone() {
    let check = async |tool: &str, args: serde_json::Value, path: &str| {
        let bench = Workbench::new();
        let (root, out) = (bench.root.clone(), bench.base().join("out"));
        fs::create_dir(&out).unwrap();
        fs::write(out.join("file"), "theirs").unwrap();
        bench.put("sub/file", "ours");
        let path = root.join(path);
        let target = if path.ends_with("file") { out.join("file") } else { out.clone() };
        bench.meanwhile(move || {
            fs::rename(&path, root.join("aside")).unwrap();
            symlink(target, path).unwrap();
        });
        let outcome = bench.call(tool, args).await;
        let said = outcome.result.as_str().unwrap();
        assert!(outcome.is_error && said.contains("than a moment ago"), "{said}");
        assert_eq!(fs::read_to_string(out.join("file")).unwrap(), "theirs");
    };
    for path in ["sub", "sub/file"] {
        check("write", json!({"path": "sub/file", "content": "x"}), path).await;
        check("edit", json!({"path": "sub/file", "oldText": "theirs", "newText": "x"}), path).await;
    }
    check("delete", json!({"path": "sub/file"}), "sub").await;
}

#[tokio::test]
async fn errors_help() {
    let bench = Workbench::new();
    bench.put("src/parser.rs", "fn a() {}\n");
    bench.put("logo.png", b"\x89PNG\r\n\x1a\n\0\0");
    symlink("nowhere", bench.root.join("dangling")).unwrap();
    let check = async |tool: &str, args, expected: &str| {
        let outcome = bench.call(tool, args).await;
        let said = outcome.result.as_str().unwrap();
        assert!(outcome.is_error && said.contains(expected), "{said}");
    };
    check("read", json!({"path": "src/parser.ts"}), "there is no src/parser.ts. There is: src/parser.rs").await;
    check("read", json!({"path": "no/such"}), "there is no no/such, nor the folder in which it would be").await;
    check("read", json!({"path": "logo.png"}), "logo.png is no text in UTF-8 but a binary file of 10 bytes").await;
    check("read", json!({"path": "src/parser.rs", "offset": 5}), "the file has 1 lines: there is no line 5").await;
    check("read", json!({"path": "/dev/zero"}), "a file of the kernel's or a device").await;
    check("read", json!({"path": "/proc/self/environ"}), "a file of the kernel's or a device").await;
    check("grep", json!({"pattern": ".", "path": "/proc/self"}), "a file of the kernel's or a device").await;
    check("glob", json!({"pattern": "*", "path": "/dev"}), "a file of the kernel's or a device").await;
    check("read", json!({"path": "a\0b"}), "this is no path").await;
    check("read", json!({"path": "none/../src/parser.rs"}), "leads through a folder that does not exist").await;
    check("edit", json!({"path": "new", "oldText": "a", "newText": "b"}), "there is no new").await;
    check(
        "edit",
        json!({"path": "src/parser.rs", "oldText": "fn b", "newText": ""}),
        "src/parser.rs: `oldText` is not in the file",
    )
    .await;
    check(
        "edit",
        json!({"path": "src/parser.rs", "old_string": "fn b", "newText": ""}),
        "\"oldText\" is a required property",
    )
    .await;
    check("write", json!({"path": "src", "content": ""}), "is a folder, not an ordinary file").await;
    check("write", json!({"path": "src/parser.rs/x", "content": ""}), "Not a directory").await;
    check("write", json!({"path": "dangling", "content": ""}), "is a link, not an ordinary file").await;
    check("delete", json!({"path": "src"}), "can't remove").await;
    check("delete", json!({"path": "."}), "is no file").await;
    check("delete", json!({"path": "no"}), "there is no no").await;
    let listing = bench.read("src").await;
    assert_eq!(listing, "src is a folder. It contains:\nparser.rs\n");
}

#[tokio::test]
async fn files_are_found_and_searched() {
    let bench = Workbench::new();
    bench.put(".gitignore", "dist/\n");
    bench.put("src/a.rs", "fn main() {\n    run();\n}\n");
    bench.put("src/b.rs", "fn run() {}\n");
    bench.put("dist/c.rs", "run\n");
    let check = async |tool: &str, args, expected: &str| {
        let said = bench.said(tool, args).await;
        assert_eq!(said, expected);
    };
    check("glob", json!({"pattern": "**/*.rs"}), "src/a.rs\nsrc/b.rs\n").await;
    check("glob", json!({"pattern": "b.rs", "path": "src"}), "src/b.rs\n").await;
    check("glob", json!({"pattern": "*.py"}), "no file matches.").await;
    check("grep", json!({"pattern": "run"}), "src/a.rs\n2:    run();\n\nsrc/b.rs\n1:fn run() {}\n").await;
    let around = json!({"pattern": "run\\(\\);", "context": 1});
    check("grep", around, "src/a.rs\n1-fn main() {\n2:    run();\n3-}\n").await;
    check("grep", json!({"pattern": "RUN", "ignoreCase": true, "outputMode": "files"}), "src/a.rs\nsrc/b.rs\n").await;
    check("grep", json!({"pattern": "fn", "outputMode": "count", "glob": "b.*"}), "src/b.rs: 1\n").await;
    check("grep", json!({"pattern": "nothing like it"}), "nothing matches.\n").await;
}

#[tokio::test]
async fn commands_run_and_what_they_change_is_told() {
    let bench = Workbench::new();
    bench.put(".gitignore", "build/\n");
    bench.put("old", "1");
    bench.put("same", "1");
    let check = async |command: &str, expected: &str, files: &[&str]| {
        let said = bench.said("bash", json!({"command": command})).await;
        assert_eq!(said, expected, "{command}");
        assert_eq!(bench.files(), files, "{command}");
    };
    check("pwd", &format!("{}\n", bench.root.display()), &[]).await;
    check("echo a; echo b >&2; exit 3", "a\nb\n[exit code 3]", &[]).await;
    check("true", "[exit code 0, no output]", &[]).await;
    check("echo \"key: $OPENAI_API_KEY\"; cat", "key: \n", &[]).await;
    check("printf '\\033[31mred\\033[0m\\n'", "red\n", &[]).await;
    let changes = ["file.modified new/file 2", "file.modified old 3", "file.deleted same 1"];
    check(
        "mkdir new build; echo x > new/file; echo xx > old; rm same; echo x > build/x",
        "[exit code 0, no output]",
        &changes,
    )
    .await;
    assert_eq!(bench.needs().len(), 6);

    let late = bench.said("bash", json!({"command": "echo a; sleep 100", "timeoutMs": 300})).await;
    assert_eq!(late, "a\n[stopped after 300 ms: set `timeoutMs` if it needs longer]");
    let long = bench.said("bash", json!({"command": "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo end"})).await;
    assert!(long.len() < 31_000 && long.contains("bytes are left out") && long.ends_with("end\n"));
}
