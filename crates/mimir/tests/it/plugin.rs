//! `mimir plugin …` on real files.

use serde_json::{Value, json};

use crate::place::{Place, Ran, event};

const MODULE: &str = "export default async () => ({ on: { 'session.idle': async () => {} } });\n";

/// The state of each plugin, by name.
fn states(place: &Place) -> Value {
    let listed = place.run("plugin list --json").done().json();
    let plugins = listed[0].as_array().unwrap().iter();
    plugins.map(|plugin| (plugin["id"].as_str().unwrap().to_owned(), plugin["state"].clone())).collect()
}

#[test]
fn a_repository_is_trusted_then_its_plugins_are_granted() {
    let place = Place::new();
    let manifest = "events: [session.idle]\ncapabilities:\n  filesystem: { read: true }\n  exec: { enabled: true, allowlist: ['git *'] }\n";
    place.plugin("project/.mimir/plugins/guard", manifest, MODULE);
    place.plugin("project/.mimir/plugins/plain", "events: [session.idle]\n", MODULE);
    assert_eq!(states(&place), json!({"guard": "not-trusted", "plain": "not-trusted"}));

    place.run("plugin trust").done();
    assert_eq!(states(&place), json!({"guard": "not-granted", "plain": "ready"}));

    // Nobody is there to say yes
    let ran = place.run("plugin grant guard");
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("run programs, with your rights: `git *`"), "{}", ran.out);
    assert!(ran.err.contains("--yes"), "{}", ran.err);

    place.run("plugin grant guard --yes").done();
    assert_eq!(states(&place), json!({"guard": "ready", "plain": "ready"}));

    // A grant is for exactly the content that was shown
    place.plugin("project/.mimir/plugins/guard", manifest, &format!("// changed\n{MODULE}"));
    assert_eq!(states(&place)["guard"], "not-granted");
    let ran = place.run("plugin grant guard --yes").done();
    assert!(ran.out.contains("Its content has changed since you granted it"), "{}", ran.out);
    assert_eq!(states(&place)["guard"], "ready");
    let wider = manifest.replace("'git *'", "'git *', 'rm *'");
    place.plugin("project/.mimir/plugins/guard", &wider, MODULE);
    assert_eq!(states(&place)["guard"], "not-granted");
    let shown = place.run("plugin grant guard --json --yes").done().json();
    assert_eq!(shown[0]["request"]["before"]["exec"]["allowlist"], json!(["git *"]));

    place.run("plugin grant guard --revoke").done();
    assert_eq!(states(&place)["guard"], "not-granted");
    place.run("plugin trust --revoke").done();
    assert_eq!(states(&place), json!({"guard": "not-trusted", "plain": "not-trusted"}));
    assert!(!place.project().join(".mimir/grants.json").exists(), "a repository holds no grants");
}

#[test]
fn trust_shows_what_it_lets_the_agent_do() {
    let place = Place::new();
    place.write(
        "project/.mimir/config.yml",
        "model: openai/other\ncompaction: { keepMessages: 2 }\nagents: { reviewer: { prompt: You review. } }\n\
         permissions: { allow: ['bash(make *)'] }\ntools: { bash: { timeoutMs: 5000 } }\n\
         mcp: { servers: { docs: { command: ./serve, args: [--all] }, off: { command: never, enabled: false } } }\n",
    );
    place.write("project/.mimir/tools/count.yml", "name: count\n");
    place.write("project/.mimir/commands/fix.yml", "name: fix\n");
    let ran = place.run("plugin trust").done();
    let told = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "/.mimir/serve --all` with your rights in each session, as the MCP server docs",
        "allow `bash(make *)` without a question where the risk is low",
        "add tools to the agent's, from .mimir/tools (files: 1)",
        "add slash commands to yours, from .mimir/commands (files: 1)",
        "add the role reviewer to those of sub-agents",
        "have the agent talk to the model openai/other",
        "say when a conversation is compacted",
        "let a command line of the agent's take 5000 ms",
    ] {
        assert!(told.contains(expected), "{expected}\n{}", ran.out);
    }
    assert!(!told.contains("never"), "{}", ran.out);
}

