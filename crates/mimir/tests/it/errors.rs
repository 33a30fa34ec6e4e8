//! What people see when something is wrong: what, where, and what to do.

use std::fs;

use serde_json::json;

use crate::place::{Place, Ran, event};

/// What was broken to fit the window.
fn one_line(text: &str) -> String {
    text.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_wrong_with_a_recording() {
    let good = event("session.idle", &json!({"reason": "completed", "session": {"id": "ses_1"}}));
    let cases = [
        ("nonsense", format!("{good}nonsense\n{good}"), "line 2 of the recording is not JSON"),
        (
            "no payload",
            format!("{good}{{\"event\":\"a\"}}\n{good}"),
            "line 2 of the recording is neither an event nor a host call: `payload` is missing",
        ),
    ];
    for (name, recording, message) in cases {
        let place = Place::new();
        place.write("bad.ndjson", recording);
        let ran = place.run("replay @/bad.ndjson --json");
        assert_eq!(ran.code, Some(1), "{name}");
        assert!(ran.err.replace("\n  │ ", " ").contains(message), "{name}: {}", ran.err);
        // What came before still counts
        assert_eq!(ran.json().last().unwrap()["summary"]["events"], 1, "{name}");
    }
    let ran = Place::new().run("replay @/missing.ndjson");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("could not read the recording"), "{}", ran.err);
}

