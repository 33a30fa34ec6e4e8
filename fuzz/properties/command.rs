//! An allowlist entry, a zero byte, and the arguments of a call with zero bytes between them.

use std::path::Path;

use mimir_shared_config::{Access, Capabilities, Exec, command_line};

/// A call is let through only if the entry matches the whole of its line, and a line stands for one argument vector.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.split('\0').map(str::to_owned);
    let Some(entry) = parts.next() else { return };
    let argv: Vec<String> = parts.collect();
    if text.len() > 1 << 10 {
        return;
    }
    let line = command_line(&argv);
    assert_eq!(shell_words::split(&line).as_ref(), Ok(&argv), "{line} stands for something else");

    let exec = Exec { enabled: true, allowlist: vec![entry.clone()], network: false };
    let capabilities = Capabilities { exec, ..Capabilities::default() };
    let access = Access::Exec { argv: argv.clone() };
    let is_permitted = capabilities.permits(&access, Path::new("/p")).is_ok();
    let names_a_program = argv.first().is_some_and(|program| !program.is_empty());
    let is_listed = names_a_program && matches(&entry, &line);
    assert!(!is_permitted || is_listed, "{entry:?} on {line:?}");
    // A path and some options have to be named by the entry besides
    let is_plain = argv.len() == 1 && !argv[0].contains(['/', '\\']);
    assert!(is_permitted || !is_listed || !is_plain, "{entry:?} on {line:?}");
}

/// The same again in the plainest way: a table of which beginnings of the one match which of the other.
fn matches(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // Whether the pattern so far matches the first `n` characters
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut pattern = pattern.chars();
    while let Some(next) = pattern.next() {
        let mut now = vec![false; text.len() + 1];
        if next == '*' {
            let mut seen = false;
            for (now, before) in now.iter_mut().zip(&reached) {
                seen |= before;
                *now = seen;
            }
        } else {
            let literal =
                if next == '\\' { Some(pattern.next().unwrap_or('\\')) } else { (next != '?').then_some(next) };
            for (at, c) in text.iter().enumerate() {
                now[at + 1] = reached[at] && literal.is_none_or(|literal| literal == *c);
            }
        }
        reached = now;
    }
    reached[text.len()]
}
