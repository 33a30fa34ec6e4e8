//! Which web APIs there are: every entry of `prelude/web-apis.json` is probed in a real isolate, and `docs/web-apis.md` is
//! made of what comes out. With `UPDATE_DOCS` set the page is written, else compared.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use mimir_sandbox::PluginImage;
use serde::Deserialize;

use crate::host::{before, image, sandbox};

const LIST: &str = include_str!("../../prelude/web-apis.json");

/// What a plugin finds of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Supported,
    Absent,
    /// Only where `capabilities.wasm` was granted.
    Granted,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Api {
    name: String,
    /// An expression that is true if the API is there and does what it is for.
    probe: String,
    expected: Status,
    /// Why it is absent.
    reason: Option<String>,
    /// What is particular about it.
    note: Option<String>,
    /// Whether the standard does not name it.
    #[serde(default)]
    extra: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    standard: String,
    apis: Vec<Api>,
}

fn list() -> List {
    serde_json::from_str(LIST).unwrap()
}

/// What an isolate gives back as the value of its handler.
async fn value<T: for<'de> Deserialize<'de>>(image: PluginImage) -> T {
    #[derive(Deserialize)]
    struct Answer<T> {
        value: T,
    }
    let (sandbox, _host) = sandbox();
    let answer = before(&sandbox.plugin(image)).await.result.unwrap();
    serde_json::from_str::<Answer<T>>(&answer).unwrap_or_else(|error| panic!("{error}: {answer}")).value
}

/// What each probe gives: true, false, or a text that says what went wrong.
async fn probe(apis: &[Api], wasm: bool) -> Vec<serde_json::Value> {
    let mut code = String::from("const probes = [\n");
    for api in apis {
        writeln!(code, "async () => ({}),", api.probe).unwrap();
    }
    code.push_str(
        "];
        const run = async (probe) => { try { return !!await probe() } catch (error) { return String(error) } };
        export default () => ({ on: { 'tool.execute.before': async () => {
            const found = [];
            for (const probe of probes) found.push(await run(probe));
            return found;
        } } });",
    );
    let mut image = image("probes", &code);
    image.wasm = wasm;
    let found: Vec<serde_json::Value> = value(image).await;
    assert_eq!(found.len(), apis.len());
    found
}

/// What is wrong with an entry, given what its probe found without and with WebAssembly.
fn problem(api: &Api, without: &serde_json::Value, with: &serde_json::Value) -> Option<String> {
    let wanted = match api.expected {
        Status::Supported => [true, true],
        Status::Absent => [false, false],
        Status::Granted => [false, true],
    };
    if *without != wanted[0] || *with != wanted[1] {
        let (expected, name) = (api.expected, &api.name);
        return Some(format!(
            "{name} is said to be {expected:?}; its probe gives {without}, and {with} with WebAssembly"
        ));
    }
    (api.expected == Status::Absent && api.reason.is_none()).then(|| format!("{} is absent without a reason", api.name))
}

fn page_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/web-apis.md")
}

fn rows(page: &mut String, apis: &[&Api]) {
    page.push_str("| name | status | remarks |\n|---|---|---|\n");
    for api in apis {
        let status = match api.expected {
            Status::Supported => "supported",
            Status::Absent => "absent",
            Status::Granted => "with `capabilities.wasm`",
        };
        let remarks = [&api.note, &api.reason].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
        writeln!(page, "| `{}` | {status} | {} |", api.name, remarks.replace('|', "\\|")).unwrap();
    }
}

fn page(list: &List) -> String {
    let (extra, standard): (Vec<&Api>, Vec<&Api>) = list.apis.iter().partition(|api| api.extra);
    let count = |status| standard.iter().filter(|api| api.expected == status).count();
    let mut page = format!(
        "# Web APIs

What a plugin finds in its global scope beside the language itself. This page is made by `cargo xtask codegen` from a test
that tries each of these names in a real isolate, so that it says what is there and not what was meant to be.

The measure is the {}: what server runtimes have agreed to
offer, so that the same code runs on any of them. Of its {} names, {} are supported, {} come with the capability `wasm`,
and {} are left out, each for the reason given. What is supported follows its standard in what it does, also in its
errors; the tests of that are in `crates/sandbox/prelude/tests`.

Two things differ from a browser in all of this. What needs the world outside (`fetch`, `console`, timers) is served by the
host, under the plugin's grants and limits. And there is one thread, one isolate and no page: nothing to post messages to.

",
        list.standard,
        standard.len(),
        count(Status::Supported),
        count(Status::Granted),
        count(Status::Absent),
    );
    page.push_str("## The standard's\n\n");
    rows(&mut page, &standard);
    page.push_str(
        "\n## Beside the standard\n\nWhat plugins have beyond it, and what of the language itself they do without.\n\n",
    );
    rows(&mut page, &extra);
    page
}

