//! The steps: which command each is, and what to do when it fails.

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use super::packages;
use crate::{architecture, cargo, codegen, v8_archive};

/// One thing that must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Step {
    /// The V8 archive has the checksums of its README
    #[value(name = "verify-v8")]
    VerifyV8,
    /// rustfmt has nothing to change
    Fmt,
    /// The rules of docs/architecture.md
    Architecture,
    /// No warning, in tests and examples either
    Clippy,
    /// Unit tests alone (part of `tests`)
    Unit,
    /// Unit, integration and documentation tests
    Tests,
    /// The API documentation builds without a warning
    Docs,
    /// Generated files are what the code says
    Codegen,
    /// The npm packages: manifests, tests, types
    Packages,
}

impl Step {
    /// The cheap ones first: what fails in a second should not wait for the linker.
    pub(super) const ALL: &[Self] = &[
        Self::VerifyV8,
        Self::Fmt,
        Self::Architecture,
        Self::Clippy,
        Self::Tests,
        Self::Docs,
        Self::Codegen,
        Self::Packages,
    ];

    pub(super) const QUICK: &[Self] = &[Self::Fmt, Self::Architecture, Self::Clippy, Self::Unit];

    pub(super) fn what(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// Runs the step; `fail_fast` stops the test runner at its first failure too.
    pub(super) fn run(self, root: &Path, fail_fast: bool) -> Result<()> {
        match self {
            Self::VerifyV8 => v8_archive::verify(root),
            Self::Fmt => formatted(root),
            Self::Architecture => architecture::run(root),
            Self::Clippy => run(
                cargo_in(root)
                    .args(["clippy", "--workspace", "--all-targets", "--features", TEST_HOOKS])
                    .args(DENY_WARNINGS),
                "mend what it says; an exception is an `#[allow(…, reason = \"…\")]`",
            ),
            Self::Unit => tests(root, &["--lib", "--bins"], fail_fast),
            Self::Tests => tests(root, &[], fail_fast),
            Self::Docs => run(
                cargo_in(root).args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings"),
                "mend the comments it names",
            ),
            Self::Codegen => codegen::run(root, true),
            Self::Packages => packages::check(root),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        formatter.write_str(value.as_ref().map_or("step", |value| value.get_name()))
    }
}

fn formatted(root: &Path) -> Result<()> {
    run(cargo_in(root).args(["fmt", "--all", "--check"]), "run `cargo fmt --all`")?;
    let fuzz = ["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"];
    run(cargo_in(root).args(fuzz), "run `cargo fmt --manifest-path fuzz/Cargo.toml`")?;
    for name in crate::bench::REFERENCES {
        let manifest = format!("xtask/reference/{name}/Cargo.toml");
        let remedy = format!("run `cargo fmt --manifest-path {manifest}`");
        run(cargo_in(root).args(["fmt", "--check", "--manifest-path", &manifest]), &remedy)?;
    }
    Ok(())
}

/// The attack suite takes guards out, one at a time, to see each attack succeed.
pub(crate) const TEST_HOOKS: &str = "mimir/test-hooks";

const DENY_WARNINGS: [&str; 3] = ["--", "--deny", "warnings"];

fn tests(root: &Path, targets: &[&str], fail_fast: bool) -> Result<()> {
    let mut command = cargo_in(root);
    command.args(["test", "--workspace", "--features", TEST_HOOKS]).args(targets);
    if !fail_fast {
        command.arg("--no-fail-fast");
    }
    run(&mut command, "the failures are listed above, after each test binary")
}

fn cargo_in(root: &Path) -> Command {
    let mut command = Command::new(cargo());
    command.current_dir(root);
    command
}

/// Runs a command that prints for itself; a failure says what to do.
pub(super) fn run(command: &mut Command, remedy: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("`{program}` can't be started"))?;
    if !status.success() {
        bail!("{remedy}");
    }
    Ok(())
}
