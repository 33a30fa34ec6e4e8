// V8's flags. The snapshot that `build.rs` makes and the process that loads it must agree on them, so both include this file.

/// Set before V8 is initialised.
pub(crate) const V8_FLAGS: &[&str] = &[
    // `new Function` and `eval` are off by the context as well; this holds for every context there will ever be.
    "--disallow-code-generation-from-strings",
    // A table of 10^7 entries aborts the process instead of throwing.
    "--wasm-max-table-size=65536",
    // 64 MiB a memory; how many there are is held by RLIMIT_DATA.
    "--wasm-max-mem-pages=1024",
    // A regular expression is interpreted until it has proved to be hot: a huge one exhausts the compiler's memory,
    // which ends the process, where the interpreter can be stopped.
    "--regexp-tier-up",
    "--regexp-tier-up-ticks=1",
    // Who may mark a heap at once: the platform's one worker (`WORKERS`), and the isolate's thread while it waits for it.
    // Each has tables of 2.7 KiB in every isolate, used or not, and V8 makes them for seven.
    "--concurrent-marking-max-worker-num=2",
];

/// What the prelude returns, in the order in which the snapshot holds it.
pub(crate) const ENTRY_POINTS: &[&str] =
    &["boot", "setup", "dispatchEvent", "dispatchCall", "hostResult", "fireTimer", "abortCall", "rejected", "dispose"];
