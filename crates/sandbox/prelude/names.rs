// Fewer names for V8's table of names, which each isolate has and which doubles when it is two thirds full: 64 KiB.
//
// The prelude calls the built-ins that it captured by names of its own, `ArrayPrototypeIndexOf`. V8 keeps the names of
// variables. So each of those gets one that V8 has anyway, of some property of the language (`indexOf`), wherever the
// prelude's text does not use that as a word itself.

use std::collections::{HashMap, HashSet};

/// A program that gives the names of the language's own properties that can be names of variables, with spaces between.
pub(crate) const LISTING: &str = "
    const names = new Set();
    const seen = new Set();
    const visit = (object, depth) => {
      if ((typeof object !== 'object' && typeof object !== 'function') || object === null || seen.has(object)) return;
      seen.add(object);
      for (const name of Object.getOwnPropertyNames(object)) {
        if (/^[a-z][A-Za-z]{3,}$/.test(name)) names.add(name);
        const property = Object.getOwnPropertyDescriptor(object, name);
        if (depth > 0) visit(property.value, depth - 1);
      }
    };
    for (const name of ['Array', 'Date', 'Math', 'Intl', 'String', 'Object', 'Map', 'Set', 'RegExp', 'Reflect', 'DataView',
      'Iterator', 'Number', 'BigInt', 'Promise', 'Symbol', 'JSON', 'WeakRef', 'Uint8Array']) visit(globalThis[name], 2);
    [...names].sort().join(' ')";

/// Words that are no names of variables, as far as `LISTING` can give them.
const RESERVED: &[&str] = &["arguments", "catch", "delete", "eval", "finally", "return", "throw", "with"];

/// The same program with the names of V8 in the place of those of the captured built-ins and of named constants.
pub(crate) fn shared(source: &str, names_of_v8: &[String]) -> String {
    let used: HashSet<&str> = words(source).collect();
    let mut free =
        names_of_v8.iter().map(String::as_str).filter(|name| !used.contains(name) && !RESERVED.contains(name));
    let mut given: HashMap<&str, &str> = HashMap::new();
    for name in source.lines().filter_map(captured) {
        if is_shared(source, name) && !given.contains_key(name) {
            let Some(other) = free.next() else { break };
            given.insert(name, other);
        }
    }
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    for word in words(source) {
        let (before, after) = rest.split_once(word).unwrap_or((rest, ""));
        out.push_str(before);
        out.push_str(given.get(word).copied().unwrap_or(word));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The name of a constant that a line declares, unless it is a function, whose name stands in stack traces. With a capital
/// letter, so that it is no word of a message.
fn captured(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let declared = line.strip_prefix("const ").or_else(|| line.strip_prefix("let "))?;
    let (name, value) = declared.split_once(" = ").or_else(|| Some((declared.strip_suffix(';')?, "")))?;
    let is_function =
        value.contains("=>") || value.starts_with("once(") || value.starts_with("async") || value.contains("function");
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().skip(1).any(|c| c.is_ascii_uppercase());
    (is_name && !is_function).then_some(name)
}

/// Whether it is a variable wherever it stands, and never a property or its name.
fn is_shared(source: &str, name: &str) -> bool {
    source.match_indices(name).all(|(at, _)| {
        let (before, after) = (&source[..at], &source[at + name.len()..]);
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
        if before.ends_with(is_word) || after.starts_with(is_word) {
            return true;
        }
        let is_property = before.ends_with('.') && !before.ends_with("...") || before.ends_with('#');
        let is_key = after.starts_with(':');
        let is_text = before.ends_with(['\'', '"', '`']);
        // `{ name }` and `{ a, name, b }` name a property; the name of an argument or element is let go as well.
        let opens = before.trim_end().ends_with(['{', ',']);
        let closes = after.trim_start().starts_with(['}', ',']);
        let has_default = after.trim_start().starts_with("= ");
        !is_property && !is_key && !is_text && !(opens && (closes || has_default))
    })
}

fn words(source: &str) -> impl Iterator<Item = &str> {
    source.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$')).filter(|word| !word.is_empty())
}
