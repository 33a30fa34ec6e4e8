//! Chores of this repository: `cargo xtask test`, `architecture`, `codegen`, `verify-v8`, `bench`.
//!
//! It knows no crate of this workspace, so that it builds in seconds and still works while they do not compile. What it
//! needs from the product (schemas, figures) it gets by running it.

#![forbid(unsafe_code)]

mod architecture;
mod repository;

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
    /// Compare the declared dependencies and the layout with the rules of docs/architecture.md
    Architecture,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().chore {
        Chore::Architecture => architecture::run(&repository::root()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
