//! One plugin's isolate: the inner wall.
//!
//! An isolate is made from the snapshot and can wait as a spare; it becomes a plugin's by [`PluginIsolate::start`]. It
//! stays on the thread that made it, and is entered for one message at a time under the watchdog's eyes.

pub(crate) mod engine;
#[cfg(feature = "test-hooks")]
pub(crate) mod exploit;
mod memory;
#[cfg(test)]
mod names;
pub(crate) mod natives;
#[cfg(test)]
mod tables;

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use mimir_shared_config::Limits;
use mimir_shared_platform::Guard;

use self::engine::Room;
use self::memory::{CountingAllocator, HeapGuard};
use self::natives::Shared;
use crate::flags::ENTRY_POINTS;
use crate::image::{CallKind, Limit, Thrown};
use crate::message::Load;
use crate::watchdog::{Allowance, LaneWatch};
use crate::web;

/// The prelude's entry points.
struct EntryPoints {
    boot: v8::Global<v8::Function>,
    setup: v8::Global<v8::Function>,
    dispatch_event: v8::Global<v8::Function>,
    dispatch_call: v8::Global<v8::Function>,
    host_result: v8::Global<v8::Function>,
    fire_timer: v8::Global<v8::Function>,
    abort_call: v8::Global<v8::Function>,
    rejected: v8::Global<v8::Function>,
    dispose: v8::Global<v8::Function>,
}

impl EntryPoints {
    fn from_snapshot(scope: &mut v8::PinScope<'_, '_>) -> Self {
        let take = |name| {
            let index = ENTRY_POINTS.iter().position(|entry_point| *entry_point == name);
            let function =
                index.and_then(|index| scope.get_context_data_from_snapshot_once::<v8::Function>(index).ok());
            v8::Global::new(scope, function.expect("the snapshot holds the prelude's entry points"))
        };
        Self {
            boot: take("boot"),
            setup: take("setup"),
            dispatch_event: take("dispatchEvent"),
            dispatch_call: take("dispatchCall"),
            host_result: take("hostResult"),
            fire_timer: take("fireTimer"),
            abort_call: take("abortCall"),
            rejected: take("rejected"),
            dispose: take("dispose"),
        }
    }
}

/// The parts of an isolate. The handles come first, so that they are dropped before the isolate they point into, and
/// the guard comes last, since the isolate calls it to its end.
pub(crate) struct PluginIsolate {
    entry_points: EntryPoints,
    context: v8::Global<v8::Context>,
    shared: Rc<Shared>,
    isolate: v8::SharedIsolate,
    heap: Box<HeapGuard>,
    _room: Room,
    plugin: u32,
    entries: u32,
    heap_peak: usize,
}

/// What is called, and with what.
#[derive(Clone, Copy)]
pub(crate) struct Dispatch<'a> {
    pub(crate) kind: CallKind,
    pub(crate) name: &'a str,
    /// The session it belongs to; an event says so in its payload.
    pub(crate) session: &'a str,
    pub(crate) payload: &'a str,
}

/// How an entry ended.
pub(crate) struct Entered {
    pub(crate) cpu_ns: u64,
    /// When it began and ended, in nanoseconds of the monotonic clock.
    pub(crate) at_ns: [u64; 2],
    /// Time meanwhile in which nobody in this process ran, in nanoseconds.
    pub(crate) lost_ns: u64,
    /// The limit that stopped it. The isolate is not to be entered again.
    pub(crate) stopped: Option<Limit>,
    /// What the prelude threw, which it never does unless the stack ran out.
    pub(crate) thrown: Option<Thrown>,
}

/// The heap's size is looked at every so many entries, and after long ones.
const SAMPLE_EVERY: u32 = 64;
const LONG_ENTRY_NS: u64 = 1_000_000;

/// V8's own tasks (finalisation, delayed collections) run every so many entries.
const PUMP_EVERY: u32 = 32;

