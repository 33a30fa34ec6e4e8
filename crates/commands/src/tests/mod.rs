//! Every command against a mocked store: what it asks of the store, what it prints, how it ends.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod audit;
mod doctor;
mod grants;
mod help;
mod screens;
mod wording;

use std::path::PathBuf;

use clap::Parser;
use mimir_shared_config::{Capabilities, Exec, Filesystem, Network, PluginMode};

use crate::ports::{MockPerson, MockPluginStore};
use crate::{
    CommandError, Exit, GrantState, GrantView, PluginCommand, PluginState, PluginSummary, Screen, Source, run,
};

#[derive(Parser)]
#[command(name = "mimir plugin")]
struct Cli {
    #[command(subcommand)]
    command: PluginCommand,
}

/// Runs a command line and gives what it printed, without styles, and how it ended.
async fn check(
    line: &str,
    width: usize,
    store: MockPluginStore,
    person: MockPerson,
) -> (String, Result<Exit, CommandError>) {
    let cli = Cli::parse_from(std::iter::once("plugin").chain(line.split_whitespace()));
    let mut out = Vec::new();
    let exit = run(cli.command, &store, &person, &mut Screen { out: &mut out, width }).await;
    (unstyled(&String::from_utf8(out).unwrap()), exit)
}

fn unstyled(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            out.push(c);
        }
    }
    out
}

fn nobody() -> MockPerson {
    let mut person = MockPerson::new();
    person.expect_confirm().returning(|_| None);
    person
}

fn capabilities() -> Capabilities {
    Capabilities {
        filesystem: Filesystem { read: true, write: true, delete: false, restricted: vec![".env".into()] },
        network: Network { enabled: true, allowlist: vec!["api.example.com".into()] },
        exec: Exec {
            enabled: true,
            allowlist: vec!["git *".into(), "npm test".into(), "cargo *".into()],
            network: false,
        },
        ..Capabilities::default()
    }
}

fn summary(id: &str, state: PluginState) -> PluginSummary {
    PluginSummary {
        id: id.into(),
        version: Some("1.2.0".into()),
        source: Source::Project,
        path: PathBuf::from("/project/.mimir/plugins").join(id),
        state,
        why: "lies in .mimir/plugins".into(),
        hint: None,
        granted: GrantState::NotNeeded,
        needs: Capabilities::default(),
        events: vec!["tool.execute.before".into()],
        shadows: Vec::new(),
        mode: PluginMode::Enforce,
    }
}

fn request() -> GrantView {
    GrantView {
        id: "formatter".into(),
        version: "1.2.0".into(),
        source: Source::Project,
        path: "/project/.mimir/plugins/formatter".into(),
        hash: "4f1c2b7a9d3e5f60718293a4b5c6d7e8f9".into(),
        requested: capabilities(),
        limits: vec!["use 128 MiB of memory".into()],
        new_limits: Vec::new(),
        before: None,
        held: None,
        granted: false,
        withheld: Vec::new(),
    }
}
