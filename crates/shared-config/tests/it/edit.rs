//! Every case is a text, a change, and the whole text that comes of it.

use mimir_shared_config::{ConfigError, ConfigFile, PluginList, add_plugin, remove_plugin};
use proptest::prelude::*;

use PluginList::{Disabled, Enabled};

fn check_add(list: PluginList, entry: &str, before: &str, expected: &str) {
    assert_eq!(add_plugin("config.yml", before, list, entry).unwrap(), expected, "add {entry} to:\n{before}");
    // Windows' line ends stay what they are
    let crlf = |text: &str| text.replace('\n', "\r\n");
    if before.contains('\n') {
        assert_eq!(add_plugin("config.yml", &crlf(before), list, entry).unwrap(), crlf(expected));
    }
    assert_eq!(add_plugin("config.yml", expected, list, entry).unwrap(), expected, "once is enough");
}

fn check_remove(list: PluginList, entry: &str, before: &str, expected: &str) {
    assert_eq!(remove_plugin("config.yml", before, list, entry).unwrap(), expected, "remove {entry} from:\n{before}");
    let crlf = |text: &str| text.replace('\n', "\r\n");
    if before.contains('\n') {
        assert_eq!(remove_plugin("config.yml", &crlf(before), list, entry).unwrap(), crlf(expected));
    }
    assert_eq!(remove_plugin("config.yml", expected, list, entry).unwrap(), expected);
}

#[test]
fn adds_where_there_is_nothing() {
    check_add(Enabled, "a", "", "plugins:\n  enabled:\n    - a\n");
    check_add(Enabled, "@u/a", "# mine\n", "# mine\nplugins:\n  enabled:\n    - '@u/a'\n");
    check_add(Disabled, "a", "# mine", "# mine\nplugins:\n  disabled:\n    - a\n");
    check_add(Enabled, "a", "---\n", "---\nplugins:\n  enabled:\n    - a\n");
    check_add(Enabled, "a", "{}\n", "{ plugins: { enabled: [a] } }\n");
    check_add(
        Enabled,
        "a",
        "budget: { maxCost: 1 } # all\n# end\n",
        "budget: { maxCost: 1 } # all\nplugins:\n  enabled:\n    - a\n# end\n",
    );
    check_add(
        Enabled,
        "a",
        "    budget:\n      maxCost: 1",
        "    budget:\n      maxCost: 1\n    plugins:\n      enabled:\n        - a",
    );
    check_add(Enabled, "a", "plugins:\nbudget: {}\n", "plugins:\n  enabled:\n    - a\nbudget: {}\n");
    check_add(Enabled, "a", "plugins: # mine\n", "plugins: # mine\n  enabled:\n    - a\n");
    check_add(Enabled, "a", "plugins: {}\n", "plugins: { enabled: [a] }\n");
    check_add(Enabled, "a", "plugins: { isolation: process }\n", "plugins: { isolation: process, enabled: [a] }\n");
    check_add(
        Disabled,
        "a",
        "plugins:\n  enabled:\n    - b # why\n\n# end\nbudget: {}\n",
        "plugins:\n  enabled:\n    - b # why\n  disabled:\n    - a\n\n# end\nbudget: {}\n",
    );
    check_add(
        Enabled,
        "a",
        "plugins:\n  enabled:\n  disabled: []\n",
        "plugins:\n  enabled:\n    - a\n  disabled: []\n",
    );
    check_add(Enabled, "a", "plugins: { enabled: }\n", "plugins: { enabled: [a] }\n");
}

#[test]
fn adds_in_the_style_that_is_there() {
    check_add(
        Enabled,
        "a",
        "plugins:\n  enabled:\n  - b # why\n  # more\n  disabled: []\n",
        "plugins:\n  enabled:\n  - b # why\n  - a\n  # more\n  disabled: []\n",
    );
    check_add(
        Enabled,
        "./x",
        "plugins:\n    enabled:\n        -   b",
        "plugins:\n    enabled:\n        -   b\n        - ./x",
    );
    check_add(
        Enabled,
        "@u/a",
        "plugins:\n  enabled: [b, @u/c] # in line\n",
        "plugins:\n  enabled: [b, @u/c, '@u/a'] # in line\n",
    );
    check_add(Enabled, "a", "plugins:\n  enabled: []\n", "plugins:\n  enabled: [a]\n");
    check_add(Enabled, "a", "plugins:\n  enabled: [b,]\n", "plugins:\n  enabled: [b, a,]\n");
    check_add(
        Enabled,
        "a",
        "plugins:\n  enabled: [\n    b, # why\n    c # too\n  ]\n",
        "plugins:\n  enabled: [\n    b, # why\n    c, # too\n    a\n  ]\n",
    );
    check_add(
        Enabled,
        "a",
        "plugins:\n  enabled: [\n    b, # why\n  ]\n",
        "plugins:\n  enabled: [\n    b, # why\n    a,\n  ]\n",
    );
    check_add(Enabled, "a", "plugins:\n  enabled: [\n    b ]\n", "plugins:\n  enabled: [\n    b,\n    a ]\n");
}