#[test]
fn what_is_no_recording_and_no_plugin() {
    let place = Place::new();
    let good = event("session.idle", &json!({"reason": "completed", "session": {"id": "ses_1"}}));
    place.write("x.ndjson", &good);
    place.write("empty.ndjson", "");
    place.write("blank.ndjson", "\n\r\n \n");
    place.write("binary.ndjson", b"\x7fELF\x02\x01\x01\0\0\0");
    place.write("utf16.ndjson", good.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    place.write("windows.ndjson", format!("\u{feff}{}", good.repeat(2).replace('\n', "\r\n")));
    place.write("torn.ndjson", &good[..20]);
    place.write("no-plugins/readme.txt", "");
    for (line, code, said) in [
        ("@/missing.ndjson", 1, "could not read the recording: No such file or directory"),
        ("@/no-plugins", 1, "could not read the recording: is a directory"),
        ("@/empty.ndjson", 0, "the recording holds no event"),
        ("/dev/null", 0, "the recording holds no event"),
        ("@/blank.ndjson", 0, "the recording holds no event"),
        ("@/torn.ndjson", 0, "line 1 is cut off and was left out"),
        ("@/binary.ndjson", 1, "line 1 of the recording is not JSON"),
        ("@/utf16.ndjson", 1, "line 1 of the recording is not JSON"),
        ("@/windows.ndjson", 0, ""),
        (
            "@/x.ndjson --plugins @/no-plugins",
            1,
            "there is no plugin in `@/no-plugins` help: name a folder with a plugin.yml",
        ),
        ("@/x.ndjson --plugins @/missing", 1, "there is no plugin in `@/missing`"),
        ("@/x.ndjson --plugins @/x.ndjson", 1, "there is no plugin in `@/x.ndjson`"),
        ("@/x.ndjson --project @/missing", 1, "there is no folder @/missing"),
        ("@/x.ndjson --project @/x.ndjson", 1, "there is no folder @/x.ndjson"),
    ] {
        let ran = place.run(&format!("replay {line}"));
        let err = one_line(&place.anonymous(&ran.err));
        assert_eq!(ran.code, Some(code), "{line}: {err}");
        assert!(err.contains(said), "{line}: {err}");
        assert_eq!(err.is_empty(), said.is_empty(), "{line}: {err}");
    }
    let summary = place.run("replay @/windows.ndjson --json").done().json().pop().unwrap();
    assert_eq!(summary["summary"]["events"], 2);
}

#[test]
fn a_configuration_that_cannot_be_read() {
    let place = Place::new();
    place.write("x.ndjson", "");
    place.write("home/config.yml", b"plugins: { enabled: [\xff] }\n");
    let check = |said: &[&str]| {
        for line in ["replay @/x.ndjson", "plugin list"] {
            let ran = place.run(line);
            assert_eq!(ran.code, Some(1), "{line}");
            let err = one_line(&place.anonymous(&ran.err));
            assert!(said.iter().all(|said| err.contains(said)), "{line}: {err}");
        }
    };
    check(&["the configuration can't be read: @/home/config.yml is not UTF-8", "help: save it as UTF-8"]);
    fs::remove_file(place.home().join("config.yml")).unwrap();
    fs::create_dir(place.home().join("config.yml")).unwrap();
    check(&["can't read @/home/config.yml: Is a directory", "help: check what stands there and its permissions"]);
}

/// Mimir's own folder can't be written: what keeps nothing goes on, and what must be kept says that it was not.
#[cfg(target_os = "linux")]
#[test]
fn a_home_that_cannot_be_written() {
    let place = Place::new();
    let module = "\
export default async (ctx: any) => ({
  on: { 'session.idle': async () => { await ctx.storage.set('k', 'v'); throw new Error('broken'); } },
});
";
    place.plugin("plugins/keeper", "events: [session.idle]\n", module);
    place.write("x.ndjson", event("session.idle", &json!({"reason": "completed", "session": {"id": "ses_1"}})));
    // Nobody can make a folder in here, root neither
    let run = |line: &str| {
        let folder = format!("{}/", place.project().parent().unwrap().display());
        let mut command = place.mimir();
        command.env("MIMIR_HOME", "/proc/mimir").args(line.split(' ').map(|part| part.replace("@/", &folder)));
        let Ran { code, out, err } = Ran::of(&mut command);
        (code, one_line(&out), one_line(&err))
    };
    let (code, out, err) = run("replay @/x.ndjson --plugins @/plugins");
    assert!(code == Some(0) && out.contains("it threw: broken") && err.is_empty(), "{out}{err}");
    let (code, out, err) = run("replay @/x.ndjson --plugins @/plugins --live");
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("it threw: can't create /proc/mimir/storage"), "{out}");
    assert!(err.contains("the audit log /proc/mimir/audit") && err.contains("check the free space"), "{err}");
    let (code, _, err) = run("plugin trust");
    assert!(code == Some(1) && err.contains("/proc/mimir") && err.contains("help: check the folder's"), "{err}");
    let (code, _, err) = run("plugin list");
    assert!(code == Some(0) && err.is_empty(), "{err}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let place = Place::new();
    let mount = |arguments: &[&str]| {
        let mounted = std::process::Command::new("mount").args(arguments).arg(place.home()).output();
        mounted.is_ok_and(|output| output.status.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=64k", "tmpfs"]) {
        eprintln!("skipped: this user can't mount");
        return;
    }
    place.write("home/filler", "");
    // As much as fits
    let _ = fs::write(place.home().join("filler"), vec![0; 1 << 20]);
    let module = "export default async (ctx: any) => ({ on: { 'session.idle': () => ctx.storage.set('k', 'v') } });\n";
    place.plugin("plugins/keeper", "events: [session.idle]\n", module);
    place.write("x.ndjson", event("session.idle", &json!({"reason": "completed", "session": {"id": "ses_1"}})));
    let run = |line: &str| {
        let Ran { code, out, err } = place.run(line);
        (code, one_line(&out), one_line(&err))
    };
    let replay = run("replay @/x.ndjson --plugins @/plugins");
    let live = run("replay @/x.ndjson --plugins @/plugins --live");
    let trust = run("plugin trust");
    let unmounted = std::process::Command::new("umount").arg(place.home()).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    let full = "No space left on device";
    assert!(replay.0 == Some(0) && replay.2.is_empty(), "{replay:?}");
    assert!(live.0 == Some(0) && live.1.contains(full) && live.2.contains("the audit log"), "{live:?}");
    assert!(trust.0 == Some(1) && trust.2.contains(full), "{trust:?}");
}

#[test]
fn several_at_once_do_not_disturb_each_other() {
    let place = Place::new();
    let module = "\
export default async (ctx: any) => ({
  on: { 'session.idle': async () => { await ctx.storage.set('k', ((await ctx.storage.get('k')) ?? 0) + 1); } },
});
";
    place.plugin("plugins/counter", "events: [session.idle]\n", module);
    place.write("x.ndjson", event("session.idle", &json!({"reason": "waiting", "session": {"id": "s"}})).repeat(20));
    std::thread::scope(|scope| {
        let replays: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| place.run("replay @/x.ndjson --live --json --plugins @/plugins").done()))
            .collect();
        for replay in replays {
            let ran = replay.join().unwrap();
            assert_eq!(ran.json().pop().unwrap()["summary"]["outcomes"]["passed"], 20, "{}{}", ran.out, ran.err);
            assert_eq!(ran.err, "");
        }
    });
    // Each has a segment of its own
    assert_eq!(crate::place::files_in(&place.home().join("audit"), ".ndjson").len(), 4);
}

