use std::sync::OnceLock;

/// A part that another part needs before it exists: the dispatcher offers the tool `task`, which is the chat's, and the chat
/// uses the dispatcher. Set once, right after both are there and before anybody calls them.
pub(crate) struct Late<T>(OnceLock<T>);

impl<T> Default for Late<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> Late<T> {
    /// Sets it. A second time changes nothing.
    pub(crate) fn set(&self, part: T) {
        let _ = self.0.set(part);
    }

    /// The part, once it is set.
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.get()
    }
}