impl PluginIsolate {
    /// An isolate with the prelude's globals and no plugin. Frames that it makes go to `outgoing`.
    pub(crate) fn new(limits: &Limits, outgoing: Rc<RefCell<Vec<u8>>>) -> Self {
        let params = v8::CreateParams::default()
            .snapshot_blob(engine::snapshot().into())
            .external_references(engine::external_references().into())
            .array_buffer_allocator(CountingAllocator::create(limits.off_heap).make_shared())
            .allow_atomics_wait(false)
            .heap_limits(0, limits.heap);
        let room = Room::for_one_more();
        let mut isolate = v8::Isolate::new(params);
        isolate.set_microtasks_policy(v8::MicrotasksPolicy::Explicit);
        isolate.set_promise_reject_callback(natives::promise_rejected);
        isolate.set_host_import_module_dynamically_callback(refuse_dynamic_import);
        isolate.set_oom_error_handler(engine::out_of_memory);
        let heap = HeapGuard::install(&mut isolate, limits.heap);
        let shared = Shared::new(outgoing);
        isolate.set_slot(Rc::clone(&shared));
        let (context, entry_points) = {
            v8::scope!(let scope, &mut isolate);
            let context = v8::Context::new(scope, Default::default());
            let global = v8::Global::new(scope, context);
            let scope = &mut v8::ContextScope::new(scope, context);
            context.set_allow_generation_from_strings(!Guard::RealmEval.stands());
            (global, EntryPoints::from_snapshot(scope))
        };
        // SAFETY: what hangs on the isolate (`Shared`) is not Send, but the isolate never leaves this thread: it lives
        // in a `Lane`, which is neither Send nor handed out.
        let isolate = unsafe { isolate.try_into_shared() };
        let isolate = isolate.unwrap_or_else(|error| panic!("a fresh isolate can be shared: {error}"));
        Self { entry_points, context, shared, isolate, heap, _room: room, plugin: 0, entries: 0, heap_peak: 0 }
    }

    /// What the native function left for the lane.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The largest heap seen so far, in bytes.
    pub(crate) fn heap_peak(&self) -> usize {
        self.heap_peak
    }

    /// Makes this the isolate of a plugin, of which nothing has run yet.
    pub(crate) fn assign(&mut self, load: &Load<'_>, watch: &LaneWatch) {
        self.plugin = load.plugin;
        self.shared.assign(load.plugin, load.limits.clone());
        watch.register(load.plugin, self.isolate.thread_safe_handle());
        web::install(&mut self.isolate.lock());
    }

    /// Runs the module of the plugin whose isolate this is. What comes of it is in `shared().started`, at once or when the
    /// plugin's promise is settled; `Err` if the module cannot be compiled.
    pub(crate) fn start(
        &mut self,
        load: &Load<'_>,
        watch: &LaneWatch,
        allowance: Allowance,
    ) -> (Entered, Result<(), Thrown>) {
        let mut compiled = Ok(());
        let entered = self.enter(watch, allowance, |scope, entry_points| {
            let undefined: v8::Local<v8::Value> = v8::undefined(scope).into();
            scope.set_continuation_preserved_embedder_data(undefined);
            #[cfg(feature = "test-hooks")]
            exploit::install(scope)?;
            let native = v8::Function::builder(natives::call).build(scope)?;
            let context = text(scope, load.context)?;
            let restarted = v8::Boolean::new(scope, load.restarted);
            let guards = v8::Boolean::new(scope, load.guards && Guard::LimitBuiltins.stands());
            let is_closed = Guard::RealmWasm.stands();
            let wasm = v8::Boolean::new(scope, load.wasm || !is_closed);
            let shared = v8::Boolean::new(scope, !is_closed);
            invoke(
                scope,
                &entry_points.boot,
                &[native.into(), context.into(), restarted.into(), guards.into(), wasm.into(), shared.into()],
            )?;
            match evaluate(scope, load) {
                Ok(evaluated) => invoke(scope, &entry_points.setup, &evaluated),
                Err(thrown) => {
                    compiled = Err(thrown);
                    Some(undefined)
                }
            }
        });
        (entered, compiled)
    }

