/// A word of a command line, quotes taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Word {
    /// What it says, with `$` standing for what only a shell knows.
    pub(crate) text: String,
    /// A variable or a substitution is in it: what it is can't be told.
    pub(crate) is_unknown: bool,
    /// An unquoted `*`, `?` or `[…]`: it may stand for any number of names.
    pub(crate) has_glob: bool,
    /// Unquoted braces that stand for several words.
    pub(crate) has_braces: bool,
    /// It is written in pieces, so that its text does not stand in the line: `r''m`, `\rm`, `$'\x72m'`.
    pub(crate) is_disguised: bool,
    /// Whether any of it is in quotes.
    pub(crate) is_quoted: bool,
    /// The scripts of the substitutions in it.
    pub(crate) scripts: Vec<String>,
}

impl Word {
    /// Whether its text is all that there is to it.
    pub(crate) fn is_literal(&self) -> bool {
        !self.is_unknown && !self.has_glob && !self.has_braces
    }
}
