//! The bundler as a program of its own, for those who embed the loader in a binary that can't start itself again (a test
//! harness, a host in another language). `mimir` needs no such file.

#![forbid(unsafe_code)]

fn main() {
    mimir_loader::bundler_main_if_requested();
    eprintln!("this program is started by Mimir and does nothing by itself");
    std::process::exit(2);
}