    /// Calls a handler, a tool or a command.
    pub(crate) fn dispatch(
        &mut self,
        Dispatch { kind, name, session, payload }: Dispatch<'_>,
        call: u64,
        watch: &LaneWatch,
        allowance: Allowance,
    ) -> Entered {
        self.shared.refill_log();
        self.enter(watch, allowance, |scope, entry_points| {
            let id = v8::Number::new(scope, call as f64);
            // As the prelude keeps them apart from commands
            let name = if kind == CallKind::Auth { Cow::Owned(format!("auth:{name}")) } else { Cow::Borrowed(name) };
            let name = name_text(scope, &name)?;
            let payload = text(scope, payload)?;
            match kind {
                CallKind::Event => {
                    invoke(scope, &entry_points.dispatch_event, &[id.into(), name.into(), payload.into()])
                }
                CallKind::Tool | CallKind::Command | CallKind::Auth => {
                    let is_tool = v8::Boolean::new(scope, kind == CallKind::Tool);
                    let session = text(scope, session)?;
                    let args = [id.into(), is_tool.into(), name.into(), payload.into(), session.into()];
                    invoke(scope, &entry_points.dispatch_call, &args)
                }
            }
        })
    }

    /// Hands over the answer of a host call.
    pub(crate) fn host_result(
        &mut self,
        request: u64,
        result: Result<&str, &str>,
        watch: &LaneWatch,
        allowance: Allowance,
    ) -> Entered {
        self.enter(watch, allowance, |scope, entry_points| {
            let request = v8::Number::new(scope, request as f64);
            let succeeded = v8::Boolean::new(scope, result.is_ok());
            let json = text(scope, result.unwrap_or_else(|error| error))?;
            invoke(scope, &entry_points.host_result, &[request.into(), succeeded.into(), json.into()])
        })
    }

    /// Runs a timer's callback.
    pub(crate) fn fire_timer(&mut self, timer: u32, watch: &LaneWatch, allowance: Allowance) -> Entered {
        self.enter(watch, allowance, |scope, entry_points| {
            let timer = v8::Integer::new_from_unsigned(scope, timer);
            invoke(scope, &entry_points.fire_timer, &[timer.into()])
        })
    }

    /// Fires the `AbortSignal` of a call.
    pub(crate) fn abort(&mut self, call: u64, reason: &str, watch: &LaneWatch, allowance: Allowance) -> Entered {
        self.enter(watch, allowance, |scope, entry_points| {
            let id = v8::Number::new(scope, call as f64);
            let reason = text(scope, reason)?;
            invoke(scope, &entry_points.abort_call, &[id.into(), reason.into()])
        })
    }

    /// Calls the plugin's `dispose`.
    pub(crate) fn dispose(&mut self, watch: &LaneWatch, allowance: Allowance) -> Entered {
        self.enter(watch, allowance, |scope, entry_points| invoke(scope, &entry_points.dispose, &[]))
    }

