use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use mimir_commands::{CommandError, Exit, StoreError, Theme, json_text, printable};

use super::args::{Export, Format};
use super::markdown::markdown;
use super::{Kept, failed};
use crate::terminal::Terminal;

pub(super) async fn run(kept: &Kept, export: &Export, terminal: &mut Terminal) -> Result<Exit, CommandError> {
    let (store, session) = kept.find(export.id.as_deref()).await?;
    let exported = store.export(&session.id).await.map_err(|error| failed(&error))?;
    let text = match export.format {
        Format::Json => json_text(&exported).map_err(io::Error::from)? + "\n",
        Format::Markdown => markdown(&exported),
    };
    let Some(file) = &export.output else {
        terminal.out.write_all(text.as_bytes())?;
        return Ok(Exit::Done);
    };
    make(file, &text).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AlreadyExists => "name a file that does not exist yet",
            _ => "name a file in a folder that you may write",
        };
        let message = format!("{} can't be written: {error}", file.display());
        CommandError::from(StoreError::failed(message, Some(hint.to_owned())))
    })?;
    let good = Theme::GOOD;
    let (id, file) = (&session.id, printable(&file.to_string_lossy()));
    writeln!(terminal.out, "{good}✓{good:#} {id} was written to {file}")?;
    Ok(Exit::Done)
}

/// Makes a file with all of the text, or none. It is for nobody else to read.
fn make(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}