#[test]
fn enabling_and_disabling_keep_comments() {
    let place = Place::new();
    place.plugin("project/.mimir/plugins/formatter", "events: [session.idle]\n", MODULE);
    place.plugin("project/node_modules/@acme/mimir-audit", "events: [session.idle]\n", MODULE);
    place.write(
        "project/node_modules/@acme/mimir-audit/plugin.yml",
        "name: '@acme/mimir-audit'\nversion: 1.0.0\nevents: [session.idle]\n",
    );
    let before = "# ours\nplugins:\n  enabled: # what we use\n    - @acme/mimir-audit # security\n\n# money\nbudget:\n  maxCost: 10 # dollars\n";
    let file = "project/.mimir/config.yml";
    place.write(file, before);
    place.run("plugin trust").done();
    assert_eq!(states(&place), json!({"@acme/mimir-audit": "ready", "formatter": "ready"}));

    place.run("plugin disable formatter").done();
    let disabled = place.read(file);
    assert!(before.lines().all(|line| disabled.contains(line)), "{disabled}");
    assert_eq!(states(&place)["formatter"], "disabled");

    place.run("plugin enable formatter").done();
    assert_eq!(states(&place)["formatter"], "ready");
    assert!(before.lines().all(|line| place.read(file).contains(line)), "{}", place.read(file));

    // The user's own word is stronger than the repository's
    place.run("plugin disable @acme/mimir-audit --global").done();
    assert_eq!(states(&place)["@acme/mimir-audit"], "disabled");
    assert!(place.read("home/config.yml").contains("mimir-audit"));
    let ran = place.run("plugin enable @acme/mimir-audit");
    assert_eq!(ran.code, Some(3), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("home/config.yml") || ran.out.contains("~/.mimir/config.yml"), "{}", ran.out);
    place.run("plugin enable @acme/mimir-audit --global").done();
    assert_eq!(states(&place)["@acme/mimir-audit"], "ready");
}

#[test]
fn a_folder_is_enabled_by_its_path() {
    let place = Place::new();
    place.plugin("project/tools/my-plugin", "events: [session.idle]\n", MODULE);
    place.run("plugin trust").done();
    let ran = place.run("plugin enable ./tools/my-plugin").done();
    assert!(ran.out.contains("my-plugin is enabled"), "{}", ran.out);
    assert!(place.read("project/.mimir/config.yml").contains("../tools/my-plugin"));
    assert_eq!(states(&place), json!({"my-plugin": "ready"}));
}

#[test]
fn a_name_hides_the_same_name_further_away() {
    let place = Place::new();
    place.plugin("project/.mimir/plugins/same", "events: [session.idle]\n", MODULE);
    place.plugin("home/plugins/same", "events: [session.idle]\n", MODULE);
    // Before the repository is trusted, it can't take the user's own plugin away
    let listed = place.run("plugin list --json").done().json();
    assert_eq!(listed[0][0]["source"], "user");
    place.run("plugin trust").done();
    let listed = place.run("plugin list --json").done().json();
    assert_eq!(listed[0][0]["source"], "project");
    assert_eq!(listed[0][0]["shadows"].as_array().unwrap().len(), 1);
    assert!(place.run("plugin list").done().out.contains("same hides 1 other of its name"));
}

#[test]
fn info_tells_everything() {
    let place = Place::new();
    place.plugin(
        "home/plugins/teller",
        "description: Tells\nauthor: a@example.com\nfailure: closed\nevents: [session.idle]\ncapabilities: { env: [HOME] }\n",
        MODULE,
    );
    let info = place.run("plugin info teller --json").done().json();
    assert_eq!(info[0]["granted"], "missing");
    assert_eq!(info[0]["failure"], "closed");
    assert_eq!(info[0]["needs"]["env"], json!(["HOME"]));
    assert_eq!(info[0]["effective"]["env"], json!([]));
    place.run("plugin grant teller --yes").done();
    let info = place.run("plugin info teller --json").done().json();
    assert_eq!(info[0]["effective"]["env"], json!(["HOME"]));
    assert!(place.run("plugin info teller").done().out.contains("Tells"));
    let ran = place.run("plugin info tellr");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("did you mean `teller`?"), "{}", ran.err);
}

