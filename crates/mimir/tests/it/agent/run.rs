//! Single runs: what is asked, what is refused, what is said.

use serde_json::{Value, json};

use super::{bash, of_type, play, session};
use crate::place::{Place, Ran};

fn outcome<'a>(lines: &'a [Value], tool: &str) -> &'a Value {
    let ended = of_type(lines, "toolEnded").into_iter().find(|line| line["call"]["tool"] == tool);
    &ended.unwrap_or_else(|| panic!("{tool} did not end"))["outcome"]
}

#[test]
fn without_a_scenario_it_says_what_it_is() {
    let place = Place::new();
    let ran = place.run("run hello").done();
    assert!(ran.out.contains("I am a scripted model"), "{}", ran.out);
    assert!(ran.out.contains("go on with mimir run --resume"), "{}", ran.out);
}

#[test]
fn yes_answers_up_to_medium_and_never_above() {
    let place = Place::new();
    place.write("project/a.txt", "x");
    let check = |command: &str, args: &[&str], is_error: bool| {
        let scenario = json!({ "turns": [{ "calls": [bash(command)] }, { "say": "seen" }] });
        let mut all = vec!["do it"];
        all.extend(args);
        let ran = play(&place, &scenario, &all).done();
        let lines = ran.json();
        assert_eq!(outcome(&lines, "bash")["isError"], is_error, "{command} {args:?}\n{}", ran.out);
    };
    check("ls", &[], false);
    check("touch b.txt", &[], true);
    check("touch b.txt", &["--yes"], false);
    check("git push --force origin main", &["--yes"], true);
    check("rm -rf ~", &["--yes"], true);
}

#[test]
fn a_plugin_that_hangs_dies_or_floods_costs_the_session_no_more_than_its_failure_key_says() {
    let place = Place::new();
    let handlers = [
        ("hangs", "async () => { await new Promise(() => {}); }"),
        ("spins", "() => { for (;;) {} }"),
        ("dies", "() => { const all = []; for (;;) all.push(new Array(1e6).fill(1)); }"),
        ("floods", "async () => { for (let i = 0; i < 1e5; i++) ctx.log.warn('x'.repeat(1000)); }"),
    ];
    for (name, handler) in handlers {
        place.plugin(
            &format!("home/plugins/{name}"),
            "events: [tool.execute.before]\nlimits: { time: 300ms }\n",
            &format!("export default async (ctx) => ({{ on: {{ 'tool.execute.before': {handler} }} }});"),
        );
        place.run(&format!("plugin grant {name} --yes")).done();
    }
    let turns: Vec<_> = (0..5).map(|_| json!({ "calls": [bash("ls")] })).chain([json!({ "say": "seen" })]).collect();
    let ran = play(&place, &json!({ "turns": turns }), &["do it"]).done();
    let lines = ran.json();
    assert_eq!(of_type(&lines, "toolEnded").len(), 5);
    assert!(of_type(&lines, "toolEnded").iter().all(|line| line["outcome"]["isError"] == false), "{}", ran.out);
}

#[test]
fn what_a_plugin_changes_is_what_runs() {
    let place = Place::new();
    place.plugin(
        "home/plugins/polite",
        "events: [tool.execute.before, tool.execute.after, chat.message]\n",
        "export default async () => ({ on: {
            'tool.execute.before': (event) => { event.args.command = 'echo changed'; },
            'tool.execute.after': (event) => ({ result: String(event.result).replace('changed', 'CHANGED') }),
         } });",
    );
    place.run("plugin grant polite --yes").done();
    let scenario = json!({ "turns": [{ "calls": [bash("ls")] }, { "say": "It said: ${result.0}" }] });
    let ran = play(&place, &scenario, &["do it"]).done();
    let lines = ran.json();
    let ended = outcome(&lines, "bash");
    assert_eq!(ended["args"]["command"], "echo changed");
    assert!(ended["result"].as_str().unwrap().contains("CHANGED"));
    let answers = of_type(&lines, "answer");
    assert!(answers.last().unwrap()["text"].as_str().unwrap().contains("CHANGED"));
}

