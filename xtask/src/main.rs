//! Chores of this repository: `cargo xtask test`, `architecture`, `codegen`, `verify-v8`, `fuzz`, `bench`.
//!
//! It knows no crate of this workspace, so that it builds in seconds and still works while they do not compile. What it
//! needs from the product (schemas, figures) it gets by running it.

#![forbid(unsafe_code)]

mod architecture;
mod bench;
mod codegen;
mod fuzz;
mod repository;
mod terminal;
mod test;
mod v8_archive;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Chores of this repository")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Everything that must hold: format, lints, architecture, tests, docs, generated files, npm packages
    Test(test::Selection),
    /// Compare the declared dependencies and the layout with the rules of docs/architecture.md
    Architecture,
    /// Write the files that are generated from the code
    Codegen {
        /// Write nothing, and fail if a file is not what the code says
        #[arg(long)]
        check: bool,
    },
    /// Compare the prebuilt V8 with the checksums in its README
    VerifyV8,
    /// Fuzz what reads things from outside, by `cargo fuzz`
    Fuzz(fuzz::Selection),
    /// Measure against the reference programs of xtask/reference, in release builds
    Bench(bench::Selection),
}

fn main() -> ExitCode {
    let root = repository::root();
    let outcome = match Arguments::parse().chore {
        Chore::Test(selection) => test::run(&root, &selection),
        Chore::Architecture => architecture::run(&root),
        Chore::Codegen { check } => codegen::run(&root, check),
        Chore::VerifyV8 => v8_archive::verify(&root),
        Chore::Fuzz(selection) => fuzz::run(&root, &selection),
        Chore::Bench(selection) => bench::run(&root, &selection),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{} {error:#}", terminal::Paint::new().bad("error:"));
            ExitCode::FAILURE
        }
    }
}

/// The cargo that runs this, so that a toolchain chosen with `cargo +…` stays chosen.
fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