#[test]
fn info_starts_a_plugin_if_asked_to() {
    let place = Place::new();
    let module = "\
import { tool } from '@mimir/plugin';
export default async (ctx: any) => {
  await ctx.fs.writeFile('started.txt', 'x').catch(() => {});
  return {
    tools: [tool({ name: 'count', description: 'Counts lines', schema: { type: 'object' }, execute: () => 1 })],
    commands: [{ name: 'review', description: 'Reviews', execute: () => {} }],
    auth: { providers: { 'custom-sso': async () => ({ token: 'x' }) } },
    on: { 'session.error': () => {} },
  };
};
";
    let manifest = "events: [session.idle]\ncapabilities: { filesystem: { write: true } }\n";
    place.plugin("home/plugins/adder", manifest, module);
    let ran = place.run("plugin info adder --start");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("can't be started") && ran.err.contains("mimir plugin grant adder"), "{}", ran.err);

    place.run("plugin grant adder --yes").done();
    assert!(place.run("plugin info adder").done().out.contains("mimir plugin info adder --start"));
    let out = place.run("plugin info adder --start").done().out.replace("\n  │ ", " ");
    for said in [
        "tools       count: Counts lines",
        "commands    /review: Reviews",
        "signs in to custom-sso",
        "there is a handler for `session.error`, but",
        "plugin.yml lists `session.idle`, and there is no handler for it",
    ] {
        assert!(out.contains(said), "{said}: {out}");
    }
    let info = place.run("plugin info adder --start --json").done().json();
    assert_eq!(info[0]["registered"]["tools"][0]["schema"], json!({"type": "object"}));
    assert_eq!(info[0]["registered"]["authProviders"], json!(["custom-sso"]));
    assert!(!place.project().join("started.txt").exists(), "nothing is written");

    // A name that no command may have: it does not start, here and in a replay
    let wrong = "export default async () => ({ commands: [{ name: 'Re View', execute() {} }], on: { 'session.idle': () => {} } });\n";
    place.plugin("home/plugins/adder", "events: [session.idle]\n", wrong);
    let ran = place.run("plugin info adder --start");
    assert_eq!(ran.code, Some(1));
    let out = ran.out.replace("\n  │ ", " ");
    assert!(out.contains("it could not start: `Re View` is no name for a command"), "{out}");
    place.write("x.ndjson", event("session.idle", &json!({"reason": "waiting", "session": {"id": "ses_1"}})));
    let ran = place.run("replay @/x.ndjson --json").done();
    assert!(ran.json()[0]["reason"].as_str().unwrap().contains("it could not start: `Re View` is no"), "{}", ran.out);
}

#[test]
fn a_quarantine_ends_by_enabling() {
    let place = Place::new();
    let module =
        "export default async () => ({ on: { 'session.idle': async () => { throw new Error('broken'); } } });\n";
    place.plugin("home/plugins/shaky", "events: [session.idle]\n", module);
    let line = event("session.idle", &json!({"reason": "waiting", "session": {"id": "ses_1"}}));
    place.write("x.ndjson", line.repeat(4));
    // A replay leaves no traces
    let ran = place.run("replay @/x.ndjson --json").done();
    let told = "✗ shaky: is in quarantine (3 failures in a row, the last: it threw: broken (at";
    assert!(ran.err.contains(told), "{}", ran.err);
    assert_eq!(ran.json()[3]["answers"], json!([]), "not asked any more");
    assert_eq!(states(&place)["shaky"], "ready");
    // A live one does
    place.run("replay @/x.ndjson --live").done();
    assert_eq!(states(&place)["shaky"], "quarantined");
    place.run("plugin enable shaky").done();
    assert_eq!(states(&place)["shaky"], "ready");
    let Ran { out, .. } = place.run("plugin enable shaky").done();
    assert!(out.contains("already"), "{out}");
}