#[test]
fn quotes_what_needs_it() {
    check_add(
        Enabled,
        "./my plugins/it's",
        "plugins:\n  enabled: []\n",
        "plugins:\n  enabled: ['./my plugins/it''s']\n",
    );
    check_add(Enabled, "a@^1.2.0", "plugins:\n  enabled: []\n", "plugins:\n  enabled: [a@^1.2.0]\n");
    check_add(
        Enabled,
        "./a: b #c",
        "plugins:\n  enabled:\n    - x\n",
        "plugins:\n  enabled:\n    - x\n    - './a: b #c'\n",
    );
    check_add(Enabled, "null", "plugins:\n  enabled: []\n", "plugins:\n  enabled: ['null']\n");
    check_add(Enabled, "1", "plugins:\n  enabled: []\n", "plugins:\n  enabled: ['1']\n");
}

#[test]
fn removes() {
    check_remove(
        Enabled,
        "b",
        "plugins:\n  enabled:\n    # first\n    - a\n    - b # why\n    - c\n",
        "plugins:\n  enabled:\n    # first\n    - a\n    - c\n",
    );
    check_remove(Enabled, "a", "plugins:\n  enabled:\n    - a\nbudget: {}\n", "plugins:\n  enabled: []\nbudget: {}\n");
    check_remove(Enabled, "a", "plugins:\n  enabled: # mine\n    - a", "plugins:\n  enabled: [] # mine");
    check_remove(
        Enabled,
        "@u/a",
        "plugins:\n  enabled:\n    - @u/a\n    - @u/b\n",
        "plugins:\n  enabled:\n    - @u/b\n",
    );
    check_remove(Enabled, "a", "plugins: { enabled: [a, b, c] }\n", "plugins: { enabled: [b, c] }\n");
    check_remove(Enabled, "b", "plugins: { enabled: [a, b, c] }\n", "plugins: { enabled: [a, c] }\n");
    check_remove(Enabled, "c", "plugins: { enabled: [a, b, 'c'] }\n", "plugins: { enabled: [a, b] }\n");
    check_remove(Enabled, "a", "plugins: { enabled: [a] }\n", "plugins: { enabled: [] }\n");
    check_remove(Enabled, "a", "plugins: { enabled: [a, b, a] }\n", "plugins: { enabled: [b] }\n");
    check_remove(
        Disabled,
        "b",
        "plugins:\n  disabled: [\n    a, # one\n    b, # two\n    c # three\n  ]\n",
        "plugins:\n  disabled: [\n    a, # one\n    c # three\n  ]\n",
    );
    check_remove(
        Disabled,
        "c",
        "plugins:\n  disabled: [\n    a, # one\n    c # three\n  ]\n",
        "plugins:\n  disabled: [\n    a, # one\n  ]\n",
    );
    check_remove(Disabled, "x", "plugins: { enabled: [x] }\n", "plugins: { enabled: [x] }\n");
    check_remove(Disabled, "x", "", "");
}

