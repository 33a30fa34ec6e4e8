use serde_json::json;

use super::project::Language;

/// What the model plays, as YAML (of which JSON is a part).
pub(super) fn of(language: Language, has_formatter: bool, has_plugins: bool) -> String {
    let (path, content) = language.written;
    let call = |tool: &str, args: serde_json::Value| json!({ "tool": tool, "args": args });
    let bash = |command: &str| call("bash", json!({ "command": command }));
    let usage = |cost: f64| (json!({ "input": 1_800, "output": 120 }), cost);
    let turn = |say: &str, calls: Vec<serde_json::Value>, (usage, cost): (serde_json::Value, f64)| json!({ "say": say, "calls": calls, "usage": usage, "cost": cost });
    let scenario = json!({
        "delay": 18,
        "end": "That is all I was to show.",
        "turns": [
            turn(
                "I look at the project first.",
                vec![call("glob", json!({ "pattern": "**/*" })), call("read", json!({ "path": "NOTES.md" }))],
                usage(0.06),
            ),
            turn(
                "People are to be greeted by their name. I write that in a hurry, without looking at how it is laid out.",
                vec![call("write", json!({ "path": path, "content": content }))],
                usage(0.12),
            ),
            turn("Let me see what became of it.", vec![call("read", json!({ "path": path }))], usage(0.08)),
            // Harmless should it ever run: the project has no remote
            turn(
                "I publish it at once, over whatever the others have done.",
                vec![bash("git push --force origin main")],
                usage(0.09),
            ),
            turn(
                "That was refused, and rightly so. I only remove what an old build left.",
                vec![bash("rm -r build")],
                usage(0.08),
            ),
            {
                "say": format!(
                    "Done: {path} greets people by their name, and build/ is gone. {}",
                    what_plugins_did(has_formatter, has_plugins)
                ),
                "usage": { "input": 2_400, "output": 90 },
                "cost": 0.04,
            },
        ],
    });
    scenario.to_string()
}

/// The last words. They must not praise what did not happen.
fn what_plugins_did(has_formatter: bool, has_plugins: bool) -> &'static str {
    match (has_plugins, has_formatter) {
        (false, _) => "No plugin was there to lay the file out or to watch what I cost.",
        (true, false) => "A plugin kept me from pushing over other people's work, and another watched what I cost.",
        (true, true) => {
            "A plugin laid the file out, another kept me from pushing over other people's work, and a third watched what \
             I cost."
        }
    }
}
