use std::io::{self, Write as _};

use mimir_chat::{Session, SessionStore as _, StoreError};
use mimir_commands::{CommandError, Exit, Person as _, StoreError as CommandFailed, Theme, json_text, printable};
use mimir_shared_platform::{Clock as _, SystemClock};
use serde_json::json;

use super::args::Delete;
use super::money::counted;
use super::when::ago;
use super::{Kept, failed};
use crate::person::AtTerminal;
use crate::replay::diff::fit;
use crate::terminal::Terminal;

pub(super) async fn run(kept: &Kept, delete: &Delete, terminal: &mut Terminal) -> Result<Exit, CommandError> {
    // All of them are known before one is deleted
    let mut sessions: Vec<Session> = Vec::new();
    for id in &delete.ids {
        let (_, session) = kept.find(Some(id)).await?;
        if !sessions.iter().any(|known| known.id == session.id) {
            sessions.push(session);
        }
    }
    if !delete.yes {
        confirm(&sessions, terminal).await?;
    }
    let Some(store) = &kept.store else { return Ok(Exit::Done) };
    let (mut deleted, mut refused) = (Vec::new(), Vec::new());
    for session in &sessions {
        match store.delete(&session.id).await {
            Ok(()) => deleted.push(session),
            // Somebody else was quicker: it is gone, and that was wanted
            Err(StoreError::Unknown { .. }) => {}
            Err(error) => refused.push(error),
        }
    }
    let out = &mut terminal.out;
    let good = Theme::GOOD;
    match delete.json {
        true => {
            let ids: Vec<_> = deleted.iter().map(|session| &session.id).collect();
            writeln!(out, "{}", json_text(&json!({ "deleted": ids })).map_err(io::Error::from)?)?;
        }
        false => {
            for session in deleted {
                writeln!(out, "{good}✓{good:#} {} was deleted", described(session, terminal.width.saturating_sub(14)))?;
            }
        }
    }
    let last = refused.pop();
    for error in refused {
        let bad = Theme::BAD;
        terminal.errors.notice(&format!("{bad}✗{bad:#} {error}"));
    }
    last.map_or(Ok(Exit::Done), |error| Err(failed(&error)))
}

async fn confirm(sessions: &[Session], terminal: &mut Terminal) -> Result<(), CommandError> {
    let now = SystemClock.now_ms();
    for session in sessions {
        let about = format!("{}, {}", counted(session.messages, "message"), ago(session.updated_at, now));
        terminal.errors.notice(&format!("  {} ({about})", described(session, terminal.width.saturating_sub(40))));
    }
    let which = match sessions {
        [_] => "this session".to_owned(),
        several => format!("these {} sessions", several.len()),
    };
    match AtTerminal.confirm(&format!("Delete {which} for good?")).await {
        Some(true) => Ok(()),
        Some(false) => Err(CommandFailed::failed("nothing was deleted", None).into()),
        None => {
            let hint = "add `--yes` to delete without being asked".to_owned();
            Err(CommandFailed::failed("nobody is here to confirm that", Some(hint)).into())
        }
    }
}

fn described(session: &Session, room: usize) -> String {
    let strong = Theme::STRONG;
    let title = fit(&printable(&session.title), room.saturating_sub(session.id.len() + 1).max(8));
    format!("{strong}{}{strong:#} {title}", session.id)
}