#[test]
fn all_who_changed_a_call_are_named_in_their_order() {
    let place = Place::new();
    for (name, word) in [("first", "one"), ("second", "two")] {
        place.plugin(
            &format!("home/plugins/{name}"),
            "events: [tool.execute.before, tool.execute.after, permission.ask]\ncapabilities: { permissions: { approve: high } }\n",
            &format!(
                "export default async () => ({{ on: {{
                    'tool.execute.before': (event) => {{ event.args.command += ' {word}'; }},
                    'tool.execute.after': (event) => ({{ result: event.result + '{word}' }}),
                    'permission.ask': () => {{ if ('{name}' === 'second') return {{ allow: true }}; }},
                }} }});"
            ),
        );
        place.run(&format!("plugin grant {name} --yes")).done();
    }
    let scenario = json!({ "turns": [{ "calls": [bash("touch")] }, { "say": "seen" }] });
    // Nobody allows what he changed himself, not even as the second of two
    let lines = play(&place, &scenario, &["do it"]).done().json();
    let ended = outcome(&lines, "bash");
    assert_eq!((&ended["isError"], &ended["args"]["command"]), (&json!(true), &json!("touch one two")));
    let lines = play(&place, &scenario, &["do it", "--yes"]).done().json();
    let remarks = outcome(&lines, "bash")["remarks"].as_array().unwrap();
    let told: Vec<_> = remarks.iter().map(|it| (it["what"].as_str().unwrap(), it["plugin"].as_str())).collect();
    let [first, second] = ["first", "second"].map(Some);
    let expected = [
        ("arguments changed", first),
        ("arguments changed", second),
        ("allowed by --yes", None),
        ("result changed", first),
        ("result changed", second),
    ];
    assert_eq!(told, expected, "{lines:#?}");
    let shown = place.run(&format!("sessions show {}", session(&lines))).done().out;
    assert!(shown.contains("arguments changed by first") && shown.contains("arguments changed by second"), "{shown}");
}

#[test]
fn wrong_words_get_a_clear_error() {
    let place = Place::new();
    let check = |line: &str, code: i32, expected: &str| {
        let ran = place.run(line);
        assert_eq!(ran.code, Some(code), "{line}\n{}{}", ran.out, ran.err);
        assert!(ran.err.contains(expected), "{line}\n{}", ran.err);
    };
    check("run", 2, "there is no task");
    check("run hi --resume nothing", 1, "there is no session `nothing`");
    check("run hi --continue", 1, "there is no session of this project");
    check("run hi --model nobody/x", 1, "the model `nobody/x` can't be asked");
    check("run hi --model openai/gpt-x", 1, "needs a key");
    check("run hi --model gpt-x", 1, "needs a key");
    check("run hi --model openai", 1, "is a provider and no model");
    check("run hi --model openai/gpt-x --scenario @/none.yml", 2, "is played by the scripted model");
    check("run hi --scenario @/none.yml", 1, "can't be read");
    place.write("bad.yml", "turns:\n  - says: x\n");
    check("run hi --scenario @/bad.yml", 1, "unknown key `says`");
}

#[test]
fn a_session_is_gone_on_with() {
    let place = Place::new();
    let scenario = json!({ "turns": [{ "say": "one" }, { "say": "two, after: ${user}" }] });
    let lines = play(&place, &scenario, &["first"]).done().json();
    let id = session(&lines);
    let lines = play(&place, &scenario, &["second", "--resume", &id[..6]]).done().json();
    assert_eq!(session(&lines), id);
    assert_eq!(of_type(&lines, "answer")[0]["text"], "two, after: second");
    let lines = play(&place, &scenario, &["/cost", "--continue"]).done().json();
    assert_eq!(session(&lines), id);
    // It has its own model: that the configured one has no key is nothing to it
    place.write("home/config.yml", "model: openai/gpt-x\n");
    assert_eq!(session(&place.run("run /cost --continue --json").done().json()), id);
}

#[test]
fn a_scenario_is_played_whatever_model_is_configured() {
    let place = Place::new();
    place.write("home/config.yml", "model: openai/gpt-x\n");
    let lines = play(&place, &json!({ "turns": [{ "say": "played" }] }), &["do it"]).done().json();
    assert_eq!(of_type(&lines, "answer")[0]["text"], "played");
}