    fn enter(
        &mut self,
        watch: &LaneWatch,
        allowance: Allowance,
        run: impl for<'s, 'i> FnOnce(&mut v8::PinScope<'s, 'i>, &EntryPoints) -> Option<v8::Local<'s, v8::Value>>,
    ) -> Entered {
        self.entries = self.entries.wrapping_add(1);
        watch.begin(self.plugin, allowance);
        let mut thrown = None;
        let mut sample = None;
        {
            let mut locker = self.isolate.lock();
            {
                v8::scope_with_context!(let scope, &mut *locker, &self.context);
                v8::tc_scope!(let scope, scope);
                if run(scope, &self.entry_points).is_none() && !scope.has_terminated() {
                    thrown = scope.exception().map(|exception| describe(scope, exception));
                    scope.reset();
                }
                scope.perform_microtask_checkpoint();
                report_rejections(scope, &self.shared, &self.entry_points);
            }
            if self.entries.is_multiple_of(PUMP_EVERY) {
                while v8::Platform::pump_message_loop(&v8::V8::get_current_platform(), &locker, false) {}
            }
            if self.entries % SAMPLE_EVERY == 1 {
                sample = Some(locker.get_heap_statistics().used_heap_size());
            }
        }
        let taken = watch.end();
        if sample.is_none() && taken.cpu_ns > LONG_ENTRY_NS && taken.stopped.is_none() {
            sample = Some(self.isolate.lock().get_heap_statistics().used_heap_size());
        }
        self.heap_peak = self.heap_peak.max(sample.unwrap_or(0));
        let stopped = if self.heap.was_hit() { Some(Limit::Heap) } else { taken.stopped };
        if stopped == Some(Limit::Heap) {
            self.heap_peak = self.heap_peak.max(self.heap.limit());
        }
        Entered { cpu_ns: taken.cpu_ns, at_ns: taken.at_ns, lost_ns: taken.lost_ns, stopped, thrown }
    }
}

/// Compiles a module in an isolate that never runs it, and gives the code cache.
pub(crate) fn compile_for_cache(name: &str, code: &str) -> Option<Vec<u8>> {
    let spare = PluginIsolate::new(&Limits::default(), Rc::default());
    let mut locker = spare.isolate.lock();
    v8::scope_with_context!(let scope, &mut *locker, &spare.context);
    v8::tc_scope!(let scope, scope);
    let origin = origin(scope, name)?;
    let code = text(scope, code)?;
    let mut source = v8::script_compiler::Source::new(code, Some(&origin));
    let module = v8::script_compiler::compile_module2(
        scope,
        &mut source,
        v8::script_compiler::CompileOptions::NoCompileOptions,
        v8::script_compiler::NoCacheReason::NoReason,
    )?;
    let cache = module.get_unbound_module_script(scope).create_code_cache()?;
    Some(cache.to_vec())
}

/// Compiles and evaluates the plugin's module; gives the promise of its evaluation and its namespace.
fn evaluate<'s>(scope: &mut v8::PinScope<'s, '_>, load: &Load<'_>) -> Result<[v8::Local<'s, v8::Value>; 2], Thrown> {
    v8::tc_scope!(let scope, scope);
    let evaluated = compile(scope, load).and_then(|module| {
        module.instantiate_module(scope, refuse_import)?;
        let promise = module.evaluate(scope)?;
        Some([promise, module.get_module_namespace()])
    });
    evaluated.ok_or_else(|| match scope.exception() {
        Some(exception) if !scope.has_terminated() => describe(scope, exception),
        _ => Thrown { name: "Error".into(), message: "the module could not be loaded".into(), stack: None },
    })
}

fn compile<'s>(scope: &mut v8::PinScope<'s, '_>, load: &Load<'_>) -> Option<v8::Local<'s, v8::Module>> {
    use v8::script_compiler::{CachedData, CompileOptions, NoCacheReason, Source, compile_module2};
    let origin = origin(scope, load.name)?;
    let code = text(scope, load.code)?;
    let (mut source, options) = match load.code_cache {
        // A cache that does not fit is rejected by V8, which then compiles as without one.
        Some(cache) => {
            let cache = CachedData::new(cache);
            (Source::new_with_cached_data(code, Some(&origin), cache), CompileOptions::ConsumeCodeCache)
        }
        None => (Source::new(code, Some(&origin)), CompileOptions::NoCompileOptions),
    };
    compile_module2(scope, &mut source, options, NoCacheReason::NoReason)
}

