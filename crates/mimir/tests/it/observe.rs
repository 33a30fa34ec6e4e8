//! Shadow mode through the binary: nothing comes of what an observer says, and all of it is on record.

use std::fs;

use serde_json::{Value, json};

use crate::place::{Place, event};

/// Blocks what is called `rm`, changes `ls` in place, fails at `boom`, writes a file at `write`, approves nothing.
const MODULE: &str = "\
export default async (ctx: any) => ({
  on: {
    'tool.execute.before': async (event: any) => {
      const { command } = event.args;
      if (command === 'rm') return { block: true, reason: 'no rm' };
      if (command === 'ls') event.args.command = 'ls --color';
      if (command === 'boom') for (;;) {}
      if (command === 'write') {
        await ctx.fs.writeFile('made.txt', 'x');
        await ctx.fs.mkdir('folder');
        await ctx.fs.remove('kept.txt');
        return { block: true, reason: await ctx.fs.readFile('kept.txt') };
      }
    },
    'permission.ask': async () => ({ allow: false, reason: 'never' }),
  },
});
";
/// Comes after it, and shows what it gets.
const WITNESS: &str = "\
export default async () => ({
  on: { 'tool.execute.before': async (event: any) => ({ args: { ...event.args, seen: event.args.command } }) },
});
";

fn arranged(mode: &str) -> Place {
    let place = Place::new();
    let manifest = "events: [tool.execute.before, permission.ask]\nfailure: closed\n\
                    capabilities: { filesystem: { read: true, write: true, delete: true } }\n";
    place.plugin("home/plugins/guard", manifest, MODULE);
    place.plugin("home/plugins/witness", "events: [tool.execute.before]\nafter: [guard]\n", WITNESS);
    place.write("home/config.yml", format!("plugins: {{ overrides: {{ guard: {{ mode: {mode} }} }} }}\n"));
    place.write("project/kept.txt", "kept");
    let call = |command: &str| {
        let args = json!({ "tool": "bash", "args": { "command": command }, "callId": "c", "source": "builtin" });
        event("tool.execute.before", &args)
    };
    let ask = event("permission.ask", &json!({ "type": "bash", "command": "rm", "risk": "low" }));
    let events = ["rm", "ls", "boom", "write", "cat"].map(call).concat();
    place.write("x.ndjson", format!("{events}{ask}"));
    place.run("plugin grant guard --yes").done();
    place
}

/// What became of each event: the outcome, what the witness saw, what the guard did and would have done.
fn outcomes(place: &Place) -> Vec<Value> {
    let lines = place.run("replay @/x.ndjson --live --json").done().json();
    let events = lines.iter().filter(|line| line.get("event").is_some());
    events
        .map(|line| {
            let guard = line["answers"].as_array().unwrap().iter().find(|answer| answer["plugin"] == "guard").unwrap();
            json!([line["outcome"], line["payload"]["args"]["seen"], guard["outcome"], guard["would"]])
        })
        .collect()
}

#[test]
fn nothing_comes_of_what_an_observer_says() {
    let place = arranged("observe");
    assert_eq!(
        outcomes(&place),
        [
            json!(["changed", "rm", "passed", "blocked"]),
            json!(["changed", "ls", "passed", "changed"]),
            json!(["changed", "boom", "passed", "blocked"]),
            json!(["changed", "write", "passed", "blocked"]),
            json!(["changed", "cat", "passed", null]),
            json!(["passed", null, "passed", "denied"]),
        ]
    );
    // Its own writes neither, though it is granted them
    assert!(!place.project().join("made.txt").exists() && !place.project().join("folder").exists());
    assert_eq!(place.read("project/kept.txt"), "kept");

    let records: Vec<Value> = fs::read_dir(place.home().join("audit"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "ndjson"))
        .flat_map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| serde_json::from_str(&line).ok())
        .collect();
    let would: Vec<_> =
        records.iter().filter(|line| line["kind"] == "observed").map(|line| &line["detail"]["would"]).collect();
    assert_eq!(would, ["blocked", "changed", "blocked", "blocked", "denied"]);
    let decided = records.iter().filter(|line| line["kind"] == "decision" && line["plugin"] == "guard").count();
    assert_eq!(decided, 0);
    let not_done = records.iter().filter(|line| line["detail"]["observed"] == json!(true)).count();
    assert_eq!(not_done, 3);
    assert!(records.iter().any(|line| line["kind"] == "grant" && line["plugin"] == "guard"));
}

/// The same plugin in earnest, so that the test above proves something.
#[test]
fn enforced_it_does_all_of_it() {
    let place = arranged("enforce");
    let found = outcomes(&place);
    let first: Vec<_> = found.iter().map(|outcome| outcome[0].as_str().unwrap()).collect();
    assert_eq!(first, ["blocked", "changed", "blocked", "blocked", "changed", "denied"], "{found:?}");
    assert!(place.project().join("made.txt").exists() && !place.project().join("kept.txt").exists());
}

#[test]
fn screens_say_that_it_only_observes() {
    let place = arranged("observe");
    let listed = place.run("plugin list").done().out;
    assert!(listed.contains("◌  guard") && listed.contains("observes"), "{listed}");
    assert!(place.run("plugin info guard").done().out.contains("observe: its answers are recorded"));
    let shown = place.run("replay @/x.ndjson").done().out;
    for said in [
        "◌ would have been blocked by guard (it only observes)",
        "◌ would have been changed by guard (it only observes)",
        "◌ guard failed, which would have blocked (it only observes)",
        "◌ would have been denied by guard (it only observes)",
        "OBSERVED",
    ] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
}