#[test]
fn a_task_is_said_though_what_was_left_over_fails_again() {
    let place = Place::new();
    let scenario = json!({ "turns": [{ "error": { "kind": "unauthorized" }, "say": "heard: ${user}" }] });
    assert_eq!(play(&place, &scenario, &["first"]).code, Some(1));
    let lines = play(&place, &scenario, &["second", "--continue"]).done().json();
    assert_eq!(of_type(&lines, "answer")[0]["text"], "heard: second");
}

#[test]
fn the_help_of_a_command_says_all_there_is_to_say() {
    let place = Place::new();
    let check = |line: &str, expected: &str| {
        let ran = place.run(line).done();
        let words = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(expected), "{line}\n{}", ran.out);
    };
    check("run --help", "A line that begins with a slash is a command");
    check("demo --help", "Nothing outside that project is touched");
    check("replay --help", "The recording has one event a line");
}

#[test]
fn a_recorded_run_replays_to_the_same_decisions() {
    let place = Place::new();
    let packages = crate::place::repository().join("packages");
    let scenario = json!({ "turns": [
        { "calls": [bash("git push --force origin main")] },
        { "calls": [{ "tool": "write", "args": { "path": "a.md", "content": "token ghp_0123456789abcdefghijABCDEFGHIJ012345" } }] },
        { "calls": [{ "tool": "read", "args": { "path": "a.md" } }], "cost": 9.0 },
        { "say": "seen" },
    ] });
    place.write("scenario.yml", scenario.to_string());
    for package in ["security-audit", "budget-alert", "precompact"] {
        let to = place.project().join("../plugins").join(package);
        std::fs::create_dir_all(to.join("src")).unwrap();
        for file in ["plugin.yml", "package.json"] {
            std::fs::copy(packages.join(package).join(file), to.join(file)).unwrap();
        }
        for source in std::fs::read_dir(packages.join(package).join("src")).unwrap() {
            let source = source.unwrap();
            std::fs::copy(source.path(), to.join("src").join(source.file_name())).unwrap();
        }
    }
    let enabled =
        "plugins: { enabled: ['../plugins/security-audit', '../plugins/budget-alert', '../plugins/precompact'] }\n";
    place.write("home/config.yml", format!("permissions: {{ allow: [write] }}\n{enabled}"));
    for package in ["security-audit", "budget-alert", "precompact"] {
        place.run(&format!("plugin grant {package} --yes")).done();
    }
    let ran = place.run("run go --scenario @/scenario.yml --json --record @/recorded.ndjson").done();
    let lines = ran.json();
    assert_eq!(outcome(&lines, "bash")["remarks"][0]["plugin"], "security-audit", "{}", ran.out);

    let replayed = place.run("replay @/recorded.ndjson --json").done();
    let replayed = replayed.json();
    let events: Vec<&Value> = replayed.iter().filter(|line| line["event"].is_string()).collect();
    let blocked = events.iter().find(|line| line["outcome"] == "blocked").unwrap();
    assert_eq!(
        (blocked["event"].as_str(), blocked["by"].as_str()),
        (Some("tool.execute.before"), Some("security-audit"))
    );
    assert!(events.iter().any(|line| line["event"] == "command.executed"), "the recording is whole");
    assert!(events.iter().all(|line| line["outcome"] != "failed"), "{replayed:?}");
}

#[test]
fn a_plugin_signs_in_to_a_model() {
    use std::io::{BufRead, BufReader, Read, Write};

    let place = Place::new();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let answered = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(bytes) = line.to_lowercase().strip_prefix("content-length:") {
                length = bytes.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
            head += &line;
        }
        reader.read_exact(&mut vec![0; length]).unwrap();
        let body = json!({ "choices": [{ "message": { "role": "assistant", "content": "signed in" }, "finish_reason": "stop" }] });
        let body = body.to_string();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).unwrap();
        head
    });
    place.plugin(
        "home/plugins/sso",
        "capabilities: {}\n",
        "export default async () => ({ auth: { providers: { 'custom-sso': async () => ({ token: 'tok-secret-1234567890', headers: { 'X-Tenant': 'ten-secret-1234567890' } }) } } });",
    );
    place.run("plugin grant sso --yes").done();
    place.write(
        "home/config.yml",
        format!(
            "model: corp/any\nproviders: {{ corp: {{ baseUrl: 'http://127.0.0.1:{port}/v1', auth: custom-sso }} }}\n"
        ),
    );
    let ran = place.run("run hello --json").done();
    assert!(ran.out.contains("signed in"), "{}", ran.out);
    assert!(!ran.out.contains("tok-secret") && !ran.out.contains("ten-secret"), "nobody gets to see it");
    let head = answered.join().unwrap().to_lowercase();
    assert!(head.contains("authorization: bearer tok-secret-1234567890"), "{head}");
    assert!(head.contains("x-tenant: ten-secret-1234567890"), "{head}");
}

