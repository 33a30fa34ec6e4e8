//! The prelude shares its realm with plugins. Two looks at it: its text, for what asks something that plugins can change;
//! and a plugin that replaces everything it can and then uses everything there is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use mimir_sandbox::{CallKind, PluginImage};
use mimir_shared_config::Limits;
use serde_json::Value;

use crate::host::{TOOL_CALL, event, image};
use crate::recorder::{Bench, named};

const PLAIN: &str = r#"{"sessionId":"s1"}"#;

/// A file of the prelude: its name, and its text without comments and without what stands in quotes.
struct Source {
    name: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("prelude");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "js"));
    files.sort();
    let read = |path: &PathBuf| Source {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        code: fs::read_to_string(path).unwrap().lines().map(|line| bare(line) + "\n").collect(),
    };
    files.iter().map(read).collect()
}

/// A line without its comment and its quoted text. Templates stay, since code stands in them.
fn bare(line: &str) -> String {
    let mut out = String::new();
    let mut quote = None;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match quote {
            None if character == '/' && characters.peek() == Some(&'/') => break,
            None => {
                out.push(character);
                quote = Some(character).filter(|it| matches!(it, '\'' | '"'));
            }
            Some(_) if character == '\\' => drop(characters.next()),
            Some(open) if character == open => {
                out.push(character);
                quote = None;
            }
            Some(_) => {}
        }
    }
    if out.trim_start().starts_with("/*") || out.trim_start().starts_with("* ") { String::new() } else { out }
}

/// Methods of built-ins. None is called as a method, since that looks it up where plugins can have put another one.
const METHODS: &[&str] = &[
    "apply",
    "bind",
    "call",
    "catch",
    "charCodeAt",
    "concat",
    "endsWith",
    "entries",
    "every",
    "exec",
    "filter",
    "finally",
    "flat",
    "flatMap",
    "forEach",
    "hasOwnProperty",
    "includes",
    "indexOf",
    "lastIndexOf",
    "map",
    "match",
    "pop",
    "push",
    "reduce",
    "repeat",
    "replace",
    "replaceAll",
    "reverse",
    "shift",
    "slice",
    "some",
    "sort",
    "splice",
    "split",
    "startsWith",
    "subarray",
    "test",
    "then",
    "toLowerCase",
    "toString",
    "toUpperCase",
    "trim",
    "unshift",
];

/// Globals that plugins can replace; the prelude uses what it captured of them.
const NAMESPACES: &[&str] = &[
    "Array",
    "ArrayBuffer",
    "Date",
    "JSON",
    "Map",
    "Math",
    "Number",
    "Object",
    "Promise",
    "Reflect",
    "String",
    "Symbol",
];

/// What runs when the snapshot is made, before there is any plugin: the captures, and the putting of guards.
fn runs_before_plugins(source: &Source, line: &str) -> bool {
    ["00-primordials.js", "01-methods.js"].contains(&&*source.name)
        || source.name == "80-guards.js"
        || (line.starts_with("const ") && !line.contains("=>"))
        || line.contains("= console.")
}

fn problems_of(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    let mut tell = |number: usize, what: &str, line: &str| {
        problems.push(format!("{}:{}: {what}: {}", source.name, number + 1, line.trim()));
    };
    for (number, line) in source.code.lines().enumerate() {
        let is_loop = line.contains("for (") || line.contains("for await");
        if is_loop && line.contains(" of ") {
            tell(number, "`for…of` asks for an iterator", line);
        }
        if line.contains(" instanceof ") {
            tell(number, "`instanceof` asks the constructor", line);
        }
        if line.contains("const [") || line.contains("let [") || line.contains("([") && line.contains("]) =>") {
            tell(number, "destructuring a list asks for an iterator", line);
        }
        if ["[...", ", ...", "(..."].iter().any(|spread| line.contains(spread)) && !is_object_or_parameters(line) {
            tell(number, "spreading a list asks for an iterator", line);
        }
        if line.contains("super(key") || line.contains("super(secret") {
            tell(number, "`super` calls whatever a plugin has put above the class", line);
        }
        if line.contains("ObjectDefineProperty(") && line.contains('{') && !line.contains("__proto__: null") {
            let next = source.code.lines().nth(number + 1).unwrap_or_default();
            if !next.contains("__proto__: null") {
                tell(number, "a descriptor inherits", line);
            }
        }
        if line.contains("new Proxy(") && line.contains('{') && !line.contains("__proto__: null") {
            let next = source.code.lines().nth(number + 1).unwrap_or_default();
            if !next.contains("__proto__: null") {
                tell(number, "the handler of a proxy inherits", line);
            }
        }
        if line.contains("({},") || line.contains("({})") {
            tell(number, "an empty object inherits", line);
        }
        if runs_before_plugins(source, line) {
            continue;
        }
        for method in METHODS {
            if line.contains(&format!(".{method}(")) {
                tell(number, "a built-in called as a method", line);
            }
        }
        for namespace in NAMESPACES {
            let is_used = line.match_indices(&format!("{namespace}.")).any(|(at, _)| {
                !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '.' || before == '#')
            });
            if is_used && !line.contains(&format!("{namespace}.prototype;")) {
                tell(number, "a built-in looked up when it is used", line);
            }
        }
    }
    problems
}

