//! One plugin in one isolate.

use std::error::Error;

const PRELUDE: &str = include_str!("prelude.js");
const PLUGIN: &str = include_str!("plugin.js");
const HEAP: usize = 64 * 1024 * 1024;

/// What is made once: the snapshot, and the code cache of the plugin's source.
pub struct Ready {
    snapshot: &'static [u8],
    code_cache: Vec<u8>,
}

impl Ready {
    pub fn new() -> Result<Self, Box<dyn Error>> {
        // Isolates refer to it as long as they live, and they live as long as the program.
        let snapshot: &'static [u8] = Box::leak(snapshot()?.into_boxed_slice());
        let mut isolate = v8::Isolate::new(parameters(snapshot));
        v8::scope!(let scope, &mut isolate);
        let context = v8::Context::new(scope, Default::default());
        let scope = &mut v8::ContextScope::new(scope, context);
        let code = v8::String::new(scope, PLUGIN).ok_or("source")?;
        let script = v8::Script::compile(scope, code, None).ok_or("compile")?;
        // After it has run, so that its functions are in the cache too.
        script.run(scope).ok_or("run")?;
        let code_cache = script.get_unbound_script(scope).create_code_cache().ok_or("code cache")?.to_vec();
        Ok(Self { snapshot, code_cache })
    }
}

fn snapshot() -> Result<Vec<u8>, Box<dyn Error>> {
    let mut creator = v8::Isolate::snapshot_creator(None, None);
    {
        v8::scope!(let scope, &mut creator);
        let context = v8::Context::new(scope, Default::default());
        let scope = &mut v8::ContextScope::new(scope, context);
        let code = v8::String::new(scope, PRELUDE).ok_or("source")?;
        v8::Script::compile(scope, code, None).ok_or("compile")?.run(scope).ok_or("run")?;
        scope.set_default_context(context);
    }
    Ok(creator.create_blob(v8::FunctionCodeHandling::Keep).ok_or("snapshot")?.to_vec())
}

fn parameters(snapshot: &'static [u8]) -> v8::CreateParams {
    v8::CreateParams::default().snapshot_blob(v8::StartupData::from(snapshot)).heap_limits(0, HEAP)
}

pub struct Plugin {
    // Before the isolate: handles go before what they point into.
    context: v8::Global<v8::Context>,
    dispatch: v8::Global<v8::Function>,
    isolate: v8::SharedIsolate,
}

impl Plugin {
    /// An isolate, a context, the plugin's code compiled and run.
    pub fn load(ready: &Ready) -> Result<Self, Box<dyn Error>> {
        let isolate = v8::Isolate::new(parameters(ready.snapshot));
        // SAFETY: no other isolate is entered on this thread, and nothing of this one has been handed out yet.
        let isolate = unsafe { isolate.try_into_shared() }.map_err(|_| "the isolate can't be shared")?;
        let mut locker = isolate.lock();
        let (context, dispatch) = {
            v8::scope!(let scope, &mut *locker);
            let context = v8::Context::new(scope, Default::default());
            let scope = &mut v8::ContextScope::new(scope, context);
            let code = v8::String::new(scope, PLUGIN).ok_or("source")?;
            let cache = v8::CachedData::new(&ready.code_cache);
            let mut source = v8::script_compiler::Source::new_with_cached_data(code, None, cache);
            let options = v8::script_compiler::CompileOptions::ConsumeCodeCache;
            let script =
                v8::script_compiler::compile(scope, &mut source, options, v8::script_compiler::NoCacheReason::NoReason)
                    .ok_or("compile")?;
            if source.get_cached_data().is_none_or(|cache| cache.rejected()) {
                return Err("V8 rejected the code cache".into());
            }
            script.run(scope).ok_or("run")?;
            let name = v8::String::new(scope, "dispatch").ok_or("name")?;
            let dispatch = context.global(scope).get(scope, name.into()).ok_or("dispatch")?;
            let dispatch = dispatch.cast::<v8::Function>();
            (v8::Global::new(scope, context), v8::Global::new(scope, dispatch))
        };
        drop(locker);
        Ok(Self { context, dispatch, isolate })
    }

    /// One event in, one answer out, both JSON.
    pub fn dispatch(&self, event: &str) -> Result<String, Box<dyn Error>> {
        let mut locker = self.isolate.lock();
        v8::scope!(let scope, &mut *locker);
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let dispatch = v8::Local::new(scope, &self.dispatch);
        let receiver = v8::undefined(scope).into();
        let event = v8::String::new(scope, event).ok_or("event")?.into();
        let answer = dispatch.call(scope, receiver, &[event]).ok_or("the handler threw")?;
        Ok(answer.to_rust_string_lossy(scope))
    }
}
