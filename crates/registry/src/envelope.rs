use std::sync::Arc;

use mimir_shared_config::{EventName, PluginId};

/// An event on its way to its subscribers. Cloning it copies no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Which event.
    pub name: EventName,
    /// The payload as JSON text: serialised once an event, and again only when an answer changed it.
    pub payload: Arc<str>,
    /// Which plugins' host calls raised it.
    pub cause: Cause,
    /// The session that it belongs to.
    pub session_id: Arc<str>,
    /// Which emission of its bus it is, from 1 in the order in which they began; 0 before the bus has it.
    pub number: u64,
}

impl Envelope {
    /// An event that no plugin caused.
    pub fn new(name: EventName, payload: impl Into<Arc<str>>, session_id: impl Into<Arc<str>>) -> Self {
        Self { name, payload: payload.into(), cause: Cause::default(), session_id: session_id.into(), number: 0 }
    }

    /// The same event, raised by what the plugins of `cause` did.
    #[must_use]
    pub fn caused_by(self, cause: Cause) -> Self {
        Self { cause, ..self }
    }
}

/// The chain of plugins whose host calls led to an event, the first cause first. An event is never delivered to a
/// plugin of its own chain, so that neither A→A nor A→B→A loops.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause(Option<Arc<[PluginId]>>);

impl Cause {
    /// The chain as a slice; empty if no plugin is the cause.
    pub fn chain(&self) -> &[PluginId] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether `plugin` is in the chain.
    pub fn contains(&self, plugin: &PluginId) -> bool {
        self.chain().contains(plugin)
    }

    /// This chain with `plugin` at its end: the cause of what `plugin` does while it handles an event of this cause.
    #[must_use]
    pub fn then(&self, plugin: &PluginId) -> Self {
        self.chain().iter().chain([plugin]).cloned().collect()
    }
}

impl FromIterator<PluginId> for Cause {
    fn from_iter<I: IntoIterator<Item = PluginId>>(plugins: I) -> Self {
        let chain: Arc<[PluginId]> = plugins.into_iter().collect();
        Self((!chain.is_empty()).then_some(chain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::id;

    #[test]
    fn a_chain_grows_at_its_end() {
        let none = Cause::default();
        assert!(none.chain().is_empty());
        assert_eq!(none, Cause::from_iter([]));
        let chain = none.then(&id("a")).then(&id("b"));
        assert_eq!(chain.chain(), [id("a"), id("b")]);
        assert!(chain.contains(&id("a")) && !chain.contains(&id("c")));
    }
}
