//! `mimir plugin …`: the arguments, what each command does, and what it prints.
//!
//! What plugins there are and what changing one means is behind the port [`PluginStore`]; who answers a question is
//! behind [`Person`]. This crate opens no file, starts nothing, and knows neither how plugins are found nor how they
//! run. It also owns how the command line looks: tables that fit the window ([`Table`]), text from plugins that can't
//! reach the terminal as control characters ([`printable`]), and wrong files shown with the place ([`Problem`]).

#![forbid(unsafe_code)]

mod args;
mod audit;
mod danger;
mod doctor;
mod error;
mod grant;
mod info;
mod list;
mod model;
mod part;
mod ports;
mod problem;
mod run;
mod switch;
mod table;
mod text;
mod theme;
mod trust;
mod validate;
mod wording;

#[cfg(test)]
mod tests;

pub use args::PluginCommand;
pub use audit::{AuditEntry, AuditPlace, AuditQuery, AuditVerdict, Since, day_and_hour};
pub use error::{CommandError, Exit, StoreError};
pub use model::{
    Check, GrantState, GrantView, Health, PluginInfo, PluginState, PluginSummary, Registered, RegisteredCommand,
    RegisteredTool, RepositoryPlugin, RepositoryView, Source, Switched, TrustView, Validation,
};
pub use part::Part;
pub use ports::{AuditTrail, Person, PluginStore};
pub use problem::{Problem, Severity};
pub use run::{Screen, run};
pub use table::{Align, Cell, Column, Fit, Table, wrap};
pub use text::{display_width, exact, json_text, printable, printable_block, with_causes};
pub use theme::Theme;
pub use wording::{Ask, asks, short};
