//! Makes the start-up snapshot: V8's heap after the prelude ran, from which every isolate starts.
//!
//! The prelude's files are joined in the order of their names inside one function, so that nothing of it is visible to
//! plugins but what it puts on `globalThis`.

use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "src/flags.rs"]
mod flags;

fn main() {
    println!("cargo:rerun-if-changed=prelude");
    println!("cargo:rerun-if-changed=src/flags.rs");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let source = prelude_source(&root.join("prelude"));
    v8::V8::set_flags_from_string(&flags::V8_FLAGS.join(" "));
    v8::V8::initialize_platform(v8::new_default_platform(0, false).make_shared());
    v8::V8::initialize();
    let blob = snapshot(&source);
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("prelude.snapshot"), &*blob).expect("OUT_DIR is writable");
    fs::write(out.join("prelude.js"), source).expect("OUT_DIR is writable");
}

fn prelude_source(folder: &Path) -> String {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the prelude is part of the crate")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "js"))
        .collect();
    files.sort();
    let mut source = String::from("(function () {\n'use strict';\n");
    for file in files {
        source.push_str(&fs::read_to_string(&file).expect("readable"));
        source.push('\n');
    }
    source.push_str(&format!("return [{}];\n}})()", flags::ENTRY_POINTS.join(", ")));
    source
}

fn snapshot(source: &str) -> v8::StartupData {
    let mut isolate = v8::Isolate::snapshot_creator(None, None);
    {
        v8::scope!(let scope, &mut isolate);
        let context = v8::Context::new(scope, Default::default());
        scope.set_default_context(context);
        let functions = {
            let scope = &mut v8::ContextScope::new(scope, context);
            run(scope, source)
        };
        for function in functions {
            scope.add_context_data(context, function);
        }
    }
    isolate.create_blob(v8::FunctionCodeHandling::Keep).expect("V8 makes a snapshot of a heap without native functions")
}

fn run<'s>(scope: &mut v8::PinScope<'s, '_>, source: &str) -> Vec<v8::Local<'s, v8::Function>> {
    v8::tc_scope!(let scope, scope);
    let code = v8::String::new(scope, source).expect("the prelude is shorter than V8's longest string");
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
    (0..entries.length())
        .map(|index| entries.get_index(scope, index).and_then(|entry| entry.try_into().ok()).expect("a function"))
        .collect()
}
