use mimir_shared_config::PluginId;

use crate::{Emitted, Outcome, Payload};

/// What the plugins decided about an event that announces something.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision<T> {
    /// It may happen.
    Proceed(T),
    /// It must not happen.
    Blocked {
        /// Whose decision it is.
        by: Option<PluginId>,
        /// Why.
        reason: String,
    },
}

impl<T: Payload> Decision<T> {
    /// Reads the decision off what became of `event`. A changed payload that cannot be read blocks: nobody knows what
    /// the plugins wanted, and going on without their change could undo what a guard has done.
    pub(crate) fn read(event: T, emitted: Emitted) -> Self {
        match emitted.outcome {
            Outcome::Blocked | Outcome::Denied => {
                let reason = emitted.reason.unwrap_or_else(|| NO_REASON.to_owned());
                Self::Blocked { by: emitted.by, reason }
            }
            Outcome::Changed => match serde_json::from_str(&emitted.payload) {
                Ok(event) => Self::Proceed(event),
                Err(error) => {
                    let reason = format!("the changed `{}` could not be read: {error}", T::EVENT);
                    Self::Blocked { by: emitted.by, reason }
                }
            },
            Outcome::Passed | Outcome::Approved | Outcome::Failed => Self::Proceed(event),
        }
    }
}

/// What a block without a reason says.
pub(crate) const NO_REASON: &str = "blocked without a reason";
