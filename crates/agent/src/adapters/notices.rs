use std::sync::Arc;

use mimir_chat::{Screen, Shown};
use mimir_shared_platform::{Notice, Notifier};

/// What tools tell the person, on the conversation's screen.
pub(crate) struct ScreenNotices(pub(crate) Arc<dyn Screen>);

impl Notifier for ScreenNotices {
    fn notify(&self, notice: &Notice<'_>) {
        match notice.from {
            Some(from) => self.0.show(Shown::Notice { text: &format!("{from}: {}", notice.message) }),
            None => self.0.show(Shown::Notice { text: notice.message }),
        }
    }
}