#[test]
fn refuses_what_it_cannot_do_safely() {
    let text = |result: Result<String, ConfigError>| {
        let error = result.unwrap_err();
        format!("{error}\n  {}", error.help().unwrap_or("-"))
    };
    let shared = "plugins:\n  enabled: &all [a]\n  disabled: *all\n";
    let refusals = [
        text(add_plugin("config.yml", shared, Enabled, "b")),
        text(add_plugin("config.yml", shared, Disabled, "b")),
        text(remove_plugin("config.yml", shared, Enabled, "a")),
        text(add_plugin("config.yml", "plugins: ~\n", Enabled, "b")),
        text(add_plugin("config.yml", "? plugins\n: enabled: [a]\n...\n# x\n", Disabled, "b")),
        text(remove_plugin("config.yml", "plugins: { enabled: [a, # one\n b] }\n", Enabled, "b")),
        text(add_plugin("config.yml", "plugins:\n  enabled: [a\n", Enabled, "b")),
        text(add_plugin("config.yml", "", Enabled, "Not A Plugin")),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

const NAMES: [&str; 8] = ["a", "mimir-plugin-x", "@u/a", "@u/mimir-b", "./plugins/x", "../y", "c@^1.0.0", "@u/c@2"];

/// One of the two lists as a person may have written it.
fn any_list(key: &'static str, indent: usize) -> impl Strategy<Value = String> {
    let entries = prop::sample::subsequence(NAMES.to_vec(), 0..=NAMES.len());
    (entries, 0..5u8, any::<[bool; 3]>()).prop_map(move |(entries, style, [comments, quoted, extra])| {
        let pad = " ".repeat(indent);
        let shown = |entry: &&str| if quoted { format!("\"{entry}\"") } else { (*entry).to_owned() };
        let comment = if comments { " # about @u/it, [x]" } else { "" };
        let more = if extra { "  " } else { "" };
        match style {
            _ if entries.is_empty() && extra => format!("{pad}{key}:{comment}\n"),
            _ if entries.is_empty() => format!("{pad}{key}: []{comment}\n"),
            0 | 1 => {
                let line = |entry| format!("{pad}{more}- {}{comment}\n", shown(entry));
                format!("{pad}{key}:{comment}\n{}", entries.iter().map(line).collect::<String>())
            }
            2 => format!("{pad}{key}: [{}]{comment}\n", entries.iter().map(shown).collect::<Vec<_>>().join(", ")),
            _ => {
                let comma = |index: usize| if index + 1 < entries.len() || style == 3 { "," } else { "" };
                let line = |(index, entry)| format!("{pad}{more}  {}{}{comment}\n", shown(entry), comma(index));
                format!(
                    "{pad}{key}: [{comment}\n{}{pad}  ]{comment}\n",
                    entries.iter().enumerate().map(line).collect::<String>()
                )
            }
        }
    })
}

fn any_config() -> impl Strategy<Value = String> {
    let order = any::<[bool; 6]>();
    (any_list("enabled", 4), any_list("disabled", 4), order).prop_map(
        |(enabled, disabled, [first, both, budget, crlf, end, isolation])| {
            let mut text = String::from("# Mine\n\nplugins:\n");
            let (one, two) = if first { (enabled, disabled) } else { (disabled, enabled) };
            text.push_str(&one);
            if isolation {
                text.push_str("    # where\n    isolation: process # here\n");
            }
            if both {
                text.push_str(&two);
            }
            if budget {
                text.push_str("\n# Money\nbudget: { maxCost: 3 }\n# end\n");
            }
            let text = if end { text.trim_end().to_owned() } else { text };
            if crlf { text.replace('\n', "\r\n") } else { text }
        },
    )
}

proptest! {
    #[test]
    fn a_change_is_what_was_asked_and_nothing_else(text in any_config(), is_enabled: bool, name in prop::sample::select(NAMES.to_vec())) {
        let list = if is_enabled { Enabled } else { Disabled };
        let entries = |text: &str| {
            let plugins = ConfigFile::parse("config.yml", text).unwrap().plugins;
            if is_enabled { plugins.enabled } else { plugins.disabled }
        };
        let had = entries(&text).iter().any(|entry| entry == name);

        let added = add_plugin("config.yml", &text, list, name).unwrap();
        prop_assert!(entries(&added).iter().any(|entry| entry == name));
        // Nothing is lost: what was there is still there, in order
        let mut rest = added.chars();
        prop_assert!(text.chars().all(|c| rest.any(|other| other == c)), "{}", added);
        prop_assert_eq!(added.contains("\r\n"), text.contains("\r\n"));
        prop_assert_eq!(added.matches('\n').count() == added.matches("\r\n").count(), text.matches('\n').count() == text.matches("\r\n").count());

        let removed = remove_plugin("config.yml", &added, list, name).unwrap();
        prop_assert!(!entries(&removed).iter().any(|entry| entry == name));
        if !had {
            prop_assert_eq!(ConfigFile::parse("config.yml", &removed).unwrap(), ConfigFile::parse("config.yml", &text).unwrap());
            // A comment stays where it was
            prop_assert_eq!(removed.matches('#').count(), text.matches('#').count());
        }
    }

    /// Whatever the text: a change or an error, but no panic and no other meaning.
    #[test]
    fn survives_any_text(pieces in prop::collection::vec(prop::sample::select(vec![
        "plugins", "enabled", "disabled", ":", ": ", "\n", "\n  ", "\n    ", "- ", "[", "]", "{", "}", ", ", "a", "@u/a", "'", "\"", "#", " # x",
        "&a ", "*a", "|\n", "? ", "---\n", "...\n", "é", "\r\n", "\t", "\u{feff}", "budget", "maxCost: 1",
    ]), 0..24)) {
        let text = pieces.concat();
        if let Ok(before) = ConfigFile::parse("config.yml", &text) {
            for list in [Enabled, Disabled] {
                if let Ok(changed) = add_plugin("config.yml", &text, list, "@new/x") {
                    let mut after = ConfigFile::parse("config.yml", &changed).unwrap();
                    let entries = if list == Enabled { &mut after.plugins.enabled } else { &mut after.plugins.disabled };
                    let last = entries.pop();
                    prop_assert_eq!(last.as_deref(), Some("@new/x"));
                    prop_assert_eq!(after, before.clone());
                }
                let _ = remove_plugin("config.yml", &text, list, "a");
            }
        }
    }
}