/// The lines that only one of the two has.
fn difference(committed: &str, made: &str) -> String {
    let only = |mark: char, lines: &str, others: &str| {
        let others: BTreeSet<&str> = others.lines().collect();
        lines.lines().filter(|line| !others.contains(line)).map(|line| format!("{mark} {line}\n")).collect::<String>()
    };
    only('-', committed, made) + &only('+', made, committed)
}

#[tokio::test]
async fn web_apis() {
    let list = list();
    let without = probe(&list.apis, false).await;
    let with = probe(&list.apis, true).await;
    let problems: Vec<String> = list
        .apis
        .iter()
        .zip(without.iter().zip(&with))
        .filter_map(|(api, (without, with))| problem(api, without, with))
        .collect();
    assert!(problems.is_empty(), "prelude/web-apis.json is wrong:\n{}", problems.join("\n"));
    let made = page(&list);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(page_path(), made).unwrap();
        return;
    }
    let committed = fs::read_to_string(page_path()).unwrap_or_default();
    assert!(
        committed == made,
        "docs/web-apis.md is not what the isolates say; run `cargo xtask codegen` and commit the result:\n{}",
        difference(&committed, &made)
    );
}

#[test]
fn wrong_entries_are_told() {
    let api = |expected, reason: Option<&str>| Api {
        name: "a".into(),
        probe: String::new(),
        expected,
        reason: reason.map(Into::into),
        note: None,
        extra: false,
    };
    let (yes, no, threw) = (true.into(), false.into(), "TypeError: b".into());
    for (api, without, with, is_wrong) in [
        (api(Status::Supported, None), &yes, &yes, false),
        (api(Status::Supported, None), &no, &yes, true),
        (api(Status::Supported, None), &yes, &no, true),
        (api(Status::Supported, None), &threw, &threw, true),
        (api(Status::Absent, Some("why")), &no, &no, false),
        (api(Status::Absent, None), &no, &no, true),
        (api(Status::Absent, Some("why")), &yes, &yes, true),
        (api(Status::Absent, Some("why")), &threw, &threw, true),
        (api(Status::Granted, None), &no, &yes, false),
        (api(Status::Granted, None), &no, &no, true),
        (api(Status::Granted, None), &yes, &yes, true),
    ] {
        let problem = problem(&api, without, with);
        assert_eq!(problem.is_some(), is_wrong, "{:?}: {without}, {with}", api.expected);
    }
    assert_eq!(difference("a\nb\nc\n", "a\nd\nc\n"), "- b\n+ d\n");
}

/// Globals of the language itself.
const LANGUAGE: &str = "globalThis Infinity NaN undefined eval isFinite isNaN parseFloat parseInt decodeURI decodeURIComponent
    encodeURI encodeURIComponent escape unescape AggregateError Array ArrayBuffer AsyncDisposableStack BigInt BigInt64Array
    BigUint64Array Boolean DataView Date DisposableStack Error EvalError FinalizationRegistry Float16Array Float32Array
    Float64Array Function Int8Array Int16Array Int32Array Intl Iterator JSON Map Math Number Object Promise Proxy RangeError
    ReferenceError Reflect RegExp Set String SuppressedError Symbol SyntaxError TypeError URIError Uint8Array
    Uint8ClampedArray Uint16Array Uint32Array WeakMap WeakRef WeakSet";

#[tokio::test]
async fn no_global_is_missing_from_the_list() {
    let code = "export default () => ({ on: { 'tool.execute.before': () => Object.getOwnPropertyNames(globalThis) } })";
    let mut image = image("globals", code);
    image.wasm = true;
    let globals: BTreeSet<String> = value(image).await;
    let list = list();
    let known: BTreeSet<&str> =
        list.apis.iter().map(|api| api.name.split('.').next().unwrap()).chain(LANGUAGE.split_whitespace()).collect();
    let is_for_attacks = |name: &str| cfg!(feature = "test-hooks") && name == "__exploit";
    let is_unknown = |name: &&String| !known.contains(name.as_str()) && !is_for_attacks(name);
    let unknown: Vec<&String> = globals.iter().filter(is_unknown).collect();
    assert!(unknown.is_empty(), "prelude/web-apis.json does not name {unknown:?}");
    let lost: Vec<&str> = LANGUAGE.split_whitespace().filter(|name| !globals.contains(*name)).collect();
    assert!(lost.is_empty(), "the isolate has no {lost:?}");
}
