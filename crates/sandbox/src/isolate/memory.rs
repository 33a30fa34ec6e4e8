//! Bounds of one isolate's memory: a counting allocator for what lies outside the heap, and what happens near the
//! heap's limit.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Hands out array buffers up to a bound. V8 turns a refusal into a `RangeError`.
pub(crate) struct CountingAllocator {
    limit: usize,
    used: AtomicUsize,
}

impl CountingAllocator {
    /// An allocator for one isolate that may hold `limit` bytes.
    pub(crate) fn create(limit: usize) -> v8::UniqueRef<v8::Allocator> {
        let handle = Arc::into_raw(Arc::new(Self { limit, used: AtomicUsize::new(0) }));
        // SAFETY: `handle` owns one reference, which `release` gives back, and the table expects this very type.
        unsafe { v8::new_rust_allocator(handle, &VTABLE) }
    }

    fn reserve(&self, bytes: usize) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|total| *total <= self.limit)
            })
            .is_ok()
    }
}

static VTABLE: v8::RustAllocatorVtable<CountingAllocator> =
    v8::RustAllocatorVtable { allocate, allocate_uninitialized, free, drop: release };

unsafe extern "C" fn allocate(handle: &CountingAllocator, bytes: usize) -> *mut c_void {
    if !handle.reserve(bytes) {
        return std::ptr::null_mut();
    }
    // SAFETY: calloc takes any size; at least one byte, since V8 takes null for a refusal.
    let data = unsafe { libc::calloc(bytes.max(1), 1) };
    if data.is_null() {
        handle.used.fetch_sub(bytes, Ordering::Relaxed);
    }
    data
}

unsafe extern "C" fn allocate_uninitialized(handle: &CountingAllocator, bytes: usize) -> *mut c_void {
    // Not uninitialised on purpose: a plugin never sees what another one left in memory.
    // SAFETY: the same contract.
    unsafe { allocate(handle, bytes) }
}

unsafe extern "C" fn free(handle: &CountingAllocator, data: *mut c_void, bytes: usize) {
    handle.used.fetch_sub(bytes, Ordering::Relaxed);
    // SAFETY: V8 gives back what `allocate` gave out, once.
    unsafe { libc::free(data) };
}

unsafe extern "C" fn release(handle: *const CountingAllocator) {
    // SAFETY: the reference that `create` made.
    drop(unsafe { Arc::from_raw(handle) });
}

/// How far the heap may grow past its limit until the isolate has stopped, in bytes. A single allocation beyond it
/// ends the process.
const SLACK: usize = 64 << 20;

/// Watches one heap. Its address is V8's callback data, so it lives in a box.
pub(crate) struct HeapGuard {
    isolate: v8::UnsafeRawIsolatePtr,
    handle: v8::IsolateHandle,
    limit: usize,
    was_hit: AtomicBool,
}

impl HeapGuard {
    /// Watches the heap of `isolate`, which must be dropped before the guard is.
    pub(crate) fn install(isolate: &mut v8::OwnedIsolate, limit: usize) -> Box<Self> {
        let mut guard = Box::new(Self {
            // SAFETY: only used in the callback, while the isolate exists.
            isolate: unsafe { isolate.as_raw_isolate_ptr() },
            handle: isolate.thread_safe_handle(),
            limit,
            was_hit: AtomicBool::new(false),
        });
        isolate.add_near_heap_limit_callback(near_heap_limit, std::ptr::from_mut(&mut *guard).cast());
        guard
    }

    /// The limit, in bytes.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether the heap's limit was reached.
    pub(crate) fn was_hit(&self) -> bool {
        self.was_hit.load(Ordering::Relaxed)
    }
}

unsafe extern "C" fn near_heap_limit(data: *mut c_void, current: usize, _initial: usize) -> usize {
    // SAFETY: the guard outlives the isolate (`install`), and V8 calls this on the thread that has entered it.
    let guard = unsafe { &mut *data.cast::<HeapGuard>() };
    // SAFETY: the isolate exists as long as it calls.
    let isolate = unsafe { v8::Isolate::ref_from_raw_isolate_ptr_mut(&mut guard.isolate) };
    // V8 also asks when an array buffer was refused, on a heap that may be nearly empty. That becomes a `RangeError`.
    let used = isolate.get_heap_statistics().used_heap_size();
    if used < guard.limit / 2 {
        return current;
    }
    guard.was_hit.store(true, Ordering::Relaxed);
    guard.handle.terminate_execution();
    // One allocation may have taken it far beyond the limit already.
    used.max(guard.limit) + SLACK
}
