//! V8 itself: its flags, its platform, and what happens when it gives up.

use std::cell::Cell;
use std::ffi::c_char;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once, OnceLock};

use mimir_shared_platform::Guard;
use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::flags::V8_FLAGS;
use crate::page::{Fatal, Page};

/// The heap after the prelude ran, made by `build.rs`.
static SNAPSHOT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/prelude.snapshot"));

/// The prelude's source, to which functions in the snapshot refer when they are compiled at their first call. It stays
/// outside of every heap.
static PRELUDE: v8::OneByteConst =
    v8::String::create_external_onebyte_const(include_bytes!(concat!(env!("OUT_DIR"), "/prelude.js")));

/// The same without the prelude's copies of the built-ins.
#[cfg(feature = "test-hooks")]
static LIVE: (&[u8], v8::OneByteConst) = (
    include_bytes!(concat!(env!("OUT_DIR"), "/live.snapshot")),
    v8::String::create_external_onebyte_const(include_bytes!(concat!(env!("OUT_DIR"), "/live.js"))),
);

fn prelude() -> (&'static [u8], &'static v8::OneByteConst) {
    #[cfg(feature = "test-hooks")]
    if !Guard::RealmPrimordials.stands() {
        return (LIVE.0, &LIVE.1);
    }
    (SNAPSHOT, &PRELUDE)
}

/// What every isolate starts from.
pub(crate) fn snapshot() -> &'static [u8] {
    prelude().0
}

/// What the snapshot refers to by number.
pub(crate) fn external_references() -> Vec<v8::ExternalReference> {
    vec![v8::ExternalReference { pointer: std::ptr::from_ref(prelude().1).cast_mut().cast() }]
}

/// Room for the machine code of one isolate, in bytes: V8's smallest. All of it counts as data, used or not.
const CODE_RANGE: u64 = 64 << 20;

/// The bound of this process's data beside what its isolates bring: what escapes the heap limits and the allocator (the
/// parser, WebAssembly, regular expressions). The address space can't be bounded: V8 reserves terabytes of it.
const DATA: u64 = 1 << 30;

/// How much the bound grows with an isolate.
const DATA_OF_ISOLATE: u64 = CODE_RANGE + (4 << 20);

/// More isolates than a process ever has: what broke out of V8 can raise the bound to this many, and no further.
const MOST_ISOLATES: u64 = 1024;

static ISOLATES: Mutex<u64> = Mutex::new(0);
static HAS_BOUNDED_DATA: AtomicBool = AtomicBool::new(false);

/// Bounds the data of this process from now on. For sandbox processes.
pub(crate) fn bound_data() -> io::Result<()> {
    let before = getrlimit(Resource::Data).maximum;
    let wanted = DATA + MOST_ISOLATES * DATA_OF_ISOLATE;
    let maximum = Some(before.map_or(wanted, |before| wanted.min(before)));
    setrlimit(Resource::Data, Rlimit { current: maximum, maximum })?;
    HAS_BOUNDED_DATA.store(true, Ordering::SeqCst);
    set_data_bound(*ISOLATES.lock())
}

fn set_data_bound(isolates: u64) -> io::Result<()> {
    let maximum = getrlimit(Resource::Data).maximum;
    let wanted = DATA + isolates * DATA_OF_ISOLATE;
    let current = Some(maximum.map_or(wanted, |maximum| wanted.min(maximum)));
    Ok(setrlimit(Resource::Data, Rlimit { current, maximum })?)
}

/// An isolate's share of the process's data. The bound has to grow before the isolate is made.
pub(crate) struct Room(());

impl Room {
    pub(crate) fn for_one_more() -> Self {
        Self::change(|isolates| isolates + 1);
        Self(())
    }

    fn change(change: impl Fn(u64) -> u64) {
        let mut isolates = ISOLATES.lock();
        *isolates = change(*isolates);
        if HAS_BOUNDED_DATA.load(Ordering::SeqCst) {
            // The soft limit moves below the hard one, which the kernel always allows.
            let _ = set_data_bound(*isolates);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        Self::change(|isolates| isolates - 1);
    }
}

/// Worker threads of V8 for collecting garbage and optimising, a process. How many threads may mark a heap, in `V8_FLAGS`,
/// is one more.
const WORKERS: u32 = 1;

static START: Once = Once::new();
static PAGE: OnceLock<Arc<Page>> = OnceLock::new();

thread_local! {
    /// The lane that this thread runs, for V8's last words.
    static LANE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Starts V8, once a process and before any thread that enters an isolate exists: where the processor has protection
/// keys, a thread that is older than V8's keys may not read its tables.
pub fn initialize() {
    START.call_once(|| {
        v8::V8::set_flags_from_string(&V8_FLAGS.join(" "));
        if !Guard::RealmEval.stands() {
            v8::V8::set_flags_from_string("--no-disallow-code-generation-from-strings");
        }
        v8::V8::initialize_platform(v8::new_default_platform(WORKERS, false).make_shared());
        v8::V8::initialize();
        v8::V8::set_fatal_error_handler(fatal_error);
    });
}

/// Ends this process where V8 would abort it, and lets the page say why.
pub(crate) fn end_process_on_fatal_errors(page: Arc<Page>) {
    // A second call would be a second sandbox in one process, which only tests make; the first page goes on.
    let _ = PAGE.set(page);
}

/// Says that the calling thread runs `lane`.
pub(crate) fn enter_lane(lane: usize) {
    LANE.set(Some(lane));
}

pub(crate) unsafe extern "C" fn out_of_memory(_location: *const c_char, _details: &v8::OomDetails) {
    give_up(Fatal::OutOfMemory);
}

fn fatal_error(_file: &str, _line: i32, _message: &str) {
    give_up(Fatal::Broken);
}

/// Returns only in a process that is not a sandbox process; V8 aborts it then.
fn give_up(fatal: Fatal) {
    if let (Some(page), Some(lane)) = (PAGE.get(), LANE.get()) {
        page.condemn(lane, fatal);
        // SAFETY: no destructor may run, V8's state is broken.
        unsafe { libc::_exit(EXIT_CONDEMNED) };
    }
}

/// How a sandbox process ends that had to give up.
pub(crate) const EXIT_CONDEMNED: i32 = 86;
