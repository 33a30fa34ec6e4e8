//! Makes the start-up snapshot: V8's heap after the prelude ran, from which every isolate starts.
//!
//! The prelude's files are joined in the order of their names inside one function, so that nothing of it is visible to
//! plugins but what it puts on `globalThis`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "src/flags.rs"]
mod flags;
#[path = "prelude/live.rs"]
mod live;
#[path = "prelude/names.rs"]
mod names;

fn main() {
    println!("cargo:rerun-if-changed=prelude");
    println!("cargo:rerun-if-changed=src/flags.rs");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let plain = prelude_source(&root.join("prelude"));
    v8::V8::set_flags_from_string(&flags::V8_FLAGS.join(" "));
    v8::V8::initialize_platform(v8::new_default_platform(0, false).make_shared());
    v8::V8::initialize();
    // For the life of this program: V8 refers to it from the snapshot's heap.
    let source: &'static str = ascii(&names::shared(&plain, &names_of_v8())).leak();
    write("prelude", source);
    if env::var_os("CARGO_FEATURE_TEST_HOOKS").is_some() {
        write("live", ascii(&live::looked_up(&plain)).leak());
    }
}

/// The snapshot of a prelude, and its source.
fn write(name: &str, source: &'static str) {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join(format!("{name}.snapshot")), &*snapshot(source)).expect("OUT_DIR is writable");
    fs::write(out.join(format!("{name}.js")), source).expect("OUT_DIR is writable");
}

/// Files that end a scope: all files that follow are in one inside it. V8 keeps the names of a scope with more than 75 of
/// them in a hash table, which took 8 KiB of every isolate for those of the whole prelude. A test (`isolate::tables`)
/// fails when there is such a table again.
const SCOPES: &[&str] = &["00-primordials.js", "01-methods.js", "60-path.js"];

fn prelude_source(folder: &Path) -> String {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the prelude is part of the crate")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "js"))
        .collect();
    files.sort();
    let mut source = String::from("(function () {\n'use strict';\n");
    let mut scopes = 0;
    for file in files {
        source.push_str(&fs::read_to_string(&file).expect("readable"));
        source.push('\n');
        if file.file_name().is_some_and(|name| SCOPES.iter().any(|scope| name == *scope)) {
            source.push_str("{\n");
            scopes += 1;
        }
    }
    assert_eq!(scopes, SCOPES.len(), "a file of `SCOPES` is gone");
    let closing = "}\n".repeat(scopes);
    source.push_str(&format!("return [{}, warmUp];\n{closing}}})()", flags::ENTRY_POINTS.join(", ")));
    inlined(&source)
}

/// The same program with the numbers themselves in the place of the names of those in capital letters (`const OP_…`,
/// `const MAX_…`). V8 keeps every name of the outermost function in a table of each isolate, which doubles when it is full.
fn inlined(source: &str) -> String {
    let number_of = |line: &str| {
        let (name, rest) = line.strip_prefix("const ")?.split_once(" = ")?;
        let (number, _) = rest.split_once(';')?;
        let is_named = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        let is_number = number.starts_with(|c: char| c.is_ascii_digit())
            && number.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'x');
        (is_named && is_number).then(|| (name.to_owned(), number.to_owned()))
    };
    let numbers: HashMap<String, String> = source.lines().filter_map(number_of).collect();
    assert!(!numbers.is_empty(), "the prelude names its operations");
    let mut out = String::with_capacity(source.len());
    for line in source.lines() {
        // An empty line in its place, so that the others keep their numbers.
        let mut rest = if number_of(line).is_some() { "" } else { line };
        while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$') {
            let word = &rest[start..];
            let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$')).unwrap_or(word.len());
            out.push_str(&rest[..start]);
            out.push_str(numbers.get(&word[..end]).map_or(&word[..end], String::as_str));
            rest = &word[end..];
        }
        out.push_str(rest);
        out.push('\n');
    }
    out
}

/// The same program in ASCII, so that V8 needs one byte a character for it and takes it as an external string.
fn ascii(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    for character in source.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

/// The source is an external string here and in every isolate, so that it is in no isolate's heap: the snapshot names
/// it by its place in the list of external references.
fn snapshot(source: &'static str) -> v8::StartupData {
    let external: &'static v8::OneByteConst =
        Box::leak(Box::new(v8::String::create_external_onebyte_const(source.as_bytes())));
    let references = vec![v8::ExternalReference { pointer: std::ptr::from_ref(external).cast_mut().cast() }];
    let mut isolate = v8::Isolate::snapshot_creator(Some(references.into()), None);
    {
        v8::scope!(let scope, &mut isolate);
        let context = v8::Context::new(scope, Default::default());
        scope.set_default_context(context);
        let functions = {
            let scope = &mut v8::ContextScope::new(scope, context);
            run(scope, external)
        };
        for function in functions {
            scope.add_context_data(context, function);
        }
    }
    isolate.create_blob(v8::FunctionCodeHandling::Keep).expect("V8 makes a snapshot of a heap without native functions")
}

fn run<'s>(scope: &mut v8::PinScope<'s, '_>, source: &'static v8::OneByteConst) -> Vec<v8::Local<'s, v8::Function>> {
    v8::tc_scope!(let scope, scope);
    let code =
        v8::String::new_from_onebyte_const(scope, source).expect("the prelude is shorter than V8's longest string");
    let name = v8::String::new(scope, "mimir:prelude").expect("short");
    let origin = v8::ScriptOrigin::new(scope, name.into(), 0, 0, false, 0, None, false, false, false, None);
    let result = v8::Script::compile(scope, code, Some(&origin)).and_then(|script| script.run(scope));
    let Some(result) = result else {
        let message = scope.message().map(|message| {
            let line = message.get_line_number(scope).unwrap_or(0);
            format!("line {line} of the joined prelude: {}", message.get(scope).to_rust_string_lossy(scope))
        });
        panic!("the prelude failed: {}", message.unwrap_or_default());
    };
    let entries: v8::Local<v8::Array> = result.try_into().expect("the prelude returns its entry points");
    let mut functions: Vec<v8::Local<v8::Function>> = (0..entries.length())
        .map(|index| entries.get_index(scope, index).and_then(|entry| entry.try_into().ok()).expect("a function"))
        .collect();
    warm_up(scope, functions.pop().expect("the last one is warmUp"));
    functions
}

/// Calls `step`, and what it returns, as long as that is a function; promises are settled in between.
fn warm_up(scope: &mut v8::PinScope<'_, '_>, step: v8::Local<'_, v8::Function>) {
    let mut step = v8::Global::new(scope, step);
    loop {
        let receiver = v8::undefined(scope).into();
        let next = v8::Local::new(scope, &step).call(scope, receiver, &[]).expect("the warm-up does not throw");
        scope.perform_microtask_checkpoint();
        let Ok(next) = v8::Local::<v8::Function>::try_from(next) else { return };
        step = v8::Global::new(scope, next);
    }
}

/// Names of the language's own properties: every isolate has them.
fn names_of_v8() -> Vec<String> {
    let mut isolate = v8::Isolate::new(Default::default());
    v8::scope!(let scope, &mut isolate);
    let context = v8::Context::new(scope, Default::default());
    let scope = &mut v8::ContextScope::new(scope, context);
    let code = v8::String::new(scope, names::LISTING).expect("short");
    let names = v8::Script::compile(scope, code, None).and_then(|script| script.run(scope)).expect("it only reads");
    names.to_rust_string_lossy(scope).split(' ').map(str::to_owned).collect()
}
