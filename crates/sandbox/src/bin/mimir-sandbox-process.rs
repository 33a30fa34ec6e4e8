//! The sandbox process as a binary of its own, for embedders whose own binary cannot be started again.

#![forbid(unsafe_code)]

fn main() {
    mimir_sandbox::sandbox_main_if_requested();
    eprintln!("this is the process that plugins run in; the agent starts it");
    std::process::exit(2);
}
