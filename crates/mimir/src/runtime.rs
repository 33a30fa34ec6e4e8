use std::io;

use tokio::runtime::{Builder, Runtime};

/// The runtime of one command. One thread is enough: isolates run in other processes, and what waits for the disk has
/// threads of its own.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