/// Whoever is in a folder that is gone must not find the agent at work in another one.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_is_gone() {
    let place = Place::new();
    place.write("x.ndjson", "");
    let gone = place.project().join("gone");
    for (line, code, said) in [
        ("run hello", 1, "the folder that you are in can't be found"),
        ("plugin list", 1, "help: it was removed or renamed: change into another, or name one with `--project`"),
        ("replay @/x.ndjson --project ..", 1, "the folder that you are in can't be found"),
        ("run hello --project @/project", 0, ""),
    ] {
        fs::create_dir(&gone).unwrap();
        let line = line.replace("@/", &format!("{}/", place.project().parent().unwrap().display()));
        let mut shell = place.program("sh");
        let command = format!("rmdir ../gone && exec {} {line}", env!("CARGO_BIN_EXE_mimir"));
        let ran = Ran::of(shell.current_dir(&gone).args(["-c", &command]));
        let err = one_line(&ran.err);
        assert_eq!(ran.code, Some(code), "{line}: {err}");
        assert!(err.contains(said), "{line}: {err}");
    }
}

#[test]
fn wrong_usage_ends_with_two() {
    let place = Place::new();
    for line in ["", "nonsense", "replay", "replay x --fail-on nonsense", "plugin grant x --yes --revoke"] {
        assert_eq!(place.run(line).code, Some(2), "{line}");
    }
}

#[test]
fn a_wrong_configuration_shows_the_place() {
    let place = Place::new();
    place.write("home/config.yml", "plugins:\n  enabeld:\n    - x\nbudget:\n  maxCost: lots\n");
    for line in ["plugin list", "replay @/x.ndjson"] {
        place.write("x.ndjson", "");
        let ran = place.run(line);
        assert_eq!(ran.code, Some(1), "{line}");
        insta::assert_snapshot!("wrong_configuration", place.anonymous(&ran.err));
    }
}

