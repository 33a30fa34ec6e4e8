/// Tells the person at the terminal something.
pub trait Notifier: Send + Sync {
    /// Shows the notice; one that can't be shown is lost.
    fn notify(&self, notice: &Notice<'_>);
}

/// What a person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice<'a> {
    /// How serious it is.
    pub level: Level,
    /// Who says it: a plugin's name, or nobody for Mimir itself.
    pub from: Option<&'a str>,
    /// What is said. Adapters neutralise control characters, so it may come from a plugin.
    pub message: &'a str,
}

/// How serious a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For information.
    Info,
    /// Something may be wrong.
    Warning,
    /// Something went wrong.
    Error,
}
