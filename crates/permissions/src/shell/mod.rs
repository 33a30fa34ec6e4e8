//! Command lines taken apart, as far as that can be done without a shell.
//!
//! The aim is not to run anything but to see what would run. Where the two readings of a text could differ, the line is
//! marked ([`Line::is_opaque`]), and whoever asks takes the worst.

mod ansi;
mod lexer;
mod parse;
mod unwrap;
mod word;

pub(crate) use parse::{Line, Simple, base_name, parse};
pub(crate) use unwrap::{interpreter, is_shell};
pub(crate) use word::Word;

/// The most bytes of a line that are taken apart; what is longer is opaque.
pub(crate) const MAX_LINE: usize = 64 << 10;
/// How deep substitutions and shells within shells are followed.
pub(crate) const MAX_DEPTH: usize = 8;
/// How many simple commands are looked at.
pub(crate) const MAX_COMMANDS: usize = 2_000;
