use anstyle::{AnsiColor, Style};

/// The few styles of the command line. They are always written; who owns the stream removes them where there is no
/// terminal, or where `NO_COLOR` or `--color` says so.
#[derive(Debug)]
pub struct Theme;

impl Theme {
    /// As it is.
    pub const PLAIN: Style = Style::new();
    /// Names and headings.
    pub const STRONG: Style = Style::new().bold();
    /// What matters less.
    pub const DIM: Style = Style::new().dimmed();
    /// Done, ready, approved, added.
    pub const GOOD: Style = AnsiColor::Green.on_default();
    /// Needs attention, changed.
    pub const WARN: Style = AnsiColor::Yellow.on_default();
    /// Failed, blocked, removed.
    pub const BAD: Style = AnsiColor::Red.on_default();
    /// What to type.
    pub const TYPE: Style = AnsiColor::Cyan.on_default();
}