#[test]
fn the_configuration_says_how_many_failures_quarantine() {
    let failures_of = |folder: &str, options: &str, user: &str, project: &str| {
        let place = Place::new();
        let module =
            "export default async () => ({ on: { 'session.idle': async () => { throw new Error('broken'); } } });\n";
        place.plugin(folder, "events: [session.idle]\n", module);
        place.write("home/config.yml", user);
        place.write("project/.mimir/config.yml", project);
        let line = event("session.idle", &json!({"reason": "waiting", "session": {"id": "ses_1"}}));
        place.write("x.ndjson", line.repeat(6));
        place.run("plugin trust --yes").done();
        let ran = place.run(&format!("replay @/x.ndjson --json {options}")).done();
        ran.json().last().unwrap()["summary"]["plugins"][0]["failures"].as_u64().unwrap()
    };
    let failures = |user: &str, project: &str| failures_of("plugins/shaky", "--plugins @/plugins", user, project);
    assert_eq!(failures("", ""), 3);
    assert_eq!(failures("plugins: { quarantineAfter: 5 }\n", ""), 5);
    // A repository only narrows, and only its own
    assert_eq!(failures("plugins: { quarantineAfter: 2 }\n", "plugins: { quarantineAfter: 5 }\n"), 2);
    assert_eq!(failures("plugins: { quarantineAfter: 5 }\n", "plugins: { quarantineAfter: 1 }\n"), 5);
    let failures = |user: &str, project: &str| failures_of("project/.mimir/plugins/shaky", "", user, project);
    assert_eq!(failures("plugins: { quarantineAfter: 2 }\n", "plugins: { quarantineAfter: 5 }\n"), 2);
    assert_eq!(failures("plugins: { quarantineAfter: 5 }\n", "plugins: { quarantineAfter: 1 }\n"), 1);
}

/// What a trusted repository says about a plugin that it does not bring has no effect, and is told.
#[test]
fn a_repository_speaks_of_its_own_plugins_alone() {
    let place = Place::new();
    let module =
        "export default async () => ({ on: { 'tool.execute.before': () => ({ block: true, reason: 'no' }) } });\n";
    let manifest = "events: [tool.execute.before]\ncapabilities: { filesystem: { read: true } }\n";
    place.plugin("home/plugins/guard", manifest, module);
    place.plugin("project/.mimir/plugins/own", manifest, module);
    let overrides =
        "  overrides:\n    guard: { limits: { cpu: 1ms }, mode: observe }\n    own: { limits: { cpu: 7ms } }\n";
    let team = "teams: { plugins: { capabilities: {}, failure: closed, limits: { memory: 16MB } } }\n";
    place.write("project/.mimir/config.yml", format!("plugins:\n  quarantineAfter: 1\n{overrides}{team}"));
    for line in ["plugin trust --yes", "plugin grant guard --yes", "plugin grant own --yes"] {
        place.run(line).done();
    }
    let info = |name: &str| {
        let info = place.run(&format!("plugin info {name} --json")).done().json().remove(0);
        let read = &info["effective"]["filesystem"]["read"];
        json!([info["failure"], read, info["limits"].to_string().contains("7 ms"), info["mode"]])
    };
    assert_eq!(info("guard"), json!(["open", true, false, "enforce"]));
    assert_eq!(info("own"), json!(["closed", false, true, "enforce"]));
    place.write(
        "x.ndjson",
        event("tool.execute.before", &json!({"tool": "t", "args": {}, "callId": "c", "source": "mcp"})),
    );
    let ran = place.run("replay @/x.ndjson --json").done();
    assert_eq!((&ran.json()[0]["outcome"], &ran.json()[0]["by"]), (&json!("blocked"), &json!("guard")), "{}", ran.out);
    let told = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("has no effect: the plugin is not this repository's own"), "{told}");
    assert!(!told.contains("overrides.own"), "{told}");
}

/// Where the user's home is the project, its configuration is the user's, and not the repository's as well.
#[test]
fn the_users_configuration_is_not_a_repositorys() {
    let place = Place::new();
    place.write(".mimir/config.yml", "plugins: { overrides: { guard: { mode: observe } }, disabled: [guard] }\n");
    let module = "export default async () => ({});\n";
    place.plugin(".mimir/plugins/guard", "events: [session.idle]\n", module);
    place.write("x.ndjson", event("session.idle", &json!({"reason": "waiting", "session": {"id": "ses_1"}})));
    let at_home = |line: &str| {
        let mut command = place.mimir();
        let home = place.home().parent().unwrap().to_owned();
        command.current_dir(home).env_remove("MIMIR_HOME").args(line.split(' '));
        Ran::of(&mut command).done()
    };
    let listed = at_home("plugin list --json").json().remove(0)[0].clone();
    assert_eq!((&listed["mode"], &listed["state"]), (&json!("observe"), &json!("disabled")), "{listed}");
    let ran = at_home("replay x.ndjson --json");
    assert!(!ran.err.contains("has no effect"), "{}", ran.err);
}
