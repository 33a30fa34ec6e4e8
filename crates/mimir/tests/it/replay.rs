//! `mimir replay`: what it prints, what it does not touch, and how it ends.

use std::io::{BufRead, BufReader, Write};

use serde_json::{Value, json};

use crate::place::{Place, event};

fn idle() -> String {
    event("session.idle", &json!({"reason": "completed", "session": {"id": "ses_1"}}))
}

fn bash(command: &str) -> String {
    event(
        "tool.execute.before",
        &json!({"tool": "bash", "args": {"command": command}, "callId": "c", "source": "builtin"}),
    )
}

/// Blocks `rm`, adds a flag to `ls`, and fails at anything with `bug` in it.
fn guard(place: &Place) {
    let module = "\
export default async () => ({
  on: {
    'tool.execute.before': async (event: { args: { command: string } }) => {
      if (event.args.command.startsWith('rm')) throw new Error('no deleting');
      if (event.args.command === 'ls') event.args.command = 'ls -l';
      if (event.args.command.includes('bug')) return { args: 17 };
    },
  },
});
";
    place.plugin("plugins/guard", "events: [tool.execute.before]\n", module);
}

#[test]
fn the_shapes_of_json() {
    let place = Place::new();
    guard(&place);
    place.write("x.ndjson", [bash("ls"), bash("rm -rf x"), bash("pwd"), bash("bug")].concat());
    let ran = place.run("replay @/x.ndjson --json --plugins @/plugins").done();
    let mut lines = ran.json();
    // What differs from run to run
    for line in &mut lines {
        let answers = line.get_mut("answers").and_then(Value::as_array_mut).into_iter().flatten();
        for answer in answers {
            for key in ["ms", "cpuMs"] {
                assert!(answer[key].as_f64().unwrap() > 0.0, "{answer}");
                answer[key] = json!("[ms]");
            }
        }
        if let Some(summary) = line.get_mut("summary") {
            summary["ms"] = json!("[ms]");
            let part = &mut summary["plugins"][0];
            assert!(part["peakHeapBytes"].as_u64().unwrap() > 100_000, "{part}");
            for key in ["ms", "cpuMs", "peakHeapBytes"] {
                part[key] = json!("[…]");
            }
        }
    }
    let lines: Vec<_> = lines.iter().map(|line| serde_json::to_string_pretty(line).unwrap()).collect();
    insta::assert_snapshot!("json", lines.join("\n"));
}

#[test]
fn what_people_see() {
    let place = Place::new();
    guard(&place);
    place.write("x.ndjson", [bash("ls"), bash("rm -rf x"), bash("pwd"), bash("bug"), idle()].concat());
    let ran = place.run("replay @/x.ndjson --plugins @/plugins").done();
    // Times differ from run to run, and with them what stands at the right
    let mut text = String::new();
    for line in ran.out.lines() {
        let has_time = line.contains("guard in ") || line.contains("failed in ") || line.contains(" events in ");
        let line = if has_time { line.split(" in ").next().unwrap() } else { line };
        let line = line.split("  guard").next().unwrap().trim_end();
        if line.starts_with("guard") {
            continue;
        }
        text.push_str(line);
        text.push('\n');
    }
    insta::assert_snapshot!("screen", text);
    assert!(!ran.out.contains('\u{1b}'), "no colours where nobody sees them");
    assert!(place.run("replay @/x.ndjson --plugins @/plugins --color always").done().out.contains("\u{1b}[31m"));
}

#[test]
fn fail_on_is_for_ci() {
    let place = Place::new();
    guard(&place);
    place.write("rm.ndjson", bash("rm -rf x"));
    place.write("bug.ndjson", bash("bug"));
    for (line, code) in [
        ("rm.ndjson", 0),
        ("rm.ndjson --fail-on blocked,failed", 1),
        ("rm.ndjson --fail-on failed", 0),
        ("bug.ndjson --fail-on blocked", 0),
        ("bug.ndjson --fail-on failed", 1),
        ("rm.ndjson --fail-on blocked --no-plugins", 0),
    ] {
        let ran = place.run(&format!("replay --json --plugins @/plugins @/{line}"));
        assert_eq!(ran.code, Some(code), "{line}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn a_guard_that_fails_closed_blocks() {
    let place = Place::new();
    place.plugin(
        "plugins/closed",
        "failure: closed\nevents: [tool.execute.before]\n",
        "export default async () => ({ on: { 'tool.execute.before': () => 17 } });\n",
    );
    place.write("x.ndjson", bash("ls").repeat(5));
    let ran = place.run("replay @/x.ndjson --json --plugins @/plugins").done();
    let lines = ran.json();
    assert!(lines[..5].iter().all(|line| line["outcome"] == "blocked"), "{}", ran.out);
    // In quarantine it goes on blocking, and says how to get out
    assert!(lines[4]["reason"].as_str().unwrap().contains("mimir plugin enable closed"), "{}", lines[4]);
    assert_eq!(lines[5]["summary"]["plugins"][0]["failures"], 3);
}

#[test]
fn nothing_is_touched_unless_live() {
    let module = "\
export default async (ctx: any) => ({
  on: {
    'session.idle': async () => {
      await ctx.storage.set('seen', ((await ctx.storage.get('seen')) ?? 0) + 1);
      try {
        await ctx.fs.writeFile('note.txt', 'written');
      } catch (error: any) {
        throw new Error(`${error.code} ${error.message}`);
      }
    },
    'session.error': async () => {
      const { stdout } = await ctx.exec('echo', ['hello']);
      throw new Error(stdout);
    },
  },
});
";
    let manifest = "events: [session.idle, session.error]\ncapabilities:\n  filesystem: { write: true }\n  exec: { enabled: true, allowlist: ['echo *'] }\n";
    let place = Place::new();
    place.plugin("plugins/writer", manifest, module);
    let call = r#"{"hostCall":{"plugin":"writer","op":"exec","args":{"command":"echo"},"result":{"exitCode":0,"stdout":"recorded","stderr":""}}}"#;
    let error = event("session.error", &json!({"error": {"message": "x"}}));
    place.write("x.ndjson", format!("{}{error}{call}\n{error}", idle()));

    let ran = place.run("replay @/x.ndjson --json --yes --plugins @/plugins").done();
    let reasons: Vec<_> =
        ran.json().iter().map(|line| line["reason"].as_str().unwrap_or_default().to_owned()).collect();
    assert!(reasons[0].contains("NOT_RECORDED"), "{reasons:?}");
    assert!(reasons[1].contains("recorded"), "{reasons:?}");
    assert!(reasons[2].contains("not in the recording"), "{reasons:?}");
    assert!(!place.project().join("note.txt").exists());
    assert!(!place.home().join("storage").exists() && !place.home().join("audit").exists());

    let ran = place.run("replay @/x.ndjson --json --live --yes --plugins @/plugins").done();
    assert_eq!(ran.json()[0]["outcome"], "passed", "{}", ran.out);
    assert!(ran.json()[2]["reason"].as_str().unwrap().contains("hello"), "{}", ran.out);
    assert_eq!(place.read("project/note.txt"), "written");
    assert!(place.home().join("storage").exists() && place.home().join("audit").exists());
}

