use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::PlatformError;

/// The most that a private file may hold, in bytes.
const MOST: u64 = 1 << 20;

/// The contents of a file that is the user's alone; nothing if there is none. What counts is the file that was opened.
///
/// # Errors
/// [`PlatformError::NotPrivate`] if it is somebody else's, or if others may read or change it; [`PlatformError::WrongKind`],
/// [`PlatformError::TooLarge`], [`PlatformError::NotUtf8`] and those of the operating system.
pub fn read_private_file(path: &Path) -> Result<Option<String>, PlatformError> {
    let failed = |source| PlatformError::file("read", path, source);
    // Not to wait for the writer of a pipe
    let opened =
        OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed()).open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(PlatformError::WrongKind { path: path.to_owned(), found: "no file", expected: "a file" });
    }
    if metadata.mode() & 0o077 != 0 || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(PlatformError::NotPrivate { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST {
        return Err(PlatformError::TooLarge { what: path.display().to_string(), limit: MOST });
    }
    String::from_utf8(bytes).map(Some).map_err(|_| PlatformError::NotUtf8 { path: path.to_owned() })
}
