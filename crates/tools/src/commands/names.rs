use std::collections::HashMap;

use thiserror::Error;

/// Two commands want one name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("/{name} of {refused} is not used: {kept} has that name")]
pub struct NameConflict {
    /// The name, or an alias.
    pub name: String,
    /// Where the command is written that has it.
    pub kept: String,
    /// Where the other one is.
    pub refused: String,
}

/// Who has which name. The first one has it.
#[derive(Debug, Default, Clone)]
pub(super) struct Names(HashMap<String, String>);

impl Names {
    pub(super) fn claim(&mut self, name: &str, place: &str) -> Result<(), NameConflict> {
        match self.0.get(name) {
            Some(kept) => Err(NameConflict { name: name.to_owned(), kept: kept.clone(), refused: place.to_owned() }),
            None => {
                self.0.insert(name.to_owned(), place.to_owned());
                Ok(())
            }
        }
    }
}