/// `{ ...object }` takes own properties, and `(...rest)` of a function makes a list.
fn is_object_or_parameters(line: &str) -> bool {
    let Some(at) = line.find("...") else { return true };
    let before = &line[..at];
    let opens_object = before.rfind('{').is_some_and(|open| !before[open..].contains(['[', '(']));
    let is_declared = line.contains("=>") || line.trim_end().ends_with('{');
    opens_object || is_declared
}

#[test]
fn the_prelude_asks_nothing_that_plugins_can_change() {
    let sources = sources();
    assert!(sources.len() > 20);
    let problems: Vec<String> = sources.iter().flat_map(problems_of).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn what_asks_is_found() {
    for line in [
        "  for (const value of values) use(value);",
        "  if (value instanceof Error) return;",
        "  const [first, second] = values;",
        "  use([...values]);",
        "  use(...values);",
        "  super(key, record);",
        "  ObjectDefineProperty(target, name, { value });",
        "  return new Proxy(target, { get });",
        "  newStream({}, 0);",
        "  values.push(value);",
        "  return JSON.stringify(value);",
    ] {
        let source = Source { name: "bad.js".into(), code: bare(line) };
        assert_eq!(problems_of(&source).len(), 1, "{line}");
    }
    for line in [
        "  const { a, ...rest } = { __proto__: null, ...given };",
        "  log: (...values) => log(LEVELS.info, values),",
        "  ObjectDefineProperty(target, name, { __proto__: null, value });",
        "  throw new TypeError('the list of values instanceof [...x] push(');  // values.push(x)",
        "  return JSONStringify(value);",
    ] {
        let source = Source { name: "good.js".into(), code: bare(line) };
        assert_eq!(problems_of(&source), Vec::<String>::new(), "{line}");
    }
}

/// Names of properties that the prelude reads or writes, quoted, with commas between.
fn names() -> String {
    let mut names = BTreeSet::new();
    for source in sources() {
        let words = source.code.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$'));
        let mut is_property = false;
        for word in words {
            let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$')).unwrap_or(word.len());
            let (name, separator) = word.split_at(end);
            if name.starts_with(|c: char| c.is_ascii_alphabetic())
                && (is_property || matches!(separator, ":" | "," | "}"))
            {
                names.insert(name.to_owned());
            }
            is_property = separator == ".";
        }
    }
    assert!(names.len() > 300, "{}", names.len());
    names.iter().map(|name| format!("'{name}',")).collect()
}

fn session(mode: &str) -> PluginImage {
    let code = format!(
        "const MODE = '{mode}';\nconst NAMES = [{}];\n{}",
        names(),
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/realm/session.js")).unwrap()
    );
    let limits = Limits {
        cpu: Duration::from_secs(10),
        event: Duration::from_secs(20),
        init: Duration::from_secs(10),
        ..Limits::default()
    };
    PluginImage { limits, ..image("session", &code) }
}

/// What comes of a session: the answers, and what plugin code was called that should not have been.
async fn outcome(mode: &str) -> (Vec<Result<Value, String>>, Vec<String>) {
    let bench = Bench::new();
    let plugin = bench.plugin(session(mode));
    let mut answers = Vec::new();
    let told = |text: Result<String, String>| text.map(|text| serde_json::from_str::<Value>(&text).unwrap());
    for (name, payload) in
        [("cost.updated", PLAIN), ("session.idle", PLAIN), ("tool.execute.before", TOOL_CALL), ("session.error", PLAIN)]
    {
        let reply = plugin.call(&event(name, payload)).await;
        answers.push(told(reply.result.map_err(|failure| failure.to_string())));
    }
    let reply = plugin.call(&named(CallKind::Tool, "plus", r#"{"a":1}"#)).await;
    answers.push(told(reply.result.map_err(|failure| failure.to_string())));
    let seen = plugin.call(&event("message.added", PLAIN)).await.result.unwrap();
    let seen = serde_json::from_str::<Value>(&seen).unwrap();
    let seen = seen["value"].as_object().map(|lines| lines.keys().cloned().collect()).unwrap_or_default();
    (answers, seen)
}

#[tokio::test]
async fn replaced_built_ins_are_never_called_and_change_no_answer() {
    let (expected, seen) = outcome("none").await;
    assert_eq!(seen, Vec::<String>::new());
    let parts = expected[1].as_ref().unwrap()["value"].as_object().unwrap();
    let failed: Vec<_> =
        parts.iter().filter(|(_, said)| said.as_str().is_none_or(|it| it.starts_with("threw"))).collect();
    assert!(parts.len() >= 19 && failed.is_empty(), "{failed:#?}");
    if env::var_os("SESSION").is_some() {
        println!("{expected:#?}");
    }
    for mode in ["passes on", "throws"] {
        let (answers, seen) = outcome(mode).await;
        assert!(seen.is_empty(), "{mode}: the prelude called what a plugin had put there:\n{}", seen.join("\n"));
        assert_eq!(answers, expected, "{mode}");
    }
}
