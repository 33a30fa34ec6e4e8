//! Where plugins may lie, which of a name wins, and which are enabled.

mod found;
mod listed;
mod places;
mod search;

pub(crate) use found::Origin;
pub use found::{Discovery, Found, Place, Shadowed};
pub use places::Places;
pub(crate) use search::{discover, read_folder};