fn origin<'s>(scope: &mut v8::PinScope<'s, '_>, plugin: &str) -> Option<v8::ScriptOrigin<'s>> {
    let name = text(scope, &format!("mimir:plugin/{plugin}"))?;
    Some(v8::ScriptOrigin::new(scope, name.into(), 0, 0, false, -1, None, false, false, true, None))
}

fn refuse_import<'s>(
    context: v8::Local<'s, v8::Context>,
    specifier: v8::Local<'s, v8::String>,
    _attributes: v8::Local<'s, v8::FixedArray>,
    _referrer: v8::Local<'s, v8::Module>,
) -> Option<v8::Local<'s, v8::Module>> {
    v8::callback_scope!(unsafe scope, context);
    let message = format!("cannot import {}: a plugin is one bundle", specifier.to_rust_string_lossy(scope));
    let message = v8::String::new(scope, &message)?;
    let error = v8::Exception::type_error(scope, message);
    scope.throw_exception(error);
    None
}

fn refuse_dynamic_import<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    _host_defined_options: v8::Local<'s, v8::Data>,
    _resource_name: v8::Local<'s, v8::Value>,
    specifier: v8::Local<'s, v8::String>,
    _attributes: v8::Local<'s, v8::FixedArray>,
) -> Option<v8::Local<'s, v8::Promise>> {
    let message = format!("cannot import {}: a plugin is one bundle", specifier.to_rust_string_lossy(scope));
    let resolver = v8::PromiseResolver::new(scope)?;
    let message = v8::String::new(scope, &message)?;
    let error = v8::Exception::type_error(scope, message);
    resolver.reject(scope, error)?;
    Some(resolver.get_promise(scope))
}

fn report_rejections(scope: &mut v8::PinScope<'_, '_>, shared: &Shared, entry_points: &EntryPoints) {
    if shared.rejections.borrow().is_empty() {
        return;
    }
    let rejections = std::mem::take(&mut *shared.rejections.borrow_mut());
    for (_, reason) in rejections {
        let reason = v8::Local::new(scope, reason);
        if invoke(scope, &entry_points.rejected, &[reason]).is_none() {
            return;
        }
    }
}

fn invoke<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    function: &v8::Global<v8::Function>,
    args: &[v8::Local<'s, v8::Value>],
) -> Option<v8::Local<'s, v8::Value>> {
    let receiver = v8::undefined(scope).into();
    v8::Local::new(scope, function).call(scope, receiver, args)
}

fn text<'s>(scope: &mut v8::PinScope<'s, '_>, text: &str) -> Option<v8::Local<'s, v8::String>> {
    if text.is_ascii() {
        v8::String::new_from_one_byte(scope, text.as_bytes(), v8::NewStringType::Normal)
    } else {
        v8::String::new(scope, text)
    }
}

/// Names of events recur, so that V8 finds them faster when it keeps one of each.
fn name_text<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str) -> Option<v8::Local<'s, v8::String>> {
    v8::String::new_from_utf8(scope, name.as_bytes(), v8::NewStringType::Internalized)
}

/// What can be said of an exception without running JavaScript.
fn describe(scope: &mut v8::PinScope<'_, '_>, exception: v8::Local<'_, v8::Value>) -> Thrown {
    let message = v8::Exception::create_message(scope, exception);
    let full = message.get(scope).to_rust_string_lossy(scope);
    let full = full.strip_prefix("Uncaught ").unwrap_or(&full);
    let (name, text) = full.split_once(": ").filter(|(name, _)| !name.contains(' ')).unwrap_or(("Error", full));
    let stack = message.get_line_number(scope).map(|line| {
        let script =
            message.get_script_resource_name(scope).map(|name| name.to_rust_string_lossy(scope)).unwrap_or_default();
        format!("{full}\n    at {script}:{line}:{}", message.get_start_column().wrapping_add(1))
    });
    Thrown { name: name.to_owned(), message: text.to_owned(), stack }
}
