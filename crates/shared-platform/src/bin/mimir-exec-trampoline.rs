//! The trampoline alone, for tests and for those who embed Mimir and can't let their own `main` begin with it.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    mimir_shared_platform::exec_main_if_requested();
    eprintln!("this is started by Mimir and does nothing by itself");
    std::process::ExitCode::from(2)
}