#[test]
fn nothing_is_granted_without_a_word() {
    let place = Place::new();
    place.plugin(
        "plugins/writer",
        "events: [session.idle]\ncapabilities: { filesystem: { write: true } }\n",
        "export default async () => ({ on: { 'session.idle': () => {} } });\n",
    );
    place.write("x.ndjson", idle());
    let ran = place.run("replay @/x.ndjson --json --plugins @/plugins").done();
    assert_eq!(ran.json()[0]["answers"], json!([]));
    assert!(ran.err.contains("mimir plugin grant writer"), "{}", ran.err);
}

#[test]
fn the_session_is_kept_as_it_stood() {
    let place = Place::new();
    let module = "\
export default async (ctx: any) => ({
  on: {
    'session.compacting': async () => {
      const texts = (await ctx.session.messages()).map((message: any) => message.content);
      return { context: [texts.join(' '), (await ctx.session.metadata()).title] };
    },
  },
});
";
    place.plugin("plugins/keeper", "events: [session.compacting]\n", module);
    let message = |event_name: &str, id: &str, text: &str| {
        event(event_name, &json!({"message": {"id": id, "role": "user", "content": text}}))
    };
    let compacting = event("session.compacting", &json!({"trigger": "auto", "messageCount": 2, "tokens": 10}));
    let recording = [
        event("session.created", &json!({"session": {"id": "ses_1", "title": "Vouchers"}})),
        message("message.added", "m1", "one"),
        message("message.added", "m2", "two"),
        message("message.updated", "m1", "ONE"),
        compacting.clone(),
        message("message.removed", "m2", "two"),
        compacting,
    ];
    place.write("x.ndjson", recording.concat());
    let ran = place.run("replay @/x.ndjson --json --plugins @/plugins").done();
    let contexts: Vec<Value> = ran.json().iter().filter_map(|line| line["payload"].get("context").cloned()).collect();
    assert_eq!(contexts, [json!(["ONE two", "Vouchers"]), json!(["ONE", "Vouchers"])], "{}", ran.out);
}

#[test]
fn standard_input_is_read_as_it_comes() {
    let place = Place::new();
    guard(&place);
    let mut child = place.start("replay - --json --plugins @/plugins");
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // An event is complete when the next one is seen; it does not wait for the end
    stdin.write_all((bash("ls") + &bash("pwd")).as_bytes()).unwrap();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["outcome"], "changed");
    drop(stdin);
    let rest: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert_eq!(rest.len(), 2);
    assert!(child.wait().unwrap().success());
}

#[cfg(unix)]
#[test]
fn an_interruption_ends_with_what_was_done() {
    let place = Place::new();
    guard(&place);
    let mut child = place.start("replay - --json --plugins @/plugins");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all((bash("ls") + &bash("pwd")).as_bytes()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    let children = children_of(child.id());
    assert!(!children.is_empty(), "the sandbox process runs");
    let interrupted = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let last: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&last["summary"]["interrupted"], &last["summary"]["events"]), (&json!(true), &json!(1)));
    assert_eq!(child.wait().unwrap().code(), Some(130));
    for process in children {
        let path = format!("/proc/{process}/stat");
        // Gone, or a zombie that its new parent has not seen yet
        let state = std::fs::read_to_string(path).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }
    drop(stdin);
}

#[cfg(unix)]
pub(crate) fn children_of(process: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    children.flat_map(|line| line.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()).collect()
}

#[test]
fn an_untrusted_repository_is_told_once() {
    let place = Place::new();
    let module = "export default async () => ({ on: { 'session.idle': () => {} } });\n";
    for name in ["one", "two"] {
        place.plugin(&format!("project/.mimir/plugins/{name}"), "events: [session.idle]\n", module);
    }
    place.write("x.ndjson", idle());
    let ran = place.run("replay @/x.ndjson --json --yes").done();
    assert_eq!(ran.json()[0]["answers"], json!([]), "granting is not trusting");
    assert_eq!(ran.err.matches("not trusted").count(), 1, "{}", ran.err);
    assert!(ran.err.contains("one, two do not run") && ran.err.contains("mimir plugin trust"), "{}", ran.err);
}
