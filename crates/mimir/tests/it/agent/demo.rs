//! `mimir demo` shows a newcomer what it promises.

use serde_json::Value;

use super::of_type;
use crate::place::{Place, Ran};

#[test]
fn the_demonstration_shows_what_it_promises() {
    let place = Place::new();
    // Formatters that rustup installs are found by the user's own home; Mimir's folder is the demonstration's in any case
    let mut command = place.mimir();
    if let Some(home) = std::env::var_os("HOME") {
        command.env("HOME", home);
    }
    let ran = Ran::of(command.args(["demo", "--json"])).done();
    let lines = ran.json();
    let ended = of_type(&lines, "toolEnded");
    let call = |command: &str| {
        let is_it = |line: &&&Value| line["call"]["args"]["command"].as_str().is_some_and(|it| it.contains(command));
        &ended.iter().find(is_it).unwrap_or_else(|| panic!("no call of {command}\n{}", ran.out))["outcome"]
    };
    let dangerous = call("git push --force");
    assert_eq!(dangerous["remarks"][0]["plugin"], "security-audit", "{dangerous}");
    assert_eq!(dangerous["isError"], true);
    let safe = call("rm -r build");
    assert_eq!(safe["isError"], false, "{safe}");
    assert_eq!(safe["remarks"][0]["what"], "allowed by a rule of the configuration");
    let written = ended.iter().find(|line| line["call"]["tool"] == "write").unwrap();
    let has_formatter = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| ["rustfmt", "gofmt", "clang-format", "black"].iter().any(|name| folder.join(name).is_file()));
    if has_formatter {
        assert!(written["outcome"]["result"].as_str().unwrap().contains("A plugin has changed the file"), "{written}");
    }
    let warnings = of_type(&lines, "report").into_iter().filter(|line| line["kind"] == "notified");
    assert!(
        warnings.clone().any(|line| line["message"].as_str().unwrap().contains("of the budget used")),
        "{}",
        ran.out
    );
    assert_eq!(of_type(&lines, "end")[0]["ended"], "done");
}

#[test]
fn what_the_demonstration_shows_is_good_to_read() {
    let place = Place::new();
    let ran = Ran::of(place.mimir().args(["demo", "--color", "never"])).done();
    for expected in [
        "a scripted model plays this",
        "✗ blocked by security-audit",
        "✓ allowed by a rule of the configuration",
        "done in",
    ] {
        assert!(ran.out.contains(expected), "{expected}\n{}", ran.out);
    }
    assert!(!ran.out.contains('\u{1b}'), "colours are off");
    assert!(ran.err.contains("budget-alert"), "{}", ran.err);
}

#[test]
fn without_plugins_nothing_is_said_to_be_their_work() {
    let place = Place::new();
    let ran = Ran::of(place.mimir().args(["demo", "--no-plugins", "--json"])).done();
    let lines = ran.json();
    let last = of_type(&lines, "answer").last().unwrap()["text"].as_str().unwrap().to_owned();
    assert!(last.contains("No plugin was there"), "{last}");
}

/// A newcomer need not have a formatter, and is to see no failure because of that.
#[cfg(unix)]
#[test]
fn without_a_formatter_it_goes_on_calmly() {
    let place = Place::new();
    let programs = place.write("programs/readme.txt", "").parent().unwrap().to_owned();
    for program in ["sh", "bash", "rm", "git"] {
        let path = std::env::var_os("PATH").unwrap_or_default();
        if let Some(found) = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
        {
            std::os::unix::fs::symlink(found, programs.join(program)).unwrap();
        }
    }
    let ran = Ran::of(place.mimir().env("PATH", &programs).args(["demo", "--json"])).done();
    let lines = ran.json();
    let about = of_type(&lines, "report").into_iter();
    let about = about.filter(|line| line["plugin"] == "formatter" && line["kind"] != "log");
    let about: Vec<_> = about.map(|line| (&line["kind"], line["message"].as_str().unwrap())).collect();
    let expected = "rustfmt is not on this machine, so what it would format stays as it is";
    assert_eq!(about, [(&Value::from("notified"), expected)]);
    let last = of_type(&lines, "answer").last().unwrap()["text"].as_str().unwrap().to_owned();
    assert!(!last.contains("laid the file out"), "{last}");
}