/// A repository that nobody trusts yet must not keep people from working in its folder, nor from looking at it; one that is
/// trusted is told what is wrong with it, and where.
#[test]
fn what_is_wrong_in_a_repository_stops_only_who_trusts_it() {
    let wrong = "budget:\n  maxCots: 1\n";
    let place = Place::new();
    place.write("project/.mimir/config.yml", wrong);
    place.write("project/.mimir/tools/x.yml", "name: [\n");
    place.write("project/.mimir/commands/x.yml", "- 1\n");
    place.write("x.ndjson", "");
    let notice = "this repository's configuration is left out, since it is wrong: @/project/.mimir/config.yml:2: \
                  unknown key `maxCots`; did you mean `maxCost`?";
    for line in ["run hello", "replay @/x.ndjson", "plugin list", "sessions list"] {
        let ran = place.run(line).done();
        let said = one_line(&place.anonymous(&ran.err));
        let starts_plugins = line.starts_with('r');
        assert_eq!(said.matches(notice).count(), usize::from(starts_plugins), "{line}: {said}");
        let said = one_line(&ran.out);
        for folder in ["tools", "commands"] {
            let left_out = format!("1 file in .mimir/{folder} is not used");
            assert_eq!(said.contains(&left_out), line == "run hello", "{line}: {said}");
        }
    }
    // What is no file at all
    let file = place.project().join(".mimir/config.yml");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let said = one_line(&place.run("run hello").done().err);
    assert!(said.contains("this repository's configuration is left out: the configuration can't be read"), "{said}");
    fs::remove_dir(&file).unwrap();

    let refused = |line: &str| {
        let ran = place.run(line);
        let err = one_line(&place.anonymous(&ran.err));
        assert_eq!(ran.code, Some(1), "{line}: {err}");
        assert!(err.contains("@/project/.mimir/config.yml:2:3") && err.contains("did you mean `maxCost`?"), "{err}");
    };
    place.write("project/.mimir/config.yml", wrong);
    refused("plugin trust");
    place.write("project/.mimir/config.yml", "");
    place.run("plugin trust").done();
    place.write("project/.mimir/config.yml", wrong);
    for line in ["run hello", "replay @/x.ndjson", "plugin list"] {
        refused(line);
    }
}

#[test]
fn a_broken_plugin_is_reported_and_the_others_load() {
    let place = Place::new();
    let good = "export default async () => ({ on: { 'session.idle': async () => {} } });\n";
    place.plugin("plugins/good", "events: [session.idle]\n", good);
    place.plugin("plugins/typo", "capabilites: {}\nevents: [session.idle]\n", good);
    place.plugin("plugins/unknown-event", "events: [session.idel]\n", good);
    place.plugin("plugins/syntax", "events: [session.idle]\n", "export default async () => ({\n  on: {,\n});\n");
    place.plugin(
        "plugins/throws",
        "events: [session.idle]\n",
        "export default async () => { throw new TypeError('no luck'); };\n",
    );
    place.write("x.ndjson", event("session.idle", &json!({"reason": "completed", "session": {"id": "ses_1"}})));
    let ran = place.run("replay @/x.ndjson --json --plugins @/plugins").done();
    let lines = ran.json();
    let answers = lines[0]["answers"].as_array().unwrap();
    let outcome =
        |name: &str| answers.iter().find(|answer| answer["plugin"] == name).map(|answer| answer["outcome"].clone());
    assert_eq!(outcome("good"), Some(json!("passed")), "{}", ran.err);
    assert_eq!(outcome("throws"), Some(json!("failed")), "{}", ran.err);
    let reason = answers.iter().find(|answer| answer["plugin"] == "throws").unwrap()["reason"].as_str().unwrap();
    assert!(reason.contains("TypeError: no luck") && reason.contains("index.ts:1"), "{reason}");
    for (plugin, said) in [("typo", "capabilities"), ("unknown-event", "session.idle"), ("syntax", "index.ts:2")] {
        let about: Vec<_> = ran.err.split("✗ ").filter(|notice| notice.starts_with(plugin)).collect();
        assert_eq!(about.len(), 1, "{plugin}: {}", ran.err);
        assert!(about[0].contains(said), "{plugin}: {}", about[0]);
    }
}

#[test]
fn a_plugin_is_validated_with_the_place() {
    let place = Place::new();
    place.plugin("plugins/typo", "capabilites: {}\n", "export default async () => ({});\n");
    place.plugin("plugins/syntax", "", "export default async () => ({\n  on: {,\n});\n");
    place.plugin(
        "plugins/fine",
        "description: Does nothing\nauthor: a@example.com\nlicense: MIT\n",
        "export default async () => ({});\n",
    );
    let ran = place.run("plugin validate @/plugins");
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!("validate", place.anonymous(&ran.out));
    let json = place.run("plugin validate @/plugins/typo --json").json();
    assert_eq!(json[0][0]["problems"][0]["line"], 3, "{json:?}");
}
