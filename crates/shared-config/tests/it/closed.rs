//! Whatever spelling of a closed or restricted name some file system takes for it, it is closed.

use std::path::Path;

use mimir_shared_config::{Access, Capabilities, Change, ClosedPlaces};
use proptest::prelude::*;
use serde_json::json;

/// A spelling of `name`: other capitals, full width, invisible characters in it, dots and streams at its end.
fn spelling(name: &'static str) -> impl Strategy<Value = String> {
    let letters = name.chars().map(|c| {
        let upper = c.to_ascii_uppercase();
        let wide = char::from_u32(u32::from(c) + 0xfee0).unwrap();
        let other = match c {
            's' => '\u{17f}',
            'k' => '\u{212a}',
            c => c,
        };
        let visible = prop_oneof![3 => Just(c), 2 => Just(upper), 1 => Just(wide), 1 => Just(other)];
        let invisible =
            proptest::sample::select(&["", "", "", "\u{ad}", "\u{200d}", "\u{2060}", "\u{fe0f}", "\u{e0041}"]);
        (visible, invisible).prop_map(|(visible, invisible)| format!("{visible}{invisible}"))
    });
    let end = proptest::sample::select(&["", "", "", ".", " ", ". .", "::$DATA", ":x"]);
    (letters.collect::<Vec<_>>(), end).prop_map(|(letters, end)| letters.concat() + end)
}

fn around() -> impl Strategy<Value = (String, String)> {
    ("([a-z]{1,3}/){0,2}", "(/[a-z]{1,4}){0,2}")
}

proptest! {
    #[test]
    fn no_spelling_opens_mimirs_folder(name in spelling(".mimir"), (before, after) in around()) {
        let path = format!("{before}{name}{after}");
        let places = ClosedPlaces::new(Path::new("/project"));
        for change in [Change::None, Change::Write, Change::Remove] {
            prop_assert!(places.find(Path::new(&path), change).is_some(), "{path:?}");
        }
    }

    #[test]
    fn no_spelling_opens_gits_hooks(git in spelling(".git"), hooks in spelling("hooks"), (before, after) in around()) {
        let path = format!("{before}{git}/{hooks}{after}");
        prop_assert!(ClosedPlaces::new(Path::new("/project")).find(Path::new(&path), Change::None).is_some(), "{path:?}");
    }

    #[test]
    fn no_spelling_opens_keys(name in spelling(".ssh"), (before, after) in around()) {
        let path = format!("{before}{name}{after}");
        prop_assert!(ClosedPlaces::new(Path::new("/project")).find(Path::new(&path), Change::None).is_some(), "{path:?}");
    }

    #[test]
    fn no_spelling_opens_what_is_restricted(name in spelling("secrets.key"), (before, after) in around()) {
        let capabilities = json!({"filesystem": {"read": true, "restricted": ["*.key"]}});
        let capabilities: Capabilities = serde_json::from_value(capabilities).unwrap();
        let access = Access::FileRead { path: format!("{before}{name}{after}").into() };
        prop_assert!(capabilities.permits(&access, Path::new("/project")).is_err(), "{access}");
    }

    #[test]
    fn what_is_permitted_is_beneath_the_root(path in "(/project|)(/|\\.\\./|\\./|[a-z]{1,2}/|\\PC/){0,8}[a-z]{0,2}") {
        let capabilities: Capabilities = serde_json::from_value(json!({"filesystem": {"read": true}})).unwrap();
        let access = Access::FileRead { path: path.clone().into() };
        if capabilities.permits(&access, Path::new("/project")).is_ok() {
            // Taken apart by hand, from the root of the file system on
            let mut at = vec!["project"];
            if path.starts_with('/') {
                at.clear();
            }
            for name in path.split('/') {
                match name {
                    "" | "." => {}
                    ".." => {
                        at.pop();
                    }
                    name => at.push(name),
                }
            }
            prop_assert_eq!(at.first(), Some(&"project"), "{}", path);
        }
    }
}