/// Programs read what went wrong where they read everything else.
#[test]
fn what_keeps_a_run_from_beginning_is_told_to_programs() {
    let check = |line: &str, code: i32, said: &[&str]| {
        let place = Place::new();
        place.write("home/broken/config.yml", "budget:\n  maxCots: 1\n");
        let mut command = place.mimir();
        let (home, line) = line.split_once(": ").unwrap();
        command.env("MIMIR_HOME", place.home().join(home)).args(line.split(' ')).arg("--json");
        let ran = Ran::of(&mut command);
        assert_eq!(ran.code, Some(code), "{line}: {}", ran.err);
        let lines = ran.json();
        let [end] = lines.as_slice() else { panic!("{line}: {}", ran.out) };
        assert_eq!((&end["type"], &end["ended"], &end["session"]), (&json!("end"), &json!("failed"), &Value::Null));
        let error = end["error"].as_str().unwrap();
        assert!(said.iter().all(|said| error.contains(said)), "{line}: {error}");
        assert!(!ran.err.is_empty(), "people are told as well");
    };
    check("x: run", 2, &["there is no task", "say what to do"]);
    check("x: run hello --resume nothing", 1, &["there is no session `nothing`", "mimir sessions list"]);
    check("x: run hello --continue", 1, &["there is no session of this project to go on with"]);
    check("x: run hello --model antropic/claude-x", 1, &["can't be asked", "did you mean `anthropic/claude-x`?"]);
    check("x: run hello --model claud-sonnet-4-5", 1, &["did you mean `claude-sonnet-4-5`?"]);
    check("x: run hello --model openai/gpt-5", 1, &["needs a key", "set OPENAI_API_KEY"]);
    check("x: run hello --scenario missing.yml", 1, &["the scenario missing.yml can't be read"]);
    check("x: run hello --project missing", 1, &["there is no folder missing"]);
    check("broken: run hello", 1, &["config.yml:2:3: ", "unknown key `maxCots`", "did you mean `maxCost`?"]);
}

#[test]
fn a_talk_takes_no_model_that_a_run_would_not_take() {
    let place = Place::new();
    for (model, is_error, said) in [
        ("antropic/claude-x", true, "did you mean `anthropic/claude-x`?"),
        ("openai/gpt-5", true, "set OPENAI_API_KEY"),
        ("openai/", true, "`openai` is a provider and no model"),
        ("scripted/other", false, "the next answer is that of scripted/other"),
    ] {
        let ran = play(&place, &json!({ "turns": [] }), &[&format!("/model {model}")]);
        let lines = ran.json();
        let answer = of_type(&lines, "said")[0];
        assert_eq!(answer["isError"], is_error, "{answer}");
        assert!(answer["text"].as_str().unwrap().contains(said), "{answer}");
    }
}

#[test]
fn a_role_that_a_repository_can_t_change_is_told() {
    let place = Place::new();
    place.write("project/.mimir/config.yml", "agents:\n  explore: { prompt: evil }\n  reviewer: { prompt: review }\n");
    place.run("plugin trust").done();
    let lines = play(&place, &json!({ "turns": [] }), &["hello"]).done().json();
    let notices = of_type(&lines, "notice");
    let [notice] = notices.as_slice() else { panic!("{notices:?}") };
    let text = place.anonymous(notice["text"].as_str().unwrap());
    assert!(text.starts_with("the role `explore` of @/project/.mimir/config.yml:2 is left out"), "{text}");
    assert!(text.contains("~/.mimir/config.yml"), "{text}");
}
